#include "moraine/worker/optimizer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/tasks/maintenance_task.h"

namespace moraine::worker {
namespace {

/// Files whose every use throws, or finds nothing.
class ThrowingFiles final : public io::FileSystem {
 public:
  explicit ThrowingFiles(std::function<void(Call&)> raise) : raise_(std::move(raise)) {}

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string&,
                                                 std::optional<int64_t>) override {
    raise_(call);
    return NotFound("");
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string&) override {
    raise_(call);
    return NotFound("");
  }
  Result<io::FileInfo> Stat(Call& call, const std::string&) override {
    raise_(call);
    return NotFound("");
  }
  Result<io::FileListing> List(Call& call, const std::string&, const std::string&,
                               size_t) override {
    raise_(call);
    return NotFound("");
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string>) override {
    raise_(call);
    return {};
  }

 private:
  const std::function<void(Call&)> raise_;
};

/// Hands out some tasks and stops the optimizer once all are reported.
class ListedTasks final : public tasks::TaskTransport {
 public:
  explicit ListedTasks(std::vector<std::string> task_jsons) : waiting_(std::move(task_jsons)) {}

  /// At the first time that it is asked.
  std::function<void()> on_first_poll;

  std::stop_token stop() const { return stop_.get_token(); }
  std::vector<tasks::TaskReport> reports() const { return reports_; }

  Result<tasks::RegisterReply> Register(Call&, const tasks::RegisterRequest&) override {
    tasks::RegisterReply reply;
    reply.token = "o";
    return reply;
  }
  Result<std::optional<tasks::HandedTask>> Poll(Call&, const std::string&, int32_t) override {
    std::lock_guard lock(mutex_);
    if (auto now = std::exchange(on_first_poll, nullptr)) now();
    if (next_ == waiting_.size()) return std::optional<tasks::HandedTask>();
    tasks::HandedTask handed;
    handed.key = {"p", static_cast<int32_t>(next_), 1};
    handed.task_json = waiting_[next_++];
    handed.timeout_ms = 60'000;
    return std::optional<tasks::HandedTask>(std::move(handed));
  }
  Status Acknowledge(Call&, const std::string&, const tasks::TaskKey&) override { return {}; }
  Result<tasks::HeartbeatReply> Heartbeat(Call&, const tasks::HeartbeatRequest&) override {
    return tasks::HeartbeatReply();
  }
  Status Report(Call&, const tasks::TaskReport& report) override {
    std::lock_guard lock(mutex_);
    reports_.push_back(report);
    if (reports_.size() == waiting_.size()) stop_.request_stop();
    return {};
  }
  Status Unregister(Call&, const std::string&) override { return {}; }

 private:
  std::mutex mutex_;
  std::stop_source stop_;
  const std::vector<std::string> waiting_;
  size_t next_ = 0;
  std::vector<tasks::TaskReport> reports_;
};

std::string TaskThatReads() {
  return tasks::MaintenanceTaskToJson(
      {.kind = "list-table-files",
       .process_id = "p",
       .task_id = 0,
       .attempt = 1,
       .table = "w.db.t",
       .table_uuid = "u",
       .output_folder = "/t/metadata",
       .body = R"({"metadata-location":"/t/metadata/v1.metadata.json","roots":[],)"
               R"("keep-folders":[]})"});
}

std::vector<tasks::TaskReport> RunAll(std::vector<std::string> task_jsons,
                                      const std::function<void()>& raise) {
  testing::TestEnv env;
  ThrowingFiles files([&](Call&) { raise(); });
  ListedTasks transport(std::move(task_jsons));
  RunOptimizer(env.env(), transport.stop(), transport, files, {});
  return transport.reports();
}

TEST(Optimizer, ExceptionsOfTasksAreFailuresOfTheirs) {
  struct {
    std::function<void()> raise;
    Code code;
    const char* says;
  } cases[] = {
      {[] { throw std::bad_alloc(); }, Code::kExhausted, "no memory left"},
      {[] { throw std::length_error("too long by far"); }, Code::kInternal, "too long by far"},
  };
  for (const auto& c : cases) {
    const auto reports = RunAll({TaskThatReads(), TaskThatReads()}, c.raise);
    ASSERT_EQ(reports.size(), 2u);
    for (const auto& report : reports) {
      EXPECT_FALSE(report.output_json);
      EXPECT_EQ(report.error_code, CodeName(c.code));
      EXPECT_NE(report.error.find(c.says), std::string::npos) << report.error;
    }
  }
}

/// Steps of several threads, in their order.
class Steps {
 public:
  void Reach(int step) {
    std::lock_guard lock(mutex_);
    reached_ = std::max(reached_, step);
    changed_.notify_all();
  }
  void WaitFor(int step) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return reached_ >= step; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int reached_ = 0;
};

/// Forgets the first token. The heartbeat hears so last, when a task of the next one runs.
class ForgetfulServer final : public tasks::TaskTransport {
 public:
  explicit ForgetfulServer(Steps& steps) : steps_(steps) {}

