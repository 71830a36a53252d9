#pragma once
// One step of one run: the driver (action.h) is asked for it, and it is stored: tasks, a commit, an
// end, each in one transaction, the one of the commit where there is one. What is not a commit
// waits for others to be stored with (step_writes.h). Called by starts (run_starts.h) and by the
// runner for runs that go on.

#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/maintenance/action.h"
#include "moraine/maintenance/run_world.h"
#include "moraine/maintenance/turn.h"

namespace moraine::maintenance {

/// Thread-safe, but for two calls about one run.
class RunSteps {
 public:
  explicit RunSteps(const RunWorld& world) : world_(world) {}

  /// What comes next. Errors: those of the driver.
  Result<Step> Ask(Call& call, const Turn& turn);
  /// Takes this step, and after a commit the next ones; again with the table as it is then if
  /// others were quicker. A failure is stored as such.
  void Take(Call& call, const TurnPtr& turn, Step step, Inherited& inherited);
  /// Both, one after the other.
  void Go(Call& call, const TurnPtr& turn, Inherited& inherited);
  /// The run ends, or waits, as it may.
  void Failed(Call& call, const TurnPtr& turn, const Status& why);
  void End(Call& call, const TurnPtr& turn, RunState state, std::string reason,
           std::optional<std::string> memory);
  /// The step is tried again later.
  Status Postpone(Call& call, const Turn& turn, const std::string& why);

 private:
  Status TakeAll(Call& call, const TurnPtr& turn, Step step, Inherited& inherited);
  /// Anything but a commit. Errors: of steps that may not be.
  Status Leave(Call& call, const TurnPtr& turn, Step step);
  Status LeaveTasks(Call& call, const TurnPtr& turn, RunTasks step);
  Status StoreNew(Call& call, Turn* turn);
  void NotStored(Call& call, const TurnPtr& turn, const Status& why);

  const RunWorld& world_;
};

}  // namespace moraine::maintenance
