#include "moraine/iceberg/avro/avro_schema.h"

#include <gtest/gtest.h>

#include "moraine/iceberg/avro/avro_type.h"

namespace moraine::iceberg {
namespace {

AvroSchema Parsed(std::string_view json) {
  auto schema = AvroSchema::Parse(json);
  EXPECT_TRUE(schema.ok()) << schema.status().ToString();
  return schema.ok() ? *std::move(schema) : AvroSchema();
}

TEST(AvroSchema, ReadsPropertiesOfIceberg) {
  const AvroSchema schema = Parsed(R"({"type":"record","name":"a.b.r","fields":[
    {"name":"_1x","iceberg-field-name":"1x","field-id":7,"type":["null",
      {"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true}],"default":null},
    {"name":"l","field-id":8,"type":{"type":"array","element-id":9,"items":"int"}},
    {"name":"m","field-id":10,"type":{"type":"map","key-id":11,"value-id":12,"values":"float"}},
    {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]}}]})");
  const AvroNode& root = schema.node(schema.root());
  EXPECT_EQ(root.name, "a.b.r");
  EXPECT_EQ(root.fields[0].name, "1x");
  EXPECT_EQ(root.fields[0].field_id, 7);
  const auto optional = AsOptional(schema, root.fields[0].node);
  ASSERT_TRUE(optional);
  EXPECT_TRUE(optional->is_union && optional->null_branch == 0 && optional->value_branch == 1);
  EXPECT_EQ(schema.node(optional->node).logical_type, "timestamp-micros");
  EXPECT_TRUE(schema.node(optional->node).adjust_to_utc);
  EXPECT_EQ(schema.node(root.fields[1].node).element_id, 9);
  EXPECT_EQ(schema.node(root.fields[2].node).key_id, 11);
  EXPECT_EQ(schema.node(root.fields[2].node).value_id, 12);
  EXPECT_EQ(schema.node(root.fields[3].node).precision, 9);
  EXPECT_EQ(schema.node(root.fields[3].node).scale, 2);
  EXPECT_FALSE(root.fields[3].field_id);
  EXPECT_EQ(schema.node(root.fields[4].node).symbols.size(), 2u);
  EXPECT_EQ(root.min_bytes, 5u);
}

TEST(AvroSchema, ResolvesNamesInTheirNamespace) {
  const AvroSchema schema = Parsed(R"({"type":"record","name":"r","namespace":"n","fields":[
    {"name":"a","type":{"type":"fixed","name":"f","size":3}},
    {"name":"b","type":"f"},
    {"name":"c","type":{"type":"n.f"}},
    {"name":"d","type":{"type":"record","name":"x.inner","fields":[
      {"name":"e","type":"n.f"},{"name":"g","type":["null","x.inner"]},{"name":"h","type":["null","inner"]}]}}]})");
  const AvroNode& root = schema.node(schema.root());
  EXPECT_EQ(root.fields[0].node, root.fields[1].node);
  EXPECT_EQ(root.fields[0].node, root.fields[2].node);
  EXPECT_EQ(schema.node(root.fields[0].node).references, 4);
  const AvroNode& inner = schema.node(root.fields[3].node);
  EXPECT_EQ(inner.fields[0].node, root.fields[0].node);
  EXPECT_EQ(AsOptional(schema, inner.fields[1].node)->node, root.fields[3].node);
  EXPECT_EQ(AsOptional(schema, inner.fields[2].node)->node, root.fields[3].node);
  EXPECT_EQ(inner.min_bytes, 5u);
}

TEST(AvroSchema, LetsNamesBeDefinedTwice) {
  const AvroSchema schema = Parsed(R"({"type":"record","name":"r","fields":[
    {"name":"a","type":{"type":"fixed","name":"f","size":3}},
    {"name":"b","type":{"type":"fixed","name":"f","size":4}},
    {"name":"c","type":"f"}]})");
  EXPECT_EQ(schema.node(schema.node(schema.root()).fields[2].node).size, 4);
}

TEST(AvroSchema, KnowsUnionsOfNull) {
  struct Case {
    const char* type;
    bool optional;
    int value;
    int null;
  };
  for (const Case& c : std::vector<Case>{{R"(["null","int"])", true, 1, 0},
                                         {R"(["int","null"])", true, 0, 1},
                                         {R"(["int"])", true, 0, -1},
                                         {R"("int")", true, 0, -1},
                                         {R"(["int","string"])", false, 0, 0},
                                         {R"(["null","int","long"])", false, 0, 0},
                                         {R"(["null","null"])", false, 0, 0}}) {
    const AvroSchema schema = Parsed(c.type);
    const auto found = AsOptional(schema, schema.root());
    ASSERT_EQ(found.has_value(), c.optional) << c.type;
    if (!found) continue;
    EXPECT_EQ(found->value_branch, c.value) << c.type;
    EXPECT_EQ(found->null_branch, c.null) << c.type;
  }
}

