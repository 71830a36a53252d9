#include "moraine/iceberg/expression/rest_filter.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace moraine::iceberg {
namespace {

/// The comparison with its sides exchanged, or nothing where there is none.
std::optional<std::string_view> Mirrored(std::string_view op) {
  constexpr std::pair<std::string_view, std::string_view> kMirrors[] = {
      {"lt", "gt"},       {"lt-eq", "gt-eq"}, {"gt", "lt"},
      {"gt-eq", "lt-eq"}, {"eq", "eq"},       {"not-eq", "not-eq"},
  };
  for (const auto& [one, other] : kMirrors) {
    if (one == op) return other;
  }
  return std::nullopt;
}

bool IsUnary(std::string_view op) {
  return op == "is-null" || op == "not-null" || op == "is-nan" || op == "not-nan";
}
bool IsSet(std::string_view op) { return op == "in" || op == "not-in"; }
bool IsPrefix(std::string_view op) { return op == "starts-with" || op == "not-starts-with"; }

Status NotEvaluated(const JsonCursor& json, std::string_view what) {
  return Unsupported(fmt::format("{}: {} is not evaluated here", json.path(), what));
}

/// One side of a predicate: a column, a literal, or neither.
struct Operand {
  std::optional<std::string> column;
  std::optional<Json> literal;
};

class Reader {
 public:
  Reader(const Schema& schema, NameCase names) : schema_(schema), names_(names) {}

  /// Unsupported for what is well-formed, yet can't be evaluated.
  Result<ExpressionPtr> Read(const JsonCursor& json) const {
    if (json.json().is_bool()) return Truth(json.json().as_bool());
    MORAINE_TRY(json.ExpectObject());
    MORAINE_ASSIGN(std::string op, json.String("type"));
    if (op == "true" || op == "false") return Truth(op == "true");
    if (op == "literal") {
      MORAINE_ASSIGN(bool value, json.Bool("value"));
      return Truth(value);
    }
    if (op == "not") {
      MORAINE_ASSIGN(JsonCursor child, json.Get("child"));
      MORAINE_ASSIGN(ExpressionPtr inner, Read(child));
      return Expression::Not(std::move(inner));
    }
    if (op == "and" || op == "or") return ReadPair(json, op == "and");
    return ReadPredicate(json, op);
  }

 private:
  static ExpressionPtr Truth(bool value) {
    return value ? Expression::True() : Expression::False();
  }

  /// Both sides are read before one that is not evaluated counts, so that a mistake is told.
  Result<ExpressionPtr> ReadPair(const JsonCursor& json, bool both) const {
    MORAINE_ASSIGN(JsonCursor left, json.Get("left"));
    MORAINE_ASSIGN(JsonCursor right, json.Get("right"));
    auto a = Read(left);
    if (!a.ok() && a.status().code() != Code::kUnsupported) return a;
    auto b = Read(right);
    if (!b.ok()) return b;
    if (!a.ok()) return a;
    return both ? Expression::And(*a, *b) : Expression::Or(*a, *b);
  }

  Result<ExpressionPtr> ReadPredicate(const JsonCursor& json, const std::string& op) const {
    if (!IsUnary(op) && !IsSet(op) && !IsPrefix(op) && !Mirrored(op)) {
      return json.Error(fmt::format("unknown expression type: {}", op.substr(0, 100)));
    }
    MORAINE_ASSIGN(auto term, json.Find("term"));
    if (term) return ReadOldForm(json, *term, op);
    if (!IsUnary(op) && !IsSet(op)) return ReadComparison(json, op);
    MORAINE_ASSIGN(JsonCursor child, json.Get("child"));
    MORAINE_ASSIGN(Operand operand, ReadOperand(child));
    if (!operand.column) return NotEvaluated(child, "a predicate on a literal or function");
    if (IsUnary(op)) return Leaf(json, op, *operand.column, std::nullopt);
    MORAINE_ASSIGN(JsonCursor values, json.Get("values"));
    return Leaf(json, op, *operand.column, values.json());
  }

  /// {"type", "term", "value"}; a bare string is a column.
  Result<ExpressionPtr> ReadOldForm(const JsonCursor& json, const JsonCursor& term,
                                    const std::string& op) const {
    std::string column;
    if (term.json().is_string()) {
      column = term.json().as_string();
    } else {
      MORAINE_ASSIGN(Operand operand, ReadOperand(term));
      if (!operand.column) return NotEvaluated(term, "a predicate on a transform");
      column = std::move(*operand.column);
    }
    if (IsUnary(op)) return Leaf(json, op, column, std::nullopt);
    MORAINE_ASSIGN(JsonCursor value, json.Get(IsSet(op) ? "values" : "value"));
    return Leaf(json, op, column, value.json());
  }

  /// {"type", "left", "right"}; a bare string is a literal.
  Result<ExpressionPtr> ReadComparison(const JsonCursor& json, const std::string& op) const {
    MORAINE_ASSIGN(JsonCursor left_json, json.Get("left"));
    MORAINE_ASSIGN(JsonCursor right_json, json.Get("right"));
    MORAINE_ASSIGN(Operand left, ReadOperand(left_json));
    MORAINE_ASSIGN(Operand right, ReadOperand(right_json));
    if (left.column && right.literal) return Leaf(json, op, *left.column, std::move(right.literal));
    auto mirrored = Mirrored(op);
    if (left.literal && right.column && mirrored) {
      return Leaf(json, std::string(*mirrored), *right.column, std::move(left.literal));
    }
    return NotEvaluated(json, "a comparison of other things than a column and a literal");
  }

