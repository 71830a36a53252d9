#include "moraine/iceberg/expression/projection.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "moraine/iceberg/expression/literal.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;
enum class Side { kInclusive, kStrict };

/// One partition field, its source column's type and its own.
struct Target {
  const PartitionField& field;
  const Type& source;
  TypePtr type;

  Value Transformed(const Value& value) const { return field.transform.Apply(source, value); }
  ExpressionPtr Is(Op op, Value value) const {
    std::vector<Value> values;
    values.push_back(std::move(value));
    return Expression::Bound(op, field.field_id, type, std::move(values));
  }
  ExpressionPtr InSet(Op in, std::vector<Value> values) const {
    auto less = [](const Value& a, const Value& b) { return CompareForFilter(a, b) < 0; };
    auto same = [](const Value& a, const Value& b) { return CompareForFilter(a, b) == 0; };
    std::sort(values.begin(), values.end(), less);
    values.erase(std::unique(values.begin(), values.end(), same), values.end());
    if (values.size() == 1) in = in == Op::kIn ? Op::kEqual : Op::kNotEqual;
    return Expression::Bound(in, field.field_id, type, std::move(values));
  }
};

/// value + delta units (1, a day, a microsecond, one unscaled unit), or nothing past the type's
/// end.
std::optional<Value> Step(const Value& value, int delta) {
  if (const int32_t* v = std::get_if<int32_t>(&value)) {
    int32_t next;
    if (__builtin_add_overflow(*v, delta, &next)) return std::nullopt;
    return Value(next);
  }
  if (const int64_t* v = std::get_if<int64_t>(&value)) {
    int64_t next;
    if (__builtin_add_overflow(*v, static_cast<int64_t>(delta), &next)) return std::nullopt;
    return Value(next);
  }
  if (const Int128* v = std::get_if<Int128>(&value)) return Value(Int128(*v + delta));
  return std::nullopt;
}

/// Old Java writers gave negative results of time transforms one too large; readers stay right by
/// asking for both.
bool HasOldWriterFault(const Target& target) {
  switch (target.field.transform.kind()) {
    case Transform::Kind::kYear:
    case Transform::Kind::kMonth:
    case Transform::Kind::kHour:
      return true;
    case Transform::Kind::kDay:
      return target.source.kind() != TypeKind::kDate;
    default:
      return false;
  }
}

ExpressionPtr WidenForOldWriters(ExpressionPtr projected, const Target& target, Side side) {
  if (!HasOldWriterFault(target) || projected->values().empty()) return projected;
  auto at = [&](size_t i) { return std::get<int32_t>(projected->values()[i]); };
  switch (projected->op()) {
    case Op::kLess:
    case Op::kLessEqual:
      if (side == Side::kInclusive && at(0) < 0) return target.Is(projected->op(), at(0) + 1);
      return projected;
    case Op::kGreater:
    case Op::kGreaterEqual:
      if (side == Side::kStrict && at(0) <= 0) return target.Is(projected->op(), at(0) + 1);
      return projected;
    case Op::kEqual:
    case Op::kIn:
    case Op::kNotEqual:
    case Op::kNotIn: {
      std::vector<Value> values = projected->values();
      for (size_t i = 0; i < projected->values().size(); ++i) {
        if (at(i) < 0) values.emplace_back(at(i) + 1);
      }
      bool positive = projected->op() == Op::kEqual || projected->op() == Op::kIn;
      return target.InSet(positive ? Op::kIn : Op::kNotIn, std::move(values));
    }
    default:
      return projected;
  }
}

std::vector<Value> TransformAll(const Target& target, const std::vector<Value>& values) {
  std::vector<Value> transformed;
  for (const Value& value : values) transformed.push_back(target.Transformed(value));
  return transformed;
}

/// = and in (inclusive), != and not in (strict), by any transform; nothing for other operators.
ExpressionPtr ProjectEquality(const Expression& predicate, const Target& target, Side side) {
  switch (predicate.op()) {
    case Op::kEqual:
    case Op::kIn:
      if (side == Side::kStrict) return nullptr;
      return target.InSet(Op::kIn, TransformAll(target, predicate.values()));
    case Op::kNotEqual:
    case Op::kNotIn:
      if (side == Side::kInclusive) return nullptr;
      return target.InSet(Op::kNotIn, TransformAll(target, predicate.values()));
    default:
      return nullptr;
  }
}

/// Truncated numbers and times: the transform is monotone over whole steps.
ExpressionPtr ProjectSteps(const Expression& predicate, const Target& target, Side side) {
  const bool inclusive = side == Side::kInclusive;
  auto stepped = [&](Op op, int delta) -> ExpressionPtr {
    auto next = Step(predicate.values()[0], delta);
    return next ? target.Is(op, target.Transformed(*next)) : nullptr;
  };
  switch (predicate.op()) {
    case Op::kLess:
      return inclusive ? stepped(Op::kLessEqual, -1) : stepped(Op::kLess, 0);
    case Op::kLessEqual:
      return inclusive ? stepped(Op::kLessEqual, 0) : stepped(Op::kLess, 1);
    case Op::kGreater:
      return inclusive ? stepped(Op::kGreaterEqual, 1) : stepped(Op::kGreater, 0);
    case Op::kGreaterEqual:
      return inclusive ? stepped(Op::kGreaterEqual, 0) : stepped(Op::kGreater, -1);
    default:
      return ProjectEquality(predicate, target, side);
  }
}

