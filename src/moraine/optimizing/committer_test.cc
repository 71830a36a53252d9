#include "moraine/optimizing/committer.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/lifecycle.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/io/testing/hooked_files.h"
#include "moraine/optimizing/process_end.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/planning/landing.h"

namespace moraine::optimizing {
namespace {

using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using testing::ElementsAre;
using testing::FaultKind;
using testing::HasSubstr;
using Names = std::vector<std::string>;

constexpr char kTable[] = "t";

class CommitterTest : public testing::Test {
 protected:
  /// Two partitions with two small files each, planned: two tasks.
  void Plan(iceberg::StringMap properties = {{"self-optimizing.allow-partial-commit", "true"}}) {
    id_ = world_.MakeTable(kTable, std::move(properties));
    ASSERT_TRUE(world_.Append(kTable, {"a", "b"}, 1).ok());
    ASSERT_TRUE(world_.Append(kTable, {"c", "d"}, 2).ok());
    world_.token();
    ASSERT_TRUE(world_.Tick().ok());
    ASSERT_TRUE(world_.LastProcess());
    ASSERT_EQ(world_.LastProcess()->tasks, 2);
  }
  Status CommitTick() {
    Call call = world_.call();
    MORAINE_TRY(world_.parts().committer.CommitTick(call));
    return world_.parts().committer.CleanTick(call);
  }
  Process Last() { return world_.LastProcess().value(); }
  size_t CountMarks() {
    size_t count = 0;
    for (const auto& snapshot : world_.Load(kTable)->metadata->snapshots)
      count += snapshot->summary.count(planning::kProcessKey);
    return count;
  }
  size_t CountData() { return world_.LiveFiles(kTable).size(); }

