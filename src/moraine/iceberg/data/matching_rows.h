#pragma once
// Which rows of a data file have a value of one column that a test picks, and are not deleted yet.
// Reads that column and the keys of equality deletes, nothing else. Used where rows are to be
// deleted by position (upkeep).

#include <cstdint>
#include <functional>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

struct RowSearch {
  Field column;  ///< a top-level column of a primitive type
  std::function<bool(const Value&)> picks;
  ColumnConstants constants;             ///< identity partition values
  const NameMapping* mapping = nullptr;  ///< for files without ids
  int64_t memory_bytes = int64_t{64} << 20;
};

/// Errors: as DataFileReader; Corruption for a file with other rows than its metadata says.
Result<PositionSet> FindMatchingRows(Call& call, io::FileSystem& files, const DataFile& file,
                                     int64_t sequence_number, const DeleteFilter& deletes,
                                     const RowSearch& search);

}  // namespace moraine::iceberg
