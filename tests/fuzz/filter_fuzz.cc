// Filters as SQL text and as JSON: parsed, bound, projected, written and read again.

#include "fuzz/fuzz.h"

#include "moraine/iceberg/expression/expression.h"

namespace {

using namespace moraine::iceberg;  // NOLINT: a fuzz entry

const Schema& TableSchema() {
  static const Schema schema(
      0, {Field{.id = 1, .name = "a", .required = true, .type = Type::Primitive(TypeKind::kLong)},
          Field{.id = 2, .name = "b", .type = Type::Primitive(TypeKind::kString)},
          Field{.id = 3, .name = "c", .type = Type::Decimal(9, 2)},
          Field{.id = 4, .name = "d", .type = Type::Primitive(TypeKind::kTimestampTz)},
          Field{.id = 5, .name = "e", .type = Type::Primitive(TypeKind::kDate)}});
  return schema;
}

std::string Text(const Expression& expression) {
  std::string text;
  moraine::JsonWriter writer(&text);
  WriteExpression(expression, &writer);
  return text;
}

void Use(const ExpressionPtr& expression) {
  std::string text = Text(*expression);
  moraine::Result<moraine::Json> json = moraine::Json::Parse(text);
  ExpectSame(json.ok(), "the JSON of a filter", text, "");
  moraine::Result<ExpressionPtr> again = ExpressionFromJson(moraine::JsonCursor(*json));
  ExpectSame(again.ok() && Text(**again) == text, "a filter", text,
             again.ok() ? Text(**again) : again.status().ToString());
  moraine::Result<ExpressionPtr> bound = Bind(expression, TableSchema());
  if (!bound.ok()) return;
  PartitionSpec spec{.spec_id = 0,
                     .fields = {{.source_ids = {2},
                                 .field_id = 1000,
                                 .name = "b_trunc",
                                 .transform = *Transform::FromString("truncate[2]")},
                                {.source_ids = {4},
                                 .field_id = 1001,
                                 .name = "d_day",
                                 .transform = *Transform::FromString("day")},
                                {.source_ids = {1},
                                 .field_id = 1002,
                                 .name = "a_bucket",
                                 .transform = *Transform::FromString("bucket[4]")}}};
  (void)ProjectInclusive(*bound, spec, TableSchema());
  (void)ProjectStrict(*bound, spec, TableSchema());
}

}  // namespace

MORAINE_FUZZ(bytes) {
  if (moraine::Result<ExpressionPtr> filter = ParseFilter(bytes); filter.ok()) Use(*filter);
  moraine::Result<moraine::Json> json = moraine::Json::Parse(bytes);
  if (!json.ok()) return;
  if (moraine::Result<ExpressionPtr> filter = ExpressionFromJson(moraine::JsonCursor(*json));
      filter.ok())
    Use(*filter);
}
