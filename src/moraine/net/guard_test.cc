#include "moraine/net/guard.h"

#include <gtest/gtest.h>

namespace moraine::net {
namespace {

struct Case {
  const char* what;
  Method method;
  const char* path;
  std::vector<std::pair<std::string, std::string>> headers;
  int status;  ///< 0: passes
  bool has_body = false;
  const char* authority = "";
};

void Check(const GuardOptions& options, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Request request{.method = c.method, .path = c.path};
    bool has_host = false;
    for (const auto& [name, value] : c.headers) {
      if (name == "Host") has_host = true;
      if (value != "(none)") request.headers.Add(name, value);
    }
    if (!has_host) request.headers.Add("Host", "127.0.0.1:1630");
    GuardFacts facts{.authority = c.authority, .local_address = "10.0.0.5", .has_body = c.has_body};
    auto refusal = CheckGuards(options, facts, request);
    EXPECT_EQ(refusal ? refusal->status : 0, c.status) << c.what;
  }
}

const Method kGet = Method::kGet;
const Method kPost = Method::kPost;

TEST(Guard, ChecksTheHost) {
  Check({.host_names = {"moraine.example.com"}},
        {
            {"loopback", kGet, "/", {}, 0},
            {"localhost", kGet, "/", {{"Host", "LOCALHOST:1"}}, 0},
            {"IPv6 loopback", kGet, "/", {{"Host", "[::1]:1630"}}, 0},
            {"the address it came in on", kGet, "/", {{"Host", "10.0.0.5"}}, 0},
            {"a configured name", kGet, "/", {{"Host", "Moraine.Example.com:443"}}, 0},
            {"rebound", kGet, "/", {{"Host", "evil.example.com:1630"}}, 421},
            {"looks like", kGet, "/", {{"Host", "localhost.evil.example.com"}}, 421},
            {"another address", kGet, "/", {{"Host", "10.0.0.6"}}, 421},
            {"health too", kGet, "/health", {{"Host", "evil"}}, 421},
            {"empty", kGet, "/", {{"Host", ""}}, 421},
            {"malformed", kGet, "/", {{"Host", "a b"}}, 421},
            {"none", kGet, "/", {{"Host", "(none)"}}, 400},
            {"two", kGet, "/", {{"Host", "localhost"}, {"Host", "evil"}}, 400},
            {"absolute target", kGet, "/", {}, 421, false, "evil"},
            {"absolute target of ours", kGet, "/", {{"Host", "evil"}}, 0, false, "localhost:1630"},
        });
  Request old;
  EXPECT_FALSE(CheckGuards({}, {.is_http_10 = true}, old).has_value());
}

TEST(Guard, RefusesOtherSites) {
  Check({.allowed_origins = {"http://localhost:5173"}},
        {
            {"same", kGet, "/", {{"Origin", "http://127.0.0.1:1630"}}, 0},
            {"allowed", kGet, "/", {{"Origin", "http://localhost:5173"}}, 0},
            {"allowed, though it says so itself",
             kGet,
             "/",
             {{"Origin", "http://localhost:5173"}, {"Sec-Fetch-Site", "cross-site"}},
             0},
            {"another port", kGet, "/", {{"Origin", "http://127.0.0.1:3000"}}, 403},
            {"another host", kGet, "/", {{"Origin", "http://evil.example.com"}}, 403},
            {"opaque", kPost, "/", {{"Origin", "null"}}, 403},
            {"a file", kGet, "/", {{"Origin", "file://"}}, 403},
            {"empty", kGet, "/", {{"Origin", ""}}, 403},
            {"cross-site", kGet, "/", {{"Sec-Fetch-Site", "cross-site"}}, 403},
            {"typed by hand", kGet, "/", {{"Sec-Fetch-Site", "none"}}, 0},
            {"same-origin", kGet, "/", {{"Sec-Fetch-Site", "same-origin"}}, 0},
            {"default ports",
             kGet,
             "/",
             {{"Host", "localhost"}, {"Origin", "http://localhost:80"}},
             0},
            {"behind TLS", kGet, "/", {{"Host", "localhost"}, {"Origin", "https://localhost"}}, 0},
        });
}

TEST(Guard, AsksForTheToken) {
  Check({.bearer_token = "s3cret"},
        {
            {"health is open", kGet, "/health", {}, 0},
            {"only exactly", kGet, "/health/x", {}, 401},
            {"none", kGet, "/", {}, 401},
            {"right", kGet, "/", {{"Authorization", "Bearer s3cret"}}, 0},
            {"any case of the scheme", kGet, "/", {{"Authorization", "bearer  s3cret "}}, 0},
            {"wrong", kGet, "/", {{"Authorization", "Bearer s3creT"}}, 401},
            {"longer", kGet, "/", {{"Authorization", "Bearer s3cret1"}}, 401},
            {"empty", kGet, "/", {{"Authorization", "Bearer "}}, 401},
            {"another scheme", kGet, "/", {{"Authorization", "Basic s3cret"}}, 401},
            {"two",
             kGet,
             "/",
             {{"Authorization", "Bearer s3cret"}, {"Authorization", "Bearer x"}},
             401},
            {"before the media type", kPost, "/", {{"Content-Type", "text/plain"}}, 401, true},
        });
  auto refusal = CheckGuards({.bearer_token = "t"}, {.is_http_10 = true}, Request{.path = "/"});
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->headers.Get("WWW-Authenticate"), "Bearer");
}

TEST(Guard, TakesOnlyJsonForChanges) {
  const std::pair<std::string, std::string> json = {"Content-Type",
                                                    "Application/JSON; charset=utf-8"};
  const std::pair<std::string, std::string> form = {"Content-Type",
                                                    "application/x-www-form-urlencoded"};
  Check({}, {
                {"JSON", kPost, "/", {json}, 0, true},
                {"JSON without a body", kPost, "/", {json}, 0},
                {"nothing at all", kPost, "/", {}, 0},
                {"a body without a type", kPost, "/", {}, 415, true},
                {"text", kPost, "/", {{"Content-Type", "text/plain"}}, 415, true},
                {"text without a body", kPost, "/", {{"Content-Type", "text/plain"}}, 415},
                {"a form", kPost, "/iceberg/v1/namespaces", {form}, 415, true},
                {"the token form", kPost, "/iceberg/v1/oauth/tokens", {form}, 0, true},
                {"not by PUT", Method::kPut, "/iceberg/v1/oauth/tokens", {form}, 415, true},
                {"like JSON", kPost, "/", {{"Content-Type", "application/jsonx"}}, 415, true},
                {"two", kPost, "/", {json, form}, 415, true},
                {"delete", Method::kDelete, "/", {}, 0},
                {"delete with a body", Method::kDelete, "/", {}, 415, true},
                {"patch", Method::kPatch, "/", {form}, 415, true},
                {"reads are free", kGet, "/", {form}, 0, true},
            });
}

TEST(Guard, ComparesWholeSecrets) {
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
  EXPECT_TRUE(EqualInConstantTime("", ""));
}

}  // namespace
}  // namespace moraine::net
