#pragma once
// How the rows of files that are too large together for one task are told apart, so that each task
// writes a range of their own: boxes that cover all values of one or more columns and do not
// overlap. Chosen by planning (range_choice.h); each task of the group reads the files that may
// hold rows of its box and keeps those rows (rewrite/range_filter.h). Plain data with its JSON.

#include <bit>
#include <cstdint>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::tasks {

/// A bit for each range.
using RangeSet = uint32_t;
inline constexpr size_t kMostRanges = 32;

/// Cuts divide the values of a column (of its transform) into slices, numbered from 0: slice i is
/// below cuts[i] and not below cuts[i - 1]. Nulls are in the first slice, or in the last one.
struct RangeColumn {
  iceberg::SortField key;            ///< ascending; its null order says where nulls are
  std::vector<iceberg::Value> cuts;  ///< ascending, of the transform's result type, not null
  bool operator==(const RangeColumn&) const = default;

  bool nulls_are_first() const { return key.null_order == iceberg::NullOrder::kNullsFirst; }
  size_t slices() const { return cuts.size() + 1; }
  /// value: of the result type.
  size_t SliceOf(const iceberg::Value& value) const;
};

/// Slices of a column, both ends included.
struct Slices {
  int32_t first = 0;
  int32_t last = 0;
  bool operator==(const Slices&) const = default;
};

struct KeyRanges {
  std::vector<RangeColumn> columns;
  std::vector<std::vector<Slices>> boxes;  ///< one for each range: the slices of each column
  bool operator==(const KeyRanges&) const = default;

  /// The ranges that hold rows of this slice of the column. A row is in the one range that is in
  /// the sets of all its columns.
  RangeSet Of(size_t column, size_t slice) const;
};

/// The ranges that may hold rows of the file, by its counts and bounds: all where those do not
/// tell.
RangeSet RangesOfFile(const KeyRanges& ranges, const iceberg::DataFile& file,
                      const iceberg::Schema& schema);

/// What one task of a group has to do with the ranges. Tasks of a group share inputs and are
/// committed together or not at all.
struct TaskRange {
  KeyRanges ranges;
  int32_t index = 0;             ///< the range whose rows the task writes
  int32_t first_task = 0;        ///< of the group: its tasks have numbers that follow each other
  int32_t tasks = 0;             ///< of the group
  std::vector<RangeSet> inputs;  ///< by RewriteTask::rewrite: the ranges whose tasks have it, too
  bool operator==(const TaskRange&) const = default;

  /// Of the tasks that have an input, one counts its deleted rows: that of the first range.
  bool CountsDeletesOf(size_t input) const {
    return std::countr_zero(inputs[input]) == static_cast<int>(index);
  }
};

/// Errors: InvalidArgument naming what does not fit: a column that is not there or has another
/// type, cuts that do not ascend, slices that are not there, too many ranges, inputs that are not
/// the task's.
Status ValidateTaskRange(const TaskRange& range, const iceberg::Schema& schema, size_t inputs);

void WriteTaskRange(const TaskRange& range, const iceberg::Schema& schema, JsonWriter* out);
/// Errors: as ValidateTaskRange.
Result<TaskRange> TaskRangeFromJson(const JsonCursor& json, const iceberg::Schema& schema,
                                    size_t inputs);

/// Of the values that cuts of this key are.
iceberg::TypePtr RangeType(const iceberg::SortField& key, const iceberg::Schema& schema);

}  // namespace moraine::tasks
