#include "moraine/store/placeholders.h"

#include <gtest/gtest.h>

namespace moraine::store {
namespace {

TEST(Placeholders, AreNumberedOutsideOfQuotesAndComments) {
  struct Case {
    std::string_view sql;
    std::string_view numbered;
    size_t count;
  };
  for (const auto& c : {
           Case{"SELECT 1", "SELECT 1", 0},
           Case{"a = ? AND b IN (?, ?)", "a = $1 AND b IN ($2, $3)", 3},
           Case{"a = '?' AND \"b?\" = ?", "a = '?' AND \"b?\" = $1", 1},
           Case{"a = 'it''s ?' OR a = ?", "a = 'it''s ?' OR a = $1", 1},
           Case{"-- why?\na = ? /* and? */", "-- why?\na = $1 /* and? */", 1},
           Case{"a = 'open ?", "a = 'open ?", 0},
           Case{"?-?", "$1-$2", 2},
           Case{"", "", 0},
       }) {
    size_t count = 99;
    EXPECT_EQ(NumberPlaceholders(c.sql, &count), c.numbered);
    EXPECT_EQ(count, c.count) << c.sql;
  }
}

TEST(Placeholders, QueriesOnlyRead) {
  for (const char* sql : {"SELECT 1", "  select 1", "\nWITH a AS (SELECT 1) SELECT * FROM a"}) {
    EXPECT_TRUE(IsQuery(sql)) << sql;
  }
  for (const char* sql : {"", "INSERT INTO a SELECT 1", "DELETE FROM a", "UPDATE a SET b = 1"}) {
    EXPECT_FALSE(IsQuery(sql)) << sql;
  }
}

}  // namespace
}  // namespace moraine::store
