#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/expression/literal.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;

Op Negate(Op op) {
  switch (op) {
    case Op::kIsNull:
      return Op::kNotNull;
    case Op::kNotNull:
      return Op::kIsNull;
    case Op::kIsNaN:
      return Op::kNotNaN;
    case Op::kNotNaN:
      return Op::kIsNaN;
    case Op::kLess:
      return Op::kGreaterEqual;
    case Op::kLessEqual:
      return Op::kGreater;
    case Op::kGreater:
      return Op::kLessEqual;
    case Op::kGreaterEqual:
      return Op::kLess;
    case Op::kEqual:
      return Op::kNotEqual;
    case Op::kNotEqual:
      return Op::kEqual;
    case Op::kIn:
      return Op::kNotIn;
    case Op::kNotIn:
      return Op::kIn;
    case Op::kStartsWith:
      return Op::kNotStartsWith;
    case Op::kNotStartsWith:
      return Op::kStartsWith;
    default:
      return op;
  }
}

Result<const Field*> FindColumn(const Schema& schema, const std::string& name) {
  const Field* field = schema.FindField(std::string_view(name));
  if (field == nullptr) field = schema.FindFieldIgnoreCase(name);
  if (field == nullptr) {
    std::vector<std::string> known;
    for (const Field& one : schema.fields()) known.push_back(one.name);
    std::string nearest = Nearest(name, known);
    return InvalidArgument(fmt::format("no such column in the filter: {}{}", name,
                                       nearest.empty() ? "" : " (is it " + nearest + "?)"));
  }
  for (auto parent = schema.ParentOf(field->id); parent; parent = schema.ParentOf(*parent)) {
    if (schema.FindField(*parent)->type->kind() != TypeKind::kStruct) {
      return InvalidArgument(fmt::format("a filter cannot reach into a list or map: {}", name));
    }
  }
  return field;
}

/// Optional itself, or inside an optional struct.
bool CanBeNull(const Schema& schema, const Field& field) {
  if (!field.required) return true;
  auto parent = schema.ParentOf(field.id);
  return parent && CanBeNull(schema, *schema.FindField(*parent));
}

bool IsFloating(const Type& type) {
  return type.kind() == TypeKind::kFloat || type.kind() == TypeKind::kDouble;
}

class Binder {
 public:
  explicit Binder(const Schema& schema) : schema_(schema) {}

  Result<ExpressionPtr> Visit(const Expression& expression, bool negated) {
    switch (expression.op()) {
      case Op::kTrue:
      case Op::kFalse:
        return (expression.op() == Op::kTrue) != negated ? Expression::True() : Expression::False();
      case Op::kNot:
        return Visit(*expression.left(), !negated);
      case Op::kAnd:
      case Op::kOr: {
        MORAINE_ASSIGN(ExpressionPtr left, Visit(*expression.left(), negated));
        MORAINE_ASSIGN(ExpressionPtr right, Visit(*expression.right(), negated));
        bool both = (expression.op() == Op::kAnd) != negated;
        return both ? Expression::And(left, right) : Expression::Or(left, right);
      }
      default:
        return BindPredicate(expression, negated ? Negate(expression.op()) : expression.op());
    }
  }

