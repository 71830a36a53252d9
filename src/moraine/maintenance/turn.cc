#include "moraine/maintenance/turn.h"

#include <algorithm>
#include <utility>

namespace moraine::maintenance {

using store::Transaction;

std::vector<TaskResult> ResultsOf(const Turn& turn) {
  std::vector<TaskResult> results;
  for (const auto& task : turn.tasks) {
    TaskResult result;
    result.task_id = task.task.task_id;
    result.kind = task.task.kind;
    result.body = task.task.body;
    result.output = task.output;
    if (task.state != "succeeded") result.status = Internal(task.error);
    results.push_back(std::move(result));
  }
  return results;
}

MaintenanceRun AfterStep(const Turn& turn, std::string state, std::string progress, Finish finish,
                         const Options& options) {
  MaintenanceRun run = turn.run;
  run.steps += 1;
  run.stage = std::move(state);
  run.reason = std::move(progress);
  run.must_finish |= finish == Finish::kMust;
  run.tries = 0;
  run.error.clear();
  run.may_write_until_ms = std::max(run.may_write_until_ms, MayWriteUntil(turn.tasks, options));
  return run;
}

Status InsertBegun(Transaction& t, const Turn& turn, const MaintenanceRun& run) {
  MORAINE_ASSIGN(const bool saved, SaveSchedule(t, *turn.schedule));
  if (!saved) return Cancelled("the schedule has changed meanwhile");
  return InsertRun(t, run);
}

Status SaveStep(Transaction& t, const Turn& turn, const MaintenanceRun& run, Outputs outputs,
                int64_t now_ms) {
  if (turn.is_new()) return InsertBegun(t, turn, run);
  MORAINE_TRY(SaveRun(t, run));
  return ForgetTasks(t, run, turn.tasks, outputs, now_ms);
}

}  // namespace moraine::maintenance
