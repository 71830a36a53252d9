#include "moraine/maintenance/cancelled_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/maintenance/controls.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/maintenance/testing/maintenance_world.h"

namespace moraine::maintenance {
namespace {

using store::Transaction;
using testing::HasSubstr;

constexpr std::chrono::hours kHour{1};

NewTask Task(const std::string& kind) {
  NewTask task;
  task.kind = kind;
  task.body = R"({"n":1})";
  return task;
}

class CancelTest : public testing::Test {
 protected:
  CancelTest() : controls_(world_.engine(), world_.store(), {}) {
    world_.script().start = [](const RunContext&) -> Result<Step> {
      return Step(RunTasks{{Task("look")}, R"({"at":"looked"})", "looks", finish_});
    };
    world_.script().go_on = [](const RunContext&, const std::vector<TaskResult>&) -> Result<Step> {
      return Step(Done{.summary = "done"});
    };
    finish_ = Finish::kMayFail;
    table_ = world_.MakeTable("t");
    world_.Settle();
  }
  Result<MaintenanceRun> Cancel(const std::string& run) {
    Call call = world_.call();
    return controls_.Cancel(call, run);
  }
  void ExpectCancelled(const std::string& id) {
    const auto run = world_.Runs().at(0);
    EXPECT_EQ(run.run_id, id);
    EXPECT_EQ(run.state, RunState::kCancelled);
    EXPECT_EQ(run.cancelled_by, "person");
    EXPECT_THAT(run.reason, HasSubstr("cancelled by a person"));
    EXPECT_GT(run.finished_ms, 0);
    EXPECT_EQ(world_.Count("task"), 0);
    EXPECT_EQ(world_.Count("maintenance_active"), 0);
    const auto schedule = world_.ScheduleOf(table_->table_id);
    EXPECT_EQ(schedule->last_state, "cancelled");
    EXPECT_EQ(schedule->asked_run_id, "");
    world_.Settle();
    EXPECT_EQ(world_.Runs().size(), 1U) << "it does not begin again by itself";
    EXPECT_GT(world_.ScheduleOf(table_->table_id)->due_ms, world_.now_ms());
    EXPECT_EQ(Cancel(id).status().code(), Code::kConflict);
  }

  static inline Finish finish_ = Finish::kMayFail;
  MaintenanceWorld world_;
  Controls controls_;
  catalog::LoadedTablePtr table_;
};

TEST_F(CancelTest, ARunThatHasTasksOut) {
  const std::string id = world_.Ask("t");
  world_.Settle();
  ASSERT_TRUE(Cancel(id).ok());
  EXPECT_EQ(world_.RunTasks(), 0U);
  EXPECT_EQ(world_.Count("deletion"), 1) << "the files of its tasks are the cleaner's";
  ExpectCancelled(id);
}

TEST_F(CancelTest, ARunThatHasNotBegun) {
  const std::string id = world_.Ask("t");
  ASSERT_TRUE(Cancel(id).ok());
  ExpectCancelled(id);
  EXPECT_EQ(world_.RunTasks(), 0U);
  EXPECT_EQ(world_.Runs().at(0).started_by, "person");
  world_.Ask("t");
  world_.Settle();
  EXPECT_EQ(world_.RunTasks(), 1U) << "the next one is as any other";
}

TEST_F(CancelTest, ARunThatBeginsLaterAndLater) {
  world_.script().start = [](const RunContext&) -> Result<Step> { return Unavailable("busy"); };
  const std::string id = world_.Ask("t");
  world_.Settle();
  ASSERT_EQ(world_.ScheduleOf(table_->table_id)->asked_run_id, id);
  world_.script().start = [](const RunContext&) -> Result<Step> {
    return Step(Nothing{"fine", std::nullopt});
  };
  ASSERT_TRUE(Cancel(id).ok());
  ExpectCancelled(id);
}

TEST_F(CancelTest, ARunWhoseStepIsPutOff) {
  const std::string id = world_.Ask("t");
  world_.Settle();
  world_.script().go_on = [](const RunContext&, const std::vector<TaskResult>&) -> Result<Step> {
    return Unavailable("busy");
  };
  world_.RunTasks();
  world_.Settle();
  ASSERT_GT(world_.Runs().at(0).not_before_ms, world_.now_ms());
  ASSERT_TRUE(Cancel(id).ok());
  ExpectCancelled(id);
  EXPECT_EQ(world_.Runs().at(0).error, "");
}

TEST_F(CancelTest, WhatMustFinishTellsWhatIsLeft) {
  finish_ = Finish::kMust;
  const std::string id = world_.Ask("t");
  world_.Settle();
  ASSERT_TRUE(Cancel(id).ok());
  EXPECT_THAT(world_.Runs().at(0).reason, HasSubstr("left to clean-orphan-files"));
  ExpectCancelled(id);
}

TEST_F(CancelTest, AStepUnderWayIsNotStored) {
  std::string id;
  world_.script().go_on = [&](const RunContext&, const std::vector<TaskResult>&) -> Result<Step> {
    // Another server hears of it while this one takes the next step.
    EXPECT_TRUE(Cancel(id).ok() || world_.Runs().at(0).state == RunState::kCancelled);
    iceberg::CommitRequest request;
    request.updates.emplace_back(iceberg::update::SetProperties{{{"expired", "yes"}}});
    return Step(TableChange{std::move(request), R"({"at":"committed"})", "", Finish::kMust});
  };
  id = world_.Ask("t");
  world_.Settle();
  world_.RunTasks();
  const auto before = world_.Load("t")->version;
  Call call = world_.call();
  (void)world_.service().Tick(call);
  EXPECT_EQ(world_.Load("t")->version, before);
  ExpectCancelled(id);
}

TEST_F(CancelTest, ManyServersOneRun) {
  const std::string id = world_.Ask("t");
  world_.Settle();
  auto other = world_.AnotherService();
  ASSERT_TRUE(Cancel(id).ok());
  world_.Advance(2 * kHour);
  for (int i = 0; i < 3; ++i) {
    Call call = world_.call();
    ASSERT_TRUE(other->Tick(call).ok());
  }
  EXPECT_EQ(world_.Runs().back().state, RunState::kCancelled);
}

TEST_F(CancelTest, ABeginningOfAnIdIsEnough) {
  const std::string id = world_.Ask("t");
  world_.Settle();
  Call call = world_.call();
  EXPECT_EQ(controls_.Run(call, id.substr(0, 20))->run_id, id);
  for (const std::string& none :
       std::vector<std::string>{"", "none", "%", "_", "fffffff", id + "0"}) {
    EXPECT_EQ(Cancel(none).status().code(), Code::kNotFound) << none;
  }
  ASSERT_EQ(Cancel(id.substr(0, 30))->run_id, id);
  world_.Advance(std::chrono::milliseconds(1));
  const std::string asked = world_.Ask("t");
  EXPECT_EQ(Cancel(id.substr(0, 6)).status().code(), Code::kInvalidArgument);
  EXPECT_THAT(Cancel(id.substr(0, 6)).status().message(), HasSubstr(id));
  EXPECT_EQ(Cancel(asked)->run_id, asked);
}

}  // namespace
}  // namespace moraine::maintenance
