#include "moraine/iceberg/expression/projection.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {
namespace {

Schema TestSchema() {
  auto type = [](const char* text) { return *Type::FromString(text); };
  return Schema(0, {
                       {1, "i", false, type("int")},
                       {2, "l", false, type("long")},
                       {3, "s", false, type("string")},
                       {4, "d", false, type("date")},
                       {5, "ts", false, type("timestamp")},
                       {6, "dec", false, type("decimal(9, 2)")},
                       {7, "f", false, type("double")},
                       {8, "b", false, type("binary")},
                   });
}

PartitionSpec SpecOn(int32_t source, const std::string& transform) {
  PartitionSpec spec;
  spec.spec_id = 1;
  spec.fields.push_back({{source}, 1000, "p", *Transform::FromString(transform)});
  return spec;
}

struct Case {
  int32_t source;
  const char* transform;
  const char*
      filter;  // as the console takes it; Java's forms without null guards are in prefix and json
  const char* inclusive;
  const char* strict;
};

class Projection : public testing::TestWithParam<Case> {};

TEST_P(Projection, FollowsTheTable) {
  const Case& c = GetParam();
  Schema schema = TestSchema();
  PartitionSpec spec = SpecOn(c.source, c.transform);
  auto json = Json::Parse(c.filter);
  ASSERT_TRUE(json.ok()) << c.filter;
  auto parsed = ExpressionFromJson(JsonCursor(*json));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  auto bound = Bind(*parsed, schema);
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  EXPECT_EQ(ProjectInclusive(*bound, spec, schema)->ToString(), c.inclusive)
      << c.transform << " " << c.filter;
  EXPECT_EQ(ProjectStrict(*bound, spec, schema)->ToString(), c.strict)
      << c.transform << " " << c.filter;
}

#define P(op, column, value) "{\"type\":\"" op "\",\"term\":\"" column "\",\"value\":" value "}"
#define SET(op, column, values) \
  "{\"type\":\"" op "\",\"term\":\"" column "\",\"values\":[" values "]}"
#define IS(op, column) "{\"type\":\"" op "\",\"term\":\"" column "\"}"

INSTANTIATE_TEST_SUITE_P(
    Identity, Projection,
    testing::Values(Case{1, "identity", P("lt", "i", "5"), "#1000 < 5", "#1000 < 5"},
                    Case{1, "identity", P("not-eq", "i", "5"), "#1000 != 5", "#1000 != 5"},
                    Case{1, "identity", SET("in", "i", "5,3"), "#1000 in (3, 5)",
                         "#1000 in (3, 5)"},
                    Case{3, "identity", P("starts-with", "s", "\"ab\""), "#1000 starts with ab",
                         "#1000 starts with ab"},
                    Case{1, "identity", IS("is-null", "i"), "#1000 is null", "#1000 is null"},
                    Case{7, "identity", IS("is-nan", "f"), "#1000 is nan", "#1000 is nan"},
                    Case{1, "identity", P("lt", "l", "5"), "true", "false"},
                    Case{1, "void", P("lt", "i", "5"), "true", "false"},
                    Case{1, "future[3]", P("lt", "i", "5"), "true", "false"}));

INSTANTIATE_TEST_SUITE_P(
    Truncate, Projection,
    testing::Values(
        Case{1, "truncate[10]", P("lt", "i", "20"), "#1000 <= 10", "#1000 < 20"},
        Case{1, "truncate[10]", P("lt-eq", "i", "20"), "#1000 <= 20", "#1000 < 20"},
        Case{1, "truncate[10]", P("lt-eq", "i", "19"), "#1000 <= 10", "#1000 < 20"},
        Case{1, "truncate[10]", P("gt", "i", "19"), "#1000 >= 20", "#1000 > 10"},
        Case{1, "truncate[10]", P("gt-eq", "i", "20"), "#1000 >= 20", "#1000 > 10"},
        Case{1, "truncate[10]", P("eq", "i", "-1"), "#1000 = -10", "false"},
        Case{1, "truncate[10]", P("not-eq", "i", "-1"), "true", "#1000 != -10"},
        Case{1, "truncate[10]", SET("in", "i", "1,2,11"), "#1000 in (0, 10)", "false"},
        Case{1, "truncate[10]", SET("not-in", "i", "1,2"), "true", "#1000 != 0"},
        Case{1, "truncate[10]", P("lt", "i", "-2147483648"), "true", "#1000 < 2147483646"},
        Case{6, "truncate[50]", P("lt", "dec", "\"10.65\""), "#1000 <= 10.50", "#1000 < 10.50"},
        Case{6, "truncate[50]", P("gt", "dec", "\"10.99\""), "#1000 >= 11.00", "#1000 > 10.50"},
        Case{3, "truncate[3]", P("lt", "s", "\"iceberg\""), "#1000 <= ice", "#1000 < ice"},
        Case{3, "truncate[3]", P("gt-eq", "s", "\"iceberg\""), "#1000 >= ice", "#1000 > ice"},
        Case{3, "truncate[3]", P("eq", "s", "\"iceberg\""), "#1000 = ice", "false"},
        Case{3, "truncate[3]", P("starts-with", "s", "\"ic\""), "#1000 starts with ic",
             "#1000 starts with ic"},
        Case{3, "truncate[3]", P("starts-with", "s", "\"ice\""), "#1000 = ice", "#1000 = ice"},
        Case{3, "truncate[3]", P("starts-with", "s", "\"icebe\""), "#1000 = ice", "false"},
        Case{3, "truncate[3]", P("not-starts-with", "s", "\"ic\""), "#1000 not starts with ic",
             "#1000 not starts with ic"},
        Case{3, "truncate[3]", P("not-starts-with", "s", "\"ice\""), "#1000 != ice",
             "#1000 != ice"},
        Case{3, "truncate[3]", P("not-starts-with", "s", "\"icebe\""), "true", "#1000 != ice"},
        Case{3, "truncate[2]", P("starts-with", "s", "\"\xC3\xA9\xE2\x82\xAC\""),
             "#1000 = \xC3\xA9\xE2\x82\xAC", "#1000 = \xC3\xA9\xE2\x82\xAC"}));

INSTANTIATE_TEST_SUITE_P(
    Time, Projection,
    testing::Values(
        Case{4, "day", P("lt", "d", "\"2017-11-16\""), "#1000 <= 2017-11-15", "#1000 < 2017-11-16"},
        Case{4, "year", P("lt", "d", "\"2018-01-01\""), "#1000 <= 47", "#1000 < 48"},
        Case{4, "month", P("gt", "d", "\"2017-11-30\""), "#1000 >= 575", "#1000 > 574"},
        Case{5, "day", P("eq", "ts", "\"2017-11-16T22:31:08\""), "#1000 = 2017-11-16", "false"},
        Case{5, "hour", P("lt-eq", "ts", "\"1970-01-01T00:59:59.999999\""), "#1000 <= 0",
             "#1000 < 1"},
        Case{5, "hour", IS("not-null", "ts"), "#1000 is not null", "#1000 is not null"},
        // Old writers' negative results are one too large.
        Case{4, "month", P("lt-eq", "d", "\"1969-11-15\""), "#1000 <= -1", "#1000 < -2"},
        Case{4, "year", P("eq", "d", "\"1969-06-01\""), "#1000 in (-1, 0)", "false"},
        Case{4, "year", P("not-eq", "d", "\"1969-06-01\""), "true", "#1000 not in (-1, 0)"},
        Case{4, "year", P("gt", "d", "\"1969-12-31\""), "#1000 >= 0", "#1000 > 0"},
        Case{4, "day", P("eq", "d", "\"1969-12-31\""), "#1000 = 1969-12-31", "false"},
        Case{5, "day", P("eq", "ts", "\"1969-12-31T00:00:00\""),
             "#1000 in (1969-12-31, 1970-01-01)", "false"}));

INSTANTIATE_TEST_SUITE_P(
    Bucket, Projection,
    testing::Values(Case{2, "bucket[16]", P("eq", "l", "34"), "#1000 = 3", "false"},
                    Case{3, "bucket[16]", P("not-eq", "s", "\"iceberg\""), "true", "#1000 != 9"},
                    Case{2, "bucket[16]", SET("in", "l", "34,-1"), "#1000 in (3, 8)", "false"},
                    Case{2, "bucket[16]", P("lt", "l", "34"), "true", "false"},
                    Case{3, "bucket[16]", P("starts-with", "s", "\"ice\""), "true", "false"},
                    Case{2, "bucket[16]", IS("is-null", "l"), "#1000 is null", "#1000 is null"}));

TEST(ProjectionOfTrees, JoinsFieldsOfOneSource) {
  Schema schema = TestSchema();
  PartitionSpec spec = SpecOn(2, "bucket[16]");
  spec.fields.push_back({{2}, 1001, "q", *Transform::FromString("truncate[100]")});
  auto bound = Bind(Expression::Predicate(Expression::Op::kEqual, "l", {Json(34)}), schema);
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ(ProjectInclusive(*bound, spec, schema)->ToString(), "(#1000 = 3 and #1001 = 0)");
  auto unequal = Bind(Expression::Predicate(Expression::Op::kNotEqual, "l", {Json(34)}), schema);
  EXPECT_EQ(ProjectStrict(*unequal, spec, schema)->ToString(), "(#1000 != 3 or #1001 != 0)");
}

TEST(Residual, KeepsWhatThePartitionDoesNotDecide) {
  Schema schema = TestSchema();
  PartitionSpec spec = SpecOn(4, "month");
  auto filter = ParseFilter("d >= date '2017-11-16' and d < date '2018-03-01' and i = 7");
  ASSERT_TRUE(filter.ok()) << filter.status().ToString();
  auto bound = Bind(*filter, schema);
  ASSERT_TRUE(bound.ok());
  auto residual = [&](int32_t month) {
    return ResidualFor(*bound, spec, schema, {Value(month)})->ToString();
  };
  EXPECT_EQ(residual(573), "false");
  EXPECT_EQ(residual(574), "(#4 >= 2017-11-16 and #1 = 7)");
  EXPECT_EQ(residual(575), "#1 = 7");
  EXPECT_EQ(residual(577), "#1 = 7");
  EXPECT_EQ(residual(578), "false");
}

TEST(Residual, HandlesNulls) {
  Schema schema = TestSchema();
  PartitionSpec spec = SpecOn(1, "identity");
  auto residual = [&](const char* text, Value value) {
    auto bound = Bind(*ParseFilter(text), schema);
    return ResidualFor(*bound, spec, schema, {std::move(value)})->ToString();
  };
  EXPECT_EQ(residual("i != 5", Value()), "false");
  EXPECT_EQ(residual("not (i = 5)", Value()), "false");
  EXPECT_EQ(residual("i is null", Value()), "true");
  EXPECT_EQ(residual("i != 5", Value(int32_t{4})), "true");
  EXPECT_EQ(residual("i < 5", Value()), "false");
}

}  // namespace
}  // namespace moraine::iceberg
