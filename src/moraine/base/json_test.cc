#include "moraine/base/json.h"

#include <gtest/gtest.h>

namespace moraine {
namespace {

TEST(Json, KeepsNumbersAsTheyAreWritten) {
  std::string text =
      R"({"a":1.10,"b":-0,"c":1e2,"d":9223372036854775807,"e":18446744073709551615,"z":null,"y":[true,false,"\u00e4\n"]})";
  auto json = Json::Parse(text);
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  EXPECT_EQ(
      json->ToString(),
      R"({"a":1.10,"b":-0,"c":1e2,"d":9223372036854775807,"e":18446744073709551615,"z":null,"y":[true,false,"ä\n"]})");
}

TEST(Json, ReadsScalars) {
  EXPECT_EQ(Json::Parse("42")->int64(), 42);
  EXPECT_EQ(Json::Parse(" \"x\" ")->as_string(), "x");
  EXPECT_TRUE(Json::Parse("null")->is_null());
  EXPECT_TRUE(Json::Parse("true")->as_bool());
}

class JsonRefuses : public testing::TestWithParam<const char*> {};
TEST_P(JsonRefuses, BadText) {
  auto json = Json::Parse(GetParam());
  EXPECT_EQ(json.status().code(), Code::kInvalidArgument) << GetParam();
  std::string message(json.status().message());
  EXPECT_TRUE(message.starts_with("invalid JSON: ")) << message;
  EXPECT_EQ(message.find("_ERROR"), message.npos) << message;
  EXPECT_EQ(message.find("fatal"), message.npos) << message;
}
INSTANTIATE_TEST_SUITE_P(All, JsonRefuses,
                         testing::Values("", " ", "{", "}", "[1,]", "{\"a\":1,}",
                                         "{\"a\":1,\"a\":2}", "01", "1.", "+1", "NaN", "nul",
                                         "[nul]", "{\"a\":nu l}", "[nullx]", "tru", "truex",
                                         "\"\\x\"", "\"\xff\"", "[1 2]", "{\"a\" 1}", "1 2", "[1]]",
                                         "{} {}", "{a:1}", "[1e999]", "[\"\x01\"]", "'a'", "[-]",
                                         "[01]", "[1.e1]"));

TEST(Json, RefusesDeepNesting) {
  EXPECT_TRUE(Json::Parse(std::string(50, '[') + std::string(50, ']')).ok());
  EXPECT_FALSE(Json::Parse(std::string(5000, '[') + std::string(5000, ']')).ok());
}

TEST(JsonCursor, NamesThePathOfAnError) {
  Json json = *Json::Parse(R"({"schemas":[{"fields":[{"id":1},{"id":"x"}]}]})");
  JsonCursor root(json);
  auto schemas = root.Get("schemas");
  auto schema = schemas->At(0);
  auto fields = schema.Get("fields");
  auto field = fields->At(1);
  EXPECT_EQ(field.Int32("id").status().message(),
            "schemas[0].fields[1].id: expected an integer, got a string");
  EXPECT_EQ(field.String("name").status().message(),
            "schemas[0].fields[1]: missing required field: name");
}

TEST(JsonCursor, RefusesWhatDoesNotFit) {
  Json json = *Json::Parse(R"({"a":3000000000,"b":1.5,"c":9999999999999999999})");
  JsonCursor root(json);
  EXPECT_FALSE(root.Int32("a").ok());
  EXPECT_EQ(*root.Int64("a"), 3000000000);
  EXPECT_FALSE(root.Int64("b").ok());
  EXPECT_FALSE(root.Int64("c").ok());
}

TEST(JsonWriter, PutsCommas) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject()
      .Field("a", 1)
      .Key("b")
      .BeginArray()
      .Int(1)
      .String("x\"")
      .BeginObject()
      .EndObject()
      .EndArray()
      .Field("c", true)
      .EndObject();
  EXPECT_EQ(out, R"({"a":1,"b":[1,"x\"",{}],"c":true})");
}

TEST(Json, DoublesReadBackEqual) {
  for (double value : {0.1, 1e300, -2.5e-10, 3.0, 1.7976931348623157e308}) {
    EXPECT_EQ(Json::Parse(Json(value).ToString())->number(), value);
  }
}

}  // namespace
}  // namespace moraine
