#include <gtest/gtest.h>

#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {
namespace {

Result<Schema> Parse(std::string_view text) {
  auto json = Json::Parse(text);
  if (!json.ok()) return json.status();
  return SchemaFromJson(JsonCursor(*json));
}

Schema MustParse(std::string_view text) {
  auto schema = Parse(text);
  EXPECT_TRUE(schema.ok()) << schema.status().ToString();
  return std::move(schema).value();
}

/// A schema of these fields, as JSON objects without quotes around member names.
std::string WithFields(std::string fields) {
  return R"({"type":"struct","schema-id":0,"fields":[)" + fields + "]}";
}

// As Java writes it: key order, no blanks.
constexpr char kNested[] =
    R"({"type":"struct","schema-id":3,"identifier-field-ids":[1],"fields":[)"
    R"({"id":1,"name":"id","required":true,"type":"long","doc":"the key"},)"
    R"({"id":2,"name":"point","required":false,"type":{"type":"struct","fields":[)"
    R"({"id":3,"name":"x","required":true,"type":"double"},)"
    R"({"id":4,"name":"y","required":false,"type":"double"}]}},)"
    R"({"id":5,"name":"tags","required":false,"type":{"type":"list","element-id":6,"element":"string","element-required":true}},)"
    R"({"id":7,"name":"lines","required":false,"type":{"type":"list","element-id":8,"element":)"
    R"j({"type":"struct","fields":[{"id":9,"name":"price","required":false,"type":"decimal(9, 2)"}]},"element-required":false}},)j"
    R"({"id":10,"name":"extra","required":false,"type":{"type":"map","key-id":11,"key":"string","value-id":12,"value":)"
    R"({"type":"struct","fields":[{"id":13,"name":"v","required":false,"type":"int"}]},"value-required":false}}]})";

TEST(Schema, JsonGoesBothWaysByteForByte) {
  Schema schema = MustParse(kNested);
  EXPECT_EQ(SchemaToJson(schema), kNested);
  EXPECT_TRUE(MustParse(SchemaToJson(schema)) == schema);
}

TEST(Schema, DefaultsAndUnknownMembersSurvive) {
  std::string text = WithFields(
      R"({"id":1,"name":"a","required":true,"type":"int","initial-default":7,"write-default":8},)"
      R"({"id":2,"name":"d","required":false,"type":"date","initial-default":"2017-11-16"},)"
      R"({"id":3,"name":"f","required":false,"type":"float","write-default":1.1},)"
      R"({"id":4,"name":"b","required":false,"type":"fixed[2]","write-default":"00FF"},)"
      R"({"id":5,"name":"s","required":false,"type":{"type":"struct","fields":[]},"initial-default":{},"write-default":{}},)"
      R"({"id":6,"name":"x","required":false,"type":"string","collation":{"icu":"de"}})");
  text.insert(text.size() - 1, R"(,"owner":"me")");
  Schema schema = MustParse(text);
  EXPECT_EQ(SchemaToJson(schema), text);
  EXPECT_EQ(std::get<int32_t>(*schema.FindField(1)->initial_default), 7);
  EXPECT_EQ(std::get<int32_t>(*schema.FindField(2)->initial_default), 17486);
  EXPECT_EQ(schema.FindField(6)->unknown.size(), 1u);
  EXPECT_EQ(schema.unknown().size(), 1u);
}

TEST(Schema, NullDefaultsAreNone) {
  Schema schema = MustParse(WithFields(
      R"({"id":1,"name":"v","required":false,"type":"variant","initial-default":null,"write-default":null})"));
  EXPECT_FALSE(schema.FindField(1)->initial_default);
  EXPECT_TRUE(ValidateSchema(schema, 3).ok());
}

TEST(Schema, FindsFieldsByIdAndName) {
  Schema schema = MustParse(kNested);
  struct Case {
    const char* name;
    int32_t id;
  };
  for (const Case& c : std::vector<Case>{{"id", 1},
                                         {"point", 2},
                                         {"point.x", 3},
                                         {"tags.element", 6},
                                         {"lines.element", 8},
                                         {"lines.element.price", 9},
                                         {"lines.price", 9},
                                         {"extra.key", 11},
                                         {"extra.value", 12},
                                         {"extra.value.v", 13},
                                         {"extra.v", 13}}) {
    const Field* field = schema.FindField(c.name);
    ASSERT_NE(field, nullptr) << c.name;
    EXPECT_EQ(field->id, c.id);
    EXPECT_EQ(schema.FindField(c.id)->name, field->name);
  }
  EXPECT_EQ(schema.FullName(9), "lines.element.price");
  EXPECT_EQ(schema.FullName(99), "");
  for (const char* name : {"x", "Id", "point.z", "", "."})
    EXPECT_EQ(schema.FindField(name), nullptr) << name;
  EXPECT_EQ(schema.FindFieldIgnoreCase("POINT.X")->id, 3);
  EXPECT_EQ(schema.FindFieldIgnoreCase("Lines.Price")->id, 9);
  EXPECT_EQ(schema.FindFieldIgnoreCase("nope"), nullptr);
  EXPECT_EQ(schema.ParentOf(9), 8);
  EXPECT_EQ(schema.ParentOf(8), 7);
  EXPECT_EQ(schema.ParentOf(7), std::nullopt);
  EXPECT_EQ(schema.HighestFieldId(), 13);
}

TEST(Schema, SamenessIgnoresTheIdAndTheOrderOfIdentifiers) {
  Schema a(0,
           {Field{1, "a", true, *Type::FromString("int")},
            Field{2, "b", true, *Type::FromString("int")}},
           {1, 2});
  EXPECT_TRUE(a.SameAs(a.WithId(7)));
  EXPECT_FALSE(a == a.WithId(7));
  EXPECT_TRUE(a.SameAs(Schema(0, a.fields(), {2, 1})));
  EXPECT_FALSE(a.SameAs(Schema(0, a.fields(), {1})));
}

TEST(Schema, FreshIdsGoBreadthFirstInEachStruct) {
  Schema schema = MustParse(kNested);
  std::vector<Field> shifted;  // other ids to begin with, as a client may send them
  int32_t last = 0;
  Schema fresh = AssignFreshIds(schema, 0, &last);
  EXPECT_EQ(last, 13);
  EXPECT_EQ(fresh.schema_id(), 0);
  struct Case {
    const char* name;
    int32_t id;
  };
  for (const Case& c : std::vector<Case>{{"id", 1},
                                         {"point", 2},
                                         {"tags", 3},
                                         {"lines", 4},
                                         {"extra", 5},
                                         {"point.x", 6},
                                         {"point.y", 7},
                                         {"tags.element", 8},
                                         {"lines.element", 9},
                                         {"lines.element.price", 10},
                                         {"extra.key", 11},
                                         {"extra.value", 12},
                                         {"extra.value.v", 13}}) {
    EXPECT_EQ(fresh.FindField(c.name)->id, c.id) << c.name;
  }
  EXPECT_EQ(fresh.identifier_field_ids(), std::vector<int32_t>{1});
}

TEST(Schema, ValidationNamesTheField) {
  struct Case {
    const char* fields;
    int version;
    const char* message;  // part of it
  };
  for (
      const Case& c : std::vector<Case>{
          {R"({"id":1,"name":"a","required":true,"type":"int"},{"id":1,"name":"b","required":true,"type":"int"})",
           2, "field a and field b have the same id 1"},
          {R"({"id":1,"name":"a","required":true,"type":"int"},{"id":2,"name":"a","required":true,"type":"int"})",
           2, "multiple fields for name a"},
          {R"({"id":1,"name":"a.b","required":true,"type":"int"},{"id":2,"name":"a","required":true,"type":{"type":"struct","fields":[{"id":3,"name":"b","required":true,"type":"int"}]}})",
           2, "multiple fields for name a.b"},
          {R"({"id":1,"name":"","required":true,"type":"int"})", 2, "empty name"},
          {R"({"id":2147483546,"name":"a","required":true,"type":"int"})", 2, "reserved"},
          {R"({"id":-1,"name":"a","required":true,"type":"int"})", 2, "reserved or negative"},
          {R"({"id":1,"name":"v","required":false,"type":"variant"})", 2,
           "Invalid schema for v2:\n- Invalid type for v: variant is not supported until v3"},
          {R"({"id":1,"name":"t","required":false,"type":"timestamp_ns"})", 1,
           "Invalid type for t: timestamp_ns is not supported until v3"},
          {R"({"id":1,"name":"a","required":false,"type":"int","initial-default":7})", 2,
           "Invalid initial default for a: non-null default (7) is not supported until v3"},
          {R"({"id":1,"name":"u","required":true,"type":"unknown"})", 3, "must be optional"},
          {R"({"id":1,"name":"m","required":true,"type":{"type":"map","key-id":2,"key":"variant","value-id":3,"value":"int","value-required":true}})",
           3, "m.key cannot be of type variant"}}) {
    Status status = ValidateSchema(MustParse(WithFields(c.fields)), c.version);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << c.fields;
    EXPECT_NE(status.message().find(c.message), std::string::npos) << status.message();
  }
}

TEST(Schema, IdentifierFieldsAreRequiredPrimitivesWithEquality) {
  struct Case {
    int32_t id;
    const char* problem;  // nullptr: legal
  };
  Schema schema = MustParse(WithFields(
      R"({"id":1,"name":"a","required":true,"type":"long"},{"id":2,"name":"o","required":false,"type":"long"},)"
      R"({"id":3,"name":"f","required":true,"type":"float"},)"
      R"({"id":4,"name":"s","required":true,"type":{"type":"struct","fields":[{"id":5,"name":"x","required":true,"type":"int"}]}},)"
      R"({"id":6,"name":"p","required":false,"type":{"type":"struct","fields":[{"id":7,"name":"x","required":true,"type":"int"}]}},)"
      R"({"id":8,"name":"l","required":true,"type":{"type":"list","element-id":9,"element":"int","element-required":true}})"));
  for (const Case& c : std::vector<Case>{{1, nullptr},
                                         {2, "not a required field"},
                                         {3, "must not be float or double"},
                                         {4, "not a primitive type field"},
                                         {5, nullptr},
                                         {7, "must not be nested in an optional field"},
                                         {9, "must not be nested in a list or map"},
                                         {10, "field does not exist"}}) {
    Status status = ValidateSchema(Schema(0, schema.fields(), {c.id}), 2);
    EXPECT_EQ(status.ok(), c.problem == nullptr) << c.id << " " << status.ToString();
    if (c.problem != nullptr) {
      EXPECT_NE(status.message().find(c.problem), std::string::npos) << status.message();
    }
  }
}

TEST(Schema, BadJsonNamesThePath) {
  struct Case {
    std::string json;
    const char* message;
  };
  for (
      const Case& c : std::vector<Case>{
          {"[]", "(document)"},
          {R"({"type":"list","fields":[]})", "struct"},
          {R"({"type":"struct"})", "fields"},
          {R"({"type":"struct","fields":{}})", "fields"},
          {R"({"type":"struct","fields":[7]})", "fields[0]"},
          {R"({"type":"struct","schema-id":"0","fields":[]})", "schema-id"},
          {R"({"type":"struct","fields":[],"identifier-field-ids":["1"]})",
           "identifier-field-ids[0]"},
          {WithFields(R"({"name":"a","required":true,"type":"int"})"),
           "fields[0]: missing required field: id"},
          {WithFields(R"({"id":1.5,"name":"a","required":true,"type":"int"})"), "fields[0].id"},
          {WithFields(R"({"id":1,"name":7,"required":true,"type":"int"})"), "fields[0].name"},
          {WithFields(R"({"id":1,"name":"a","type":"int"})"),
           "fields[0]: missing required field: required"},
          {WithFields(R"({"id":1,"name":"a","required":"yes","type":"int"})"),
           "fields[0].required"},
          {WithFields(R"({"id":1,"name":"a","required":true})"),
           "fields[0]: missing required field: type"},
          {WithFields(R"({"id":1,"name":"a","required":true,"type":"integer"})"), "fields[0].type"},
          {WithFields(R"({"id":1,"name":"a","required":true,"type":["int"]})"), "fields[0].type"},
          {WithFields(R"({"id":1,"name":"a","required":true,"type":{"type":"set"}})"),
           "fields[0].type"},
          {WithFields(
               R"({"id":1,"name":"a","required":true,"type":{"type":"list","element":"int","element-required":true}})"),
           "fields[0].type: missing required field: element-id"},
          {WithFields(
               R"({"id":1,"name":"a","required":true,"type":{"type":"map","key-id":2,"key":"int","value-id":3,"value":"foo","value-required":true}})"),
           "fields[0].type.value"},
          {WithFields(R"({"id":1,"name":"a","required":true,"type":"int","initial-default":"x"})"),
           "fields[0].initial-default"},
          {WithFields(R"({"id":1,"name":"a","required":true,"type":"variant","write-default":1})"),
           "fields[0].write-default"}}) {
    auto schema = Parse(c.json);
    ASSERT_FALSE(schema.ok()) << c.json;
    EXPECT_EQ(schema.status().code(), Code::kInvalidArgument);
    EXPECT_NE(schema.status().message().find(c.message), std::string::npos)
        << schema.status().message();
  }
}

}  // namespace
}  // namespace moraine::iceberg
