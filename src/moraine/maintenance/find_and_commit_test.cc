// The drivers of dangling deletes, expired data, manifests and tags, with commits applied and tasks
// run on the spot.

#include "moraine/maintenance/find_and_commit.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/maintenance/clean_dangling_deletes.h"
#include "moraine/maintenance/create_tags.h"
#include "moraine/maintenance/expire_data.h"
#include "moraine/maintenance/rewrite_manifests.h"
#include "moraine/maintenance/testing/driver_fixture.h"

namespace moraine::maintenance {
namespace {

using iceberg::SnapshotOperation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AgeingRun : public DriverFixture {
 protected:
  Status Commit(SnapshotOperation operation, const std::vector<iceberg::DataFile>& added,
                const std::vector<iceberg::DataFile>& removed = {},
                std::optional<int64_t> sequence = std::nullopt) {
    return table_.Change(call_, operation, added, removed, sequence);
  }
  std::vector<std::string> Scan() { return *table_.Scan(call_); }
};

TEST_F(AgeingRun, RemovesDanglingDeletes) {
  auto action = MakeCleanDanglingDeletes();
  EXPECT_NE(Run(*action).nothing, "");
  ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {table_.Data("a", 1)}).ok());
  EXPECT_NE(Run(*action).nothing, "");
  ASSERT_TRUE(Commit(SnapshotOperation::kRowDelta,
                     {table_.EqualityDeletes("e1", 1, 0, 5), table_.EqualityDeletes("e2", 2, 0, 5)})
                  .ok());
  const auto before = Scan();
  dry_run_ = true;
  EXPECT_THAT(Run(*action).done.summary, HasSubstr("1 of 2 delete files"));
  dry_run_ = false;
  const auto outcome = Run(*action);
  EXPECT_EQ(outcome.commits, 1);
  EXPECT_EQ(outcome.done.files_removed, 1);
  EXPECT_EQ(outcome.done.bytes_removed, 50);
  EXPECT_EQ(Scan(), before);
  // Others may have come before the commit: the next run looks, the one after it need not.
  EXPECT_EQ(Run(*action).rounds, 1);
  EXPECT_THAT(Run(*action).nothing, HasSubstr("nothing was committed"));
  config_.gc_enabled = false;
  memory_ = "{}";
  EXPECT_THAT(Run(*action).nothing, HasSubstr("gc.enabled"));
}

TEST_F(AgeingRun, LooksAgainWhenOthersRuledItOut) {
  auto action = MakeCleanDanglingDeletes();
  ASSERT_TRUE(
      Commit(SnapshotOperation::kFastAppend, {table_.Data("a", 1), table_.Data("b", 2)}).ok());
  ASSERT_TRUE(Commit(SnapshotOperation::kRowDelta, {table_.EqualityDeletes("e", 3, 0, 5)}).ok());
  const auto outcome = Run(*action, [&] {
    // A rewrite brings rows that the delete reaches.
    ASSERT_TRUE(
        Commit(SnapshotOperation::kRewriteFiles, {table_.Data("b2", 3)}, {table_.Data("b", 2)}, 1)
            .ok());
  });
  EXPECT_EQ(outcome.rounds, 2);
  EXPECT_EQ(outcome.commits, 0);
  EXPECT_THAT(outcome.done.summary, HasSubstr("nothing was found"));
  EXPECT_THAT(Scan(), ElementsAre("a seq=1 deletes=[]", "b2 seq=1 deletes=[e]"));
}

