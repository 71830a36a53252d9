#include "moraine/maintenance/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/lifecycle.h"
#include "moraine/maintenance/controls.h"
#include "moraine/maintenance/holds.h"
#include "moraine/maintenance/testing/maintenance_world.h"
#include "moraine/optimizing/attempt_cleaner.h"

namespace moraine::maintenance {
namespace {

using store::Transaction;
using testing::EveryFault;
using testing::FaultInjector;
using testing::HasSubstr;

constexpr std::chrono::hours kHour{1};

iceberg::CommitRequest SetProperty(const std::string& key, const std::string& value) {
  iceberg::CommitRequest request;
  request.updates.emplace_back(iceberg::update::SetProperties{{{key, value}}});
  return request;
}

NewTask Task(const std::string& kind) {
  NewTask task;
  task.kind = kind;
  task.body = R"({"n":1})";
  return task;
}

/// look (task) -> commit -> delete (tasks with decisions) -> done.
void UseAllSteps(Script* script) {
  script->start = [](const RunContext& context) -> Result<Step> {
    if (context.dry_run) return Step(Done{.summary = "would remove 1", .details = R"({"n":1})"});
    // Done before: the property says so.
    if (context.table->metadata->properties.contains("expired"))
      return Step(Nothing{"nothing is old enough", std::nullopt});
    return Step(RunTasks{{Task("look")}, R"({"at":"looked"})", "looks", Finish::kMayFail});
  };
  script->go_on = [](const RunContext& context,
                     const std::vector<TaskResult>& results) -> Result<Step> {
    if (context.state == R"({"at":"looked"})") {
      EXPECT_EQ(results.size(), 1U);
      return Step(TableChange{SetProperty("expired", "yes"), R"({"at":"committed"})", "commits",
                              Finish::kMust});
    }
    if (context.state == R"({"at":"committed"})") {
      EXPECT_TRUE(results.empty());
      RunTasks step{{Task("delete"), Task("delete")}, R"({"at":"deleted"})", "", Finish::kMust};
      for (auto& task : step.tasks) task.deletion = {"expired", "file:///list", 10, 100};
      return Step(std::move(step));
    }
    EXPECT_EQ(results.size(), 2U);
    return Step(Done{.summary = "2 files are gone",
                     .files_removed = 2,
                     .bytes_removed = 20,
                     .details = R"({"n":2})",
                     .memory = R"({"last":"yes"})"});
  };
}

class ServiceTest : public testing::Test {
 protected:
  MaintenanceWorld world_;
};

TEST_F(ServiceTest, NewTablesAreDueWithinTheInterval) {
  const auto table = world_.MakeTable("t");
  world_.Settle();
  auto schedule = world_.ScheduleOf(table->table_id);
  ASSERT_TRUE(schedule);
  ASSERT_TRUE(schedule->due_ms);
  EXPECT_LE(*schedule->due_ms, world_.now_ms() + 3'600'000);
  world_.Advance(kHour);
  world_.Settle();
  schedule = world_.ScheduleOf(table->table_id);
  EXPECT_EQ(schedule->last_state, "nothing");
  EXPECT_EQ(schedule->last_reason, "nothing is old enough");
  EXPECT_EQ(schedule->due_ms, world_.now_ms() + 3'600'000);
  // What nobody asked for and did nothing leaves no trace but that.
  EXPECT_TRUE(world_.Runs().empty());
}

/// As a server leaves them that began before its machine had asked for the time.
TEST_F(ServiceTest, RowsOfAClockThatWasAheadKeepNobodyWaiting) {
  const auto table = world_.MakeTable("t");
  world_.Settle();
  const int64_t ahead_ms = world_.now_ms() + 365LL * 24 * 3'600'000;
  Call call = world_.call();
  ASSERT_TRUE(world_.store()
                  .Run(call, store::Access::kWrite,
                       [&](Transaction& t) -> Status {
                         MORAINE_TRY(
                             t.Execute("UPDATE maintenance_table SET looked_ms = ?", {ahead_ms}));
                         return t
                             .Execute("UPDATE maintenance_schedule SET due_ms = ?, last_run_ms = ?",
                                      {ahead_ms + 3'600'000, ahead_ms})
                             .status();
                       })
                  .ok());
  world_.Advance(2 * kHour);
  world_.Settle();
  world_.Settle();  // what trimming finds, the next round looks at
  const auto schedule = world_.ScheduleOf(table->table_id);
  ASSERT_TRUE(schedule && schedule->due_ms);
  EXPECT_LE(*schedule->due_ms, world_.now_ms() + 3'600'000);
}

TEST_F(ServiceTest, PropertiesSwitchOnAndOff) {
  const auto table = world_.MakeTable("t", {{"table-expire.enabled", "false"}});
  world_.Settle();
  EXPECT_FALSE(world_.ScheduleOf(table->table_id));
  ASSERT_TRUE(world_.SetProperty("t", "table-expire.enabled", "true").ok());
  world_.Settle();
  ASSERT_TRUE(world_.ScheduleOf(table->table_id));
  EXPECT_TRUE(world_.ScheduleOf(table->table_id)->due_ms);
  ASSERT_TRUE(world_.SetProperty("t", "gc.enabled", "false").ok());
  world_.Settle();
  EXPECT_FALSE(world_.ScheduleOf(table->table_id)->due_ms);
  EXPECT_THAT(world_.ScheduleOf(table->table_id)->reason, HasSubstr("gc.enabled"));
  Call call = world_.call();
  EXPECT_EQ(
      world_.service().Request(call, *world_.Load("t"), world_.script().action, {}).status().code(),
      Code::kConflict);
}

TEST_F(ServiceTest, ARunGoesThroughAllItsSteps) {
  UseAllSteps(&world_.script());
  const auto table = world_.MakeTable("t");
  world_.Settle();
  const std::string id = world_.Ask("t");
  world_.Settle();
  ASSERT_EQ(world_.Runs().size(), 1U);
  EXPECT_EQ(world_.Runs()[0].state, RunState::kRunning);
  EXPECT_EQ(world_.RunTasks(), 1U);
  world_.Settle();
  EXPECT_TRUE(world_.Load("t")->metadata->properties.contains("expired"));
  auto deletions = world_.Deletions();
  ASSERT_EQ(deletions.size(), 2U);
  EXPECT_EQ(deletions[0].state, "open");
  EXPECT_EQ(deletions[0].table_version, world_.Load("t")->version);
  EXPECT_EQ(deletions[0].metadata_location, world_.Load("t")->metadata_location);
  EXPECT_EQ(world_.RunTasks(), 2U);
  world_.Settle();
  const auto run = world_.Runs().at(0);
  EXPECT_EQ(run.run_id, id);
  EXPECT_EQ(run.state, RunState::kSucceeded);
  EXPECT_EQ(run.reason, "2 files are gone");
  EXPECT_EQ(run.files_removed, 2);
  EXPECT_EQ(run.tasks, 3);
  EXPECT_EQ(run.started_by, "person");
  EXPECT_EQ(world_.Deletions()[0].state, "done");
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->memory, R"({"last":"yes"})");
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->last_run_id, id);
  EXPECT_EQ(world_.Count("task"), 0);
  EXPECT_EQ(world_.Count("maintenance_active"), 0);
  EXPECT_EQ(world_.Count("deletion"), 1) << "the files of its tasks are the cleaner's";
}

