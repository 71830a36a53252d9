#include <string>

#include <gtest/gtest.h>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {
namespace {

Schema TestSchema() {
  auto type = [](const char* text) { return *Type::FromString(text); };
  TypePtr optional_struct = Type::Struct({{11, "x", true, type("int")}});
  TypePtr list = Type::List({13, "element", false, type("int")});
  return Schema(0, {
                       {1, "req", true, type("int")},
                       {2, "l", false, type("long")},
                       {3, "s", false, type("string")},
                       {4, "d", false, type("date")},
                       {5, "ts", false, type("timestamp")},
                       {6, "tz", false, type("timestamptz")},
                       {7, "dec", false, type("decimal(9, 2)")},
                       {8, "f", false, type("float")},
                       {9, "bool", false, type("boolean")},
                       {10, "st", false, optional_struct},
                       {12, "list", false, list},
                       {14, "u", false, type("uuid")},
                       {15, "i", false, type("int")},
                       {16, "ns", false, type("timestamptz_ns")},
                   });
}

struct Case {
  const char* filter;
  const char* bound;  // or the code's name of the error
};
class Binding : public testing::TestWithParam<Case> {};

TEST_P(Binding, TypesAndFolds) {
  const Case& c = GetParam();
  auto parsed = ParseFilter(c.filter);
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  auto bound = Bind(*parsed, TestSchema());
  std::string outcome =
      bound.ok() ? (*bound)->ToString() : std::string(CodeName(bound.status().code()));
  EXPECT_EQ(outcome, c.bound) << c.filter << " " << bound.status().ToString();
}

INSTANTIATE_TEST_SUITE_P(
    All, Binding,
    testing::Values(
        Case{"req = 5", "#1 = 5"}, Case{"REQ = 5", "#1 = 5"}, Case{"req is null", "false"},
        Case{"req is not null", "true"}, Case{"l is null", "#2 is null"},
        Case{"nope = 1", "InvalidArgument"}, Case{"i > 3000000000", "false"},
        Case{"i < 3000000000", "#15 is not null"}, Case{"req < 3000000000", "true"},
        Case{"i >= -3000000000", "#15 is not null"}, Case{"i = 3000000000", "false"},
        Case{"i in (1, 3000000000)", "#15 = 1"}, Case{"l = 3000000000", "#2 = 3000000000"},
        Case{"l = 1e30", "false"}, Case{"l = 1.5", "InvalidArgument"}, Case{"l = 2.0", "#2 = 2"},
        Case{"i = 'x'", "InvalidArgument"}, Case{"s = 5", "InvalidArgument"},
        Case{"s like 'ab%'", "#3 starts with ab"}, Case{"l like 'ab%'", "InvalidArgument"},
        Case{"dec = 12.5", "#7 = 12.50"}, Case{"dec = '12.50'", "#7 = 12.50"},
        Case{"dec = 12.505", "InvalidArgument"}, Case{"dec < 123456789.00", "#7 is not null"},
        Case{"dec = -0.05", "#7 = -0.05"}, Case{"dec > 1e3", "#7 > 1000.00"},
        Case{"d = date '2024-05-01'", "#4 = 2024-05-01"},
        Case{"d = '2024-13-01'", "InvalidArgument"},
        Case{"ts = '2024-05-01'", "#5 = 2024-05-01T00:00"},
        Case{"ts = timestamp '2024-05-01 10:00'", "#5 = 2024-05-01T10:00"},
        Case{"ts = '2024-05-01T10:00:00Z'", "InvalidArgument"},
        Case{"tz = '2024-05-01T10:00:00+02:00'", "#6 = 2024-05-01T08:00Z"},
        Case{"tz = '2024-05-01 10:00:00.25'", "#6 = 2024-05-01T10:00:00.250Z"},
        Case{"f < 1e39", "#8 < Infinity"}, Case{"f = 1e39", "false"}, Case{"f is nan", "#8 is nan"},
        Case{"l is nan", "InvalidArgument"}, Case{"bool = true", "#9 = true"},
        Case{"st.x = 1", "#11 = 1"}, Case{"st.x is null", "#11 is null"},
        Case{"st is null", "#10 is null"}, Case{"st = 1", "InvalidArgument"},
        Case{"list.element = 1", "InvalidArgument"}, Case{"l in (3, 1, 3)", "#2 in (1, 3)"},
        Case{"not (l < 5 or i = 1)", "(#2 >= 5 and (#15 is not null and #15 != 1))"},
        Case{"not (l between 1 and 3)", "(#2 < 1 or #2 > 3)"}, Case{"true and l = 1", "#2 = 1"},
        Case{"l = 1 or true", "true"},
        Case{"u = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'",
             "#14 = f79c3e09-677c-4bbd-a479-3f349cb785e7"}));

TEST(Binding, PushesNotDownWithoutGuards) {
  auto both = Expression::And(Expression::Predicate(Expression::Op::kEqual, "l", {Json(1)}),
                              Expression::Predicate(Expression::Op::kIsNull, "s"));
  auto bound = Bind(Expression::Not(both), TestSchema());
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ((*bound)->ToString(), "(#2 != 1 or #3 is not null)");
}

}  // namespace
}  // namespace moraine::iceberg
