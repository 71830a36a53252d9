#include "moraine/cli/optimizer_fence.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::cli {
namespace {

using testing::HasSubstr;

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
    return std::optional<tasks::HandedTask>();
  }
  Status Acknowledge(Call&, const std::string&, const tasks::TaskKey&) override { return refusal; }
  Result<tasks::HeartbeatReply> Heartbeat(Call&, const tasks::HeartbeatRequest&) override {
    if (!refusal.ok()) return refusal;
    return tasks::HeartbeatReply();
  }
  Status Report(Call&, const tasks::TaskReport&) override { return refusal; }
  Status Unregister(Call&, const std::string&) override { return refusal; }

  Status refusal;
  std::optional<std::vector<std::string>> locations;
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

}  // namespace
}  // namespace moraine::cli
