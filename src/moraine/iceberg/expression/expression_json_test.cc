#include <string>

#include <gtest/gtest.h>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {
namespace {

Result<ExpressionPtr> Read(const std::string& text) {
  auto json = Json::Parse(text);
  if (!json.ok()) return json.status();
  return ExpressionFromJson(JsonCursor(*json));
}

std::string Write(const Expression& expression) {
  std::string text;
  JsonWriter writer(&text);
  WriteExpression(expression, &writer);
  return text;
}

TEST(ExpressionJson, RoundTripsTheOldForm) {
  for (
      const char* text : {
          R"({"type":"and","left":{"type":"eq","term":"a","value":1},"right":{"type":"is-null","term":"b"}})",
          R"({"type":"not","child":{"type":"in","term":"a","values":["x","y"]}})",
          R"({"type":"or","left":{"type":"starts-with","term":"a","value":"x"},"right":{"type":"not-nan","term":"b"}})",
          R"({"type":"lt-eq","term":"a.b","value":1.5})",
          "true",
          "false",
      }) {
    auto read = Read(text);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(Write(**read), text);
  }
}

TEST(ExpressionJson, ReadsReferencesLiteralsAndTheNewForm) {
  struct Case {
    const char* text;
    const char* meaning;
  };
  for (
      const Case& c : {
          Case{R"({"type":"gt","term":{"type":"reference","term":"a"},"value":1})", "a > 1"},
          Case{
              R"({"type":"gt","left":{"type":"reference","name":"a"},"right":{"type":"literal","value":1,"data-type":"int"}})",
              "a > 1"},
          Case{R"({"type":"not-in","child":"a","values":[1,2]})", "a not in (1, 2)"},
          Case{
              R"({"type":"in","child":"a","values":{"type":"literals","values":[1,2],"data-type":"int"}})",
              "a in (1, 2)"},
          Case{R"({"type":"is-null","child":"a"})", "a is null"},
          Case{R"({"type":"true"})", "true"},
          Case{R"({"type":"and","left":true,"right":{"type":"eq","term":"a","value":1}})", "a = 1"},
      }) {
    auto read = Read(c.text);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ((*read)->ToString(), c.meaning);
  }
}

TEST(ExpressionJson, RefusesWhatItDoesNotKnow) {
  for (const char* text :
       {R"({"type":"xor"})", R"({"left":1})", R"({"type":"eq","term":"a"})", "7",
        R"({"type":"and","left":true})", R"({"type":"in","term":"a","values":7})"}) {
    auto read = Read(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().code(), Code::kInvalidArgument) << read.status().ToString();
  }
  auto transform = Read(
      R"({"type":"eq","term":{"type":"transform","transform":"bucket[8]","term":"a"},"value":1})");
  EXPECT_EQ(transform.status().code(), Code::kUnsupported);
}

TEST(ExpressionJson, UnbindGivesNamesBack) {
  Schema schema(0, {{1, "a", false, *Type::FromString("date")}});
  auto bound = Bind(*ParseFilter("a >= date '2024-05-01' or a is null"), schema);
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ(
      Write(*Unbind(*bound, schema)),
      R"({"type":"or","left":{"type":"gt-eq","term":"a","value":"2024-05-01"},"right":{"type":"is-null","term":"a"}})");
}

}  // namespace
}  // namespace moraine::iceberg
