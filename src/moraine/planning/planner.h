#pragma once
// From evaluated partitions to a process: which files go into which task. Pure. Tasks are
// bin-packed and bounded in bytes and files; delete files that nothing needs after the process are
// named for removal.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/planning/config.h"
#include "moraine/planning/evaluator.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::planning {

inline constexpr int64_t kMaxFilesPerTask = 10'000;
/// Input of one task that puts rows in order: outputs of one task do not overlap, those of several
/// do.
inline constexpr int64_t kArrangedTaskBytes = int64_t{4} << 30;

struct PlanLimits {
  int64_t budget_bytes = int64_t{512}
                         << 20;  ///< input of the whole process; the one that exceeds is taken
  int64_t max_tasks = 1'000;
};

struct TaskPlan {
  size_t partition = 0;         ///< index into TableFiles::partitions
  std::vector<size_t> rewrite;  ///< indices into its files
  std::vector<size_t> rewrite_positions;
  int64_t input_bytes = 0;
  bool arranged = false;  ///< in the configured layout
  bool moved = false;     ///< to partitions of the current spec
};

struct ProcessPlan {
  OptimizingType type = OptimizingType::kNone;
  std::vector<TaskPlan> tasks;
  std::string reason;             ///< one sentence: why now, or why not
  int64_t partitions = 0;         ///< that the tasks touch
  int64_t partitions_left = 0;    ///< necessary ones that did not fit in the budget
  std::optional<int64_t> due_ms;  ///< earliest timer of what was left alone
  int64_t input_bytes = 0;
  int64_t input_files = 0;
};

/// evaluations[i] belongs to table.partitions[i].
ProcessPlan PlanProcess(const TableFiles& table,
                        const std::vector<PartitionEvaluation>& evaluations,
                        const OptimizingConfig& config, const PlanLimits& limits);

/// The delete files that no data file needs any more once the given tasks have landed: every file
/// of the snapshot that they apply to was rewritten (or had its positions rewritten), or they apply
/// to none and are of a partition of the tasks. Global equality deletes only when every partition
/// that they may reach was looked at. Indices into table.deletes.
std::vector<int32_t> RemovableDeletes(const TableFiles& table, const std::vector<TaskPlan>& tasks);

}  // namespace moraine::planning
