#include "moraine/optimizing/process_end.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/optimizing/failures.h"
#include "moraine/optimizing/table_state.h"

namespace moraine::optimizing {
namespace {

/// A worker's clock may be slow, and its last write under way.
constexpr int64_t kWriteMarginMs = 60'000;

DeadAttempt ToDead(const Attempt& attempt, const Options& options) {
  DeadAttempt dead{attempt.key, attempt.prefix, 0};
  if (!attempt.succeeded) {
    dead.may_write_until_ms = attempt.handed_ms + options.acknowledge_timeout.count() +
                              options.task_timeout.count() + kWriteMarginMs;
  }
  return dead;
}

/// A position map that has its file is of no more use once its task has landed: no commit has named
/// the file and none will, though the attempt's other files are the table's.
void AddUsedMap(const FinishedTask& item, std::vector<DeadAttempt>* dead) {
  if (!item.output.positions || item.output.positions->location.empty()) return;
  const tasks::RewriteTask& task = item.task;
  dead->push_back(
      {{task.process_id, task.task_id, task.attempt}, item.output.positions->location, 0});
}

/// What happens to a branch says nothing of main, which the table's row is about.
bool IsOnMain(const Process& process) { return process.branch == iceberg::kMainBranch; }

/// What a person reads of an ended process, until the table is looked at again.
std::string Outcome(const Process& process) {
  auto type = planning::OptimizingTypeName(process.type);
  const std::string where =
      IsOnMain(process) ? std::string() : fmt::format(" of the branch {}", process.branch);
  if (process.state == ProcessState::kSucceeded) {
    std::string more = process.error.empty() ? "" : "; " + process.error;
    if (process.deduplicated_rows > 0)
      more += fmt::format("; {} duplicate rows were left out", process.deduplicated_rows);
    return fmt::format("the {} process{} was committed: {} files ({}) became {} ({}){}", type,
                       where, process.input_files, FormatByteSize(process.input_bytes),
                       process.output_files, FormatByteSize(process.output_bytes), more);
  }
  return fmt::format("the {} process{} {}: {}", type, where,
                     process.state == ProcessState::kFailed ? "failed" : "was cancelled",
                     process.error);
}

std::string WithExplanation(const std::string& health_json, const std::string& explanation) {
  auto health = Json::Parse(health_json);
  if (!health.ok() || !health->is_object()) return health_json;
  health->Set("explanation", explanation);
  return health->ToString();
}

}  // namespace

std::vector<DeadAttempt> AllAttempts(const ProcessWork& work, const Options& options) {
  std::vector<DeadAttempt> dead;
  for (const auto& one : work.attempts) dead.push_back(ToDead(one, options));
  return dead;
}

std::vector<DeadAttempt> Leftovers(const ProcessWork& work, const std::set<int32_t>& committed,
                                   const Options& options) {
  std::vector<DeadAttempt> dead;
  for (const auto& one : work.attempts) {
    if (!one.succeeded || !committed.contains(one.key.task_id))
      dead.push_back(ToDead(one, options));
  }
  for (const auto& item : work.finished) {
    if (committed.contains(item.task.task_id)) AddUsedMap(item, &dead);
  }
  return dead;
}

std::vector<DeadAttempt> LeftoversOfAnyTask(const ProcessWork& work, const Options& options) {
  // Whoever landed it may have believed more reports than are believed here.
  std::set<int32_t> all;
  for (const auto& one : work.attempts) {
    if (one.succeeded) all.insert(one.key.task_id);
  }
  return Leftovers(work, all, options);
}

Status EndRows(store::Transaction& t, const Process& process, const std::vector<DeadAttempt>& dead,
               const std::vector<std::string>& carried, const Options& options) {
  int64_t now_ms = process.finished_ms;
  MORAINE_TRY(EndProcess(t, process));
  MORAINE_TRY(RecordDeadAttempts(t, process.table_id, dead, now_ms));
  MORAINE_TRY(SettleCarried(t, process.process_id, carried, now_ms));
  MORAINE_ASSIGN(auto state, FindTableState(t, process.table_id));
  if (!state) return {};
  state->due_ms = now_ms;
  if (process.state == ProcessState::kFailed && IsOnMain(process)) {
    state->status = TableStatus::kFailed;
    NoteFailure(
        &*state, fmt::format("the {} process failed", planning::OptimizingTypeName(process.type)),
        process.error, process.lost_to_others ? FailureKind::kPassing : FailureKind::kLasting,
        options, now_ms);
  } else {
    state->status = TableStatus::kIdle;
    state->reason = Outcome(process);
  }
  if (process.state == ProcessState::kSucceeded) state->written_bytes += process.output_bytes;
  if (process.state == ProcessState::kSucceeded && IsOnMain(process)) {
    ForgetFailures(&*state);
    state->times.last_minor_ms = now_ms;
    if (process.type >= planning::OptimizingType::kMajor) state->times.last_major_ms = now_ms;
    if (process.type >= planning::OptimizingType::kFull) state->times.last_full_ms = now_ms;
  }
  // The counts are those of before until the next look; the sentence is not.
  state->health_json = WithExplanation(state->health_json, state->reason);
  return ReplaceTableState(t, *state);
}

}  // namespace moraine::optimizing
