#pragma once
// Turns pending tables into processes, the most needed first, as far as each group's threads reach.

#include <string>

#include "moraine/catalog/catalog.h"
#include "moraine/optimizing/health_monitor.h"
#include "moraine/optimizing/options.h"
#include "moraine/optimizing/table_state.h"
#include "moraine/optimizing/task_queue.h"

namespace moraine::optimizing {

class ProcessPlanner {
 public:
  ProcessPlanner(catalog::Catalog& catalog, io::FileSystem& files, store::Shards& shards,
                 HealthMonitor& monitor, TaskQueue& queue, Options options);

  /// Plans those of this server's tables that are worth it now, one after the other. Returns the
  /// processes made.
  Result<size_t> PlanTick(Call& call);

 private:
  Result<bool> WaitForWriter(Call& call, TableState* state);
  Result<bool> PlanTable(Call& call, TableState state, int64_t group_threads);
  Result<bool> DropRequest(Call& call, TableState state, const Status& why);
  Status ExplainRunning(Call& call);
  Status Save(Call& call, const TableState& state);

  catalog::Catalog& catalog_;
  io::FileSystem& files_;
  store::Shards& shards_;
  store::Database& database_;
  HealthMonitor& monitor_;
  TaskQueue& queue_;
  const Options options_;
};

/// Pure: the order in which a group's pending tables are planned: what a person asked for, then by
/// benefit (100 - score) and waiting time together, so that no table waits for ever.
void RankPending(std::vector<TableState>* tables, int64_t now_ms);

}  // namespace moraine::optimizing
