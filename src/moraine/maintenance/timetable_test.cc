#include "moraine/maintenance/timetable.h"

#include <gtest/gtest.h>

#include "moraine/base/text.h"

namespace moraine::maintenance {
namespace {

/// "2026-03-29T01:00" as UTC.
WallTime T(std::string_view text) {
  const auto number = [&](size_t at, size_t size) {
    return static_cast<int>(*ParseInt64(text.substr(at, size)));
  };
  const std::chrono::sys_days date = std::chrono::year(number(0, 4)) /
                                     std::chrono::month(static_cast<unsigned>(number(5, 2))) /
                                     std::chrono::day(static_cast<unsigned>(number(8, 2)));
  return WallTime(Millis(date.time_since_epoch())) + std::chrono::hours(number(11, 2)) +
         std::chrono::minutes(number(14, 2));
}
std::string Text(std::optional<WallTime> time) {
  return time ? FormatTime(*time).substr(0, 16) : "never";
}

class TimetableTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!zones_.Find("Europe/Berlin").ok()) GTEST_SKIP() << "this system has no zone files";
  }
  Timetable Of(std::string_view text) {
    auto schedule = Timetable::Parse(text, TimeZone::Utc(), zones_);
    EXPECT_TRUE(schedule.ok()) << schedule.status().ToString();
    return schedule.ok() ? *schedule : Timetable();
  }
  std::vector<Window> WindowsOf(std::string_view text) {
    auto windows = ParseWindows(text, TimeZone::Utc(), zones_);
    EXPECT_TRUE(windows.ok()) << windows.status().ToString();
    return windows.ok() ? *windows : std::vector<Window>();
  }

  TimeZones zones_;
};

TEST_F(TimetableTest, CronFindsTheNextMoment) {
  struct Case {
    std::string cron, after, next;
  };
  const Case cases[] = {
      {"cron 0 3 * * *", "2026-01-01T02:59", "2026-01-01T03:00"},
      {"cron 0 3 * * *", "2026-01-01T03:00", "2026-01-02T03:00"},
      {"cron 0 3 * * 1-5", "2026-01-02T03:00", "2026-01-05T03:00"},  // over the weekend
      {"cron 0 3 * * mon-fri", "2026-01-02T03:00", "2026-01-05T03:00"},
      {"cron 30 1 1 * *", "2026-01-01T01:30", "2026-02-01T01:30"},
      {"cron 0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"},
      {"cron 0 0 31 jan,mar *", "2026-02-01T00:00", "2026-03-31T00:00"},
      {"cron 0 0 13 * 5", "2026-02-01T00:00", "2026-02-06T00:00"},  // a Friday, or the 13th
      {"cron 0 0 * * 7", "2026-01-01T00:00", "2026-01-04T00:00"},
      {"cron */15 * * * *", "2026-01-01T00:00", "2026-01-01T00:15"},
      {"cron */15 * * * *", "2026-01-01T23:50", "2026-01-02T00:00"},
      {"cron 10-20/5 8-18/2 * * *", "2026-01-01T08:16", "2026-01-01T08:20"},
      {"cron 10-20/5 8-18/2 * * *", "2026-01-01T08:20", "2026-01-01T10:10"},
      {"cron 5/20 * * * *", "2026-01-01T00:06", "2026-01-01T00:25"},
      // Time zones: three in the morning of Berlin.
      {"cron 0 3 * * * Europe/Berlin", "2026-01-01T00:00", "2026-01-01T02:00"},
      {"cron 0 3 * * * Europe/Berlin", "2026-07-01T00:00", "2026-07-01T01:00"},
      {"cron 0 22 * * 5 America/New_York", "2026-07-01T00:00", "2026-07-04T02:00"},
      // Clocks go forward: 02:30 is shown by none, so 03:30.
      {"cron 30 2 * * * Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:30"},
      {"cron 30 2 * * * Europe/Berlin", "2026-03-29T01:30", "2026-03-30T00:30"},
      // Clocks go back: 02:30 is shown twice, and counts once.
      {"cron 30 2 * * * Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"},
      {"cron 30 2 * * * Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"},
      // Every hour is every hour, though.
      {"cron 0 * * * * Europe/Berlin", "2026-10-25T00:00", "2026-10-25T01:00"},
      {"cron 30 * * * * Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:30"},
      {"cron 30 * * * * Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:30"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Text(Of(c.cron).NextAfter(T(c.after))), c.next) << c.cron << " after " << c.after;
  }
}

