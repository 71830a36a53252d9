#pragma once
// Manifests ordered anew where planning gains by it: many small ones become few, and those whose
// partitions overlap much are cut so that a filter on partitions opens few. Decided from the
// manifest list alone; a worker writes the new manifests, in order of partitions; the commit
// replaces the old ones, if all of them are still there. The same files stay, with their snapshot
// ids, sequence numbers and first row ids. Data manifests only: deletes are few, or to be
// compacted.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

inline constexpr char kWriteManifests[] = "write-manifests";

/// How many data manifests planning reads for a filter on one partition, on average over partitions
/// that the manifests' bounds name (some hundred of them). By partition summaries alone.
double ManifestsPerPartition(const iceberg::TableMetadata& metadata,
                             const std::vector<iceberg::ManifestFile>& manifests);

struct ManifestDecision {
  std::vector<std::string> manifests;  ///< to write again; empty: nothing is to be done
  std::string reason;                  ///< one sentence, either way
  int64_t files = 0;                   ///< that they hold
  int64_t bytes = 0;
};
/// manifests: of the current snapshot. last: what ManifestsPerPartition was after the last rewrite;
/// 0: there was none.
ManifestDecision DecideManifestRewrite(const iceberg::TableMetadata& metadata,
                                       const std::vector<iceberg::ManifestFile>& manifests,
                                       double last);

struct ManifestRewriteTask {
  SnapshotPlace place;
  std::vector<std::string> manifests;
};
std::string ToBody(const ManifestRewriteTask& task);

struct RewrittenManifests {
  int64_t snapshot_id = 0;
  std::vector<std::string> replaced;
  std::vector<iceberg::ManifestFile> written;
  int64_t files = 0;
  double reads_before = 0;  ///< ManifestsPerPartition
  double reads_after = 0;
};
Result<RewrittenManifests> RewrittenManifestsOf(const tasks::MaintenanceOutput& output);

iceberg::SnapshotChanges ReplaceManifests(const RewrittenManifests& rewritten);

/// Writes them to the table's metadata folder, with the names of the attempt. Reads each manifest
/// twice, or more often where the new ones do not fit into the memory at once. Errors: as
/// OpenSnapshot and ReadManifest; InvalidArgument for a manifest that the snapshot has not;
/// Exhausted for more partitions than the memory can hold.
Result<tasks::MaintenanceOutput> RunWriteManifests(Call& call, io::FileSystem& files,
                                                   const tasks::MaintenanceTask& task,
                                                   const JobOptions& options,
                                                   JobProgress* progress);

}  // namespace moraine::upkeep
