#include "moraine/store/valid_text.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::store {
namespace {

using namespace std::string_literals;

TEST(ValidText, MendsWhatIsNone) {
  struct Case {
    std::string text;
    std::string mended;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{"plain", "plain"},
           Case{"ä€😀", "ä€😀"},
           Case{"cut \xE2\x82", "cut \uFFFD\uFFFD"},
           Case{"cut \xF0\x9F\x98", "cut \uFFFD\uFFFD\uFFFD"},
           Case{"a\xFFz", "a\uFFFDz"},
           Case{"\xC0\x80", "\uFFFD\uFFFD"},
           Case{"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
           Case{"a\0b"s,
                "a\uFFFD"
                "b"},
       }) {
    EXPECT_EQ(MendText(c.text), c.mended) << c.text;
    EXPECT_EQ(IsValidText(c.text), c.text == c.mended) << c.text;
    EXPECT_TRUE(IsValidText(c.mended));
  }
}

/// No message, whatever was cut out of it, makes a statement fail.
TEST(ValidText, EveryStoreTakesMessagesOfOthers) {
  testing::TestEnv env(1);
  Call call = env.call();
  auto database = MakeTestDatabase(call);
  ASSERT_TRUE(Migrate(call, *database, "m",
                      {{1, "m", "CREATE TABLE m (id {bigint} NOT NULL, text {text} NOT NULL);\n"}})
                  .ok());
  Status written = database->Run(call, Access::kWrite, [](Transaction& t) {
    return t.Execute("INSERT INTO m (id, text) VALUES (?, ?)", {int64_t{1}, "cut \xE2\x82"s})
        .status();
  });
  EXPECT_TRUE(written.ok()) << written.ToString();
  auto rows = RunFor(call, *database, Access::kRead,
                     [](Transaction& t) { return t.Query("SELECT text FROM m", {}); });
  ASSERT_TRUE(rows.ok());
  EXPECT_TRUE(rows->at(0).Text(0)->starts_with("cut "));
}

}  // namespace
}  // namespace moraine::store
