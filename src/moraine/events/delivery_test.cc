#include "moraine/events/delivery.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"

namespace moraine::events {
namespace {

TEST(Destination, IsAllowedByItsHost) {
  const std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1", "*.Example.com",
                                          "one.org:8443"};
  struct Case {
    const char* url;
    Code code;
    const char* base;
    const char* path;
  };
  const Case cases[] = {
      {"http://localhost:9000/a/b", Code::kOk, "http://localhost:9000", "/a/b"},
      {"http://LOCALHOST", Code::kOk, "http://localhost:80", "/"},
      {"http://127.0.0.1:1/", Code::kOk, "http://127.0.0.1:1", "/"},
      {"http://[::1]:9/x?k=a%20b", Code::kOk, "http://[::1]:9", "/x"},
      {"https://a.b.example.com/h", Code::kOk, "https://a.b.example.com:443", "/h"},
      {"https://one.org:8443/", Code::kOk, "https://one.org:8443", "/"},
      {"https://one.org/", Code::kPermissionDenied, "", ""},
      {"https://example.com/", Code::kPermissionDenied, "", ""},
      {"https://evilexample.com/", Code::kPermissionDenied, "", ""},
      {"http://169.254.169.254/latest", Code::kPermissionDenied, "", ""},
      {"http://127.0.0.2/", Code::kPermissionDenied, "", ""},
      {"http://0.0.0.0/", Code::kPermissionDenied, "", ""},
      {"http://localhost.evil.org/", Code::kPermissionDenied, "", ""},
      {"http://user@localhost/", Code::kInvalidArgument, "", ""},
      {"http://localhost/#x", Code::kInvalidArgument, "", ""},
      {"ftp://localhost/", Code::kInvalidArgument, "", ""},
      {"localhost", Code::kInvalidArgument, "", ""},
      {"", Code::kInvalidArgument, "", ""},
  };
  for (const auto& c : cases) {
    auto destination = DestinationOf(c.url, hosts);
    EXPECT_EQ(destination.status().code(), c.code) << c.url << destination.status().ToString();
    if (!destination.ok()) continue;
    EXPECT_EQ(destination->base_url, c.base) << c.url;
    EXPECT_EQ(destination->request.path, c.path) << c.url;
  }
  auto refused = DestinationOf("http://10.0.0.1/", hosts);
  EXPECT_NE(refused.status().message().find("events.webhook-hosts"), std::string_view::npos);
  auto query = DestinationOf("http://[::1]:9/x?k=a%20b", hosts);
  EXPECT_EQ(query->request.Query("k"), "a b");
}

TEST(Signature, IsThatOfStandardWebhooks) {
  // The example of the specification.
  EXPECT_EQ(Signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                      1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  testing::TestEnv env;
  std::string secret = MakeSecret(env.random());
  EXPECT_TRUE(CheckSecret(secret).ok()) << secret;
  EXPECT_NE(secret, MakeSecret(env.random()));
  for (const char* bad : {"", "whsec_", "whsec_!!!", "whsec_AAAA", "short"}) {
    EXPECT_EQ(CheckSecret(bad).code(), Code::kInvalidArgument) << bad;
  }
}

TEST(Backoff, DoublesWithinBoundsAndIsUneven) {
  testing::TestEnv env;
  Options options;
  options.retry_first = Millis(1'000);
  options.retry_last = Millis(60'000);
  for (int64_t failures = 1; failures < 200; ++failures) {
    int64_t most = failures < 7 ? 1'000LL << (failures - 1) : 60'000;
    int64_t wait = BackoffAfter(failures, options, env.random()).count();
    EXPECT_LE(wait, most) << failures;
    EXPECT_GE(wait, most * 2 / 3 - 1) << failures;
  }
}

TEST(NoteAttempt, DecidesWhatFollows) {
  testing::TestEnv env;
  Options options;
  options.max_failures = 3;
  Webhook webhook;
  NoteAttempt({.status = 503, .retry_after = Millis(90'000)}, options, env.random(), 1'000,
              &webhook);
  EXPECT_EQ(webhook.failures, 1);
  EXPECT_EQ(webhook.next_try_ms, 91'000);
  EXPECT_EQ(webhook.state, WebhookState::kActive);
  EXPECT_EQ(webhook.reason, "the receiver answered 503 Service Unavailable");
  NoteAttempt({.status = 204}, options, env.random(), 2'000, &webhook);
  EXPECT_EQ(webhook.failures, 0);
  EXPECT_EQ(webhook.next_try_ms, 0);
  EXPECT_EQ(webhook.reason, "");
  EXPECT_EQ(webhook.last_delivery_ms, 2'000);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(webhook.state, WebhookState::kActive);
    NoteAttempt({.error = "refused"}, options, env.random(), 3'000, &webhook);
  }
  EXPECT_EQ(webhook.state, WebhookState::kPaused);
  EXPECT_EQ(webhook.reason, "3 deliveries in a row failed; the last one: refused");
  Webhook gone;
  NoteAttempt({.status = 410}, options, env.random(), 1, &gone);
  EXPECT_EQ(gone.state, WebhookState::kPaused);
  Webhook redirected;
  NoteAttempt({.status = 302}, options, env.random(), 1, &redirected);
  EXPECT_EQ(redirected.failures, 1);
}

}  // namespace
}  // namespace moraine::events
