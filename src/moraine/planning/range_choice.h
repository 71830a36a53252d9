#pragma once
// Which ranges of keys the tasks of one partition write, so that their outputs do not overlap.
// Pure: takes a sample of the keys and gives boxes of about equal weight. Called by range_plan.

#include <cstdint>
#include <vector>

#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/tasks/key_ranges.h"
#include "moraine/tasks/layout.h"

namespace moraine::planning {

/// A row of the sample: a value for each key, of its transform's result type.
struct SampleRow {
  std::vector<iceberg::Value> values;
  double weight = 1;
};

/// The keys that ranges are cut by, in the order in which they matter: the first ones of a sort,
/// some columns of a curve. Ascending; nulls are where the layout has them.
std::vector<iceberg::SortField> RangeKeys(const tasks::Layout& layout,
                                          const iceberg::Schema& schema);

/// Their columns, ascending.
std::vector<int32_t> RangeColumns(const tasks::Layout& layout, const iceberg::Schema& schema);

/// Up to count ranges. A sort is cut by its first key as long as that has values to cut at, then by
/// the next one; a curve by its columns in turn. Fewer than 2: the sample has nothing to cut at.
tasks::KeyRanges ChooseRanges(const std::vector<iceberg::SortField>& keys, tasks::Layout::Kind kind,
                              std::vector<SampleRow> sample, size_t count);

}  // namespace moraine::planning
