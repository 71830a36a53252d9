#include "moraine/maintenance/run_store.h"

#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/maintenance/schema.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::Transaction;

class RunStoreTest : public testing::Test {
 protected:
  RunStoreTest() : call_(env_.call()), database_(store::MakeTestDatabase(call_)) {
    EXPECT_TRUE(store::Migrate(call_, *database_, "maintenance", Migrations()).ok());
  }
  template <typename Body>
  auto In(Body&& body) {
    return store::RunFor(call_, *database_, Access::kWrite, std::forward<Body>(body));
  }
  Status Write(const std::function<Status(Transaction&)>& body) {
    return database_->Run(call_, Access::kWrite, body);
  }
  static Subject TableSubject(int64_t id) { return {id, "w", "w.ns.t", "uuid", "file:///m", "g"}; }
  static MaintenanceRun MakeRun(const std::string& id, int64_t table_id) {
    MaintenanceRun run;
    run.run_id = id;
    run.subject = TableSubject(table_id);
    run.stage = R"({"round":1})";
    run.created_ms = 5;
    return run;
  }

  testing::TestEnv env_;
  Call call_;
  std::unique_ptr<store::Database> database_;
};

TEST_F(RunStoreTest, ATableHasOneActiveRunOfAnAction) {
  MaintenanceRun run = MakeRun("r1", 7);
  ASSERT_TRUE(Write([&](Transaction& t) { return InsertRun(t, run); }).ok());
  EXPECT_EQ(Write([&](Transaction& t) { return InsertRun(t, MakeRun("r2", 7)); }).code(),
            Code::kAlreadyExists);
  EXPECT_TRUE(Write([&](Transaction& t) { return InsertRun(t, MakeRun("r3", 8)); }).ok());
  auto active =
      In([&](Transaction& t) { return ActiveRun(t, 7, upkeep::Action::kExpireSnapshots); }).value();
  ASSERT_TRUE(active);
  EXPECT_EQ(active->run_id, "r1");
  EXPECT_EQ(active->stage, R"({"round":1})");
  EXPECT_EQ(active->subject.name, "w.ns.t");
  EXPECT_EQ(active->row_version, 1);
}

TEST_F(RunStoreTest, WhoReadItBeforeCanNotGoOn) {
  ASSERT_TRUE(Write([&](Transaction& t) { return InsertRun(t, MakeRun("r1", 7)); }).ok());
  MaintenanceRun first = In([&](Transaction& t) { return FindRun(t, "r1"); }).value().value();
  MaintenanceRun second = first;
  first.stage = R"({"round":2})";
  ASSERT_TRUE(Write([&](Transaction& t) { return SaveRun(t, first); }).ok());
  EXPECT_EQ(Write([&](Transaction& t) { return SaveRun(t, second); }).code(), Code::kConflict);
  MaintenanceRun third = In([&](Transaction& t) { return FindRun(t, "r1"); }).value().value();
  EXPECT_EQ(third.stage, R"({"round":2})");
  third.state = RunState::kSucceeded;
  third.finished_ms = 9;
  ASSERT_TRUE(Write([&](Transaction& t) { return EndRun(t, third); }).ok());
  EXPECT_TRUE(In([&](Transaction& t) { return OpenRuns(t, 0); }).value().empty());
  third.row_version += 1;
  EXPECT_EQ(Write([&](Transaction& t) { return EndRun(t, third); }).code(), Code::kConflict);
  ASSERT_TRUE(Write([&](Transaction& t) { return TrimRuns(t, 9); }).ok());
  EXPECT_EQ(In([&](Transaction& t) { return RecentRuns(t, 7, {}, "", 9); }).value().size(), 1U);
  ASSERT_TRUE(Write([&](Transaction& t) { return TrimRuns(t, 10); }).ok());
  EXPECT_TRUE(In([&](Transaction& t) { return RecentRuns(t, 0, {}, "", 9); }).value().empty());
}

