#pragma once
// A second reader of tables, for tests: slow, without indexes, expressions or statistics, and with
// nothing of scan/ and deletes/ in it. What a table holds must be the same by it and by a model.

#include <string>
#include <vector>

#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Live entries of the current snapshot.
Result<std::vector<ManifestEntry>> LiveEntries(io::FileSystem& files, const TableMetadata& table);

/// The rows of the current snapshot with all deletes applied, as RowsText prints them, sorted.
/// Parquet and deletion vectors only. Errors: Corruption for two vectors of one data file.
Result<std::vector<std::string>> TableRows(io::FileSystem& files, const TableMetadata& table);

}  // namespace moraine::iceberg
