#include "moraine/optimizing/jobs.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using tasks::HandedTask;
using tasks::TaskKey;
using testing::ElementsAre;

class JobsTest : public testing::Test {
 protected:
  TaskQueue& queue() { return world_.parts().queue; }

  Status Write(const std::function<Status(Transaction&)>& body) {
    Call call = world_.call();
    return world_.store().Run(call, Access::kWrite, body);
  }
  template <typename Body>
  auto Read(Body&& body) {
    Call call = world_.call();
    return RunFor(call, world_.store(), Access::kRead, std::forward<Body>(body)).value();
  }
  void MakeJob(const std::string& id, int tasks, int64_t retries = 1) {
    std::vector<JobTask> made;
    for (int i = 0; i < tasks; ++i) {
      tasks::MaintenanceTask task;
      task.kind = "find-orphans";
      task.process_id = id;
      task.task_id = i;
      task.table = "w.ns.t";
      task.table_uuid = "uuid";
      task.output_folder = "file:///wh/t/.maintenance";
      task.body = R"({"part":1})";
      made.push_back({task, 0, 100});
    }
    Status status = Write([&](Transaction& t) {
      return InsertJobTasks(t, {id, 7, "default", retries}, made);
    });
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  /// A process of rewrites with so many tasks.
  void MakeProcess(const std::string& id, int tasks) {
    world_.MakeTable(id);
    ASSERT_TRUE(world_.Append(id, {"a"}).ok());
    const auto loaded = world_.Load(id);
    Process process;
    process.process_id = id;
    process.table_id = loaded->table_id;
    process.group = "default";
    process.quota_threads = 10;
    std::vector<tasks::RewriteTask> made;
    for (int i = 0; i < tasks; ++i) {
      tasks::RewriteTask task;
      task.process_id = id;
      task.task_id = i;
      task.table = "w.ns." + id;
      task.schema = loaded->metadata->FindSchema(loaded->metadata->current_schema_id);
      task.spec = loaded->metadata->FindSpec(0);
      task.partition = {iceberg::Value(int64_t{1})};
      task.data_location = "file:///wh/out";
      task.rewrite.push_back({world_.DataFile(id, "a", 1), 1, {}});
      made.push_back(std::move(task));
    }
    ASSERT_TRUE(Write([&](Transaction& t) { return InsertProcess(t, process, made); }).ok());
  }
  std::string Register(int32_t threads = 1, int protocol = tasks::kProtocolVersion) {
    Call call = world_.call();
    return queue().Register(call, {.protocol = protocol, .threads = threads}).value().token;
  }
  std::optional<HandedTask> Poll(const std::string& token, int32_t thread = 0) {
    Call call = world_.call();
    auto handed = queue().TryPoll(call, token, thread);
    EXPECT_TRUE(handed.ok()) << handed.status().ToString();
    if (!handed.ok() || !*handed) return std::nullopt;
    EXPECT_TRUE(queue().Acknowledge(call, token, (*handed)->key).ok());
    return *std::move(handed);
  }
  Status Report(const std::string& token, const TaskKey& key,
                const std::optional<std::string>& output, Code code = Code::kUnavailable) {
    Call call = world_.call();
    return queue().Report(
        call, {token, key, output, output ? "" : std::string(CodeName(code)), "it broke"});
  }
  std::string Output() {
    return tasks::MaintenanceOutputToJson({.result = R"({"found":3})", .files = 5});
  }
  std::vector<JobTaskState> States(const std::string& id) {
    return Read([&](Transaction& t) { return JobTasks(t, id); });
  }

  OptimizingWorld world_;
};

TEST_F(JobsTest, GoesThroughTheQueueAsItsOwnKind) {
  MakeJob("j1", 1);
  const std::string token = Register();
  auto handed = Poll(token);
  ASSERT_TRUE(handed);
  EXPECT_EQ(handed->warehouse, "w");
  auto task = tasks::MaintenanceTaskFromJson(handed->task_json).value();
  EXPECT_EQ(task.kind, "find-orphans");
  EXPECT_EQ(task.attempt, 1);
  EXPECT_EQ(task.body, R"({"part":1})");
  ASSERT_TRUE(Report(token, handed->key, Output()).ok());
  EXPECT_TRUE(Report(token, handed->key, Output()).ok()) << "the reply was lost";
  auto states = States("j1");
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states[0].output.result, R"({"found":3})");
  EXPECT_EQ(states[0].state, "succeeded");
  EXPECT_FALSE(Poll(token));
  // It is no process, and none of the committer's business.
  EXPECT_TRUE(Read([](Transaction& t) { return OpenProcesses(t, ""); }).empty());
}

TEST_F(JobsTest, ItIsKnownHowFarTheyAre) {
  const auto figures = [&] { return Read([](Transaction& t) { return FiguresOfJob(t, "j1"); }); };
  EXPECT_EQ(figures().tasks(), 0);
  MakeJob("j1", 3);
  const std::string token = Register(2);
  const auto first = Poll(token, 0);
  const auto second = Poll(token, 1);
  ASSERT_TRUE(first && second);
  const auto beat = [&](int64_t first_files, int64_t second_files) {
    Call call = world_.call();
    auto reply = queue().Heartbeat(
        call, {.token = token,
               .running = {{.key = first->key, .bytes_read = 100, .files = first_files},
                           {.key = second->key, .bytes_read = 20, .files = second_files}}});
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
  };
  beat(7, 8);
  beat(9, 8);
  EXPECT_EQ(figures().waiting, 1);
  EXPECT_EQ(figures().running, 2);
  EXPECT_EQ(figures().files, 17);
  EXPECT_EQ(figures().bytes_read, 120);
  ASSERT_TRUE(Report(token, first->key, Output()).ok());
  EXPECT_EQ(figures().ended, 1);
  EXPECT_EQ(figures().files, 17) << "what it has told by its last heartbeat stays";
  ASSERT_TRUE(Report(token, second->key, std::nullopt).ok());
  EXPECT_EQ(figures().waiting, 2);
  EXPECT_EQ(figures().files, 9) << "an attempt that failed has done nothing";
}