TEST_F(ServiceTest, ADryRunChangesNothing) {
  UseAllSteps(&world_.script());
  const auto table = world_.MakeTable("t");
  world_.Settle();
  const auto before = world_.ScheduleOf(table->table_id);
  world_.Ask("t", true);
  world_.Settle();
  ASSERT_EQ(world_.Runs().size(), 1U);
  EXPECT_TRUE(world_.Runs()[0].dry_run);
  EXPECT_EQ(world_.Runs()[0].reason, "would remove 1");
  EXPECT_EQ(world_.Load("t")->version, table->version);
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->last_run_ms, before->last_run_ms);
  // A driver that forgets itself is stopped.
  world_.script().start = [](const RunContext&) -> Result<Step> {
    return Step(TableChange{SetProperty("a", "b"), "{}", "", Finish::kMayFail});
  };
  world_.Ask("t", true);
  world_.Settle();
  EXPECT_EQ(world_.Runs()[0].state, RunState::kFailed);
  EXPECT_EQ(world_.Load("t")->version, table->version);
}

TEST_F(ServiceTest, FailuresAreTriedAgainLaterAndLater) {
  const auto table = world_.MakeTable("t");
  world_.Settle();
  world_.script().start = [](const RunContext&) -> Result<Step> { return Corruption("a file"); };
  world_.Ask("t");
  world_.Settle();
  auto schedule = world_.ScheduleOf(table->table_id);
  EXPECT_EQ(schedule->failures, 1);
  EXPECT_EQ(schedule->last_reason, "Corruption: a file");
  EXPECT_EQ(schedule->due_ms, world_.now_ms() + 60'000);
  world_.Advance(std::chrono::minutes(1));
  world_.Settle();
  schedule = world_.ScheduleOf(table->table_id);
  EXPECT_EQ(schedule->failures, 2);
  EXPECT_EQ(schedule->due_ms, world_.now_ms() + 120'000);
  world_.script().start = [](const RunContext&) -> Result<Step> {
    return Step(Nothing{"fine", std::nullopt});
  };
  world_.Advance(std::chrono::minutes(2));
  world_.Settle();
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->failures, 0);
}

TEST_F(ServiceTest, WhatHasBegunToDeleteIsNeverGivenUp) {
  UseAllSteps(&world_.script());
  world_.MakeTable("t");
  world_.Settle();
  world_.Ask("t");
  world_.Settle();
  world_.RunTasks();
  world_.Settle();
  const auto fails = [](const tasks::MaintenanceTask&) -> Result<tasks::MaintenanceOutput> {
    return Corruption("the list");
  };
  for (int i = 0; i < 20; ++i) {
    world_.RunTasks(fails);
    world_.Settle();
    world_.Advance(6 * kHour);
    ASSERT_EQ(world_.Runs().at(0).state, RunState::kRunning);
  }
  EXPECT_THAT(world_.Runs().at(0).error, HasSubstr("the list"));
  world_.RunTasks();
  world_.Settle();
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kSucceeded);
}

