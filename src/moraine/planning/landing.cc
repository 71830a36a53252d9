#include "moraine/planning/landing.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "moraine/base/text.h"
#include "moraine/iceberg/commit/conflict_check.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/planning/dedup_rules.h"
#include "moraine/planning/digest.h"
#include "moraine/planning/table_files.h"

namespace moraine::planning {
namespace {

constexpr Millis kCleanUpLimit{10'000};

std::set<std::string> PartitionsOf(const std::vector<FinishedWork>& finished) {
  std::set<std::string> keys;
  for (const auto& item : finished)
    keys.insert(PartitionKey(item.task->spec->spec_id, item.task->partition));
  return keys;
}

/// That rows move to.
std::set<std::string> TargetsOf(const std::vector<FinishedWork>& finished) {
  std::set<std::string> keys;
  for (const auto& item : finished) {
    if (item.task->target_spec == nullptr) continue;
    for (const auto& file : item.output->data_files)
      keys.insert(PartitionKey(file.spec_id, file.partition));
  }
  return keys;
}

iceberg::RewriteGroup ToGroup(const FinishedWork& item, const PlannedRun& run) {
  iceberg::RewriteGroup group;
  for (const auto& input : item.task->rewrite) group.removed_data.push_back(input.file);
  for (const auto& file : item.output->data_files)
    group.added.push_back({file, run.sequence_number});
  for (const auto& file : item.output->delete_files) group.added.push_back({file, std::nullopt});
  return group;
}

std::set<std::string> CarriedKeys(const CarryOver& carry) {
  std::set<std::string> keys;
  for (const auto& one : carry.deletes) keys.insert(iceberg::DeleteKey(one.file));
  for (const VectorMerge& merge : carry.vectors) {
    for (const auto& other : merge.others) keys.insert(iceberg::DeleteKey(other.file));
  }
  return keys;
}

/// Of the kept tasks, those that the format's own checks refuse, with the reason.
Result<std::map<size_t, std::string>> Refused(Call& call, io::FileSystem& files,
                                              const iceberg::TableMetadata& metadata,
                                              const PlannedRun& run,
                                              const std::vector<FinishedWork>& finished,
                                              const CommitDecision& decision) {
  std::map<size_t, std::string> refused;
  if (decision.empty()) return refused;
  std::map<size_t, iceberg::RewriteGroup> groups;
  for (size_t i : decision.kept) groups.emplace(i, ToGroup(finished[i], run));
  for (const CarryOver& carry : decision.carried)
    groups[carry.work].carried_deletes = CarriedKeys(carry);
  std::vector<iceberg::RewriteGroup> list;
  for (auto& [i, group] : groups) list.push_back(std::move(group));
  MORAINE_ASSIGN(auto verdicts,
                 iceberg::CheckGroups(call, files, metadata, run.branch, run.snapshot_id, list));
  for (size_t k = 0; k < decision.kept.size(); ++k) {
    if (!verdicts[k].valid) refused.emplace(decision.kept[k], verdicts[k].reason);
  }
  return refused;
}

std::vector<FinishedWork> Select(const std::vector<FinishedWork>& finished,
                                 const std::vector<size_t>& numbers) {
  std::vector<FinishedWork> selected;
  for (size_t i : numbers) selected.push_back(finished[i]);
  return selected;
}

Status Announce(const CommitDecision& decision, const std::vector<FinishedWork>& finished,
                const BeforeCarrying& before) {
  if (decision.carried.empty() || !before) return {};
  std::vector<const tasks::RewriteTask*> tasks;
  for (const CarryOver& carry : decision.carried) tasks.push_back(finished[carry.work].task);
  return before(tasks);
}

bool ResolvesKeys(const tasks::RewriteTask& task) {
  if (task.rewrite_positions.empty()) return false;
  return std::any_of(task.deletes.begin(), task.deletes.end(), [](const auto& input) {
    return input.file.content == iceberg::FileContent::kEqualityDeletes;
  });
}

/// The decision, with what was carried over, as a change.
iceberg::SnapshotChanges ToChanges(const CommitDecision& decision, const PlannedRun& run,
                                   const std::vector<FinishedWork>& finished) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kRewriteFiles;
  changes.resolves_keys = std::any_of(decision.kept.begin(), decision.kept.end(),
                                      [&](size_t i) { return ResolvesKeys(*finished[i].task); });
  changes.branch = run.branch;
  int64_t dropped = 0;
  for (size_t i : decision.kept) dropped += RowsDropped(*finished[i].task, *finished[i].output);
  changes.drops_rows = dropped > 0;
  for (const auto& file : decision.added_data_files)
    changes.added.push_back({file, run.sequence_number});
  for (const auto& file : decision.added_delete_files)
    changes.added.push_back({file, std::nullopt});
  for (const auto& file : decision.removed_data_files)
    changes.removed_data.push_back(iceberg::RemovedFile::Of(file));
  for (const auto& file : decision.removed_delete_files)
    changes.removed_deletes.push_back(iceberg::RemovedFile::Of(file));
  changes.removed_must_exist = true;
  // What came since the plan is checked once more by the format's own rules.
  changes.checks.starting_snapshot_id = run.snapshot_id;
  for (const CarryOver& carry : decision.carried)
    changes.checks.carried_deletes.merge(CarriedKeys(carry));
  changes.summary = {{kProducerKey, kProducerValue},
                     {kProcessKey, run.process_id},
                     {"optimizing.type", std::string(OptimizingTypeName(run.type))}};
  if (dropped > 0) changes.summary[kDeduplicatedKey] = std::to_string(dropped);
  return changes;
}

/// No commit has named them yet. Also after a stop, or when time is over.
void RemoveWritten(Call& spent, io::FileSystem& files, const CarriedDeletes& carried) {
  if (carried.written.empty()) return;
  Call call(spent.env(), kCleanUpLimit);
  auto proof = iceberg::DeletionProof::CommitRefused(Conflict("never asked for"));
  if (proof.ok()) (void)iceberg::DeleteFiles(call, files, *proof, carried.written);
}

}  // namespace

std::optional<int64_t> LandedSnapshot(const iceberg::TableMetadata& metadata,
                                      const std::string& process_id) {
  for (const auto& snapshot : metadata.snapshots) {
    auto mark = snapshot->summary.find(kProcessKey);
    if (mark != snapshot->summary.end() && mark->second == process_id) return snapshot->snapshot_id;
  }
  return std::nullopt;
}

int64_t DeduplicatedRows(const iceberg::TableMetadata& metadata, int64_t snapshot_id) {
  const auto* snapshot = metadata.FindSnapshot(snapshot_id);
  if (snapshot == nullptr) return 0;
  const auto found = snapshot->summary.find(kDeduplicatedKey);
  if (found == snapshot->summary.end()) return 0;
  auto rows = ParseInt64(found->second);
  return rows.ok() && *rows > 0 ? *rows : 0;
}

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

Result<Landing> MakeLanding(Call& call, io::FileSystem& files,
                            const iceberg::TableMetadata& metadata, const HealthSum& sum,
                            const PlannedRun& run, const std::vector<FinishedWork>& finished,
                            int64_t memory_bytes, const BeforeCarrying& before) {
  const TableFilesRequest request{.partitions = PartitionsOf(finished),
                                  .delete_partitions = TargetsOf(finished),
                                  .max_files = INT64_MAX};
  MORAINE_ASSIGN(auto current, LoadTableFiles(call, files, metadata, sum, request));
  Landing landing;
  std::vector<DroppedTask> dropped;
  std::vector<size_t> rest(finished.size());  // the work that is still in, by its number
  std::iota(rest.begin(), rest.end(), 0);
  while (true) {
    const std::vector<FinishedWork> works = Select(finished, rest);
    CommitDecision decision = DecideCommit(current.files, works, run.sequence_number);
    MORAINE_ASSIGN(auto refused, Refused(call, files, metadata, run, works, decision));
    CarriedDeletes carried;
    if (refused.empty()) {
      MORAINE_TRY(Announce(decision, works, before));
      Status status =
          CarryOverDeletes(call, files, metadata, decision, works, memory_bytes, &carried);
      if (!status.ok() || !carried.refused.empty()) RemoveWritten(call, files, carried);
      MORAINE_TRY(status);
      refused = std::move(carried.refused);
    }
    if (refused.empty()) {
      for (size_t& i : decision.kept) i = rest[i];
      for (CarryOver& carry : decision.carried) carry.work = rest[carry.work];
      decision.dropped.insert(decision.dropped.begin(), dropped.begin(), dropped.end());
      decision.added_delete_files.insert(decision.added_delete_files.end(), carried.added.begin(),
                                         carried.added.end());
      landing.changes = ToChanges(decision, run, finished);
      landing.decision = std::move(decision);
      landing.written = std::move(carried.written);
      for (auto& [i, prefix] : carried.prefixes)
        landing.carried_prefixes.push_back(std::move(prefix));
      return landing;
    }
    std::vector<size_t> fewer;
    for (size_t i = 0; i < rest.size(); ++i) {
      if (auto why = refused.find(i); why != refused.end()) {
        dropped.push_back({works[i].task->task_id, why->second});
      } else {
        fewer.push_back(rest[i]);
      }
    }
    rest = std::move(fewer);
  }
}

}  // namespace moraine::planning
