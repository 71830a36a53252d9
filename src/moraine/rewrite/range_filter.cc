#include "moraine/rewrite/range_filter.h"

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/array.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/rewrite/sort_rows.h"

namespace moraine::rewrite {
namespace {

using tasks::RangeSet;

/// Keys of one column that may be null, whatever lies above it.
Result<SortKeys> KeysOf(iceberg::TypePtr type, iceberg::SortField order) {
  iceberg::Field field;
  field.id = order.source_id();
  field.name = "key";
  field.type = std::move(type);
  return SortKeys::Make({std::move(field)}, {std::move(order)});
}

/// As rows with these values have them.
Result<std::vector<std::string>> KeysOfCuts(const tasks::RangeColumn& column,
                                            const iceberg::TypePtr& type, arrow::MemoryPool* pool) {
  iceberg::SortField order = column.key;
  order.transform = iceberg::Transform::Identity();
  MORAINE_ASSIGN(const SortKeys keys, KeysOf(type, std::move(order)));
  std::vector<std::string> encoded;
  for (const iceberg::Value& cut : column.cuts) {
    MORAINE_ASSIGN(ArrayPtr value, iceberg::RepeatValue(*type, cut, 1, pool));
    MORAINE_ASSIGN(ArrayPtr key, keys.Encode({std::move(value)}, 1, pool));
    encoded.emplace_back(KeyTable({std::move(key)}).at({0, 0}));
  }
  return encoded;
}

/// The origin's rows that stay, as bits of its span; keep has a bit for each that was alive.
void NarrowOrigin(const std::vector<uint8_t>& keep, RowOrigin* origin) {
  if (origin->keep.empty()) {
    origin->keep = keep;
    return;
  }
  size_t alive = 0;
  for (size_t row = 0; row < static_cast<size_t>(origin->count); ++row) {
    uint8_t& bits = origin->keep[row / 8];
    const auto bit = static_cast<uint8_t>(1U << (row % 8));
    if ((bits & bit) == 0) continue;
    if ((keep[alive / 8] >> (alive % 8) & 1) == 0) bits = static_cast<uint8_t>(bits & ~bit);
    ++alive;
  }
}

}  // namespace

Result<RangeFilter> RangeFilter::Make(const tasks::RewriteTask& task,
                                      const std::vector<iceberg::Field>& fields,
                                      arrow::MemoryPool* pool) {
  const tasks::KeyRanges& ranges = task.range->ranges;
  MORAINE_TRY(tasks::ValidateTaskRange(*task.range, *task.schema, task.rewrite.size()));
  std::vector<int32_t> ids;
  for (const auto& column : ranges.columns) ids.push_back(column.key.source_id());
  MORAINE_ASSIGN(auto columns, iceberg::KeyColumns::Make(fields, ids));
  RangeFilter filter(task, std::move(columns));
  const auto types = filter.columns_.types();
  for (size_t i = 0; i < ranges.columns.size(); ++i) {
    const tasks::RangeColumn& column = ranges.columns[i];
    MORAINE_ASSIGN(SortKeys keys, KeysOf(types[i], column.key));
    MORAINE_ASSIGN(auto cuts, KeysOfCuts(column, column.key.transform.ResultType(types[i]), pool));
    std::vector<RangeSet> sets;
    for (size_t slice = 0; slice < column.slices(); ++slice) sets.push_back(ranges.Of(i, slice));
    filter.parts_.push_back({std::move(keys), std::move(cuts), std::move(sets)});
  }
  return filter;
}

Result<std::vector<RangeSet>> RangeFilter::RangesOf(const arrow::RecordBatch& batch,
                                                    arrow::MemoryPool* pool) const {
  MORAINE_ASSIGN(const auto columns, columns_.Extract(batch, pool));
  std::vector<RangeSet> sets(static_cast<size_t>(batch.num_rows()), ~RangeSet{0});
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Column& part = parts_[i];
    if (part.cuts.empty()) {
      for (RangeSet& set : sets) set &= part.sets[0];
      continue;
    }
    MORAINE_ASSIGN(ArrayPtr encoded, part.keys.Encode({columns[i]}, batch.num_rows(), pool));
    const KeyTable table({std::move(encoded)});
    for (uint32_t row = 0; row < sets.size(); ++row) {
      const std::string_view key = table.at({0, row});
      const auto above = std::upper_bound(part.cuts.begin(), part.cuts.end(), key);
      sets[row] &= part.sets[static_cast<size_t>(above - part.cuts.begin())];
    }
  }
  return sets;
}

Status RangeFilter::Misplaced(size_t input, RangeSet range) const {
  if (!std::has_single_bit(range)) return Internal("ranges of keys overlap, or leave a gap");
  std::string ids;
  for (const auto& column : task_->range->ranges.columns)
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", column.key.source_id());
  return Corruption(
      fmt::format("{}: a row lies outside of the bounds or counts that the table's metadata has for"
                  " the file; they are of one of the columns with the ids {}",
                  task_->rewrite[input].file.file_path, ids));
}

Result<int64_t> RangeFilter::Apply(RowBatch* batch, arrow::MemoryPool* pool) const {
  const RangeSet own = RangeSet{1} << task_->range->index;
  const RangeSet known = task_->range->inputs[batch->origin.input];
  MORAINE_ASSIGN(const auto sets, RangesOf(*batch->rows, pool));
  std::vector<uint8_t> keep((sets.size() + 7) / 8, 0);
  int64_t others = 0;
  for (size_t row = 0; row < sets.size(); ++row) {
    if (sets[row] == own) {
      keep[row / 8] = static_cast<uint8_t>(keep[row / 8] | 1U << (row % 8));
      continue;
    }
    if (!std::has_single_bit(sets[row]) || (sets[row] & known) == 0)
      return Misplaced(batch->origin.input, sets[row]);
    ++others;
  }
  if (others == 0) return others;
  if (others == batch->rows->num_rows()) {
    batch->rows = nullptr;
    return others;
  }
  MORAINE_ASSIGN(batch->rows, iceberg::KeepRows(batch->rows, keep, pool));
  NarrowOrigin(keep, &batch->origin);
  return others;
}

}  // namespace moraine::rewrite
