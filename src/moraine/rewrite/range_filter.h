#pragma once
// Of the rows that a task reads, those of its range (tasks/key_ranges.h). A row that belongs to a
// range whose task does not have its file would get lost, so it is an error: the file's bounds are
// wrong then.

#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/key_columns.h"
#include "moraine/rewrite/row_batch.h"
#include "moraine/rewrite/sort_keys.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::rewrite {

/// Const calls are thread-safe.
class RangeFilter {
 public:
  /// task.range is set. fields: of the batches that will come. Errors: as SortKeys::Make.
  static Result<RangeFilter> Make(const tasks::RewriteTask& task,
                                  const std::vector<iceberg::Field>& fields,
                                  arrow::MemoryPool* pool);

  /// Takes the rows of other ranges out of a batch and its origin, and says how many they were.
  /// When none stay, batch->rows is nullptr. Errors: Corruption naming the file.
  Result<int64_t> Apply(RowBatch* batch, arrow::MemoryPool* pool) const;

 private:
  struct Column {
    SortKeys keys;                      // of the extracted column alone
    std::vector<std::string> cuts;      // keys of the cuts, ascending
    std::vector<tasks::RangeSet> sets;  // by slice
  };

  RangeFilter(const tasks::RewriteTask& task, iceberg::KeyColumns columns)
      : task_(&task), columns_(std::move(columns)) {}

  /// The ranges of each row: one, unless the ranges are not what they should be.
  Result<std::vector<tasks::RangeSet>> RangesOf(const arrow::RecordBatch& batch,
                                                arrow::MemoryPool* pool) const;
  Status Misplaced(size_t input, tasks::RangeSet range) const;

  const tasks::RewriteTask* task_;
  iceberg::KeyColumns columns_;
  std::vector<Column> parts_;
};

}  // namespace moraine::rewrite
