#include "moraine/optimizing/process_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/blockers.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using testing::FaultKind;
using testing::HasSubstr;

class ProcessPlannerTest : public testing::Test {
 protected:
  Status Look() {
    Call call = world_.call();
    MORAINE_TRY(world_.parts().monitor.FeedTick(call));
    return world_.parts().monitor.RefreshTick(call, 100).status();
  }
  size_t Plan() {
    world_.Advance(Millis(1));
    Call call = world_.call();
    return world_.parts().planner.PlanTick(call).value();
  }

  OptimizingWorld world_;
};

TEST_F(ProcessPlannerTest, AWriterKeepsItOffATable) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  world_.token();
  ASSERT_TRUE(Look().ok());
  Call call = world_.call();
  catalog::Blockers blockers(world_.store());
  auto blocker = blockers.Take(call, id, {{"optimize"}, false, "load-7", Millis(60'000)}).value();
  EXPECT_EQ(Plan(), 0u);
  TableState state = world_.State(id).value();
  EXPECT_EQ(state.status, TableStatus::kPending);
  EXPECT_EQ(state.reason, catalog::Explain(blocker));
  EXPECT_EQ(state.due_ms, blocker.expires_ms);
  EXPECT_EQ(Plan(), 0u);
  world_.Advance(Millis(60'000));
  (void)world_.parts().queue.Heartbeat(call, {world_.token(), {}});
  ASSERT_TRUE(Look().ok());
  EXPECT_EQ(Plan(), 1u);
}

TEST_F(ProcessPlannerTest, PlanningThatFailsWaitsLongerEachTimeUntilItWorks) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  world_.token();
  ASSERT_TRUE(Look().ok());
  int64_t minutes = 1;
  for (int failures = 1; failures <= 7; ++failures, minutes *= 2) {
    SCOPED_TRACE(failures);
    ASSERT_EQ(world_.State(id)->status, TableStatus::kPending);
    world_.faults().Arm({"open", "/snap-", 1, {.kind = FaultKind::kBefore}});
    EXPECT_EQ(Plan(), 0u);
    TableState state = world_.State(id).value();
    EXPECT_EQ(state.status, TableStatus::kFailed);
    EXPECT_EQ(state.failures, failures);
    EXPECT_EQ(state.retry_ms - state.last_refreshed_ms, minutes * 60'000 + 1);
    EXPECT_THAT(state.reason, HasSubstr("planning failed"));
    EXPECT_THAT(state.reason, HasSubstr("is tried again at 2026-"));
    EXPECT_THAT(state.reason, HasSubstr(failures == 1 ? "planning failed, "
                                                      : std::to_string(failures) + " times"));
    ASSERT_TRUE(Look().ok());
    EXPECT_EQ(world_.State(id)->status, TableStatus::kFailed);
    EXPECT_EQ(Plan(), 0u);
    world_.Advance(Millis(minutes * 60'000));
    Call call = world_.call();
    (void)world_.parts().queue.Heartbeat(call, {world_.token(), {}});
    ASSERT_TRUE(Look().ok());
  }
  EXPECT_EQ(Plan(), 1u);
  EXPECT_EQ(world_.State(id)->failures, 0);
  EXPECT_EQ(world_.State(id)->last_failure, "");
}

TEST_F(ProcessPlannerTest, ALargeProcessKeepsNobodyElseWaiting) {
  world_.MakeTable("large", {{"self-optimizing.quota", "2"}});
  for (int partition = 0; partition < 10; ++partition) {
    std::string name = "f" + std::to_string(partition);
    ASSERT_TRUE(world_.Append("large", {name + "a", name + "b"}, partition).ok());
  }
  world_.token();  // four threads
  ASSERT_TRUE(Look().ok());
  ASSERT_EQ(Plan(), 1u);
  ASSERT_EQ(world_.LastProcess()->tasks, 10);
  world_.MakeTable("small");
  ASSERT_TRUE(world_.Append("small", {"a", "b"}).ok());
  ASSERT_TRUE(Look().ok());
  EXPECT_EQ(Plan(), 1u);
  EXPECT_EQ(world_.LastProcess()->table_name, "w.ns.small");
  // Two threads of the large one and one task of the small one: room for one more, not for two.
  for (const char* name : {"third", "fourth"}) {
    world_.MakeTable(name);
    ASSERT_TRUE(world_.Append(name, {"a", "b"}).ok());
  }
  ASSERT_TRUE(Look().ok());
  EXPECT_EQ(Plan(), 1u);
  EXPECT_EQ(Plan(), 0u);
}

TEST_F(ProcessPlannerTest, GlobalEqualityDeletesConcernOlderPartitionsAndGoWithThem) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}, 1).ok());
  ASSERT_TRUE(world_.Append("t", {"c"}, 2).ok());
  Call call = world_.call();
  iceberg::CommitRequest request;
  request.updates = {iceberg::update::AddPartitionSpec{iceberg::PartitionSpec{.spec_id = 1}}};
  auto added = world_.engine().Commit(call, "w", {{"ns"}, "t"}, request, nullptr);
  ASSERT_TRUE(added.ok()) << added.status().ToString();
  auto deletes = world_.EqualityDeletes("t", "e", 1);
  deletes.spec_id = (*added)->metadata->partition_specs.back()->spec_id;
  deletes.partition = {};
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kRowDelta;
  changes.added.push_back({deletes, std::nullopt});
  ASSERT_TRUE(world_.Commit("t", changes).ok());
  ASSERT_TRUE(world_.Append("t", {"d"}, 3).ok());
  world_.token();
  // One equality delete in a partition waits for the timer.
  world_.Advance(Millis(3'600'001));
  (void)world_.parts().queue.Heartbeat(call, {world_.token(), {}});
  ASSERT_TRUE(Look().ok());
  EXPECT_EQ(world_.State(id)->candidates, 2);
  ASSERT_EQ(Plan(), 1u);
  EXPECT_EQ(world_.LastProcess()->input_files, 3);
  EXPECT_EQ(world_.RunTasks(), 2u);
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(world_.LastProcess()->state, ProcessState::kSucceeded);
  EXPECT_EQ(world_.Names("t"), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(world_.LiveFiles("t").size(), 3u);  // a with b, c, d: the deletes are gone
  EXPECT_EQ(world_.State(id)->candidates, 0);
}

TEST_F(ProcessPlannerTest, SaysThatNoOptimizerIsThere) {
  int64_t id = world_.MakeTable("t", {{"self-optimizing.group", "night"}});
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  world_.token();
  ASSERT_TRUE(Look().ok());
  EXPECT_EQ(Plan(), 0u);
  EXPECT_EQ(world_.State(id)->reason, "no optimizer of the group night is running");
}

TEST_F(ProcessPlannerTest, SaysThatTheLastOptimizerDied) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  world_.token();
  ASSERT_TRUE(world_.Tick().ok());
  ASSERT_EQ(world_.State(id)->status, TableStatus::kRunning);
  std::string reason = world_.State(id)->reason;
  EXPECT_EQ(world_.LastProcess()->started_by, kByRules);
  world_.Advance(world_.options().heartbeat_timeout + Millis(1));
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(world_.State(id)->status, TableStatus::kRunning);
  EXPECT_EQ(world_.State(id)->reason, "no optimizer of the group default is running");
  Call call = world_.call();
  ASSERT_TRUE(world_.parts().queue.Register(call, {.threads = 1}).ok());
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(world_.State(id)->reason, reason);
}

TEST_F(ProcessPlannerTest, ATableThatWasPlannedAMomentAgoIsPendingUntilItsTime) {
  int64_t id = world_.MakeTable("t", {{"self-optimizing.min-plan-interval", "10000"}});
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  world_.token();
  ASSERT_TRUE(world_.Tick().ok());
  world_.RunTasks();
  ASSERT_TRUE(world_.Append("t", {"c"}).ok());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(world_.Tick().ok());
  TableState state = world_.State(id).value();
  EXPECT_EQ(state.status, TableStatus::kPending);
  EXPECT_THAT(state.reason, HasSubstr("waits for self-optimizing.min-plan-interval until 20"));
  std::string first = world_.LastProcess()->process_id;
  world_.Advance(Millis(10'001));
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(world_.State(id)->status, TableStatus::kRunning);
  EXPECT_NE(world_.LastProcess()->process_id, first);
}

TEST(RankPendingTest, WishesFirstThenScoreAndWaiting) {
  auto table = [](int64_t id, int64_t score, int64_t minutes, const std::string& wish = "") {
    TableState state;
    state.table_id = id;
    state.score = score;
    state.pending_since_ms = 100 * 60'000 - minutes * 60'000;
    state.requested_type = wish;
    return state;
  };
  std::vector<TableState> tables = {table(1, 90, 0), table(2, 40, 0), table(3, 90, 60),
                                    table(4, 99, 0, "minor")};
  RankPending(&tables, 100 * 60'000);
  std::vector<int64_t> order;
  for (const auto& state : tables) order.push_back(state.table_id);
  EXPECT_EQ(order, (std::vector<int64_t>{4, 3, 2, 1}));
}

}  // namespace
}  // namespace moraine::optimizing
