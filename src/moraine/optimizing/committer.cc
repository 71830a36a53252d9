#include "moraine/optimizing/committer.h"

#include <set>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/optimizing/failures.h"
#include "moraine/optimizing/table_state.h"
#include "moraine/planning/commit_decision.h"
#include "moraine/planning/landing.h"
#include "moraine/planning/table_files.h"

namespace moraine::optimizing {
namespace {

using iceberg::DeletionProof;
using planning::CommitDecision;
using store::Access;
using store::RunFor;
using store::Transaction;

/// A worker's clock may be slow, and its last write under way.
constexpr int64_t kWriteMarginMs = 60'000;
constexpr int kRacesToLose = 2;

planning::PlannedRun RunOf(const Process& process) {
  return {process.process_id, process.type, process.snapshot_id, process.sequence_number};
}

int64_t SumBytes(const std::vector<iceberg::DataFile>& files) {
  int64_t bytes = 0;
  for (const auto& file : files) bytes = iceberg::AddCapped(bytes, file.file_size_in_bytes);
  return bytes;
}

/// A process whose tasks have all ended becomes committing: from then on its tasks stand still and
/// nobody can cancel it. False: it is not so far, or somebody else has ended it.
Result<bool> Seize(Transaction& t, Process* process) {
  MORAINE_ASSIGN(auto stored, FindProcess(t, process->process_id));
  if (!stored) return false;
  *process = std::move(*stored);
  if (process->state == ProcessState::kCommitting) return true;
  if (process->state != ProcessState::kRunning) return false;
  MORAINE_ASSIGN(auto progress, Progress(t, process->process_id));
  // One task that can't succeed ends a process that must land as a whole.
  bool hopeless = progress.failed > 0 && !process->partial_commit;
  if (!progress.ended() && !hopeless) return false;
  process->state = ProcessState::kCommitting;
  MORAINE_TRY(
      t.Execute("UPDATE optimizing_table SET state = 'committing', row_version ="
                " row_version + 1 WHERE table_id = ?",
                {process->table_id}));
  MORAINE_TRY(SaveProcess(t, *process));
  return true;
}

/// Errors that pass by themselves; others end the process.
bool IsPassing(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kExhausted ||
         status.code() == Code::kDeadline || status.code() == Code::kCancelled ||
         status.code() == Code::kCommitUnknown;
}

/// A position map that has its file is of no more use once its task has landed: no commit has named
/// the file and none will, though the attempt's other files are the table's.
void AddUsedMap(const FinishedTask& item, std::vector<DeadAttempt>* dead) {
  if (!item.output.positions || item.output.positions->location.empty()) return;
  const tasks::RewriteTask& task = item.task;
  dead->push_back(
      {{task.process_id, task.task_id, task.attempt}, item.output.positions->location, 0});
}

/// What a person reads of an ended process, until the table is looked at again.
std::string Outcome(const Process& process) {
  auto type = planning::OptimizingTypeName(process.type);
  if (process.state == ProcessState::kSucceeded) {
    std::string left_out = process.error.empty() ? "" : "; " + process.error;
    return fmt::format("the {} process was committed: {} files ({}) became {} ({}){}", type,
                       process.input_files, FormatByteSize(process.input_bytes),
                       process.output_files, FormatByteSize(process.output_bytes), left_out);
  }
  return fmt::format("the {} process was cancelled: {}", type, process.error);
}

std::string WithExplanation(const std::string& health_json, const std::string& explanation) {
  auto health = Json::Parse(health_json);
  if (!health.ok() || !health->is_object()) return health_json;
  health->Set("explanation", explanation);
  return health->ToString();
}

}  // namespace

/// What the process's tasks have made, and every attempt at it.
struct Committer::Work {
  std::vector<FinishedTask> finished;
  std::vector<Attempt> attempts;
};

Committer::Committer(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
                     HealthMonitor& monitor, Options options)
    : catalog_(catalog),
      files_(files),
      database_(database),
      monitor_(monitor),
      cleaner_(files, database, options),
      options_(options),
      metrics_(options.metrics) {}

Result<size_t> Committer::CommitTick(Call& call) {
  MORAINE_ASSIGN(auto open, RunFor(call, database_, Access::kRead, OpenProcesses));
  size_t ended = 0;
  for (auto& process : open) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(bool mine, RunFor(call, database_, Access::kWrite,
                                     [&](Transaction& t) { return Seize(t, &process); }));
    if (!mine) continue;
    std::string table = process.table_name;
    Call step(call, options_.commit_timeout);
    Status status = Finish(step, std::move(process));
    if (status.ok()) {
      ++ended;
    } else if (status.code() == Code::kCancelled) {
      return status;
    } else {
      call.log().Warn("optimizing commit will be tried again",
                      {{"table", table}, {"error", status.ToString()}});
    }
  }
  return ended;
}

