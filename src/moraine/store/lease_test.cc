#include "moraine/store/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::TestEnv;

constexpr Millis kLength{6'000};

class LeaseTest : public testing::Test {
 protected:
  LeaseTest() : call_(env_.call(std::chrono::hours(1))), database_(MakeTestDatabase(call_)) {
    Status status = OpenLeases(call_, *database_);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }

  std::optional<Lease> Acquire(const std::string& holder, const std::string& name = "work") {
    auto lease = RunFor(call_, *database_, Access::kWrite,
                        [&](Transaction& t) { return AcquireLease(t, name, holder, kLength); });
    EXPECT_TRUE(lease.ok()) << lease.status().ToString();
    return lease.ok() ? *lease : std::nullopt;
  }
  Code Renew(Lease* lease) {
    return database_
        ->Run(call_, Access::kWrite, [&](Transaction& t) { return RenewLease(t, lease, kLength); })
        .code();
  }
  void Release(const Lease& lease) {
    Status status = database_->Run(call_, Access::kWrite,
                                   [&](Transaction& t) { return ReleaseLease(t, lease); });
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  Code Check(const Lease& lease) {
    return database_
        ->Run(call_, Access::kWrite, [&](Transaction& t) { return CheckLease(t, lease); })
        .code();
  }
  std::vector<std::string> NamesBelow(const std::string& prefix) {
    auto leases = RunFor(call_, *database_, Access::kRead,
                         [&](Transaction& t) { return LeasesBelow(t, prefix); });
    EXPECT_TRUE(leases.ok()) << leases.status().ToString();
    std::vector<std::string> names;
    if (leases.ok()) {
      for (const auto& lease : *leases) names.push_back(lease.name);
    }
    return names;
  }

  TestEnv env_;
  Call call_;
  std::unique_ptr<Database> database_;
};

TEST_F(LeaseTest, HasOneHolderAtATime) {
  auto first = Acquire("a");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->epoch, 1);
  EXPECT_EQ(first->expires_ms, ToMillis(env_.clock().Wall()) + kLength.count());
  EXPECT_FALSE(Acquire("b"));
  EXPECT_EQ(Check(*first), Code::kOk);
  auto other = Acquire("b", "other work");
  ASSERT_TRUE(other) << "leases know nothing of each other";
}

TEST_F(LeaseTest, OnesOwnIsRenewedAndKeepsItsEpoch) {
  auto first = Acquire("a");
  env_.clock().Advance(Millis(2'000));
  auto again = Acquire("a");
  ASSERT_TRUE(first && again);
  EXPECT_EQ(again->epoch, first->epoch);
  EXPECT_EQ(again->expires_ms, first->expires_ms + 2'000);
  env_.clock().Advance(Millis(5'999));
  EXPECT_FALSE(Acquire("b"));
  EXPECT_EQ(Renew(&*again), Code::kOk);
  env_.clock().Advance(Millis(5'999));
  EXPECT_FALSE(Acquire("b"));
}

TEST_F(LeaseTest, WhatHasRunOutIsTakenOverAndTheOldHolderWritesNothing) {
  auto first = Acquire("a");
  env_.clock().Advance(kLength);
  EXPECT_EQ(Check(*first), Code::kOk) << "nobody has taken it";
  auto second = Acquire("b");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->epoch, first->epoch + 1);
  EXPECT_EQ(Check(*first), Code::kCancelled);
  EXPECT_EQ(Renew(&*first), Code::kCancelled);
  EXPECT_FALSE(Acquire("a"));
  Release(*first);
  EXPECT_EQ(Check(*second), Code::kOk) << "who has lost it can't give it back";
}

TEST_F(LeaseTest, WhatCameBackIsNotWhatWasHeld) {
  auto first = Acquire("a");
  env_.clock().Advance(kLength);
  auto second = Acquire("b");
  ASSERT_TRUE(first && second);
  Release(*second);
  auto third = Acquire("a");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->epoch, 3);
  EXPECT_EQ(Check(*first), Code::kCancelled) << "another one had it meanwhile";
  EXPECT_EQ(Check(*third), Code::kOk);
}

TEST_F(LeaseTest, WhatIsGivenBackIsFreeAtOnce) {
  auto first = Acquire("a");
  Release(*first);
  EXPECT_EQ(Check(*first), Code::kCancelled);
  auto second = Acquire("b");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->epoch, 2);
}

TEST_F(LeaseTest, AreListedAndForgottenByTheStartOfTheirNames) {
  for (const char* name : {"w/1", "w/2", "w0", "v/1"}) ASSERT_TRUE(Acquire("a", name));
  EXPECT_THAT(NamesBelow("w/"), ElementsAre("w/1", "w/2"));
  env_.clock().Advance(kLength);
  ASSERT_TRUE(Acquire("a", "w/2"));
  Status status = database_->Run(call_, Access::kWrite, [&](Transaction& t) {
    return ForgetLeasesBelow(t, "w/", ToMillis(env_.clock().Wall()) + 1);
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(NamesBelow("w/"), ElementsAre("w/2"));
  EXPECT_THAT(NamesBelow("v/"), ElementsAre("v/1"));
  EXPECT_THAT(NamesBelow("u/"), IsEmpty());
}

}  // namespace
}  // namespace moraine::store
