#include "moraine/net/http_client.h"

#include <atomic>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/net/http_server.h"
#include "moraine/net/testing/raw_server.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

Call MakeCall(std::chrono::nanoseconds limit = 10s, std::stop_token stop = {}) {
  Call call(SystemEnv(NullLogger()), limit, std::move(stop));
  call.set_trace_id("trace-1");
  return call;
}

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() {
    server_ = *HttpServer::Start(
        SystemEnv(NullLogger()), {},
        [this](Call& call, const Request& request) { return Handle(call, request); });
  }

  Answer Handle(Call& call, const Request& request) {
    if (request.path == "/base/hang") {
      auto later = std::make_shared<Later>();
      later->until = call.clock().Mono() + 1h;
      later->on_parked = [this](const std::shared_ptr<Waiter>&) { ++hangs_; };
      later->resume = [](Call&, Later::Reason) { return Response::Empty(204); };
      return later;
    }
    if (request.path == "/base/large") return Response::Json(200, std::string(100'000, ' '));
    if (request.path == "/base/moved") {
      Response response = Response::Empty(302);
      response.headers.Add("Location", "/base/elsewhere");
      return response;
    }
    Response response =
        Response::Text(request.path == "/base/missing" ? 404 : 200,
                       fmt::format("{} {} {} {} {} {}", MethodName(request.method), request.path,
                                   request.Query("q").value_or("-"),
                                   request.headers.Get("Content-Type").value_or("-"), request.body,
                                   call.trace_id()));
    response.headers.Add("X-Peer", request.peer);
    response.headers.Add("X-Empty", std::string(request.headers.Get("X-Empty").value_or("absent")));
    return response;
  }

  std::string Base() const { return server_->base_url() + "/base/"; }

  std::atomic<int> hangs_ = 0;  ///< so many requests wait, or have waited
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpTransport> client_ = MakeHttpClient({.response_limit_bytes = 50'000});
};

TEST_F(HttpClientTest, SendsEveryMethod) {
  struct Case {
    Method method;
    std::string body;
    std::string expected;
  };
  const Case cases[] = {
      {Method::kGet, "", "GET /base/a%20b x y -  trace-1"},
      {Method::kPost, "{}", "POST /base/a%20b x y application/json {} trace-1"},
      {Method::kPost, "", "POST /base/a%20b x y application/json  trace-1"},
      {Method::kPut, "{}", "PUT /base/a%20b x y application/json {} trace-1"},
      {Method::kDelete, "", "DELETE /base/a%20b x y -  trace-1"},
      {Method::kHead, "", ""},
      {Method::kOptions, "", "OPTIONS /base/a%20b x y -  trace-1"},
  };
  for (const Case& c : cases) {
    Request request{.method = c.method, .path = "/a%20b", .query = {{"q", "x y"}}, .body = c.body};
    if (c.method == Method::kPost || c.method == Method::kPut) {
      request.headers.Add("Content-Type", "application/json");
    }
    request.headers.Add("X-Empty", "");
    Call call = MakeCall();
    auto response = client_->Send(call, Base(), request);
    ASSERT_TRUE(response.ok()) << response.status().ToString();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->BodyText(), c.expected);
    EXPECT_EQ(response->headers.Get("X-Empty"), "");
    EXPECT_EQ(response->headers.Get("X-Request-ID"), "trace-1");
  }
}

TEST_F(HttpClientTest, KeepsItsConnection) {
  Call call = MakeCall();
  std::string peer(*client_->Send(call, Base(), {.path = "/x"})->headers.Get("X-Peer"));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client_->Send(call, Base(), {.path = "/x"})->headers.Get("X-Peer"), peer);
  }
}

TEST_F(HttpClientTest, HandsStatusesOver) {
  Call call = MakeCall();
  EXPECT_EQ(client_->Send(call, Base(), {.path = "/missing"})->status, 404);
  auto moved = client_->Send(call, Base(), {.path = "/moved"});
  EXPECT_EQ(moved->status, 302);
  EXPECT_EQ(moved->headers.Get("location"), "/base/elsewhere");
}

TEST_F(HttpClientTest, BoundsTheAnswer) {
  Call call = MakeCall();
  EXPECT_EQ(client_->Send(call, Base(), {.path = "/large"}).status().code(), Code::kExhausted);
  Request post{.method = Method::kPost, .path = "/large"};
  EXPECT_EQ(client_->Send(call, Base(), post).status().code(), Code::kCommitUnknown);
  EXPECT_TRUE(client_->Send(call, Base(), {.path = "/x"}).ok());
}

