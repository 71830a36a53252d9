#include "moraine/cli/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::cli {
namespace {

using testing::HasSubstr;

TEST(Names, TheLastDotPartsTheTable) {
  struct Case {
    const char* text;
    TableRef table;
  };
  const Case cases[] = {
      {"db.t", {{"db"}, "t"}},
      {"a.b.t", {{"a", "b"}, "t"}},
      {R"(db."a.b")", {{"db"}, "a.b"}},
      {R"("x.y".t)", {{"x.y"}, "t"}},
      {R"(db."say ""hi""")", {{"db"}, "say \"hi\""}},
      {"db.naïve 表", {{"db"}, "naïve 表"}},
  };
  for (const auto& c : cases) {
    auto table = ParseTableRef(c.text);
    ASSERT_TRUE(table.ok()) << c.text << ": " << table.status().ToString();
    EXPECT_EQ(*table, c.table) << c.text;
    auto again = ParseTableRef(ShowTable(*table));
    ASSERT_TRUE(again.ok()) << ShowTable(*table);
    EXPECT_EQ(*again, c.table) << ShowTable(*table);
  }
}

TEST(Names, RefusesWhatIsNoName) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "a part is empty"},
      {"t", "expected NAMESPACE.TABLE, such as db.t"},
      {"db.", "a part is empty"},
      {".t", "a part is empty"},
      {"a..t", "a part is empty"},
      {R"(db."")", "a part is empty"},
      {R"(db."t)", "the quote is not closed"},
      {R"(db."t"x)", "expected a dot behind the closing quote"},
      {R"(db.a"b)", "a quote inside a part"},
  };
  for (const auto& c : cases) {
    auto table = ParseTableRef(c.text);
    ASSERT_FALSE(table.ok()) << c.text;
    EXPECT_EQ(table.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(std::string(table.status().message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(Names, QuotesOnlyWhereNeeded) {
  EXPECT_EQ(ShowTable({{"db"}, "t"}), "db.t");
  EXPECT_EQ(ShowTable({{"a", "b.c"}, "t"}), R"(a."b.c".t)");
  EXPECT_EQ(ShowLevels({"a", "b"}), "a.b");
  EXPECT_EQ(ShowLevels({}), "");
}

}  // namespace
}  // namespace moraine::cli