TEST_F(TimetableTest, RefusesWhatCannotBeMeant) {
  for (const std::string text :
       {"", "6h", "every", "every 1s", "every 500d", "every x", "cron", "cron 0 3 * *",
        "cron 60 3 * * *", "cron 0 24 * * *", "cron 0 3 0 * *", "cron 0 3 * 13 *", "cron 0 3 * * 8",
        "cron 5-1 * * * *", "cron */0 * * * *", "cron 0 3 30 2 *", "cron 0 3 * * * Nowhere/Land",
        "cron 0 3 * * * UTC more", "cron , * * * *"}) {
    auto schedule = Timetable::Parse(text, TimeZone::Utc(), zones_);
    EXPECT_EQ(schedule.status().code(), Code::kInvalidArgument) << text;
  }
  for (const std::string text :
       {"22:00", "22-06", "22:00-25:00", "24:00-06:00", "22:00-06:60", "22:00-06:00 Xxx",
        "22:00-06:00 Mon Nowhere/Land", "22:00-06:00 Mon UTC more", "Mon-Fri"}) {
    auto windows = ParseWindows(text, TimeZone::Utc(), zones_);
    EXPECT_EQ(windows.status().code(), Code::kInvalidArgument) << text;
  }
}

TEST_F(TimetableTest, WindowsOpenAndClose) {
  struct Case {
    std::string windows, at, begin, end;
  };
  const std::string nights = "22:00-06:00 Mon-Fri Europe/Berlin";
  const Case cases[] = {
      {nights, "2026-01-05T12:00", "2026-01-05T21:00", "2026-01-06T05:00"},
      {nights, "2026-01-06T04:59", "2026-01-05T21:00", "2026-01-06T05:00"},
      {nights, "2026-01-06T05:00", "2026-01-06T21:00", "2026-01-07T05:00"},
      {nights, "2026-01-10T04:00", "2026-01-09T21:00",
       "2026-01-10T05:00"},  // Friday's, on Saturday
      {nights, "2026-01-10T05:00", "2026-01-12T21:00", "2026-01-13T05:00"},
      {"00:00-24:00 Sat,Sun", "2026-01-07T00:00", "2026-01-10T00:00", "2026-01-11T00:00"},
      {"00:00-24:00 Sat,Sun", "2026-01-11T23:00", "2026-01-11T00:00", "2026-01-12T00:00"},
      {"01:00-02:00 Fri-Mon", "2026-01-05T03:00", "2026-01-09T01:00", "2026-01-09T02:00"},
      {"12:00-13:00, 03:00-04:00", "2026-01-05T05:00", "2026-01-05T12:00", "2026-01-05T13:00"},
      {"12:00-13:00; 03:00-04:00 Tue", "2026-01-05T14:00", "2026-01-06T03:00", "2026-01-06T04:00"},
      {"20:00-23:00 America/New_York", "2026-01-05T00:00", "2026-01-05T01:00", "2026-01-05T04:00"},
      // The night in which clocks go forward is an hour shorter, the other one longer.
      {"22:00-06:00 Europe/Berlin", "2026-03-28T21:30", "2026-03-28T21:00", "2026-03-29T04:00"},
      {"22:00-06:00 Europe/Berlin", "2026-10-24T21:30", "2026-10-24T20:00", "2026-10-25T05:00"},
      // A window that those clocks jump over does not open on that day.
      {"02:00-03:00 Europe/Berlin", "2026-03-28T12:00", "2026-03-30T00:00", "2026-03-30T01:00"},
  };
  for (const auto& c : cases) {
    auto windows = WindowsOf(c.windows);
    auto opening = FirstOpening(windows, T(c.at));
    ASSERT_TRUE(opening.has_value()) << c.windows;
    EXPECT_EQ(Text(opening->begin), c.begin) << c.windows << " at " << c.at;
    EXPECT_EQ(Text(opening->end), c.end) << c.windows << " at " << c.at;
  }
}

