#include <algorithm>
#include <optional>
#include <string>

#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/expression/literal.h"
#include "moraine/iceberg/expression/projection.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;

constexpr size_t kMaxSetForBounds = 200;
/// Truncated bounds have at least this many characters: shorter ones are exact.
constexpr size_t kShortestTruncatedBound = 16;

/// A bound that can be relied on, or nothing: unreadable ones and NaN (old writers) say nothing.
std::optional<Value> ReadBound(const TypePtr& type, const std::string* bytes) {
  if (bytes == nullptr || !type->is_primitive() || type->kind() >= TypeKind::kVariant ||
      type->kind() == TypeKind::kUnknown) {
    return std::nullopt;
  }
  auto value = ValueFromBytes(*type, *bytes);
  if (!value.ok() || IsNull(*value) || IsNaN(*value)) return std::nullopt;
  return *std::move(value);
}

bool IsFloating(const TypePtr& type) {
  return type->kind() == TypeKind::kFloat || type->kind() == TypeKind::kDouble;
}

/// What is known of one column (or partition field) of a file (or manifest).
struct Column {
  std::optional<Value> lower;
  std::optional<Value> upper;
};

bool Below(const Value& a, const Value& b) { return CompareForFilter(a, b) < 0; }
bool Same(const Value& a, const Value& b) { return CompareForFilter(a, b) == 0; }

bool AnyInside(const std::vector<Value>& literals, const Column& column) {
  return std::any_of(literals.begin(), literals.end(), [&](const Value& literal) {
    return !(column.lower && Below(literal, *column.lower)) &&
           !(column.upper && Below(*column.upper, literal));
  });
}

const std::string& Text(const Value& value) { return std::get<std::string>(value); }
bool StartsWith(const Value& value, const std::string& prefix) {
  return Text(value).compare(0, prefix.size(), prefix) == 0;
}
/// Whether a value between the bounds may start with the prefix.
bool PrefixMayBeInside(const std::string& prefix, const Column& column) {
  if (column.lower && std::string_view(Text(*column.lower)).substr(0, prefix.size()) > prefix)
    return false;
  return !(column.upper && std::string_view(Text(*column.upper)).substr(0, prefix.size()) < prefix);
}
bool AllStartWith(const std::string& prefix, const Column& column) {
  return column.lower && column.upper && StartsWith(*column.lower, prefix) &&
         StartsWith(*column.upper, prefix);
}

/// Comparisons by bounds alone; true where nothing can be said.
bool BoundsMayMatch(const Expression& predicate, const Column& column) {
  const std::vector<Value>& literals = predicate.values();
  switch (predicate.op()) {
    case Op::kLess:
      return !column.lower || Below(*column.lower, literals[0]);
    case Op::kLessEqual:
      return !column.lower || !Below(literals[0], *column.lower);
    case Op::kGreater:
      return !column.upper || Below(literals[0], *column.upper);
    case Op::kGreaterEqual:
      return !column.upper || !Below(*column.upper, literals[0]);
    case Op::kEqual:
      return AnyInside(literals, column);
    case Op::kIn:
      return literals.size() > kMaxSetForBounds || AnyInside(literals, column);
    case Op::kStartsWith:
      return PrefixMayBeInside(Text(literals[0]), column);
    default:
      return true;
  }
}

/// The one value that all of a column's non-null values are, if the bounds prove it.
const Value* SingleValue(const Column& column) {
  if (!column.lower || !column.upper || !Same(*column.lower, *column.upper)) return nullptr;
  const std::string* text = std::get_if<std::string>(&*column.lower);
  if (text != nullptr && text->size() >= kShortestTruncatedBound) return nullptr;
  return &*column.lower;
}

bool Contains(const std::vector<Value>& literals, const Value& value) {
  return std::any_of(literals.begin(), literals.end(),
                     [&](const Value& one) { return Same(one, value); });
}

/// Counts and bounds of one column in one file.
class FileColumn {
 public:
  FileColumn(const Expression& predicate, const DataFile& file)
      : values_(FindCount(file.value_counts, predicate.field_id())),
        nulls_(FindCount(file.null_value_counts, predicate.field_id())),
        nans_(FindCount(file.nan_value_counts, predicate.field_id())),
        floating_(IsFloating(predicate.type())) {
    if (predicate.op() < Op::kLess) return;
    column_.lower = ReadBound(predicate.type(), FindBound(file.lower_bounds, predicate.field_id()));
    column_.upper = ReadBound(predicate.type(), FindBound(file.upper_bounds, predicate.field_id()));
  }

  const Column& bounds() const { return column_; }
  bool all_null() const { return values_ && nulls_ && *values_ == *nulls_ && *values_ >= 0; }
  bool all_nan() const { return values_ && nans_ && *values_ == *nans_ && *values_ > 0; }
  bool no_nulls() const { return nulls_ && *nulls_ == 0; }
  bool known_no_nans() const { return nans_ && *nans_ == 0; }
  bool no_nans() const { return !floating_ || known_no_nans(); }

 private:
  const int64_t* values_;
  const int64_t* nulls_;
  const int64_t* nans_;
  bool floating_;
  Column column_;
};

bool PredicateMayMatch(const Expression& predicate, const DataFile& file) {
  FileColumn column(predicate, file);
  switch (predicate.op()) {
    case Op::kIsNull:
      return !column.no_nulls();
    case Op::kNotNull:
      return !column.all_null();
    case Op::kIsNaN:
      return !column.all_null() && !column.known_no_nans();
    case Op::kNotNaN:
      return !column.all_nan();
    case Op::kNotEqual:
    case Op::kNotIn: {
      const Value* single = SingleValue(column.bounds());
      return !(column.no_nulls() && column.no_nans() && single &&
               Contains(predicate.values(), *single));
    }
    case Op::kNotStartsWith:
      return !(column.no_nulls() && AllStartWith(Text(predicate.values()[0]), column.bounds()));
    default:
      if (column.all_null() || column.all_nan()) return false;
      return BoundsMayMatch(predicate, column.bounds());
  }
}

