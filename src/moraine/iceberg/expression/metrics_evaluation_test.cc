#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {
namespace {

TypePtr Of(const char* text) { return *Type::FromString(text); }

/// Columns: i 30..79 without nulls; some: a few nulls; none: all null; s "aaa".."bzz"; f with NaN;
/// nan: all NaN; bare: nothing known; one: 5..5; st.x nested 1..1; t: a bound as long as truncation
/// makes it.
Schema TestSchema() {
  return Schema(0, {{1, "i", false, Of("int")},
                    {2, "some", false, Of("int")},
                    {3, "none", false, Of("string")},
                    {4, "s", false, Of("string")},
                    {5, "f", false, Of("double")},
                    {6, "nan", false, Of("double")},
                    {7, "bare", false, Of("int")},
                    {8, "one", false, Of("int")},
                    {9, "st", false, Type::Struct({{10, "x", false, Of("int")}})},
                    {11, "t", false, Of("string")},
                    {12, "g", false, Of("double")}});
}

DataFile TestFile() {
  DataFile file;
  file.record_count = 50;
  for (int32_t id : {1, 2, 3, 4, 5, 6, 8, 10, 11, 12}) file.value_counts.emplace_back(id, 50);
  file.null_value_counts = {{1, 0}, {2, 10}, {3, 50}, {4, 0},  {5, 0},
                            {6, 0}, {8, 0},  {10, 0}, {11, 0}, {12, 0}};
  file.nan_value_counts = {{5, 10}, {6, 50}, {12, 0}};
  auto bound = [&](int32_t id, const char* type, Value lower, Value upper) {
    file.lower_bounds.emplace_back(id, ValueToBytes(*Of(type), lower));
    file.upper_bounds.emplace_back(id, ValueToBytes(*Of(type), upper));
  };
  bound(1, "int", 30, 79);
  bound(2, "int", 30, 79);
  bound(4, "string", std::string("aaa"), std::string("bzz"));
  bound(5, "double", 1.0, 2.0);
  bound(8, "int", 5, 5);
  bound(10, "int", 1, 1);
  bound(11, "string", std::string("abcdefghijklmnop"), std::string("abcdefghijklmnop"));
  bound(12, "double", -0.0, 0.0);
  return file;
}

struct Case {
  const char* filter;
  bool may;
  bool must;
};
class Metrics : public testing::TestWithParam<Case> {};

TEST_P(Metrics, SayWhetherRowsMayAndMustMatch) {
  const Case& c = GetParam();
  Schema schema = TestSchema();
  auto json = Json::Parse(c.filter);
  ASSERT_TRUE(json.ok()) << c.filter;
  auto bound = Bind(*ExpressionFromJson(JsonCursor(*json)), schema);
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  EXPECT_EQ(MetricsMayMatch(*bound, TestFile()), c.may) << c.filter;
  EXPECT_EQ(MetricsMustMatch(*bound, schema, TestFile()), c.must) << c.filter;
}

#define P(op, column, value) "{\"type\":\"" op "\",\"term\":\"" column "\",\"value\":" value "}"
#define SET(op, column, values) \
  "{\"type\":\"" op "\",\"term\":\"" column "\",\"values\":[" values "]}"
#define IS(op, column) "{\"type\":\"" op "\",\"term\":\"" column "\"}"

INSTANTIATE_TEST_SUITE_P(
    Nulls, Metrics,
    testing::Values(
        Case{IS("is-null", "i"), false, false}, Case{IS("not-null", "i"), true, true},
        Case{IS("is-null", "some"), true, false}, Case{IS("not-null", "some"), true, false},
        Case{IS("is-null", "none"), true, true}, Case{IS("not-null", "none"), false, false},
        Case{IS("is-null", "bare"), true, false}, Case{IS("not-null", "bare"), true, false},
        Case{IS("is-nan", "f"), true, false}, Case{IS("not-nan", "f"), true, false},
        Case{IS("is-nan", "nan"), true, true}, Case{IS("not-nan", "nan"), false, false},
        Case{IS("is-nan", "g"), false, false}, Case{IS("not-nan", "g"), true, true}));

INSTANTIATE_TEST_SUITE_P(
    Comparisons, Metrics,
    testing::Values(
        Case{P("lt", "i", "30"), false, false}, Case{P("lt", "i", "31"), true, false},
        Case{P("lt", "i", "79"), true, false}, Case{P("lt", "i", "80"), true, true},
        Case{P("lt-eq", "i", "29"), false, false}, Case{P("lt-eq", "i", "30"), true, false},
        Case{P("lt-eq", "i", "79"), true, true}, Case{P("gt", "i", "79"), false, false},
        Case{P("gt", "i", "78"), true, false}, Case{P("gt", "i", "29"), true, true},
        Case{P("gt-eq", "i", "80"), false, false}, Case{P("gt-eq", "i", "79"), true, false},
        Case{P("gt-eq", "i", "30"), true, true}, Case{P("eq", "i", "29"), false, false},
        Case{P("eq", "i", "30"), true, false}, Case{P("eq", "i", "80"), false, false},
        Case{P("eq", "one", "5"), true, true}, Case{P("not-eq", "one", "5"), false, false},
        Case{P("not-eq", "i", "80"), true, true}, Case{P("not-eq", "i", "50"), true, false},
        Case{SET("in", "i", "1,2"), false, false}, Case{SET("in", "i", "1,40"), true, false},
        Case{SET("in", "one", "1,5"), true, true}, Case{SET("not-in", "one", "1,5"), false, false},
        Case{SET("not-in", "i", "1,2"), true, true}, Case{P("lt", "some", "80"), true, false},
        Case{P("lt", "some", "30"), false, false}, Case{P("not-eq", "some", "80"), true, true},
        Case{P("lt", "none", "\"a\""), false, false},
        Case{P("not-eq", "none", "\"a\""), true, true}, Case{P("lt", "f", "0.5"), false, false},
        Case{P("lt", "f", "3"), true, false}, Case{P("lt", "nan", "3"), false, false},
        Case{P("not-eq", "nan", "3"), true, true}, Case{P("eq", "bare", "3"), true, false},
        Case{P("eq", "st.x", "1"), true, false}, Case{P("eq", "st.x", "2"), false, false},
        Case{P("eq", "g", "0.0"), true, true}, Case{P("lt", "g", "-0.0"), false, false},
        Case{P("gt-eq", "g", "0.0"), true, true}));

INSTANTIATE_TEST_SUITE_P(
    Text, Metrics,
    testing::Values(Case{P("starts-with", "s", "\"a\""), true, false},
                    Case{P("starts-with", "s", "\"c\""), false, false},
                    Case{P("starts-with", "s", "\"bzzz\""), false, false},
                    Case{P("starts-with", "s", "\"aa\""), true, false},
                    Case{P("starts-with", "s", "\"Z\""), false, false},
                    Case{P("not-starts-with", "s", "\"c\""), true, true},
                    Case{P("not-starts-with", "s", "\"a\""), true, false},
                    Case{P("starts-with", "t", "\"abc\""), true, true},
                    Case{P("not-starts-with", "t", "\"abc\""), false, false},
                    // Such bounds may have been cut: they do not prove one value.
                    Case{P("eq", "t", "\"abcdefghijklmnop\""), true, false},
                    Case{P("not-eq", "t", "\"abcdefghijklmnop\""), true, false},
                    Case{P("eq", "none", "\"a\""), false, false}));

INSTANTIATE_TEST_SUITE_P(
    Trees, Metrics,
    testing::Values(
        Case{"true", true, true}, Case{"false", false, false},
        Case{"{\"type\":\"and\",\"left\":" P("lt", "i", "80") ",\"right\":" P("lt", "i", "30") "}",
             false, false},
        Case{"{\"type\":\"or\",\"left\":" P("lt", "i", "80") ",\"right\":" P("lt", "i", "30") "}",
             true, true},
        Case{"{\"type\":\"not\",\"child\":" P("lt", "i", "30") "}", true, true}));

TEST(MetricsOfFiles, EmptyFilesMatchNothing) {
  Schema schema = TestSchema();
  auto bound = Bind(*ParseFilter("i = 40"), schema);
  DataFile file = TestFile();
  file.record_count = 0;
  EXPECT_FALSE(MetricsMayMatch(*bound, file));
  EXPECT_TRUE(MetricsMustMatch(*bound, schema, file));
}

TEST(MetricsOfFiles, NaNAndUnreadableBoundsSayNothing) {
  Schema schema = TestSchema();
  DataFile file = TestFile();
  file.lower_bounds[3].second =
      ValueToBytes(*Of("double"), std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(MetricsMayMatch(*Bind(*ParseFilter("f < 0.5"), schema), file));
  file.lower_bounds[0].second = "x";
  EXPECT_TRUE(MetricsMayMatch(*Bind(*ParseFilter("i < 1"), schema), file));
}

TEST(ManifestSummaries, PruneByPartition) {
  Schema schema = TestSchema();
  PartitionSpec spec;
  spec.fields.push_back({{1}, 1000, "i", Transform::Identity()});
  spec.fields.push_back({{5}, 1001, "f", Transform::Identity()});
  std::vector<TypePtr> types = PartitionTypes(spec, schema);
  ManifestFile manifest;
  FieldSummary i{false, std::nullopt, ValueToBytes(*Of("int"), 10), ValueToBytes(*Of("int"), 20)};
  FieldSummary f{true, false, std::nullopt, std::nullopt};
  manifest.partitions = {i, f};
  struct Summary {
    const char* filter;
    bool may;
  };
  for (const Summary& c : {Summary{"i = 9", false},
                           {"i = 10", true},
                           {"i < 10", false},
                           {"i <= 10", true},
                           {"i > 20", false},
                           {"i in (1, 2, 21)", false},
                           {"i in (1, 15)", true},
                           {"i is null", false},
                           {"i is not null", true},
                           {"f is null", true},
                           {"f is not null", false},
                           {"f = 1", false},
                           {"f is nan", false},
                           {"s = 'x'", true},
                           {"i != 10", true},
                           {"i = 9 or i = 12", true},
                           {"i = 12 and f = 1", false}}) {
    auto bound = Bind(*ParseFilter(c.filter), schema);
    ASSERT_TRUE(bound.ok()) << c.filter;
    ExpressionPtr projected = ProjectInclusive(*bound, spec, schema);
    EXPECT_EQ(ManifestMayMatch(projected, spec, types, manifest), c.may) << c.filter;
  }
  manifest.partitions.reset();
  EXPECT_TRUE(ManifestMayMatch(ProjectInclusive(*Bind(*ParseFilter("i = 9"), schema), spec, schema),
                               spec, types, manifest));
}

}  // namespace
}  // namespace moraine::iceberg
