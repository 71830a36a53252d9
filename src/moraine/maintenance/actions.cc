#include "moraine/maintenance/action.h"
#include "moraine/maintenance/clean_dangling_deletes.h"
#include "moraine/maintenance/compute_statistics.h"
#include "moraine/maintenance/create_tags.h"
#include "moraine/maintenance/expire_data.h"
#include "moraine/maintenance/expire_snapshots.h"
#include "moraine/maintenance/orphan_files.h"
#include "moraine/maintenance/partition_statistics.h"
#include "moraine/maintenance/purge.h"
#include "moraine/maintenance/rewrite_manifests.h"

namespace moraine::maintenance {

std::vector<std::unique_ptr<Action>> MakeActions() {
  std::vector<std::unique_ptr<Action>> actions;
  // One line for each driver.
  actions.push_back(MakeCleanDanglingDeletes());
  actions.push_back(MakeCleanOrphanFiles());
  actions.push_back(WithPartitionStatistics(MakeComputeStatistics()));
  actions.push_back(MakeCreateTags());
  actions.push_back(MakeExpireData());
  actions.push_back(MakeExpireSnapshots());
  actions.push_back(MakePurgeTable());
  actions.push_back(MakeRewriteManifests());
  return actions;
}

}  // namespace moraine::maintenance
