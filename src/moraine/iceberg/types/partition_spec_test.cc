#include "moraine/iceberg/types/partition_spec.h"

#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

Schema TestSchema() {
  auto type = [](const char* text) { return *Type::FromString(text); };
  return Schema(0,
                {Field{1, "id", true, type("long")}, Field{2, "name", false, type("string")},
                 Field{3, "ts", false, type("timestamp")}, Field{4, "flag", false, type("boolean")},
                 Field{5, "tags", false, Type::List(Field{6, "", true, type("string")})},
                 Field{7, "point", false, Type::Struct({Field{8, "x", false, type("int")}})},
                 Field{9, "day", false, type("date")}, Field{10, "bytes", false, type("binary")}});
}

PartitionSpec Parse(std::string_view text) {
  Json json = *Json::Parse(text);
  auto spec = PartitionSpecFromJson(JsonCursor(json));
  EXPECT_TRUE(spec.ok()) << spec.status().ToString();
  return *spec;
}

std::string Print(const PartitionSpec& spec) {
  std::string text;
  JsonWriter out(&text);
  WritePartitionSpec(spec, &out);
  return text;
}

PartitionSpec SpecOf(std::vector<PartitionField> fields) { return {0, std::move(fields)}; }
PartitionField FieldOf(int32_t source, int32_t id, std::string name, std::string_view transform) {
  return {{source}, id, std::move(name), *Transform::FromString(transform)};
}

TEST(PartitionSpec, JsonGoesBothWays) {
  for (
      const char* text :
      {R"({"spec-id":0,"fields":[]})",
       R"({"spec-id":3,"fields":[{"name":"b","transform":"bucket[16]","source-id":1,"field-id":1000},{"name":"d","transform":"day","source-id":3,"field-id":1001}]})",
       R"({"spec-id":1,"fields":[{"name":"z","transform":"zorder[2]","source-ids":[1,2],"field-id":1000,"note":{"a":1}}],"by":"me"})"}) {
    EXPECT_EQ(Print(Parse(text)), text);
  }
}

TEST(PartitionSpec, NumbersMissingFieldIdsFrom1000) {
  PartitionSpec spec = Parse(
      R"({"fields":[{"name":"a","transform":"identity","source-id":1},{"name":"b","transform":"day","source-id":3}]})");
  EXPECT_EQ(spec.fields[0].field_id, 1000);
  EXPECT_EQ(spec.fields[1].field_id, 1001);
  Json json = *Json::Parse(
      R"({"fields":[{"name":"a","transform":"identity","source-id":1},{"name":"b","transform":"day","source-id":3,"field-id":1005}]})");
  auto unassigned = UnassignedPartitionSpecFromJson(JsonCursor(json));
  EXPECT_EQ(unassigned->fields[0].field_id, 0);
  EXPECT_EQ(PartitionSpecFromJson(JsonCursor(json))->fields[0].field_id, 1006);
}

TEST(PartitionSpec, BadJsonNamesThePath) {
  for (const auto& [text, path] : std::vector<std::pair<const char*, const char*>>{
           {R"({"spec-id":0})", "fields"},
           {R"({"fields":[{"name":"a","transform":"identity"}]})",
            "fields[0]: missing required field: source-id"},
           {R"({"fields":[{"source-id":1,"transform":"identity"}]})",
            "fields[0]: missing required field: name"},
           {R"({"fields":[{"source-id":1,"name":"a"}]})",
            "fields[0]: missing required field: transform"},
           {R"({"fields":[{"source-id":1,"name":"a","transform":"bucket[0]"}]})",
            "fields[0].transform"},
           {R"({"fields":[{"source-ids":[],"name":"a","transform":"x"}]})", "fields[0].source-ids"},
           {R"({"fields":[{"source-id":1,"name":"a","transform":"x","field-id":-3}]})", "field-id"},
           {R"({"fields":[{"source-id":1,"name":"a","transform":"x","field-id":2147483647}]})",
            "field-id"}}) {
    Json json = *Json::Parse(text);
    auto spec = PartitionSpecFromJson(JsonCursor(json));
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.status().code(), Code::kInvalidArgument);
    EXPECT_NE(spec.status().message().find(path), std::string::npos) << spec.status().message();
  }
}

TEST(PartitionSpec, PathIsJavas) {
  Schema schema = TestSchema();
  PartitionSpec spec =
      SpecOf({FieldOf(1, 1000, "id_bucket", "bucket[16]"), FieldOf(2, 1001, "na me", "identity"),
              FieldOf(3, 1002, "ts_hour", "hour"), FieldOf(9, 1003, "day", "identity"),
              FieldOf(10, 1004, "b", "truncate[2]"), FieldOf(4, 1005, "gone", "void"),
              FieldOf(3, 1006, "m", "month")});
  PartitionTuple tuple = {int32_t{3},     std::string("x/y z%\xc3\xa4"), int32_t{419686},
                          int32_t{17486}, std::string("\x01\x02"),       Value(),
                          int32_t{-1}};
  EXPECT_EQ(PartitionPath(spec, schema, tuple),
            "id_bucket=3/na+me=x%2Fy+z%25%C3%A4/ts_hour=2017-11-16-22/day=2017-11-16/b=AQI%3D/"
            "gone=null/m=1969-12");
  EXPECT_EQ(PartitionPath(SpecOf({}), schema, {}), "");
  EXPECT_EQ(PartitionPath(spec, schema, PartitionTuple(7)).substr(0, 26),
            "id_bucket=null/na+me=null/");
}