TEST_F(ServiceTest, TasksThatAreTriedAgainWait) {
  world_.script().start = [](const RunContext&) -> Result<Step> {
    return Step(RunTasks{{Task("delete")}, "{}", "the rest is tried again", Finish::kMust, 3});
  };
  world_.script().go_on = [](const RunContext&, const std::vector<TaskResult>&) -> Result<Step> {
    return Step(Done{.summary = "gone"});
  };
  world_.MakeTable("t");
  world_.Settle();
  world_.Ask("t");
  world_.Settle();
  world_.RunTasks();
  world_.Settle();
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kRunning);
  world_.Advance(std::chrono::minutes(4));
  world_.RunTasks();
  world_.Settle();
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kSucceeded);
}

TEST_F(ServiceTest, ATaskThatFailsForGoodFailsTheRunThatMay) {
  UseAllSteps(&world_.script());
  world_.MakeTable("t");
  world_.Settle();
  world_.Ask("t");
  world_.Settle();
  world_.RunTasks([](const tasks::MaintenanceTask&) -> Result<tasks::MaintenanceOutput> {
    return Corruption("a manifest");
  });
  world_.Settle();
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kFailed);
  EXPECT_THAT(world_.Runs().at(0).error, HasSubstr("a manifest"));
  EXPECT_EQ(world_.Count("task"), 0);
}

TEST_F(ServiceTest, OthersAreQuickerAndTheStepIsDecidedAgain) {
  world_.MakeTable("t");
  world_.Settle();
  int asked = 0;
  world_.script().start = [&](const RunContext& context) -> Result<Step> {
    // A writer comes between the look and the commit, the first two times.
    if (++asked <= 2) {
      EXPECT_TRUE(world_.SetProperty("t", "n", std::to_string(asked)).ok());
    }
    auto request = SetProperty("seen", std::to_string(context.table->version));
    request.requirements.emplace_back(
        iceberg::requirement::AssertCurrentSchemaId{asked > 2 ? 0 : 9});
    return Step(TableChange{std::move(request), R"({"at":"committed"})", "", Finish::kMayFail});
  };
  world_.script().go_on = [](const RunContext&, const std::vector<TaskResult>&) -> Result<Step> {
    return Step(Done{.summary = "done"});
  };
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kSucceeded);
}

