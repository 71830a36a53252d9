#include "moraine/cli/optimizer_fence.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/net/http_server.h"

namespace moraine::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Says the same to every registration and poll.
class FixedTransport final : public tasks::TaskTransport {
 public:
  Result<tasks::RegisterReply> Register(Call&, const tasks::RegisterRequest&) override {
    if (!refusal.ok()) return refusal;
    tasks::RegisterReply reply;
    reply.token = "t";
    reply.allowed_locations = locations;
    return reply;
  }
  Result<std::optional<tasks::HandedTask>> Poll(Call&, const std::string&, int32_t) override {
    if (!refusal.ok()) return refusal;
    if (storage.empty()) return std::optional<tasks::HandedTask>();
    tasks::HandedTask task;
    task.storage = storage;
    task.locations = task_locations;
    return std::optional<tasks::HandedTask>(task);
  }
  Status Acknowledge(Call&, const std::string&, const tasks::TaskKey&) override { return refusal; }
  Result<tasks::HeartbeatReply> Heartbeat(Call&, const tasks::HeartbeatRequest&) override {
    if (!refusal.ok()) return refusal;
    return tasks::HeartbeatReply();
  }
  Status Report(Call&, const tasks::TaskReport& report) override {
    reported = report.error;
    return refusal;
  }
  Status Unregister(Call&, const std::string&) override { return refusal; }

  Status refusal;
  std::optional<std::vector<std::string>> locations;
  iceberg::StringMap storage;
  std::vector<std::string> task_locations;
  std::string reported;
};

/// A store that knows one key.
class GuardedStore {
 public:
  GuardedStore() {
    auto started = net::HttpServer::Start(
        SystemEnv(NullLogger()), {}, [](Call&, const net::Request& request) -> net::Response {
          auto sent = request.headers.Get("Authorization").value_or("");
          bool knows = sent.find("Credential=RIGHT/") != sent.npos;
          if (request.method == net::Method::kHead && !knows) return net::Response::Empty(403);
          if (!knows) {
            return net::Response::Text(403, "<Error><Code>InvalidAccessKeyId</Code></Error>");
          }
          if (request.method == net::Method::kGet) {
            return net::Response::Text(200, "<ListBucketResult/>");
          }
          return net::Response::Empty(404);
        });
    EXPECT_TRUE(started.ok()) << started.status().ToString();
    server_ = std::move(*started);
  }
  iceberg::StringMap Settings(const std::string& key) const {
    iceberg::StringMap settings{{"s3.endpoint", server_->base_url()}};
    if (!key.empty()) settings["s3.access-key-id"] = key;
    if (!key.empty()) settings["s3.secret-access-key"] = "hidden-secret";
    return settings;
  }

 private:
  std::unique_ptr<net::HttpServer> server_;
};

class OptimizerFenceTest : public testing::Test {
 protected:
  OptimizerFenceTest() {
    std::string name = testing::TempDir() + "/fence_test_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* part : {"a", "a/in", "b"}) {
      std::filesystem::create_directory(folder_ + "/" + part);
      std::ofstream(folder_ + "/" + part + "/f") << "x";
    }
  }
  ~OptimizerFenceTest() override { std::filesystem::remove_all(folder_); }

  std::string At(const std::string& path) { return "file://" + folder_ + "/" + path; }
  Code Look(OptimizerFence& fence, const std::string& path) {
    Call call = env_.call();
    return fence.files().Stat(call, At(path)).status().code();
  }
  Status Register(OptimizerFence& fence) {
    Call call = env_.call();
    return fence.transport().Register(call, {}).status();
  }

  testing::TestEnv env_{1};
  FixedTransport server_;
  std::stop_source stop_;
  std::string folder_;
};

