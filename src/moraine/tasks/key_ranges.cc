#include "moraine/tasks/key_ranges.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace moraine::tasks {
namespace {

using iceberg::DataFile;
using iceberg::Field;
using iceberg::Schema;
using iceberg::SortField;
using iceberg::Type;
using iceberg::TypeKind;
using iceberg::Value;

/// Nothing of a bound that does not fit the type, or says nothing.
std::optional<Value> ReadBound(const Type& type, const std::string* bytes) {
  if (bytes == nullptr) return std::nullopt;
  Result<Value> value = iceberg::ValueFromBytes(type, *bytes);
  if (!value.ok() || iceberg::IsNull(*value) || iceberg::IsNaN(*value)) return std::nullopt;
  return *std::move(value);
}

/// Writers do not agree on the order of UUIDs.
bool HasTrustedBounds(const Type& type) { return type.kind() != TypeKind::kUuid; }

bool IsFloating(const Type& type) {
  return type.kind() == TypeKind::kFloat || type.kind() == TypeKind::kDouble;
}

/// One column of a file.
class ColumnOfFile {
 public:
  ColumnOfFile(const KeyRanges& ranges, size_t column, const DataFile& file, const Schema& schema)
      : ranges_(ranges), column_(column), file_(file), schema_(schema) {}

  RangeSet Ranges() const {
    const RangeColumn& column = ranges_.columns[column_];
    const int32_t id = column.key.source_id();
    const Field* field = schema_.FindField(id);
    if (field == nullptr || !column.key.transform.preserves_order()) return Between(0, last());
    const int64_t* nulls = iceberg::FindCount(file_.null_value_counts, id);
    const int64_t* values = iceberg::FindCount(file_.value_counts, id);
    const size_t null_slice = column.nulls_are_first() ? 0 : last();
    // What counts say of nulls in structs that are null differs among writers.
    const bool may_have_nulls = nulls == nullptr || *nulls != 0 || schema_.ParentOf(id).has_value();
    const RangeSet null_ranges = may_have_nulls ? Between(null_slice, null_slice) : 0;
    const Type& type = *field->type;
    const auto low = ReadBound(type, iceberg::FindBound(file_.lower_bounds, id));
    const auto high = ReadBound(type, iceberg::FindBound(file_.upper_bounds, id));
    if (!low || !high || !HasTrustedBounds(type)) {
      const bool only_nulls = nulls != nullptr && values != nullptr && *nulls == *values &&
                              *nulls == file_.record_count && !schema_.ParentOf(id);
      return only_nulls ? null_ranges : Between(0, last());
    }
    const size_t from = column.SliceOf(column.key.transform.Apply(type, *low));
    const size_t to = column.SliceOf(column.key.transform.Apply(type, *high));
    if (from > to) return Between(0, last());
    return Between(from, to) | null_ranges | RangesOfNaN(type, id);
  }

 private:
  size_t last() const { return ranges_.columns[column_].slices() - 1; }

  /// NaN has no place in bounds; it sorts below or above all, by its sign.
  RangeSet RangesOfNaN(const Type& type, int32_t id) const {
    if (!IsFloating(type)) return 0;
    const int64_t* nans = iceberg::FindCount(file_.nan_value_counts, id);
    if (nans != nullptr && *nans == 0) return 0;
    return Between(0, 0) | Between(last(), last());
  }

  RangeSet Between(size_t first, size_t last) const {
    RangeSet set = 0;
    for (size_t slice = first; slice <= last; ++slice) set |= ranges_.Of(column_, slice);
    return set;
  }

