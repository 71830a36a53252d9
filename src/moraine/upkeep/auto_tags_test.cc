#include "moraine/upkeep/auto_tags.h"

#include <memory>
#include <string_view>

#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/calendar.h"
#include "moraine/upkeep/config.h"

namespace moraine::upkeep {
namespace {

/// "2024-03-31T01:00:00", UTC.
int64_t Ms(std::string_view text) {
  auto parsed = iceberg::ParseTimestamp(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed->seconds * 1000 + parsed->nanos / 1'000'000;
}

std::string Text(int64_t ms) { return FormatTime(FromMillis(ms)).substr(0, 19); }

TimeZonePtr Zone(std::string_view name) {
  auto zone = TimeZone::Load(name);
  EXPECT_TRUE(zone.ok()) << zone.status().ToString();
  return zone.ok() ? *zone : TimeZone::Utc();
}

MaintenanceConfig Config(TagPeriod period) {
  MaintenanceConfig config;
  config.create_tags = true;
  config.tag_period = period;
  return config;
}

TEST(AutoTags, KnowsTheLastPeriod) {
  struct Case {
    TagPeriod period;
    const char* zone;
    int offset_minutes;
    const char* now;
    const char* end;
    const char* next;
    const char* name;
  };
  const Case cases[] = {
      {TagPeriod::kDaily, "UTC", 0, "2024-03-01T00:00:00", "2024-03-01T00:00:00",
       "2024-03-02T00:00:00", "tag-20240229"},
      {TagPeriod::kDaily, "UTC", 0, "2024-02-29T23:59:59", "2024-02-29T00:00:00",
       "2024-03-01T00:00:00", "tag-20240228"},
      {TagPeriod::kDaily, "UTC", 30, "2024-03-01T00:29:59", "2024-02-29T00:00:00",
       "2024-03-01T00:30:00", "tag-20240228"},
      {TagPeriod::kDaily, "UTC", 30, "2024-03-01T00:30:00", "2024-03-01T00:00:00",
       "2024-03-02T00:30:00", "tag-20240229"},
      {TagPeriod::kWeekly, "UTC", 0, "2024-01-04T10:00:00", "2024-01-01T00:00:00",
       "2024-01-08T00:00:00", "tag-2023W52"},
      {TagPeriod::kWeekly, "UTC", 0, "2024-01-07T23:59:00", "2024-01-01T00:00:00",
       "2024-01-08T00:00:00", "tag-2023W52"},
      {TagPeriod::kMonthly, "UTC", 0, "2024-01-31T10:00:00", "2024-01-01T00:00:00",
       "2024-02-01T00:00:00", "tag-202312"},
      {TagPeriod::kHourly, "UTC", 0, "2024-01-01T00:10:00", "2024-01-01T00:00:00",
       "2024-01-01T01:00:00", "tag-2023123123"},
      {TagPeriod::kHourly, "Asia/Kolkata", 0, "2024-01-01T00:10:00", "2023-12-31T23:30:00",
       "2024-01-01T00:30:00", "tag-2024010104"},
      {TagPeriod::kDaily, "Asia/Shanghai", 0, "2024-01-01T16:30:00", "2024-01-01T16:00:00",
       "2024-01-02T16:00:00", "tag-20240101"},
      // A day of 23 hours, and the one after it.
      {TagPeriod::kDaily, "Europe/Berlin", 0, "2024-03-31T12:00:00", "2024-03-30T23:00:00",
       "2024-03-31T22:00:00", "tag-20240330"},
      {TagPeriod::kDaily, "Europe/Berlin", 0, "2024-03-31T22:00:00", "2024-03-31T22:00:00",
       "2024-04-01T22:00:00", "tag-20240331"},
      // A day of 25.
      {TagPeriod::kDaily, "Europe/Berlin", 0, "2024-10-27T22:59:59", "2024-10-26T22:00:00",
       "2024-10-27T23:00:00", "tag-20241026"},
      // 02:00 to 03:00 is not there, and is there twice.
      {TagPeriod::kHourly, "Europe/Berlin", 0, "2024-03-31T01:10:00", "2024-03-31T01:00:00",
       "2024-03-31T02:00:00", "tag-2024033101"},
      {TagPeriod::kHourly, "Europe/Berlin", 0, "2024-10-27T01:10:00", "2024-10-27T01:00:00",
       "2024-10-27T02:00:00", "tag-2024102702"},
      {TagPeriod::kHourly, "Europe/Berlin", 0, "2024-10-27T02:10:00", "2024-10-27T02:00:00",
       "2024-10-27T03:00:00", "tag-2024102702"},
      // Midnight is not there: the day begins at 01:00.
      {TagPeriod::kDaily, "America/Sao_Paulo", 0, "2018-11-04T03:30:00", "2018-11-04T03:00:00",
       "2018-11-05T02:00:00", "tag-20181103"},
      {TagPeriod::kMonthly, "America/New_York", 0, "2024-03-20T00:00:00", "2024-03-01T05:00:00",
       "2024-04-01T04:00:00", "tag-202402"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.zone) + " " + one.now);
    MaintenanceConfig config = Config(one.period);
    config.tag_offset = Millis(one.offset_minutes * 60'000);
    const TimeZonePtr zone = Zone(one.zone);
    const TagPeriodEnd period = LastTagPeriod(config, *zone, Ms(one.now));
    EXPECT_EQ(Text(period.end_ms), one.end);
    EXPECT_EQ(Text(period.next_ms), one.next);
    EXPECT_EQ(period.due_ms, period.end_ms + one.offset_minutes * 60'000);
    auto decision = DecideTag(iceberg::TableMetadata(), config, *zone, Ms(one.now));
    ASSERT_TRUE(decision.ok());
    EXPECT_EQ(decision->name, one.name);
  }
}

/// Snapshots in a row of these times, with ids from 1; main is at the last.
iceberg::TableMetadata Table(std::initializer_list<const char*> times) {
  iceberg::TableMetadata metadata;
  metadata.table_uuid = "a3c1f6de-7f4d-4f0c-9d6e-0e5b8a3f2b11";
  int64_t id = 0;
  for (const char* time : times) {
    iceberg::Snapshot snapshot;
    if (id > 0) snapshot.parent_snapshot_id = id;
    snapshot.snapshot_id = ++id;
    snapshot.timestamp_ms = Ms(time);
    metadata.snapshots.push_back(std::make_shared<const iceberg::Snapshot>(snapshot));
    metadata.snapshot_log.push_back({snapshot.timestamp_ms, id});
  }
  if (id == 0) return metadata;
  metadata.current_snapshot_id = id;
  metadata.refs["main"].snapshot_id = id;
  return metadata;
}

int64_t Tagged(const iceberg::TableMetadata& metadata, const MaintenanceConfig& config,
               const char* now) {
  auto decision = DecideTag(metadata, config, *TimeZone::Utc(), Ms(now));
  EXPECT_TRUE(decision.ok()) << decision.status().ToString();
  EXPECT_FALSE(decision->reason.empty());
  return decision.ok() && decision->ref ? decision->ref->snapshot_id : 0;
}

TEST(AutoTags, PointsAtWhatMainWasAtTheEnd) {
  const auto config = Config(TagPeriod::kDaily);
  const auto table = Table(
      {"2024-05-01T10:00:00", "2024-05-02T23:59:59", "2024-05-03T00:00:00", "2024-05-03T00:00:01"});
  EXPECT_EQ(Tagged(table, config, "2024-05-03T00:10:00"), 3);
  EXPECT_EQ(Tagged(table, config, "2024-05-02T00:10:00"), 1);
  // A day without a commit has a tag, too.
  EXPECT_EQ(Tagged(table, config, "2024-05-09T00:10:00"), 4);
  EXPECT_EQ(Tagged(table, config, "2024-05-01T00:10:00"), 0);  // before there was anything
  EXPECT_EQ(Tagged(Table({}), config, "2024-05-01T00:10:00"), 0);

  MaintenanceConfig late = config;
  late.tag_offset = Millis(60'000);
  EXPECT_EQ(Tagged(table, late, "2024-05-03T00:10:00"), 4);
}

TEST(AutoTags, WaitsNoLongerThanMaxDelay) {
  auto config = Config(TagPeriod::kDaily);
  const auto table = Table({"2024-05-01T10:00:00"});
  EXPECT_EQ(Tagged(table, config, "2024-05-03T01:00:00"), 1);
  EXPECT_EQ(Tagged(table, config, "2024-05-03T01:00:01"), 0);
  config.tag_max_delay = Millis(0);
  EXPECT_EQ(Tagged(table, config, "2024-05-03T23:00:00"), 1);
}

TEST(AutoTags, FollowsMainThroughRollbacksAndPublishing) {
  const auto config = Config(TagPeriod::kDaily);
  // 2 is rolled back at 00:05 of the next day, 3 follows 1.
  auto table = Table({"2024-05-01T10:00:00", "2024-05-01T23:00:00", "2024-05-02T00:06:00"});
  iceberg::Snapshot third = *table.snapshots[2];
  third.parent_snapshot_id = 1;
  table.snapshots[2] = std::make_shared<const iceberg::Snapshot>(third);
  table.snapshot_log = {{Ms("2024-05-01T10:00:00"), 1},
                        {Ms("2024-05-01T23:00:00"), 2},
                        {Ms("2024-05-02T00:05:00"), 1},
                        {Ms("2024-05-02T00:06:00"), 3}};
  EXPECT_EQ(Tagged(table, config, "2024-05-02T00:10:00"), 1);

  // 2 was made on a branch the day before and became main's at 00:05.
  table = Table({"2024-05-01T10:00:00", "2024-05-01T23:00:00"});
  table.snapshot_log[1].timestamp_ms = Ms("2024-05-02T00:05:00");
  EXPECT_EQ(Tagged(table, config, "2024-05-02T00:10:00"), 1);

  // A branch's snapshot is none of main's.
  table = Table({"2024-05-01T10:00:00", "2024-05-01T23:00:00"});
  table.current_snapshot_id = table.refs["main"].snapshot_id = 1;
  table.snapshot_log.pop_back();
  EXPECT_EQ(Tagged(table, config, "2024-05-02T00:10:00"), 1);

  // What main was has expired.
  table = Table({"2024-05-01T10:00:00", "2024-05-02T01:00:00"});
  table.snapshots.erase(table.snapshots.begin());
  table.snapshot_log.erase(table.snapshot_log.begin());
  auto decision = DecideTag(table, config, *TimeZone::Utc(), Ms("2024-05-02T00:10:00"));
  ASSERT_TRUE(decision.ok());
  EXPECT_FALSE(decision->ref);
  EXPECT_NE(decision->reason.find("is gone"), std::string::npos);
}

TEST(AutoTags, AreMadeOnce) {
  auto config = Config(TagPeriod::kDaily);
  config.tag_max_age = Millis(1000);
  auto table = Table({"2024-05-01T23:00:00"});
  auto decision = DecideTag(table, config, *TimeZone::Utc(), Ms("2024-05-02T00:10:00"));
  ASSERT_TRUE(decision.ok() && decision->ref);
  EXPECT_EQ(decision->ref->type, iceberg::SnapshotRef::Type::kTag);
  // Its age counts from the snapshot on.
  EXPECT_EQ(decision->ref->max_ref_age_ms, 3'600'000 + 1000);
  const auto request = TagCommit(table, *decision);
  ASSERT_TRUE(iceberg::CheckRequirements(&table, request.requirements).ok());
  table.refs["tag-20240501"] = *decision->ref;
  EXPECT_EQ(iceberg::CheckRequirements(&table, request.requirements).code(), Code::kConflict);
  EXPECT_EQ(Tagged(table, config, "2024-05-02T00:20:00"), 0);
}

TEST(AutoTags, MayBeBranches) {
  auto config = Config(TagPeriod::kDaily);
  config.tag_makes_branch = true;
  config.tag_format = "'end-of-'yyyy-MM-dd";
  auto decision = DecideTag(Table({"2024-05-01T23:00:00"}), config, *TimeZone::Utc(),
                            Ms("2024-05-02T00:10:00"));
  ASSERT_TRUE(decision.ok() && decision->ref);
  EXPECT_EQ(decision->name, "end-of-2024-05-01");
  EXPECT_EQ(decision->ref->type, iceberg::SnapshotRef::Type::kBranch);
  EXPECT_FALSE(decision->ref->max_ref_age_ms);
}

TEST(AutoTags, RefusesFormatsThatMakeNoName) {
  for (const char* format : {"'main'", "EEE", "'open", "'a\n'yyyy"}) {
    auto config = Config(TagPeriod::kDaily);
    config.tag_format = format;
    auto decision = DecideTag(Table({"2024-05-01T23:00:00"}), config, *TimeZone::Utc(),
                              Ms("2024-05-02T00:10:00"));
    ASSERT_FALSE(decision.ok()) << format;
    EXPECT_EQ(decision.status().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace moraine::upkeep