TEST_F(ServiceTest, PausedActionsWaitForTheirReturn) {
  const auto table = world_.MakeTable("t");
  world_.Settle();
  Call call = world_.call();
  Controls controls(world_.engine(), world_.store(), {});
  ASSERT_TRUE(controls.Pause(call, *table, world_.script().action).ok());
  world_.Advance(24 * kHour);
  world_.Settle();
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->last_run_ms, 0);
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(world_.Runs().size(), 1U) << "a person may all the same";
  EXPECT_FALSE(world_.ScheduleOf(table->table_id)->due_ms);
  Call later = world_.call();
  ASSERT_TRUE(controls.Resume(later, *table, world_.script().action).ok());
  world_.Settle();
  EXPECT_TRUE(world_.ScheduleOf(table->table_id)->due_ms);
}

TEST_F(ServiceTest, ObstaclesPutARunOff) {
  bool blocked = true;
  const int64_t until_ms = world_.now_ms() + 2 * 3'600'000;
  world_.seams().blockers_of = [&](Call&, int64_t) -> Result<std::vector<catalog::Blocker>> {
    if (!blocked || world_.now_ms() >= until_ms) return std::vector<catalog::Blocker>();
    return std::vector<catalog::Blocker>{
        {.operations = {"all"}, .owner = "a writer", .expires_ms = until_ms}};
  };
  world_.Restart();
  const auto table = world_.MakeTable("t");
  world_.Settle();
  world_.Ask("t");
  world_.Settle();
  EXPECT_TRUE(world_.Runs().empty());
  EXPECT_THAT(world_.ScheduleOf(table->table_id)->reason, HasSubstr("blocked by a writer"));
  world_.Advance(2 * kHour);
  world_.Settle();
  EXPECT_EQ(world_.Runs().size(), 1U);
}

TEST_F(ServiceTest, ADryRunWaitsForNoBlocker) {
  const int64_t until_ms = world_.now_ms() + 2 * 3'600'000;
  world_.seams().blockers_of = [&](Call&, int64_t) -> Result<std::vector<catalog::Blocker>> {
    return std::vector<catalog::Blocker>{
        {.operations = {"all"}, .owner = "a writer", .expires_ms = until_ms}};
  };
  world_.Restart();
  world_.MakeTable("t");
  world_.Settle();
  world_.Ask("t", true);
  world_.Settle();
  ASSERT_EQ(world_.Runs().size(), 1U);
  EXPECT_TRUE(world_.Runs()[0].dry_run);
}

TEST_F(ServiceTest, TagsThatAPersonAsksForAreNeverLate) {
  world_.script().action = upkeep::Action::kCreateTags;
  world_.Restart();
  Millis max_delay{-1};
  world_.script().start = [&](const RunContext& context) -> Result<Step> {
    max_delay = context.config.tag_max_delay;
    return Step(Nothing{"", std::nullopt});
  };
  world_.MakeTable("t");
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(max_delay.count(), 0) << "however late";
}

TEST_F(ServiceTest, HoldsReachTheDriver) {
  world_.seams().holds_of = [](Call&, const catalog::LoadedTable&,
                               int64_t) -> Result<std::vector<upkeep::SnapshotHold>> {
    return std::vector<upkeep::SnapshotHold>{{"held", {3, 7}, 3}};
  };
  world_.Restart();
  std::vector<int64_t> held;
  world_.script().start = [&](const RunContext& context) -> Result<Step> {
    held = context.holds.at(0).snapshot_ids;
    EXPECT_EQ(context.holds.at(0).from_snapshot, 3);
    return Step(Nothing{"", std::nullopt});
  };
  world_.MakeTable("t");
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(held, (std::vector<int64_t>{3, 7}));
}

