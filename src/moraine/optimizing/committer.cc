#include "moraine/optimizing/committer.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/optimizing/table_state.h"
#include "moraine/planning/branch.h"
#include "moraine/planning/dedup_rules.h"
#include "moraine/planning/landing.h"
#include "moraine/planning/output_files.h"

namespace moraine::optimizing {
namespace {

using iceberg::DeletionProof;
using planning::CommitDecision;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr int kRacesToLose = 2;
constexpr Millis kCleanUpLimit{10'000};
/// Of looking at reports: other tables wait. Work that has waited for long has more.
constexpr Millis kCheckLimit{60'000};

planning::PlannedRun RunOf(const Process& process) {
  return {process.process_id, process.type, process.snapshot_id, process.sequence_number,
          process.branch};
}

int64_t SumBytes(const std::vector<iceberg::DataFile>& files) {
  int64_t bytes = 0;
  for (const auto& file : files) {
    bytes = iceberg::AddCapped(bytes, file.content_size_in_bytes.value_or(file.file_size_in_bytes));
  }
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

/// Takes out what check has something against.
template <typename Check>
Status Refuse(ProcessWork* work, const Check& check) {
  std::vector<planning::FinishedWork> finished;
  for (const auto& item : work->finished) finished.push_back({&item.task, &item.output});
  MORAINE_ASSIGN(const auto refused, check(finished));
  std::vector<FinishedTask> believed;
  for (size_t i = 0; i < work->finished.size(); ++i) {
    if (const auto why = refused.find(i); why != refused.end()) {
      work->refused.push_back(
          {work->finished[i].task.task_id,
           fmt::format("what its optimizer reported can't be taken: {}", why->second)});
    } else {
      believed.push_back(std::move(work->finished[i]));
    }
  }
  work->finished = std::move(believed);
  return {};
}

}  // namespace

Committer::Committer(catalog::Catalog& catalog, io::FileSystem& files, store::Shards& shards,
                     HealthMonitor& monitor, Options options)
    : catalog_(catalog),
      files_(files),
      shards_(shards),
      database_(shards.database()),
      monitor_(monitor),
      cleaner_(files, shards, options),
      options_(options),
      metrics_(options.metrics) {}

Result<size_t> Committer::CommitTick(Call& call) {
  const std::string own = shards_.Filter(call, "table_id");
  MORAINE_ASSIGN(auto open, RunFor(call, database_, Access::kRead,
                                   [&](Transaction& t) { return OpenProcesses(t, own); }));
  std::erase_if(checked_, [&](const auto& entry) {
    return std::none_of(open.begin(), open.end(),
                        [&](const Process& process) { return process.process_id == entry.first; });
  });
  size_t ended = 0;
  for (auto& process : open) {
    MORAINE_TRY(call.Check());
    bool mine = false;
    MORAINE_TRY(shards_.Write(call, process.table_id, [&](Transaction& t) -> Status {
      MORAINE_ASSIGN(mine, Seize(t, &process));
      return {};
    }));
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

Millis Committer::TurnLimit(const Process& process, Call& call) const {
  // A large table needs longer; it may have it when its work has waited for long.
  Millis age(shards_.NowMs(call) - process.created_ms);
  return std::clamp(age / 20, options_.commit_turn_limit, options_.commit_timeout / 2);
}

Status Committer::Finish(Call& call, Process process) {
  ProcessWork work;
  ProcessProgress progress;
  std::string task_error;
  Result<std::vector<FinishedTask>> finished = std::vector<FinishedTask>();
  MORAINE_TRY(database_.Run(call, Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(progress, Progress(t, process.process_id));
    MORAINE_ASSIGN(work.attempts, Attempts(t, process.process_id));
    MORAINE_ASSIGN(task_error, FirstTaskError(t, process.process_id));
    finished = FinishedTasks(t, process.process_id);
    return IsPassing(finished.status()) ? finished.status() : Status();
  }));
  if (progress.succeeded == 0 || (progress.failed > 0 && !process.partial_commit)) {
    return Fail(call, std::move(process), work,
                task_error.empty() ? "no task succeeded" : task_error);
  }
  if (!finished.ok()) return Fail(call, std::move(process), work, finished.status().ToString());
  work.finished = std::move(*finished);
  const int64_t age_ms = shards_.NowMs(call) - process.created_ms;
  Call checking(call, std::max(kCheckLimit, Millis(age_ms / 20)));
  const Status checked = CheckReports(checking, &work, &checked_[process.process_id]);
  if (!checked.ok()) {
    if (checked.code() == Code::kCancelled || age_ms < options_.commit_give_up.count())
      return checked;
    return Fail(call, std::move(process), work,
                fmt::format("what its tasks made can't be looked at: {}", checked.ToString()));
  }
  return CommitWork(call, std::move(process), work);
}

Status Committer::CheckReports(Call& call, ProcessWork* work, CheckedReports* checked) {
  using Refused = std::map<size_t, std::string>;
  using Finished = std::vector<planning::FinishedWork>;
  MORAINE_TRY(Refuse(work, [&](const Finished& finished) -> Result<Refused> {
    if (!checked->looked) {
      MORAINE_ASSIGN(const Refused found, planning::CheckOutputFiles(call, files_, finished));
      for (const auto& [i, why] : found)
        checked->refused[{finished[i].task->task_id, finished[i].task->attempt}] = why;
      checked->looked = true;
    }
    Refused refused;
    for (size_t i = 0; i < finished.size(); ++i) {
      const auto why =
          checked->refused.find({finished[i].task->task_id, finished[i].task->attempt});
      if (why != checked->refused.end()) refused.emplace(i, why->second);
    }
    return refused;
  }));
  return Refuse(work, [&](const Finished& finished) {
    return planning::CheckReplacedDeletes(call, files_, finished, options_.carry_memory_bytes,
                                          &checked->deletes);
  });
}

Status Committer::CommitWork(Call& call, Process process, const ProcessWork& work) {
  Tries tries;
  for (int attempt = 0; attempt <= options_.commit_retries; ++attempt) {
    if (attempt > 0) call.clock().SleepFor(Millis(20) * attempt, call.stop());
    // Quick writers would win for ever: after two lost races they wait for this commit.
    const bool waits = tries.lost_races >= kRacesToLose;
    auto limit = std::chrono::duration_cast<Millis>(call.remaining());
    if (waits) limit = std::min(limit, TurnLimit(process, call));
    Call attempt_call(call.env(), limit, call.stop());
    std::optional<catalog::TableTurns::Turn> turn;
    if (waits) {
      auto taken = catalog_.TakeTurn(attempt_call, process.table_id);
      if (taken.ok()) turn.emplace(std::move(*taken));
    }
    MORAINE_ASSIGN(const bool has_ended,
                   TryCommit(call, attempt_call, &process, work, turn ? &*turn : nullptr, &tries));
    if (has_ended) return {};
  }
  int64_t age_ms = shards_.NowMs(call) - process.created_ms;
  if (tries.lost_races > options_.commit_retries && age_ms < options_.commit_give_up.count()) {
    // The work is as good as before: it stays, and so does its turn.
    return Unavailable(
        fmt::format("others were quicker {} times: {}", tries.lost_races, tries.last.ToString()));
  }
  return Fail(call, std::move(process), work,
              fmt::format("the commit did not land in {} tries: {}", options_.commit_retries + 1,
                          tries.last.ToString()));
}

Result<bool> Committer::TryCommit(Call& call, Call& attempt_call, Process* process,
                                  const ProcessWork& work, const catalog::TableTurns::Turn* turn,
                                  Tries* tries) {
  const auto fail = [&](std::string why) -> Result<bool> {
    MORAINE_TRY(Fail(call, *process, work, std::move(why)));
    return true;
  };
  auto loaded = catalog_.LoadById(attempt_call, process->table_id);
  if (loaded.status().code() == Code::kNotFound)
    return WithoutTable(call, process, work, loaded.status());
  if (!loaded.ok())
    return IsPassing(loaded.status()) ? loaded.status() : fail(loaded.status().ToString());
  if (auto landed = planning::LandedSnapshot(*(*loaded)->metadata, process->process_id)) {
    process->committed_snapshot_id = *landed;
    process->error.clear();
    process->deduplicated_rows = planning::DeduplicatedRows(*(*loaded)->metadata, *landed);
    process->state = ProcessState::kSucceeded;
    MORAINE_TRY(End(call, *process, LeftoversOfAnyTask(work, options_)));
    return true;
  }
  const auto at_branch = planning::AtBranch((*loaded)->metadata, process->branch);
  if (!at_branch.ok()) return fail(std::string(at_branch.status().message()));
  const auto& metadata = **at_branch;
  if (!planning::IsAncestor(metadata, process->snapshot_id)) {
    return fail(
        "the table was rolled back behind the planned snapshot, or its history since then has"
        " expired");
  }
  auto landing = Decide(attempt_call, *process, metadata, work);
  tries->last = landing.status();
  if (landing.ok()) {
    const auto& dropped = landing->decision.dropped;
    process->lost_to_others = landing->decision.empty() && !dropped.empty();
    if (landing->decision.empty())
      return fail(dropped.empty() ? "no task has a result" : dropped[0].reason);
    process->commit_attempts += 1;
    tries->last =
        Land(attempt_call, **loaded, *process, work, *std::move(landing), turn, &tries->lost_races);
    if (tries->last.ok()) return true;
  }
  // Files that are gone may be those of a snapshot that has expired meanwhile.
  if (tries->last.code() == Code::kConflict || tries->last.code() == Code::kNotFound) return false;
  return IsPassing(tries->last) ? tries->last : fail(tries->last.ToString());
}

Result<bool> Committer::WithoutTable(Call& call, Process* process, const ProcessWork& work,
                                     const Status& why) {
  // The feed takes the row of a dropped table away.
  MORAINE_ASSIGN(auto state, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return FindTableState(t, process->table_id);
                 }));
  if (!state) {
    process->state = ProcessState::kCancelled;
    process->error = fmt::format("the table is gone: {}", why.message());
    MORAINE_TRY(End(call, *process, AllAttempts(work, options_)));
    return true;
  }
  // The store may be out of reach for a while; the work is as good as before.
  const std::string error = fmt::format("waits for the table: {}", why.message());
  const int64_t age_ms = shards_.NowMs(call) - process->created_ms;
  if (age_ms >= options_.commit_give_up.count()) {
    MORAINE_TRY(Fail(call, *process, work, why.ToString()));
    return true;
  }
  if (process->error != error) {
    process->error = error;
    MORAINE_TRY(shards_.Write(call, process->table_id,
                              [&](Transaction& t) { return SaveProcess(t, *process); }));
  }
  return Unavailable(error);
}

Result<planning::Landing> Committer::Decide(Call& call, const Process& process,
                                            const iceberg::TableMetadata& metadata,
                                            const ProcessWork& work) {
  MORAINE_ASSIGN(auto sum, monitor_.SumOfBranch(call, process.table_id, metadata, process.branch));
  std::vector<planning::FinishedWork> finished;
  for (const auto& item : work.finished) finished.push_back({&item.task, &item.output});
  const auto hold = [&](const std::vector<const tasks::RewriteTask*>& tasks) {
    std::vector<DeadAttempt> attempts;
    for (const tasks::RewriteTask* task : tasks) {
      attempts.push_back(
          {{process.process_id, task->task_id, task->attempt}, planning::CarriedPrefix(*task), 0});
    }
    const int64_t now_ms = shards_.NowMs(call);
    return shards_.Write(call, process.table_id, [&](Transaction& t) {
      return HoldCarried(t, process.table_id, attempts, now_ms);
    });
  };
  MORAINE_ASSIGN(auto landing, planning::MakeLanding(call, files_, metadata, *sum, RunOf(process),
                                                     finished, options_.carry_memory_bytes, hold));
  auto& dropped = landing.decision.dropped;
  dropped.insert(dropped.begin(), work.refused.begin(), work.refused.end());
  return landing;
}

Status Committer::Land(Call& call, const catalog::LoadedTable& table, Process process,
                       const ProcessWork& work, planning::Landing landing,
                       const catalog::TableTurns::Turn* turn, int* lost_races) {
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
    std::set<int32_t> kept;
    process.deduplicated_rows = 0;
    for (size_t i : decision.kept) {
      const FinishedTask& item = work.finished[i];
      kept.insert(item.task.task_id);
      process.deduplicated_rows += planning::RowsDropped(item.task, item.output);
    }
    const std::vector<DeadAttempt> dead = Leftovers(work, kept, options_);
    process.committed_snapshot_id = prepared->snapshot.snapshot_id;
    process.finished_ms = shards_.NowMs(call);
    status = catalog_
                 .Commit(
                     call, table.warehouse, table.name, prepared->request,
                     [&](Transaction& t) -> Status {
                       MORAINE_TRY(shards_.Check(t, process.table_id));
                       return EndRows(t, process, dead, landing.carried_prefixes, options_);
                     },
                     turn)
                 .status();
    if (status.code() == Code::kConflict) ++*lost_races;
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
    Call cleaning(call.env(), kCleanUpLimit);  // also after a stop, or when time is over
    auto removed = iceberg::DeleteFiles(cleaning, files_, *proof, written);
    if (!removed.ok())
      call.log().Warn("files of a refused commit stay", {{"error", removed.status().ToString()}});
  }
  return status;
}

Status Committer::Fail(Call& call, Process process, const ProcessWork& work, std::string why) {
  process.state = ProcessState::kFailed;
  process.error = std::move(why);
  return End(call, process, AllAttempts(work, options_));
}

Status Committer::End(Call& call, const Process& process, const std::vector<DeadAttempt>& dead) {
  Process ended = process;
  ended.finished_ms = shards_.NowMs(call);
  MORAINE_TRY(shards_.Write(call, process.table_id,
                            [&](Transaction& t) { return EndRows(t, ended, dead, {}, options_); }));
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
    ProcessWork work;
    MORAINE_ASSIGN(work.attempts, Attempts(t, process_id));
    process->state = ProcessState::kCancelled;
    process->error = "cancelled by a person";
    MORAINE_ASSIGN(process->finished_ms, t.NowMs());
    ended = *process;
    return EndRows(t, *process, AllAttempts(work, options_), {}, options_);
  }));
  metrics_.Ended(ended);
  return {};
}

}  // namespace moraine::optimizing
