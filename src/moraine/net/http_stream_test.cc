// Answers that come in parts, over real sockets.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/net/http_server.h"
#include "moraine/net/testing/raw_client.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

template <typename Condition>
bool Eventually(Condition condition) {
  MonoTime until = SystemClock().Mono() + 20s;
  while (!condition()) {
    if (SystemClock().Mono() > until) return false;
    SystemClock().SleepFor(1ms, {});
  }
  return true;
}

SharedBytes Bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

/// Counts those alive, so that a test sees when the server has let go of a stream.
struct Token {
  explicit Token(std::atomic<int>& count) : count_(count) { ++count_; }
  ~Token() { --count_; }
  Token(const Token&) = delete;
  std::atomic<int>& count_;
};

class HttpStreamTest : public ::testing::Test {
 protected:
  void StartServer(ServerOptions options = {}) {
    options.gzip_threshold_bytes = 1;
    options.on_finished = [this](const RequestRecord& record) {
      ++finished_;
      last_status_ = record.status;
      last_bytes_ = record.response_bytes;
    };
    auto server =
        HttpServer::Start(SystemEnv(NullLogger()), std::move(options),
                          [this](Call&, const Request& request) { return Handle(request); });
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }

  Answer Handle(const Request& request) {
    if (request.path == "/count") return Count(0, std::make_shared<Token>(alive_));
    if (request.path == "/large") return Large(std::make_shared<Token>(alive_));
    if (request.path == "/wait") return Wait(std::make_shared<Token>(alive_));
    if (request.path == "/block") {
      std::unique_lock lock(mutex_);
      ++blocked_;
      released_.wait(lock, [&] { return is_released_; });
    }
    if (request.path == "/throw" || request.path == "/error") {
      Response response = Response::Text(200, "so far so good");
      response.next = [fails = request.path == "/throw"](Call&) -> Answer {
        if (fails) throw std::runtime_error("oops");
        return Response::Text(500, "no");
      };
      return response;
    }
    return Response::Text(200, "plain");
  }

  /// "part 0" to "part 2", one chunk each.
  Answer Count(int number, std::shared_ptr<Token> token) {
    ++made_;
    Response response = Response::Text(200, fmt::format("part {}", number));
    if (number == 2) return response;
    response.next = [this, number, token](Call&) { return Count(number + 1, token); };
    return response;
  }

  /// A megabyte, and another one, for ever.
  Answer Large(std::shared_ptr<Token> token) {
    ++made_;
    Response response = Response::Text(200, "");
    response.body = {large_};
    response.next = [this, token](Call&) { return Large(token); };
    return response;
  }

  /// A part whenever it is woken.
  Answer Wait(std::shared_ptr<Token> token) {
    Response response = Response::Text(200, fmt::format("look {};", ++made_));
    response.next = [this, token](Call& call) -> Answer {
      auto later = std::make_shared<Later>();
      later->until = call.clock().Mono() + 1h;
      later->resume = [this, token](Call&, Later::Reason) { return Wait(token); };
      later->on_parked = [this](std::shared_ptr<Waiter> waiter) {
        std::lock_guard lock(mutex_);
        waiters_.push_back(std::move(waiter));
      };
      return later;
    };
    return response;
  }

  void Release() {
    {
      std::lock_guard lock(mutex_);
      is_released_ = true;
    }
    released_.notify_all();
  }

  /// False as long as nobody waits.
  bool Wake() {
    std::vector<std::shared_ptr<Waiter>> waiters;
    {
      std::lock_guard lock(mutex_);
      waiters.swap(waiters_);
    }
    for (const auto& waiter : waiters) waiter->Wake();
    return !waiters.empty();
  }

  RawClient Ask(std::string_view path, std::string_view version = "1.1",
                std::string_view method = "GET") {
    RawClient client(server_->port());
    EXPECT_TRUE(
        client.Send(fmt::format("{} {} HTTP/{}\r\nHost: localhost\r\nAccept-Encoding: "
                                "gzip\r\n\r\n",
                                method, path, version)));
    return client;
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<Waiter>> waiters_;
  std::condition_variable released_;
  bool is_released_ = false;
  std::atomic<int> blocked_ = 0;
  const SharedBytes large_ = Bytes(std::string(1 << 20, 'x'));
  std::atomic<int> alive_ = 0;
  std::atomic<int> made_ = 0;
  std::atomic<int> finished_ = 0;
  std::atomic<int> last_status_ = 0;
  std::atomic<size_t> last_bytes_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpStreamTest, SendsEachPartAsAChunkAndKeepsTheConnection) {
  StartServer();
  auto client = Ask("/count");
  auto head = client.Read(RawClient::Expect::kHeadOnly);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.Get("Transfer-Encoding"), "chunked");
  EXPECT_EQ(head.headers.Get("Content-Length"), std::nullopt);
  EXPECT_EQ(head.headers.Get("Content-Encoding"), std::nullopt);
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"),
            "6\r\npart 0\r\n6\r\npart 1\r\n6\r\npart 2\r\n0\r\n\r\n");
  ASSERT_TRUE(client.Send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_EQ(client.Read().BodyText(), "plain");
  EXPECT_TRUE(Eventually([&] { return alive_ == 0 && finished_ == 2; }));
}

