#include "moraine/maintenance/run_end.h"

#include <algorithm>

#include "moraine/catalog/purges.h"
#include "moraine/maintenance/plain_rules.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/optimizing/attempt_cleaner.h"

namespace moraine::maintenance {
namespace {

using store::Transaction;

/// A worker's clock may be slow, and its last write under way.
constexpr int64_t kWriteMarginMs = 120'000;

/// The files of all attempts of the run as one entry, beside those of single attempts.
Status LeaveFilesToTheCleaner(Transaction& t, const MaintenanceRun& run) {
  if (run.tasks == 0 || run.output_prefix.empty()) return {};
  const tasks::TaskKey all{run.run_id, -1, 0};
  return optimizing::RecordDeadAttempts(
      t, run.subject.table_id, {{all, run.output_prefix, run.may_write_until_ms}}, run.finished_ms);
}

/// Of attempts that wrote elsewhere than the run itself: those are not cleaned with it.
Status LeaveOutputsToTheCleaner(Transaction& t, const MaintenanceRun& run,
                                const optimizing::JobTaskState& task, Outputs outputs,
                                int64_t now_ms) {
  if (run.output_prefix.starts_with(task.task.output_folder + "/")) return {};
  const bool is_used = outputs == Outputs::kCommitted && task.state == "succeeded";
  std::vector<optimizing::DeadAttempt> dead;
  for (int64_t attempt = 1; attempt <= task.attempt - (is_used ? 1 : 0); ++attempt) {
    tasks::MaintenanceTask made = task.task;
    made.attempt = static_cast<int32_t>(attempt);
    const bool has_ended = attempt == task.attempt && task.state == "succeeded";
    dead.push_back({{run.run_id, made.task_id, made.attempt},
                    made.OutputPrefix(),
                    has_ended ? 0 : run.may_write_until_ms});
  }
  return optimizing::RecordDeadAttempts(t, run.subject.table_id, dead, now_ms);
}

}  // namespace

int64_t MayWriteUntil(const std::vector<optimizing::JobTaskState>& tasks, const Options& options) {
  int64_t until = 0;
  for (const auto& task : tasks) {
    const bool is_sure = task.attempt == 0 || (task.attempt == 1 && task.state == "succeeded");
    if (!is_sure)
      until = std::max(until, task.handed_ms + options.task_timeout.count() + kWriteMarginMs);
  }
  return until;
}

Status ForgetTasks(Transaction& t, const MaintenanceRun& run,
                   const std::vector<optimizing::JobTaskState>& tasks, Outputs outputs,
                   int64_t now_ms) {
  if (run.tasks == 0) return {};
  for (const auto& task : tasks) {
    MORAINE_TRY(LeaveOutputsToTheCleaner(t, run, task, outputs, now_ms));
    const bool done = task.state == "succeeded";
    const bool failed = task.state == "failed";
    MORAINE_TRY(FinishDeletion(t, run.run_id, task.task.task_id,
                               done     ? "done"
                               : failed ? "failed"
                                        : "cancelled",
                               done ? task.output.result : task.error, now_ms));
  }
  return optimizing::DeleteJobTasks(t, run.run_id);
}

Status FinishSchedule(Transaction& t, const MaintenanceRun& run,
                      const std::optional<std::string>& memory, const Options& options) {
  MORAINE_ASSIGN(auto schedule, FindSchedule(t, run.subject.table_id, run.action));
  if (!schedule) return {};
  Schedule& s = *schedule;
  s.last_run_id = run.run_id;
  s.last_state = std::string(RunStateName(run.state));
  s.last_reason = run.error.empty() ? run.reason : run.error;
  if (!run.dry_run) {
    if (memory) s.memory = *memory;
    if (run.state == RunState::kFailed) {
      s.failures += 1;
      s.last_failure = run.error;
      s.retry_ms = run.finished_ms + BackOff(s.failures, options).count();
      if (s.due_ms || run.action == upkeep::Action::kPurgeTable) s.due_ms = s.retry_ms;
    } else if (run.state != RunState::kCancelled) {
      s.failures = 0;
      s.last_failure.clear();
      s.retry_ms = 0;
    }
  }
  const bool is_purged = run.action == upkeep::Action::kPurgeTable && !run.dry_run && !s.due_ms;
  if (is_purged) {
    return t
        .Execute("DELETE FROM maintenance_schedule WHERE table_id = ? AND action = ?",
                 {s.table_id, std::string(upkeep::ActionName(s.action))})
        .status();
  }
  MORAINE_ASSIGN(const bool saved, SaveSchedule(t, s));
  return saved ? Status() : Internal("a row that was just read has changed");
}

Status EndRows(Transaction& t, const MaintenanceRun& run,
               const std::vector<optimizing::JobTaskState>& tasks,
               const std::optional<std::string>& memory, const Options& options) {
  MaintenanceRun ended = run;
  ended.may_write_until_ms = std::max(run.may_write_until_ms, MayWriteUntil(tasks, options));
  MORAINE_TRY(EndRun(t, ended));
  MORAINE_TRY(ForgetTasks(t, ended, tasks, Outputs::kUnused, ended.finished_ms));
  MORAINE_TRY(LeaveFilesToTheCleaner(t, ended));
  const bool is_purged = ended.action == upkeep::Action::kPurgeTable && !ended.dry_run &&
                         ended.state != RunState::kFailed;
  if (is_purged)
    MORAINE_TRY(catalog::EndPurge(t, ended.subject.table_id, ended.may_write_until_ms));
  return FinishSchedule(t, ended, memory, options);
}

}  // namespace moraine::maintenance
