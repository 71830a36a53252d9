#pragma once
// The maintenance service: one loop that hears of changes, looks at tables, begins what is due and
// goes on with runs, each as a tick; and what a person may ask and say. Truth is in the store; this
// object may be made and destroyed at any time, and several servers may have one each: they share
// the tables by leases of their own duty (docs/design/0023-maintenance.md).

#include <memory>
#include <string>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/maintenance/action.h"
#include "moraine/maintenance/asked_run.h"
#include "moraine/maintenance/options.h"
#include "moraine/maintenance/runner.h"
#include "moraine/maintenance/seams.h"
#include "moraine/maintenance/watcher.h"
#include "moraine/optimizing/task_queue.h"
#include "moraine/store/shards.h"
#include "moraine/store/work_loop.h"

namespace moraine::maintenance {

/// Thread-safe.
class Service {
 public:
  /// queue: that of optimizing, which must be open before this is.
  Service(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
          optimizing::TaskQueue& queue, Options options, Seams seams,
          std::vector<std::unique_ptr<Action>> actions);

  /// Makes the rows' tables.
  Status Open(Call& call);
  /// Runs ticks until the stop; sleeps until something changes or a timer is due. On one thread.
  /// Shares the work with the other servers of the store; gives its part back at the end.
  void Run(const Env& env, std::stop_token stop);
  /// One round of all ticks; true when something was done. For tests and for Run.
  Result<bool> Tick(Call& call);
  /// Wakes the loop. Thread-safe, cheap.
  void Wake();

  using Wish = RunWish;
  /// Asks for a run now; returns its id, under which it is found once it has begun. Errors:
  /// NotFound; Conflict when one runs or is asked for already, or the table's properties forbid it;
  /// Unsupported for what this version does not do.
  Result<std::string> Request(Call& call, const catalog::LoadedTable& table, upkeep::Action action,
                              const Wish& wish);

 private:
  Status TrimTick(Call& call);

  store::Database& database_;
  const Options options_;
  const Seams seams_;
  const std::vector<std::unique_ptr<Action>> actions_;
  store::Shards shards_;
  store::WorkLoop loop_;
  Watcher watcher_;
  Runner runner_;
  int64_t trimmed_ms_ = 0;  // by the loop's thread
};

}  // namespace moraine::maintenance
