#pragma once
// Which column of a file is which of the table, for readers of all formats (table spec, "Column
// projection").

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/data/data_file_reader.h"

namespace moraine::iceberg {

/// Among these themselves, not their children; nullptr if there is none.
const FileColumn* FindColumn(const std::vector<FileColumn>& columns, int32_t id);

/// Gives ids to the columns of a file that has none, as the options say. Errors: Unsupported naming
/// the file if which column is which would be a guess.
Status GiveIds(const std::string& location, const ReadOptions& options,
               std::vector<FileColumn>* columns);

}  // namespace moraine::iceberg