TEST_F(RunStoreTest, HistoryIsReadInPages) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(Write([&](Transaction& t) {
                  return InsertRun(t, MakeRun("r" + std::to_string(i), i));
                }).ok());
  }
  auto page = In([&](Transaction& t) { return RecentRuns(t, 0, {}, "", 2); }).value();
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].run_id, "r5");
  page = In([&](Transaction& t) { return RecentRuns(t, 0, {}, "r4", 9); }).value();
  ASSERT_EQ(page.size(), 3U);
  EXPECT_EQ(page[0].run_id, "r3");
  EXPECT_TRUE(
      In([&](Transaction& t) { return RecentRuns(t, 0, upkeep::Action::kCreateTags, "", 9); })
          .value()
          .empty());
}

TEST_F(RunStoreTest, DeletionsAreOpenUntilTheirTaskEnds) {
  DeletionRow row{"r1", 3, 7, "uuid", 12, "file:///m", {"expired", "file:///list", 10, 99}, 5};
  ASSERT_TRUE(Write([&](Transaction& t) { return InsertDeletion(t, row); }).ok());
  ASSERT_TRUE(Write([&](Transaction& t) {
                return FinishDeletion(t, "r1", 3, "done", R"({"deleted":10})", 8);
              }).ok());
  ASSERT_TRUE(
      Write([&](Transaction& t) { return FinishDeletion(t, "r1", 3, "failed", "late", 9); }).ok());
  auto rows = In([&](Transaction& t) { return RecentDeletions(t, 7, 10); }).value();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].state, "done");
  EXPECT_EQ(rows[0].finished_ms, 8);
  EXPECT_EQ(rows[0].deletion.list_location, "file:///list");
  EXPECT_EQ(rows[0].table_version, 12);
}

TEST_F(RunStoreTest, DeletionsOfARunAreFoundHoweverManyCameSince) {
  for (int64_t i = 0; i < 30; ++i) {
    DeletionRow row{i < 2 ? "r1" : "r2", i, 7, "uuid", 12, "file:///m", {"expired", "", 1, 9}, i};
    ASSERT_TRUE(Write([&](Transaction& t) { return InsertDeletion(t, row); }).ok());
  }
  auto rows = In([&](Transaction& t) { return DeletionsOfRun(t, "r1", 10); }).value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].task_id, 1);
}

TEST_F(RunStoreTest, AnAskedRunIsDueAtOnceAndAskedOnce) {
  const auto action = upkeep::Action::kCleanOrphanFiles;
  const AskedRun asked{"r1", true, "person", "{}"};
  ASSERT_TRUE(
      Write([&](Transaction& t) { return AskForRun(t, TableSubject(7), action, asked, 50); }).ok());
  Status again =
      Write([&](Transaction& t) { return AskForRun(t, TableSubject(7), action, asked, 50); });
  EXPECT_EQ(again.code(), Code::kConflict);
  EXPECT_NE(again.message().find("begins soon"), std::string::npos) << again.message();
  auto due = In([&](Transaction& t) { return DueSchedules(t, 50, 10, ""); }).value();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_TRUE(due[0].asked_dry);
  EXPECT_EQ(due[0].subject.group, "g");
  MaintenanceRun run = MakeRun("r1", 7);
  run.action = action;
  ASSERT_TRUE(Write([&](Transaction& t) { return InsertRun(t, run); }).ok());
  EXPECT_TRUE(In([&](Transaction& t) { return DueSchedules(t, 50, 10, ""); }).value().empty());
  EXPECT_EQ(Write([&](Transaction& t) {
              return AskForRun(t, TableSubject(7), action, asked, 50);
            }).code(),
            Code::kConflict);
}