TEST_F(OptimizerFenceTest, FilesAreThoseThatTheServerNames) {
  OptimizerFence fence(server_, {.server = "http://s"}, stop_);
  EXPECT_EQ(Look(fence, "a/f"), Code::kPermissionDenied) << "not registered yet";
  server_.locations = {At("a")};
  ASSERT_TRUE(Register(fence).ok());
  EXPECT_EQ(Look(fence, "a/f"), Code::kOk);
  EXPECT_EQ(Look(fence, "b/f"), Code::kPermissionDenied);
  Call call = env_.call();
  std::string outside = "file:///etc/hostname";
  EXPECT_EQ(fence.files().Open(call, outside, {}).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(fence.files().Create(call, At("b/g")).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(fence.files().List(call, At("b/"), "", 9).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(fence.files().DeleteMany(call, {{At("b/f"), At("a/f")}}),
            (std::vector<Status>{fence.files().Stat(call, At("b/f")).status(), Status()}));
  server_.locations = {At("b")};
  ASSERT_TRUE(Register(fence).ok());
  EXPECT_EQ(Look(fence, "a/in/f"), Code::kPermissionDenied) << "a new server, other locations";
  EXPECT_EQ(Look(fence, "b/f"), Code::kOk);
  EXPECT_TRUE(fence.outcome().ok());
}

TEST_F(OptimizerFenceTest, TheFlagNarrowsAndNeverWidens) {
  OptimizerFence fence(server_, {.allowed_locations = {At("a/in"), At("b")}, .server = "http://s"},
                       stop_);
  server_.locations = {At("a")};
  ASSERT_TRUE(Register(fence).ok());
  EXPECT_EQ(Look(fence, "a/in/f"), Code::kOk);
  EXPECT_EQ(Look(fence, "a/f"), Code::kPermissionDenied);
  EXPECT_EQ(Look(fence, "b/f"), Code::kPermissionDenied);
  EXPECT_EQ(OptimizerFence::Check({.allowed_locations = {"no location"}}).code(),
            Code::kInvalidArgument);
}

TEST_F(OptimizerFenceTest, AServerThatNamesNoLocationsNeedsTheFlag) {
  OptimizerFence with_flag(server_, {.allowed_locations = {At("a")}, .server = "http://s"}, stop_);
  ASSERT_TRUE(Register(with_flag).ok());
  EXPECT_EQ(Look(with_flag, "a/f"), Code::kOk);
  EXPECT_EQ(Look(with_flag, "b/f"), Code::kPermissionDenied);
  OptimizerFence without(server_, {.server = "http://s"}, stop_);
  EXPECT_FALSE(Register(without).ok());
  EXPECT_TRUE(stop_.stop_requested());
  EXPECT_THAT(without.outcome().message(), HasSubstr("give --allowed-location"));
}

TEST_F(OptimizerFenceTest, ARefusedTokenEndsIt) {
  for (bool sends_token : {true, false}) {
    std::stop_source stop;
    OptimizerFence fence(server_, {.server = "http://s", .sends_token = sends_token}, stop);
    server_.refusal = Unavailable("starting");
    (void)Register(fence);
    EXPECT_FALSE(stop.stop_requested());
    EXPECT_TRUE(fence.outcome().ok());
    server_.refusal = Unauthenticated("the server answered 401");
    (void)Register(fence);
    EXPECT_TRUE(stop.stop_requested());
    EXPECT_EQ(fence.outcome().code(), Code::kUnauthenticated);
    EXPECT_THAT(fence.outcome().message(),
                HasSubstr(sends_token ? "http://s refused the bearer token of --token-file"
                                      : "asks for a bearer token"));
  }
}

TEST_F(OptimizerFenceTest, TheStoreIsReachedAsTheServerSaysWithTheTask) {
  GuardedStore store;
  testing::TestEnv env{1, testing::TestClock::kSystem};
  Call call = env.call();
  server_.locations = {"s3://lake/w"};
  OptimizerFence fence(server_, {.server = "http://s"}, stop_);
  ASSERT_TRUE(fence.transport().Register(call, {}).ok());
  auto look = [&] { return fence.files().Stat(call, "s3://lake/w/x").status(); };
  auto poll = [&](const std::string& key) {
    server_.storage = store.Settings(key);
    auto task = fence.transport().Poll(call, "t", 0);
    ASSERT_TRUE(task.ok() && *task);
    EXPECT_TRUE((*task)->storage.empty());
  };
  poll("");
  EXPECT_EQ(look().code(), Code::kPermissionDenied);
  tasks::TaskReport report;
  report.error_code = CodeName(Code::kPermissionDenied);
  report.error = look().message();
  ASSERT_TRUE(fence.transport().Report(call, report).ok());
  EXPECT_THAT(server_.reported, HasSubstr("AccessDenied"));
  EXPECT_THAT(server_.reported, HasSubstr("bucket lake of http://127.0.0.1:"));
  EXPECT_THAT(server_.reported, HasSubstr("set optimizer.send-storage-credentials"));
  poll("RIGHT");
  EXPECT_EQ(look().code(), Code::kNotFound);
  poll("OLD");
  EXPECT_EQ(look().code(), Code::kPermissionDenied);
  poll("RIGHT");
  EXPECT_EQ(look().code(), Code::kNotFound);
  // Settings that can't be used show in the task.
  server_.storage = {{"s3.endpoint", "nowhere"}};
  ASSERT_TRUE(fence.transport().Poll(call, "t", 0).ok());
  EXPECT_EQ(look().code(), Code::kInvalidArgument);
  for (const auto& line : env.log().lines()) EXPECT_THAT(line, Not(HasSubstr("hidden-secret")));
}

TEST_F(OptimizerFenceTest, SettingsOfItsOwnGoOverTheServersAndAreTriedAtTheStart) {
  GuardedStore store;
  for (const char* key : {"RIGHT", "WRONG"}) {
    testing::TestEnv env{1, testing::TestClock::kSystem};
    Call call = env.call();
    server_.locations = {"file:///w", "s3://lake/w"};
    OptimizerFence fence(server_, {.s3 = store.Settings(key), .server = "http://s"}, stop_);
    ASSERT_TRUE(fence.transport().Register(call, {}).ok());
    bool is_right = key == std::string("RIGHT");
    EXPECT_EQ(env.log().Count("the store refuses the s3.* settings"), is_right ? 0u : 1u);
    server_.storage = store.Settings(is_right ? "WRONG" : "RIGHT");
    server_.storage["s3.session-token"] = "of the other key";
    ASSERT_TRUE(fence.transport().Poll(call, "t", 0).ok());
    EXPECT_EQ(fence.files().Stat(call, "s3://lake/w/x").status().code(),
              is_right ? Code::kNotFound : Code::kPermissionDenied);
    for (const auto& line : env.log().lines()) EXPECT_THAT(line, Not(HasSubstr("hidden-secret")));
  }
}

TEST_F(OptimizerFenceTest, TasksOfTwoWarehousesHaveTheirKeysAtOnce) {
  GuardedStore store;
  testing::TestEnv env{1, testing::TestClock::kSystem};
  Call call = env.call();
  server_.locations = {"s3://lake/w"};
  OptimizerFence fence(server_, {.server = "http://s"}, stop_);
  ASSERT_TRUE(fence.transport().Register(call, {}).ok());
  auto poll = [&](const std::string& key, const std::string& location) {
    server_.storage = store.Settings(key);
    server_.task_locations = {location};
    ASSERT_TRUE(fence.transport().Poll(call, "t", 0).ok());
  };
  auto look = [&](const std::string& location) {
    return fence.files().Stat(call, location).status().code();
  };
  EXPECT_EQ(look("s3://pond/w/x"), Code::kPermissionDenied);
  poll("RIGHT", "s3://lake/w");
  poll("WRONG", "s3://pond/w");
  EXPECT_EQ(look("s3://lake/w/x"), Code::kNotFound);
  EXPECT_EQ(look("s3://pond/w/x"), Code::kPermissionDenied);
  poll("RIGHT", "s3://pond/w");
  EXPECT_EQ(look("s3://lake/w/x"), Code::kNotFound);
  EXPECT_EQ(look("s3://pond/w/x"), Code::kNotFound) << "named with a task, after the registration";
  EXPECT_EQ(look("s3://sea/w/x"), Code::kPermissionDenied);
}

}  // namespace
}  // namespace moraine::cli
