#pragma once
// From evaluated partitions to a process: which files go into which task. Pure. Tasks are
// bin-packed and bounded in bytes and files; delete files that nothing needs after the process are
// named for removal.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/planning/config.h"
#include "moraine/planning/evaluator.h"
#include "moraine/tasks/key_ranges.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::planning {

inline constexpr int64_t kMaxFilesPerTask = 10'000;

struct PlanLimits {
  int64_t budget_bytes = int64_t{512}
                         << 20;  ///< input of the whole process; the one that exceeds is taken
  int64_t max_tasks = 1'000;
  std::optional<int64_t> arranged_task_bytes;  ///< over ArrangedTaskBytes' own rule
};

/// What one task that puts rows in order writes, about; of more, several tasks write a range each.
int64_t ArrangedTaskBytes(const OptimizingConfig& config, const PlanLimits& limits);

/// The range of keys that a task writes. Tasks of a group share inputs.
struct PlannedRange {
  std::shared_ptr<const tasks::KeyRanges> ranges;
  int32_t index = 0;                    ///< of its own range
  int32_t place = 0;                    ///< in the group, whose tasks follow each other
  int32_t tasks = 0;                    ///< of the group
  std::vector<tasks::RangeSet> inputs;  ///< by TaskPlan::rewrite: whose tasks have it, too
};

struct TaskPlan {
  size_t partition = 0;         ///< index into TableFiles::partitions
  std::vector<size_t> rewrite;  ///< indices into its files
  std::vector<size_t> rewrite_positions;
  int64_t input_bytes = 0;
  bool arranged = false;      ///< in the configured layout
  bool moved = false;         ///< to partitions of the current spec
  bool deduplicated = false;  ///< the partition is written whole, one row for each key
  /// Set where the partition is too large for one task (range_plan.h).
  std::optional<PlannedRange> range = std::nullopt;
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

/// Files by size into bins of about this capacity, in bytes.
std::vector<std::vector<size_t>> PackBins(const PartitionFiles& partition,
                                          std::vector<size_t> files, int64_t capacity);

/// evaluations[i] belongs to table.partitions[i]. All that is put in order in a partition is one
/// task, as large as all ranges of a group may be together: DivideIntoRanges cuts it.
ProcessPlan PlanProcess(const TableFiles& table,
                        const std::vector<PartitionEvaluation>& evaluations,
                        const OptimizingConfig& config, const PlanLimits& limits);

/// The delete files that no data file needs any more once the given tasks have landed: every file
/// of the snapshot that they apply to was rewritten (or had its positions rewritten), or they apply
/// to none and are of a partition of the tasks. Global equality deletes only when every partition
/// that they may reach was looked at. Indices into table.deletes.
std::vector<int32_t> RemovableDeletes(const TableFiles& table, const std::vector<TaskPlan>& tasks);

}  // namespace moraine::planning
