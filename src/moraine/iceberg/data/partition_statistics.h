#pragma once
// Partition statistics files (table spec, "Partition Statistics", "Partition Statistics File"): one
// row for each partition of a snapshot with its rows, files and bytes. The codec alone; upkeep
// computes them. Written as Parquet, read in any format of rows.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// What a partition holds, deleted rows included.
struct PartitionCounts {
  int64_t data_records = 0;
  int64_t data_files = 0;
  int64_t data_bytes = 0;
  int64_t position_delete_records = 0;  ///< of deletion vectors, too
  int64_t position_delete_files = 0;    ///< without deletion vectors
  int64_t equality_delete_records = 0;
  int64_t equality_delete_files = 0;
  int64_t deletion_vectors = 0;
  std::optional<int64_t> total_records = {};    ///< without deleted rows; unset: not known
  std::optional<int64_t> last_updated_ms = {};  ///< both or none
  std::optional<int64_t> last_updated_snapshot_id = {};

  bool operator==(const PartitionCounts&) const = default;
};

struct PartitionStatistics {
  int32_t spec_id = 0;
  PartitionTuple partition;  ///< a value for each of UnifiedPartitionFields
  PartitionCounts counts;
};

/// The fields that the partition struct of all specs has: each field of any spec whose source is a
/// column of the current schema, by id; named and typed as in the latest spec that has it. Empty:
/// no spec has partitions. Errors: Unsupported for a transform that is not known, and for two
/// fields of one id that differ (version 1).
Result<std::vector<Field>> UnifiedPartitionFields(const TableMetadata& metadata);

/// The columns of a statistics file.
std::vector<Field> PartitionStatisticsFields(const std::vector<Field>& partition_fields,
                                             int format_version);

/// A row to be written, in place.
struct PartitionStatisticsRow {
  int32_t spec_id = 0;
  const PartitionTuple* partition = nullptr;
  const PartitionCounts* counts = nullptr;
};
struct PartitionStatisticsOutput {
  std::string location;
  std::vector<Field> partition_fields;  ///< not empty
  int format_version = kDefaultFormatVersion;
  StringMap properties;  ///< the table's: the codec
  int64_t memory_bytes = int64_t{64} << 20;
};
/// Writes rows 0 to count - 1, which are sorted by partition. Returns the file's size. Errors: as
/// ParquetWriter; Unsupported for more files in a partition than the format counts.
Result<int64_t> WritePartitionStatistics(Call& call, io::FileSystem& files,
                                         const PartitionStatisticsOutput& output, size_t count,
                                         const std::function<PartitionStatisticsRow(size_t)>& row);

/// Calls visit for each row. Partition fields that the file lacks are null, those that are not
/// wanted are left out. known_size is trusted. Errors: as DataFileReader; Corruption for counts
/// below 0.
Status ReadPartitionStatistics(Call& call, io::FileSystem& files, const std::string& location,
                               std::optional<int64_t> known_size,
                               const std::vector<Field>& partition_fields,
                               const std::function<Status(PartitionStatistics&)>& visit);

}  // namespace moraine::iceberg