 private:
  Result<ExpressionPtr> BindPredicate(const Expression& predicate, Op op) {
    if (predicate.is_bound()) {
      return Expression::Bound(op, predicate.field_id(), predicate.type(), predicate.values());
    }
    MORAINE_ASSIGN(const Field* field, FindColumn(schema_, predicate.column()));
    bool nullable = CanBeNull(schema_, *field);
    bool always_null = field->type->kind() == TypeKind::kUnknown;
    if (op == Op::kIsNull || op == Op::kNotNull) {
      if (!nullable) return op == Op::kIsNull ? Expression::False() : Expression::True();
      if (always_null) return op == Op::kIsNull ? Expression::True() : Expression::False();
      return Expression::Bound(op, field->id, field->type);
    }
    if (always_null) {
      bool matches =
          op == Op::kNotEqual || op == Op::kNotIn || op == Op::kNotStartsWith || op == Op::kNotNaN;
      return matches ? Expression::True() : Expression::False();
    }
    if (!field->type->is_primitive() || field->type->kind() >= TypeKind::kVariant) {
      return InvalidArgument(
          fmt::format("a column of this type can only be tested for null: {} ({})",
                      predicate.column(), field->type->ToString()));
    }
    if (op == Op::kIsNaN || op == Op::kNotNaN) {
      if (!IsFloating(*field->type)) {
        return InvalidArgument(fmt::format(
            "only float and double columns can be tested for NaN: {}", predicate.column()));
      }
      return Expression::Bound(op, field->id, field->type);
    }
    if ((op == Op::kStartsWith || op == Op::kNotStartsWith) &&
        field->type->kind() != TypeKind::kString) {
      return InvalidArgument(
          fmt::format("only string columns can be tested for a prefix: {}", predicate.column()));
    }
    if (op == Op::kIn || op == Op::kNotIn) return BindSet(predicate, op, *field);
    return BindComparison(predicate, op, *field, nullable);
  }

  Result<TypedLiteral> Literal(const Expression& predicate, const Json& literal,
                               const Field& field) {
    auto typed = TypeLiteral(*field.type, literal);
    if (!typed.ok())
      return typed.status()
          .WithCode(Code::kInvalidArgument)
          .Annotate("column " + predicate.column());
    return typed;
  }

  Result<ExpressionPtr> BindComparison(const Expression& predicate, Op op, const Field& field,
                                       bool nullable) {
    if (predicate.literals().size() != 1) {
      return InvalidArgument(fmt::format("a comparison needs one literal: {}", predicate.column()));
    }
    MORAINE_ASSIGN(TypedLiteral typed, Literal(predicate, predicate.literals()[0], field));
    if (typed.range == TypedLiteral::Range::kInside) {
      std::vector<Value> values;
      values.push_back(std::move(typed.value));
      return Expression::Bound(op, field.id, field.type, std::move(values));
    }
    bool above = typed.range == TypedLiteral::Range::kAbove;
    if (op == Op::kNotEqual) return Expression::True();
    bool less = op == Op::kLess || op == Op::kLessEqual;
    bool greater = op == Op::kGreater || op == Op::kGreaterEqual;
    if (!(above ? less : greater)) return Expression::False();
    // A NaN is above every number.
    if (IsFloating(*field.type)) {
      return Expression::Bound(above ? Op::kLess : Op::kGreater, field.id, field.type,
                               {FloatInfinity(*field.type, above)});
    }
    if (!nullable) return Expression::True();
    return Expression::Bound(Op::kNotNull, field.id, field.type);
  }

  static Value FloatInfinity(const Type& type, bool above) {
    double infinity = above ? HUGE_VAL : -HUGE_VAL;
    if (type.kind() == TypeKind::kFloat) return static_cast<float>(infinity);
    return infinity;
  }

  Result<ExpressionPtr> BindSet(const Expression& predicate, Op op, const Field& field) {
    std::vector<Value> values;
    for (const Json& literal : predicate.literals()) {
      MORAINE_ASSIGN(TypedLiteral typed, Literal(predicate, literal, field));
      if (typed.range == TypedLiteral::Range::kInside) values.push_back(std::move(typed.value));
    }
    std::sort(values.begin(), values.end(),
              [](const Value& a, const Value& b) { return CompareForFilter(a, b) < 0; });
    values.erase(
        std::unique(values.begin(), values.end(),
                    [](const Value& a, const Value& b) { return CompareForFilter(a, b) == 0; }),
        values.end());
    if (values.empty()) return op == Op::kIn ? Expression::False() : Expression::True();
    if (values.size() == 1) op = op == Op::kIn ? Op::kEqual : Op::kNotEqual;
    return Expression::Bound(op, field.id, field.type, std::move(values));
  }

  const Schema& schema_;
};

}  // namespace

Result<ExpressionPtr> Bind(const ExpressionPtr& expression, const Schema& schema) {
  return Binder(schema).Visit(*expression, false);
}

}  // namespace moraine::iceberg