TEST_F(ServiceTest, TablesAreLookedAtWhenWhatTheyInheritChanges) {
  std::string enabled = "true";
  world_.seams().policy_of = [&](Call&, const catalog::LoadedTable&,
                                 Inherited&) -> Result<TablePolicyPtr> {
    TimeZones zones;
    return std::make_shared<const TablePolicy>(
        PolicyOf(EffectiveProperties{{"table-expire.enabled", {.value = enabled}}}, zones));
  };
  world_.Restart();
  const auto table = world_.MakeTable("t");
  world_.Settle();
  ASSERT_TRUE(world_.ScheduleOf(table->table_id)->due_ms);
  Call call = world_.call();
  enabled = "false";
  world_.Settle();
  EXPECT_TRUE(world_.ScheduleOf(table->table_id)->due_ms) << "nobody has said so yet";
  ASSERT_TRUE(world_.engine().UpdateNamespace(call, "w", {"ns"}, {{"a", "b"}}, {}).ok());
  world_.Settle();
  EXPECT_FALSE(world_.ScheduleOf(table->table_id)->due_ms);
  Controls controls(world_.engine(), world_.store(), {});
  bool woken = false;
  controls.OnAsked([&] { woken = true; });
  enabled = "true";
  ASSERT_TRUE(controls.LookAgain(call, "another").ok());
  world_.Settle();
  EXPECT_FALSE(world_.ScheduleOf(table->table_id)->due_ms);
  ASSERT_TRUE(controls.LookAgain(call, "w").ok());
  EXPECT_TRUE(woken);
  world_.Settle();
  EXPECT_TRUE(world_.ScheduleOf(table->table_id)->due_ms);
}

TEST_F(ServiceTest, WhatCannotBeReadStopsTheActionUntilItIsMended) {
  const auto table = world_.MakeTable("t");
  world_.Settle();
  ASSERT_TRUE(world_.ScheduleOf(table->table_id)->due_ms);
  int begun = 0;
  world_.script().start = [&](const RunContext&) -> Result<Step> {
    ++begun;
    return Step(Nothing{"", std::nullopt});
  };
  ASSERT_TRUE(world_.SetProperty("t", "gc.enabled", "no").ok());
  Call call = world_.call();
  for (bool dry_run : {false, true}) {
    const auto asked = world_.service().Request(call, *world_.Load("t"), world_.script().action,
                                                {.dry_run = dry_run});
    EXPECT_EQ(asked.status().code(), Code::kConflict);
    EXPECT_EQ(asked.status().message().find("gc.enabled (table) is 'no', expected true or false"),
              0U)
        << asked.status().message();
  }
  world_.Settle();
  EXPECT_FALSE(world_.ScheduleOf(table->table_id)->due_ms);
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->reason.find("gc.enabled (table) is 'no'"), 0U);
  EXPECT_EQ(begun, 0);
  ASSERT_TRUE(world_.SetProperty("t", "gc.enabled", "true").ok());
  world_.Settle();
  EXPECT_TRUE(world_.ScheduleOf(table->table_id)->due_ms);
}

// A hold does not change the table: its version tells nothing of it.
TEST_F(ServiceTest, WhatIsHeldSinceTheDecisionStays) {
  using Held = Result<std::vector<upkeep::SnapshotHold>>;
  std::vector<upkeep::SnapshotHold> held;
  world_.seams().holds_of = [&](Call&, const catalog::LoadedTable&, int64_t) -> Held {
    return held;
  };
  world_.seams().holds_in = [&](Transaction&, const catalog::LoadedTable&) -> Held { return held; };
  world_.Restart();
  int decisions = 0;
  world_.script().start = [&](const RunContext& context) -> Result<Step> {
    ++decisions;
    if (!context.holds.empty()) return Step(Nothing{"all is held", std::nullopt});
    held.push_back({"held", {3, 7}, std::nullopt});  // by somebody else, a moment later
    auto request = SetProperty("expired", "yes");
    request.updates.emplace_back(iceberg::update::RemoveSnapshots{{5, 7}});
    return Step(TableChange{std::move(request), "{}", "", Finish::kMust});
  };
  const auto table = world_.MakeTable("t");
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(decisions, 2);
  EXPECT_EQ(world_.Load("t")->version, table->version);
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kNothing);
  EXPECT_EQ(world_.Runs().at(0).reason, "all is held");
}

