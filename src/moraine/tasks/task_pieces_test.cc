#include "moraine/tasks/task_pieces.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace moraine::tasks {
namespace {

constexpr std::array<std::string_view, 2> kKeys = {"a", "b"};

// What the pieces hold, put together again.
Result<std::string> Whole(std::string_view text, size_t piece_bytes) {
  const std::optional<TaskPieces> cut = CutArrays(text, kKeys, piece_bytes);
  if (!cut) {
    MORAINE_ASSIGN(const Json json, Json::Parse(text));
    return json.ToString();
  }
  MORAINE_ASSIGN(Json whole, Json::Parse(cut->rest));
  for (const auto& [key, array] : cut->arrays) {
    Json* elements = whole.Find(key);
    EXPECT_NE(elements, nullptr);
    EXPECT_TRUE(elements->as_array().empty());
    for (std::string_view piece : array.pieces) {
      MORAINE_ASSIGN(Json some, ParsePiece(piece));
      for (Json& element : some.as_array()) elements->Push(std::move(element));
    }
    EXPECT_LE(elements->as_array().size(), array.elements);
  }
  return whole.ToString();
}

TEST(TaskPieces, AreTheWholeDocument) {
  const std::array<std::string_view, 12> texts = {
      R"({"a":[1,2,3,4,5,6,7,8,9],"c":[1],"b":[{"x":[1,{"y":"]}"}]},"\"],[",null,[[]]]})",
      R"( { "a" : [ 1 , 2 , 3 ] , "b" : [ ] , "d" : { "a" : [ 1 , 2 , 3 , 4 ] } } )",
      R"({"c":"a","a":"[1,2,3,4,5]","b":["\\",",","\\\"",",,,,,,,,"]})",
      R"({"a":{"a":[1,2,3]},"\u0062":[1,2,3,4,5]})",
      "{}",
      "[1,2,3]",
      R"({"b":[11111111111111111111]})",
      "\"a\"",
      R"({"a":[1,2,3,4,5],"b":[6,7,8,9,10]})",
      R"({"a":[[1,2,3],[4,5,6]],"b":true})",
      R"({"a":[{"b":[1,2,3,4]},{"b":[5]}]})",
      R"({"x":-1.5e3,"a":[true,false,null,""]})",
  };
  for (std::string_view text : texts) {
    for (const size_t piece_bytes : {1, 2, 5, 9, 1000}) {
      const Result<std::string> whole = Whole(text, piece_bytes);
      ASSERT_TRUE(whole.ok()) << text << ": " << whole.status().ToString();
      EXPECT_EQ(*whole, Json::Parse(text)->ToString()) << text;
    }
  }
}

TEST(TaskPieces, TakeNothingThatIsNoDocument) {
  const std::string good = R"({"a":[1,{"x":"y"},3,4],"c":2,"b":["q\"",[5,6],7]})";
  for (size_t at = 0; at < good.size(); ++at) {
    EXPECT_FALSE(Whole(good.substr(0, at), 3).ok()) << good.substr(0, at);
    for (const char c : std::string_view("]}[{,:\"\\")) {
      const std::string bad = good.substr(0, at) + c + good.substr(at);
      EXPECT_EQ(Whole(bad, 3).ok(), Json::Parse(bad).ok()) << bad;
    }
    const std::string less = good.substr(0, at) + good.substr(at + 1);
    EXPECT_EQ(Whole(less, 3).ok(), Json::Parse(less).ok()) << less;
  }
  EXPECT_FALSE(Whole(R"({"a":[1,2,3],"a":[4,5,6]})", 2).ok());
  EXPECT_FALSE(Whole(R"({"a":[1,2,3,]})", 2).ok());
  EXPECT_FALSE(Whole(R"({"a":[,1,2,3]})", 2).ok());
  EXPECT_FALSE(Whole(R"({"a":[1,2,3]} 4)", 2).ok());
}

}  // namespace
}  // namespace moraine::tasks
