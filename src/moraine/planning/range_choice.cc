#include "moraine/planning/range_choice.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace moraine::planning {
namespace {

using iceberg::NullOrder;
using iceberg::SortDirection;
using iceberg::SortField;
using iceberg::Value;
using tasks::KeyRanges;
using tasks::Layout;
using tasks::Slices;

constexpr size_t kMostSortKeys = 2;
constexpr size_t kMostCurveKeys = 4;
/// Shorter than the part of a string that sorting compares by bytes, so that a cut is exact there.
constexpr size_t kCutBytes = 16;

/// A box that is being cut: from (included) to (not included), by column.
struct Box {
  std::vector<std::optional<Value>> from;
  std::vector<std::optional<Value>> to;
};

/// The value, or one that is not above it and says the same shorter; nothing that can't be a cut.
std::optional<Value> CutAt(const Value& value) {
  if (iceberg::IsNull(value) || iceberg::IsNaN(value)) return std::nullopt;
  if (const auto* number = std::get_if<double>(&value)) {
    if (!std::isfinite(*number)) return std::nullopt;
    return Value(*number == 0 ? -0.0 : *number);  // bounds do not tell the zeros apart
  }
  if (const auto* number = std::get_if<float>(&value)) {
    if (!std::isfinite(*number)) return std::nullopt;
    return Value(*number == 0 ? -0.0F : *number);
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || text->size() <= kCutBytes) return value;
  size_t end = kCutBytes;  // not inside a character
  while (end > kCutBytes - 4 && (static_cast<uint8_t>((*text)[end]) & 0xC0) == 0x80) --end;
  return Value(text->substr(0, end));
}

class Chooser {
 public:
  Chooser(const std::vector<SortField>& keys, Layout::Kind kind, std::vector<SampleRow> sample)
      : keys_(keys), kind_(kind), sample_(std::move(sample)) {}

  KeyRanges Choose(size_t count) && {
    const size_t columns = keys_.size();
    Split(sample_,
          {.from = std::vector<std::optional<Value>>(columns),
           .to = std::vector<std::optional<Value>>(columns)},
          count, 0);
    KeyRanges ranges;
    for (size_t c = 0; c < columns; ++c) ranges.columns.push_back({keys_[c], CutsOf(c)});
    for (const Box& box : boxes_) {
      std::vector<Slices> slices;
      for (size_t c = 0; c < columns; ++c) {
        const auto& column = ranges.columns[c];
        const size_t first = box.from[c] ? column.SliceOf(*box.from[c]) : 0;
        const size_t end = box.to[c] ? column.SliceOf(*box.to[c]) : column.slices();
        slices.push_back({static_cast<int32_t>(first), static_cast<int32_t>(end) - 1});
      }
      ranges.boxes.push_back(std::move(slices));
    }
    return ranges;
  }

 private:
  bool IsBelow(size_t column, const Value& a, const Value& b) const {
    const bool a_null = iceberg::IsNull(a);
    const bool b_null = iceberg::IsNull(b);
    if (a_null || b_null) {
      const bool nulls_first = keys_[column].null_order == NullOrder::kNullsFirst;
      return a_null != b_null && a_null == nulls_first;
    }
    return iceberg::CompareValues(a, b) < 0;
  }

  void Split(std::span<SampleRow> rows, Box box, size_t count, size_t depth) {
    const size_t columns = keys_.size();
    for (size_t i = 0; count > 1 && i < columns; ++i) {
      const size_t column = kind_ == Layout::Kind::kSort ? i : (depth + i) % columns;
      if (SplitBy(column, rows, box, count, depth)) return;
    }
    boxes_.push_back(std::move(box));
  }

  bool SplitBy(size_t column, std::span<SampleRow> rows, const Box& box, size_t count,
               size_t depth) {
    std::sort(rows.begin(), rows.end(), [&](const SampleRow& a, const SampleRow& b) {
      return IsBelow(column, a.values[column], b.values[column]);
    });
    double total = 0;
    for (const SampleRow& row : rows) total += row.weight;
    const double wanted = total * static_cast<double>(count / 2) / static_cast<double>(count);
    const std::optional<Value> cut = CutNear(column, rows, box, wanted);
    if (!cut) return false;
    size_t below = 0;
    double weight = 0;
    while (below < rows.size() && IsBelow(column, rows[below].values[column], *cut))
      weight += rows[below++].weight;
    const double share = total > 0 ? weight / total * static_cast<double>(count) : 1;
    const auto left = std::clamp<size_t>(static_cast<size_t>(std::llround(share)), 1, count - 1);
    Box low = box;
    Box high = box;
    low.to[column] = cut;
    high.from[column] = cut;
    Split(rows.first(below), std::move(low), left, depth + 1);
    Split(rows.subspan(below), std::move(high), count - left, depth + 1);
    return true;
  }

