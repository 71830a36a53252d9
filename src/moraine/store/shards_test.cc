#include "moraine/store/shards.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::TestEnv;

constexpr Millis kLength{6'000};

ShardOptions Named(const std::string& holder, int64_t shards = 5) {
  return {.duty = "test", .holder = holder, .shards = shards, .length = kLength};
}

class ShardsTest : public testing::Test {
 protected:
  ShardsTest() : call_(env_.call(std::chrono::hours(10))), database_(MakeTestDatabase(call_)) {
    Shards any(*database_, Named("a"));
    Status status = any.Open(call_);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }

  void Tick(Shards& shards) {
    Status status = shards.Tick(call_);
    EXPECT_TRUE(status.ok()) << status.ToString();
    shards.StartTerm();
  }
  void TickAll(std::vector<Shards*> all) {
    env_.clock().Advance(Millis(2'000));
    for (Shards* shards : all) Tick(*shards);
  }
  std::vector<int64_t> Of(const Shards& shards) {
    std::vector<int64_t> own;
    for (int64_t i = 0; i < 5; ++i) {
      if (shards.Has(call_, i)) own.push_back(i);
    }
    return own;
  }
  Code Write(Shards& shards, int64_t number) {
    return shards
        .Write(call_, number, [](Transaction& t) { return t.Query("SELECT 1", {}).status(); })
        .code();
  }

  TestEnv env_;
  Call call_;
  std::unique_ptr<Database> database_;
};

TEST_F(ShardsTest, WhoIsAloneHasAll) {
  Shards alone(*database_, Named(""));
  EXPECT_TRUE(alone.alone());
  EXPECT_TRUE(alone.Has(call_, 7) && alone.Leads(call_));
  EXPECT_EQ(Write(alone, 7), Code::kOk);
  Shards first(*database_, Named("a"));
  EXPECT_THAT(Of(first), IsEmpty());
  EXPECT_EQ(first.Filter(call_, "id"), " AND 1 = 0");
  Tick(first);
  EXPECT_THAT(Of(first), SizeIs(5));
  EXPECT_TRUE(first.Has(call_, 12)) << "by the remainder";
  EXPECT_EQ(first.Filter(call_, "id"), "");
}

TEST_F(ShardsTest, AreSharedFairly) {
  Shards a(*database_, Named("a"));
  Shards b(*database_, Named("b"));
  Shards c(*database_, Named("c"));
  Tick(a);
  Tick(b);
  EXPECT_THAT(Of(b), IsEmpty()) << "nothing is free yet";
  TickAll({&a, &b});
  EXPECT_THAT(Of(a), ElementsAre(0, 1, 2));
  EXPECT_THAT(Of(b), ElementsAre(3, 4));
  EXPECT_EQ(a.members(), 2U);
  EXPECT_EQ(b.Filter(call_, "id"), " AND id % 5 IN (3, 4)");
  Tick(c);
  TickAll({&a, &b, &c});
  EXPECT_THAT(Of(a), ElementsAre(0, 1));
  EXPECT_THAT(Of(b), ElementsAre(3, 4));
  EXPECT_THAT(Of(c), ElementsAre(2));
  TickAll({&c, &b, &a});
  EXPECT_THAT(Of(c), ElementsAre(2)) << "and then they stay where they are";
  EXPECT_TRUE(a.Leads(call_));
  EXPECT_FALSE(b.Leads(call_));
}

TEST_F(ShardsTest, WhatADeadOneHadIsTakenOver) {
  Shards a(*database_, Named("a"));
  Shards b(*database_, Named("b"));
  Tick(a);
  Tick(b);
  TickAll({&a, &b});
  ASSERT_THAT(Of(a), ElementsAre(0, 1, 2));
  TickAll({&b});
  TickAll({&b});
  EXPECT_THAT(Of(b), ElementsAre(3, 4)) << "too early";
  TickAll({&b});
  EXPECT_THAT(Of(b), SizeIs(5));
  EXPECT_THAT(Of(a), IsEmpty()) << "it knows that its time is over";
  EXPECT_EQ(Write(b, 0), Code::kOk);
  EXPECT_EQ(Write(a, 0), Code::kCancelled) << "and if it did not, it could not write";
  EXPECT_EQ(Write(b, 4), Code::kOk);
}

TEST_F(ShardsTest, WhatWasLostAndCameBackIsAnotherTerm) {
  Shards a(*database_, Named("a"));
  Shards b(*database_, Named("b"));
  Tick(a);
  env_.clock().Advance(kLength);
  Tick(b);
  ASSERT_THAT(Of(b), SizeIs(5));
  ASSERT_TRUE(b.Release(call_).ok());
  ASSERT_TRUE(a.Tick(call_).ok());
  EXPECT_THAT(Of(a), IsEmpty()) << "what was read in the old term must not be written now";
  EXPECT_EQ(Write(a, 0), Code::kCancelled);
  a.StartTerm();
  EXPECT_THAT(Of(a), SizeIs(5));
  EXPECT_EQ(Write(a, 0), Code::kOk);
}

TEST_F(ShardsTest, WhoStopsGivesAllBackAtOnce) {
  Shards a(*database_, Named("a"));
  Shards b(*database_, Named("b"));
  Tick(a);
  Tick(b);
  ASSERT_TRUE(a.Release(call_).ok());
  Tick(a);
  EXPECT_THAT(Of(a), IsEmpty()) << "and takes nothing more";
  Tick(b);
  EXPECT_THAT(Of(b), SizeIs(5));
  EXPECT_EQ(b.members(), 1U);
}

TEST_F(ShardsTest, TheDeadAreKnownOnlyAfterAWhile) {
  Shards a(*database_, Named("a"));
  Tick(a);
  EXPECT_FALSE(a.KnowsTheDead(call_));
  for (int i = 0; i < 3; ++i) TickAll({&a});
  EXPECT_TRUE(a.KnowsTheDead(call_));
  env_.clock().Advance(kLength);
  Tick(a);
  EXPECT_FALSE(a.KnowsTheDead(call_)) << "the store was away, the others could not speak either";
}

TEST_F(ShardsTest, NamesOfDeadServersAreForgotten) {
  for (const char* name : {"a", "b", "c"}) {
    Shards dead(*database_, Named(name));
    Tick(dead);
  }
  env_.clock().Advance(std::chrono::hours(2));
  Shards d(*database_, Named("d"));
  Tick(d);
  auto left = RunFor(call_, *database_, Access::kRead,
                     [](Transaction& t) { return LeasesBelow(t, MemberPrefix("test")); });
  ASSERT_TRUE(left.ok()) << left.status().ToString();
  EXPECT_THAT(*left, SizeIs(1));
}

}  // namespace
}  // namespace moraine::store