TEST_F(TimetableTest, SaysWhenTheNextRunIsDue) {
  struct Case {
    std::string schedule, windows, last, now, due;
  };
  const std::string nights = "22:00-06:00";
  const Case cases[] = {
      {"off", "", "2026-01-01T00:00", "2026-01-02T00:00", "never"},
      {"every 6h", "", "2026-01-01T00:00", "2026-01-01T01:00", "2026-01-01T06:00"},
      {"every 6h", "", "2026-01-01T00:00", "2026-01-03T00:00", "2026-01-01T06:00"},  // late
      {"cron 0 3 * * *", "", "2026-01-01T03:00", "2026-01-01T04:00", "2026-01-02T03:00"},
      {"cron 0 3 * * *", "", "2026-01-01T03:00", "2026-01-05T04:00", "2026-01-02T03:00"},
      // Windows: due by day means due when it opens.
      {"every 6h", nights, "2026-01-01T04:00", "2026-01-01T05:00", "2026-01-01T22:00"},
      {"every 1h", nights, "2026-01-01T23:10", "2026-01-01T23:20", "2026-01-02T00:10"},
      {"every 6h", nights, "2026-01-01T00:00", "2026-01-01T12:00", "2026-01-01T22:00"},  // missed
      {"every 6h", nights, "2026-01-01T20:00", "2026-01-02T03:00", "2026-01-02T02:00"},
      {"cron 0 12 * * *", nights, "2026-01-01T22:00", "2026-01-02T01:00", "2026-01-02T22:00"},
      {"cron 0 23 * * *", nights, "2026-01-01T23:00", "2026-01-02T01:00", "2026-01-02T23:00"},
      // A daily run stays at the window's opening.
      {"every 1d", nights, "2026-01-01T22:07", "2026-01-02T12:00", "2026-01-02T22:00"},
      {"every 1d", nights, "2026-01-02T03:00", "2026-01-02T12:00", "2026-01-03T03:00"},
      {"every 1h", "22:00-22:01 Mon", "2026-01-05T22:00", "2026-01-05T22:30", "2026-01-12T22:00"},
  };
  for (const auto& c : cases) {
    auto schedule = Of(c.schedule);
    auto windows = WindowsOf(c.windows);
    EXPECT_EQ(Text(NextDue({schedule, windows, T(c.last), T("2025-01-01T00:00"), 7}, T(c.now))),
              c.due)
        << c.schedule << " in [" << c.windows << "] last " << c.last << " now " << c.now;
  }
}

TEST_F(TimetableTest, NewTablesBeginApart) {
  auto schedule = Of("every 1h");
  const WallTime since = T("2026-01-01T00:00");
  std::vector<int> per_quarter(4);
  for (int64_t id = 1; id <= 1'000; ++id) {
    auto due = NextDue({schedule, {}, std::nullopt, since, id}, since);
    ASSERT_TRUE(due && *due >= since && *due < since + std::chrono::hours(1));
    ++per_quarter[static_cast<size_t>((*due - since) / std::chrono::minutes(15))];
  }
  for (int count : per_quarter) EXPECT_GT(count, 200);
}

TEST_F(TimetableTest, CronNeverGoesBackThroughAYear) {
  for (const std::string text :
       {"cron 30 2 * * * Europe/Berlin", "cron */30 * * * * America/New_York",
        "cron 0 0 * * 0 Australia/Lord_Howe", "cron 15 1,2,3 * * * Europe/Berlin"}) {
    auto schedule = Of(text);
    WallTime at = T("2026-01-01T00:00");
    while (at < T("2026-12-01T00:00")) {
      auto next = schedule.NextAfter(at);
      ASSERT_TRUE(next && *next > at) << text << " after " << FormatTime(at);
      at = *next;
    }
  }
}

}  // namespace
}  // namespace moraine::maintenance
