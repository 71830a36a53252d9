// The server's limits, over real sockets: what one client may ask for, and that slow clients cost
// the others nothing.

#include <atomic>
#include <map>
#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/text.h"
#include "moraine/net/http_server.h"
#include "moraine/net/testing/raw_client.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

/// Waits, briefly and again, until it holds.
template <typename Condition>
bool Eventually(Condition condition) {
  MonoTime until = SystemClock().Mono() + 20s;
  while (!condition()) {
    if (SystemClock().Mono() > until) return false;
    SystemClock().SleepFor(1ms, {});
  }
  return true;
}

class HttpLimitsTest : public ::testing::Test {
 protected:
  void StartServer(ServerOptions options) {
    options.on_refused = [this](std::string_view reason) {
      std::lock_guard lock(mutex_);
      ++refused_[std::string(reason)];
    };
    auto server = HttpServer::Start(
        SystemEnv(NullLogger()), std::move(options),
        [this](Call& call, const Request& request) { return Handle(call, request); });
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }

  Answer Handle(Call& call, const Request& request) {
    ++handled_;
    if (request.path == "/park") {
      auto later = std::make_shared<Later>();
      later->until = call.clock().Mono() + 1h;
      later->on_parked = [this](std::shared_ptr<Waiter> waiter) {
        std::lock_guard lock(mutex_);
        waiters_.push_back(std::move(waiter));
      };
      later->resume = [](Call&, Later::Reason) -> Answer { return Response::Text(200, "woken"); };
      return later;
    }
    Response response = Response::Text(200, "ok");
    if (request.path == "/large") {
      for (int i = 0; i < 1'000; ++i) response.body.push_back(large_);
    }
    return response;
  }

  void WakeAll() {
    std::lock_guard lock(mutex_);
    for (const auto& waiter : waiters_) waiter->Wake();
    waiters_.clear();
  }
  int refused(const std::string& reason) {
    std::lock_guard lock(mutex_);
    return refused_[reason];
  }
  RawClient Connect() { return RawClient(server_->port()); }
  static std::string Get(std::string_view path, std::string_view headers = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
  }

  std::atomic<int> handled_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> refused_;            // under mutex_
  std::vector<std::shared_ptr<Waiter>> waiters_;  // under mutex_
  SharedBytes large_ = std::make_shared<const std::string>(std::string(20'000, '1'));
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpLimitsTest, RequestsASecondOfOneClient) {
  StartServer({.client_limits = {.rate = 0.01, .burst = 3}});
  RawClient first = Connect();
  for (int i = 0; i < 3; ++i) {
    first.Send(Get("/"));
    EXPECT_EQ(first.Read().status, 200);
  }
  // The limit is the client's, not the connection's; a refusal keeps the connection.
  RawClient second = Connect();
  for (RawClient* client : {&first, &second}) {
    client->Send(Get("/"));
    Response response = client->Read();
    EXPECT_EQ(response.status, 429);
    // As long as the machine has not held us up for a minute.
    const auto wait = ParseInt64(response.headers.Get("Retry-After").value_or(""));
    ASSERT_TRUE(wait.ok());
    EXPECT_GT(*wait, 40);
    EXPECT_LE(*wait, 100);
    client->Send(Get("/health"));
    EXPECT_EQ(client->Read().status, 200);
  }
  EXPECT_EQ(handled_, 5);
  EXPECT_EQ(refused("rate"), 2);
}

TEST_F(HttpLimitsTest, ATrustedProxyBringsManyClients) {
  StartServer({.client_limits = {
                   .rate = 0.1, .burst = 1, .connections = 1, .trusted_proxies = {"127.0.0.1"}}});
  RawClient first = Connect();
  RawClient second = Connect();
  for (const auto& [address, status] :
       {std::pair("1.1.1.1", 200), {"2.2.2.2", 200}, {"1.1.1.1", 429}}) {
    for (RawClient* client : {&first}) {
      client->Send(Get("/", fmt::format("X-Forwarded-For: {}\r\n", address)));
      EXPECT_EQ(client->Read().status, status) << address;
    }
  }
  second.Send(Get("/", "X-Forwarded-For: 3.3.3.3\r\n"));
  EXPECT_EQ(second.Read().status, 200);
}

TEST_F(HttpLimitsTest, RequestsOfOneClientAtOnce) {
  StartServer({.client_limits = {.requests = 2}});
  RawClient first = Connect();
  RawClient second = Connect();
  RawClient third = Connect();
  first.Send(Get("/park"));
  second.Send(Get("/park"));
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 2; }));
  third.Send(Get("/"));
  Response response = third.Read();
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.Get("Retry-After"), "1");
  EXPECT_EQ(refused("client-requests"), 1);
  WakeAll();
  EXPECT_EQ(first.Read().status, 200);
  third.Send(Get("/"));
  EXPECT_EQ(third.Read().status, 200);
  // One that goes away is no longer counted.
  first.Send(Get("/park"));
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 1; }));
  first.Reset();
  EXPECT_EQ(second.Read().status, 200);
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 0; }));
  second.Send(Get("/park"));
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 1; }));
  third.Send(Get("/"));
  EXPECT_EQ(third.Read().status, 200);
}