  OptimizingWorld world_;
  int64_t id_ = 0;
};

TEST_F(CommitterTest, CommitsWhatTheTasksMade) {
  Plan();
  EXPECT_EQ(world_.RunTasks(), 2u);
  ASSERT_TRUE(CommitTick().ok());
  Process process = Last();
  EXPECT_EQ(process.state, ProcessState::kSucceeded);
  EXPECT_EQ(process.error, "");
  EXPECT_EQ(process.output_files, 2);
  const auto& snapshot = *world_.Load(kTable)->metadata->CurrentSnapshot();
  EXPECT_EQ(process.committed_snapshot_id, snapshot.snapshot_id);
  EXPECT_EQ(snapshot.summary.at(planning::kProducerKey), planning::kProducerValue);
  EXPECT_EQ(snapshot.summary.at(planning::kProcessKey), process.process_id);
  EXPECT_EQ(snapshot.summary.at("operation"), "replace");
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(CountData(), 2u);
  // The inputs stay for older snapshots; nothing else is left.
  EXPECT_EQ(world_.Leftovers(kTable).size(), 4u);
  TableState state = world_.State(id_).value();
  EXPECT_EQ(state.status, TableStatus::kIdle);
  EXPECT_GT(state.written_bytes, 0);
  EXPECT_TRUE(world_.Tick().ok());
  EXPECT_EQ(Last().process_id, process.process_id);
}

// Another server may have read the process before this one landed it.
TEST_F(CommitterTest, AProcessThatHasEndedIsNotEndedAgain) {
  Plan();
  ASSERT_EQ(world_.RunTasks(), 2u);
  ASSERT_TRUE(CommitTick().ok());
  const Process landed = Last();
  ASSERT_EQ(landed.state, ProcessState::kSucceeded);
  Process late = landed;
  late.state = ProcessState::kFailed;
  late.error = "others were quicker";
  Call call = world_.call();
  const std::string table = world_.Load(kTable)->metadata->location;
  Status ended = world_.store().Run(call, store::Access::kWrite, [&](store::Transaction& t) {
    return EndRows(t, late, {{{late.process_id, 0, 1}, table + "/data/", 0}}, {}, Options());
  });
  EXPECT_EQ(ended.code(), Code::kConflict) << ended.ToString();
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(CountData(), 2u);
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
}

TEST_F(CommitterTest, DropsTheTaskWhoseInputWasRemoved) {
  Plan();
  world_.RunTasks();
  ASSERT_TRUE(world_.Remove(kTable, world_.DataFile(kTable, "a", 1)).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_THAT(Last().error, HasSubstr("1 tasks were left out: another commit removed"));
  EXPECT_EQ(world_.Names(kTable), (Names{"b", "c", "d"}));
  EXPECT_EQ(CountData(), 2u);
  // a, c and d, the output of the dropped task is gone.
  EXPECT_EQ(world_.Leftovers(kTable).size(), 3u);
}

TEST_F(CommitterTest, DropsTheTaskWhoseRowsWereDeletedByPosition) {
  Plan();
  world_.RunTasks();
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRowDelta;
  changes.added.push_back(
      {world_.PositionDeletes(kTable, "p", world_.DataFile(kTable, "c", 2)), std::nullopt});
  ASSERT_TRUE(world_.Commit(kTable, changes).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_THAT(Last().error, HasSubstr("another commit deleted rows of the input file"));
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(CountData(), 4u);
}

TEST_F(CommitterTest, KeepsTheTaskWhenEqualityDeletesCame) {
  Plan();
  world_.RunTasks();
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRowDelta;
  changes.added.push_back({world_.EqualityDeletes(kTable, "e", 1), std::nullopt});
  ASSERT_TRUE(world_.Commit(kTable, changes).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(Last().error, "");
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(CountData(), 3u);  // two outputs and the equality deletes, which still apply
}

TEST_F(CommitterTest, FailsWhenNothingIsLeftOfTheWork) {
  Plan();
  world_.RunTasks();
  for (const char* name : {"a", "c"})
    ASSERT_TRUE(world_.Remove(kTable, world_.DataFile(kTable, name, name[0] == 'a' ? 1 : 2)).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kFailed);
  EXPECT_EQ(world_.Names(kTable), (Names{"b", "d"}));
  EXPECT_EQ(world_.Leftovers(kTable).size(), 2u);
  TableState state = world_.State(id_).value();
  EXPECT_EQ(state.status, TableStatus::kFailed);
  EXPECT_EQ(state.failures, 1);
}

TEST_F(CommitterTest, AFailedTaskEndsAProcessThatMustLandAsAWhole) {
  for (bool partial : {false, true}) {
    SCOPED_TRACE(partial);
    OptimizingWorld world;
    world.MakeTable(kTable, {{"self-optimizing.allow-partial-commit", partial ? "true" : "false"}});
    ASSERT_TRUE(world.Append(kTable, {"a", "b"}, 1).ok());
    ASSERT_TRUE(world.Append(kTable, {"c", "d"}, 2).ok());
    world.token();
    ASSERT_TRUE(world.Tick().ok());
    Call call = world.call();
    auto report = world.RunOneTask().value();
    report.output_json.reset();
    report.error_code = CodeName(Code::kCorruption);
    report.error = "bad file";
    ASSERT_TRUE(world.parts().queue.Report(call, report).ok());
    if (partial) {
      EXPECT_EQ(world.parts().committer.CommitTick(call).value(), 0u);
      EXPECT_EQ(world.RunTasks(), 1u);
    }
    EXPECT_EQ(world.parts().committer.CommitTick(call).value(), 1u);
    ASSERT_TRUE(world.parts().committer.CleanTick(call).ok());
    EXPECT_EQ(world.LastProcess()->state,
              partial ? ProcessState::kSucceeded : ProcessState::kFailed);
    EXPECT_EQ(world.LastProcess()->error, partial ? "" : "Corruption: bad file");
    EXPECT_EQ(world.Names(kTable), (Names{"a", "b", "c", "d"}));
    EXPECT_EQ(world.LiveFiles(kTable).size(), partial ? 3u : 4u);
    // The failed attempt's file is gone.
    EXPECT_EQ(world.Leftovers(kTable).size(), partial ? 2u : 0u);
  }
}

TEST_F(CommitterTest, CommitsOnWhatOthersCommittedMeanwhile) {
  Plan();
  world_.RunTasks();
  for (const char* name : {"e", "f", "g"}) ASSERT_TRUE(world_.Append(kTable, {name}, 1).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d", "e", "f", "g"}));
}

TEST_F(CommitterTest, EndsWhenTheTableIsDroppedOrRolledBack) {
  Plan();
  world_.RunTasks();
  auto planned = world_.Load(kTable)->metadata->CurrentSnapshot()->parent_snapshot_id.value();
  ASSERT_TRUE(world_.RollBack(kTable, planned).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kFailed);
  EXPECT_THAT(Last().error, HasSubstr("rolled back"));
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b"}));

  OptimizingWorld other;
  other.MakeTable(kTable);
  ASSERT_TRUE(other.Append(kTable, {"a", "b"}).ok());
  other.token();
  ASSERT_TRUE(other.Tick().ok());
  other.RunTasks();
  Call call = other.call();
  ASSERT_TRUE(other.engine().Drop(call, "w", {{"ns"}, kTable}, catalog::Catalog::Purge::kNo).ok());
  ASSERT_TRUE(other.Tick().ok());
  EXPECT_EQ(other.LastProcess()->state, ProcessState::kCancelled);
  ASSERT_TRUE(other.Tick().ok());
  EXPECT_FALSE(other.State(other.LastProcess()->table_id));
}

TEST_F(CommitterTest, ATableThatComesBackIsOptimizedAgain) {
  for (bool noticed : {true, false}) {
    SCOPED_TRACE(noticed);
    OptimizingWorld world;
    int64_t id = world.MakeTable(kTable);
    ASSERT_TRUE(world.Append(kTable, {"a", "b"}).ok());
    world.token();
    ASSERT_TRUE(world.Tick().ok());
    world.RunTasks();
    Call call = world.call();
    catalog::Catalog& catalog = world.engine();
    ASSERT_TRUE(catalog.Drop(call, "w", {{"ns"}, kTable}, catalog::Catalog::Purge::kNo).ok());
    if (noticed) {
      ASSERT_TRUE(world.Tick().ok());
      EXPECT_EQ(world.LastProcess()->state, ProcessState::kCancelled);
      ASSERT_TRUE(world.Tick().ok());
      EXPECT_FALSE(world.State(id));
    }
    catalog::Lifecycle life(catalog);
    auto dropped = life.FindDropped(call, catalog::ObjectKind::kTable, id).value();
    std::vector<catalog::ObjectRef> left;
    ASSERT_TRUE(life.Undrop(call, dropped, std::nullopt, catalog::DryRun::kNo, &left).ok());
    for (int i = 0; i < 6 && world.LiveFiles(kTable).size() > 1; ++i) {
      world.Advance(std::chrono::minutes(5));
      world.LoseOptimizer();
      world.token();
      ASSERT_TRUE(world.Tick().ok());
      world.RunTasks();
      ASSERT_TRUE(world.Tick().ok());
    }
    EXPECT_EQ(world.LastProcess()->state, ProcessState::kSucceeded) << world.LastProcess()->error;
    EXPECT_EQ(world.LiveFiles(kTable).size(), 1u);
    EXPECT_EQ(world.Names(kTable), (Names{"a", "b"}));
  }
}

/// Not dropped: the store does not show the file, for a while or for good.
TEST_F(CommitterTest, WaitsForATableWhoseMetadataFileIsOutOfSight) {
  for (bool comes_back : {true, false}) {
    SCOPED_TRACE(comes_back);
    OptimizingWorld world;
    world.MakeTable(kTable);
    ASSERT_TRUE(world.Append(kTable, {"a", "b"}).ok());
    world.token();
    ASSERT_TRUE(world.Tick().ok());
    ASSERT_EQ(world.RunTasks(), 1u);
    Call call = world.call();
    const std::string location = world.Load(kTable)->metadata_location;
    const std::string bytes = io::ReadFile(call, world.disk(), location, 1 << 20).value();
    world.disk().Remove(location);
    world.Restart();  // nothing is in memory
    for (int i = 0; i < 2; ++i) EXPECT_EQ(world.parts().committer.CommitTick(call).value(), 0u);
    EXPECT_EQ(world.LastProcess()->state, ProcessState::kCommitting);
    EXPECT_THAT(world.LastProcess()->error, HasSubstr("waits for the table"));
    EXPECT_THAT(world.LastProcess()->error, HasSubstr(location));
    if (comes_back) {
      world.disk().Put(location, bytes, 0);
    } else {
      world.Advance(world.options().commit_give_up);
    }
    Call later = world.call();
    EXPECT_EQ(world.parts().committer.CommitTick(later).value(), 1u);
    EXPECT_EQ(world.LastProcess()->state,
              comes_back ? ProcessState::kSucceeded : ProcessState::kFailed);
    if (comes_back) {
      EXPECT_EQ(world.LastProcess()->error, "");
    }
  }
}

TEST_F(CommitterTest, AfterALostReplyNothingIsDeletedAndItIsCommittedOnce) {
  for (FaultKind kind : {FaultKind::kBefore, FaultKind::kAfter}) {
    // The nth commit of the tick: the one that marks the process, and the swap itself.
    for (size_t nth : {1u, 2u, 3u}) {
      SCOPED_TRACE(testing::FaultKindName(kind));
      SCOPED_TRACE(nth);
      OptimizingWorld world;
      world.MakeTable(kTable);
      ASSERT_TRUE(world.Append(kTable, {"a", "b"}).ok());
      world.token();
      ASSERT_TRUE(world.Tick().ok());
      ASSERT_EQ(world.RunTasks(), 1u);
      Call call = world.call();
      auto before = world.disk().Locations();
      world.faults().Arm({"commit", "write", nth, {.kind = kind}});
      (void)world.parts().committer.CommitTick(call);
      auto after = world.disk().Locations();
      EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
      EXPECT_EQ(world.Names(kTable), (Names{"a", "b"}));
      world.Restart();
      ASSERT_TRUE(world.parts().committer.CommitTick(call).ok());
      EXPECT_EQ(world.LastProcess()->state, ProcessState::kSucceeded);
      EXPECT_EQ(world.Names(kTable), (Names{"a", "b"}));
      EXPECT_EQ(world.LiveFiles(kTable).size(), 1u);
      size_t marks = 0;
      for (const auto& snapshot : world.Load(kTable)->metadata->snapshots)
        marks += snapshot->summary.count(planning::kProcessKey);
      EXPECT_EQ(marks, 1u);
    }
  }
}

TEST_F(CommitterTest, RecognisesACommitByItsMark) {
  Plan();
  world_.RunTasks();
  Process process = Last();
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kFastAppend;
  changes.added.push_back({world_.DataFile(kTable, "x", 1), std::nullopt});
  changes.summary = {{planning::kProcessKey, process.process_id}};
  ASSERT_TRUE(world_.Commit(kTable, changes).ok());
  auto before = world_.disk().size();
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(Last().committed_snapshot_id,
            world_.Load(kTable)->metadata->CurrentSnapshot()->snapshot_id);
  EXPECT_EQ(CountMarks(), 1u);
  EXPECT_EQ(world_.disk().size(), before);
}

TEST_F(CommitterTest, RemovesFilesOfAbandonedAttemptsOnly) {
  Plan();
  ASSERT_TRUE(world_.RunOneTask());  // never reported: its thread polls again
  world_.RunTasks();
  EXPECT_EQ(world_.Leftovers(kTable).size(), 3u);  // outputs of three attempts
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(world_.Leftovers(kTable).size(), 4u);  // the inputs
}

TEST_F(CommitterTest, ALateReportAfterTheEndTakesNothingFromTheTable) {
  Plan();
  auto first = world_.RunOneTask().value();
  Call call = world_.call();
  ASSERT_TRUE(world_.parts().queue.Report(call, first).ok());
  world_.RunTasks();
  EXPECT_TRUE(world_.parts().queue.Report(call, first).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(world_.parts().queue.Report(call, first).code(), Code::kNotFound);
  ASSERT_TRUE(world_.parts().committer.CleanTick(call).ok());
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
}

TEST_F(CommitterTest, CancelsAProcessAndRemovesItsFiles) {
  Plan();
  auto report = world_.RunOneTask().value();
  Call call = world_.call();
  ASSERT_TRUE(world_.parts().queue.Report(call, report).ok());
  std::string id = Last().process_id;
  ASSERT_TRUE(world_.parts().committer.Cancel(call, id).ok());
  EXPECT_EQ(Last().state, ProcessState::kCancelled);
  ASSERT_TRUE(world_.parts().committer.CleanTick(call).ok());
  EXPECT_THAT(world_.Leftovers(kTable), ElementsAre());
  EXPECT_EQ(world_.parts().committer.Cancel(call, id).code(), Code::kConflict);
  EXPECT_EQ(world_.parts().committer.Cancel(call, "x").code(), Code::kNotFound);
  EXPECT_TRUE(CommitTick().ok());
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
}

TEST_F(CommitterTest, AProcessThatIsCommittingCantBeCancelled) {
  Plan();
  world_.RunTasks();
  // The swap fails before it is sent: the process stays committing.
  world_.faults().Arm({"create", "metadata.json", 1, {.kind = FaultKind::kBefore}});
  (void)CommitTick();
  ASSERT_EQ(Last().state, ProcessState::kCommitting);
  Call call = world_.call();
  EXPECT_EQ(world_.parts().committer.Cancel(call, Last().process_id).code(), Code::kConflict);
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
}

TEST_F(CommitterTest, AManifestThatIsGoneEndsTheProcessInsteadOfTryingForEver) {
  Plan();
  world_.RunTasks();
  ASSERT_TRUE(world_.Append(kTable, {"x"}, 1).ok());
  for (const auto& location : world_.disk().Locations()) {
    if (location == world_.Load(kTable)->metadata->CurrentSnapshot()->manifest_list)
      world_.disk().Remove(location);
  }
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kFailed);
  EXPECT_EQ(world_.State(id_)->status, TableStatus::kFailed);
}

/// Position deletes that come and go again leave the live files, and so the rows, as they were
/// planned.
TEST_F(CommitterTest, DeletesThatCameAndWentDoNotHinder) {
  Plan();
  world_.RunTasks();
  auto deletes = world_.PositionDeletes(kTable, "p", world_.DataFile(kTable, "c", 2));
  SnapshotChanges come;
  come.operation = SnapshotOperation::kRowDelta;
  come.added.push_back({deletes, std::nullopt});
  ASSERT_TRUE(world_.Commit(kTable, come).ok());
  SnapshotChanges go;
  go.operation = SnapshotOperation::kRewriteFiles;
  go.removed_deletes.push_back(iceberg::RemovedFile::Of(deletes));
  ASSERT_TRUE(world_.Commit(kTable, go).ok());
  ASSERT_TRUE(CommitTick().ok());
  EXPECT_EQ(Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(Last().error, "");
  EXPECT_EQ(world_.Names(kTable), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(CountData(), 2u);
}

TEST_F(CommitterTest, APlannedSnapshotThatHasExpired) {
  struct Case {
    bool child_too;
    ProcessState state;
  };
  for (const Case& c : {Case{false, ProcessState::kSucceeded}, Case{true, ProcessState::kFailed}}) {
    SCOPED_TRACE(c.child_too);
    OptimizingWorld world;
    int64_t id = world.MakeTable(kTable);
    ASSERT_TRUE(world.Append(kTable, {"a", "b"}).ok());
    world.token();
    ASSERT_TRUE(world.Tick().ok());
    world.RunTasks();
    std::vector<int64_t> expired = {world.Load(kTable)->metadata->current_snapshot_id};
    ASSERT_TRUE(world.Append(kTable, {"e"}).ok());
    if (c.child_too) expired.push_back(world.Load(kTable)->metadata->current_snapshot_id);
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kRowDelta;
    changes.added.push_back({world.EqualityDeletes(kTable, "eq", 1), std::nullopt});
    ASSERT_TRUE(world.Commit(kTable, changes).ok());
    ASSERT_TRUE(world.Expire(kTable, expired).ok());
    Call call = world.call();
    ASSERT_TRUE(world.parts().committer.CommitTick(call).ok());
    EXPECT_EQ(world.LastProcess()->state, c.state) << world.LastProcess()->error;
    EXPECT_EQ(world.Names(kTable), (Names{"a", "b", "e"}));
    if (!c.child_too) continue;
    EXPECT_THAT(world.LastProcess()->error, HasSubstr("its history since then has expired"));
    EXPECT_EQ(world.State(id)->status, TableStatus::kFailed);
    // It is planned again after the back-off, from what is there now.
    world.Advance(world.options().backoff_first + Millis(1));
    (void)world.parts().queue.Heartbeat(call, {world.token(), {}});
    ASSERT_TRUE(world.Tick().ok());
    EXPECT_EQ(world.RunTasks(), 1u);
    ASSERT_TRUE(world.Tick().ok());
    EXPECT_EQ(world.LastProcess()->state, ProcessState::kSucceeded) << world.LastProcess()->error;
    EXPECT_EQ(world.Names(kTable), (Names{"a", "b", "e"}));
  }
}

TEST_F(CommitterTest, SaysAtOnceHowTheProcessEnded) {
  Plan();
  world_.RunTasks();
  ASSERT_TRUE(CommitTick().ok());
  TableState state = world_.State(id_).value();
  EXPECT_THAT(state.reason, HasSubstr("the minor process was committed: 4 files"));
  EXPECT_THAT(state.reason, HasSubstr("became 2"));
  EXPECT_THAT(state.health_json, HasSubstr(state.reason));

  ASSERT_TRUE(world_.Append(kTable, {"e"}, 1).ok());
  ASSERT_TRUE(world_.Tick().ok());
  Call call = world_.call();
  ASSERT_TRUE(world_.parts().committer.Cancel(call, Last().process_id).ok());
  EXPECT_EQ(world_.State(id_)->reason, "the minor process was cancelled: cancelled by a person");
  EXPECT_THAT(world_.State(id_)->health_json, HasSubstr("was cancelled"));
}

/// A writer of the same process that commits between load and swap every time: after two lost races
/// it has to wait, and the work lands.
TEST_F(CommitterTest, AQuickWriterDoesNotStarveIt) {
  Plan();
  world_.RunTasks();
  io::HookedFiles files(world_.disk());
  store::Shards alone(world_.store(), {});
  HealthMonitor monitor(world_.engine(), files, alone, Options());
  Committer committer(world_.engine(), files, alone, monitor, Options());
  int appended = 0;
  int kept_waiting = 0;
  files.hook = [&] {
    auto name = "w" + std::to_string(appended);
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kFastAppend;
    changes.added.push_back({world_.DataFile(kTable, name, 3), std::nullopt});
    iceberg::SnapshotProducer producer(world_.disk(), changes);
    Call quick(world_.call().env(), Millis(100));
    auto prepared = producer.Prepare(quick, world_.Load(kTable)->metadata);
    ASSERT_TRUE(prepared.ok());
    auto committed =
        world_.engine().Commit(quick, "w", {{"ns"}, kTable}, prepared->request, nullptr);
    ++(committed.ok() ? appended : kept_waiting);
  };
  Call call = world_.call();
  EXPECT_EQ(committer.CommitTick(call).value(), 1u);
  EXPECT_EQ(Last().state, ProcessState::kSucceeded) << Last().error;
  EXPECT_EQ(Last().commit_attempts, 3);
  EXPECT_GE(appended, 2);
  EXPECT_GE(kept_waiting, 1);
  EXPECT_EQ(CountData(), 2u + static_cast<size_t>(appended));
}

/// Writers of other processes can't be kept waiting: the work stays until it lands, or is too old.
TEST_F(CommitterTest, WorkThatLosesToOtherProcessesIsKept) {
  for (bool in_time : {true, false}) {
    SCOPED_TRACE(in_time);
    OptimizingWorld world;
    int64_t id = world.MakeTable(kTable);
    ASSERT_TRUE(world.Append(kTable, {"a", "b"}).ok());
    world.token();
    ASSERT_TRUE(world.Tick().ok());
    world.RunTasks();
    io::HookedFiles files(world.disk());
    catalog::Catalog catalog(world.store(), files, catalog::CatalogOptions());
    store::Shards alone(world.store(), {});
    HealthMonitor monitor(catalog, files, alone, Options());
    Committer committer(catalog, files, alone, monitor, Options());
    int number = 0;
    files.hook = [&] {
      ASSERT_TRUE(world.Append(kTable, {"w" + std::to_string(++number)}, 3).ok());
    };
    if (!in_time) world.Advance(Options().commit_give_up);
    Call call = world.call();
    EXPECT_EQ(committer.CommitTick(call).value(), in_time ? 0u : 1u);
    EXPECT_EQ(world.LastProcess()->state,
              in_time ? ProcessState::kCommitting : ProcessState::kFailed);
    EXPECT_EQ(world.State(id)->failures, in_time ? 0 : 1);
    if (!in_time) continue;
    files.hook = nullptr;
    EXPECT_EQ(committer.CommitTick(call).value(), 1u);
    EXPECT_EQ(world.LastProcess()->state, ProcessState::kSucceeded) << world.LastProcess()->error;
    EXPECT_EQ(world.LiveFiles(kTable).size(), 1u + static_cast<size_t>(number));
  }
}

/// A committer of its own over a world whose tasks have run.
struct OwnCommitter {
  explicit OwnCommitter(OptimizingWorld* world)
      : files(world->disk()),
        catalog(world->store(), files, catalog::CatalogOptions()),
        alone(world->store(), {}),
        monitor(catalog, files, alone, Options()),
        committer(catalog, files, alone, monitor, Options()) {}

  io::HookedFiles files;
  catalog::Catalog catalog;
  store::Shards alone;
  HealthMonitor monitor;
  Committer committer;
};

TEST_F(CommitterTest, WhatCannotBeLookedAtIsGivenUpSomeDay) {
  Plan();
  world_.RunTasks();
  OwnCommitter own(&world_);
  own.files.on_stat = [](const std::string&) { return Unavailable("out of reach"); };
  Call call = world_.call();
  EXPECT_EQ(own.committer.CommitTick(call).value(), 0u);
  EXPECT_EQ(Last().state, ProcessState::kCommitting);
  world_.Advance(Options().commit_give_up);
  Call later = world_.call();
  EXPECT_EQ(own.committer.CommitTick(later).value(), 1u);
  EXPECT_EQ(Last().state, ProcessState::kFailed);
  EXPECT_THAT(Last().error, HasSubstr("can't be looked at"));
}

TEST_F(CommitterTest, ReportsAreLookedAtOnce) {
  Plan();
  world_.RunTasks();
  OwnCommitter own(&world_);
  int looks = 0;
  own.files.on_stat = [&](const std::string&) -> Status {
    ++looks;
    return {};
  };
  int number = 0;
  own.files.hook = [&] {
    ASSERT_TRUE(world_.Append(kTable, {"w" + std::to_string(++number)}, 3).ok());
  };
  Call call = world_.call();
  EXPECT_EQ(own.committer.CommitTick(call).value(), 0u);
  EXPECT_EQ(Last().state, ProcessState::kCommitting);
  EXPECT_EQ(looks, 2);
  own.files.hook = nullptr;
  EXPECT_EQ(own.committer.CommitTick(call).value(), 1u);
  EXPECT_EQ(Last().state, ProcessState::kSucceeded) << Last().error;
  EXPECT_EQ(looks, 2);
}

}  // namespace
}  // namespace moraine::optimizing
