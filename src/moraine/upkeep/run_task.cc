#include "moraine/upkeep/run_task.h"

#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "moraine/upkeep/dangling_deletes.h"
#include "moraine/upkeep/data_expiry.h"
#include "moraine/upkeep/deletion_task.h"
#include "moraine/upkeep/find_expired_files.h"
#include "moraine/upkeep/manifest_rewrite.h"
#include "moraine/upkeep/orphan_task.h"
#include "moraine/upkeep/partition_statistics_task.h"
#include "moraine/upkeep/quarantine_task.h"
#include "moraine/upkeep/sketch_task.h"
#include "moraine/upkeep/table_files_task.h"

namespace moraine::upkeep {
namespace {

using RunKind = Result<tasks::MaintenanceOutput> (*)(Call&, io::FileSystem&,
                                                     const tasks::MaintenanceTask&,
                                                     const JobOptions&, JobProgress*);
struct Kind {
  std::string_view name;
  RunKind run;
};

/// One line for each kind.
const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {kFindOrphansKind, RunFindOrphans},
      {kDeleteFilesKind, RunDeleteFiles},
      {kEmptyQuarantineKind, RunEmptyQuarantine},
      {kRestoreQuarantineKind, RunRestoreQuarantine},
      {kListTableFilesKind, RunListTableFiles},
      {kFindExpiredFilesKind, RunFindExpiredFiles},
      {kFindDanglingDeletes, RunFindDanglingDeletes},
      {kWriteManifests, RunWriteManifests},
      {kFindExpiredData, RunFindExpiredData},
      {kComputePartitionStatistics, RunComputePartitionStatistics},
      {kComputeStatisticsKind, RunComputeStatistics},
  };
  return kinds;
}

}  // namespace

Result<tasks::MaintenanceOutput> RunMaintenanceTask(Call& call, io::FileSystem& files,
                                                    const tasks::MaintenanceTask& task,
                                                    const JobOptions& options,
                                                    JobProgress* progress) {
  for (const auto& kind : Kinds()) {
    if (kind.name == task.kind) return kind.run(call, files, task, options, progress);
  }
  return Unsupported(fmt::format("this version does not know maintenance tasks of kind '{}'",
                                 task.kind.substr(0, 60)));
}

}  // namespace moraine::upkeep
