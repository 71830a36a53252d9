#include "moraine/optimizing/task_queue.h"

#include <functional>

#include <gtest/gtest.h>

#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using tasks::TaskKey;
using tasks::TaskReport;

class TaskQueueTest : public testing::Test {
 protected:
  TaskQueueTest() {
    world_.MakeTable("t");
    EXPECT_TRUE(world_.Append("t", {"a"}).ok());
  }

  TaskQueue& queue() { return world_.parts().queue; }

  /// A running process with tasks that rewrite one file each.
  void MakeProcess(const std::string& id, int tasks, int64_t quota = 1, int64_t retries = 1) {
    Process process;
    process.process_id = id;
    process.table_id = ++tables_;
    process.group = "default";
    process.quota_threads = quota;
    process.num_retries = retries;
    process.created_ms = tables_;
    std::vector<tasks::RewriteTask> made;
    for (int i = 0; i < tasks; ++i) made.push_back(MakeTask(id, i));
    Call call = world_.call();
    Status status = world_.store().Run(
        call, Access::kWrite, [&](Transaction& t) { return InsertProcess(t, process, made); });
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  tasks::RewriteTask MakeTask(const std::string& id, int number) {
    auto loaded = world_.Load("t");
    tasks::RewriteTask task;
    task.process_id = id;
    task.task_id = number;
    task.table = "w.ns.t";
    task.schema = loaded->metadata->FindSchema(loaded->metadata->current_schema_id);
    task.spec = loaded->metadata->FindSpec(0);
    task.partition = {iceberg::Value(int64_t{1})};
    task.target_size_bytes = 1 << 20;
    task.data_location = "file:///wh/out";
    task.rewrite.push_back({world_.DataFile("t", "a", 1), 1, {}});
    return task;
  }
  void SetProcessState(const std::string& id, ProcessState state) {
    Call call = world_.call();
    Status status = world_.store().Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_ASSIGN(auto process, FindProcess(t, id));
      process->state = state;
      return SaveProcess(t, *process);
    });
    ASSERT_TRUE(status.ok());
  }

  std::string Register(int32_t threads = 1, const std::string& group = "default") {
    Call call = world_.call();
    return queue().Register(call, {.group = group, .threads = threads}).value().token;
  }
  std::optional<TaskKey> Poll(const std::string& token, int32_t thread = 0) {
    Call call = world_.call();
    auto handed = queue().TryPoll(call, token, thread);
    EXPECT_TRUE(handed.ok()) << handed.status().ToString();
    if (!handed.ok() || !*handed) return std::nullopt;
    return (*handed)->key;
  }
  Status Acknowledge(const std::string& token, const TaskKey& key) {
    Call call = world_.call();
    return queue().Acknowledge(call, token, key);
  }
  Status Succeed(const std::string& token, const TaskKey& key) {
    auto task = MakeTask(key.process_id, key.task_id);
    return Succeed(token, key, OutputOf(task, key.attempt));
  }
  Status Succeed(const std::string& token, const TaskKey& key, const tasks::RewriteOutput& output) {
    auto task = MakeTask(key.process_id, key.task_id);
    TaskReport report{token, key, tasks::RewriteOutputToJson(output, task), "", ""};
    Call call = world_.call();
    return queue().Report(call, report);
  }
  static tasks::RewriteOutput OutputOf(tasks::RewriteTask task, int32_t attempt) {
    task.attempt = attempt;
    tasks::RewriteOutput output;
    output.data_files = {task.rewrite[0].file};
    output.data_files[0].file_path = task.OutputPrefix() + "00000.parquet";
    return output;
  }
  Status Fail(const std::string& token, const TaskKey& key, Code code = Code::kUnavailable) {
    TaskReport report{token, key, std::nullopt, std::string(CodeName(code)), "it broke"};
    Call call = world_.call();
    return queue().Report(call, report);
  }
  tasks::HeartbeatReply Beat(const std::string& token, std::vector<TaskKey> running = {}) {
    tasks::HeartbeatRequest request{token, {}};
    for (const auto& key : running) request.running.push_back({key, 77, 0, 0});
    Call call = world_.call();
    return queue().Heartbeat(call, request).value();
  }
  void Reclaim() {
    Call call = world_.call();
    Status status = queue().ReclaimTick(call);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  TaskRow Row(const std::string& id, size_t number = 0) {
    Call call = world_.call();
    return RunFor(call, world_.store(), Access::kRead,
                  [&](Transaction& t) { return TaskRows(t, id); })
        .value()
        .at(number);
  }
  /// Prefixes of attempts whose files are to go, written down since the last call.
  std::vector<std::string> Refused() {
    Call call = world_.call();
    auto prefixes = RunFor(call, world_.store(), Access::kRead, [](Transaction& t) {
                      return DeadPrefixes(t, 100);
                    }).value();
    EXPECT_TRUE(
        world_.store()
            .Run(call, Access::kWrite,
                 [](Transaction& t) { return t.Execute("DELETE FROM deletion", {}).status(); })
            .ok());
    return prefixes;
  }
  std::string Prefix(const std::string& id, int attempt) {
    auto task = MakeTask(id, 0);
    task.attempt = attempt;
    return task.OutputPrefix();
  }

  OptimizingWorld world_;
  int64_t tables_ = 0;
};