TEST_F(ServiceTest, HoldsAreOfTheTableAsItIs) {
  Call call = world_.call();
  Holds holds(world_.store(), {});
  ASSERT_TRUE(holds.Open(call).ok());
  const auto table = world_.MakeTable("t");
  iceberg::TableMetadata metadata = *table->metadata;
  auto snapshot = std::make_shared<iceberg::Snapshot>();
  snapshot->snapshot_id = 7;
  metadata.snapshots.push_back(std::move(snapshot));
  NewHold wanted{.name = "h", .snapshot_id = 7, .table_version = table->version};
  EXPECT_TRUE(holds.Put(call, table->table_id, metadata, wanted).ok());
  ASSERT_TRUE(world_.SetProperty("t", "a", "b").ok());
  EXPECT_EQ(holds.Put(call, table->table_id, metadata, wanted).status().code(), Code::kConflict);
  EXPECT_EQ(holds.Put(call, table->table_id + 99, metadata, wanted).status().code(),
            Code::kNotFound);
}

TEST_F(ServiceTest, ADroppedTablesRunsEnd) {
  UseAllSteps(&world_.script());
  const auto table = world_.MakeTable("t");
  world_.Settle();
  world_.Ask("t");
  world_.Settle();
  ASSERT_TRUE(world_.Drop("t", catalog::Catalog::Purge::kNo).ok());
  world_.Settle();
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kCancelled);
  EXPECT_FALSE(world_.ScheduleOf(table->table_id));
  EXPECT_EQ(world_.Count("task"), 0);
}

TEST_F(ServiceTest, PurgesAreKnownThoughTheFeedForgot) {
  world_.MakeTable("t");
  world_.Settle();
  const auto table = world_.Load("t");
  ASSERT_TRUE(world_.Drop("t", catalog::Catalog::Purge::kRequested).ok());
  world_.Advance(100 * kHour * 24);
  Call ending = world_.call();
  ASSERT_TRUE(catalog::Lifecycle(world_.engine()).PurgeTick(ending).ok());
  world_.Advance(100 * kHour * 24);
  Call call = world_.call();
  ASSERT_TRUE(world_.engine().TrimChanges(call, world_.now_ms(), INT64_MAX).ok());
  world_.Restart();
  world_.script().action = upkeep::Action::kPurgeTable;
  std::string location;
  world_.script().start = [&](const RunContext& context) -> Result<Step> {
    location = context.subject.metadata_location;
    return Step(Done{.summary = "gone"});
  };
  world_.Settle();
  EXPECT_EQ(location, table->metadata_location);
  EXPECT_EQ(world_.Count("purge_request"), 0);
  world_.Restart();
  location.clear();
  world_.Settle();
  EXPECT_EQ(location, "") << "once";
}

/// What attempts wrote beside the table's files goes, unless a commit has taken it.
TEST_F(ServiceTest, FilesOfLostAttemptsGo) {
  for (const bool commits : {false, true}) {
    MaintenanceWorld world;
    world.script().start = [](const RunContext&) -> Result<Step> {
      NewTask task = Task("write");
      task.folder = "file:///wh/else";
      return Step(RunTasks{{std::move(task)}, R"({"at":"written"})", "", Finish::kMayFail});
    };
    world.script().go_on = [&](const RunContext& context,
                               const std::vector<TaskResult>&) -> Result<Step> {
      if (commits && context.state == R"({"at":"written"})")
        return Step(TableChange{SetProperty("a", "b"), R"({"at":"end"})", "", Finish::kMayFail});
      return Step(Done{.summary = "done"});
    };
    world.MakeTable("t");
    world.Settle();
    const std::string id = world.Ask("t");
    world.Settle();
    int attempts = 0;
    for (int i = 0; i < 5 && attempts < 2; ++i) {
      world.RunTasks([&](const tasks::MaintenanceTask& task) -> Result<tasks::MaintenanceOutput> {
        EXPECT_EQ(task.output_folder, "file:///wh/else");
        if (++attempts == 1) return Unavailable("the disk is away");
        return tasks::MaintenanceOutput{.result = "{}"};
      });
      world.Advance(kHour);
    }
    ASSERT_EQ(attempts, 2);
    world.Settle();
    for (const auto& run : world.Runs()) {  // another may have begun since
      if (run.run_id != id) continue;
      ASSERT_EQ(run.state, RunState::kSucceeded) << run.error;
    }
    std::vector<std::string> dead;
    Call call = world.call();
    const auto prefixes = RunFor(call, world.store(), store::Access::kRead,
                                 [](Transaction& t) { return optimizing::DeadPrefixes(t, 10); });
    for (const auto& prefix : prefixes.value()) {
      if (prefix.starts_with("file:///wh/else/")) dead.push_back(prefix.substr(16));
    }
    std::vector<std::string> expected = {id + "-0-1-"};
    if (!commits) expected.push_back(id + "-0-2-");
    EXPECT_EQ(dead, expected);
  }
}

