#include "moraine/iceberg/expression/expression.h"

#include <utility>

#include "moraine/base/check.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;

std::string_view OpText(Op op) {
  switch (op) {
    case Op::kLess:
      return "<";
    case Op::kLessEqual:
      return "<=";
    case Op::kGreater:
      return ">";
    case Op::kGreaterEqual:
      return ">=";
    case Op::kEqual:
      return "=";
    case Op::kNotEqual:
      return "!=";
    case Op::kIn:
      return "in";
    case Op::kNotIn:
      return "not in";
    case Op::kStartsWith:
      return "starts with";
    case Op::kNotStartsWith:
      return "not starts with";
    case Op::kIsNull:
      return "is null";
    case Op::kNotNull:
      return "is not null";
    case Op::kIsNaN:
      return "is nan";
    case Op::kNotNaN:
      return "is not nan";
    case Op::kTrue:
      return "true";
    case Op::kFalse:
      return "false";
    case Op::kAnd:
      return "and";
    case Op::kOr:
      return "or";
    case Op::kNot:
      return "not";
  }
  return "?";
}

std::string LiteralText(const Expression& predicate) {
  std::string text;
  auto add = [&](std::string one) {
    if (!text.empty()) text += ", ";
    text += one;
  };
  if (predicate.is_bound()) {
    for (const Value& value : predicate.values()) add(ValueToText(*predicate.type(), value));
  } else {
    for (const Json& literal : predicate.literals()) add(literal.ToString());
  }
  return text;
}

}  // namespace

ExpressionPtr Expression::True() {
  static const ExpressionPtr kTrueExpression(new Expression());
  return kTrueExpression;
}

ExpressionPtr Expression::False() {
  static const ExpressionPtr kFalseExpression = [] {
    auto* expression = new Expression();
    expression->op_ = Op::kFalse;
    return ExpressionPtr(expression);
  }();
  return kFalseExpression;
}

ExpressionPtr Expression::And(ExpressionPtr a, ExpressionPtr b) {
  if (a->op_ == Op::kFalse || b->op_ == Op::kTrue) return a;
  if (b->op_ == Op::kFalse || a->op_ == Op::kTrue) return b;
  std::shared_ptr<Expression> both(new Expression());
  both->op_ = Op::kAnd;
  both->left_ = std::move(a);
  both->right_ = std::move(b);
  return both;
}

ExpressionPtr Expression::Or(ExpressionPtr a, ExpressionPtr b) {
  if (a->op_ == Op::kTrue || b->op_ == Op::kFalse) return a;
  if (b->op_ == Op::kTrue || a->op_ == Op::kFalse) return b;
  std::shared_ptr<Expression> either(new Expression());
  either->op_ = Op::kOr;
  either->left_ = std::move(a);
  either->right_ = std::move(b);
  return either;
}

ExpressionPtr Expression::Not(ExpressionPtr a) {
  if (a->op_ == Op::kTrue) return False();
  if (a->op_ == Op::kFalse) return True();
  if (a->op_ == Op::kNot) return a->left_;
  std::shared_ptr<Expression> inverse(new Expression());
  inverse->op_ = Op::kNot;
  inverse->left_ = std::move(a);
  return inverse;
}

ExpressionPtr Expression::Predicate(Op op, std::string column, std::vector<Json> literals) {
  std::shared_ptr<Expression> predicate(new Expression());
  predicate->op_ = op;
  predicate->column_ = std::move(column);
  predicate->literals_ = std::move(literals);
  return predicate;
}

ExpressionPtr Expression::Bound(Op op, int32_t field_id, TypePtr type, std::vector<Value> values) {
  MORAINE_CHECK(field_id != 0, "a bound predicate needs a field id");
  std::shared_ptr<Expression> predicate(new Expression());
  predicate->op_ = op;
  predicate->field_id_ = field_id;
  predicate->type_ = std::move(type);
  predicate->values_ = std::move(values);
  return predicate;
}

std::string Expression::ToString() const {
  switch (op_) {
    case Op::kTrue:
    case Op::kFalse:
      return std::string(OpText(op_));
    case Op::kNot:
      return "not " + left_->ToString();
    case Op::kAnd:
    case Op::kOr:
      return "(" + left_->ToString() + " " + std::string(OpText(op_)) + " " + right_->ToString() +
             ")";
    default:
      break;
  }
  std::string text = is_bound() ? "#" + std::to_string(field_id_) : column_;
  text += " " + std::string(OpText(op_));
  if (op_ == Op::kIn || op_ == Op::kNotIn) return text + " (" + LiteralText(*this) + ")";
  if (op_ >= Op::kLess) text += " " + LiteralText(*this);
  return text;
}

}  // namespace moraine::iceberg
