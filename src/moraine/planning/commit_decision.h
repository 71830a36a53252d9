#pragma once
// What of a finished process may be committed on the table as it is now. Pure: the committer loads
// the partitions again, asks this, carries over the deletes that it names (carry_over.h), commits,
// and asks again when it lost the race.

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

/// A deletion vector that a task made for a file that stays, and what another commit gave to that
/// file meanwhile: its vector, for there can be only one, or position delete files, which no reader
/// looks at beside a vector.
struct VectorMerge {
  iceberg::DataFile own;
  std::vector<tasks::DeleteInput> others;
};

/// Deletes that came after the plan and that the new files of one task need, too.
struct CarryOver {
  size_t work = 0;                          ///< index into the finished work
  std::vector<tasks::DeleteInput> deletes;  ///< by position, of rewritten inputs
  std::vector<VectorMerge> vectors;         ///< to become one each
  bool empty() const { return deletes.empty() && vectors.empty(); }
};

struct CommitDecision {
  std::vector<size_t> kept;  ///< indices into the finished work
  std::vector<DroppedTask> dropped;
  std::vector<CarryOver> carried;  ///< of some kept tasks, in their order
  std::vector<iceberg::DataFile> removed_data_files;
  std::vector<iceberg::DataFile> removed_delete_files;
  std::vector<iceberg::DataFile> added_data_files;
  std::vector<iceberg::DataFile> added_delete_files;
  bool empty() const { return kept.empty(); }
};

/// Tasks that share inputs are kept together or not at all (range_groups.h).
/// current: the touched partitions of the snapshot to commit on, complete, and the deletes of those
/// that rows move to. A task is kept when each of its inputs is still live and the deletes that
/// came meanwhile reach its new files as they reached the old ones: those by position are carried
/// over through its position map (without one the task is dropped); equality deletes still apply,
/// since the outputs carry the planned sequence number. Where rows moved to another partition, a
/// task is dropped for equality deletes of either partition: those of the old one no longer reach
/// them, those of the new one, which did not reach them, would.
CommitDecision DecideCommit(const TableFiles& current, const std::vector<FinishedWork>& finished,
                            int64_t planned_sequence_number);

}  // namespace moraine::planning