  Result<Operand> ReadOperand(const JsonCursor& json) const {
    Operand operand;
    if (!json.json().is_object()) {
      if (json.json().is_array()) return json.Expected("a column or a literal");
      operand.literal = json.json();
      return operand;
    }
    MORAINE_ASSIGN(std::string type, json.String("type"));
    if (type == "literal") {
      MORAINE_ASSIGN(JsonCursor value, json.Get("value"));
      operand.literal = value.json();
    } else if (type == "reference") {
      MORAINE_ASSIGN(operand.column, ReadReference(json));
    }
    return operand;
  }

  Result<std::string> ReadReference(const JsonCursor& json) const {
    MORAINE_ASSIGN(auto term, json.OptString("term"));
    if (term) return *term;
    MORAINE_ASSIGN(auto id, json.OptInt32("id"));
    if (!id) return json.String("name");
    std::string name = schema_.FullName(*id);
    if (name.empty()) return json.Error(fmt::format("no such column in the filter: {}", *id));
    return name;
  }

  /// By way of the old form, which ExpressionFromJson reads.
  Result<ExpressionPtr> Leaf(const JsonCursor& json, const std::string& op,
                             const std::string& column, std::optional<Json> value) const {
    if (names_ == NameCase::kSensitive && schema_.FindField(std::string_view(column)) == nullptr) {
      return json.Error(fmt::format("no such column in the filter: {}", column.substr(0, 200)));
    }
    Json leaf = Json::MakeObject();
    leaf.Set("type", op);
    leaf.Set("term", column);
    if (value) leaf.Set(IsSet(op) ? "values" : "value", std::move(*value));
    auto read = ExpressionFromJson(JsonCursor(leaf));
    if (read.ok()) return read;
    return std::move(read).status().Annotate(json.path());
  }

  const Schema& schema_;
  const NameCase names_;
};

Status ReadConjuncts(const Reader& reader, const JsonCursor& json, RestFilter* filter) {
  if (json.json().is_object()) {
    const Json* type = json.json().Find("type");
    if (type != nullptr && *type == Json("and")) {
      MORAINE_ASSIGN(JsonCursor left, json.Get("left"));
      MORAINE_ASSIGN(JsonCursor right, json.Get("right"));
      MORAINE_TRY(ReadConjuncts(reader, left, filter));
      return ReadConjuncts(reader, right, filter);
    }
  }
  auto read = reader.Read(json);
  if (read.ok()) {
    filter->known = Expression::And(filter->known, *read);
  } else if (read.status().code() == Code::kUnsupported) {
    filter->opaque.push_back(json.json());
  } else {
    return std::move(read).status();
  }
  return {};
}

/// A comparison with an infinity, which Bind makes of literals beyond a float's range, as one with
/// the outermost number: JSON has no infinities.
ExpressionPtr Finite(const ExpressionPtr& bound, const Schema& schema) {
  using Op = Expression::Op;
  if (bound->op() == Op::kAnd) {
    return Expression::And(Finite(bound->left(), schema), Finite(bound->right(), schema));
  }
  if (bound->op() == Op::kOr) {
    return Expression::Or(Finite(bound->left(), schema), Finite(bound->right(), schema));
  }
  if (bound->values().size() != 1) return bound;
  const bool less = bound->op() == Op::kLess;
  if (!less && bound->op() != Op::kGreater) return bound;
  double outermost = 0;
  if (const auto* x = std::get_if<float>(&bound->values()[0]); x != nullptr && std::isinf(*x)) {
    outermost = std::numeric_limits<float>::max();
  } else if (const auto* y = std::get_if<double>(&bound->values()[0]);
             y != nullptr && std::isinf(*y)) {
    outermost = std::numeric_limits<double>::max();
  } else {
    return bound;
  }
  std::vector<Json> literals;
  literals.emplace_back(less ? outermost : -outermost);
  return Expression::Predicate(less ? Op::kLessEqual : Op::kGreaterEqual,
                               schema.FullName(bound->field_id()), std::move(literals));
}

}  // namespace

Result<RestFilter> ReadRestFilter(const JsonCursor& json, const Schema& schema, NameCase names) {
  RestFilter filter;
  filter.known = Expression::True();
  MORAINE_TRY(ReadConjuncts(Reader(schema, names), json, &filter));
  return filter;
}

std::string RestFilterToJson(const ExpressionPtr& residual, const std::vector<Json>& opaque,
                             const Schema& schema) {
  std::string text;
  if (residual->op() == Expression::Op::kFalse) return "false";
  if (residual->op() != Expression::Op::kTrue || opaque.empty()) {
    JsonWriter out(&text);
    WriteExpression(*Unbind(Finite(residual, schema), schema), &out);
  }
  for (const Json& one : opaque) {
    std::string predicate = one.ToString();
    text = text.empty() ? std::move(predicate)
                        : fmt::format(R"({{"type":"and","left":{},"right":{}}})", text, predicate);
  }
  return text;
}

}  // namespace moraine::iceberg
