#include "moraine/optimizing/committer.h"

#include <set>

#include <fmt/format.h>

#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/optimizing/table_files.h"
#include "moraine/optimizing/table_state.h"
#include "moraine/planning/commit_decision.h"

namespace moraine::optimizing {
namespace {

using iceberg::DeletionProof;
using planning::CommitDecision;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr int64_t kWaitForPerson = -1;
constexpr size_t kListPage = 1'000;

iceberg::SnapshotChanges ToChanges(const CommitDecision& decision, const Process& process) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kRewriteFiles;
  for (const auto& file : decision.added_data_files) {
    changes.added.push_back({file, process.sequence_number});
  }
  for (const auto& file : decision.added_delete_files)
    changes.added.push_back({file, std::nullopt});
  for (const auto& file : decision.removed_data_files) {
    changes.removed_data.push_back(iceberg::RemovedFile::Of(file));
  }
  for (const auto& file : decision.removed_delete_files) {
    changes.removed_deletes.push_back(iceberg::RemovedFile::Of(file));
  }
  changes.removed_must_exist = true;
  changes.summary = {{kProducerKey, kProducerValue},
                     {kProcessKey, process.process_id},
                     {"optimizing.type", std::string(planning::OptimizingTypeName(process.type))}};
  return changes;
}

/// Whether the planned snapshot is the current one or an ancestor of it.
bool IsAncestor(const iceberg::TableMetadata& metadata, int64_t snapshot_id) {
  const auto* snapshot = metadata.CurrentSnapshot();
  for (size_t steps = 0; snapshot != nullptr && steps <= metadata.snapshots.size(); ++steps) {
    if (snapshot->snapshot_id == snapshot_id) return true;
    if (!snapshot->parent_snapshot_id) return false;
    if (*snapshot->parent_snapshot_id == snapshot_id) return true;
    snapshot = metadata.FindSnapshot(*snapshot->parent_snapshot_id);
  }
  return false;
}

std::set<std::string> PartitionsOf(const std::vector<FinishedTask>& finished) {
  std::set<std::string> keys;
  for (const auto& item : finished)
    keys.insert(planning::PartitionKey(item.task.spec->spec_id, item.task.partition));
  return keys;
}

int64_t SumBytes(const std::vector<iceberg::DataFile>& files) {
  int64_t bytes = 0;
  for (const auto& file : files) bytes += file.file_size_in_bytes;
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
  MORAINE_TRY(t.Execute("UPDATE optimizing_table SET state = 'committing' WHERE table_id = ?",
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

}  // namespace

/// What became of the files that the process's tasks wrote.
struct Committer::Outcome {
  std::vector<FinishedTask> finished;
  std::set<size_t> kept;  ///< indices that the snapshot now holds
  bool unknown = false;   ///< nothing may be deleted
};

int64_t DecideRetry(int64_t failures, bool same_failure, const Options& options, int64_t now_ms) {
  if (same_failure && failures >= options.max_equal_failures) return kWaitForPerson;
  int64_t wait = options.backoff_first.count();
  for (int64_t i = 1; i < failures && wait < options.backoff_last.count(); ++i) wait *= 2;
  return now_ms + std::min(wait, options.backoff_last.count());
}

Committer::Committer(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
                     HealthMonitor& monitor, TaskQueue& queue, Options options)
    : catalog_(catalog),
      files_(files),
      database_(database),
      monitor_(monitor),
      queue_(queue),
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

Status Committer::Finish(Call& call, Process process) {
  Outcome outcome;
  MORAINE_ASSIGN(auto progress, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return Progress(t, process.process_id);
                 }));
  MORAINE_ASSIGN(auto attempts, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return Attempts(t, process.process_id);
                 }));
  if (progress.succeeded == 0 || (progress.failed > 0 && !process.partial_commit)) {
    MORAINE_ASSIGN(process.error, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                     return FirstTaskError(t, process.process_id);
                   }));
    if (process.error.empty()) process.error = "no task succeeded";
    process.state = ProcessState::kFailed;
    MORAINE_TRY(End(call, process));
    RemoveAttempts(call, attempts.abandoned);
    RemoveAttempts(call, attempts.succeeded);
    return {};
  }
  MORAINE_ASSIGN(outcome.finished, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return FinishedTasks(t, process.process_id);
                 }));
  Status committed = CommitWork(call, &process, &outcome);
  if (outcome.unknown || !committed.ok()) return committed;
  // Files of attempts that the table does not hold now can't be committed by anyone any more.
  RemoveAttempts(call, attempts.abandoned);
  for (size_t i = 0; i < outcome.finished.size(); ++i) {
    if (!outcome.kept.contains(i)) RemoveAttempts(call, {outcome.finished[i].task.OutputPrefix()});
  }
  return {};
}