TEST_F(JobsTest, OptimizersThatDoNotKnowThemGetNone) {
  MakeJob("j1", 1);
  const std::string old = Register(1, tasks::kProtocolOfJobs - 1);
  EXPECT_FALSE(Poll(old));
  EXPECT_TRUE(Poll(Register()));
}

TEST_F(JobsTest, FailsAfterItsRetriesAndIsTriedAgainWhenAskedTo) {
  MakeJob("j1", 1, /*retries=*/1);
  const std::string token = Register();
  for (int i = 0; i < 2; ++i) {
    auto handed = Poll(token);
    ASSERT_TRUE(handed);
    ASSERT_TRUE(Report(token, handed->key, std::nullopt).ok());
    world_.Advance(std::chrono::minutes(1));
  }
  auto states = States("j1");
  EXPECT_EQ(states.at(0).state, "failed");
  EXPECT_EQ(states.at(0).error, "Unavailable: it broke");
  EXPECT_FALSE(Poll(token));
  // What the attempts wrote goes.
  EXPECT_THAT(
      Read([](Transaction& t) { return DeadPrefixes(t, 10); }),
      ElementsAre("file:///wh/t/.maintenance/j1-0-1-", "file:///wh/t/.maintenance/j1-0-2-"));
  ASSERT_TRUE(Write([](Transaction& t) { return RetryFailedJobTasks(t, "j1", 0); }).ok());
  auto handed = Poll(token);
  ASSERT_TRUE(handed);
  EXPECT_EQ(handed->key.attempt, 3);
}

TEST_F(JobsTest, ALostOptimizersTaskGoesToAnotherOne) {
  MakeJob("j1", 1, /*retries=*/1);
  ASSERT_TRUE(Poll(Register()));
  world_.Advance(std::chrono::minutes(5));
  Call call = world_.call();
  ASSERT_TRUE(queue().ReclaimTick(call).ok());
  ASSERT_TRUE(Poll(Register()));
  world_.Advance(std::chrono::minutes(5));
  ASSERT_TRUE(queue().ReclaimTick(call).ok());
  EXPECT_EQ(States("j1").at(0).state, "failed") << "once too often";
}

TEST_F(JobsTest, AReportThatCanNotBeReadFailsTheAttempt) {
  MakeJob("j1", 1);
  const std::string token = Register();
  auto handed = Poll(token);
  ASSERT_TRUE(handed);
  EXPECT_EQ(Report(token, handed->key, "{}").code(), Code::kInvalidArgument);
  EXPECT_EQ(States("j1").at(0).state, "planned");
}

TEST_F(JobsTest, WhatIsDeletedIsCancelledAndRefused) {
  MakeJob("j1", 1);
  const std::string token = Register();
  auto handed = Poll(token);
  ASSERT_TRUE(handed);
  ASSERT_TRUE(Write([](Transaction& t) { return DeleteJobTasks(t, "j1"); }).ok());
  Call call = world_.call();
  auto beat = queue().Heartbeat(call, {token, {{handed->key, 1, 0, 0}}}).value();
  EXPECT_THAT(beat.cancel, ElementsAre(handed->key));
  EXPECT_EQ(Report(token, handed->key, Output()).code(), Code::kNotFound);
}

TEST_F(JobsTest, JobsTakeTurns) {
  MakeJob("j1", 3);
  MakeJob("j2", 2);
  const std::string token = Register(8);
  std::string order;
  for (int32_t i = 0; i < 5; ++i) order += Poll(token, i)->key.process_id + " ";
  EXPECT_EQ(order, "j1 j2 j1 j2 j1 ");
}

struct SharesCase {
  int threads;
  int polls;
  int jobs;  ///< tasks of maintenance among what was handed out
};

class JobShares : public JobsTest, public testing::WithParamInterface<SharesCase> {};

TEST_P(JobShares, NeitherStarvesTheOther) {
  MakeJob("j1", 100);
  MakeProcess("p", 100);
  const std::string token = Register(GetParam().threads);
  int jobs = 0;
  for (int i = 0; i < GetParam().polls; ++i) {
    auto handed = Poll(token, i % GetParam().threads);
    ASSERT_TRUE(handed);
    jobs += handed->key.process_id == "j1" ? 1 : 0;
  }
  EXPECT_EQ(jobs, GetParam().jobs);
}

// One thread gives up its task with each poll: turns decide. Many that keep theirs: the share does.
INSTANTIATE_TEST_SUITE_P(Shares, JobShares,
                         testing::Values(SharesCase{1, 12, 3}, SharesCase{8, 8, 2},
                                         SharesCase{16, 16, 4}));

TEST_F(JobsTest, MaintenanceHasAllThreadsWhereNothingElseWaits) {
  MakeJob("j1", 10);
  const std::string token = Register(4);
  for (int32_t i = 0; i < 4; ++i) EXPECT_TRUE(Poll(token, i));
}

}  // namespace
}  // namespace moraine::optimizing
