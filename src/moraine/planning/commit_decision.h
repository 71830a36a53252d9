#pragma once
// What of a finished process may be committed on the table as it is now. Pure: the committer loads
// the partitions again, asks this, commits, and asks again when it lost the race.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/planning/evaluator.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::planning {

struct FinishedWork {
  const tasks::RewriteTask* task = nullptr;
  const tasks::RewriteOutput* output = nullptr;
};

struct DroppedTask {
  int32_t task_id = 0;
  std::string reason;  ///< one sentence
};

struct CommitDecision {
  std::vector<size_t> kept;  ///< indices into the finished work
  std::vector<DroppedTask> dropped;
  std::vector<iceberg::DataFile> removed_data_files;
  std::vector<iceberg::DataFile> removed_delete_files;
  std::vector<iceberg::DataFile> added_data_files;
  std::vector<iceberg::DataFile> added_delete_files;
  bool empty() const { return kept.empty(); }
};

/// current: the touched partitions of the snapshot to commit on, complete. A task is kept when each
/// of its inputs is still live and no position delete reaches a rewritten input that the task did
/// not apply. (Equality deletes that came meanwhile still apply: the outputs carry the planned
/// sequence number.)
CommitDecision DecideCommit(const TableFiles& current, const std::vector<FinishedWork>& finished);

}  // namespace moraine::planning
