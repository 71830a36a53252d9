#include "moraine/net/http_server.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/gzip.h"
#include "moraine/net/testing/raw_client.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

/// Opened by the test; handlers wait at it.
class Gate {
 public:
  void Open() {
    {
      std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  /// Whether it was opened before the call ended.
  bool Pass(Call& call) {
    std::unique_lock lock(mutex_);
    while (!open_ && call.Check().ok()) {
      call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
    }
    return open_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
};

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

class HttpServerTest : public ::testing::Test {
 protected:
  void StartServer(ServerOptions options) {
    auto server = HttpServer::Start(
        SystemEnv(NullLogger()), std::move(options),
        [this](Call& call, const Request& request) { return Handle(call, request); });
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  void StartServer() { StartServer({}); }

  Answer Handle(Call& call, const Request& request) {
    ++handled_;
    if (request.path == "/gate") {
      return Response::Text(gate_.Pass(call) ? 200 : 503, "through");
    }
    if (request.path == "/poll") return Poll(call, request);
    if (request.path == "/throw") throw std::runtime_error("oops");
    if (request.path == "/woken") return WokenAlready();
    if (request.path == "/null") return std::shared_ptr<Later>();
    if (request.path == "/empty") return Response::Empty(204);
    if (request.path == "/large") {
      Response response = Response::Json(200, "[");
      for (int i = 0; i < 1000; ++i) response.body.push_back(large_);
      return response;
    }
    return Response::Text(
        200, fmt::format("{} {} {}", MethodName(request.method), request.path, request.body));
  }

  Answer Poll(Call& call, const Request& request) {
    auto later = std::make_shared<Later>();
    later->until = call.clock().Mono() + (request.Query("short") ? 30ms : 3'600'000ms);
    later->on_parked = [this](std::shared_ptr<Waiter> waiter) {
      std::lock_guard lock(mutex_);
      waiters_.push_back(std::move(waiter));
    };
    later->resume = [this, alive = alive_, again = request.Query("again").has_value(), &request](
                        Call& resumed, Later::Reason reason) -> Answer {
      if (again && reason == Later::Reason::kWoken) {
        Request once;
        once.path = request.path;
        return Poll(resumed, once);
      }
      return Response::Text(200, reason == Later::Reason::kWoken ? "woken" : "timed out");
    };
    return later;
  }

  /// Woken before it is parked; ready knows the answer.
  static Answer WokenAlready() {
    auto later = std::make_shared<Later>();
    later->until = MonoTime::max();
    later->on_parked = [](const std::shared_ptr<Waiter>& waiter) { waiter->Wake(); };
    later->resume = [](Call&, Later::Reason) { return Response::Text(200, "resumed"); };
    later->ready = [] { return std::optional(Response::Text(200, "ready")); };
    return later;
  }

  void WakeAll() {
    std::vector<std::shared_ptr<Waiter>> waiters;
    {
      std::lock_guard lock(mutex_);
      waiters.swap(waiters_);
    }
    for (const auto& waiter : waiters) waiter->Wake();
  }

  RawClient Connect() { return RawClient(server_->port()); }

  static std::string Get(std::string_view path, std::string_view headers = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
  }
  static std::string Post(std::string_view path, std::string_view body,
                          std::string_view headers = "") {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n{}\r\n{}",
        path, body.size(), headers, body);
  }

  Gate gate_;
  std::atomic<int> handled_ = 0;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Waiter>> waiters_;
  /// Held by each Later, so that its count tells how many are left.
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  SharedBytes large_ = std::make_shared<const std::string>(std::string(20'000, '1'));
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, KeepsConnections) {
  StartServer();
  RawClient client = Connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(Get("/a%20b?x=1", "X-Request-ID: trace-1\r\n")));
    Response response = client.Read();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.BodyText(), "GET /a%20b ");
    EXPECT_EQ(response.headers.Get("X-Request-ID"), "trace-1");
    EXPECT_TRUE(response.headers.Get("Date").has_value());
  }
  client.Send(Get("/", "Connection: close\r\n"));
  EXPECT_EQ(client.Read().headers.Get("Connection"), "close");
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, AWakeBeforeParkingIsNotLost) {
  StartServer();
  RawClient client = Connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(Get("/woken")));
    EXPECT_EQ(client.Read().BodyText(), "ready");
  }
}

