#include "moraine/catalog/rest/rest_retry.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/rest/rest_answer.h"

namespace moraine::catalog {
namespace {

constexpr auto kRepeatable = RestEffect::kRepeatable;
constexpr auto kKeyed = RestEffect::kKeyed;
constexpr auto kChange = RestEffect::kChange;

TEST(RestRetry, FollowsTheTableOfTheSpec) {
  struct Row {
    int status;
    bool retry_after;
    RestNext repeatable, keyed, change;
  };
  constexpr auto kDone = RestNext::kDone;
  constexpr auto kAgain = RestNext::kAgain;
  constexpr auto kGiveUp = RestNext::kGiveUp;
  constexpr auto kRenew = RestNext::kRenewToken;
  const Row rows[] = {
      {200, false, kDone, kDone, kDone},       {204, false, kDone, kDone, kDone},
      {304, false, kDone, kDone, kDone},       {400, false, kGiveUp, kGiveUp, kGiveUp},
      {401, false, kRenew, kRenew, kRenew},    {403, false, kGiveUp, kGiveUp, kGiveUp},
      {404, true, kGiveUp, kGiveUp, kGiveUp},  {408, false, kAgain, kAgain, kGiveUp},
      {409, false, kGiveUp, kGiveUp, kGiveUp}, {419, false, kRenew, kRenew, kRenew},
      {429, false, kAgain, kAgain, kAgain},    {429, true, kAgain, kAgain, kAgain},
      {500, false, kAgain, kAgain, kGiveUp},   {500, true, kAgain, kAgain, kGiveUp},
      {501, false, kGiveUp, kGiveUp, kGiveUp}, {502, false, kAgain, kAgain, kGiveUp},
      {503, false, kAgain, kAgain, kGiveUp},   {503, true, kAgain, kAgain, kAgain},
      {504, false, kAgain, kAgain, kGiveUp},   {302, false, kGiveUp, kGiveUp, kGiveUp},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.status);
    EXPECT_EQ(DecideNext(kRepeatable, row.status, row.retry_after), row.repeatable);
    EXPECT_EQ(DecideNext(kKeyed, row.status, row.retry_after), row.keyed);
    EXPECT_EQ(DecideNext(kChange, row.status, row.retry_after), row.change);
  }
}

TEST(RestRetry, ALostAnswerOfAChangeIsNotSentAgainWithoutAKey) {
  EXPECT_EQ(DecideNext(kChange, Code::kCommitUnknown), RestNext::kGiveUp);
  EXPECT_EQ(DecideNext(kKeyed, Code::kCommitUnknown), RestNext::kAgain);
  EXPECT_EQ(DecideNext(kChange, Code::kUnavailable), RestNext::kAgain);  // was not sent
  EXPECT_EQ(DecideNext(kChange, Code::kDeadline), RestNext::kGiveUp);
  EXPECT_EQ(DecideNext(kRepeatable, Code::kDeadline), RestNext::kAgain);
  EXPECT_EQ(DecideNext(kRepeatable, Code::kCancelled), RestNext::kGiveUp);
}

TEST(RestRetry, OnlyAnswersThatProveItSayThatNothingLanded) {
  for (int status : {500, 502, 504, 507, 520, 408}) EXPECT_TRUE(MayHaveLanded(status));
  for (int status : {400, 401, 403, 404, 409, 419, 429, 501}) EXPECT_FALSE(MayHaveLanded(status));
  EXPECT_TRUE(MayHaveLanded(503));
  EXPECT_TRUE(MayHaveLanded(Code::kDeadline));
  EXPECT_FALSE(MayHaveLanded(Code::kUnavailable));
}

TEST(RestRetry, PausesDoubleUpToAMinuteWithATenthOfJitter) {
  testing::SeededRandom random(1);
  for (auto [again, base] :
       {std::pair{1, 1'000}, {2, 2'000}, {5, 16'000}, {7, 64'000}, {99, 64'000}}) {
    auto pause = RestPause(again, random).count();
    EXPECT_GE(pause, base);
    EXPECT_LE(pause, base + base / 10);
  }
}

TEST(RestRetry, RetryAfterIsSecondsOrADate) {
  WallTime now = FromMillis(784'111'777'000);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(ParseRetryAfter("120", now), Millis(120'000));
  EXPECT_EQ(ParseRetryAfter(" 0 ", now), Millis(0));
  EXPECT_EQ(ParseRetryAfter("-5", now), Millis(0));
  EXPECT_EQ(ParseRetryAfter("999999999", now), Millis(3'600'000));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:47 GMT", now), Millis(10'000));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:00:00 GMT", now), Millis(0));
  for (auto text :
       {"", "soon", "1.5", "Sun, 06 Now 1994 08:49:47 GMT", "Sun, 31 Feb 1994 08:49:47 GMT",
        "Sun, 06 Nov 1994 08:49:47 CET", "99999999999999999999"}) {
    EXPECT_EQ(ParseRetryAfter(text, now), std::nullopt) << text;
  }
}

