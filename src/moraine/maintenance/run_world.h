#pragma once
// What the runner and its parts work with, and what a round finds out about a table before anything
// is done to it. Used by run_starts.h, run_steps.h and runner.h.

#include <cstdint>
#include <memory>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/file_system.h"
#include "moraine/maintenance/action.h"
#include "moraine/maintenance/metrics_internal.h"
#include "moraine/maintenance/options.h"
#include "moraine/maintenance/policies.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/maintenance/seams.h"
#include "moraine/maintenance/step_writes.h"
#include "moraine/optimizing/task_queue.h"
#include "moraine/store/shards.h"

namespace moraine::maintenance {

using Actions = std::vector<std::unique_ptr<Action>>;

/// What a run has to do with; all of it outlives the steps.
struct RunWorld {
  catalog::Catalog& catalog;
  io::FileSystem& files;
  store::Shards& shards;
  optimizing::TaskQueue& queue;
  const Actions& actions;
  const Seams& seams;
  const Options& options;
  MaintenanceMetrics& metrics;
  StepWrites& writes;

  Action* DriverOf(upkeep::Action action) const;
};

/// A table as a round has found it; for purges without both.
struct TableFacts {
  catalog::LoadedTablePtr table;
  TablePolicyPtr policy;
};
/// Errors: NotFound; Conflict for a purge of a table that lives.
Result<TableFacts> LoadFacts(Call& call, const RunWorld& world, int64_t table_id,
                             upkeep::Action action, Inherited& inherited);

/// Stores the row, with what else there is to be stored; nothing if it has changed meanwhile.
void LeaveSchedule(const RunWorld& world, Schedule schedule);
/// It could not begin: it is tried again later and later.
void PutOff(Call& call, const RunWorld& world, Schedule schedule, const Status& why);

}  // namespace moraine::maintenance