DeadAttempt Committer::ToDead(const Attempt& attempt) const {
  DeadAttempt dead{attempt.key, attempt.prefix, 0};
  if (!attempt.succeeded) {
    dead.may_write_until_ms = attempt.handed_ms + options_.acknowledge_timeout.count() +
                              options_.task_timeout.count() + kWriteMarginMs;
  }
  return dead;
}

std::vector<DeadAttempt> Committer::ToDead(const std::vector<Attempt>& attempts) const {
  std::vector<DeadAttempt> dead;
  for (const auto& one : attempts) dead.push_back(ToDead(one));
  return dead;
}

Millis Committer::TurnLimit(const Process& process, Call& call) const {
  // A large table needs longer; it may have it when its work has waited for long.
  Millis age(ToMillis(call.clock().Wall()) - process.created_ms);
  return std::clamp(age / 20, options_.commit_turn_limit, options_.commit_timeout / 2);
}

Status Committer::Finish(Call& call, Process process) {
  Work work;
  ProcessProgress progress;
  std::string task_error;
  MORAINE_TRY(database_.Run(call, Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(progress, Progress(t, process.process_id));
    MORAINE_ASSIGN(work.attempts, Attempts(t, process.process_id));
    MORAINE_ASSIGN(task_error, FirstTaskError(t, process.process_id));
    return {};
  }));
  if (progress.succeeded == 0 || (progress.failed > 0 && !process.partial_commit)) {
    return Fail(call, std::move(process), work,
                task_error.empty() ? "no task succeeded" : task_error);
  }
  auto finished = RunFor(call, database_, Access::kRead,
                         [&](Transaction& t) { return FinishedTasks(t, process.process_id); });
  if (!finished.ok()) {
    if (IsPassing(finished.status())) return finished.status();
    return Fail(call, std::move(process), work, finished.status().ToString());
  }
  work.finished = std::move(*finished);
  return CommitWork(call, std::move(process), work);
}

