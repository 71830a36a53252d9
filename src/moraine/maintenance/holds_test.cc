#include "moraine/maintenance/holds.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::maintenance {
namespace {

constexpr int64_t kDayMs = 86'400'000;

/// 1 <- 2 <- 3 <- 4 (main), 3 <- 5 (branch), 2 (tag).
iceberg::TableMetadata Metadata() {
  iceberg::TableMetadata metadata;
  const auto add = [&](int64_t id, std::optional<int64_t> parent) {
    auto snapshot = std::make_shared<iceberg::Snapshot>();
    snapshot->snapshot_id = id;
    snapshot->parent_snapshot_id = parent;
    snapshot->timestamp_ms = id * 1'000;
    metadata.snapshots.push_back(std::move(snapshot));
  };
  add(1, std::nullopt);
  add(2, 1);
  add(3, 2);
  add(4, 3);
  add(5, 3);
  metadata.current_snapshot_id = 4;
  metadata.refs["main"].snapshot_id = 4;
  metadata.refs["b"].snapshot_id = 5;
  metadata.refs["t"].snapshot_id = 2;
  return metadata;
}

class HoldsTest : public testing::Test {
 protected:
  HoldsTest() {
    Call call = env_.call();
    database_ = store::MakeTestDatabase(call);
    holds_.emplace(*database_, HoldOptions{});
    EXPECT_TRUE(holds_->Open(call).ok());
  }
  Result<Hold> Put(const std::string& name, int64_t snapshot, Millis length = Millis(0)) {
    Call call = env_.call();
    return holds_->Put(call, 1, Metadata(), {name, snapshot, true, "why", length});
  }
  std::vector<Hold> List(int64_t table_id = 1) {
    Call call = env_.call();
    return holds_->List(call, table_id).value();
  }

  testing::TestEnv env_;
  std::unique_ptr<store::Database> database_;
  std::optional<Holds> holds_;
};

TEST_F(HoldsTest, AreSetMovedAndReleasedByName) {
  auto first = Put("flink-orders", 2);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(first->expires_ms, first->created_ms + 7 * kDayMs);
  EXPECT_EQ(first->snapshot_ms, 2'000);
  env_.clock().Advance(std::chrono::hours(1));
  auto moved = Put("flink-orders", 3, Millis(kDayMs));
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(moved->created_ms, first->created_ms);
  EXPECT_EQ(moved->moved_ms, first->created_ms + 3'600'000);
  EXPECT_EQ(moved->expires_ms, moved->moved_ms + kDayMs);
  ASSERT_TRUE(Put("audit", 1).ok());
  ASSERT_EQ(List().size(), 2U);
  EXPECT_EQ(List()[0].name, "audit");
  EXPECT_EQ(List()[1].snapshot_id, 3);
  EXPECT_EQ(List()[1].reason, "why");
  EXPECT_TRUE(List(2).empty());
  Call call = env_.call();
  EXPECT_TRUE(holds_->Release(call, 1, "audit").value());
  EXPECT_FALSE(holds_->Release(call, 1, "audit").value());
  EXPECT_EQ(List().size(), 1U);
}

TEST_F(HoldsTest, AreReadByExpiry) {
  Hold hold;
  hold.name = "flink";
  hold.snapshot_id = 2;
  upkeep::SnapshotHold read = ForExpiry(hold);
  EXPECT_EQ(read.reason, "held by 'flink'");
  EXPECT_EQ(read.snapshot_ids, std::vector<int64_t>{2});
  EXPECT_EQ(read.from_snapshot, 2) << "the reader's branch stays, too";
  hold.and_later = false;
  EXPECT_FALSE(ForExpiry(hold).from_snapshot);
}

TEST_F(HoldsTest, EndByThemselves) {
  ASSERT_TRUE(Put("short", 2, Millis(60'000)).ok());
  ASSERT_TRUE(Put("long", 2).ok());
  env_.clock().Advance(std::chrono::seconds(61));
  ASSERT_EQ(List().size(), 1U);
  EXPECT_EQ(List()[0].name, "long");
  Call call = env_.call();
  EXPECT_FALSE(holds_->Release(call, 1, "short").value());
  EXPECT_EQ(holds_->Trim(call).value().holds, 1);
  auto again = Put("short", 3).value();
  EXPECT_EQ(again.created_ms, again.moved_ms) << "a new one";
}

TEST_F(HoldsTest, OldOnesAreWarnedOf) {
  Hold hold = Put("slow", 2).value();
  EXPECT_EQ(holds_->WarningOf(hold, hold.snapshot_ms + 3 * kDayMs), "");
  auto warning = holds_->WarningOf(hold, hold.snapshot_ms + 4 * kDayMs);
  EXPECT_NE(warning.find("'slow' holds a snapshot that is"), std::string::npos) << warning;
  Call call = env_.call();
  auto counts = holds_->Trim(call).value();
  EXPECT_EQ(counts.holds, 1);
  EXPECT_EQ(counts.old, 1) << "snapshot 2 was made in 1970";
}

TEST_F(HoldsTest, RefusesWhatItCannotKeep) {
  EXPECT_EQ(Put("", 2).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Put("two\nlines", 2).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Put(std::string(201, 'x'), 2).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Put("x", 2, Millis(31 * kDayMs)).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Put("x", 2, Millis(-1)).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Put("x", 77).status().code(), Code::kNotFound);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put("h" + std::to_string(i), 2).ok());
  EXPECT_EQ(Put("x", 2).status().code(), Code::kExhausted);
  EXPECT_TRUE(Put("h7", 3).ok());
}

}  // namespace
}  // namespace moraine::maintenance