TEST(PartitionSpec, ResultTypesAreUnknownWhereTheSourceIsGone) {
  auto types =
      PartitionTypes(SpecOf({FieldOf(1, 1000, "a", "bucket[4]"), FieldOf(3, 1001, "b", "day"),
                             FieldOf(99, 1002, "c", "identity"), FieldOf(99, 1003, "d", "month")}),
                     TestSchema());
  ASSERT_EQ(types.size(), 4u);
  EXPECT_EQ(types[0]->ToString(), "int");
  EXPECT_EQ(types[1]->ToString(), "date");
  EXPECT_EQ(types[2]->ToString(), "unknown");
  EXPECT_EQ(types[3]->ToString(), "int");
}

TEST(PartitionSpec, Validates) {
  Schema schema = TestSchema();
  struct Case {
    std::vector<PartitionField> fields;
    const char* problem;  // nullptr: legal
  };
  for (const Case& c : std::vector<Case>{
           {{}, nullptr},
           {{FieldOf(1, 1000, "id", "identity"), FieldOf(1, 1001, "id_bucket", "bucket[4]")},
            nullptr},
           {{FieldOf(8, 1000, "x_part", "identity")}, nullptr},
           {{FieldOf(99, 1000, "gone", "void")}, nullptr},
           {{FieldOf(99, 1000, "a", "identity")},
            "Cannot find source column for partition field: a"},
           {{FieldOf(4, 1000, "a", "bucket[4]")},
            "Invalid source type boolean for transform: bucket[4]"},
           {{FieldOf(1, 1000, "a", "day")}, "Invalid source type long for transform: day"},
           {{FieldOf(5, 1000, "a", "identity")},
            "Cannot partition by non-primitive source field: a"},
           {{FieldOf(6, 1000, "a", "identity")}, "inside a list or map"},
           {{FieldOf(1, 1000, "name", "identity")}, "name that exists in schema: name"},
           {{FieldOf(1, 1000, "id", "bucket[4]")}, "name that exists in schema: id"},
           {{FieldOf(1, 1000, "", "identity")}, "empty partition name"},
           {{FieldOf(1, 1000, "a", "identity"), FieldOf(2, 1001, "a", "identity")},
            "more than once: a"},
           {{FieldOf(1, 1000, "a", "bucket[4]"), FieldOf(1, 1001, "b", "bucket[4]")},
            "redundant partition: b"},
           {{FieldOf(1, 1000, "a", "identity"), FieldOf(2, 1000, "b", "identity")},
            "field id more than once"},
           {{FieldOf(1, 1000, "a", "zorder")}, "Unknown transform zorder"}}) {
    Status status = ValidatePartitionSpec(SpecOf(c.fields), schema);
    if (c.problem == nullptr) {
      EXPECT_TRUE(status.ok()) << status.ToString();
    } else {
      EXPECT_EQ(status.code(), Code::kInvalidArgument) << c.problem;
      EXPECT_NE(status.message().find(c.problem), std::string::npos) << status.message();
    }
  }
}

TEST(PartitionSpec, CompatibilityIgnoresIds) {
  PartitionSpec a = SpecOf({FieldOf(1, 1000, "a", "identity")});
  PartitionSpec b = {7, {FieldOf(1, 1234, "a", "identity")}};
  EXPECT_TRUE(a.CompatibleWith(b));
  EXPECT_FALSE(a == b);
  EXPECT_FALSE(a.CompatibleWith(SpecOf({FieldOf(1, 1000, "b", "identity")})));
  EXPECT_FALSE(a.CompatibleWith(SpecOf({})));
  EXPECT_EQ(b.HighestFieldId(), 1234);
  EXPECT_EQ(SpecOf({}).HighestFieldId(), 999);
  EXPECT_TRUE(SpecOf({FieldOf(1, 1000, "a", "void")}).is_unpartitioned());
  EXPECT_FALSE(a.is_unpartitioned());
}

TEST(SortOrder, JsonGoesBothWays) {
  for (
      const char* text :
      {R"({"order-id":0,"fields":[]})",
       R"({"order-id":2,"fields":[{"transform":"identity","source-id":1,"direction":"asc","null-order":"nulls-first"},{"transform":"bucket[4]","source-id":2,"direction":"desc","null-order":"nulls-last","k":1}],"x":null})"}) {
    Json json = *Json::Parse(text);
    auto order = SortOrderFromJson(JsonCursor(json));
    ASSERT_TRUE(order.ok()) << order.status().ToString();
    std::string printed;
    JsonWriter out(&printed);
    WriteSortOrder(*order, &out);
    EXPECT_EQ(printed, text);
  }
  for (
      const char* text :
      {R"({"order-id":1})",
       R"({"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"up","null-order":"nulls-first"}]})",
       R"({"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"asc"}]})"}) {
    Json json = *Json::Parse(text);
    EXPECT_EQ(SortOrderFromJson(JsonCursor(json)).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(SortOrder, Validates) {
  Schema schema = TestSchema();
  auto order = [](int32_t source, std::string_view transform) {
    return SortOrder{1, {SortField{{source}, *Transform::FromString(transform)}}};
  };
  EXPECT_TRUE(ValidateSortOrder(order(1, "bucket[4]"), schema).ok());
  EXPECT_TRUE(ValidateSortOrder(SortOrder{}, schema).ok());
  for (const SortOrder& bad :
       {order(99, "identity"), order(4, "year"), order(5, "identity"), order(1, "z")}) {
    EXPECT_EQ(ValidateSortOrder(bad, schema).code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace moraine::iceberg