Status Committer::CommitWork(Call& call, Process process, const Work& work) {
  Status last;
  int lost_races = 0;
  for (int attempt = 0; attempt <= options_.commit_retries; ++attempt) {
    if (attempt > 0) call.clock().SleepFor(Millis(20) * attempt, call.stop());
    // Quick writers would win for ever: after two lost races they wait for this commit.
    auto limit = std::chrono::duration_cast<Millis>(call.remaining());
    if (lost_races >= kRacesToLose) limit = std::min(limit, TurnLimit(process, call));
    Call attempt_call(call.env(), limit, call.stop());
    std::optional<catalog::TableTurns::Turn> turn;
    if (lost_races >= kRacesToLose) {
      auto taken = catalog_.TakeTurn(attempt_call, process.table_id);
      if (taken.ok()) turn.emplace(std::move(*taken));
    }
    auto loaded = catalog_.LoadById(attempt_call, process.table_id);
    if (loaded.status().code() == Code::kNotFound) {
      process.state = ProcessState::kCancelled;
      process.error = fmt::format("the table is gone: {}", loaded.status().message());
      return End(call, process, ToDead(work.attempts));
    }
    if (!loaded.ok()) {
      if (IsPassing(loaded.status())) return loaded.status();
      return Fail(call, std::move(process), work, loaded.status().ToString());
    }
    const auto& metadata = *(*loaded)->metadata;
    if (auto landed = planning::LandedSnapshot(metadata, process.process_id)) {
      process.committed_snapshot_id = *landed;
      process.state = ProcessState::kSucceeded;
      std::vector<DeadAttempt> dead;
      for (const auto& one : work.attempts) {
        if (!one.succeeded) dead.push_back(ToDead(one));
      }
      for (const auto& item : work.finished) AddUsedMap(item, &dead);
      return End(call, process, dead);
    }
    if (!planning::IsAncestor(metadata, process.snapshot_id)) {
      return Fail(call, std::move(process), work,
                  "the table was rolled back behind the planned snapshot, or its history since then"
                  " has expired");
    }
    auto landing = Decide(attempt_call, process, metadata, work);
    last = landing.status();
    if (last.ok()) {
      const auto& dropped = landing->decision.dropped;
      if (landing->decision.empty()) {
        return Fail(call, std::move(process), work,
                    dropped.empty() ? "no task has a result" : dropped[0].reason);
      }
      process.commit_attempts += 1;
      bool lost = false;
      last = Land(attempt_call, **loaded, process, work, *std::move(landing),
                  turn ? &*turn : nullptr, &lost);
      if (last.ok()) return {};
      lost_races += lost ? 1 : 0;
    }
    // Files that are gone may be those of a snapshot that has expired meanwhile.
    bool again = last.code() == Code::kConflict || last.code() == Code::kNotFound;
    if (again) continue;
    if (IsPassing(last)) return last;
    return Fail(call, std::move(process), work, last.ToString());
  }
  int64_t age_ms = ToMillis(call.clock().Wall()) - process.created_ms;
  if (lost_races > options_.commit_retries && age_ms < options_.commit_give_up.count()) {
    // The work is as good as before: it stays, and so does its turn.
    return Unavailable(
        fmt::format("others were quicker {} times: {}", lost_races, last.ToString()));
  }
  return Fail(call, std::move(process), work,
              fmt::format("the commit did not land in {} tries: {}", options_.commit_retries + 1,
                          last.ToString()));
}

Result<planning::Landing> Committer::Decide(Call& call, const Process& process,
                                            const iceberg::TableMetadata& metadata,
                                            const Work& work) {
  MORAINE_ASSIGN(auto sum, monitor_.SumOf(call, process.table_id, metadata));
  std::vector<planning::FinishedWork> finished;
  for (const auto& item : work.finished) finished.push_back({&item.task, &item.output});
  return planning::MakeLanding(call, files_, metadata, *sum, RunOf(process), finished,
                               options_.carry_memory_bytes);
}

Status Committer::Land(Call& call, const catalog::LoadedTable& table, Process process,
                       const Work& work, planning::Landing landing,
                       const catalog::TableTurns::Turn* turn, bool* lost) {
  const CommitDecision& decision = landing.decision;
  process.state = ProcessState::kSucceeded;
  process.error.clear();
  if (!decision.dropped.empty()) {
    process.error = fmt::format("{} tasks were left out: {}", decision.dropped.size(),
                                decision.dropped.back().reason);
  }
  process.output_files =
      static_cast<int64_t>(decision.added_data_files.size() + decision.added_delete_files.size());
  process.output_bytes = iceberg::AddCapped(SumBytes(decision.added_data_files),
                                            SumBytes(decision.added_delete_files));
  iceberg::SnapshotProducer producer(files_, std::move(landing.changes));
  auto prepared = producer.Prepare(call, table.metadata);
  Status status = prepared.status();
  if (status.ok()) {
    std::vector<DeadAttempt> dead;
    std::set<int32_t> kept;
    for (size_t i : decision.kept) kept.insert(work.finished[i].task.task_id);
    for (const auto& one : work.attempts) {
      if (!one.succeeded || !kept.contains(one.key.task_id)) dead.push_back(ToDead(one));
    }
    for (size_t i : decision.kept) AddUsedMap(work.finished[i], &dead);
    process.committed_snapshot_id = prepared->snapshot.snapshot_id;
    process.finished_ms = ToMillis(call.clock().Wall());
    status = catalog_
                 .Commit(
                     call, table.warehouse, table.name, prepared->request,
                     [&](Transaction& t) { return EndRows(t, process, dead); }, turn)
                 .status();
    *lost = status.code() == Code::kConflict;
  }
  if (status.ok()) {
    metrics_.Ended(process);
    call.log().Info("process committed", {{"table", process.table_name},
                                          {"process", process.process_id},
                                          {"snapshot", process.committed_snapshot_id},
                                          {"input_files", process.input_files},
                                          {"output_files", process.output_files},
                                          {"carried_deletes", landing.written.size()},
                                          {"dropped_tasks", decision.dropped.size()}});
    return {};
  }
  if (auto proof = DeletionProof::CommitRefused(status); proof.ok()) {
    std::vector<std::string> written = producer.written_files();
    written.insert(written.end(), landing.written.begin(), landing.written.end());
    auto removed = iceberg::DeleteFiles(call, files_, *proof, written);
    if (!removed.ok())
      call.log().Warn("files of a refused commit stay", {{"error", removed.status().ToString()}});
  }
  return status;
}

