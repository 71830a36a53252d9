#pragma once
// The optimizing service: one loop that takes changes from the feed, refreshes health, plans,
// reclaims and commits, each as a tick; and what a person may ask and say. Truth is in the store;
// this object may be made and destroyed at any time, and several servers may have one each: they
// share the tables by leases (docs/design/0015-replicas.md).

#include <string>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/optimizing/committer.h"
#include "moraine/optimizing/health_monitor.h"
#include "moraine/optimizing/process_planner.h"
#include "moraine/optimizing/task_queue.h"
#include "moraine/store/shards.h"
#include "moraine/store/work_loop.h"

namespace moraine::optimizing {

struct ProcessDetail {
  Process process;
  ProcessProgress progress;
  std::vector<TaskRow> tasks;
};

/// What a person asks for. Empty: as the table's properties say, and main.
struct RunRequest {
  std::string type;       ///< "minor", "major" or "full"
  std::string layout;     ///< as planning::LayoutOf
  std::string dedup_key;  ///< as planning::SetDedup
  std::string dedup_by;
  std::string branch;
};

/// Thread-safe.
class Service {
 public:
  Service(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
          Options options);

  /// Makes the rows' tables, forgets embedded optimizers of the process before.
  Status Open(Call& call);
  /// Runs ticks until the stop; sleeps until something changes or a timer is due. On one thread.
  /// Shares the work with the other servers of the store; gives its part back at the end.
  void Run(const Env& env, std::stop_token stop);
  /// For a server that leaves this work to others, but serves optimizers: hears of their tasks.
  void Watch(const Env& env, std::stop_token stop);
  /// One round of all ticks; true when something was done. For tests and for Run.
  Result<bool> Tick(Call& call);
  /// Wakes the loop. Thread-safe, cheap.
  void Wake();

  TaskQueue& queue() { return queue_; }
  const store::Shards& shards() const { return shards_; }

  Result<std::vector<TableState>> Tables(Call& call, int64_t after_table_id, size_t limit);
  /// Errors: NotFound.
  Result<TableState> Table(Call& call, int64_t table_id);
  /// The same for a table whose metadata can't be read just now; if its row does not say so yet, it
  /// is looked at soon.
  Result<TableState> DamagedTable(Call& call, const std::string& warehouse,
                                  const catalog::TableName& name, const Status& why);
  Result<std::vector<Process>> Processes(Call& call, int64_t table_id, size_t limit);
  Result<ProcessDetail> ProcessById(Call& call, const std::string& process_id);
  /// Asks for a run now. Errors: NotFound (the table, the branch), InvalidArgument; Conflict when
  /// the table can't be optimized (with the reason).
  Status Request(Call& call, int64_t table_id, const RunRequest& request);
  Status Cancel(Call& call, const std::string& process_id);

 private:
  catalog::Catalog& catalog_;
  store::Database& database_;
  const Options options_;
  store::Shards shards_;
  store::WorkLoop loop_;
  SharedWorkMetrics metrics_;
  TaskQueue queue_;
  HealthMonitor monitor_;
  ProcessPlanner planner_;
  Committer committer_;
  int64_t trimmed_ms_ = 0;  // by the loop's thread
};

}  // namespace moraine::optimizing