Result<bool> Committer::HasLanded(const iceberg::TableMetadata& metadata, Process* process) const {
  for (const auto& snapshot : metadata.snapshots) {
    auto mark = snapshot->summary.find(kProcessKey);
    if (mark == snapshot->summary.end() || mark->second != process->process_id) continue;
    process->committed_snapshot_id = snapshot->snapshot_id;
    return true;
  }
  return false;
}

Result<LoadedTableFiles> Committer::LoadCurrent(Call& call, int64_t table_id,
                                                const iceberg::TableMetadata& metadata,
                                                const std::vector<FinishedTask>& finished) {
  MORAINE_ASSIGN(auto sum, monitor_.SumOf(call, table_id, metadata));
  TableFilesRequest request{PartitionsOf(finished), "", INT64_MAX};
  return LoadTableFiles(call, files_, metadata, *sum, request);
}

Status Committer::CommitWork(Call& call, Process* process, Outcome* outcome) {
  auto fail = [&](std::string why) {
    process->state = ProcessState::kFailed;
    process->error = std::move(why);
    return End(call, *process);
  };
  for (int attempt = 0; attempt <= options_.commit_retries; ++attempt) {
    auto loaded = catalog_.LoadById(call, process->table_id);
    if (loaded.status().code() == Code::kNotFound) {
      process->state = ProcessState::kCancelled;
      process->error = "the table was dropped";
      return End(call, *process);
    }
    if (!loaded.ok())
      return IsPassing(loaded.status()) ? loaded.status() : fail(loaded.status().ToString());
    const auto& table = **loaded;
    const auto& metadata = *table.metadata;
    MORAINE_ASSIGN(bool landed, HasLanded(metadata, process));
    if (landed) {
      for (size_t i = 0; i < outcome->finished.size(); ++i) outcome->kept.insert(i);
      process->state = ProcessState::kSucceeded;
      return End(call, *process);
    }
    if (!IsAncestor(metadata, process->snapshot_id)) {
      return fail("the table was rolled back behind the planned snapshot, or its history was cut");
    }
    auto current = LoadCurrent(call, process->table_id, metadata, outcome->finished);
    if (!current.ok()) {
      process->error = current.status().ToString();
      if (IsPassing(current.status())) return current.status();
      // Files that are gone may be those of a snapshot that has expired meanwhile.
      if (current.status().code() == Code::kNotFound) continue;
      return fail(process->error);
    }
    std::vector<planning::FinishedWork> work;
    for (const auto& item : outcome->finished) work.push_back({&item.task, &item.output});
    CommitDecision decision = planning::DecideCommit(current->files, work);
    if (decision.empty())
      return fail(decision.dropped.empty() ? "no task has a result" : decision.dropped[0].reason);
    process->output_files =
        static_cast<int64_t>(decision.added_data_files.size() + decision.added_delete_files.size());
    process->output_bytes =
        SumBytes(decision.added_data_files) + SumBytes(decision.added_delete_files);
    process->commit_attempts += 1;

    iceberg::SnapshotChanges changes = ToChanges(decision, *process);
    changes.checks.starting_snapshot_id = metadata.current_snapshot_id;
    iceberg::SnapshotProducer producer(files_, std::move(changes));
    auto prepared = producer.Prepare(call, table.metadata);
    Process landed_process = *process;
    landed_process.error.clear();
    landed_process.state = ProcessState::kSucceeded;
    Status status = prepared.status();
    if (status.ok()) {
      landed_process.committed_snapshot_id = prepared->snapshot.snapshot_id;
      landed_process.finished_ms = ToMillis(call.clock().Wall());
      for (const auto& dropped : decision.dropped) {
        landed_process.error =
            fmt::format("{} tasks were left out: {}", decision.dropped.size(), dropped.reason);
      }
      status = catalog_
                   .Commit(call, table.warehouse, table.name, prepared->request,
                           [&](Transaction& t) {
                             return EndRows(t, landed_process, landed_process.finished_ms);
                           })
                   .status();
    }
    if (status.ok()) {
      outcome->kept.insert(decision.kept.begin(), decision.kept.end());
      call.log().Info("process committed", {{"table", process->table_name},
                                            {"process", process->process_id},
                                            {"snapshot", landed_process.committed_snapshot_id},
                                            {"input_files", process->input_files},
                                            {"output_files", process->output_files},
                                            {"dropped_tasks", decision.dropped.size()}});
      *process = landed_process;
      metrics_.Ended(*process);
      return {};
    }
    if (status.code() == Code::kCommitUnknown) {
      outcome->unknown = true;
      return status;
    }
    auto proof = DeletionProof::CommitRefused(status);
    if (proof.ok()) {
      auto removed = iceberg::DeleteFiles(call, files_, *proof, producer.written_files());
      if (!removed.ok())
        call.log().Warn("files of a refused commit stay", {{"error", removed.status().ToString()}});
    }
    process->error = status.ToString();
    if (status.code() != Code::kConflict) {
      return IsPassing(status) ? status : fail(status.ToString());
    }
    call.clock().SleepFor(Millis(20) * (attempt + 1), call.stop());
  }
  return fail(fmt::format("the commit lost the race {} times: {}", options_.commit_retries + 1,
                          process->error));
}