  std::stop_token stop() const { return stop_.get_token(); }

  Result<tasks::RegisterReply> Register(Call&, const tasks::RegisterRequest&) override {
    tasks::RegisterReply reply;
    reply.token = ++registered_ == 1 ? "first" : "second";
    reply.heartbeat_interval_ms = 1;
    return reply;
  }
  Result<std::optional<tasks::HandedTask>> Poll(Call&, const std::string& token, int32_t) override {
    if (token == "first") {
      steps_.WaitFor(1);
      return NotFound("register again");
    }
    tasks::HandedTask handed;
    handed.key = {"p", 0, 1};
    handed.task_json = TaskThatReads();
    handed.timeout_ms = 60'000;
    return std::optional<tasks::HandedTask>(std::move(handed));
  }
  Status Acknowledge(Call&, const std::string&, const tasks::TaskKey&) override { return {}; }
  Result<tasks::HeartbeatReply> Heartbeat(Call&, const tasks::HeartbeatRequest& request) override {
    if (request.token == "second") {
      steps_.Reach(3);
      return tasks::HeartbeatReply();
    }
    steps_.Reach(1);
    steps_.WaitFor(2);
    return NotFound("register again");
  }
  Status Report(Call&, const tasks::TaskReport&) override {
    stop_.request_stop();
    return {};
  }
  Status Unregister(Call&, const std::string&) override { return {}; }

 private:
  Steps& steps_;
  std::stop_source stop_;
  std::atomic<int> registered_ = 0;
};

TEST(Optimizer, ATaskOfANewTokenOutlivesTheOldOne) {
  testing::TestEnv env(1, testing::TestClock::kSystem);
  Steps steps;
  Code code = Code::kInternal;
  ThrowingFiles files([&](Call& call) {
    steps.Reach(2);
    steps.WaitFor(3);
    code = call.Check().code();
  });
  ForgetfulServer server(steps);
  RunOptimizer(env.env(), server.stop(), server, files, {.threads = 1});
  EXPECT_EQ(code, Code::kOk) << CodeName(code);
}

TEST(Optimizer, APollThatThrowsIsTriedAgain) {
  testing::TestEnv env(1, testing::TestClock::kSystem);
  ThrowingFiles files([](Call&) {});
  ListedTasks transport({TaskThatReads()});
  transport.on_first_poll = [] { throw std::bad_alloc(); };
  RunOptimizer(env.env(), transport.stop(), transport, files, {});
  ASSERT_EQ(transport.reports().size(), 1u);
  EXPECT_EQ(transport.reports()[0].error_code, CodeName(Code::kNotFound));
}

TEST(Optimizer, TasksThatCannotBeReadAreFailures) {
  const auto reports = RunAll({"", R"({"kind":7})", R"({"kind":"rewrite"})"}, [] {});
  ASSERT_EQ(reports.size(), 3u);
  for (const auto& report : reports) {
    EXPECT_FALSE(report.output_json);
    EXPECT_EQ(report.error_code, CodeName(Code::kInvalidArgument));
    EXPECT_EQ(report.token, "o");
  }
}

}  // namespace
}  // namespace moraine::worker
