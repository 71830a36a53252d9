#pragma once
// The worker task "compute-partition-statistics": counts what each partition of one snapshot holds
// and writes that as a file, which the server then sets in the table's metadata. Used by
// maintenance's compute-statistics.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

inline constexpr std::string_view kComputePartitionStatistics = "compute-partition-statistics";

/// The body of a task. full: statistics that are there count as nothing.
std::string PartitionStatisticsBody(const SnapshotPlace& place, bool full = false);

struct ComputedPartitionStatistics {
  iceberg::PartitionStatisticsFile file;
  int64_t partitions = 0;
  int64_t data_files = 0;
  int64_t delete_files = 0;  ///< with deletion vectors
  bool incremental = false;  ///< only what came since an ancestor's statistics was read
  std::string reason;        ///< why all manifests were read
  int64_t manifests = 0;     ///< that were read

  bool operator==(const ComputedPartitionStatistics&) const = default;
};
std::string ToResult(const ComputedPartitionStatistics& computed);
/// Errors: InvalidArgument.
Result<ComputedPartitionStatistics> PartitionStatisticsOf(const tasks::MaintenanceOutput& output);

/// The location of the file of one attempt: in the metadata folder, named as all that attempts
/// write (MaintenanceTask::OutputPrefix), so that a lost one's is found.
std::string PartitionStatisticsLocation(const iceberg::TableMetadata& metadata, int64_t snapshot_id,
                                        const tasks::MaintenanceTask& task);

/// Errors: as OpenSnapshot and ComputePartitionStatistics; InvalidArgument for a snapshot that can
/// have none.
Result<tasks::MaintenanceOutput> RunComputePartitionStatistics(Call& call, io::FileSystem& files,
                                                               const tasks::MaintenanceTask& task,
                                                               const JobOptions& options,
                                                               JobProgress* progress);

}  // namespace moraine::upkeep