Status Committer::EndRows(Transaction& t, const Process& process, int64_t now_ms) const {
  MORAINE_TRY(EndProcess(t, process));
  MORAINE_ASSIGN(auto state, FindTableState(t, process.table_id));
  if (!state) return {};
  state->due_ms = now_ms;
  if (process.state == ProcessState::kSucceeded) {
    state->status = TableStatus::kIdle;
    state->reason =
        fmt::format("optimized: {} files became {}", process.input_files, process.output_files);
    state->failures = 0;
    state->last_failure.clear();
    state->retry_ms = 0;
    state->written_bytes += process.output_bytes;
    state->times.last_minor_ms = now_ms;
    if (process.type >= planning::OptimizingType::kMajor) state->times.last_major_ms = now_ms;
    if (process.type >= planning::OptimizingType::kFull) state->times.last_full_ms = now_ms;
    return SaveTableState(t, *state);
  }
  if (process.state == ProcessState::kCancelled) {
    state->status = TableStatus::kIdle;
    state->reason = process.error;
    return SaveTableState(t, *state);
  }
  bool same = state->last_failure == process.error;
  state->failures = same ? state->failures + 1 : 1;
  state->last_failure = process.error;
  state->status = TableStatus::kFailed;
  int64_t retry_ms = DecideRetry(state->failures, same, options_, now_ms);
  if (retry_ms == kWaitForPerson) {
    state->retry_ms = INT64_MAX;
    state->due_ms.reset();
    state->reason = fmt::format("failed {} times in the same way, waits for a person: {}",
                                state->failures, process.error);
  } else {
    state->retry_ms = retry_ms;
    state->due_ms = retry_ms;
    state->reason = fmt::format("failed, will be tried again: {}", process.error);
  }
  return SaveTableState(t, *state);
}

Status Committer::End(Call& call, const Process& process) {
  Process ended = process;
  ended.finished_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(database_.Run(call, Access::kWrite,
                            [&](Transaction& t) { return EndRows(t, ended, ended.finished_ms); }));
  metrics_.Ended(ended);
  call.log().Info("process ended", {{"table", process.table_name},
                                    {"process", process.process_id},
                                    {"state", ProcessStateName(process.state)},
                                    {"error", process.error}});
  return {};
}

Status Committer::Cancel(Call& call, const std::string& process_id) {
  AttemptPrefixes attempts;
  Process ended;
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto process, FindProcess(t, process_id));
    if (!process) return NotFound(fmt::format("no such process: {}", process_id));
    if (process->state != ProcessState::kRunning) {
      return Conflict(fmt::format("the process can't be cancelled: it is {}",
                                  ProcessStateName(process->state)));
    }
    MORAINE_ASSIGN(attempts, Attempts(t, process_id));
    process->state = ProcessState::kCancelled;
    process->error = "cancelled by a person";
    MORAINE_ASSIGN(process->finished_ms, t.NowMs());
    ended = *process;
    return EndRows(t, *process, process->finished_ms);
  }));
  metrics_.Ended(ended);
  RemoveAttempts(call, attempts.abandoned);
  RemoveAttempts(call, attempts.succeeded);
  return {};
}

Status Committer::CleanRefused(Call& call) {
  std::vector<std::string> prefixes;
  for (auto& refused : queue_.TakeRefused()) prefixes.push_back(std::move(refused.output_prefix));
  RemoveAttempts(call, prefixes);
  return {};
}

void Committer::RemoveAttempts(Call& call, const std::vector<std::string>& prefixes) {
  for (const auto& prefix : prefixes) {
    std::string after;
    while (true) {
      auto listing = files_.List(call, prefix, after, kListPage);
      if (!listing.ok() || listing->files.empty()) break;
      std::vector<std::string> paths;
      for (const auto& file : listing->files) paths.push_back(file.location);
      auto removed =
          iceberg::DeleteFiles(call, files_, DeletionProof::AttemptRefused(prefix), paths);
      if (!removed.ok() || listing->complete) break;
      after = paths.back();
    }
  }
}

}  // namespace moraine::optimizing