TEST_F(TaskQueueTest, HandsOutAcknowledgesAndTakesTheResult) {
  MakeProcess("p", 1);
  std::string token = Register();
  auto key = Poll(token);
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, (TaskKey{"p", 0, 1}));
  EXPECT_EQ(Row("p").state, "scheduled");
  ASSERT_TRUE(Acknowledge(token, *key).ok());
  EXPECT_EQ(Row("p").state, "acknowledged");
  EXPECT_TRUE(Beat(token, {*key}).cancel.empty());
  EXPECT_EQ(Row("p").bytes_read, 77);
  EXPECT_FALSE(Poll(token, 1));
  ASSERT_TRUE(Succeed(token, *key).ok());
  EXPECT_EQ(Row("p").state, "succeeded");
  EXPECT_FALSE(Poll(token));
}

TEST_F(TaskQueueTest, AReportThatIsSentAgainKeepsTheFilesOfItsAttempt) {
  MakeProcess("p", 1);
  std::string token = Register();
  auto key = Poll(token);
  ASSERT_TRUE(Succeed(token, *key).ok());
  EXPECT_TRUE(Succeed(token, *key).ok());
  EXPECT_EQ(Fail(token, *key).code(), Code::kConflict);
  EXPECT_EQ(Succeed(Register(), *key).code(), Code::kConflict);
  EXPECT_EQ(Succeed(token, {"p", 0, 2}).code(), Code::kConflict);
  EXPECT_TRUE(Refused().empty());
  EXPECT_EQ(Row("p").state, "succeeded");
}

TEST_F(TaskQueueTest, AThreadThatPollsGivesItsTaskBack) {
  MakeProcess("p", 1);
  std::string token = Register(2);
  auto first = Poll(token, 0);
  ASSERT_TRUE(Acknowledge(token, *first).ok());
  EXPECT_FALSE(Poll(token, 1));
  auto second = Poll(token, 0);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->attempt, 2);
  EXPECT_EQ(Acknowledge(token, *first).code(), Code::kConflict);
}

TEST_F(TaskQueueTest, ALateReportOfAnOldAttemptIsRefusedAndItsFilesGo) {
  MakeProcess("p", 1);
  std::string token = Register();
  auto first = Poll(token);
  auto second = Poll(token);
  EXPECT_EQ(Succeed(token, *first).code(), Code::kConflict);
  EXPECT_EQ(Refused(), std::vector<std::string>{Prefix("p", 1)});
  EXPECT_TRUE(Refused().empty());
  EXPECT_TRUE(Succeed(token, *second).ok());
  EXPECT_TRUE(Refused().empty());
}

TEST_F(TaskQueueTest, TakesBackWhatIsNotAcknowledgedInTime) {
  MakeProcess("p", 1);
  std::string token = Register();
  auto key = Poll(token);
  world_.Advance(world_.options().acknowledge_timeout);
  Beat(token);
  Reclaim();
  EXPECT_EQ(Row("p").state, "scheduled");
  world_.Advance(Millis(1));
  Reclaim();
  EXPECT_EQ(Row("p").state, "planned");
  EXPECT_EQ(Row("p").failures, 0);
  EXPECT_EQ(Acknowledge(token, *key).code(), Code::kConflict);
}

TEST_F(TaskQueueTest, TakesBackAttemptsThatTakeTooLongAndCountsThem) {
  MakeProcess("p", 1, 1, 1);
  std::string token = Register();
  for (const char* state : {"planned", "failed"}) {
    auto key = Poll(token);
    ASSERT_TRUE(key);
    ASSERT_TRUE(Acknowledge(token, *key).ok());
    world_.Advance(world_.options().task_timeout + Millis(1));
    Beat(token);
    Reclaim();
    EXPECT_EQ(Row("p").state, state);
    EXPECT_EQ(Beat(token, {*key}).cancel, std::vector<TaskKey>{*key});
  }
  EXPECT_EQ(Row("p").failures, 2);
  EXPECT_NE(Row("p").error.find("took too long"), std::string::npos);
}

