#include <string>

#include <gtest/gtest.h>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {
namespace {

struct Case {
  const char* text;
  const char* parsed;  // or "column N" of the error
};
class Filter : public testing::TestWithParam<Case> {};

TEST_P(Filter, Parses) {
  auto parsed = ParseFilter(GetParam().text);
  std::string expected = GetParam().parsed;
  if (expected.starts_with("column ")) {
    ASSERT_FALSE(parsed.ok()) << (*parsed)->ToString();
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find(expected + ":"), std::string::npos)
        << parsed.status().ToString();
  } else {
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    EXPECT_EQ((*parsed)->ToString(), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Filter,
    testing::Values(Case{"a = 1", "a = 1"}, Case{"A=-1.5e3", "A = -1.5e3"}, Case{"1 < a", "a > 1"},
                    Case{"a = 1 and b = 2 or c = 3", "((a = 1 and b = 2) or c = 3)"},
                    Case{"a = 1 and (b = 2 or c = 3)", "(a = 1 and (b = 2 or c = 3))"},
                    Case{"a in ('x', 'it''s')", "a in (\"x\", \"it's\")"},
                    Case{"a not in (1)", "(a is not null and not a in (1))"},
                    Case{"a <> 1", "(a is not null and a != 1)"}, Case{"not a != 1", "not a != 1"},
                    Case{"not not a = 1", "a = 1"}, Case{"a is null", "a is null"},
                    Case{"not a is null", "a is not null"}, Case{"a is not nan", "a is not nan"},
                    Case{"a between 1 and 3 and b = 1", "((a >= 1 and a <= 3) and b = 1)"},
                    Case{"a like 'p%'", "a starts with \"p\""}, Case{"a like 'p'", "a = \"p\""},
                    Case{"a not like 'p%'", "(a is not null and not a starts with \"p\")"},
                    Case{"`we ird`.\"x\".y = 1", "we ird.x.y = 1"},
                    Case{"d = DATE '2024-01-02'", "d = \"2024-01-02\""},
                    Case{"date = 1", "date = 1"}, Case{"a = true", "a = true"},
                    Case{"true", "true"}, Case{"not true", "false"}, Case{"", "column 1"},
                    Case{"a", "column 2"}, Case{"a = ", "column 5"}, Case{"a = 1 b", "column 7"},
                    Case{"a = 'x", "column 5"}, Case{"(a = 1", "column 7"},
                    Case{"a like '%p'", "column 8"}, Case{"a like 'p_%'", "column 8"},
                    Case{"a = 1 and", "column 10"}, Case{"a ; b", "column 3"},
                    Case{"a in ()", "column 7"}, Case{"a = 1.2.3", "column 5"}));

TEST(Filter, RefusesTooDeepAndTooLong) {
  EXPECT_FALSE(ParseFilter(std::string(200, '(') + "a = 1" + std::string(200, ')')).ok());
  EXPECT_FALSE(ParseFilter("a = '" + std::string(70000, 'x') + "'").ok());
  EXPECT_FALSE(ParseFilter("a = '\xFF'").ok());
}

}  // namespace
}  // namespace moraine::iceberg