  const KeyRanges& ranges_;
  const size_t column_;
  const DataFile& file_;
  const Schema& schema_;
};

Status ValidateColumn(const RangeColumn& column, const Schema& schema) {
  const int32_t id = column.key.source_id();
  const Field* field = schema.FindField(id);
  if (field == nullptr || !column.key.transform.Accepts(*field->type))
    return InvalidArgument(fmt::format("ranges: no column with the id {} can be cut", id));
  for (size_t i = 0; i < column.cuts.size(); ++i) {
    if (iceberg::IsNull(column.cuts[i]))
      return InvalidArgument(fmt::format("ranges: a cut of column {} is null", id));
    if (i > 0 && iceberg::CompareValues(column.cuts[i - 1], column.cuts[i]) >= 0)
      return InvalidArgument(fmt::format("ranges: the cuts of column {} do not ascend", id));
  }
  return {};
}

Status ValidateRanges(const KeyRanges& ranges, const Schema& schema) {
  if (ranges.columns.empty() || ranges.boxes.empty() || ranges.boxes.size() > kMostRanges) {
    return InvalidArgument(fmt::format("ranges: expected 1 to {}, of some columns; got {} of {}",
                                       kMostRanges, ranges.boxes.size(), ranges.columns.size()));
  }
  for (const RangeColumn& column : ranges.columns) MORAINE_TRY(ValidateColumn(column, schema));
  for (const auto& box : ranges.boxes) {
    bool fits = box.size() == ranges.columns.size();
    for (size_t c = 0; fits && c < box.size(); ++c) {
      const auto slices = static_cast<int32_t>(ranges.columns[c].slices());
      fits = 0 <= box[c].first && box[c].first <= box[c].last && box[c].last < slices;
    }
    if (!fits) return InvalidArgument("ranges: a range has slices that are not there");
  }
  return {};
}

void WriteColumn(const RangeColumn& column, const Schema& schema, JsonWriter* out) {
  const iceberg::TypePtr type = RangeType(column.key, schema);
  out->BeginObject().Field("column", column.key.source_id());
  out->Field("transform", column.key.transform.ToString());
  out->Field("nulls", column.nulls_are_first() ? "first" : "last");
  out->Key("cuts").BeginArray();
  for (const Value& cut : column.cuts) out->Value(iceberg::ValueToJson(*type, cut));
  out->EndArray().EndObject();
}

Result<RangeColumn> ReadColumn(const JsonCursor& json, const Schema& schema) {
  RangeColumn column;
  MORAINE_ASSIGN(const int32_t id, json.Int32("column"));
  column.key.source_ids = {id};
  MORAINE_ASSIGN(const std::string transform, json.String("transform"));
  MORAINE_ASSIGN(column.key.transform, iceberg::Transform::FromString(transform));
  MORAINE_ASSIGN(const std::string nulls, json.String("nulls"));
  column.key.null_order =
      nulls == "last" ? iceberg::NullOrder::kNullsLast : iceberg::NullOrder::kNullsFirst;
  const Field* field = schema.FindField(id);
  if (field == nullptr || !column.key.transform.Accepts(*field->type))
    return InvalidArgument(fmt::format("ranges: no column with the id {} can be cut", id));
  const iceberg::TypePtr type = RangeType(column.key, schema);
  MORAINE_ASSIGN(const JsonCursor cuts, json.Get("cuts"));
  MORAINE_TRY(cuts.ExpectArray());
  for (size_t i = 0; i < cuts.size(); ++i) {
    MORAINE_ASSIGN(Value cut, iceberg::ValueFromJson(*type, cuts.At(i)));
    column.cuts.push_back(std::move(cut));
  }
  return column;
}

/// A box is a flat list: first and last slice of each column.
Result<std::vector<Slices>> ReadBox(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<Slices> box;
  for (size_t i = 0; i + 1 < json.size(); i += 2) {
    Slices slices;
    MORAINE_ASSIGN(slices.first, json.At(i).Int32());
    MORAINE_ASSIGN(slices.last, json.At(i + 1).Int32());
    box.push_back(slices);
  }
  return box;
}

}  // namespace

size_t RangeColumn::SliceOf(const Value& value) const {
  if (iceberg::IsNull(value)) return nulls_are_first() ? 0 : cuts.size();
  const auto above = std::upper_bound(
      cuts.begin(), cuts.end(), value,
      [](const Value& a, const Value& b) { return iceberg::CompareValues(a, b) < 0; });
  return static_cast<size_t>(above - cuts.begin());
}