net::Response Error(int status, std::string_view type, std::string_view message) {
  return net::Response::Json(
      status, fmt::format(R"({{"error":{{"message":"{}","type":"{}","code":{}}}}})", message, type,
                          status));
}

TEST(RestAnswer, CodesFollowStatusTypeAndWhatWasAsked) {
  struct Row {
    RestAsk ask;
    int status;
    std::string_view type;
    Code code;
  };
  const Row rows[] = {
      {RestAsk::kCommit, 409, "CommitFailedException", Code::kConflict},
      {RestAsk::kCreate, 409, "AlreadyExistsException", Code::kAlreadyExists},
      {RestAsk::kCreate, 409, "", Code::kAlreadyExists},
      {RestAsk::kOther, 409, "NamespaceNotEmptyException", Code::kConflict},
      {RestAsk::kOther, 404, "NoSuchTableException", Code::kNotFound},
      {RestAsk::kOther, 400, "BadRequestException", Code::kInvalidArgument},
      {RestAsk::kOther, 403, "ForbiddenException", Code::kPermissionDenied},
      {RestAsk::kOther, 419, "AuthenticationTimeoutException", Code::kUnauthenticated},
      {RestAsk::kOther, 422, "UnprocessableEntityException", Code::kInvalidArgument},
      {RestAsk::kOther, 429, "SlowDownException", Code::kExhausted},
      {RestAsk::kOther, 500, "InternalServerError", Code::kUnavailable},
      {RestAsk::kOther, 501, "UnsupportedOperationException", Code::kUnsupported},
      {RestAsk::kToken, 400, "", Code::kUnauthenticated},
  };
  for (const auto& row : rows) {
    Status status = ErrorOfAnswer(row.ask, "GET http://c/x", Error(row.status, row.type, "why so"));
    EXPECT_EQ(status.code(), row.code) << row.status << " " << row.type;
    EXPECT_NE(status.message().find("why so"), std::string_view::npos);
  }
}

TEST(RestAnswer, TellsSomethingOfAnswersThatAreNoErrorModel) {
  auto text = [](const net::Response& answer) {
    return std::string(ErrorOfAnswer(RestAsk::kOther, "GET http://c/x", answer).message());
  };
  EXPECT_EQ(text(net::Response::Text(502, "<html>bad</html>")),
            "Bad Gateway (502 of GET http://c/x)");
  EXPECT_EQ(text(net::Response::Text(503, "busy")), "busy (503 of GET http://c/x)");
  EXPECT_EQ(text(net::Response::Json(404, R"({"message":"bare"})")),
            "bare (404 of GET http://c/x)");
  EXPECT_EQ(
      text(net::Response::Json(401, R"({"error":"invalid_client","error_description":"no"})")),
      "no (invalid_client) (401 of GET http://c/x)");
  EXPECT_LT(text(net::Response::Text(500, std::string(100'000, 'x'))).size(), 400u);
  EXPECT_NE(text(net::Response::Empty(302)).find("redirects are not followed"), std::string::npos);
}

TEST(RestAnswer, SecretsAreStruckOut) {
  EXPECT_EQ(WithoutSecrets("bad abcd:abcd, x", {"abcd", "x", ""}), "bad ***:***, x");
}

}  // namespace
}  // namespace moraine::catalog
