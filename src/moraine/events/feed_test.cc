#include "moraine/events/feed.h"

#include <gtest/gtest.h>

#include "moraine/base/json.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::events {
namespace {

using catalog::CatalogWorld;
using Freshness = Feed::Freshness;

class CountingWaiter final : public net::Waiter {
 public:
  void Wake() override { ++woken; }
  std::atomic<int> woken = 0;
};

class FeedTest : public testing::Test {
 protected:
  FeedTest() {
    world_.catalog().OnChange([this] { feed_.Announce(); });
  }

  std::vector<int64_t> Numbers(Feed& feed, int64_t after, size_t limit = 100,
                               Freshness freshness = Freshness::kStore) {
    Call call = world_.call();
    auto slice = feed.Read(call, after, limit, freshness).value();
    std::vector<int64_t> numbers;
    for (const auto& event : slice.events) numbers.push_back(event->sequence);
    return numbers;
  }

  CatalogWorld world_;  // one event: its namespace
  Options options_;
  Feed feed_{world_.catalog(), options_};
};

TEST_F(FeedTest, GivesEventsInOrderFromAnywhere) {
  for (const char* name : {"a", "b", "c"}) world_.MakeTable(name);
  EXPECT_EQ(Numbers(feed_, 0), (std::vector<int64_t>{1, 2, 3, 4}));
  for (int round = 0; round < 2; ++round) {  // from the store, from memory
    EXPECT_EQ(Numbers(feed_, 1, 2), (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(Numbers(feed_, 3), (std::vector<int64_t>{4}));
    EXPECT_EQ(Numbers(feed_, 4), std::vector<int64_t>());
    EXPECT_EQ(Numbers(feed_, 0, 1), (std::vector<int64_t>{1}));
  }
  Call call = world_.call();
  EXPECT_EQ(feed_.Newest(call).value(), 4);
  EXPECT_EQ(feed_.BeforeOldest(call).value(), 0);
}

TEST_F(FeedTest, WhoIsWokenSeesWhatWokeIt) {
  EXPECT_EQ(Numbers(feed_, 1), std::vector<int64_t>());
  auto waiter = std::make_shared<CountingWaiter>();
  uint64_t seen = feed_.heard();
  EXPECT_EQ(Numbers(feed_, 1, 100, Freshness::kAnnounced), std::vector<int64_t>());
  feed_.Park(waiter, seen);
  EXPECT_EQ(waiter->woken, 0);
  EXPECT_EQ(feed_.waiting(), 1u);
  world_.MakeTable("a");
  EXPECT_EQ(waiter->woken, 1);
  EXPECT_EQ(feed_.waiting(), 0u);
  EXPECT_EQ(Numbers(feed_, 1, 100, Freshness::kAnnounced), (std::vector<int64_t>{2}));
  // What happened between the look and the parking wakes at once.
  feed_.Park(waiter, seen);
  EXPECT_EQ(waiter->woken, 2);
}

TEST_F(FeedTest, HearsOfOtherServersByAPoll) {
  Call call = world_.call();
  ASSERT_TRUE(feed_.Poll(call).ok());
  auto waiter = std::make_shared<CountingWaiter>();
  EXPECT_EQ(Numbers(feed_, 1), std::vector<int64_t>());
  feed_.Park(waiter, feed_.heard());
  auto other = world_.Another();
  ASSERT_TRUE(
      other->Create(call, catalog::kTestWarehouse, catalog::SimpleTable({{"ns"}, "a"})).ok());
  EXPECT_EQ(Numbers(feed_, 1), (std::vector<int64_t>{2}));
  EXPECT_EQ(waiter->woken, 0);
  ASSERT_TRUE(feed_.Poll(call).ok());
  EXPECT_EQ(waiter->woken, 1);
  ASSERT_TRUE(feed_.Poll(call).ok());
  EXPECT_EQ(waiter->woken, 1);
}

TEST_F(FeedTest, SaysWhatIsNoLongerKept) {
  for (const char* name : {"a", "b", "c"}) world_.MakeTable(name);
  world_.env().clock().Advance(std::chrono::hours(1));
  Call call = world_.call();
  EXPECT_EQ(world_.catalog().LastChange(call).value(), 4);  // gives them numbers, on servers
  ASSERT_TRUE(world_.catalog().TrimChanges(call, ToMillis(call.clock().Wall()), 2).ok());
  auto slice = feed_.Read(call, 0, 100, Freshness::kStore).value();
  ASSERT_TRUE(slice.gap);
  EXPECT_EQ(slice.gap->first, 1);
  EXPECT_EQ(slice.gap->last, 2);
  EXPECT_EQ(slice.events.size(), 2u);
  EXPECT_FALSE(feed_.Read(call, 2, 100, Freshness::kStore)->gap);
  EXPECT_EQ(feed_.BeforeOldest(call).value(), 2);
}

TEST_F(FeedTest, MemoryHoldsTheNewestWhoeverReadsWhat) {
  Feed late(world_.catalog(), options_);
  for (int i = 0; i < 30; ++i) world_.MakeTable("t" + std::to_string(i));
  // One reader far behind, one at the end: each sees what follows its place.
  EXPECT_EQ(Numbers(late, 29), (std::vector<int64_t>{30, 31}));
  EXPECT_EQ(Numbers(late, 0, 3), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(Numbers(late, 27, 3), (std::vector<int64_t>{28, 29, 30}));
  EXPECT_EQ(Numbers(late, 30, 5), (std::vector<int64_t>{31}));
  world_.MakeTable("next");
  EXPECT_EQ(Numbers(late, 30, 5), (std::vector<int64_t>{31, 32}));
  EXPECT_EQ(Numbers(late, 0, 100).size(), 32u);
}

}  // namespace
}  // namespace moraine::events
