#pragma once
// Commands that ask a server (RunRemote), for tests: answers made up by method and path, a clock on
// which every wait is over at once, and what the command has printed.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/cli/run.h"
#include "moraine/net/http_client.h"

namespace moraine::cli {

/// When the commands of a test begin.
inline constexpr int64_t kNow = 1'767'225'600'000;

class JumpingClock final : public Clock {
 public:
  WallTime Wall() override;
  MonoTime Mono() override { return now_; }
  void WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable_any&, MonoTime until,
                 std::stop_token) override;
  int waits = 0;

 private:
  MonoTime now_{};
};

/// Answers by method and path ("GET /health"), one answer after the other, the last one again and
/// again; 404 to all else.
class FakeServer final : public net::HttpTransport {
 public:
  void On(const std::string& what, std::string body, int status = 200);
  /// The only answer from now on.
  void Only(const std::string& what, std::string body);
  Result<net::Response> Send(Call&, std::string_view base, const net::Request& request) override;

  bool unreachable = false;
  std::function<void()> on_send;
  std::vector<std::string> log;               ///< every request: its method, path and query
  std::string base_url, authorization, body;  ///< of the last one

 private:
  struct Canned {
    int status = 200;
    std::string body;
  };
  std::map<std::string, std::deque<Canned>> answers_;
};

class RemoteFixture : public ::testing::Test {
 protected:
  RemoteFixture();
  /// The exit code; what was printed is in out_ and err_.
  int Run(std::vector<std::string> arguments);

  JumpingClock clock_;
  testing::SeededRandom random_{1};
  Env env_{clock_, random_, NullLogger()};
  std::stop_source stop_;
  FakeServer server_;
  Console console_;
  std::string out_, err_;
};

}  // namespace moraine::cli