ExpressionPtr ProjectPrefix(const Expression& predicate, const Target& target, Side side) {
  const bool positive = predicate.op() == Op::kStartsWith;
  const auto width = static_cast<size_t>(target.field.transform.width());
  const std::string& prefix = std::get<std::string>(predicate.values()[0]);
  const size_t length = CodePointCount(prefix, width + 1);
  if (length < width) return target.Is(predicate.op(), prefix);
  if (length == width) return target.Is(positive ? Op::kEqual : Op::kNotEqual, prefix);
  std::string cut(CodePointPrefix(prefix, width));
  if (positive && side == Side::kInclusive) return target.Is(Op::kEqual, std::move(cut));
  if (!positive && side == Side::kStrict) return target.Is(Op::kNotEqual, std::move(cut));
  return nullptr;
}

/// Truncated strings and bytes: the transform is monotone, but there are no whole steps.
ExpressionPtr ProjectTruncatedText(const Expression& predicate, const Target& target, Side side) {
  const bool inclusive = side == Side::kInclusive;
  switch (predicate.op()) {
    case Op::kLess:
    case Op::kLessEqual:
      return target.Is(inclusive ? Op::kLessEqual : Op::kLess,
                       target.Transformed(predicate.values()[0]));
    case Op::kGreater:
    case Op::kGreaterEqual:
      return target.Is(inclusive ? Op::kGreaterEqual : Op::kGreater,
                       target.Transformed(predicate.values()[0]));
    case Op::kStartsWith:
    case Op::kNotStartsWith:
      return ProjectPrefix(predicate, target, side);
    default:
      return ProjectEquality(predicate, target, side);
  }
}

/// The predicate on one partition field, or nullptr where nothing can be said.
ExpressionPtr ProjectOn(const Expression& predicate, const Target& target, Side side) {
  using Kind = Transform::Kind;
  const Kind kind = target.field.transform.kind();
  if (kind == Kind::kVoid || kind == Kind::kUnknown) return nullptr;
  if (!target.field.transform.Accepts(target.source)) return nullptr;
  switch (predicate.op()) {
    case Op::kIsNull:
    case Op::kNotNull:
      return Expression::Bound(predicate.op(), target.field.field_id, target.type);
    case Op::kIsNaN:
    case Op::kNotNaN:
      if (kind != Kind::kIdentity) return nullptr;
      return Expression::Bound(predicate.op(), target.field.field_id, target.type);
    default:
      break;
  }
  switch (kind) {
    case Kind::kIdentity:
      return Expression::Bound(predicate.op(), target.field.field_id, target.type,
                               predicate.values());
    case Kind::kBucket:
      return ProjectEquality(predicate, target, side);
    case Kind::kTruncate: {
      bool text =
          target.source.kind() == TypeKind::kString || target.source.kind() == TypeKind::kBinary;
      return text ? ProjectTruncatedText(predicate, target, side)
                  : ProjectSteps(predicate, target, side);
    }
    default: {
      ExpressionPtr projected = ProjectSteps(predicate, target, side);
      return projected ? WidenForOldWriters(std::move(projected), target, side) : nullptr;
    }
  }
}

ExpressionPtr ProjectPredicate(const Expression& predicate, const PartitionSpec& spec,
                               const Schema& schema, Side side) {
  ExpressionPtr all = side == Side::kInclusive ? Expression::True() : Expression::False();
  for (const PartitionField& field : spec.fields) {
    if (field.source_ids.size() != 1 || field.source_id() != predicate.field_id()) continue;
    const Field* source = schema.FindField(field.source_id());
    const TypePtr& source_type = source != nullptr ? source->type : predicate.type();
    Target target{field, *source_type, field.transform.ResultType(source_type)};
    ExpressionPtr one = ProjectOn(predicate, target, side);
    if (!one) continue;
    all = side == Side::kInclusive ? Expression::And(all, one) : Expression::Or(all, one);
  }
  return all;
}

ExpressionPtr Project(const ExpressionPtr& bound, const PartitionSpec& spec, const Schema& schema,
                      Side side) {
  switch (bound->op()) {
    case Op::kTrue:
    case Op::kFalse:
      return bound;
    case Op::kAnd:
      return Expression::And(Project(bound->left(), spec, schema, side),
                             Project(bound->right(), spec, schema, side));
    case Op::kOr:
      return Expression::Or(Project(bound->left(), spec, schema, side),
                            Project(bound->right(), spec, schema, side));
    case Op::kNot:
      return side == Side::kInclusive ? Expression::True() : Expression::False();
    default:
      return ProjectPredicate(*bound, spec, schema, side);
  }
}

}  // namespace

std::string_view CodePointPrefix(std::string_view text, size_t count) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (count-- == 0) break;
  }
  return text.substr(0, at);
}

