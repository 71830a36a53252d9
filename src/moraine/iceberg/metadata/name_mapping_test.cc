#include "moraine/iceberg/metadata/name_mapping.h"

#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

constexpr char kSpecExample[] =
    R"j([{"field-id":1,"names":["id","record_id"]},{"field-id":2,"names":["data"]},{"field-id":3,"names":["location"],"fields":[)j"
    R"j({"field-id":4,"names":["latitude","lat"]},{"field-id":5,"names":["longitude","long"]}]},{"names":["ignored","a.b"]}])j";

TEST(NameMapping, JsonGoesBothWays) {
  auto mapping = NameMapping::FromJson(kSpecExample);
  ASSERT_TRUE(mapping.ok()) << mapping.status().ToString();
  EXPECT_EQ(mapping->ToJson(), kSpecExample);
}

TEST(NameMapping, OfATableIsItsProperty) {
  EXPECT_FALSE(NameMapping::OfTable({})->has_value());
  EXPECT_FALSE(NameMapping::OfTable({{kNameMappingProperty, ""}})->has_value());
  const auto mapping = NameMapping::OfTable({{kNameMappingProperty, kSpecExample}});
  ASSERT_TRUE(mapping.ok());
  ASSERT_TRUE(mapping->has_value());
  EXPECT_EQ((*mapping)->fields(), NameMapping::FromJson(kSpecExample)->fields());
  EXPECT_EQ(NameMapping::OfTable({{kNameMappingProperty, "no"}}).status().code(),
            Code::kInvalidArgument);
}

TEST(NameMapping, FindsAnyOfTheNames) {
  NameMapping mapping = *NameMapping::FromJson(kSpecExample);
  EXPECT_EQ(mapping.Find(nullptr, "record_id")->field_id, 1);
  const MappedField* location = mapping.Find(nullptr, "location");
  ASSERT_NE(location, nullptr);
  EXPECT_EQ(mapping.Find(location, "long")->field_id, 5);
  EXPECT_EQ(mapping.Find(location, "id"), nullptr);
  EXPECT_EQ(mapping.Find(nullptr, "lat"), nullptr);
  EXPECT_EQ(mapping.Find(nullptr, "a.b")->field_id, std::nullopt);
}

TEST(NameMapping, FromASchemaNamesEveryField) {
  auto type = [](const char* text) { return *Type::FromString(text); };
  Schema schema(
      0, {Field{1, "a", true, type("int")},
          Field{2, "l", true, Type::List(Field{3, "", true, type("int")})},
          Field{4, "m", true,
                Type::Map(Field{5, "", true, type("string")}, Field{6, "", false, type("int")})}});
  EXPECT_EQ(
      NameMapping::FromSchema(schema).ToJson(),
      R"j([{"field-id":1,"names":["a"]},{"field-id":2,"names":["l"],"fields":[{"field-id":3,"names":["element"]}]},)j"
      R"j({"field-id":4,"names":["m"],"fields":[{"field-id":5,"names":["key"]},{"field-id":6,"names":["value"]}]}])j");
}

TEST(NameMapping, RefusesWhatIsNone) {
  for (const char* text :
       {"", "{}", "[1]", "[{}]", R"([{"names":"a"}])", R"([{"names":[1]}])",
        R"([{"names":["a"],"field-id":"1"}])", R"([{"names":["a"],"fields":{}}])",
        R"([{"names":["a"]},{"names":["b","a"]}])",
        R"([{"names":["a"],"fields":[{"names":["x","x"]}]}])"}) {
    EXPECT_EQ(NameMapping::FromJson(text).status().code(), Code::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace moraine::iceberg
