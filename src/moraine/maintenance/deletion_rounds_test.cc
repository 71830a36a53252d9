#include "moraine/maintenance/deletion_rounds.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::maintenance {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kFile[] = "s3://b/t/data/x.parquet";

class DeletionRoundsTest : public ::testing::Test {
 protected:
  DeletionRoundsTest() {
    context_.now_ms = 1'000'000;
    rounds_.proof = "expired";
    rounds_.every_task.list = "s3://b/t/.maintenance/list";
    rounds_.every_task.roots = {"s3://b/t"};
    rounds_.every_task.table_gone = true;
    rounds_.files = 25'000;
    rounds_.bytes = 250'000;
  }

  /// The next round; its chunks by their first file.
  std::vector<int64_t> Next() {
    step_ = NextRound(context_, &rounds_);
    std::vector<int64_t> firsts;
    for (const NewTask& task : step_.tasks) {
      firsts.push_back(upkeep::DeletionBodyFromJson(task.body)->first);
    }
    return firsts;
  }
  /// Its tasks have ended so: each its number of files that failed; -1: stale.
  Status End(const std::vector<int64_t>& failed, Code why = Code::kPermissionDenied) {
    std::vector<TaskResult> results;
    for (size_t i = 0; i < step_.tasks.size(); ++i) {
      const auto count = upkeep::DeletionBodyFromJson(step_.tasks[i].body)->count;
      upkeep::DeletionResult result{.stale = failed[i] < 0};
      for (int64_t n = 0; n < failed[i]; ++n) NoteFailures({{kFile, Status(why, "no")}}, &result);
      if (!result.stale) result.deleted = count - failed[i];
      result.bytes = result.deleted * 10;
      TaskResult task;
      task.kind = step_.tasks[i].kind;
      task.body = step_.tasks[i].body;
      task.output.result = upkeep::DeletionResultToJson(result);
      results.push_back(std::move(task));
    }
    MORAINE_TRY(CountRound(context_, results, &rounds_));
    // As the run's row has it.
    MORAINE_ASSIGN(const Json json, Json::Parse(DeletionRoundsToJson(rounds_)));
    MORAINE_ASSIGN(rounds_, DeletionRoundsFromJson(JsonCursor(json)));
    return {};
  }

  RunContext context_;
  DeletionRounds rounds_;
  RunTasks step_;
};

TEST_F(DeletionRoundsTest, WhatCouldNotGoComesAgainAtTheEndAndIsThenTold) {
  EXPECT_THAT(Next(), ElementsAre(0, 10'000, 20'000));
  EXPECT_EQ(step_.tries, 0);
  ASSERT_TRUE(End({0, 2, -1}).ok());
  EXPECT_FALSE(rounds_.done());
  EXPECT_THAT(Next(), ElementsAre(20'000));
  EXPECT_EQ(step_.tries, 0);
  ASSERT_TRUE(End({0}).ok());
  for (int64_t tries : {1, 2}) {
    EXPECT_FALSE(rounds_.done());
    EXPECT_EQ(rounds_.deleted, 15'000);
    EXPECT_THAT(Next(), ElementsAre(10'000));
    EXPECT_EQ(step_.tries, tries);
    EXPECT_THAT(step_.progress, HasSubstr(kFile));
    ASSERT_TRUE(End({2}).ok());
  }
  EXPECT_TRUE(rounds_.done());
  EXPECT_EQ(rounds_.deleted, 24'998);
  EXPECT_EQ(rounds_.deleted_bytes, 249'980);
  EXPECT_EQ(rounds_.failed, 2);
  EXPECT_THAT(rounds_.failures, ElementsAre(Pair(kFile, HasSubstr("PermissionDenied")),
                                            Pair(kFile, HasSubstr("PermissionDenied"))));
  EXPECT_THAT(SayFailed(rounds_.failed, rounds_.failures), HasSubstr(", 2 could not be"));
}

TEST_F(DeletionRoundsTest, TheLastTraceOfFilesIsKeptWhileTheStoreIsAway) {
  rounds_.last_trace = true;
  Next();
  ASSERT_TRUE(End({10'000, 10'000, 5'000}, Code::kUnavailable).ok());
  for (int i = 1; i < 40; ++i) {
    EXPECT_EQ(Next().size(), 3U);
    EXPECT_EQ(step_.tries, i);
    ASSERT_TRUE(End({1, 0, 1}, Code::kExhausted).ok());
    ASSERT_FALSE(rounds_.done());
    if (rounds_.later.size() < 3) rounds_.later = {{0, 10'000}, {10'000, 10'000}, {20'000, 5'000}};
    rounds_.deleted = 0;
  }
  Next();
  ASSERT_TRUE(End({0, 0, 0}).ok());
  EXPECT_TRUE(rounds_.done());
  EXPECT_EQ(rounds_.deleted, 25'000);
  EXPECT_EQ(rounds_.failed, 0);
}

TEST_F(DeletionRoundsTest, ARunOfTheReleaseBeforeGoesOn) {
  const std::string body = upkeep::DeletionBodyToJson(rounds_.every_task);
  const auto json = Json::Parse(R"({"proof":"orphan","every-task":)" + body +
                                R"(,"files":25000,"bytes":7,"next":20000,"again":[0,10000],)"
                                R"("deleted":10000,"deleted-bytes":3,"kept":1,"failed":0,)"
                                R"("failure":"","rounds":2})");
  ASSERT_TRUE(json.ok());
  auto rounds = DeletionRoundsFromJson(JsonCursor(*json));
  ASSERT_TRUE(rounds.ok()) << rounds.status().ToString();
  rounds_ = *rounds;
  EXPECT_THAT(Next(), ElementsAre(0, 20'000));
  ASSERT_TRUE(End({0, 0}).ok());
  EXPECT_TRUE(rounds_.done());
  EXPECT_EQ(rounds_.deleted, 25'000);
}

}  // namespace
}  // namespace moraine::maintenance