TEST_F(HttpServerTest, ServesHttp10) {
  StartServer();
  RawClient client = Connect();
  client.Send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  Response response = client.Read();
  EXPECT_EQ(response.BodyText(), "GET /old ");
  EXPECT_EQ(response.headers.Get("Connection"), "keep-alive");
  client.Send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.Read().status, 200);
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  StartServer();
  RawClient client = Connect();
  std::string all;
  for (int i = 0; i < 500; ++i) {
    all += i % 3 == 0 ? Post(fmt::format("/{}", i), "body") : Get(fmt::format("/{}", i));
  }
  Thread sender("send", [&](std::stop_token) { client.Send(all); });
  for (int i = 0; i < 500; ++i) {
    std::string expected =
        i % 3 == 0 ? fmt::format("POST /{} body", i) : fmt::format("GET /{} ", i);
    ASSERT_EQ(client.Read().BodyText(), expected);
  }
}

TEST_F(HttpServerTest, SendsNoBodyWhereThereIsNone) {
  StartServer();
  RawClient client = Connect();
  client.Send("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n" + Get("/empty") + Get("/next"));
  Response head = client.Read(RawClient::Expect::kHeadOnly);
  EXPECT_EQ(head.headers.Get("Content-Length"), "8");
  Response empty = client.Read();
  EXPECT_EQ(empty.status, 204);
  EXPECT_FALSE(empty.headers.Get("Content-Length").has_value());
  EXPECT_EQ(client.Read().BodyText(), "GET /next ");
}