TEST_F(HttpStreamTest, OldClientsReadToTheEndOfTheConnection) {
  StartServer();
  auto client = Ask("/count", "1.0");
  std::string text = client.ReadToEnd();
  EXPECT_EQ(text.find("Transfer-Encoding"), text.npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\npart 0part 1part 2")) << text;
}

TEST_F(HttpStreamTest, AHeadHasNoParts) {
  StartServer();
  auto client = Ask("/large", "1.1", "HEAD");
  EXPECT_EQ(client.Read(RawClient::Expect::kHeadOnly).status, 200);
  EXPECT_TRUE(Eventually([&] { return alive_ == 0; }));
  EXPECT_EQ(made_, 1);
}

TEST_F(HttpStreamTest, PartsAreMadeOnlyAsTheyAreTaken) {
  ServerOptions options;
  options.write_timeout = 200ms;
  StartServer(options);
  auto client = Ask("/large");
  EXPECT_EQ(client.Read(RawClient::Expect::kHeadOnly).status, 200);
  // The kernel's buffers take some; then the reader, who takes nothing, is cut off.
  EXPECT_TRUE(Eventually([&] { return alive_ == 0; }));
  EXPECT_LT(made_, 30);
}

TEST_F(HttpStreamTest, AParkedStreamIsWokenAndEndsWithItsReader) {
  StartServer();
  auto client = Ask("/wait");
  client.ReadUntil("look 1;");
  for (int look = 2; look < 5; ++look) {
    ASSERT_TRUE(Eventually([&] { return Wake(); }));
    EXPECT_NE(client.ReadUntil(fmt::format("look {};", look)), "");
  }
  EXPECT_EQ(alive_, 1);
  client.Close();
  EXPECT_TRUE(Eventually([&] { return alive_ == 0 && finished_ == 1; }));
  EXPECT_EQ(last_status_, 200);
  EXPECT_EQ(last_bytes_, 28u);
}

TEST_F(HttpStreamTest, AnErrorCutsTheConnection) {
  StartServer();
  for (const char* path : {"/throw", "/error"}) {
    std::string text = Ask(path).ReadToEnd();
    EXPECT_NE(text.find("e\r\nso far so good\r\n"), text.npos) << text;
    EXPECT_EQ(text.find("0\r\n\r\n"), text.npos) << text;
  }
}

TEST_F(HttpStreamTest, AStoppingServerEndsItsStreamsAtOnce) {
  StartServer();
  auto parked = Ask("/wait");
  parked.ReadUntil("look 1;");
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 1; }));
  MonoTime before = SystemClock().Mono();
  server_->Stop(30s);
  EXPECT_LT(SystemClock().Mono() - before, 25s);
  EXPECT_TRUE(parked.ReadToEnd().ends_with("0\r\n\r\n"));
  EXPECT_EQ(alive_, 0);
}

TEST_F(HttpStreamTest, AStoppingServerPutsNoRefusalIntoAStream) {
  ServerOptions options;
  options.request_threads = 1;
  options.request_queue_limit = 1;
  StartServer(options);
  auto stream = Ask("/wait");
  stream.ReadUntil("look 1;");
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 1; }));
  // The only thread and the only place in the queue are taken: the stream's next part has to wait.
  auto running = Ask("/block");
  ASSERT_TRUE(Eventually([&] { return blocked_ == 1; }));
  auto queued = Ask("/block");
  ASSERT_TRUE(Eventually([&] { return server_->stats().running == 2; }));
  ASSERT_TRUE(Eventually([&] { return Wake(); }));
  Thread stopper("stopper", [&](std::stop_token) { server_->Stop(0s); });
  std::string rest = stream.ReadToEnd();
  Release();
  stopper.Join();
  EXPECT_EQ(rest.find("503"), rest.npos) << rest;
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << rest;
}

}  // namespace
}  // namespace moraine::net
