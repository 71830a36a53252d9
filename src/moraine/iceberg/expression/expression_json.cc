#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;

constexpr std::array<std::pair<Op, std::string_view>, 19> kOpNames{{
    {Op::kTrue, "true"},
    {Op::kFalse, "false"},
    {Op::kAnd, "and"},
    {Op::kOr, "or"},
    {Op::kNot, "not"},
    {Op::kIsNull, "is-null"},
    {Op::kNotNull, "not-null"},
    {Op::kIsNaN, "is-nan"},
    {Op::kNotNaN, "not-nan"},
    {Op::kLess, "lt"},
    {Op::kLessEqual, "lt-eq"},
    {Op::kGreater, "gt"},
    {Op::kGreaterEqual, "gt-eq"},
    {Op::kEqual, "eq"},
    {Op::kNotEqual, "not-eq"},
    {Op::kIn, "in"},
    {Op::kNotIn, "not-in"},
    {Op::kStartsWith, "starts-with"},
    {Op::kNotStartsWith, "not-starts-with"},
}};

std::string_view OpName(Op op) {
  for (const auto& [one, name] : kOpNames) {
    if (one == op) return name;
  }
  return "?";
}

std::optional<Op> OpFromName(std::string_view name) {
  for (const auto& [op, one] : kOpNames) {
    if (one == name) return op;
  }
  return std::nullopt;
}

/// "a", {"type":"reference","term":"a"} or {"type":"reference","name":"a"}.
Result<std::string> ColumnFromJson(const JsonCursor& json) {
  if (json.json().is_string()) return json.String();
  MORAINE_TRY(json.ExpectObject());
  MORAINE_ASSIGN(std::string type, json.String("type"));
  if (type != "reference") {
    return Unsupported(fmt::format("{}: filters on transforms and functions are not supported: {}",
                                   json.path(), type));
  }
  MORAINE_ASSIGN(auto term, json.OptString("term"));
  if (term) return *term;
  return json.String("name");
}

/// A bare value, or {"type":"literal","value":v}.
Result<Json> LiteralFromJson(const JsonCursor& json) {
  if (!json.json().is_object()) return json.json();
  MORAINE_ASSIGN(std::string type, json.String("type"));
  if (type != "literal") return json.Expected("a literal");
  MORAINE_ASSIGN(JsonCursor value, json.Get("value"));
  return value.json();
}

/// The member under its old or its new name.
Result<JsonCursor> Either(const JsonCursor& json, std::string_view old_name,
                          std::string_view new_name) {
  MORAINE_ASSIGN(auto found, json.Find(old_name));
  if (found) return *found;
  return json.Get(new_name);
}

Result<ExpressionPtr> SetFromJson(const JsonCursor& json, Op op) {
  MORAINE_ASSIGN(JsonCursor term, Either(json, "term", "child"));
  MORAINE_ASSIGN(std::string column, ColumnFromJson(term));
  MORAINE_ASSIGN(JsonCursor values, json.Get("values"));
  std::vector<Json> literals;
  auto read = [&](const JsonCursor& array) -> Status {
    MORAINE_TRY(array.ExpectArray());
    for (size_t i = 0; i < array.size(); ++i) {
      MORAINE_ASSIGN(Json literal, LiteralFromJson(array.At(i)));
      literals.push_back(std::move(literal));
    }
    return {};
  };
  if (values.json().is_object()) {
    MORAINE_ASSIGN(JsonCursor inner, values.Get("values"));
    MORAINE_TRY(read(inner));
  } else {
    MORAINE_TRY(read(values));
  }
  return Expression::Predicate(op, std::move(column), std::move(literals));
}

Result<ExpressionPtr> ComparisonFromJson(const JsonCursor& json, Op op) {
  MORAINE_ASSIGN(JsonCursor term, Either(json, "term", "left"));
  MORAINE_ASSIGN(std::string column, ColumnFromJson(term));
  MORAINE_ASSIGN(JsonCursor value, Either(json, "value", "right"));
  MORAINE_ASSIGN(Json literal, LiteralFromJson(value));
  std::vector<Json> literals;
  literals.push_back(std::move(literal));
  return Expression::Predicate(op, std::move(column), std::move(literals));
}