size_t CodePointCount(std::string_view text, size_t limit) {
  size_t count = 0;
  for (char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) continue;
    if (++count == limit) break;
  }
  return count;
}

ExpressionPtr ProjectInclusive(const ExpressionPtr& bound, const PartitionSpec& spec,
                               const Schema& schema) {
  return Project(bound, spec, schema, Side::kInclusive);
}

ExpressionPtr ProjectStrict(const ExpressionPtr& bound, const PartitionSpec& spec,
                            const Schema& schema) {
  return Project(bound, spec, schema, Side::kStrict);
}

ExpressionPtr ResidualFor(const ExpressionPtr& bound, const PartitionSpec& spec,
                          const Schema& schema, const PartitionTuple& partition) {
  return ResidualEvaluator(bound, spec, schema).ForPartition(partition);
}

bool ValueMatches(const Expression& predicate, const Value& value) {
  const std::vector<Value>& literals = predicate.values();
  auto among = [&] {
    return std::any_of(literals.begin(), literals.end(),
                       [&](const Value& one) { return CompareForFilter(value, one) == 0; });
  };
  auto starts = [&] {
    const std::string* prefix = std::get_if<std::string>(&literals[0]);
    const std::string* text = std::get_if<std::string>(&value);
    return prefix != nullptr && text != nullptr && text->starts_with(*prefix);
  };
  const bool null = IsNull(value);
  switch (predicate.op()) {
    case Op::kIsNull:
      return null;
    case Op::kNotNull:
      return !null;
    case Op::kIsNaN:
      return !null && IsNaN(value);
    case Op::kNotNaN:
      return null || !IsNaN(value);
    case Op::kNotEqual:
    case Op::kNotIn:
      return null || !among();
    case Op::kNotStartsWith:
      return null || !starts();
    case Op::kEqual:
    case Op::kIn:
      return !null && among();
    case Op::kStartsWith:
      return !null && starts();
    case Op::kLess:
      return !null && CompareForFilter(value, literals[0]) < 0;
    case Op::kLessEqual:
      return !null && CompareForFilter(value, literals[0]) <= 0;
    case Op::kGreater:
      return !null && CompareForFilter(value, literals[0]) > 0;
    case Op::kGreaterEqual:
      return !null && CompareForFilter(value, literals[0]) >= 0;
    default:
      return true;
  }
}

bool EvaluateOnPartition(const ExpressionPtr& projected, const PartitionSpec& spec,
                         const PartitionTuple& partition) {
  switch (projected->op()) {
    case Op::kTrue:
      return true;
    case Op::kFalse:
      return false;
    case Op::kAnd:
      return EvaluateOnPartition(projected->left(), spec, partition) &&
             EvaluateOnPartition(projected->right(), spec, partition);
    case Op::kOr:
      return EvaluateOnPartition(projected->left(), spec, partition) ||
             EvaluateOnPartition(projected->right(), spec, partition);
    case Op::kNot:
      return !EvaluateOnPartition(projected->left(), spec, partition);
    default:
      break;
  }
  for (size_t i = 0; i < spec.fields.size() && i < partition.size(); ++i) {
    if (spec.fields[i].field_id == projected->field_id())
      return ValueMatches(*projected, partition[i]);
  }
  return true;
}

ResidualEvaluator::ResidualEvaluator(ExpressionPtr bound, const PartitionSpec& spec,
                                     const Schema& schema)
    : spec_(spec) {
  root_ = Build(bound, schema);
}

int ResidualEvaluator::Build(const ExpressionPtr& expression, const Schema& schema) {
  Node node;
  node.expression = expression;
  switch (expression->op()) {
    case Op::kTrue:
    case Op::kFalse:
    case Op::kNot:
      break;
    case Op::kAnd:
    case Op::kOr:
      node.left = Build(expression->left(), schema);
      node.right = Build(expression->right(), schema);
      break;
    default:
      node.strict = ProjectStrict(expression, spec_, schema);
      node.inclusive = ProjectInclusive(expression, spec_, schema);
      depends_on_partition_ |= node.strict->op() != Op::kFalse || node.inclusive->op() != Op::kTrue;
      break;
  }
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

ExpressionPtr ResidualEvaluator::ForPartition(const PartitionTuple& partition) const {
  return depends_on_partition_ ? Evaluate(root_, partition) : nodes_[root_].expression;
}

ExpressionPtr ResidualEvaluator::Evaluate(int index, const PartitionTuple& partition) const {
  const Node& node = nodes_[index];
  if (node.left >= 0) {
    ExpressionPtr left = Evaluate(node.left, partition);
    ExpressionPtr right = Evaluate(node.right, partition);
    return node.expression->op() == Op::kAnd ? Expression::And(left, right)
                                             : Expression::Or(left, right);
  }
  if (!node.strict) return node.expression;
  if (EvaluateOnPartition(node.strict, spec_, partition)) return Expression::True();
  if (!EvaluateOnPartition(node.inclusive, spec_, partition)) return Expression::False();
  return node.expression;
}

}  // namespace moraine::iceberg
