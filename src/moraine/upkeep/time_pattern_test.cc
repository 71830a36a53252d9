#include "moraine/upkeep/time_pattern.h"

#include <gtest/gtest.h>

#include "moraine/iceberg/types/calendar.h"

namespace moraine::upkeep {
namespace {

int64_t Us(std::string_view text) {
  auto parsed = iceberg::ParseTimestamp(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed->seconds * 1'000'000 + parsed->nanos / 1000;
}

LocalTime Local(std::string_view text) { return LocalTime(Millis(Us(text) / 1000)); }

TEST(TimePattern, Writes) {
  struct Case {
    const char* pattern;
    const char* local;
    int offset_s;
    const char* expected;
  };
  const Case cases[] = {
      {"'tag-'yyyyMMdd", "2024-02-29T13:05:06", 0, "tag-20240229"},
      {"yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29T13:05:06.078", 0, "2024-02-29 13:05:06.078"},
      {"d.M.yy", "2024-02-09T00:00:00", 0, "9.2.24"},
      {"'it''s' yyyy", "2024-02-09T00:00:00", 0, "it's 2024"},
      {"yyyy''MM", "2024-02-09T00:00:00", 0, "2024'02"},
      {"YYYY'W'ww", "2024-12-30T00:00:00", 0, "2025W01"},
      {"YYYY'W'ww", "2021-01-03T00:00:00", 0, "2020W53"},
      {"YYYY'W'ww", "2026-06-17T00:00:00", 0, "2026W25"},
      {"HHxx", "2024-01-01T02:00:00", 7200, "02+0200"},
      {"HHX", "2024-01-01T02:00:00", 0, "02Z"},
      {"HHXXX", "2024-01-01T02:00:00", -12600, "02-03:30"},
      {"HHx", "2024-01-01T02:00:00", 3600, "02+01"},
  };
  for (const Case& one : cases) {
    auto pattern = TimePattern::Parse(one.pattern);
    ASSERT_TRUE(pattern.ok()) << one.pattern;
    EXPECT_EQ(pattern->Format(Local(one.local), std::chrono::seconds(one.offset_s)), one.expected)
        << one.pattern;
  }
}

TEST(TimePattern, ReadsWhatItDescribes) {
  struct Case {
    const char* pattern;
    const char* text;
    const char* begin;  ///< or nullptr: nothing
    const char* end;
  };
  const Case cases[] = {
      {"yyyy-MM-dd", "2024-02-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"},
      {"yyyy-MM-dd", "2023-02-29", nullptr, nullptr},
      {"yyyy-MM-dd", "2024-13-01", nullptr, nullptr},
      {"yyyy-MM-dd", "2024-1-1", nullptr, nullptr},
      {"yyyy-MM-dd", "2024-01-01 ", nullptr, nullptr},
      {"yyyy-MM-dd", "", nullptr, nullptr},
      {"yyyy-MM-dd", "n/a", nullptr, nullptr},
      {"yyyyMM", "202402", "2024-02-01T00:00:00", "2024-03-01T00:00:00"},
      {"yyyy", "2024", "2024-01-01T00:00:00", "2025-01-01T00:00:00"},
      {"d.M.yyyy", "1.12.2024", "2024-12-01T00:00:00", "2024-12-02T00:00:00"},
      {"yyyyMMddHH", "2024022923", "2024-02-29T23:00:00", "2024-03-01T00:00:00"},
      {"yyyy-MM-dd'T'HH:mm", "2024-02-29T23:59", "2024-02-29T23:59:00", "2024-03-01T00:00:00"},
      {"yyyy-MM-dd HH:mm:ss", "2024-02-29 24:00:00", nullptr, nullptr},
      {"yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29 01:02:03.004", "2024-02-29T01:02:03.004",
       "2024-02-29T01:02:03.005"},
      {"yyyy-MM-dd HH:mm:ss.SSSSSSSSS", "2024-02-29 01:02:03.000004999",
       "2024-02-29T01:02:03.000004", "2024-02-29T01:02:03.000005"},
      {"yyyy-MM-dd HHxx", "2024-02-29 01+0200", "2024-02-28T23:00:00", "2024-02-29T00:00:00"},
      {"YYYY'W'ww", "2024W01", nullptr, nullptr},
      {"MM-dd", "02-29", nullptr, nullptr},
  };
  for (const Case& one : cases) {
    auto pattern = TimePattern::Parse(one.pattern);
    ASSERT_TRUE(pattern.ok()) << one.pattern;
    auto span = pattern->Read(one.text);
    ASSERT_EQ(span.has_value(), one.begin != nullptr) << one.pattern << " " << one.text;
    if (!span) continue;
    EXPECT_EQ(span->begin_us, Us(one.begin)) << one.pattern << " " << one.text;
    EXPECT_EQ(span->end_us, Us(one.end)) << one.pattern << " " << one.text;
    EXPECT_EQ(span->is_utc, std::string_view(one.pattern).ends_with("x"));
  }
}

TEST(TimePattern, RefusesWhatItCannotKeep) {
  for (const char* pattern :
       {"", "yyy", "MMM", "hh a", "'open", "[yyyy]", "EEE", "yyyyy", "SSSSSSSSSS"}) {
    auto parsed = TimePattern::Parse(pattern);
    ASSERT_FALSE(parsed.ok()) << pattern;
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
  }
}

TEST(TimePattern, KnowsWhichPatternsSort) {
  for (const char* pattern :
       {"yyyy", "yyyyMM", "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss.SSS", "'x'uuuuMMdd"})
    EXPECT_TRUE(TimePattern::Parse(pattern)->sorts()) << pattern;
  for (const char* pattern : {"dd-MM-yyyy", "yyyyddMM", "yy-MM-dd", "yyyy-M-d", "yyyyHH", "'x'",
                              "yyyy-MM-dd HHxx", "YYYYww", "yyyyMMddMM"})
    EXPECT_FALSE(TimePattern::Parse(pattern)->sorts()) << pattern;
}

TEST(TimePattern, FindsTheLatestTextBelowABound) {
  struct Case {
    const char* pattern;
    const char* bound;
    const char* end;
  };
  const Case cases[] = {
      {"yyyy-MM-dd", "2024-02-28", "2024-02-29T00:00:00"},
      {"yyyy-MM-dd HH:mm:ss", "2024-02-28 10:00", "2024-02-28T10:01:00"},
      {"yyyy-MM-dd HH:mm:ss", "2024-02-28 10:0:", "2024-02-28T10:10:00"},
      {"yyyy-MM-dd HH:mm:ss", "2024-02-28 10;", "2024-02-28T11:00:00"},
      {"yyyy-MM-dd", "2024-02-30", "2024-03-01T00:00:00"},
      {"yyyy-MM-dd", "2024-13", "2025-01-01T00:00:00"},
      {"yyyy-MM-dd", "2024-0:", "2024-10-01T00:00:00"},
      {"yyyy-MM-dd", "2024.", "2025-01-01T00:00:00"},
      {"yyyy-MM-dd", "202", "2030-01-01T00:00:00"},
      {"yyyy-MM-dd", "n/a", "10000-01-01T00:00:00"},
      {"yyyy-MM-dd", "2024-02-2", "2024-03-01T00:00:00"},
      {"yyyy-MM-dd HH:mm:ss.SSS", "2024-02-28 10:00:00.1", "2024-02-28T10:00:00.2"},
  };
  for (const Case& one : cases) {
    auto pattern = TimePattern::Parse(one.pattern);
    ASSERT_TRUE(pattern.ok()) << one.pattern;
    const int64_t expected = std::string_view(one.end).starts_with("10000")
                                 ? iceberg::DaysFromCivil({10000, 1, 1}) * iceberg::kMicrosPerDay
                                 : Us(one.end);
    EXPECT_EQ(pattern->EndOfTextsUpTo(one.bound), expected) << one.pattern << " " << one.bound;
  }
}

/// Every text of the pattern that is not above a bound, whole or cut, ends by what the bound says.
TEST(TimePattern, BoundsHoldForAllTextsBelow) {
  const TimePattern pattern = *TimePattern::Parse("yyyy-MM-dd HH");
  const auto start = Local("2023-12-30T00:00:00");
  for (int i = 0; i < 900; i += 7) {
    const std::string text = pattern.Format(start + std::chrono::hours(i), {});
    for (size_t cut = 1; cut <= text.size(); ++cut) {
      std::string bound = text.substr(0, cut);
      if (cut < text.size()) ++bound.back();
      ASSERT_LE(text, bound);
      EXPECT_LE(pattern.Read(text)->end_us, pattern.EndOfTextsUpTo(bound)) << text << " " << bound;
    }
  }
}

}  // namespace
}  // namespace moraine::upkeep
