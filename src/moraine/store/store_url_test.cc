#include "moraine/store/store_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/database.h"

namespace moraine::store {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(StoreUrl, HasParts) {
  auto url = ParseStoreUrl(
      "postgresql://me%40x:p%3Aw%2F@db.example:5433/ice%20berg?sslmode=require&a=b%26");
  ASSERT_TRUE(url.ok()) << url.status().ToString();
  EXPECT_EQ(url->scheme, "postgresql");
  EXPECT_EQ(url->user, "me@x");
  EXPECT_EQ(url->password, "p:w/");
  EXPECT_EQ(url->host, "db.example");
  EXPECT_EQ(url->port, 5433);
  EXPECT_EQ(url->database, "ice berg");
  EXPECT_THAT(url->options,
              testing::ElementsAre(testing::Pair("sslmode", "require"), testing::Pair("a", "b&")));
  EXPECT_EQ(url->ToText(), "me@x@db.example:5433/ice berg");

  auto bare = ParseStoreUrl("postgresql:///db").value();
  EXPECT_EQ(bare.user, "");
  EXPECT_FALSE(bare.password);
  EXPECT_EQ(bare.host, "");
  EXPECT_EQ(bare.port, 0);
  auto six = ParseStoreUrl("mariadb://u@[::1]:3307/db").value();
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.ToText(), "u@[::1]:3307/db");
}

TEST(StoreUrl, RefusesWhatIsNone) {
  for (const char* text : {
           "postgresql://me:secret@host",
           "postgresql://me:secret@host/",
           "postgresql://me:secret@host/a/b",
           "postgresql://me:secret@host:0/db",
           "postgresql://me:secret@host:99999/db",
           "postgresql://me:secret@host:port/db",
           "postgresql://me:secret@[::1/db",
           "postgresql://me:secret%@host/db",
           "postgresql://me:secret%00@host/db",
           "postgresql://me:secret/db",
           "postgresql://me:1/secret@host",
           "postgresql://me@host/db?sslmode",
       }) {
    auto url = ParseStoreUrl(text);
    EXPECT_EQ(url.status().code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(std::string(url.status().message()), Not(HasSubstr("secret"))) << text;
  }
}

TEST(StoreUrl, PasswordsAreHidden) {
  struct Case {
    const char* url;
    const char* shown;
  };
  for (const auto& c : {
           Case{"sqlite:///a/b.db", "sqlite:///a/b.db"},
           Case{"postgresql://u@h/d", "postgresql://u@h/d"},
           Case{"postgresql://u:secret@h:1/d", "postgresql://u:***@h:1/d"},
           Case{"postgresql://u:sec@ret@h:1/d", "postgresql://u:***@h:1/d"},
           Case{"postgresql://u:sec/ret@h:1/d", "postgresql://u:***@h:1/d"},
           Case{"mariadb://h/d?password=secret&sslmode=require",
                "mariadb://h/d?password=***&sslmode=require"},
           Case{"postgresql://h/d?sslpassword=secret", "postgresql://h/d?sslpassword=***"},
           Case{"nonsense", "nonsense"},
           Case{"postgresql://u:sec?ret@h:1/d", "postgresql://u:***@h:1/d"},
           Case{"postgresql://u:sec?a=b&ret@h/d?x=y", "postgresql://u:***@h/d?x=y"},
           Case{"postgresql://u:secret@h/d?sslpassword=secret",
                "postgresql://u:***@h/d?sslpassword=***"},
           Case{"postgresql://h:1/d?password=sec@ret", "postgresql://***"},
           Case{"postgresql://h/d?pass%77ord=secret", "postgresql://h/d?pass%77ord=***"},
           Case{"postgresql://u:secret/d", "postgresql://u:***"},
           Case{"postgresql://h:5432/d", "postgresql://h:5432/d"},
           Case{"postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d"},
           Case{"postgresql:/u:secret@h/d", "***@h/d"},
           Case{"u:secret@h/d", "***@h/d"},
           Case{"u:secret://x@h/d", "***@h/d"},
           Case{"u:sec?ret@h/d", "***@h/d"},
           Case{"u:secret", "u:***"},
           Case{"host=h password=secret", "***"},
       }) {
    EXPECT_EQ(RedactUrl(c.url), c.shown);
  }
}

TEST(StoreUrl, WhatCannotBeReachedSaysSoWithoutThePassword) {
  testing::TestEnv env(1, testing::TestClock::kSystem);
  Call call = env.call();
  struct Case {
    const char* url;
    Code code;
    const char* message;
  };
  for (const auto& c : {
           Case{"postgresql://me:secret@127.0.0.1:1/db", Code::kUnavailable,
                "cannot connect to postgresql me@127.0.0.1:1/db: "},
           Case{"mariadb://me:secret@127.0.0.1:1/db", Code::kUnavailable,
                "cannot connect to mariadb me@127.0.0.1:1/db: "},
           Case{"postgresql://me:secret@127.0.0.1:1/db?sslmode=perhaps", Code::kInvalidArgument,
                "check the options of the URL"},
           Case{"mariadb://me:secret@127.0.0.1:1/db?sslmode=perhaps", Code::kInvalidArgument,
                "sslmode: expected disable, require or verify-full"},
           Case{"mariadb://me:secret@127.0.0.1:1/db?colour=red", Code::kInvalidArgument,
                "colour: unknown option of the URL"},
           Case{"me:secret@127.0.0.1/db", Code::kInvalidArgument, "got ***@127.0.0.1/db"},
           Case{"oracle://me:secret@127.0.0.1/db", Code::kUnsupported, "no driver for oracle://"},
       }) {
    auto database = OpenDatabase(call, c.url, {});
    EXPECT_EQ(database.status().code(), c.code) << c.url << database.status().ToString();
    EXPECT_THAT(std::string(database.status().message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(database.status().message()), Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace moraine::store
