#include "moraine/net/http.h"

#include <gtest/gtest.h>

#include "moraine/base/executor.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

TEST(Headers, CompareNamesWithoutCase) {
  Headers headers;
  headers.Add("Accept", "a");
  headers.Add("ACCEPT", "b");
  EXPECT_EQ(headers.Get("accept"), "a");
  EXPECT_EQ(headers.Count("aCCept"), 2u);
  headers.Set("accept", "c");
  EXPECT_EQ(headers.all().size(), 1u);
  EXPECT_EQ(headers.Get("Accept"), "c");
  EXPECT_FALSE(headers.Get("Accep").has_value());
}

TEST(Http, RefusalsHaveTheIcebergForm) {
  Refusal refusal{429, "full \"queue\"", {}};
  refusal.headers.Add("Retry-After", "1");
  Response response = FormatRefusal(refusal, "/x");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.Get("retry-after"), "1");
  EXPECT_EQ(response.BodyText(),
            R"({"error":{"message":"full \"queue\"","type":"SlowDownException","code":429}})");
}

TEST(Http, EveryCodeHasAStatus) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    int status = HttpStatusOf(static_cast<Code>(code));
    EXPECT_NE(StatusReason(status), "") << status;
    EXPECT_EQ(status == 200, code == 0);
  }
}

TEST(Http, AStatusThatMeansOneCodeIsReadAsItIsWritten) {
  for (Code code :
       {Code::kUnauthenticated, Code::kPermissionDenied, Code::kNotFound, Code::kUnsupported,
        Code::kConflict, Code::kExhausted, Code::kUnavailable, Code::kDeadline}) {
    EXPECT_EQ(CodeOfHttpStatus(HttpStatusOf(code)), code) << CodeName(code);
  }
  EXPECT_EQ(CodeOfHttpStatus(421), Code::kPermissionDenied);
  for (int status : {200, 400, 405, 408, 413, 415, 422, 499, 500, 501, 502}) {
    EXPECT_EQ(CodeOfHttpStatus(status), std::nullopt) << status;
  }
}

Call MakeCall(std::chrono::nanoseconds limit, std::stop_token stop = {}) {
  return Call(SystemEnv(NullLogger()), limit, std::move(stop));
}

std::shared_ptr<Later> MakeLater(std::function<void(std::shared_ptr<Waiter>)> on_parked) {
  auto later = std::make_shared<Later>();
  later->until = SystemClock().Mono() + 20ms;
  later->on_parked = std::move(on_parked);
  later->resume = [](Call&, Later::Reason reason) {
    return Response::Text(200, reason == Later::Reason::kWoken ? "woken" : "timed out");
  };
  return later;
}

TEST(AnswerNow, WaitsForWakeOrTime) {
  Call call = MakeCall(10s);
  EXPECT_EQ(AnswerNow(call, MakeLater(nullptr)).BodyText(), "timed out");
  auto at_once = MakeLater([](std::shared_ptr<Waiter> waiter) { waiter->Wake(); });
  at_once->until = SystemClock().Mono() + 1h;
  EXPECT_EQ(AnswerNow(call, at_once).BodyText(), "woken");
  Thread other;
  auto from_elsewhere = MakeLater([&](std::shared_ptr<Waiter> waiter) {
    other = Thread("wake", [waiter](std::stop_token) { waiter->Wake(); });
  });
  from_elsewhere->until = SystemClock().Mono() + 1h;
  EXPECT_EQ(AnswerNow(call, from_elsewhere).BodyText(), "woken");
}

TEST(AnswerNow, EndsWithItsCall) {
  std::stop_source stop;
  stop.request_stop();
  Call stopped = MakeCall(10s, stop.get_token());
  EXPECT_EQ(AnswerNow(stopped, MakeLater(nullptr)).status, 499);
  Call late = MakeCall(0s);
  EXPECT_EQ(AnswerNow(late, MakeLater(nullptr)).status, 504);
}

}  // namespace
}  // namespace moraine::net
