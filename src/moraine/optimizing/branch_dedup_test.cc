// Runs on a branch and runs that leave out duplicates, from the wish to the commit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/optimizing/service.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/planning/landing.h"

namespace moraine::optimizing {
namespace {

using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using testing::HasSubstr;

constexpr char kTable[] = "t";
constexpr char kBranch[] = "audit";

class BranchDedupTest : public testing::Test {
 protected:
  BranchDedupTest() : service_(world_.engine(), world_.disk(), world_.store(), Quick()) {}
  static Options Quick() {
    Options options;
    options.refresh_interval = Millis(0);
    return options;
  }
  static iceberg::StringMap Patient() {
    return {{"self-optimizing.minor.trigger.file-count", "12"}};
  }
  Status Request(const RunRequest& request) {
    Call call = world_.call();
    return service_.Request(call, id_, request);
  }
  Status OnBranch(SnapshotChanges changes) {
    changes.branch = kBranch;
    return world_.Commit(kTable, std::move(changes));
  }
  Status AppendToBranch(const std::string& name) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kFastAppend;
    changes.added.push_back({world_.DataFile(kTable, name, 1), std::nullopt});
    return OnBranch(std::move(changes));
  }
  Status SetRef(const iceberg::TableUpdate& update) {
    Call call = world_.call();
    iceberg::CommitRequest request;
    request.updates = {update};
    return world_.engine().Commit(call, "w", {{"ns"}, kTable}, request, nullptr).status();
  }
  /// main holds a and b, the branch c and d, too; a run of the branch is planned.
  void PlanBranch() {
    id_ = world_.MakeTable(kTable, Patient());
    for (const char* name : {"a", "b"}) ASSERT_TRUE(world_.Append(kTable, {name}).ok());
    for (const char* name : {"c", "d"}) ASSERT_TRUE(AppendToBranch(name).ok());
    world_.token();
    ASSERT_TRUE(world_.Tick().ok());
    ASSERT_TRUE(Request({.type = "full", .branch = kBranch}).ok());
    ASSERT_TRUE(world_.Tick().ok());
    ASSERT_TRUE(world_.LastProcess());
  }
  int64_t Head(const std::string& branch) {
    return world_.Load(kTable)->metadata->FindRef(branch)->snapshot_id;
  }
  Process Last() { return world_.LastProcess().value(); }

