#include "moraine/planning/landing.h"

#include <map>
#include <set>
#include <utility>

#include "moraine/iceberg/commit/conflict_check.h"
#include "moraine/planning/digest.h"
#include "moraine/planning/table_files.h"

namespace moraine::planning {
namespace {

std::set<std::string> PartitionsOf(const std::vector<FinishedWork>& finished) {
  std::set<std::string> keys;
  for (const auto& item : finished)
    keys.insert(PartitionKey(item.task->spec->spec_id, item.task->partition));
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

/// Of the kept tasks, those that the format's own checks refuse, with the reason.
Result<std::map<size_t, std::string>> Refused(Call& call, io::FileSystem& files,
                                              const iceberg::TableMetadata& metadata,
                                              const PlannedRun& run,
                                              const std::vector<FinishedWork>& finished,
                                              const std::vector<size_t>& kept) {
  std::vector<iceberg::RewriteGroup> groups;
  for (size_t i : kept) groups.push_back(ToGroup(finished[i], run));
  MORAINE_ASSIGN(auto verdicts, iceberg::CheckGroups(call, files, metadata, iceberg::kMainBranch,
                                                     run.snapshot_id, groups));
  std::map<size_t, std::string> refused;
  for (size_t k = 0; k < kept.size(); ++k) {
    if (!verdicts[k].valid) refused.emplace(kept[k], verdicts[k].reason);
  }
  return refused;
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

Result<CommitDecision> DecideLanding(Call& call, io::FileSystem& files,
                                     const iceberg::TableMetadata& metadata, const HealthSum& sum,
                                     const PlannedRun& run,
                                     const std::vector<FinishedWork>& finished) {
  TableFilesRequest request{PartitionsOf(finished), "", INT64_MAX};
  MORAINE_ASSIGN(auto current, LoadTableFiles(call, files, metadata, sum, request));
  CommitDecision decision = DecideCommit(current.files, finished);
  if (decision.empty()) return decision;
  MORAINE_ASSIGN(auto refused, Refused(call, files, metadata, run, finished, decision.kept));
  if (refused.empty()) return decision;

  std::vector<size_t> numbers;
  std::vector<FinishedWork> rest;
  for (size_t i : decision.kept) {
    if (auto why = refused.find(i); why != refused.end()) {
      decision.dropped.push_back({finished[i].task->task_id, why->second});
      continue;
    }
    numbers.push_back(i);
    rest.push_back(finished[i]);
  }
  CommitDecision smaller = DecideCommit(current.files, rest);
  for (size_t& i : smaller.kept) i = numbers[i];
  smaller.dropped.insert(smaller.dropped.begin(), decision.dropped.begin(), decision.dropped.end());
  return smaller;
}

iceberg::SnapshotChanges ToChanges(const CommitDecision& decision, const PlannedRun& run) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kRewriteFiles;
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
  changes.summary = {{kProducerKey, kProducerValue},
                     {kProcessKey, run.process_id},
                     {"optimizing.type", std::string(OptimizingTypeName(run.type))}};
  return changes;
}

}  // namespace moraine::planning