TEST_F(HttpLimitsTest, ConnectionsOfOneClient) {
  StartServer({.client_limits = {.connections = 2}});
  RawClient first = Connect();
  RawClient second = Connect();
  for (RawClient* client : {&first, &second}) {
    client->Send(Get("/"));
    EXPECT_EQ(client->Read().status, 200);
  }
  {
    RawClient third = Connect();
    EXPECT_EQ(third.Read().status, 429);
    EXPECT_EQ(third.ReadToEnd(), "");
  }
  EXPECT_EQ(refused("client-connections"), 1);
  first.Close();
  ASSERT_TRUE(Eventually([&] { return server_->stats().connections == 1; }));
  RawClient fourth = Connect();
  fourth.Send(Get("/"));
  EXPECT_EQ(fourth.Read().status, 200);
}

/// 200 clients that send or read as slowly as they can, and one in a hurry.
TEST_F(HttpLimitsTest, SlowClientsCostTheOthersNothing) {
  constexpr int kEach = 67;
  StartServer(
      {.request_threads = 2, .header_timeout = 120s, .body_timeout = 120s, .write_timeout = 120s});
  std::vector<RawClient> slow;
  for (int i = 0; i < kEach; ++i) {
    slow.push_back(Connect());
    slow.back().Send("GET / HTTP/1.1\r\nHos");
    slow.push_back(Connect());
    slow.back().Send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\nabc");
    slow.push_back(Connect());
    slow.back().Send(Get("/large"));
  }
  // The readers' answers are made, and wait in the kernel and here.
  ASSERT_TRUE(Eventually([&] { return handled_ == kEach && server_->stats().running == 0; }));
  ASSERT_EQ(server_->stats().connections, 3u * kEach);
  RawClient quick = Connect();
  MonoTime begun = SystemClock().Mono();
  for (int i = 0; i < 200; ++i) {
    quick.Send(Get("/"));
    ASSERT_EQ(quick.Read().status, 200);
    // Those who send go on byte by byte.
    if (i % 50 == 0) {
      for (size_t k = 0; k < slow.size(); ++k) {
        if (k % 3 != 2) slow[k].Send("t");
      }
    }
  }
  EXPECT_LT(SystemClock().Mono() - begun, 60s);  // who waited for a slow one would wait longer
  EXPECT_EQ(handled_, kEach + 200);
  // A thread of the pool counts itself out a moment after its answer is on its way.
  EXPECT_TRUE(Eventually([&] { return server_->stats().running == 0; }));
}

/// Progress alone does not keep a connection: a whole answer has its time, too.
TEST_F(HttpLimitsTest, ReadersThatDripAreCutOff) {
  StartServer({.write_timeout = 100ms});
  RawClient client = Connect();
  client.Send(Get("/large"));
  EXPECT_TRUE(Eventually([&] { return handled_ == 1 && server_->stats().connections == 0; }));
  EXPECT_EQ(refused("slow"), 1);
}

TEST_F(HttpLimitsTest, TellsWhyItRefused) {
  StartServer({.header_limit_bytes = 1024, .body_limit_bytes = 100, .connection_limit = 1});
  auto ask = [&](const std::string& bytes) {
    RawClient client = Connect();
    client.Send(bytes);
    int status = client.Read().status;
    client.Close();
    EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
    return status;
  };
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: 101\r\n\r\n"),
            413);
  EXPECT_EQ(ask(Get("/", "A: " + std::string(2'000, 'a') + "\r\n")), 431);
  EXPECT_EQ(ask("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n"), 421);
  RawClient held = Connect();
  held.Send(Get("/"));
  EXPECT_EQ(held.Read().status, 200);
  RawClient more = Connect();
  EXPECT_EQ(more.Read().status, 503);
  StartServer({.header_timeout = 50ms});
  EXPECT_EQ(ask("GET / HTTP/1.1\r\n"), 408);
  for (const char* reason :
       {"body-size", "header-size", "syntax", "guard", "slow", "connections"}) {
    EXPECT_EQ(refused(reason), 1) << reason;
  }
}

}  // namespace
}  // namespace moraine::net
