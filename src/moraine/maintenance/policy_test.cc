#include "moraine/maintenance/policy.h"

#include <fstream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>

namespace moraine::maintenance {
namespace {

using upkeep::Action;

struct Said {
  iceberg::StringMap server, defaults, outer, inner, table, overrides;

  TablePolicy Policy() {
    TimeZones zones;
    return PolicyOf({&server, "w", &defaults, {{"a", &outer}, {"a.b", &inner}}, &table, &overrides},
                    zones);
  }
};

TEST(Policy, TheNearestLevelWinsAndItsPlaceIsKnown) {
  const std::string name = "snapshot.keep.duration";
  Said said;
  EXPECT_FALSE(said.Policy().properties.contains(name));
  struct Step {
    iceberg::StringMap* level;
    std::string key, value;
    Level expected;
    std::string where;
  };
  const Step steps[] = {
      {&said.server, name, "1h", Level::kServer, ""},
      {&said.defaults, "table-default." + name, "2h", Level::kWarehouse, "w"},
      {&said.defaults, name, "3h", Level::kWarehouse, "w"},
      {&said.outer, name, "4h", Level::kNamespace, "a"},
      {&said.inner, name, "5h", Level::kNamespace, "a.b"},
      {&said.table, name, "6h", Level::kTable, ""},
      {&said.overrides, "table-override." + name, "7h", Level::kOverride, "w"},
      {&said.overrides, name, "8h", Level::kOverride, "w"},
  };
  int hours = 0;
  for (const auto& step : steps) {
    (*step.level)[step.key] = step.value;
    auto policy = said.Policy();
    const auto& found = policy.properties.at(name);
    EXPECT_EQ(found.value, step.value);
    EXPECT_EQ(found.level, step.expected) << step.value;
    EXPECT_EQ(found.where, step.where) << step.value;
    EXPECT_EQ(policy.config.snapshot_keep, Millis(std::chrono::hours(++hours)));
  }
}

TEST(Policy, TakesNothingThatIsNotItsOwn) {
  Said said;
  said.table = {{"write.format.default", "parquet"}, {"owner", "me"}, {"gc.enabled", "true"}};
  EXPECT_EQ(ValuesOf(said.Policy().properties), (iceberg::StringMap{{"gc.enabled", "true"}}));
}

TEST(Policy, SaysWhyAnActionDoesNotRun) {
  struct Case {
    std::string name, value;
    Action action;
    std::string reason;
  };
  const Case cases[] = {
      {"", "", Action::kCleanOrphanFiles, "clean-orphan-file.enabled is false (default)"},
      {"", "", Action::kExpireSnapshots, ""},
      {"", "", Action::kPurgeTable, ""},
      {"table-expire.enabled", "false", Action::kExpireSnapshots,
       "table-expire.enabled is false (namespace a)"},
      {"gc.enabled", "false", Action::kExpireSnapshots, "gc.enabled is false (namespace a)"},
      {"gc.enabled", "false", Action::kRewriteManifests, ""},
      {"maintenance.enabled", "false", Action::kRewriteManifests,
       "maintenance.enabled is false (namespace a)"},
      {"statistics.enabled", "true", Action::kComputeStatistics, ""},
  };
  for (const auto& c : cases) {
    Said said;
    if (!c.name.empty()) said.outer[c.name] = c.value;
    auto policy = said.Policy();
    EXPECT_EQ(policy.Of(c.action).reason, c.reason) << c.name;
    EXPECT_EQ(policy.Of(c.action).enabled, c.reason.empty()) << c.name;
  }
}

TEST(Policy, SchedulesAndWindowsAreInheritedLikeAllElse) {
  Said said;
  said.server["maintenance.time-zone"] = "+02:00";
  said.outer["maintenance.window"] = "22:00-06:00";
  said.inner["maintenance.expire-snapshots.schedule"] = "cron 0 3 * * *";
  said.table["maintenance.expire-data.window"] = "01:00-02:00 UTC";
  said.table["maintenance.rewrite-manifests.schedule"] = "off";
  auto policy = said.Policy();
  EXPECT_TRUE(policy.problems.empty());
  const auto& expiry = policy.Of(Action::kExpireSnapshots);
  EXPECT_EQ(expiry.schedule_level, Level::kNamespace);
  EXPECT_EQ(expiry.window_text, "22:00-06:00");
  EXPECT_EQ(expiry.schedule.NextAfter(FromMillis(0)), FromMillis(3'600'000)) << "03:00 at +02:00";
  EXPECT_EQ(policy.Of(Action::kExpireData).windows.at(0).zone->name(), "UTC");
  EXPECT_EQ(policy.Of(Action::kExpireData).window_level, Level::kTable);
  EXPECT_FALSE(policy.Of(Action::kRewriteManifests).runs());
  EXPECT_EQ(policy.Of(Action::kPurgeTable).schedule_text, "every 1h");
}

TEST(Policy, MistakesAreNamedAndNothingIsGuessed) {
  Said said;
  said.table = {{"maintenance.expire-snapshots.schedule", "sometimes"},
                {"maintenance.windows", "22:00-06:00"},
                {"maintenance.time-zone", "Mars/Olympus"},
                {"maintenance.enabled", "perhaps"},
                {"snapshot.keep.duratoin", "1h"}};
  auto policy = said.Policy();
  EXPECT_EQ(policy.problems.size(), 5U);
  EXPECT_EQ(policy.Of(Action::kExpireSnapshots).schedule_text, "sometimes");
  for (const auto& action : policy.actions) EXPECT_FALSE(action.runs());
  std::string all;
  for (const auto& problem : policy.problems) all += problem + "\n";
  EXPECT_NE(all.find("did you mean maintenance.window?"), std::string::npos) << all;
  EXPECT_NE(all.find("maintenance.time-zone (table): no time zone"), std::string::npos) << all;

  said.table = {{"maintenance.window", "at night"}};
  policy = said.Policy();
  ASSERT_EQ(policy.problems.size(), 1U);
  for (const auto& action : policy.actions) EXPECT_FALSE(action.runs());
}

TEST(Policy, WhatCannotBeReadStopsNoMoreThanWhatGoesByIt) {
  struct Case {
    std::string name, value;
    std::vector<Action> off;  ///< of those below
    std::string reason;       ///< of the first
  };
  const std::vector<Action> actions = {Action::kExpireSnapshots, Action::kCleanDanglingDeletes,
                                       Action::kRewriteManifests};
  const Case cases[] = {
      {"gc.enabled",
       "no",
       {Action::kExpireSnapshots, Action::kCleanDanglingDeletes},
       "gc.enabled (namespace a) is 'no', expected true or false; nothing is deleted until it is "
       "mended"},
      {"snapshot.keep.duration",
       "abc",
       {Action::kExpireSnapshots},
       "snapshot.keep.duration (namespace a) is 'abc', expected a duration, such as 7d, 12h, "
       "720min; expire-snapshots is not done until it is mended"},
      {"maintenance.expire-snapshots.schedule",
       "evry 5m",
       {Action::kExpireSnapshots},
       "maintenance.expire-snapshots.schedule (namespace a): 'evry 5m': expected off, every "
       "DURATION (10s to 400d), or cron MINUTE HOUR DAY MONTH WEEKDAY [ZONE]; expire-snapshots "
       "does not run by itself until it is mended"},
      {"maintenance.expire-snapshots.schedule",
       "Off",
       {Action::kExpireSnapshots},
       "maintenance.expire-snapshots.schedule is off (namespace a)"},
      {"maintenance.enabled", "perhaps", actions,
       "maintenance.enabled (namespace a): 'perhaps': expected true or false; nothing runs by "
       "itself until it is mended"},
      {"maintenance.time-zone", "Mars/Base", {}, ""},
      {"data-expire.time-zone", "Mars/Base", {}, ""},
      {"tag.auto-create.time-zone", "Mars/Base", {}, ""}};
  for (const auto& c : cases) {
    Said said;
    said.outer[c.name] = c.value;
    const auto policy = said.Policy();
    std::vector<Action> off;
    for (Action action : actions) {
      EXPECT_EQ(policy.Of(action).runs(), policy.Of(action).reason.empty()) << c.name;
      if (!policy.Of(action).runs()) off.push_back(action);
    }
    EXPECT_EQ(off, c.off) << c.name;
    EXPECT_EQ(off.empty() ? "" : policy.Of(off[0]).reason, c.reason) << c.name;
  }
}

TEST(Policy, ZonesCountWhereSomethingGoesByThem) {
  Said said;
  said.outer["tag.auto-create.time-zone"] = "Mars/Base";
  EXPECT_TRUE(said.Policy().problems.empty());
  said.outer["tag.auto-create.enabled"] = "true";
  const auto policy = said.Policy();
  EXPECT_EQ(policy.Of(Action::kCreateTags).reason,
            "tag.auto-create.time-zone (namespace a) is 'Mars/Base', expected a time zone, such as "
            "Europe/Berlin; auto-create-tags is not done until it is mended");
  EXPECT_EQ(policy.problems, std::vector{policy.Of(Action::kCreateTags).reason});
}

TEST(Policy, TheGuideListsEveryProperty) {
  std::string table = "| property | default | what it is |\n|---|---|---|\n";
  for (const auto& property : PolicyProperties()) {
    const std::string value =
        property.default_value.empty() ? "" : "`" + property.default_value + "`";
    table += "| `" + property.name + "` | " + value + " | " + property.meaning + " |\n";
  }
  std::ifstream file(MORAINE_TEST_DATA_DIR "/../docs/guide/maintenance.md");
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string begin = "<!-- properties: begin -->\n";
  const size_t at = page.find(begin);
  ASSERT_NE(at, std::string::npos);
  const size_t from = at + begin.size();
  EXPECT_EQ(page.substr(from, page.find("<!-- properties: end -->") - from), table)
      << "docs/guide/maintenance.md is old";
}

TEST(Policy, EveryPropertyIsItsOwnAndIsListedOnce) {
  std::set<std::string> names;
  for (const auto& property : PolicyProperties()) {
    EXPECT_TRUE(IsPolicyProperty(property.name)) << property.name;
    EXPECT_TRUE(names.insert(property.name).second) << property.name;
  }
  for (Action action : upkeep::kActions) {
    if (SwitchOf(action).empty()) continue;
    EXPECT_TRUE(names.contains(std::string(SwitchOf(action)))) << SwitchOf(action);
  }
}

}  // namespace
}  // namespace moraine::maintenance