TEST_F(HttpServerTest, TakesBodiesOfEveryForm) {
  StartServer();
  RawClient client = Connect();
  client.Send(
      "POST /chunked HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_EQ(client.Read().BodyText(), "POST /chunked abcde");

  std::string_view text[] = {"zipped"};
  client.Send(Post("/gzip", GzipCompress(text, 1), "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(client.Read().BodyText(), "POST /gzip zipped");
  client.Send(Post("/gzip", "not gzip", "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(client.Read().status, 400);
  client.Send(Post("/gzip", "x", "Content-Encoding: br\r\n"));
  EXPECT_EQ(client.Read().status, 415);
}

TEST_F(HttpServerTest, SaysContinueOnlyWhenItWillReadOn) {
  StartServer({.body_limit_bytes = 100});
  std::string head =
      "POST /c HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: {}\r\n\r\n";
  RawClient client = Connect();
  client.Send(fmt::format(fmt::runtime(head), 5));
  EXPECT_EQ(client.Read().status, 100);
  client.Send("hello");
  EXPECT_EQ(client.Read().BodyText(), "POST /c hello");
  client.Send(fmt::format(fmt::runtime(head), 101));
  EXPECT_EQ(client.Read().status, 413);
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, RefusesBodiesThatAreTooLarge) {
  StartServer({.body_limit_bytes = 1000});
  std::string_view bomb[] = {std::string_view(*large_)};
  const std::string chunk = "1f4\r\n" + std::string(500, 'x') + "\r\n";
  const std::string cases[] = {
      Post("/", std::string(1001, 'x')),
      Post("/", GzipCompress(bomb, 9), "Content-Encoding: gzip\r\n"),
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n" +
          chunk + chunk + chunk + "0\r\n\r\n",
  };
  for (const std::string& bytes : cases) {
    RawClient client = Connect();
    client.Send(bytes);
    EXPECT_EQ(client.Read().status, 413) << bytes.substr(0, 100);
  }
  RawClient client = Connect();
  client.Send(Post("/", std::string(1000, 'x')));
  EXPECT_EQ(client.Read().status, 200);
}

TEST_F(HttpServerTest, BoundsAllBodiesTogether) {
  StartServer({.bodies_limit_bytes = 10'000});
  RawClient first = Connect();
  first.Send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 9000\r\n\r\n" +
      std::string(8000, 'x'));
  ASSERT_TRUE(Eventually([&] { return server_->stats().body_bytes == 8000; }));
  RawClient second = Connect();
  second.Send(Post("/", std::string(5000, 'x')));
  Response refused = second.Read();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.Get("Retry-After"), "1");
  first.Send(std::string(1000, 'x'));
  EXPECT_EQ(first.Read().status, 200);
  EXPECT_TRUE(Eventually([&] { return server_->stats().body_bytes == 0; }));
}

TEST_F(HttpServerTest, RefusesMalformedRequests) {
  StartServer();
  struct Case {
    std::string bytes;
    int status;
  };
  const Case cases[] = {
      {"\x16\x03\x01 this is TLS\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\n\r\n", 505},
      {Get("/%zz"), 400},
      {Get("/" + std::string(70'000, 'x')), 431},
      {Get("/", "X: " + std::string(70'000, 'x') + "\r\n"), 431},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
       "Transfer-Encoding: chunked\r\n\r\n1;" +
           std::string(100'000, 'x'),
       431},
  };
  for (const Case& c : cases) {
    RawClient client = Connect();
    client.Send(c.bytes);
    Response response = client.Read();
    EXPECT_EQ(response.status, c.status) << c.bytes.substr(0, 100);
    EXPECT_EQ(response.headers.Get("Connection"), "close");
    EXPECT_TRUE(response.BodyText().starts_with(R"({"error":{)")) << response.BodyText();
    EXPECT_EQ(client.ReadToEnd(), "");
  }
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, GuardsBeforeTheBody) {
  ServerOptions options;
  options.guards.bearer_token = "t";
  StartServer(options);
  struct Case {
    std::string bytes;
    int status;
    bool keeps_alive;
  };
  const std::string auth = "Authorization: Bearer t\r\n";
  const Case cases[] = {
      {Get("/health"), 200, true},
      {Get("/"), 401, true},
      {Get("/", auth), 200, true},
      {"GET / HTTP/1.1\r\nHost: evil\r\n" + auth + "\r\n", 421, true},
      {Get("/", auth + "Origin: http://evil\r\n"), 403, true},
      {Get("/", auth + "Sec-Fetch-Site: cross-site\r\n"), 403, true},
      {Post("/", "{}", auth), 200, true},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n" + auth + "\r\nx", 415, true},
      // The body isn't there yet, and isn't waited for.
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", 401, false},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
       401, false},
  };
  for (const Case& c : cases) {
    RawClient client = Connect();
    client.Send(c.bytes);
    Response response = client.Read();
    EXPECT_EQ(response.status, c.status) << c.bytes;
    EXPECT_EQ(response.headers.Get("Connection") != "close", c.keeps_alive) << c.bytes;
    if (!c.keeps_alive) continue;
    client.Send(Get("/health"));
    EXPECT_EQ(client.Read().status, 200) << c.bytes;
  }
}

TEST_F(HttpServerTest, UsesTheFormOfTheProtocolForRefusals) {
  ServerOptions options;
  options.refuse = [](const Refusal& refusal, std::string_view path) {
    return Response::Text(refusal.status, fmt::format("{}: {}", path, refusal.status));
  };
  StartServer(options);
  RawClient client = Connect();
  client.Send(Post("/api/x", "{}", "Origin: null\r\n"));
  EXPECT_EQ(client.Read().BodyText(), "/api/x: 403");
}

TEST_F(HttpServerTest, CompressesForThoseWhoAsk) {
  StartServer();
  RawClient client = Connect();
  client.Send(Get("/large", "Accept-Encoding: gzip\r\n"));
  Response response = client.Read();
  EXPECT_EQ(response.headers.Get("Content-Encoding"), "gzip");
  EXPECT_EQ(GzipDecompress(response.BodyText(), 30'000'000)->size(), 20'000'001u);
}

TEST_F(HttpServerTest, SendsLargeBodiesToSlowReaders) {
  StartServer();
  RawClient client = Connect();
  client.Send(Get("/large") + Get("/after"));
  EXPECT_EQ(client.Read().BodySize(), 20'000'001u);
  EXPECT_EQ(client.Read().BodyText(), "GET /after ");
}

TEST_F(HttpServerTest, GivesUpOnReadersThatStop) {
  StartServer({.write_timeout = 50ms});
  RawClient client = Connect();
  client.Send(Get("/large"));
  EXPECT_TRUE(Eventually([&] { return handled_ == 1 && server_->stats().connections == 0; }));
}

TEST_F(HttpServerTest, SlowClientsHoldNoWorker) {
  StartServer(
      {.request_threads = 1, .idle_timeout = 3s, .header_timeout = 300ms, .body_timeout = 300ms});
  RawClient silent = Connect();
  RawClient slow_header = Connect();
  slow_header.Send("GET / HTTP/1.1\r\nHost: loc");
  RawClient slow_body = Connect();
  slow_body.Send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 100\r\n\r\nabc");
  RawClient good = Connect();
  good.Send(Get("/good"));
  EXPECT_EQ(good.Read().status, 200);
  EXPECT_EQ(slow_header.Read().status, 408);
  EXPECT_EQ(slow_body.Read().status, 408);
  EXPECT_EQ(silent.ReadToEnd(), "");
  EXPECT_EQ(good.ReadToEnd(), "");
  EXPECT_EQ(handled_, 1);
}

TEST_F(HttpServerTest, RefusesWhenTheQueueIsFull) {
  StartServer({.request_threads = 1, .request_queue_limit = 1});
  RawClient running = Connect();
  running.Send(Get("/gate"));
  ASSERT_TRUE(Eventually([&] { return handled_ == 1; }));
  RawClient queued = Connect();
  queued.Send(Get("/gate"));
  ASSERT_TRUE(Eventually([&] { return server_->stats().running == 2; }));
  RawClient refused = Connect();
  refused.Send(Get("/x"));
  Response response = refused.Read();
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.Get("Retry-After"), "1");
  gate_.Open();
  EXPECT_EQ(running.Read().status, 200);
  EXPECT_EQ(queued.Read().status, 200);
  refused.Send(Get("/x"));
  EXPECT_EQ(refused.Read().status, 200);
}

TEST_F(HttpServerTest, RefusesTooManyConnections) {
  StartServer({.connection_limit = 2});
  RawClient first = Connect();
  RawClient second = Connect();
  ASSERT_TRUE(Eventually([&] { return server_->stats().connections == 2; }));
  {
    RawClient third = Connect();
    third.Send(Get("/"));
    EXPECT_EQ(third.Read().status, 503);
    EXPECT_EQ(third.ReadToEnd(), "");
  }
  first.Close();
  ASSERT_TRUE(Eventually([&] { return server_->stats().connections == 1; }));
  RawClient fourth = Connect();
  fourth.Send(Get("/"));
  EXPECT_EQ(fourth.Read().status, 200);
}

TEST_F(HttpServerTest, SurvivesItsHandlers) {
  StartServer();
  RawClient client = Connect();
  for (const char* path : {"/throw", "/null"}) {
    client.Send(Get(path));
    EXPECT_EQ(client.Read().status, 500) << path;
  }
  client.Send(Get("/"));
  EXPECT_EQ(client.Read().status, 200);
}

TEST_F(HttpServerTest, RunsOutOfTimeThroughTheCall) {
  StartServer({.request_deadline = 20ms});
  RawClient client = Connect();
  client.Send(Get("/gate"));
  EXPECT_EQ(client.Read().status, 503);
}

TEST_F(HttpServerTest, AnswersQuicklyOnTheIoThread) {
  ServerOptions options;
  options.io_threads = 2;
  SharedBytes cached = std::make_shared<const std::string>("cached");
  options.quick = [&](const Request& request) -> std::optional<Response> {
    if (request.path != "/cached") return std::nullopt;
    Response response{.status = 200};
    response.body.push_back(cached);
    return response;
  };
  StartServer(options);
  for (int i = 0; i < 4; ++i) {
    RawClient client = Connect();
    client.Send(Get("/cached") + Get("/cached") + Get("/other") + Post("/cached", "x"));
    EXPECT_EQ(client.Read().BodyText(), "cached");
    EXPECT_EQ(client.Read().BodyText(), "cached");
    EXPECT_EQ(client.Read().BodyText(), "GET /other ");
    EXPECT_EQ(client.Read().BodyText(), "POST /cached x");
  }
  EXPECT_EQ(handled_, 8);
}

TEST_F(HttpServerTest, TellsOfFinishedRequests) {
  struct Seen {
    Method method;
    int status;
    size_t request_bytes;
    size_t response_bytes;
  };
  std::mutex mutex;
  std::vector<Seen> seen;
  ServerOptions options;
  options.on_finished = [&](const RequestRecord& record) {
    std::lock_guard lock(mutex);
    EXPECT_GE(record.duration.count(), 0);
    seen.push_back({record.method, record.status, record.request_bytes, record.response_bytes});
  };
  StartServer(options);
  RawClient client = Connect();
  client.Send(Post("/p", "12345") + Get("/%"));
  client.ReadToEnd();
  server_.reset();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].method, Method::kPost);
  EXPECT_EQ(seen[0].status, 200);
  EXPECT_EQ(seen[0].request_bytes, 5u);
  EXPECT_EQ(seen[0].response_bytes, 13u);
  EXPECT_EQ(seen[1].status, 400);
}

// Parked requests.

TEST_F(HttpServerTest, HoldsThousandsOfParkedPolls) {
  constexpr size_t kPolls = 2000;
  StartServer({.request_threads = 8, .request_queue_limit = 512});
  std::vector<RawClient> clients;
  for (size_t i = 0; i < kPolls; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back().connected()) << i << ": open files?";
    ASSERT_TRUE(clients.back().Send(Get("/poll")));
    // The queue is smaller than the crowd on purpose.
    if (i % 256 == 255) {
      ASSERT_TRUE(Eventually([&] { return server_->stats().parked == i + 1; }));
    }
  }
  ASSERT_TRUE(Eventually(
      [&] { return server_->stats().parked == kPolls && server_->stats().running == 0; }));
  RawClient other = Connect();
  other.Send(Get("/other"));
  EXPECT_EQ(other.Read().status, 200);
  for (size_t i = 0; i < kPolls / 2; ++i) clients[i].Close();
  EXPECT_TRUE(Eventually([&] { return server_->stats().parked == kPolls / 2; }));
  WakeAll();
  for (size_t i = kPolls / 2; i < kPolls; ++i)
    ASSERT_EQ(clients[i].Read().BodyText(), "woken") << i;
  EXPECT_EQ(server_->stats().parked, 0u);
}

TEST_F(HttpServerTest, ParkedPollsEndByTime) {
  StartServer();
  RawClient client = Connect();
  client.Send(Get("/poll?short") + Get("/next"));
  EXPECT_EQ(client.Read().BodyText(), "timed out");
  EXPECT_EQ(client.Read().BodyText(), "GET /next ");
}

TEST_F(HttpServerTest, ResumedPollsMayParkAgain) {
  StartServer();
  RawClient client = Connect();
  client.Send(Get("/poll?again"));
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 1; }));
  WakeAll();
  ASSERT_TRUE(Eventually([&] {
    std::lock_guard lock(mutex_);
    return waiters_.size() == 1;
  }));
  WakeAll();
  EXPECT_EQ(client.Read().BodyText(), "woken");
}

TEST_F(HttpServerTest, WakingBeforeParkingIsNotLost) {
  StartServer({.io_threads = 2});
  Thread waker("waker", [&](std::stop_token stop) {
    while (!stop.stop_requested()) WakeAll();
  });
  RawClient client = Connect();
  for (int i = 0; i < 200; ++i) {
    client.Send(Get("/poll"));
    ASSERT_EQ(client.Read().BodyText(), "woken");
  }
  waker.RequestStop();
}

TEST_F(HttpServerTest, ClientsThatLeaveFreeTheirPoll) {
  StartServer();
  RawClient polite = Connect();
  polite.Send(Get("/poll"));
  RawClient rude = Connect();
  rude.Send(Get("/poll"));
  ASSERT_TRUE(Eventually([&] { return server_->stats().parked == 2; }));
  polite.Close();
  rude.Reset();
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
  EXPECT_EQ(server_->stats().parked, 0u);
  EXPECT_TRUE(Eventually([&] { return alive_.use_count() == 1; }));
  WakeAll();  // nobody is there any more
}

TEST_F(HttpServerTest, AnswersThoseWhoOnlyClosedTheirSide) {
  StartServer();
  RawClient client = Connect();
  client.Send(Get("/gate"));
  client.FinishSending();
  gate_.Open();
  EXPECT_EQ(client.Read().BodyText(), "through");
}

// Stopping.

TEST_F(HttpServerTest, StopFinishesWhatRuns) {
  StartServer();
  RawClient idle = Connect();
  idle.Send(Get("/"));
  idle.Read();
  RawClient running = Connect();
  running.Send(Get("/gate"));
  RawClient parked = Connect();
  parked.Send(Get("/poll"));
  ASSERT_TRUE(
      Eventually([&] { return server_->stats().running == 1 && server_->stats().parked == 1; }));
  uint16_t port = server_->port();
  Thread stopper("stop", [&](std::stop_token) { server_->Stop(60s); });
  EXPECT_EQ(parked.Read().BodyText(), "timed out");
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_TRUE(Eventually([&] { return !RawClient(port).connected(); }));
  gate_.Open();
  Response response = running.Read();
  EXPECT_EQ(response.BodyText(), "through");
  EXPECT_EQ(response.headers.Get("Connection"), "close");
  parked.Close();
  running.Close();
  stopper.Join();
}

TEST_F(HttpServerTest, WhoSpeaksJustBeforeTheEndIsAnswered) {
  StartServer({.farewell = 20s});
  RawClient idle = Connect();
  idle.Send(Get("/"));
  EXPECT_NE(idle.Read().headers.Get("Connection"), "close");
  uint16_t port = server_->port();
  Thread stopper("stop", [&](std::stop_token) { server_->Stop(60s); });
  EXPECT_TRUE(Eventually([&] { return !RawClient(port).connected(); }));
  idle.Send(Get("/late"));
  Response response = idle.Read();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.Get("Connection"), "close");
  EXPECT_EQ(idle.ReadToEnd(), "");
  idle.Close();
  MonoTime before = SystemClock().Mono();
  stopper.Join();
  EXPECT_LT(SystemClock().Mono() - before, 10s);  // the farewell of who has gone is not waited for
}

TEST_F(HttpServerTest, AStopEndsThoughALoopIsLateWithItsTimers) {
  ServerOptions options{.io_threads = 1, .write_timeout = 40ms};
  // Holds up the loop for several of its sweeps, while the server is told to stop.
  options.quick = [this](const Request& request) -> std::optional<Answer> {
    if (request.path != "/slow") return std::nullopt;
    ++handled_;
    SystemClock().SleepFor(100ms, {});
    return Response::Text(200, "slow");
  };
  StartServer(std::move(options));
  RawClient client = Connect();
  client.Send(Get("/slow"));
  ASSERT_TRUE(Eventually([&] { return handled_ == 1; }));
  server_->Stop(0s);
  EXPECT_EQ(server_->stats().connections, 0u);
}

TEST_F(HttpServerTest, StopWithoutGraceCancelsWhatRuns) {
  StartServer({.request_threads = 2, .request_queue_limit = 100});
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect());
    clients.back().Send(Get("/gate"));
  }
  RawClient parked = Connect();
  parked.Send(Get("/gate"));
  ASSERT_TRUE(Eventually([&] { return handled_ == 2 && server_->stats().running == 21; }));
  MonoTime before = SystemClock().Mono();
  server_->Stop(0s);
  EXPECT_LT(SystemClock().Mono() - before, 20s);
  EXPECT_EQ(server_->stats().connections, 0u);
  EXPECT_EQ(handled_, 2);
  server_->Stop(0s);
}

TEST_F(HttpServerTest, TellsWhyItCantListen) {
  StartServer();
  auto start = [&](ServerOptions options) {
    return HttpServer::Start(SystemEnv(NullLogger()), std::move(options), nullptr).status().code();
  };
  EXPECT_EQ(start({.port = server_->port()}), Code::kAlreadyExists);
  EXPECT_EQ(start({.address = "example.com"}), Code::kInvalidArgument);
  EXPECT_EQ(start({.address = "203.0.113.1"}), Code::kUnavailable);
}

}  // namespace
}  // namespace moraine::net
