#include "moraine/optimizing/counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/metrics.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using testing::HasSubstr;

class CountsTest : public testing::Test {
 protected:
  CountsTest() {
    world_.options().metrics = &metrics_;
    world_.Restart();
  }
  Counts Now() {
    Call call = world_.call();
    return CountAll(call, world_.store(), world_.engine()).value();
  }

  Metrics metrics_;  // outlives what counts in it
  OptimizingWorld world_;
};

TEST_F(CountsTest, FollowATableThroughAProcess) {
  Counts empty = Now();
  EXPECT_EQ(empty.feed_lag, 1);  // a namespace
  EXPECT_EQ(empty.tables.at("idle"), 0);
  EXPECT_EQ(empty.tasks.at("planned"), 0);
  EXPECT_TRUE(empty.groups.empty());

  world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a"}).ok());
  ASSERT_TRUE(world_.Append("t", {"b"}).ok());
  world_.Advance(std::chrono::seconds(3));
  Counts behind = Now();
  EXPECT_EQ(behind.feed_lag, 4);
  EXPECT_EQ(behind.feed_lag_time, Millis(3'000));

  world_.token();  // registers an optimizer
  ASSERT_TRUE(world_.Tick().ok());
  Counts planned = Now();
  EXPECT_EQ(planned.feed_lag, 0);
  EXPECT_EQ(planned.feed_lag_time, Millis(0));
  EXPECT_EQ(planned.open_processes.at("running"), 1);
  EXPECT_EQ(planned.tasks.at("planned"), 1);

  Call call = world_.call();
  ASSERT_TRUE(world_.parts().queue.TryPoll(call, world_.token(), 0).value().has_value());
  Counts running = Now();
  EXPECT_EQ(running.tasks.at("scheduled"), 1);
  EXPECT_EQ(running.groups.at("default").optimizers, 1);
  EXPECT_GE(running.groups.at("default").threads, 1);
  EXPECT_EQ(running.groups.at("default").busy_threads, 1);
}

TEST_F(CountsTest, WhatAProcessDidIsCounted) {
  world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a"}).ok());
  ASSERT_TRUE(world_.Append("t", {"b"}).ok());
  world_.token();
  ASSERT_TRUE(world_.Tick().ok());
  ASSERT_EQ(world_.RunTasks(), 1u);
  world_.Advance(std::chrono::seconds(2));
  ASSERT_TRUE(world_.Tick().ok());
  ASSERT_EQ(world_.LastProcess()->state, ProcessState::kSucceeded);
  EXPECT_EQ(Now().open_processes.at("running"), 0);

  std::string type(planning::OptimizingTypeName(world_.LastProcess()->type));
  std::string text = metrics_.Text();
  for (const std::string& line :
       {"moraine_optimizing_processes_total{result=\"succeeded\",type=\"" + type + "\"} 1\n",
        "moraine_optimizing_process_duration_seconds_count{type=\"" + type + "\"} 1\n",
        std::string("moraine_optimizing_rewritten_files_total 2\n"),
        std::string("moraine_optimizing_written_files_total 1\n")}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, testing::Not(HasSubstr("moraine_optimizing_rewritten_bytes_total 0\n")));
  EXPECT_THAT(text, HasSubstr("moraine_optimizing_health_refreshes_total{result=\"ok\"} "));
}

}  // namespace
}  // namespace moraine::optimizing
