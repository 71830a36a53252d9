#include "moraine/optimizing/attempt_cleaner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using testing::ElementsAre;
using testing::FaultKind;

constexpr char kTable[] = "t";

/// A table with one planned task whose attempt has written its file.
class AttemptCleanerTest : public testing::Test {
 protected:
  AttemptCleanerTest() {
    world_.MakeTable(kTable);
    EXPECT_TRUE(world_.Append(kTable, {"a", "b"}).ok());
    world_.token();
    EXPECT_TRUE(world_.Tick().ok());
    report_ = world_.RunOneTask().value();
    EXPECT_EQ(world_.Leftovers(kTable).size(), 1u);
  }
  Status Clean() {
    Call call = world_.call();
    return world_.parts().committer.CleanTick(call);
  }
  void Cancel() {
    Call call = world_.call();
    ASSERT_TRUE(world_.parts().committer.Cancel(call, world_.LastProcess()->process_id).ok());
  }
  Status Report() {
    Call call = world_.call();
    return world_.parts().queue.Report(call, report_);
  }
  size_t Rows() {
    Call call = world_.call();
    return RunFor(call, world_.store(), Access::kRead,
                  [](Transaction& t) { return DeadPrefixes(t, 100); })
        .value()
        .size();
  }
  /// What the worker writes after it was cancelled, and before it has heard of it.
  void WriteLate() {
    auto files = Json::Parse(*report_.output_json).value();
    path_ = files.Find("data-files")->as_array().at(0).Find("path")->as_string();
    world_.disk().Put(path_, "late", 0);
  }

  OptimizingWorld world_;
  tasks::TaskReport report_;
  std::string path_;
};

TEST_F(AttemptCleanerTest, ARestartGoesOnWhereTheWorkStopped) {
  ASSERT_TRUE(Report().ok());
  Cancel();
  EXPECT_EQ(Rows(), 1u);
  world_.Restart();
  ASSERT_TRUE(Clean().ok());
  EXPECT_THAT(world_.Leftovers(kTable), ElementsAre());
  EXPECT_EQ(Rows(), 0u);
}

TEST_F(AttemptCleanerTest, AWorkerThatWasNotToldIsWaitedFor) {
  Cancel();
  ASSERT_TRUE(Clean().ok());
  EXPECT_THAT(world_.Leftovers(kTable), ElementsAre());
  WriteLate();
  world_.Restart();
  ASSERT_TRUE(Clean().ok());
  EXPECT_EQ(world_.Leftovers(kTable).size(), 1u);
  world_.Advance(world_.options().task_timeout + world_.options().acknowledge_timeout +
                 Millis(120'000));
  ASSERT_TRUE(Clean().ok());
  EXPECT_THAT(world_.Leftovers(kTable), ElementsAre());
  EXPECT_EQ(Rows(), 0u);
}

TEST_F(AttemptCleanerTest, AReportAfterTheEndHasItsFilesLookedForAtOnce) {
  Cancel();
  ASSERT_TRUE(Clean().ok());
  WriteLate();
  EXPECT_EQ(Report().code(), Code::kNotFound);
  ASSERT_TRUE(Clean().ok());
  EXPECT_THAT(world_.Leftovers(kTable), ElementsAre());
}

TEST_F(AttemptCleanerTest, WhatCantBeRemovedIsTriedAgainLater) {
  ASSERT_TRUE(Report().ok());
  Cancel();
  world_.faults().Arm({"delete", "", 1, {.kind = FaultKind::kBefore}});
  ASSERT_TRUE(Clean().ok());
  EXPECT_EQ(world_.Leftovers(kTable).size(), 1u);
  ASSERT_TRUE(Clean().ok());
  EXPECT_EQ(world_.Leftovers(kTable).size(), 1u);
  world_.Advance(world_.options().backoff_first);
  ASSERT_TRUE(Clean().ok());
  EXPECT_THAT(world_.Leftovers(kTable), ElementsAre());
  EXPECT_EQ(Rows(), 0u);
}

TEST_F(AttemptCleanerTest, FilesThatWereCommittedHaveNoRow) {
  ASSERT_TRUE(Report().ok());
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Rows(), 0u);
  EXPECT_EQ(Report().code(), Code::kNotFound);
  world_.Advance(world_.options().task_timeout * 2);
  ASSERT_TRUE(Clean().ok());
  EXPECT_EQ(world_.Names(kTable), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace moraine::optimizing
