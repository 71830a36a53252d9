#pragma once
// When a partition is written again with one row for each key, and what else may be done to it and
// may land meanwhile (design note 0012). Pure; asked by the evaluator, the planner and the commit
// decision.

#include <cstdint>
#include <vector>

#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/planning/evaluator.h"
#include "moraine/tasks/layout.h"

namespace moraine::planning {

/// One task takes a partition whole, so that equal keys meet. What does not fit into its memory
/// goes to the disk of the worker; above this it would not end within the time of a task.
inline constexpr int64_t kDedupTaskBytes = int64_t{64} << 30;

/// The order of files in which the last row of a key is the last. Those of one commit go by path:
/// the files of one rewrite are numbered.
bool WrittenBefore(const tasks::InputFile& a, const tasks::InputFile& b);

/// Files of the partition that the last dedup by the same columns has not written; 0: it has no
/// duplicates. All files when they are of several runs.
int64_t CountDuplicable(const PartitionFiles& partition, const OptimizingConfig& config);

/// To be asked after the other triggers. Makes the partition's evaluation a full one that
/// deduplicates when that is due: with any other full run; else once files with duplicable rows
/// have the share self-optimizing.major.trigger.duplicate-ratio of its bytes, and are as many as
/// minor.trigger.file-count or have waited for minor.trigger.interval. Sets due_ms when only a
/// timer is missing.
void AddDedup(const PartitionFiles& partition, const OptimizingConfig& config,
              const OptimizingTimes& times, int64_t now_ms, PartitionEvaluation* evaluation);

/// Whether the last row of a key is told by the age of its file alone.
bool GoesByFileAge(const PartitionFiles& partition, const OptimizingConfig& config);

/// Where the last row of a key is told by the age of its file alone, a rewrite makes rows as young
/// as itself: only the newest files may be merged, all in one task, and of one commit all or none.
/// Others are left, or have their positions rewritten. Afterwards nothing is kUndersized.
void KeepAge(const PartitionFiles& partition, const OptimizingConfig& config,
             PartitionEvaluation* evaluation);

/// Whether a delete that came while duplicates were left out deletes all rows of a key or none. Any
/// other may have deleted the row that was kept, and then an older one should have been.
bool DeletesWholeKeys(const iceberg::DataFile& deletes, const tasks::Dedup& dedup);

/// Of a task that may land: rows that are gone though nobody has deleted them.
int64_t RowsDropped(const tasks::RewriteTask& task, const tasks::RewriteOutput& output);

}  // namespace moraine::planning
