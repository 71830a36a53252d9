#include "moraine/upkeep/expiry_time.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/calendar.h"

namespace moraine::upkeep {
namespace {

using iceberg::Transform;
using iceberg::Type;
using iceberg::TypePtr;
using iceberg::Value;

int64_t Us(std::string_view text) {
  auto parsed = iceberg::ParseTimestamp(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed->seconds * 1'000'000 + parsed->nanos / 1000;
}

TypePtr TypeOf(std::string_view name) { return *Type::FromString(name); }

/// A table with one column t of the type, partitioned by these transforms of it.
iceberg::TableMetadata Table(std::string_view type, const std::vector<std::string>& transforms) {
  iceberg::TableCreation creation;
  creation.table_uuid = "a3c1f6de-7f4d-4f0c-9d6e-0e5b8a3f2b11";
  creation.location = "file:///t";
  creation.format_version = 3;
  creation.schema = iceberg::Schema(0, {{1, "t", false, TypeOf(type)}});
  for (const auto& transform : transforms) {
    creation.spec.fields.push_back({{1},
                                    0,
                                    transform == "identity" ? "t" : "p_" + transform,
                                    *Transform::FromString(transform)});
  }
  creation.now_ms = 1;
  auto metadata = iceberg::MakeTableMetadata(creation);
  EXPECT_TRUE(metadata.ok()) << metadata.status().ToString();
  return *metadata;
}

iceberg::DataFile File(std::string_view type, const Value& upper, int64_t nulls = 0) {
  iceberg::DataFile file;
  file.null_value_counts = {{1, nulls}};
  file.upper_bounds = {{1, iceberg::ValueToBytes(*TypeOf(type), upper)}};
  return file;
}

TEST(ExpiryTimes, KnowBoundsOfAllTypes) {
  const auto us = [](std::string_view text) { return Value(Us(text)); };
  const auto day = [](std::string_view text) {
    return Value(static_cast<int32_t>(Us(text) / iceberg::kMicrosPerDay));
  };
  struct Case {
    const char* type;
    Value upper;
    ExpiryField field;
    std::string expected;  ///< what the time is before of; "": nothing is known
  };
  const Case cases[] = {
      {"timestamptz", us("2024-05-01T10:00:00"), {"t"}, "2024-05-01T10:00:00.000001"},
      {"timestamptz",
       us("2024-05-01T10:00:00"),
       {.name = "t", .zone = "Asia/Tokyo"},
       "2024-05-01T10:00:00.000001"},
      {"timestamp", us("2024-05-01T10:00:00"), {"t"}, "2024-05-01T10:00:00.000001"},
      {"timestamp",
       us("2024-05-01T10:00:00"),
       {.name = "t", .zone = "+09:00"},
       "2024-05-01T01:00:00.000001"},
      // 02:30 is there twice: the later one counts.
      {"timestamp",
       us("2024-10-27T02:30:00"),
       {.name = "t", .zone = "Europe/Berlin"},
       "2024-10-27T01:30:00.000001"},
      {"timestamp_ns",
       Value(Us("2024-05-01T10:00:00") * 1000 + 5),
       {"t"},
       "2024-05-01T10:00:00.000001"},
      {"timestamptz_ns",
       Value(Us("1950-05-01T10:00:00") * 1000 + 1005),
       {"t"},
       "1950-05-01T10:00:00.000002"},
      {"date", day("2024-05-01T00:00:00"), {"t"}, "2024-05-02T00:00:00"},
      {"date", day("2024-05-01T00:00:00"), {.name = "t", .zone = "+02:00"}, "2024-05-01T22:00:00"},
      {"long", Value(Us("2024-05-01T10:00:00") / 1000), {"t"}, "2024-05-01T10:00:00.000001"},
      {"long",
       Value(Us("2024-05-01T10:00:00") / 1'000'000),
       {.name = "t", .seconds = true},
       "2024-05-01T10:00:00.000001"},
      {"int",
       Value(int32_t{1'714'557'600}),
       {.name = "t", .seconds = true},
       "2024-05-01T10:00:00.000001"},
      {"long", Value(INT64_MAX), {.name = "t", .seconds = true}, ""},
      {"long", Value(INT64_MIN), {.name = "t", .seconds = true}, ""},
      {"timestamptz", Value(INT64_MAX), {"t"}, ""},
      {"timestamp", Value(INT64_MAX), {"t"}, ""},
      {"date", Value(INT32_MAX), {"t"}, ""},
      {"string", Value(std::string("2024-05-01")), {"t"}, "2024-05-02T00:00:00"},
      {"string",
       Value(std::string("2024-05-01 10:0:")),
       {"t", "yyyy-MM-dd HH:mm:ss"},
       "2024-05-01T10:10:00"},
      {"string", Value(std::string("01.05.2024")), {"t", "dd.MM.yyyy"}, ""},
      {"string", Value(std::string("zzz")), {.name = "t", .zone = "+02:00"}, ""},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.type) + " " + one.expected);
    const auto table = Table(one.type, {});
    auto times = ExpiryTimes::Make(table, one.field);
    ASSERT_TRUE(times.ok()) << times.status().ToString();
    const auto end = times->EndOf(File(one.type, one.upper));
    if (one.type == std::string("string") && one.upper == Value(std::string("zzz"))) {
      // No text of the pattern is above it: the end of all years.
      ASSERT_TRUE(!end || *end > Us("9999-01-01T00:00:00"));
      continue;
    }
    ASSERT_EQ(end.has_value(), !one.expected.empty());
    if (end) {
      EXPECT_EQ(*end, Us(one.expected));
    }
    // Rows without a time do not get old.
    EXPECT_FALSE(times->EndOf(File(one.type, one.upper, 1)));
    auto uncounted = File(one.type, one.upper);
    uncounted.null_value_counts.clear();
    EXPECT_FALSE(times->EndOf(uncounted));
    EXPECT_FALSE(times->EndOf(iceberg::DataFile()));
  }
}

TEST(ExpiryTimes, KnowPartitions) {
  struct Case {
    const char* type;
    const char* transform;
    Value value;
    ExpiryField field;
    std::string expected;
  };
  const Case cases[] = {
      {"timestamptz", "day", Value(int32_t{19'844}), {"t"}, "2024-05-02T00:00:00"},
      {"timestamptz",
       "day",
       Value(int32_t{19'844}),
       {.name = "t", .zone = "+02:00"},
       "2024-05-02T00:00:00"},
      {"timestamp",
       "day",
       Value(int32_t{19'844}),
       {.name = "t", .zone = "+02:00"},
       "2024-05-01T22:00:00"},
      {"timestamptz", "hour", Value(int32_t{19'844 * 24 + 10}), {"t"}, "2024-05-01T11:00:00"},
      {"date", "month", Value(int32_t{54 * 12 + 4}), {"t"}, "2024-06-01T00:00:00"},
      {"date", "month", Value(int32_t{54 * 12 + 11}), {"t"}, "2025-01-01T00:00:00"},
      {"timestamp", "year", Value(int32_t{54}), {"t"}, "2025-01-01T00:00:00"},
      {"timestamp", "year", Value(int32_t{-1}), {"t"}, "1971-01-01T00:00:00"},
      {"date", "identity", Value(int32_t{19'844}), {"t"}, "2024-05-02T00:00:00"},
      {"string",
       "identity",
       Value(std::string("20240501")),
       {"t", "yyyyMMdd"},
       "2024-05-02T00:00:00"},
      {"string",
       "identity",
       Value(std::string("01.05.2024")),
       {"t", "dd.MM.yyyy"},
       "2024-05-02T00:00:00"},
      {"string", "identity", Value(std::string("n/a")), {"t", "yyyyMMdd"}, ""},
      {"string", "truncate[4]", Value(std::string("2024")), {"t", "yyyyMMdd"}, ""},
      {"timestamp", "bucket[4]", Value(int32_t{1}), {"t"}, ""},
      {"timestamp", "day", Value(), {"t"}, ""},
      {"long", "identity", Value(int64_t{1'714'557'600'000}), {"t"}, "2024-05-01T10:00:00.000001"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.type) + " " + one.transform + " " + one.expected);
    const auto table = Table(one.type, {one.transform});
    auto times = ExpiryTimes::Make(table, one.field);
    ASSERT_TRUE(times.ok()) << times.status().ToString();
    iceberg::DataFile file;
    file.partition = {one.value};
    const auto end = times->EndOf(file);
    ASSERT_EQ(end.has_value(), !one.expected.empty());
    if (end) {
      EXPECT_EQ(*end, Us(one.expected));
    }
  }
}

TEST(ExpiryTimes, TakeWhatSaysMore) {
  const auto table = Table("timestamptz", {"day"});
  auto times = ExpiryTimes::Make(table, {"t"});
  ASSERT_TRUE(times.ok());
  auto file = File("timestamptz", Value(Us("2024-05-01T10:00:00")));
  file.partition = {Value(int32_t{19'844})};
  EXPECT_EQ(*times->EndOf(file), Us("2024-05-01T10:00:00.000001"));
  file.null_value_counts.clear();
  EXPECT_EQ(*times->EndOf(file), Us("2024-05-02T00:00:00"));
}

TEST(ExpiryTimes, RefuseWhatHasNoTimes) {
  EXPECT_FALSE(ExpiryTimes::Make(Table("double", {}), {"t"}).ok());
  EXPECT_FALSE(ExpiryTimes::Make(Table("date", {}), {"u"}).ok());
  EXPECT_FALSE(ExpiryTimes::Make(Table("date", {}), {}).ok());
  EXPECT_FALSE(ExpiryTimes::Make(Table("date", {}), {.name = "t", .zone = "Mars/Olympus"}).ok());
  EXPECT_FALSE(ExpiryTimes::Make(Table("string", {}), {"t", "EEE"}).ok());
}

}  // namespace
}  // namespace moraine::upkeep
