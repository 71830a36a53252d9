#pragma once
// A model checker of maintenance: random histories of tables in a real catalog, with a real service
// of maintenance and a worker beside them, everything synchronous and by a seed. Engines append,
// overwrite, delete, rewrite, branch, tag, roll back, stage, drop, bring back, rename, register and
// make tables again in old places; the server and the worker are killed anywhere, their calls fail,
// listings are stale, tasks are run long after they were handed out, and time jumps. Beside it a
// model keeps for every snapshot the rows that it must give, as plain data. After each step:
//
//   - each snapshot that a table has reads exactly its rows, with every file it needs there;
//   - a snapshot or a branch or tag went only if the table's rules allow it;
//   - what maintenance committed kept all rows (or took old ones, where data is to expire);
//   - nothing was deleted that is needed: by a table, by a dropped one that can come back, by a
//     writer that has not committed yet.
//
// At a quiet end faults stop and time passes: then what nobody needs must be gone.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "moraine/maintenance/action.h"
#include "moraine/tasks/maintenance_task.h"

namespace moraine::maintenance {

/// Bugs planted on purpose, to see that the checker finds them.
struct PlantedBug {
  /// Called with each task before a worker runs it.
  std::function<void(tasks::MaintenanceTask*)> task;
  /// Called with each file that the worker opens; may answer another one.
  std::function<std::string(const std::string& location)> read;
  /// Called with what an action is asked with.
  std::function<void(upkeep::Action, RunContext*)> context;
};

struct LivesOptions {
  int steps = 60;
  bool quiet_end = true;
  bool restless = false;  ///< tables are dropped, and come back, all the time
  PlantedBug bug;
};

struct LivesReport {
  std::vector<std::string> faults;   ///< empty: all was well
  std::vector<std::string> history;  ///< one line for each step
  int64_t snapshots = 0;             ///< that were read
  int64_t deleted = 0;               ///< files that went
  int64_t expired = 0;               ///< snapshots that went
  int64_t crashes = 0;
  int64_t purged = 0;  ///< tables
  int64_t staged = 0;  ///< tables that were made by the commit of their first rows
};

/// The same for the same seed, but for the order in which a task's threads read.
LivesReport LiveRandomly(uint64_t seed, const LivesOptions& options);

}  // namespace moraine::maintenance