Status Committer::EndRows(Transaction& t, const Process& process,
                          const std::vector<DeadAttempt>& dead) const {
  int64_t now_ms = process.finished_ms;
  MORAINE_TRY(EndProcess(t, process));
  MORAINE_TRY(RecordDeadAttempts(t, process.table_id, dead, now_ms));
  MORAINE_ASSIGN(auto state, FindTableState(t, process.table_id));
  if (!state) return {};
  state->due_ms = now_ms;
  if (process.state == ProcessState::kFailed) {
    state->status = TableStatus::kFailed;
    NoteFailure(&*state,
                fmt::format("the {} process failed", planning::OptimizingTypeName(process.type)),
                process.error, FailureKind::kLasting, options_, now_ms);
  } else {
    state->status = TableStatus::kIdle;
    state->reason = Outcome(process);
  }
  if (process.state == ProcessState::kSucceeded) {
    ForgetFailures(&*state);
    state->written_bytes += process.output_bytes;
    state->times.last_minor_ms = now_ms;
    if (process.type >= planning::OptimizingType::kMajor) state->times.last_major_ms = now_ms;
    if (process.type >= planning::OptimizingType::kFull) state->times.last_full_ms = now_ms;
  }
  // The counts are those of before until the next look; the sentence is not.
  state->health_json = WithExplanation(state->health_json, state->reason);
  return ReplaceTableState(t, *state);
}

Status Committer::Fail(Call& call, Process process, const Work& work, std::string why) {
  process.state = ProcessState::kFailed;
  process.error = std::move(why);
  return End(call, process, ToDead(work.attempts));
}

Status Committer::End(Call& call, const Process& process, const std::vector<DeadAttempt>& dead) {
  Process ended = process;
  ended.finished_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(
      database_.Run(call, Access::kWrite, [&](Transaction& t) { return EndRows(t, ended, dead); }));
  metrics_.Ended(ended);
  call.log().Info("process ended", {{"table", process.table_name},
                                    {"process", process.process_id},
                                    {"state", ProcessStateName(process.state)},
                                    {"error", process.error}});
  return {};
}

Status Committer::Cancel(Call& call, const std::string& process_id) {
  Process ended;
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto process, FindProcess(t, process_id));
    if (!process) return NotFound(fmt::format("no such process: {}", process_id));
    if (process->state != ProcessState::kRunning) {
      return Conflict(fmt::format("the process can't be cancelled: it is {}",
                                  ProcessStateName(process->state)));
    }
    MORAINE_ASSIGN(auto attempts, Attempts(t, process_id));
    auto dead = ToDead(attempts);
    process->state = ProcessState::kCancelled;
    process->error = "cancelled by a person";
    MORAINE_ASSIGN(process->finished_ms, t.NowMs());
    ended = *process;
    return EndRows(t, *process, dead);
  }));
  metrics_.Ended(ended);
  return {};
}

}  // namespace moraine::optimizing