  /// Of the cuts that leave rows on both sides, the one with about the wanted weight below it.
  std::optional<Value> CutNear(size_t column, std::span<const SampleRow> rows, const Box& box,
                               double wanted) const {
    std::optional<Value> best;
    double best_distance = 0;
    double below = 0;  // weight of the rows before this one
    for (size_t i = 0; i < rows.size(); below += rows[i++].weight) {
      if (i == 0 || !IsBelow(column, rows[i - 1].values[column], rows[i].values[column])) continue;
      const std::optional<Value> cut = CutAt(rows[i].values[column]);
      // What was made shorter may be where the box begins, or have no row below it.
      const bool divides = cut && IsBelow(column, rows[0].values[column], *cut) &&
                           (!box.from[column] || IsBelow(column, *box.from[column], *cut));
      if (!divides) continue;
      const double distance = std::abs(below - wanted);
      if (best && distance >= best_distance) break;  // it only grows from here
      best = cut;
      best_distance = distance;
    }
    return best;
  }

  std::vector<Value> CutsOf(size_t column) const {
    std::vector<Value> cuts;
    for (const Box& box : boxes_) {
      if (box.from[column]) cuts.push_back(*box.from[column]);
    }
    const auto less = [](const Value& a, const Value& b) {
      return iceberg::CompareValues(a, b) < 0;
    };
    const auto same = [](const Value& a, const Value& b) {
      return iceberg::CompareValues(a, b) == 0;
    };
    std::sort(cuts.begin(), cuts.end(), less);
    cuts.erase(std::unique(cuts.begin(), cuts.end(), same), cuts.end());
    return cuts;
  }

  const std::vector<SortField>& keys_;
  const Layout::Kind kind_;
  std::vector<SampleRow> sample_;
  std::vector<Box> boxes_;
};

}  // namespace

namespace {

/// A cut is shorter, which a value of this type can't be.
bool CanBeCut(const iceberg::Field* column) {
  return column == nullptr || column->type->kind() != iceberg::TypeKind::kFixed ||
         column->type->length() <= static_cast<int64_t>(kCutBytes);
}

}  // namespace

std::vector<SortField> RangeKeys(const Layout& layout, const iceberg::Schema& schema) {
  std::vector<SortField> keys;
  for (SortField field : layout.order.fields) {
    const auto* column = schema.FindField(field.source_id());
    const auto kind = field.transform.kind();
    const bool has_values =
        kind != iceberg::Transform::Kind::kVoid && kind != iceberg::Transform::Kind::kUnknown;
    if (!CanBeCut(column)) break;
    if (keys.size() == kMostSortKeys || column == nullptr || !has_values) continue;
    const bool descends = field.direction == SortDirection::kDescending;
    const bool nulls_low = (field.null_order == NullOrder::kNullsFirst) != descends;
    field.direction = SortDirection::kAscending;
    field.null_order = nulls_low ? NullOrder::kNullsFirst : NullOrder::kNullsLast;
    field.unknown.clear();
    keys.push_back(std::move(field));
  }
  for (const int32_t id : layout.columns) {
    if (keys.size() == kMostCurveKeys) break;
    if (!CanBeCut(schema.FindField(id))) continue;
    keys.push_back({.source_ids = {id}});
  }
  return keys;
}

std::vector<int32_t> RangeColumns(const Layout& layout, const iceberg::Schema& schema) {
  std::vector<int32_t> ids;
  for (const SortField& key : RangeKeys(layout, schema)) ids.push_back(key.source_id());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

KeyRanges ChooseRanges(const std::vector<SortField>& keys, Layout::Kind kind,
                       std::vector<SampleRow> sample, size_t count) {
  return Chooser(keys, kind, std::move(sample)).Choose(std::min(count, tasks::kMostRanges));
}

}  // namespace moraine::planning
