#include "moraine/maintenance/due_time.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::maintenance {
namespace {

using testing::HasSubstr;
using upkeep::Action;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kNow = 1'767'276'000'000;  // 2026-01-01T14:00:00Z

TablePolicy PolicyOfProperties(const iceberg::StringMap& properties) {
  PolicyLayers layers;
  layers.table = &properties;
  TimeZones zones;
  return PolicyOf(layers, zones);
}

TEST(DueTime, OfTheSchedule) {
  struct Case {
    std::string name;
    std::string schedule;
    std::string window;
    int64_t last_h = 0;        ///< before now
    int64_t not_before_h = 0;  ///< after now
    double due_h = 0;          ///< after now; below 0: never
  };
  const std::vector<Case> cases = {
      {"in time", "every 2h", "", 1, 0, 1},
      {"late", "every 2h", "", 5, 0, 0},
      {"begun by a clock that was ahead", "every 2h", "", -9'000, 0, 2},
      {"at a time of day by a clock that was ahead", "cron 30 3 * * *", "", -9'000, 0, 13.5},
      {"off", "off", "", 5, 0, -1},
      {"nothing to do before the next time", "every 2h", "", 1, 1, 1},
      {"nothing to do for longer", "every 2h", "", 1, 9, 9},
      {"in a window", "every 2h", "22:00-06:00", 5, 0, 8},
      {"nothing to do until after a window", "every 2h", "15:00-16:00", 1, 3, 25},
      {"by time of day", "cron 30 3 * * *", "", 11, 0, 13.5},
      {"nothing to do for a day", "cron 30 3 * * *", "", 11, 24, 37.5},
      {"nothing to do until just then", "cron 0 16 * * *", "", 11, 2, 2},
  };
  for (const auto& c : cases) {
    const auto policy = PolicyOfProperties(
        {{"maintenance.expire-snapshots.schedule", c.schedule}, {"maintenance.window", c.window}});
    const auto due =
        NextDueOf(policy.Of(Action::kExpireSnapshots),
                  {.table_id = 7,
                   .last_ms = kNow - c.last_h * kHourMs,
                   .now_ms = kNow,
                   .not_before_ms = c.not_before_h == 0 ? 0 : kNow + c.not_before_h * kHourMs});
    if (c.due_h < 0) {
      EXPECT_EQ(due, std::nullopt) << c.name;
      continue;
    }
    ASSERT_TRUE(due) << c.name;
    EXPECT_EQ(static_cast<double>(*due - kNow) / double{kHourMs}, c.due_h) << c.name;
  }
}

TEST(DueTime, NewTablesBeginApartFromEachOther) {
  const auto policy = PolicyOfProperties({});
  int64_t first = INT64_MAX, last = 0;
  for (int64_t id = 1; id <= 100; ++id) {
    const auto due = NextDueOf(policy.Of(Action::kExpireSnapshots),
                               {.table_id = id, .made_ms = kNow, .now_ms = kNow});
    ASSERT_TRUE(due);
    first = std::min(first, *due);
    last = std::max(last, *due);
  }
  EXPECT_LT(first, kNow + kHourMs / 10);
  EXPECT_GT(last, kNow + kHourMs * 9 / 10);
  EXPECT_LE(last, kNow + kHourMs);
}

TEST(DueTime, WindowsAreWaitedFor) {
  const auto policy = PolicyOfProperties({{"maintenance.window", "16:00-17:00"}});
  const auto obstacle = WaitsForWindow(policy.Of(Action::kExpireData), kNow);
  EXPECT_THAT(obstacle.reason, HasSubstr("waits for its window"));
  EXPECT_EQ(obstacle.until_ms, kNow + 2 * kHourMs);
  EXPECT_EQ(WaitsForWindow(policy.Of(Action::kExpireData), kNow + 2 * kHourMs).reason, "");
}

}  // namespace
}  // namespace moraine::maintenance