TEST_F(TaskQueueTest, ForgetsSilentOptimizersAndTakesTheirTasks) {
  MakeProcess("p", 2);
  std::string silent = Register(), alive = Register();
  auto key = Poll(silent);
  ASSERT_TRUE(Acknowledge(silent, *key).ok());
  world_.Advance(world_.options().heartbeat_timeout);
  Beat(alive);
  Reclaim();
  EXPECT_EQ(Row("p", 0).state, "acknowledged");
  world_.Advance(Millis(1));
  Reclaim();
  EXPECT_EQ(Row("p", 0).state, "planned");
  Call call = world_.call();
  EXPECT_EQ(queue().Optimizers(call)->size(), 1u);
  EXPECT_EQ(queue().TryPoll(call, silent, 0).status().code(), Code::kNotFound);
  EXPECT_EQ(queue().Heartbeat(call, {silent, {}}).status().code(), Code::kNotFound);
  EXPECT_EQ(Succeed(silent, *key).code(), Code::kConflict);
  EXPECT_EQ(Refused(), std::vector<std::string>{Prefix("p", 1)});
  EXPECT_EQ(Poll(alive, 0)->task_id, 0);
}

TEST_F(TaskQueueTest, AnOptimizerThatLeavesGivesItsTasksBackWithoutBlame) {
  MakeProcess("p", 1);
  std::string token = Register();
  auto key = Poll(token);
  ASSERT_TRUE(Acknowledge(token, *key).ok());
  EXPECT_TRUE(Fail(token, *key, Code::kCancelled).ok());
  EXPECT_EQ(Row("p").state, "planned");
  key = Poll(token);
  Call call = world_.call();
  ASSERT_TRUE(queue().Unregister(call, token).ok());
  EXPECT_EQ(Row("p").state, "planned");
  EXPECT_EQ(Row("p").failures, 0);
  EXPECT_EQ(queue().GroupThreads(call, "default").value(), 0);
}

TEST_F(TaskQueueTest, TriesAgainUntilTheRetriesAreUsedUp) {
  MakeProcess("p", 1, 1, 2);
  std::string token = Register();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    auto key = Poll(token);
    ASSERT_TRUE(key) << attempt;
    ASSERT_TRUE(Fail(token, *key).ok());
    // Not at once: what made it fail may pass.
    EXPECT_FALSE(Poll(token));
    world_.Advance(world_.options().task_retry_first * (1 << (attempt - 1)));
    EXPECT_EQ(Row("p").failures, attempt);
    EXPECT_EQ(Refused(), std::vector<std::string>{Prefix("p", attempt)});
  }
  EXPECT_EQ(Row("p").state, "failed");
  EXPECT_EQ(Row("p").error, "Unavailable: it broke");
  EXPECT_FALSE(Poll(token));
}

TEST_F(TaskQueueTest, WhatAnotherAttemptCantChangeIsNotTriedAgain) {
  for (Code code :
       {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument, Code::kNotFound}) {
    std::string id(CodeName(code));
    MakeProcess(id, 1, 1, 5);
    std::string token = Register();
    ASSERT_TRUE(Fail(token, *Poll(token), code).ok());
    EXPECT_EQ(Row(id).state, "failed") << id;
  }
}

TEST_F(TaskQueueTest, ServesTheProcessThatUsesTheLeastOfItsQuota) {
  MakeProcess("old", 6, 1);
  MakeProcess("wide", 6, 3);
  std::string token = Register(8);
  std::string order;
  for (int32_t thread = 0; thread < 8; ++thread) {
    order += Poll(token, thread)->process_id == "old" ? 'o' : 'w';
  }
  // One thread of one, then three of three, then in the same proportion.
  EXPECT_EQ(order, "owwwowww");
  EXPECT_FALSE(Poll(Register(1, "other")));
}

TEST_F(TaskQueueTest, TellsTheOptimizerToStopWhatIsNotWanted) {
  MakeProcess("p", 2);
  std::string token = Register(2);
  auto a = Poll(token, 0), b = Poll(token, 1);
  EXPECT_TRUE(Beat(token, {*a, *b}).cancel.empty());
  SetProcessState("p", ProcessState::kCancelled);
  EXPECT_EQ(Beat(token, {*a, *b}).cancel, (std::vector<TaskKey>{*a, *b}));
  EXPECT_EQ(Succeed(token, *a).code(), Code::kConflict);
  EXPECT_EQ(Succeed(token, {"gone", 0, 1}).code(), Code::kNotFound);
}