TEST(AvroSchema, BrokenSchemasAreCorruption) {
  for (const char* json :
       {"", "7", "{}", "[]", "\"nothing\"", "{\"type\":7}", R"({"type":"record","name":"r"})",
        R"({"type":"record","name":"r","fields":[{"name":"a"}]})",
        R"({"type":"record","name":"r","fields":[{"type":"int"}]})",
        R"({"type":"record","name":"r","fields":[{"name":"a","type":"r"}]})",
        R"({"type":"record","name":"r","fields":[{"name":"a","type":{"type":"record","name":"s",
             "fields":[{"name":"b","type":"r"}]}}]})",
        R"({"type":"record","name":"r","fields":[{"name":"a","field-id":1,"type":"int"},
             {"name":"b","field-id":1,"type":"int"}]})",
        R"({"type":"array"})", R"({"type":"fixed","name":"f","size":-1})",
        R"({"type":"fixed","name":"f","size":1e30})", R"([["int"]])",
        R"({"type":"enum","name":"e"})", R"({"type":"union"})"}) {
    const auto schema = AvroSchema::Parse(json);
    EXPECT_EQ(schema.status().code(), Code::kCorruption) << json;
  }
}

TEST(AvroType, WritesAllTypesAsJavaDoes) {
  const auto p = [](TypeKind kind) { return Type::Primitive(kind); };
  const auto root = Type::Struct({
      {.id = 1, .name = "a b", .required = true, .type = p(TypeKind::kTimestampTz)},
      {.id = 2, .name = "d", .type = Type::Decimal(9, 2)},
      {.id = 3, .name = "e", .required = true, .type = Type::Decimal(9, 2)},
      {.id = 4, .name = "u", .type = p(TypeKind::kUnknown)},
      {.id = 5, .name = "v", .type = p(TypeKind::kVariant)},
      {.id = 6,
       .name = "s",
       .type =
           Type::Struct({{.id = 7, .name = "x", .required = true, .type = p(TypeKind::kUuid)}})},
      {.id = 8,
       .name = "m",
       .required = true,
       .type = Type::Map({.id = 9, .name = "", .required = true, .type = p(TypeKind::kString)},
                         {.id = 10, .name = "", .type = p(TypeKind::kInt)})},
      {.id = 11,
       .name = "n",
       .required = true,
       .type = Type::Map({.id = 12, .name = "", .required = true, .type = p(TypeKind::kDate)},
                         {.id = 13, .name = "", .required = true, .type = Type::Fixed(4)})},
      {.id = 14,
       .name = "l",
       .required = true,
       .type = Type::List({.id = 15, .name = "", .type = p(TypeKind::kTimestampNs)})},
  });
  const char* expected = R"({"type":"record","name":"table","fields":[
    {"name":"a_x20b","type":{"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true},
      "field-id":1,"iceberg-field-name":"a b"},
    {"name":"d","type":["null",{"type":"fixed","name":"decimal_9_2","size":4,"logicalType":"decimal",
      "precision":9,"scale":2}],"default":null,"field-id":2},
    {"name":"e","type":{"type":"fixed","name":"decimal_9_2_r3","size":4,"logicalType":"decimal",
      "precision":9,"scale":2},"field-id":3},
    {"name":"u","type":"null","default":null,"field-id":4},
    {"name":"v","type":["null",{"type":"record","name":"r5","fields":[{"name":"metadata","type":"bytes"},
      {"name":"value","type":"bytes"}],"logicalType":"variant"}],"default":null,"field-id":5},
    {"name":"s","type":["null",{"type":"record","name":"r6","fields":[{"name":"x","type":
      {"type":"fixed","name":"uuid_fixed","size":16,"logicalType":"uuid"},"field-id":7}]}],
      "default":null,"field-id":6},
    {"name":"m","type":{"type":"map","values":["null","int"],"key-id":9,"value-id":10},"field-id":8},
    {"name":"n","type":{"type":"array","items":{"type":"record","name":"k12_v13","fields":[
      {"name":"key","type":{"type":"int","logicalType":"date"},"field-id":12},
      {"name":"value","type":{"type":"fixed","name":"fixed_4","size":4},"field-id":13}]},
      "logicalType":"map"},"field-id":11},
    {"name":"l","type":{"type":"array","items":["null",{"type":"long","logicalType":"timestamp-nanos",
      "adjust-to-utc":false}],"element-id":15},"field-id":14}]})";
  const std::string json = AvroSchemaJson(*root, "table");
  EXPECT_TRUE(Json::Parse(json).value() == Json::Parse(expected).value()) << json;
  EXPECT_TRUE(AvroSchema::Parse(json).ok());
}

TEST(AvroType, FixedOfDecimalsIsAsSmallAsItCanBe) {
  const int expected[] = {1, 1, 2,  2,  3,  3,  4,  4,  4,  5,  5,  6,  6,  6,  7,  7,  8,  8,  9,
                          9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
  for (int precision = 1; precision <= 38; ++precision) {
    EXPECT_EQ(DecimalRequiredBytes(precision), expected[precision - 1]) << precision;
  }
}

TEST(AvroType, NamesAreMadeFitForAvro) {
  const std::pair<const char*, const char*> cases[] = {
      {"a1_B", "a1_B"}, {"1a", "_1a"},      {"a-b", "a_x2Db"}, {".", "_x2E"},
      {"é", "_xE9"},    {"a😀", "a_x1F600"}, {"", ""}};
  for (const auto& [name, expected] : cases) EXPECT_EQ(AvroCompatibleName(name), expected);
}

}  // namespace
}  // namespace moraine::iceberg