void WriteLiteral(const Expression& predicate, size_t i, JsonWriter* out) {
  if (predicate.is_bound()) {
    out->Value(ValueToJson(*predicate.type(), predicate.values()[i]));
  } else {
    out->Value(predicate.literals()[i]);
  }
}

}  // namespace

Result<ExpressionPtr> ExpressionFromJson(const JsonCursor& json) {
  if (json.json().is_bool())
    return json.json().as_bool() ? Expression::True() : Expression::False();
  MORAINE_TRY(json.ExpectObject());
  MORAINE_ASSIGN(std::string name, json.String("type"));
  auto op = OpFromName(name);
  if (!op) return json.Error(fmt::format("unknown expression type: {}", name));
  switch (*op) {
    case Op::kTrue:
      return Expression::True();
    case Op::kFalse:
      return Expression::False();
    case Op::kAnd:
    case Op::kOr: {
      MORAINE_ASSIGN(JsonCursor left, json.Get("left"));
      MORAINE_ASSIGN(JsonCursor right, json.Get("right"));
      MORAINE_ASSIGN(ExpressionPtr a, ExpressionFromJson(left));
      MORAINE_ASSIGN(ExpressionPtr b, ExpressionFromJson(right));
      return *op == Op::kAnd ? Expression::And(a, b) : Expression::Or(a, b);
    }
    case Op::kNot: {
      MORAINE_ASSIGN(JsonCursor child, json.Get("child"));
      MORAINE_ASSIGN(ExpressionPtr inner, ExpressionFromJson(child));
      return Expression::Not(inner);
    }
    case Op::kIsNull:
    case Op::kNotNull:
    case Op::kIsNaN:
    case Op::kNotNaN: {
      MORAINE_ASSIGN(JsonCursor term, Either(json, "term", "child"));
      MORAINE_ASSIGN(std::string column, ColumnFromJson(term));
      return Expression::Predicate(*op, std::move(column));
    }
    case Op::kIn:
    case Op::kNotIn:
      return SetFromJson(json, *op);
    default:
      return ComparisonFromJson(json, *op);
  }
}

void WriteExpression(const Expression& expression, JsonWriter* out) {
  const Op op = expression.op();
  if (op == Op::kTrue || op == Op::kFalse) {
    out->Bool(op == Op::kTrue);
    return;
  }
  out->BeginObject();
  out->Field("type", OpName(op));
  if (op == Op::kNot) {
    out->Key("child");
    WriteExpression(*expression.left(), out);
  } else if (op == Op::kAnd || op == Op::kOr) {
    out->Key("left");
    WriteExpression(*expression.left(), out);
    out->Key("right");
    WriteExpression(*expression.right(), out);
  } else {
    if (expression.is_bound()) {
      out->Key("term").BeginObject();
      out->Field("type", "reference").Field("id", expression.field_id()).EndObject();
    } else {
      out->Field("term", expression.column());
    }
    size_t count =
        expression.is_bound() ? expression.values().size() : expression.literals().size();
    if (op == Op::kIn || op == Op::kNotIn) {
      out->Key("values").BeginArray();
      for (size_t i = 0; i < count; ++i) WriteLiteral(expression, i, out);
      out->EndArray();
    } else if (count == 1) {
      out->Key("value");
      WriteLiteral(expression, 0, out);
    }
  }
  out->EndObject();
}

ExpressionPtr Unbind(const ExpressionPtr& bound, const Schema& schema) {
  switch (bound->op()) {
    case Op::kTrue:
    case Op::kFalse:
      return bound;
    case Op::kNot:
      return Expression::Not(Unbind(bound->left(), schema));
    case Op::kAnd:
      return Expression::And(Unbind(bound->left(), schema), Unbind(bound->right(), schema));
    case Op::kOr:
      return Expression::Or(Unbind(bound->left(), schema), Unbind(bound->right(), schema));
    default:
      break;
  }
  if (!bound->is_bound()) return bound;
  std::vector<Json> literals;
  for (const Value& value : bound->values()) literals.push_back(ValueToJson(*bound->type(), value));
  return Expression::Predicate(bound->op(), schema.FullName(bound->field_id()),
                               std::move(literals));
}

}  // namespace moraine::iceberg