TEST_F(AgeingRun, ExpiresData) {
  auto action = MakeExpireData();
  ASSERT_TRUE(
      Commit(SnapshotOperation::kFastAppend, {table_.Data("a", 1), table_.Data("b", 2)}).ok());
  config_.data_expire_field = "id";  // 99 ms after 1970
  EXPECT_THAT(Run(*action).nothing, HasSubstr("retention-time"));
  config_.data_retention = Millis(3'600'000);
  config_.legal_hold = true;
  EXPECT_THAT(Run(*action).nothing, HasSubstr("legal-hold"));
  config_.legal_hold = false;
  dry_run_ = true;
  auto outcome = Run(*action);
  EXPECT_EQ(outcome.commits, 0);
  EXPECT_THAT(outcome.done.summary, HasSubstr("200 rows in 2 data files of 2 partitions"));
  EXPECT_THAT(outcome.done.details, HasSubstr(R"("partition":"day=1")"));
  dry_run_ = false;
  outcome = Run(*action);
  EXPECT_EQ(outcome.commits, 1);
  EXPECT_EQ(outcome.done.files_removed, 2);
  EXPECT_THAT(Scan(), testing::IsEmpty());
  EXPECT_EQ(Run(*action).rounds, 1);
  EXPECT_THAT(Run(*action).nothing, HasSubstr("nothing was committed"));
  config_.data_expire_level = upkeep::ExpireLevel::kFile;
  EXPECT_THAT(Run(*action).done.summary, HasSubstr("nothing was found"));
  auto untimed = table_.Data("c", 3);
  untimed.null_value_counts = {{1, 1}};  // a row without a time
  ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {untimed}).ok());
  EXPECT_EQ(Run(*action).done.summary,
            "nothing was found; 1 data file stays, as id does not tell how old its rows are");
  config_.data_expire_field = "none";
  EXPECT_EQ(action->Start(call_, Context("{}")).status().code(), Code::kInvalidArgument);
}

TEST_F(AgeingRun, DataStaysWhenThePropertiesChangeMeanwhile) {
  auto action = MakeExpireData();
  ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {table_.Data("a", 1)}).ok());
  config_.data_expire_field = "id";
  config_.expire_data = true;
  const auto meanwhile = [&](const std::function<void()>& change) {
    config_.data_retention = Millis(3'600'000);
    auto outcome = Run(*action, change);
    EXPECT_EQ(outcome.rounds, 1);
    EXPECT_EQ(outcome.commits, 0);
    EXPECT_THAT(outcome.done.summary, HasSubstr("properties were changed"));
  };
  meanwhile([&] { config_.expire_data = false; });
  meanwhile([&] { config_.data_retention = Millis(7'200'000); });
  config_.data_retention = Millis(3'600'000);
  EXPECT_EQ(Run(*action).commits, 1);
}

TEST_F(AgeingRun, WritesManifestsInOrder) {
  auto action = MakeRewriteManifests();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {table_.Data(fmt::format("a{}", i), i % 7),
                                                        table_.Data(fmt::format("b{}", i), i % 5)})
                    .ok());
  }
  const auto before = Scan();
  dry_run_ = true;
  EXPECT_THAT(Run(*action).done.summary, HasSubstr("20 manifests to be written in order"));
  dry_run_ = false;
  auto outcome = Run(*action);
  EXPECT_EQ(outcome.commits, 1);
  EXPECT_THAT(outcome.done.summary, HasSubstr("20 manifests by 1"));
  EXPECT_EQ(Scan(), before);
  EXPECT_THAT(memory_, HasSubstr("reads-after"));
  ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {table_.Data("c", 1)}).ok());
  EXPECT_THAT(Run(*action).nothing, HasSubstr("would not gain"));
}

TEST_F(AgeingRun, MakesTagsOnce) {
  auto action = MakeCreateTags();
  ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {table_.Data("a", 1)}).ok());
  const int64_t id = table_.current().snapshot_id;
  const int64_t day = 86'400'000;
  const int64_t tomorrow = (table_.current().timestamp_ms / day + 1) * day + 60'000;
  env_.clock().Advance(FromMillis(tomorrow) - env_.clock().Wall());
  dry_run_ = true;
  EXPECT_THAT(Run(*action).done.summary, HasSubstr("would make the tag"));
  dry_run_ = false;
  EXPECT_EQ(Run(*action).commits, 1);
  ASSERT_EQ(table_.metadata()->refs.size(), 2u);
  EXPECT_EQ(table_.metadata()->refs.rbegin()->second.snapshot_id, id);
  EXPECT_THAT(Run(*action).nothing, HasSubstr("is there already"));
}

TEST_F(AgeingRun, LeavesTablesOfOthersAlone) {
  ASSERT_TRUE(Commit(SnapshotOperation::kFastAppend, {table_.Data("a", 1)}).ok());
  origin_ = "registered";
  for (const auto& make :
       {MakeCleanDanglingDeletes, MakeExpireData, MakeRewriteManifests, MakeCreateTags})
    EXPECT_THAT(Run(*make()).nothing, HasSubstr("registered"));
}

}  // namespace
}  // namespace moraine::maintenance
