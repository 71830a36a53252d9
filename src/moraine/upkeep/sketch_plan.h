#pragma once
// Counts of distinct values ("compute-statistics"): of which columns, whether it is time, and what
// must be read. Pure: decided from the table's metadata and properties alone. The statistics of an
// ancestor are the base where since then rows were only appended or rewritten: then only the new
// files are read, and their sketches merged with those of the base. After deletes all is read, as a
// sketch forgets nothing, and only if enough rows have changed (statistics.min-changed-percent).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/upkeep/config.h"

namespace moraine::upkeep {

/// Property of our blobs: the column's type, whose bytes were hashed. A column that is promoted has
/// other bytes from then on.
inline constexpr char kTypeProperty[] = "type";
/// Property of the blob of a uuid column: Spark hashes uuids as texts, which can't be merged.
inline constexpr char kUuidFormProperty[] = "uuid-form";
inline constexpr char kUuidFormBytes[] = "bytes";

struct StatisticsPlan {
  bool is_due = false;
  std::string reason;  ///< one sentence, either way
  int64_t snapshot_id = 0;
  std::vector<int32_t> columns;  ///< by id, in the schema's order
  std::optional<iceberg::StatisticsFile> base;
  /// Only files that these snapshots added are read; nullopt: all.
  std::optional<std::vector<int64_t>> since;
  /// Statistics that the snapshot has: their other blobs stay.
  std::optional<iceberg::StatisticsFile> replaced;
  int64_t files = 0;  ///< to be read, by the summaries of snapshots; 0 where those do not say it
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t parts = 1;  ///< that are read by a task each
};

/// For the current snapshot. full: what is there counts as nothing.
StatisticsPlan PlanStatistics(const iceberg::TableMetadata& metadata,
                              const MaintenanceConfig& config, bool full);

/// The snapshot's statistics, or nullptr.
const iceberg::StatisticsFile* StatisticsOf(const iceberg::TableMetadata& metadata,
                                            int64_t snapshot_id);

/// The columns counted: those named (with dots for fields of structs), or all at the top that can
/// be. problem: a sentence about names that can't be followed, or "".
std::vector<int32_t> StatisticsColumns(const iceberg::Schema& schema,
                                       const std::vector<std::string>& names, std::string* problem);

}  // namespace moraine::upkeep
