#pragma once
// Files of a row delta for tests, from rows as JSON: data, equality deletes, position deletes (in
// tables of version 3: deletion vectors), each written by our own writers. What a streaming writer
// such as Flink commits.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// What the delta holds of one partition.
struct RowDeltaPart {
  int32_t spec_id = 0;
  PartitionTuple partition;
  std::string rows;                      ///< to append: arrays of the current schema, or ""
  std::vector<int64_t> dropped;          ///< positions in rows that are deleted at once
  std::vector<std::string> key_columns;  ///< of the equality deletes
  std::string keys;                      ///< arrays of key_columns, or ""
  std::map<std::string, std::vector<int64_t>> positions;  ///< to delete, by data file
};

/// Writes the files below the table's data folder. The change fails in a commit whose base lacks a
/// data file that positions name. starting: the snapshot that the positions were read from.
Result<SnapshotChanges> WriteRowDelta(Call& call, io::FileSystem& files, const TableMetadata& table,
                                      const std::vector<RowDeltaPart>& parts,
                                      std::optional<int64_t> starting);

}  // namespace moraine::iceberg
