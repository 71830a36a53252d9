#include "moraine/catalog/blockers.h"

#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

class BlockersTest : public testing::Test {
 protected:
  BlockersTest() {
    Call call = env_.call();
    database_ = store::MakeTestDatabase(call);
    blockers_.emplace(*database_);
    EXPECT_TRUE(blockers_->Open(call).ok());
  }
  Result<Blocker> Take(const std::vector<std::string>& operations, bool exclusive = false,
                       Millis length = kDefaultBlockerLength, int64_t table_id = 1) {
    Call call = env_.call();
    return blockers_->Take(call, table_id, {operations, exclusive, "load-7", length});
  }
  /// Id of the blocker that keeps the operation off, or "".
  std::string Found(std::string_view operation, int64_t table_id = 1) {
    Call call = env_.call();
    auto found = RunFor(call, *database_, Access::kRead,
                        [&](Transaction& t) { return FindBlocker(t, table_id, operation); });
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() && *found ? (*found)->id : "";
  }
  /// As if the time had passed.
  void Expire(const std::string& id) {
    Call call = env_.call();
    EXPECT_TRUE(database_
                    ->Run(call, Access::kWrite,
                          [&](Transaction& t) {
                            return t
                                .Execute(
                                    "UPDATE table_blocker SET expires_ms = 1 WHERE blocker_id = ?",
                                    {id})
                                .status();
                          })
                    .ok());
  }

  testing::TestEnv env_;
  std::unique_ptr<store::Database> database_;
  std::optional<Blockers> blockers_;
};

TEST_F(BlockersTest, KeepsOffWhatItNames) {
  auto one = Take({"optimize", "expire-snapshots"});
  ASSERT_TRUE(one.ok()) << one.status().ToString();
  EXPECT_EQ(one->expires_ms, one->taken_ms + 60'000);
  EXPECT_EQ(Found("optimize"), one->id);
  EXPECT_EQ(Found("expire-snapshots"), one->id);
  EXPECT_EQ(Found("expire-data"), "");
  EXPECT_EQ(Found("optimize", 2), "");
  auto all = Take({"all"}, false, Millis(120'000));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(Found("expire-data"), all->id);
  EXPECT_EQ(Found("optimize"), all->id) << "the one that lasts longer";
  EXPECT_EQ(Found("write"), "");
  EXPECT_NE(Explain(*one).find("blocked by load-7 (expire-snapshots, optimize) until 20"),
            std::string::npos);
}

TEST_F(BlockersTest, ExclusiveOnesMeetNobody) {
  struct Case {
    std::vector<std::string> held;
    bool held_alone;
    std::vector<std::string> wanted;
    bool wanted_alone;
    bool granted;
  };
  const Case cases[] = {
      {{"optimize"}, false, {"optimize"}, false, true},
      {{"optimize"}, true, {"optimize"}, false, false},
      {{"optimize"}, false, {"optimize"}, true, false},
      {{"optimize"}, true, {"expire-data"}, true, true},
      {{"all"}, true, {"expire-data"}, false, false},
      {{"expire-data"}, false, {"all"}, true, false},
      {{"write", "optimize"}, false, {"write"}, false, false},
      {{"write"}, false, {"all"}, false, true},
      {{"write", "optimize"}, false, {"optimize"}, false, false},
  };
  int64_t table_id = 10;
  for (const auto& c : cases) {
    ++table_id;
    ASSERT_TRUE(Take(c.held, c.held_alone, kDefaultBlockerLength, table_id).ok());
    auto second = Take(c.wanted, c.wanted_alone, kDefaultBlockerLength, table_id);
    EXPECT_EQ(second.ok(), c.granted) << "case " << table_id - 10;
    EXPECT_EQ(second.status().code(), c.granted ? Code::kOk : Code::kConflict);
  }
}

TEST_F(BlockersTest, LivesUntilItExpiresOrIsReleased) {
  Call call = env_.call();
  auto first = Take({"write"}, true);
  ASSERT_TRUE(first.ok());
  auto renewed = blockers_->Renew(call, 1, first->id, Millis(300'000));
  ASSERT_TRUE(renewed.ok()) << renewed.status().ToString();
  EXPECT_GE(renewed->expires_ms, first->taken_ms + 300'000);
  EXPECT_EQ(blockers_->Renew(call, 2, first->id, {}).status().code(), Code::kNotFound);

  Expire(first->id);
  EXPECT_EQ(blockers_->Renew(call, 1, first->id, {}).status().code(), Code::kNotFound);
  EXPECT_EQ(Found("write"), "");
  auto second = Take({"write"}, true);
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(blockers_->List(call, 1).value().size(), 1U);

  EXPECT_TRUE(blockers_->Release(call, 1, second->id).value());
  EXPECT_FALSE(blockers_->Release(call, 1, second->id).value());
  EXPECT_TRUE(blockers_->List(call, 1).value().empty());

  auto third = Take({"all"});
  Expire(third->id);
  ASSERT_TRUE(blockers_->Trim(call).ok());
  auto rows = RunFor(call, *database_, Access::kRead, [](Transaction& t) {
    return t.Query("SELECT blocker_id FROM table_blocker", {});
  });
  EXPECT_TRUE(rows.value().empty());
}

TEST_F(BlockersTest, RefusesWhatItCannotKeep) {
  Call call = env_.call();
  const NewBlocker wrong[] = {
      {{}, false, "o", Millis(60'000)},
      {{"Optimize!"}, false, "o", Millis(60'000)},
      {{"a,b"}, false, "o", Millis(60'000)},
      {{"optimize"}, false, "", Millis(60'000)},
      {{"optimize"}, false, "line\nbreak", Millis(60'000)},
      {{"optimize"}, false, std::string(501, 'x'), Millis(60'000)},
      {{"optimize"}, false, "o", Millis(999)},
      {{"optimize"}, false, "o", Millis(25LL * 3'600'000)},
  };
  for (const auto& wanted : wrong) {
    EXPECT_EQ(blockers_->Take(call, 1, wanted).status().code(), Code::kInvalidArgument);
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Take({"optimize"}).ok());
  EXPECT_EQ(Take({"optimize"}).status().code(), Code::kExhausted);
}

TEST_F(BlockersTest, OfManyWhoWantItAloneOneGetsIt) {
  constexpr int kWriters = 8;
  // Who loses again and again pauses before the next try: for ever, by a clock that stands.
  testing::TestEnv real(1, testing::TestClock::kSystem);
  std::atomic<int> granted = 0;
  {
    std::vector<Thread> writers;
    for (int i = 0; i < kWriters; ++i) {
      writers.emplace_back("writer", [&](std::stop_token) {
        Call call = real.call();
        auto taken = blockers_->Take(call, 1, {{"write"}, true, "load-7", kDefaultBlockerLength});
        granted += taken.ok() ? 1 : 0;
        EXPECT_EQ(taken.status().code(), taken.ok() ? Code::kOk : Code::kConflict);
      });
    }
  }
  EXPECT_EQ(granted, 1);
}

}  // namespace
}  // namespace moraine::catalog