bool ComparisonMustMatch(const Expression& predicate, const Column& column) {
  const std::vector<Value>& literals = predicate.values();
  switch (predicate.op()) {
    case Op::kLess:
      return column.upper && Below(*column.upper, literals[0]);
    case Op::kLessEqual:
      return column.upper && !Below(literals[0], *column.upper);
    case Op::kGreater:
      return column.lower && Below(literals[0], *column.lower);
    case Op::kGreaterEqual:
      return column.lower && !Below(*column.lower, literals[0]);
    case Op::kEqual:
    case Op::kIn: {
      const Value* single = SingleValue(column);
      return single != nullptr && Contains(literals, *single);
    }
    case Op::kStartsWith:
      return AllStartWith(Text(literals[0]), column);
    default:
      return false;
  }
}

bool PredicateMustMatch(const Expression& predicate, const Schema& schema, const DataFile& file) {
  FileColumn column(predicate, file);
  const bool nested = schema.ParentOf(predicate.field_id()).has_value();
  const bool has_bound = column.bounds().lower || column.bounds().upper;
  switch (predicate.op()) {
    case Op::kIsNaN:
      return column.all_nan();
    case Op::kNotNaN:
      return column.known_no_nans() || column.all_null();
    default:
      break;
  }
  if (nested) return false;
  switch (predicate.op()) {
    case Op::kIsNull:
      return column.all_null();
    case Op::kNotNull:
      return column.no_nulls();
    case Op::kNotEqual:
    case Op::kNotIn:
      if (column.all_null() || column.all_nan()) return true;
      return has_bound && !AnyInside(predicate.values(), column.bounds());
    case Op::kNotStartsWith:
      if (column.all_null()) return true;
      return has_bound && !PrefixMayBeInside(Text(predicate.values()[0]), column.bounds());
    default:
      return column.no_nulls() && column.no_nans() &&
             ComparisonMustMatch(predicate, column.bounds());
  }
}

bool SummaryMayMatch(const Expression& predicate, const TypePtr& type,
                     const FieldSummary& summary) {
  const bool no_lower = !summary.lower_bound;
  const bool all_null = summary.contains_null && no_lower &&
                        (!IsFloating(type) || (summary.contains_nan && !*summary.contains_nan));
  switch (predicate.op()) {
    case Op::kIsNull:
      return summary.contains_null;
    case Op::kNotNull:
      return !all_null;
    case Op::kIsNaN:
      return !(summary.contains_nan && !*summary.contains_nan) && !all_null;
    case Op::kNotNaN:
      return !(summary.contains_nan && *summary.contains_nan && !summary.contains_null && no_lower);
    case Op::kNotEqual:
    case Op::kNotIn:
    case Op::kNotStartsWith:
      return true;
    default:
      break;
  }
  if (no_lower) return false;
  Column column;
  column.lower = ReadBound(type, &*summary.lower_bound);
  if (summary.upper_bound) column.upper = ReadBound(type, &*summary.upper_bound);
  return BoundsMayMatch(predicate, column);
}

}  // namespace

bool ManifestMayMatch(const ExpressionPtr& projected, const PartitionSpec& spec,
                      const std::vector<TypePtr>& partition_types, const ManifestFile& manifest) {
  switch (projected->op()) {
    case Op::kTrue:
      return true;
    case Op::kFalse:
      return false;
    case Op::kAnd:
      return ManifestMayMatch(projected->left(), spec, partition_types, manifest) &&
             ManifestMayMatch(projected->right(), spec, partition_types, manifest);
    case Op::kOr:
      return ManifestMayMatch(projected->left(), spec, partition_types, manifest) ||
             ManifestMayMatch(projected->right(), spec, partition_types, manifest);
    case Op::kNot:
      return true;
    default:
      break;
  }
  if (!manifest.partitions) return true;
  for (size_t i = 0;
       i < spec.fields.size() && i < manifest.partitions->size() && i < partition_types.size();
       ++i) {
    if (spec.fields[i].field_id == projected->field_id()) {
      return SummaryMayMatch(*projected, partition_types[i], (*manifest.partitions)[i]);
    }
  }
  return true;
}

bool MetricsMayMatch(const ExpressionPtr& bound, const DataFile& file) {
  switch (bound->op()) {
    case Op::kTrue:
      return file.record_count != 0;
    case Op::kFalse:
      return false;
    case Op::kAnd:
      return MetricsMayMatch(bound->left(), file) && MetricsMayMatch(bound->right(), file);
    case Op::kOr:
      return MetricsMayMatch(bound->left(), file) || MetricsMayMatch(bound->right(), file);
    case Op::kNot:
      return true;
    default:
      return file.record_count != 0 && (file.record_count < 0 || PredicateMayMatch(*bound, file));
  }
}

bool MetricsMustMatch(const ExpressionPtr& bound, const Schema& schema, const DataFile& file) {
  switch (bound->op()) {
    case Op::kTrue:
      return true;
    case Op::kFalse:
      return file.record_count == 0;
    case Op::kAnd:
      return MetricsMustMatch(bound->left(), schema, file) &&
             MetricsMustMatch(bound->right(), schema, file);
    case Op::kOr:
      return MetricsMustMatch(bound->left(), schema, file) ||
             MetricsMustMatch(bound->right(), schema, file);
    case Op::kNot:
      return false;
    default:
      return file.record_count == 0 ||
             (file.record_count > 0 && PredicateMustMatch(*bound, schema, file));
  }
}

}  // namespace moraine::iceberg