  OptimizingWorld world_;
  Service service_;
  int64_t id_ = 0;
};

TEST_F(BranchDedupTest, ABranchIsOptimizedAndMainStays) {
  PlanBranch();
  const int64_t main = Head(iceberg::kMainBranch);
  const int64_t planned = Head(kBranch);
  const auto times = world_.State(id_)->times;
  EXPECT_EQ(Last().branch, kBranch);
  EXPECT_EQ(Last().input_files, 4);
  EXPECT_EQ(Last().snapshot_id, planned);
  EXPECT_EQ(Last().reason, "asked for by a person: 4 files in 1 partition of the branch audit");
  ASSERT_TRUE(AppendToBranch("e").ok());  // it moves on meanwhile
  EXPECT_EQ(world_.RunTasks(), 1U);
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded) << Last().error;
  EXPECT_EQ(Head(iceberg::kMainBranch), main);
  EXPECT_EQ(Head(kBranch), Last().committed_snapshot_id);
  EXPECT_EQ(world_.Names(kTable), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(world_.RollBack(kTable, Head(kBranch)).ok());
  EXPECT_EQ(world_.Names(kTable), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(world_.LiveFiles(kTable).size(), 2U);
  // Inputs are never deleted: other snapshots have them.
  EXPECT_EQ(world_.Leftovers(kTable).size(), 4U);
  EXPECT_EQ(world_.State(id_)->times.last_full_ms, times.last_full_ms);
}

TEST_F(BranchDedupTest, AMissingBranchAndATagAreRefused) {
  id_ = world_.MakeTable(kTable, Patient());
  ASSERT_TRUE(world_.Append(kTable, {"a"}).ok());
  ASSERT_TRUE(SetRef(iceberg::update::SetSnapshotRef{"v1",
                                                     {.snapshot_id = Head(iceberg::kMainBranch),
                                                      .type = iceberg::SnapshotRef::Type::kTag}})
                  .ok());
  EXPECT_EQ(Request({.type = "full", .branch = "gone"}).code(), Code::kNotFound);
  EXPECT_EQ(Request({.type = "full", .branch = "v1"}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(Request({.type = "full", .branch = iceberg::kMainBranch}).ok());
}

TEST_F(BranchDedupTest, ABranchThatIsDroppedEndsItsRunAlone) {
  PlanBranch();
  world_.RunTasks();
  ASSERT_TRUE(SetRef(iceberg::update::RemoveSnapshotRef{kBranch}).ok());
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Last().state, ProcessState::kFailed);
  EXPECT_THAT(Last().error, HasSubstr("no branch audit"));
  EXPECT_FALSE(world_.Load(kTable)->metadata->refs.contains(kBranch));
  const TableState state = world_.State(id_).value();
  EXPECT_EQ(state.failures, 0);
  EXPECT_NE(state.status, TableStatus::kFailed);
  EXPECT_EQ(world_.Leftovers(kTable).size(), 2U);  // c and d: the output is gone
}

TEST_F(BranchDedupTest, ABranchOfATableWhoseMainIsEmpty) {
  id_ = world_.MakeTable(kTable, Patient());
  for (const char* name : {"a", "b"}) ASSERT_TRUE(AppendToBranch(name).ok());
  world_.token();
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Request({.type = "major"}).code(), Code::kConflict);
  ASSERT_TRUE(Request({.type = "major", .branch = kBranch}).ok());
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(world_.RunTasks(), 1U);
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded) << Last().error;
  EXPECT_EQ(world_.Load(kTable)->metadata->CurrentSnapshot(), nullptr);
}

/// The worker's report of a task that left out some rows.
tasks::TaskReport WithDuplicates(tasks::TaskReport report, int64_t rows) {
  auto json = Json::Parse(*report.output_json).value();
  Json& file = json.Find("data-files")->as_array().at(0);
  file.Set("records", Json(*file.Find("records")->int64() - rows));
  json.Set("rows-deduplicated", rows);
  report.output_json = json.ToString();
  return report;
}

TEST_F(BranchDedupTest, DuplicatesGoInAnOverwriteThatSaysHowMany) {
  id_ = world_.MakeTable(kTable, {{"self-optimizing.dedup.key", "data"}});
  ASSERT_TRUE(world_.Append(kTable, {"a", "b"}).ok());
  world_.token();
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Last().type, planning::OptimizingType::kFull);
  Call call = world_.call();
  ASSERT_TRUE(world_.parts().queue.Report(call, WithDuplicates(*world_.RunOneTask(), 3)).ok());
  ASSERT_TRUE(world_.Append(kTable, {"c"}).ok());  // no conflict
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded) << Last().error;
  EXPECT_EQ(Last().deduplicated_rows, 3);
  const auto& snapshot = *world_.Load(kTable)->metadata->CurrentSnapshot();
  EXPECT_EQ(snapshot.operation(), "overwrite");
  EXPECT_EQ(snapshot.summary.at(planning::kDeduplicatedKey), "3");
  EXPECT_THAT(world_.State(id_)->reason, HasSubstr("file"));
}

TEST_F(BranchDedupTest, DeletesThatCameMeanwhileHaveItDoneAgain) {
  world_.options().backoff_first = world_.options().backoff_last = Millis(1);
  world_.Restart();
  id_ = world_.MakeTable(kTable, {{"self-optimizing.dedup.key", "data"}});
  ASSERT_TRUE(world_.Append(kTable, {"a", "b"}).ok());
  world_.token();
  for (int round = 0; round < 7; ++round) {
    world_.Advance(std::chrono::seconds(2));
    ASSERT_TRUE(world_.Tick().ok());
    world_.RunTasks();
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kRowDelta;
    changes.added.push_back({world_.PositionDeletes(kTable, "p" + std::to_string(round),
                                                    world_.DataFile(kTable, "a", 1)),
                             std::nullopt});
    ASSERT_TRUE(world_.Commit(kTable, changes).ok());
    ASSERT_TRUE(world_.Tick().ok());
    ASSERT_EQ(Last().state, ProcessState::kFailed);
    EXPECT_THAT(Last().error, HasSubstr("of which others are duplicates"));
    // However often: it is nobody's fault, and no person has to come.
    EXPECT_LT(world_.State(id_)->retry_ms, kWaitForPerson);
  }
}

TEST_F(BranchDedupTest, WhatIsWrongIsSaidAtOnce) {
  id_ = world_.MakeTable(kTable, Patient());
  ASSERT_TRUE(world_.Append(kTable, {"a"}).ok());
  for (const RunRequest& wrong :
       {RunRequest{.type = "full", .dedup_key = "nothing"},
        RunRequest{.type = "major", .dedup_key = "id"},
        RunRequest{.type = "full", .dedup_by = "id"}, RunRequest{.type = "full", .dedup_key = "*"},
        RunRequest{.type = "full", .dedup_key = "id", .dedup_by = "id,data"}})
    EXPECT_EQ(Request(wrong).code(), Code::kInvalidArgument) << wrong.dedup_key;
  EXPECT_TRUE(Request({.type = "full", .dedup_key = "id, data", .dedup_by = "data"}).ok());
}

}  // namespace
}  // namespace moraine::optimizing
