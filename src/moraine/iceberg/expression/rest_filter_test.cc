#include "moraine/iceberg/expression/rest_filter.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

using ::testing::HasSubstr;

Schema MakeSchema() {
  auto type = [](const char* text) { return *Type::FromString(text); };
  return Schema(0, {{1, "a", false, type("long")},
                    {2, "b", false, type("string")},
                    {5, "f", false, type("float")},
                    {3, "S", false, Type::Struct({{4, "x", false, type("int")}})}});
}

Result<RestFilter> Read(const std::string& text, NameCase names = NameCase::kSensitive) {
  auto json = Json::Parse(text);
  if (!json.ok()) return json.status();
  return ReadRestFilter(JsonCursor(*json), MakeSchema(), names);
}

TEST(RestFilter, ReadsBothForms) {
  struct Case {
    const char* text;
    const char* meaning;
  };
  for (
      const Case& c : {
          Case{"true", "true"},
          Case{R"({"type":"literal","value":false})", "false"},
          Case{R"({"type":"eq","term":"b","value":"a"})", "b = \"a\""},
          Case{R"({"type":"eq","term":{"type":"reference","term":"b"},"value":"a"})", "b = \"a\""},
          Case{R"({"type":"lt","term":"a","value":{"type":"literal","value":7}})", "a < 7"},
          Case{R"({"type":"in","term":"a","values":[1,2]})", "a in (1, 2)"},
          Case{R"({"type":"is-null","term":"S.x"})", "S.x is null"},
          // In the newer form a bare string is a literal, and columns may stand on either side.
          Case{R"({"type":"eq","left":{"type":"reference","name":"b"},"right":"a"})", "b = \"a\""},
          Case{R"({"type":"eq","left":"a","right":{"type":"reference","name":"b"}})", "b = \"a\""},
          Case{
              R"({"type":"lt","left":{"type":"literal","value":7,"data-type":"long"},"right":{"type":"reference","id":1}})",
              "a > 7"},
          Case{R"({"type":"gt-eq","left":7,"right":{"type":"reference","name":"a"}})", "a <= 7"},
          Case{R"({"type":"not-nan","child":{"type":"reference","id":4}})", "S.x is not nan"},
          Case{
              R"({"type":"not-in","child":{"type":"reference","name":"a"},"values":{"type":"literals","values":[1,2],"data-type":"long"}})",
              "a not in (1, 2)"},
          Case{
              R"({"type":"or","left":{"type":"not","child":{"type":"eq","term":"a","value":1}},"right":{"type":"starts-with","left":{"type":"reference","name":"b"},"right":"x"}})",
              "(not a = 1 or b starts with \"x\")"},
      }) {
    auto read = Read(c.text);
    ASSERT_TRUE(read.ok()) << c.text << ": " << read.status().ToString();
    EXPECT_EQ(read->known->ToString(), c.meaning) << c.text;
    EXPECT_TRUE(read->opaque.empty()) << c.text;
  }
}

TEST(RestFilter, KeepsWhatItCannotEvaluate) {
  const std::string bucket =
      R"({"type":"eq","term":{"type":"transform","transform":"bucket[8]","term":"a"},"value":3})";
  const std::string columns =
      R"({"type":"lt","left":{"type":"reference","name":"a"},"right":{"type":"reference","id":4}})";
  const std::string known = R"({"type":"eq","term":"a","value":1})";
  auto read = Read(R"({"type":"and","left":{"type":"and","left":)" + bucket + R"(,"right":)" +
                   known + R"(},"right":)" + columns + "}");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->known->ToString(), "a = 1");
  ASSERT_EQ(read->opaque.size(), 2u);
  EXPECT_EQ(read->opaque[0].ToString(), bucket);
  EXPECT_EQ(read->opaque[1].ToString(), columns);

  // One side of "or" or below "not" takes the whole with it.
  for (const std::string& whole :
       {R"({"type":"or","left":)" + bucket + R"(,"right":)" + known + "}",
        R"({"type":"or","left":)" + known + R"(,"right":)" + bucket + "}",
        R"({"type":"not","child":)" + bucket + "}",
        std::string(
            R"({"type":"is-null","child":{"type":"apply","function":"f","arguments":[1]}})")}) {
    auto one = Read(whole);
    ASSERT_TRUE(one.ok()) << one.status().ToString();
    EXPECT_EQ(one->known->ToString(), "true");
    ASSERT_EQ(one->opaque.size(), 1u);
    EXPECT_EQ(one->opaque[0].ToString(), whole);
  }
}

TEST(RestFilter, NamesWhatIsWrong) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"3", "object"},
           Case{R"({"type":"like","term":"a","value":1})", "unknown expression type: like"},
           Case{R"({"type":"eq","term":"nope","value":1})", "no such column in the filter: nope"},
           Case{R"({"type":"eq","term":"A","value":1})", "no such column in the filter: A"},
           Case{R"({"type":"eq","left":{"type":"reference","id":9},"right":1})", "column"},
           Case{R"({"type":"eq","term":"a"})", "value"},
           Case{R"({"type":"in","term":"a","values":7})", "array"},
           Case{R"({"type":"and","left":true})", "right"},
           Case{R"({"type":"or","left":{"type":"is-null","child":3},"right":{"type":"x"}})",
                "unknown expression type: x"},
       }) {
    auto read = Read(c.text);
    EXPECT_EQ(read.status().code(), Code::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.message)) << c.text;
  }
  EXPECT_TRUE(Read(R"({"type":"eq","term":"A","value":1})", NameCase::kInsensitive).ok());
}

TEST(RestFilter, WritesResidualsInTheOldForm) {
  Schema schema = MakeSchema();
  auto bound = Bind(Expression::Predicate(Expression::Op::kLess, "a", {Json(7)}), schema).value();
  auto finite = Bind(Expression::Predicate(Expression::Op::kLess, "f", {Json(1e300)}), schema);
  EXPECT_EQ(RestFilterToJson(finite.value(), {}, schema),
            R"({"type":"lt-eq","term":"f","value":3.4028234663852886e+38})");
  std::vector<Json> opaque = {Json::Parse(R"({"x":1})").value()};
  EXPECT_EQ(RestFilterToJson(bound, {}, schema), R"({"type":"lt","term":"a","value":7})");
  EXPECT_EQ(RestFilterToJson(Expression::True(), {}, schema), "true");
  EXPECT_EQ(RestFilterToJson(Expression::False(), opaque, schema), "false");
  EXPECT_EQ(RestFilterToJson(Expression::True(), opaque, schema), R"({"x":1})");
  EXPECT_EQ(RestFilterToJson(bound, opaque, schema),
            R"({"type":"and","left":{"type":"lt","term":"a","value":7},"right":{"x":1}})");
}

}  // namespace
}  // namespace moraine::iceberg
