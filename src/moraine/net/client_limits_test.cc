#include "moraine/net/client_limits.h"

#include <gtest/gtest.h>

namespace moraine::net {
namespace {

using namespace std::chrono_literals;
using Verdict = ClientLimits::Verdict;

TEST(ClientLimits, ClientsAreAddresses) {
  EXPECT_EQ(ClientOfAddress("10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(ClientOfAddress("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(ClientOfAddress("2001:db8:1:2::9"), "2001:db8:1:2::/64");
  EXPECT_EQ(ClientOfAddress("::1"), "::/64");
}

TEST(ClientLimits, OnlyTrustedProxiesAreBelieved) {
  ClientLimitOptions options{.trusted_proxies = {"10.0.0.1", "10.0.0.2"}};
  struct Case {
    const char* address;
    const char* forwarded;
    const char* client;
  };
  const Case cases[] = {
      {"10.0.0.9", "1.2.3.4", "10.0.0.9"},
      {"10.0.0.1", "1.2.3.4", "1.2.3.4"},
      {"10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"},
      {"10.0.0.1", "1.2.3.4:5000", "1.2.3.4"},
      {"10.0.0.1", "[2001:db8::1]:80", "2001:db8::/64"},
      {"10.0.0.1", "10.0.0.2", "10.0.0.1"},
      {"10.0.0.1", ",,", "10.0.0.1"},
      {"10.0.0.1", "", "10.0.0.1"},
  };
  for (const Case& c : cases) {
    Headers headers;
    if (*c.forwarded != '\0') headers.Add("x-forwarded-for", c.forwarded);
    EXPECT_EQ(ClientOf(options, c.address, headers), c.client) << c.forwarded;
  }
}

TEST(ClientLimits, RequestsASecond) {
  ClientLimits limits({.rate = 10, .burst = 3});
  MonoTime now{};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kAdmitted);
    limits.Finish("a");
  }
  auto refused = limits.Admit("a", now);
  EXPECT_EQ(refused.verdict, Verdict::kTooFast);
  EXPECT_GT(refused.wait, 99ms);
  EXPECT_LT(refused.wait, 101ms);
  EXPECT_EQ(limits.Admit("b", now).verdict, Verdict::kAdmitted);
  now += 101ms;
  EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kAdmitted);
  EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kTooFast);
  // No pause gives more than the burst.
  now += 1h;
  int admitted = 0;
  while (limits.Admit("a", now).verdict == Verdict::kAdmitted) ++admitted;
  EXPECT_EQ(admitted, 3);
}

TEST(ClientLimits, BurstsAreTwoSecondsUnlessTold) {
  for (const auto& [rate, expected] : {std::pair(5.0, 10), {0.1, 1}}) {
    ClientLimits limits({.rate = rate});
    int admitted = 0;
    while (limits.Admit("a", MonoTime()).verdict == Verdict::kAdmitted) ++admitted;
    EXPECT_EQ(admitted, expected);
  }
}

TEST(ClientLimits, RequestsAtOnce) {
  ClientLimits limits({.requests = 2});
  EXPECT_TRUE(limits.limits_requests());
  MonoTime now{};
  EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kAdmitted);
  EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kAdmitted);
  EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kTooMany);
  EXPECT_EQ(limits.Admit("b", now).verdict, Verdict::kAdmitted);
  limits.Finish("a");
  EXPECT_EQ(limits.Admit("a", now).verdict, Verdict::kAdmitted);
}

TEST(ClientLimits, ConnectionsAtOnce) {
  ClientLimits limits({.connections = 1});
  EXPECT_FALSE(limits.limits_requests());
  EXPECT_TRUE(limits.limits_connections());
  EXPECT_TRUE(limits.Connect("a", MonoTime()));
  EXPECT_FALSE(limits.Connect("a", MonoTime()));
  EXPECT_TRUE(limits.Connect("b", MonoTime()));
  limits.Disconnect("a");
  EXPECT_TRUE(limits.Connect("a", MonoTime()));
}

TEST(ClientLimits, FewAreRemembered) {
  ClientLimits limits({.rate = 1, .burst = 1, .requests = 10, .connections = 10, .remembered = 3});
  MonoTime now{};
  ASSERT_TRUE(limits.Connect("held", now));
  EXPECT_EQ(limits.Admit("held", now).verdict, Verdict::kAdmitted);
  for (int i = 0; i < 100; ++i) {
    std::string name = std::to_string(i);
    EXPECT_EQ(limits.Admit(name, now).verdict, Verdict::kAdmitted);
    limits.Finish(name);
    EXPECT_LE(limits.remembered(), 4u);
  }
  // The last are, and so is the one with a connection.
  EXPECT_EQ(limits.Admit("99", now).verdict, Verdict::kTooFast);
  EXPECT_EQ(limits.Admit("held", now).verdict, Verdict::kTooFast);
  EXPECT_EQ(limits.Admit("0", now).verdict, Verdict::kAdmitted);
}

}  // namespace
}  // namespace moraine::net
