#pragma once
// Rows in a new order: sorted, along a space-filling curve, by the partitions of another spec. All
// inputs are read into the sorter, then written from it.

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/row_sorter.h"
#include "moraine/rewrite/task_run.h"

namespace moraine::rewrite {

/// Rewrites task().rewrite, which is not empty, into output().data_files as task().layout and
/// task().target_spec say. Files of a partition do not overlap in their keys, but for equal ones.
/// Errors: as RunRewrite; InvalidArgument for a layout that the schema does not allow.
Status Arrange(Call& call, TaskRun* run);

/// A sorter with the part of the task's memory that is for it.
RowSorterOptions SorterOptionsOf(TaskRun* run, const SortKeys* keys);

/// Reads the inputs on all threads of the task: take gets every batch, on any of them.
Status ReadAll(Call& call, TaskRun* run, const RowSource::Options& options,
               RewriteProgress* progress, const std::function<Status(Call&, RowBatch)>& take,
               const std::function<void(const RowSource&)>& count);

/// Of the table's schema: those that hold these columns, and those that deletes compare.
std::vector<iceberg::Field> FieldsWith(const TaskRun& run, std::vector<int32_t> ids);

}  // namespace moraine::rewrite
