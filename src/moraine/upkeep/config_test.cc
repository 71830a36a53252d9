#include "moraine/upkeep/config.h"

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace moraine::upkeep {
namespace {

constexpr int64_t kHourMs = 3'600'000;

TEST(MaintenanceConfigTest, DefaultsAreTheReferenceSystems) {
  auto config = MaintenanceConfigOf({});
  EXPECT_TRUE(config.expire_snapshots);
  EXPECT_EQ(config.snapshot_keep, Millis(12 * kHourMs));
  EXPECT_EQ(config.snapshot_keep_min_count, 1);
  EXPECT_FALSE(config.clean_orphan_files);
  EXPECT_EQ(config.orphan_min_age, Millis(48 * kHourMs));
  EXPECT_TRUE(config.clean_dangling_deletes);
  EXPECT_FALSE(config.expire_data);
  EXPECT_EQ(config.data_retention, Millis(0));
  EXPECT_FALSE(config.create_tags);
  EXPECT_TRUE(config.problems.empty());
}

TEST(MaintenanceConfigTest, ReadsWhatIsSaid) {
  auto config = MaintenanceConfigOf({{"snapshot.keep.duration", "30min"},
                                     {"snapshot.keep.min-count", "7"},
                                     {"data-expire.level", "FILE"},
                                     {"data-expire.datetime-number-format", "timestamp_s"},
                                     {"data-expire.retention-time", "90d"},
                                     {"tag.auto-create.trigger.period", "weekly"},
                                     {"tag.auto-create.max-age-ms", "-1"},
                                     {"statistics.columns", "a, b.c ,"}});
  EXPECT_EQ(config.snapshot_keep, Millis(kHourMs / 2));
  EXPECT_EQ(config.snapshot_keep_min_count, 7);
  EXPECT_EQ(config.data_expire_level, ExpireLevel::kFile);
  EXPECT_TRUE(config.data_expire_seconds);
  EXPECT_EQ(config.data_retention, Millis(90 * 24 * kHourMs));
  EXPECT_EQ(config.tag_period, TagPeriod::kWeekly);
  EXPECT_EQ(config.statistics_columns, (std::vector<std::string>{"a", "b.c"}));
  EXPECT_TRUE(config.problems.empty());
}

struct ProblemCase {
  std::string name, value, problem;
};

TEST(MaintenanceConfigTest, SaysWhatCannotBeRead) {
  const ProblemCase cases[] = {
      {"snapshot.keep.min-count", "0",
       "snapshot.keep.min-count is '0', expected a number from 1 on; expire-snapshots is not done "
       "until "
       "it is mended"},
      {"table-expire.enabled", "yes",
       "table-expire.enabled is 'yes', expected true or false; expire-snapshots is not done until "
       "it "
       "is mended"},
      {"gc.enabled", "no",
       "gc.enabled is 'no', expected true or false; nothing is deleted until it is mended"},
      {"data-expire.retention-time", "soon",
       "data-expire.retention-time is 'soon', expected a duration, such as 7d, 12h, 720min; "
       "expire-data is not done until it is mended"},
      {"data-expire.level", "table",
       "data-expire.level is 'table', expected partition or file or row; expire-data is not done "
       "until it is mended"},
      {"maintenance.delete-files-per-second", "fast",
       "maintenance.delete-files-per-second is 'fast', expected a number from 1 on; "
       "expire-snapshots, clean-orphan-files, purge-table are not done until it is mended"},
      {"snapshot.keep.duraton", "7d",
       "snapshot.keep.duraton is not a property that is known; did you mean "
       "snapshot.keep.duration?"}};
  for (const auto& c : cases) {
    auto config = MaintenanceConfigOf({{c.name, c.value}});
    ASSERT_EQ(config.problems.size(), 1u) << c.name;
    EXPECT_EQ(config.problems[0].Text(), c.problem);
  }
}

TEST(MaintenanceConfigTest, WhatCannotBeReadStopsWhoGoesByIt) {
  using enum Action;
  struct Case {
    std::string name, value;
    std::vector<Action> stopped;
  };
  const std::vector<Action> deleting = {kExpireSnapshots, kCleanOrphanFiles, kCleanDanglingDeletes,
                                        kExpireData, kPurgeTable};
  const Case cases[] = {{"gc.enabled", "no", deleting},
                        {"data-expire.legal-hold", "yes", deleting},
                        {"data-expire.time-zone.x", "y", {}},
                        {"snapshot.keep.duration", "abc", {kExpireSnapshots}},
                        {"history.expire.max-snapshot-age-ms", "5d", {kExpireSnapshots}},
                        {"clean-orphan-file.quarantine", "on", {kCleanOrphanFiles}},
                        {"clean-dangling-delete-files.enabled", "no", {kCleanDanglingDeletes}},
                        {"rewrite-manifests.enabled", "no", {kRewriteManifests}},
                        {"data-expire.level", "month", {kExpireData}},
                        {"tag.auto-create.kind", "hold", {kCreateTags}},
                        {"statistics.enabled", "1", {kComputeStatistics}}};
  for (const auto& c : cases) {
    auto config = MaintenanceConfigOf({{c.name, c.value}});
    std::vector<Action> stopped;
    for (Action action : kActions) {
      const auto* problem = WhatStops(config, action);
      if (problem == nullptr) continue;
      EXPECT_EQ(problem->property, c.name);
      stopped.push_back(action);
    }
    EXPECT_EQ(stopped, c.stopped) << c.name;
  }
}

TEST(MaintenanceConfigTest, PatternsAreReadAtOnce) {
  const auto config = MaintenanceConfigOf({{"data-expire.datetime-string-pattern", "JJJJ"},
                                           {"tag.auto-create.tag-format", "yyyy[MM]"}});
  ASSERT_EQ(config.problems.size(), 2U);
  EXPECT_EQ(config.problems[0].Text(),
            "data-expire.datetime-string-pattern is 'JJJJ', expected a pattern of dates and times, "
            "such as yyyy-MM-dd; expire-data is not done until it is mended");
  EXPECT_EQ(config.problems[1].property, "tag.auto-create.tag-format");
  EXPECT_EQ(config.data_expire_string_pattern, "yyyy-MM-dd");
}

TEST(MaintenanceConfigTest, EveryPropertyIsOfAnAction) {
  for (const auto& property : KnownProperties())
    EXPECT_FALSE(ReadersOf(property.name).empty()) << property.name;
}

TEST(MaintenanceConfigTest, EveryPropertyThatIsReadIsListed) {
  std::ifstream file(MORAINE_TEST_DATA_DIR "/../src/moraine/upkeep/config.cc");
  const std::string source((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  const std::regex reading(R"~(read\.\w+(<\w+>)?\(\s*"([^"]+)")~");
  std::set<std::string> read, listed;
  for (auto at = std::sregex_iterator(source.begin(), source.end(), reading);
       at != std::sregex_iterator(); ++at)
    read.insert((*at)[2]);
  for (const auto& property : KnownProperties()) listed.emplace(property.name);
  EXPECT_EQ(read, listed);
}

TEST(MaintenanceConfigTest, EveryActionHasAName) {
  for (Action action : kActions) {
    auto again = ActionFromName(ActionName(action));
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(*again, action);
  }
  EXPECT_EQ(ActionFromName("tidy").status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::upkeep
