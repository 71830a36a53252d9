#include "moraine/iceberg/scan/scan_usage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

std::string ReportText(const std::string& filter, int result = 8, int skipped = 2) {
  return fmt::format(R"({{"report-type":"scan-report","table-name":"db.t","snapshot-id":1,
"filter":{},"schema-id":0,"projected-field-ids":[1],"projected-field-names":["id"],"metrics":{{
"total-planning-duration":{{"count":1,"time-unit":"nanoseconds","total-duration":3000000}},
"result-data-files":{{"unit":"count","value":{}}},"skipped-data-files":{{"unit":"count","value":{}}},
"total-file-size-in-bytes":{{"unit":"bytes","value":1000}}}}}})",
                     filter, result, skipped);
}

ScanUsage UsageOf(const std::string& filter) {
  const Json report = Json::Parse(ReportText(filter)).value();
  return UsageOfReport(report, 77);
}

/// "a=1,2,0,0/0 ..." : scans, equality, range, prefix / other.
std::string Columns(const ScanUsage& usage) {
  std::string text;
  for (const auto& [name, use] : usage.columns) {
    text += fmt::format("{}{}={},{},{},{}/{}", text.empty() ? "" : " ", name, use.scans,
                        use.equality, use.range, use.prefix, use.other);
  }
  return text;
}

TEST(ScanUsage, KnowsByWhichColumnsFilesCanBeLeftOut) {
  constexpr char kEqA[] = R"j({"type":"eq","term":"a","value":"(hash-1)"})j";
  constexpr char kGtB[] = R"j({"type":"gt","term":"b","value":"(1-digit-int)"})j";
  const auto two = [](const char* type, const std::string& left, const std::string& right) {
    return fmt::format(R"({{"type":"{}","left":{},"right":{}}})", type, left, right);
  };
  const auto inverse = [](const std::string& child) {
    return fmt::format(R"({{"type":"not","child":{}}})", child);
  };
  struct Case {
    std::string filter, columns;
  } cases[] = {
      {"true", ""},
      {"false", ""},
      {R"({"type":"something-new","x":1})", ""},
      {kEqA, "a=1,1,0,0/0"},
      {R"j({"type":"in","term":{"type":"reference","term":"a"},"values":["(hash-1)"]})j",
       "a=1,1,0,0/0"},
      {R"({"type":"eq","term":{"type":"transform","transform":"day","term":"ts"},"value":1})",
       "ts=1,0,1,0/0"},
      {R"({"type":"eq","term":{"type":"transform","transform":"bucket[4]","term":"a"},"value":1})",
       "a=0,0,0,0/1"},
      {R"({"type":"not-eq","term":"a","value":1})", "a=0,0,0,0/1"},
      {R"({"type":"not-null","term":"a"})", ""},
      {R"({"type":"is-null","term":"a"})", "a=1,0,0,0/0"},
      {R"({"type":"starts-with","term":"a.b","value":"x"})", "a.b=1,0,0,1/0"},
      {two("and", kEqA, kGtB), "a=1,1,0,0/0 b=1,0,1,0/0"},
      {two("or", kEqA, kGtB), "a=0,0,0,0/1 b=0,0,0,0/1"},
      {two("or", kEqA, kEqA), "a=1,1,0,0/0"},
      {inverse(two("or", inverse(kEqA), inverse(kGtB))), "a=1,1,0,0/0 b=1,0,1,0/0"},
      {inverse(two("and", kEqA, kGtB)), "a=0,0,0,0/1 b=0,0,0,0/1"},
      {inverse(kEqA), "a=0,0,0,0/1"},
  };
  for (const auto& each : cases) {
    const ScanUsage usage = UsageOf(each.filter);
    EXPECT_EQ(Columns(usage), each.columns) << each.filter;
    EXPECT_EQ(usage.filtered, each.columns.empty() ? 0 : 1) << each.filter;
    EXPECT_EQ(usage.scans, 1);
  }
}