RangeSet KeyRanges::Of(size_t column, size_t slice) const {
  RangeSet set = 0;
  const auto number = static_cast<int32_t>(slice);
  for (size_t i = 0; i < boxes.size(); ++i) {
    const Slices& slices = boxes[i][column];
    if (slices.first <= number && number <= slices.last) set |= RangeSet{1} << i;
  }
  return set;
}

RangeSet RangesOfFile(const KeyRanges& ranges, const DataFile& file, const Schema& schema) {
  RangeSet set = ~RangeSet{0};
  for (size_t column = 0; column < ranges.columns.size(); ++column)
    set &= ColumnOfFile(ranges, column, file, schema).Ranges();
  return set;
}

iceberg::TypePtr RangeType(const SortField& key, const Schema& schema) {
  return key.transform.ResultType(schema.FindField(key.source_id())->type);
}

Status ValidateTaskRange(const TaskRange& range, const Schema& schema, size_t inputs) {
  MORAINE_TRY(ValidateRanges(range.ranges, schema));
  if (range.index < 0 || static_cast<size_t>(range.index) >= range.ranges.boxes.size() ||
      range.first_task < 0 || range.tasks < 1 ||
      range.tasks > static_cast<int32_t>(range.ranges.boxes.size())) {
    return InvalidArgument("ranges: the task's own one, or its group, is not there");
  }
  if (range.inputs.size() != inputs) {
    return InvalidArgument(
        fmt::format("ranges: the task has {} inputs, {} have ranges", inputs, range.inputs.size()));
  }
  const RangeSet own = RangeSet{1} << range.index;
  for (const RangeSet set : range.inputs) {
    if ((set & own) == 0) return InvalidArgument("ranges: an input is of other ranges alone");
  }
  return {};
}

void WriteTaskRange(const TaskRange& range, const Schema& schema, JsonWriter* out) {
  out->BeginObject().Field("index", range.index);
  out->Field("first-task", range.first_task).Field("tasks", range.tasks);
  out->Key("columns").BeginArray();
  for (const RangeColumn& column : range.ranges.columns) WriteColumn(column, schema, out);
  out->EndArray().Key("ranges").BeginArray();
  for (const auto& box : range.ranges.boxes) {
    out->BeginArray();
    for (const Slices& slices : box) out->Int(slices.first).Int(slices.last);
    out->EndArray();
  }
  out->EndArray().Key("inputs").BeginArray();
  for (const RangeSet set : range.inputs) out->Int(int64_t{set});
  out->EndArray().EndObject();
}

Result<TaskRange> TaskRangeFromJson(const JsonCursor& json, const Schema& schema, size_t inputs) {
  TaskRange range;
  MORAINE_ASSIGN(range.index, json.Int32("index"));
  MORAINE_ASSIGN(range.first_task, json.Int32("first-task"));
  MORAINE_ASSIGN(range.tasks, json.Int32("tasks"));
  MORAINE_ASSIGN(const JsonCursor columns, json.Get("columns"));
  MORAINE_TRY(columns.ExpectArray());
  for (size_t i = 0; i < columns.size(); ++i) {
    MORAINE_ASSIGN(RangeColumn column, ReadColumn(columns.At(i), schema));
    range.ranges.columns.push_back(std::move(column));
  }
  MORAINE_ASSIGN(const JsonCursor boxes, json.Get("ranges"));
  MORAINE_TRY(boxes.ExpectArray());
  for (size_t i = 0; i < boxes.size(); ++i) {
    MORAINE_ASSIGN(std::vector<Slices> box, ReadBox(boxes.At(i)));
    range.ranges.boxes.push_back(std::move(box));
  }
  MORAINE_ASSIGN(const JsonCursor sets, json.Get("inputs"));
  MORAINE_TRY(sets.ExpectArray());
  for (size_t i = 0; i < sets.size(); ++i) {
    MORAINE_ASSIGN(const int64_t set, sets.At(i).Int64());
    range.inputs.push_back(static_cast<RangeSet>(set));
  }
  MORAINE_TRY(ValidateTaskRange(range, schema, inputs));
  return range;
}

}  // namespace moraine::tasks