TEST_F(HttpClientTest, FillsTheCallersMemory) {
  Call call = MakeCall();
  std::string whole = client_->Send(call, Base(), {.path = "/x"})->BodyText();
  ASSERT_FALSE(whole.empty());
  std::string buffer(whole.size(), '\0');
  BodySink sink{.into = buffer};
  auto response = client_->SendInto(call, Base(), {.path = "/x"}, &sink);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(sink.received, whole.size());
  EXPECT_EQ(buffer, whole);
  EXPECT_TRUE(response->body.empty());

  // What does not fit, and what is no success, comes as ever.
  sink.into = std::span(buffer).first(whole.size() - 1);
  response = client_->SendInto(call, Base(), {.path = "/x"}, &sink);
  EXPECT_EQ(sink.received, 0u);
  EXPECT_EQ(response->BodyText(), whole);
  std::string large(100'000, '\0');
  sink.into = large;
  response = client_->SendInto(call, Base(), {.path = "/missing"}, &sink);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(sink.received, 0u);
}

TEST_F(HttpClientTest, KeepsItsDeadline) {
  Call call = MakeCall(50ms);
  EXPECT_EQ(client_->Send(call, Base(), {.path = "/hang"}).status().code(), Code::kDeadline);
  EXPECT_EQ(client_->Send(call, Base(), {.path = "/x"}).status().code(), Code::kDeadline);
}

TEST_F(HttpClientTest, StopsAtOnce) {
  std::chrono::nanoseconds soonest = 1h;
  // A busy machine may hold up one or the other.
  for (int i = 0; i < 5 && soonest >= 500ms; ++i) {
    std::stop_source stop;
    Call call = MakeCall(60s, stop.get_token());
    std::atomic<MonoTime> stopped;
    Thread stopper("stop", [&](std::stop_token end) {
      while (hangs_ <= i && !end.stop_requested()) SystemClock().SleepFor(1ms, {});
      stopped = SystemClock().Mono();
      stop.request_stop();
    });
    EXPECT_EQ(client_->Send(call, Base(), {.path = "/hang"}).status().code(), Code::kCancelled);
    soonest = std::min<std::chrono::nanoseconds>(soonest, SystemClock().Mono() - stopped.load());
  }
  EXPECT_LT(soonest, 500ms);
}

TEST_F(HttpClientTest, RefusesMalformedRequests) {
  Call call = MakeCall();
  Request injected{.path = "/x"};
  injected.headers.Add("X", "a\r\nY: b");
  EXPECT_EQ(client_->Send(call, Base(), injected).status().code(), Code::kInvalidArgument);
  Request named{.path = "/x"};
  named.headers.Add("X Y", "a");
  EXPECT_EQ(client_->Send(call, Base(), named).status().code(), Code::kInvalidArgument);
  for (const char* url : {"", "ftp://h", "file:///etc/passwd", "http://", "http://u@h"}) {
    EXPECT_EQ(client_->Send(call, url, {.path = "/x"}).status().code(), Code::kInvalidArgument)
        << url;
  }
  EXPECT_EQ(client_->Send(call, Base(), {.path = "x"}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(client_->Send(call, Base(), {.path = "/a b"}).status().code(), Code::kInvalidArgument);
}

TEST_F(HttpClientTest, RefusedConnectionsAreUnavailable) {
  std::string base = Base();
  server_.reset();
  Call call = MakeCall();
  for (Method method : {Method::kGet, Method::kPost}) {
    Request request{.method = method, .path = "/x"};
    EXPECT_EQ(client_->Send(call, base, request).status().code(), Code::kUnavailable);
  }
}

TEST(HttpClient, TellsALostAnswerFromARefusal) {
  auto client = MakeHttpClient({});
  Call call = MakeCall();
  Request get{.path = "/x"};
  Request post{.method = Method::kPost, .path = "/x", .body = "{}"};

  RawServer server({RawServer::Step::kCloseAfterRequest, RawServer::Step::kCloseAfterRequest,
                    RawServer::Step::kHalfAnswer});
  EXPECT_EQ(client->Send(call, server.base_url(), get).status().code(), Code::kUnavailable);
  EXPECT_EQ(client->Send(call, server.base_url(), post).status().code(), Code::kCommitUnknown);
  EXPECT_EQ(client->Send(call, server.base_url(), post).status().code(), Code::kCommitUnknown);
  EXPECT_EQ(server.requests(), 3);
}

/// libcurl tries again when a kept connection dies, and then tells of that try alone.
TEST(HttpClient, AChangeThatWasSentOnAKeptConnectionIsNotSaidToBeUnsent) {
  for (Method method : {Method::kGet, Method::kPost, Method::kDelete}) {
    SCOPED_TRACE(MethodName(method));
    auto client = MakeHttpClient({});
    Call call = MakeCall();
    Request request{.method = method, .path = "/x"};
    if (method == Method::kPost) request.body = "{}";
    RawServer server({RawServer::Step::kAnswer, RawServer::Step::kGone});
    ASSERT_TRUE(client->Send(call, server.base_url(), request).ok());
    Status lost = client->Send(call, server.base_url(), request).status();
    EXPECT_EQ(lost.code(), method == Method::kGet ? Code::kUnavailable : Code::kCommitUnknown)
        << lost.ToString();
    EXPECT_EQ(server.requests(), 2);
    EXPECT_EQ(client->Send(call, server.base_url(), request).status().code(), Code::kUnavailable);
  }
}

TEST(HttpClient, NeverSendsAChangeTwice) {
  // libcurl would: a kept connection that dies without an answer makes it try on a new one.
  auto client = MakeHttpClient({});
  Call call = MakeCall();
  Request post{.method = Method::kPost, .path = "/x", .body = "{}"};
  RawServer server(
      {RawServer::Step::kAnswer, RawServer::Step::kCloseAfterRequest, RawServer::Step::kAnswer});
  ASSERT_TRUE(client->Send(call, server.base_url(), post).ok());
  EXPECT_EQ(client->Send(call, server.base_url(), post).status().code(), Code::kCommitUnknown);
  EXPECT_EQ(server.requests(), 2);
  EXPECT_TRUE(client->Send(call, server.base_url(), post).ok());
  EXPECT_EQ(server.requests(), 3);
}

}  // namespace
}  // namespace moraine::net