TEST_F(ServiceTest, WhatCanNotBeginJustNowIsNotLost) {
  int asked = 0;
  world_.script().start = [&](const RunContext&) -> Result<Step> {
    if (++asked == 1) return Unavailable("the store of files is busy");
    return Step(Done{.summary = "done"});
  };
  world_.MakeTable("t");
  world_.Settle();
  asked = 0;
  const std::string id = world_.Ask("t");
  world_.Settle();
  Controls controls(world_.engine(), world_.store(), {});
  Call before = world_.call();
  EXPECT_THAT(controls.Run(before, id)->waits, HasSubstr("busy"));
  world_.Advance(kHour);
  world_.Settle();
  Call after = world_.call();
  auto detail = controls.Run(after, id);
  ASSERT_TRUE(detail.ok()) << detail.status().ToString();
  ASSERT_TRUE(detail->run);
  EXPECT_EQ(detail->run->state, RunState::kSucceeded);
}

TEST_F(ServiceTest, TheViewKnowsOfAWindowThatWasJustSetAndOfTheLastDryRun) {
  auto table = world_.MakeTable("t");
  world_.Settle();
  Controls controls(world_.engine(), world_.store(), {});
  Call opening = world_.call();
  ASSERT_TRUE(controls.Open(opening).ok());
  const auto look = [&] {
    Call call = world_.call();
    auto view = controls.Look(call, *world_.Load("t"));
    EXPECT_TRUE(view.ok()) << view.status().ToString();
    return view.ok() ? view->actions[0] : ActionView{};
  };
  const int64_t due_ms = look().due_ms.value_or(0);
  ASSERT_EQ(due_ms, world_.ScheduleOf(table->table_id)->due_ms);
  // It opens an hour after the row's time, of which nobody has looked yet.
  const int64_t opens = (due_ms / 60'000 + 60) % 1'440;
  const int64_t closes = (opens + 30) % 1'440;
  ASSERT_TRUE(world_
                  .SetProperty("t", "maintenance.window",
                               fmt::format("{:02}:{:02}-{:02}:{:02}", opens / 60, opens % 60,
                                           closes / 60, closes % 60))
                  .ok());
  EXPECT_EQ(look().due_ms, (due_ms / 60'000 + 60) * 60'000);
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->due_ms, due_ms);

  const int64_t asked_ms = world_.now_ms();
  world_.Ask("t", true);
  EXPECT_LE(look().due_ms.value_or(INT64_MAX), asked_ms) << "who asks waits for no window";
  world_.Settle();
  const ActionView after = look();
  EXPECT_TRUE(after.last_dry_run);
  EXPECT_GE(after.schedule->last_run_ms, asked_ms);
}

TEST_F(ServiceTest, TwoServersDoARunOnce) {
  UseAllSteps(&world_.script());
  for (int i = 0; i < 5; ++i) world_.MakeTable("t" + std::to_string(i));
  world_.Settle();
  auto other = world_.AnotherService();
  for (int i = 0; i < 5; ++i) world_.Ask("t" + std::to_string(i));
  for (int i = 0; i < 10; ++i) {
    Call call = world_.call();
    ASSERT_TRUE(world_.service().Tick(call).ok());
    ASSERT_TRUE(other->Tick(call).ok());
    world_.RunTasks();
  }
  EXPECT_EQ(world_.Runs().size(), 5U);
  for (const auto& run : world_.Runs()) EXPECT_EQ(run.state, RunState::kSucceeded) << run.error;
  EXPECT_EQ(world_.Deletions().size(), 10U);
}

TEST_F(ServiceTest, HistoryIsTrimmed) {
  UseAllSteps(&world_.script());
  world_.MakeTable("t");
  world_.Ask("t", true);
  world_.Settle();
  EXPECT_EQ(world_.Runs().size(), 1U);
  world_.script().start = [](const RunContext&) -> Result<Step> {
    return Step(Nothing{"", std::nullopt});
  };
  world_.Advance(31 * 24 * kHour);
  world_.Settle();
  EXPECT_TRUE(world_.Runs().empty());
}

TEST_F(ServiceTest, AReplacedSnapshotIsCommittedAndItsFilesGoWhenRefused) {
  world_.MakeTable("t");
  world_.Settle();
  world_.script().start = [](const RunContext&) -> Result<Step> {
    iceberg::SnapshotChanges changes;
    changes.operation = iceberg::SnapshotOperation::kFastAppend;
    return Step(TableChange{std::move(changes), R"({"at":"committed"})", "", Finish::kMayFail});
  };
  world_.script().go_on = [](const RunContext& context,
                             const std::vector<TaskResult>&) -> Result<Step> {
    EXPECT_NE(context.table->metadata->CurrentSnapshot(), nullptr);
    return Step(Done{.summary = "done"});
  };
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(world_.Runs().at(0).state, RunState::kSucceeded) << world_.Runs().at(0).error;
}

enum class After { kGoesOn, kRestarts };

void RunWithFaults(FaultInjector& faults, After after) {
  MaintenanceWorld world(&faults);
  UseAllSteps(&world.script());
  const auto table = world.MakeTable("t");
  for (int i = 0; i < 4; ++i) {
    Call call = world.call();
    (void)world.service().Tick(call);
    if (i == 0) (void)world.service().Request(call, *world.Load("t"), world.script().action, {});
    (void)world.service().Tick(call);
    world.RunTasks();
  }
  faults.Stop();
  if (after == After::kRestarts) world.Restart();
  for (int i = 0; i < 6; ++i) {
    world.Advance(kHour);
    world.Settle();
    world.RunTasks();
  }
  world.Settle();
  EXPECT_TRUE(world.Load("t")->metadata->properties.contains("expired"));
  EXPECT_EQ(world.Count("task"), 0);
  EXPECT_EQ(world.Count("maintenance_active"), 0);
  int succeeded = 0;
  for (const auto& run : world.Runs()) {
    EXPECT_NE(run.state, RunState::kRunning);
    succeeded += run.state == RunState::kSucceeded ? 1 : 0;
  }
  EXPECT_EQ(succeeded, 1) << "it landed once, and was finished by the run that landed it";
  const auto deletions = world.Deletions();
  EXPECT_EQ(deletions.size(), 2U);
  for (const auto& deletion : deletions) EXPECT_EQ(deletion.state, "done");
  EXPECT_EQ(world.ScheduleOf(table->table_id)->failures, 0);
}

TEST(MaintenanceEveryFault, GoesOnInTheSameProcess) {
  auto report = EveryFault([](FaultInjector& faults) { RunWithFaults(faults, After::kGoesOn); },
                           {.exhaustive_calls = 0, .samples = 100});
  EXPECT_GT(report.fired, 60U);
}

TEST(MaintenanceEveryFault, GoesOnAfterARestart) {
  auto report = EveryFault([](FaultInjector& faults) { RunWithFaults(faults, After::kRestarts); },
                           {.exhaustive_calls = 0, .samples = 50, .seed = 7});
  EXPECT_GT(report.fired, 30U);
}

}  // namespace
}  // namespace moraine::maintenance