TEST_F(RunStoreTest, AnAskedRunSaysWhatKeepsItAndNotWhyNoneBeginsByItself) {
  Schedule off{.table_id = 7, .action = upkeep::Action::kComputeStatistics};
  off.subject = TableSubject(7);
  off.reason = "statistics.enabled is false";
  ASSERT_TRUE(Write([&](Transaction& t) { return SaveSchedule(t, off).status(); }).ok());
  const auto ask = [&](const AskedRun& asked) {
    return Write(
        [&](Transaction& t) { return AskForRun(t, TableSubject(7), off.action, asked, 50); });
  };
  const auto row = [&] {
    return In([&](Transaction& t) { return FindSchedule(t, 7, off.action); }).value();
  };
  ASSERT_TRUE(ask({"r1", false, "person"}).ok());
  EXPECT_EQ(row()->reason, "");
  Schedule held = *row();
  held.reason = "blocked by a writer (all) until then";
  ASSERT_TRUE(Write([&](Transaction& t) { return SaveSchedule(t, held).status(); }).ok());
  EXPECT_EQ(ask({"r2", false, "person"}).message(),
            "a run of compute-statistics was asked for already and is blocked by a writer (all) "
            "until then: r1");
  held = *row();
  held.asked_run_id.clear();
  ASSERT_TRUE(Write([&](Transaction& t) { return SaveSchedule(t, held).status(); }).ok());
  ASSERT_TRUE(ask({"r3", false, "person", "{}", "blocked by another"}).ok());
  EXPECT_EQ(row()->reason, "blocked by another");
}

TEST_F(RunStoreTest, PausedIsNotDueUntilItIsResumed) {
  const auto action = upkeep::Action::kCreateTags;
  Schedule schedule;
  schedule.table_id = 7;
  schedule.action = action;
  schedule.subject = TableSubject(7);
  schedule.due_ms = 10;
  ASSERT_TRUE(Write([&](Transaction& t) { return SaveSchedule(t, schedule).status(); }).ok());
  ASSERT_TRUE(
      Write([&](Transaction& t) { return Pause(t, TableSubject(7), action, "me", 20); }).ok());
  EXPECT_TRUE(In([&](Transaction& t) { return DueSchedules(t, 99, 10, ""); }).value().empty());
  auto paused = In([&](Transaction& t) { return FindSchedule(t, 7, action); }).value();
  ASSERT_TRUE(paused);
  EXPECT_EQ(paused->paused_by, "me");
  ASSERT_TRUE(Write([&](Transaction& t) { return Resume(t, 7, action, 30); }).ok());
  auto looks = In([&](Transaction& t) { return DueLooks(t, 30, 10, ""); }).value();
  ASSERT_EQ(looks.size(), 1U);
  EXPECT_EQ(looks[0].table_id, 7);
  // Who read the row before the pause does not undo it.
  schedule.row_version = 1;
  EXPECT_FALSE(In([&](Transaction& t) { return SaveSchedule(t, schedule); }).value());
}

TEST_F(RunStoreTest, LooksComeAtTheEarliestTimeAskedFor) {
  ASSERT_TRUE(Write([&](Transaction& t) { return LookAtTable(t, 7, "w", 100); }).ok());
  ASSERT_TRUE(Write([&](Transaction& t) { return LookAtTable(t, 7, "w", 200); }).ok());
  EXPECT_EQ(In([&](Transaction& t) { return DueLooks(t, 100, 10, ""); }).value().size(), 1U);
  TableLook look{7, "w", "w.ns.t", 100, std::nullopt, ""};
  // A change that came while the table was looked at is not forgotten.
  ASSERT_TRUE(Write([&](Transaction& t) -> Status {
                MORAINE_TRY(LookAtTables(t, "w", "", 150));
                return SaveLook(t, look, 100);
              }).ok());
  EXPECT_EQ(In([&](Transaction& t) { return DueLooks(t, 150, 10, ""); }).value().size(), 1U);
  ASSERT_TRUE(Write([&](Transaction& t) { return SaveLook(t, look, 150); }).ok());
  EXPECT_TRUE(In([&](Transaction& t) { return DueLooks(t, 999, 10, ""); }).value().empty());
  ASSERT_TRUE(Write([&](Transaction& t) { return ForgetTable(t, 7); }).ok());
  EXPECT_FALSE(In([&](Transaction& t) { return FindLook(t, 7); }).value());
}

}  // namespace
}  // namespace moraine::maintenance