TEST_F(TaskQueueTest, ATaskThatCantBeReadFails) {
  MakeProcess("p", 1);
  Call call = world_.call();
  ASSERT_TRUE(world_.store()
                  .Run(call, Access::kWrite,
                       [](Transaction& t) {
                         return t.Execute("UPDATE task SET input = 'rubbish'", {}).status();
                       })
                  .ok());
  EXPECT_FALSE(Poll(Register()));
  EXPECT_EQ(Row("p").state, "failed");
}

TEST_F(TaskQueueTest, ForgetsEmbeddedOptimizersOfTheProcessBefore) {
  MakeProcess("p", 1);
  Call call = world_.call();
  std::string token = queue().Register(call, {.threads = 1, .embedded = true}).value().token;
  Register();
  ASSERT_TRUE(Poll(token));
  ASSERT_TRUE(queue().ForgetEmbedded(call).ok());
  EXPECT_EQ(queue().Optimizers(call)->size(), 1u);
  Reclaim();
  EXPECT_EQ(Row("p").state, "planned");
}

TEST_F(TaskQueueTest, ASuccessThatCantBeReadFailsTheAttemptAtOnce) {
  MakeProcess("p", 1, 1, 1);
  std::string token = Register();
  Call call = world_.call();
  for (const char* state : {"planned", "failed"}) {
    auto key = Poll(token);
    ASSERT_TRUE(key);
    TaskReport report{token, *key, "{}", "", ""};
    EXPECT_EQ(queue().Report(call, report).code(), Code::kInvalidArgument);
    EXPECT_EQ(Row("p").state, state);
    EXPECT_NE(
        Row("p").error.find("Internal: the report of success can't be taken: (document): missing"),
        std::string::npos)
        << Row("p").error;
    EXPECT_EQ(Refused(), std::vector<std::string>{Prefix("p", key->attempt)});
    world_.Advance(world_.options().task_retry_first);
  }
}

TEST_F(TaskQueueTest, PollersHearOfATaskWhoseWaitIsOver) {
  MakeProcess("p", 1, 1, 1);
  std::string token = Register();
  ASSERT_TRUE(Fail(token, *Poll(token)).ok());
  uint64_t before = queue().work_count();
  Reclaim();
  EXPECT_EQ(queue().work_count(), before);
  world_.Advance(world_.options().task_retry_first);
  Reclaim();
  EXPECT_GT(queue().work_count(), before);
  EXPECT_TRUE(Poll(token));
}

TEST_F(TaskQueueTest, ASuccessWithFilesThatAreNotTheAttemptsFailsIt) {
  using Output = tasks::RewriteOutput;
  struct Case {
    std::string error;
    std::function<void(Output*)> spoil;
  };
  auto rename = [](auto change) {
    return [change](Output* output) { change(output->data_files[0].file_path); };
  };
  std::vector<Case> cases = {
      {"not an output of this attempt",
       rename([](std::string& path) { path = "file:///wh/elsewhere/0.parquet"; })},
      {"not an output of this attempt",
       rename([](std::string& path) { path.replace(path.find("-1-"), 3, "-2-"); })},
      {"not a file name after the attempt's prefix",
       rename([](std::string& path) { path += "/../../../etc/passwd"; })},
      {"an output is named twice", [](Output* o) { o->data_files.push_back(o->data_files[0]); }},
      {"another partition",
       [](Output* o) { o->data_files[0].partition = {iceberg::Value(int64_t{2})}; }},
      {"the outputs 9, and nothing was deleted",
       [](Output* o) { o->data_files[0].record_count = 9; }},
      {"the inputs hold 10 rows, the outputs 0", [](Output* o) { o->data_files.clear(); }},
      {"deletes that were not asked for",
       [](Output* o) {
         auto file = o->data_files[0];
         file.file_path += "d";
         file.content = iceberg::FileContent::kPositionDeletes;
         o->delete_files = {file};
       }},
      {"data and deletes are mixed up",
       [](Output* o) { o->data_files[0].content = iceberg::FileContent::kPositionDeletes; }},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].error);
    std::string id = "p" + std::to_string(i);
    MakeProcess(id, 1, 1, 0);
    std::string token = Register();
    auto key = Poll(token);
    auto output = OutputOf(MakeTask(id, 0), key->attempt);
    cases[i].spoil(&output);
    EXPECT_EQ(Succeed(token, *key, output).code(), Code::kInvalidArgument);
    EXPECT_EQ(Row(id).state, "failed");
    EXPECT_NE(Row(id).error.find(cases[i].error), std::string::npos) << Row(id).error;
  }
}

}  // namespace
}  // namespace moraine::optimizing