TEST(ScanUsage, SumsWhatWasReadAndHowLongPlanningTook) {
  ScanUsage usage = UsageOf(R"({"type":"eq","term":"a","value":1})");
  usage.Add(UsageOf(R"({"type":"and","left":{"type":"lt","term":"b","value":1},
                        "right":{"type":"eq","term":"a","value":1}})"));
  usage.Add(UsageOf("true"));
  EXPECT_EQ(usage.scans, 3);
  EXPECT_EQ(usage.filtered, 2);
  EXPECT_EQ(usage.result_files, 24);
  EXPECT_EQ(usage.skipped_files, 6);
  EXPECT_EQ(usage.result_bytes, 3000);
  EXPECT_EQ(usage.planning_ms, 9);
  EXPECT_EQ(usage.planned, 3);
  EXPECT_EQ(usage.last_ms, 77);
  EXPECT_EQ(usage.columns["a"].result_files, 16);
  EXPECT_EQ(usage.columns["b"].skipped_files, 2);
  EXPECT_EQ(usage.combinations, (std::map<std::string, int64_t>{{"a", 1}, {"a,b", 1}}));
  EXPECT_EQ(usage.projected["id"], 3);
  EXPECT_EQ(ScanUsageFromJson(ScanUsageToJson(usage)).value(), usage);
}

TEST(ScanUsage, NamesThatComeLateStay) {
  ScanUsage usage;
  const auto add = [&](const std::string& column) {
    usage.Add(UsageOf(fmt::format(R"({{"type":"eq","term":"{}","value":1}})", column)));
  };
  for (int i = 0; i < 3 * static_cast<int>(kMostUsedColumns); ++i) {
    add(fmt::format("c{}", i % static_cast<int>(kMostUsedColumns)));
  }
  for (int i = 0; i < 100; ++i) {
    add(fmt::format("rare{}", i));
    add("late");
  }
  EXPECT_EQ(usage.columns.size(), kMostUsedColumns);
  ASSERT_TRUE(usage.columns.contains("late"));
  EXPECT_EQ(usage.columns["late"].scans, 100);
  EXPECT_EQ(usage.columns["late"].equality, 100);
  EXPECT_TRUE(usage.combinations.contains("late"));
}

TEST(ScanUsage, StaysSmallWhateverReportsSay) {
  ScanUsage usage;
  for (int i = 0; i < 20'000; ++i) {
    usage.Add(UsageOf(fmt::format(R"({{"type":"eq","term":"c{}","value":1}})", i % 5'000)));
    usage.Add(UsageOf(R"({"type":"eq","term":"often","value":1})"));
  }
  EXPECT_LE(usage.columns.size(), kMostUsedColumns);
  EXPECT_LE(usage.combinations.size(), kMostCombinations);
  EXPECT_EQ(usage.columns["often"].scans, 20'000);
  EXPECT_GT(usage.left_out, 0);
  EXPECT_LT(ScanUsageToJson(usage).size(), 20'000u);

  const Json hostile = Json::Parse(R"({"report-type":"scan-report","filter":{"type":"and",
      "left":7,"right":[]},"metrics":{"result-data-files":{"value":9223372036854775807},
      "skipped-data-files":{"value":-5},"total-planning-duration":null},
      "projected-field-names":[1,null]})")
                           .value();
  ScanUsage sum;
  for (int i = 0; i < 20'000; ++i) sum.Add(UsageOfReport(hostile, 1));
  EXPECT_GT(sum.result_files, 0);
  EXPECT_EQ(sum.skipped_files, 0);
  EXPECT_EQ(UsageOfReport(Json::Parse(R"({"report-type":"commit-report"})").value(), 1),
            ScanUsage());
  EXPECT_FALSE(ScanUsageFromJson(R"({"last-ms":1,"columns":{"a":[1]}})").ok());
}

}  // namespace
}  // namespace moraine::iceberg
