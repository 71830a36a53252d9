#include "moraine/compact/compaction.h"

#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/table_rows.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/hooked_files.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::compact {
namespace {

using iceberg::TablePtr;
using testing::HasSubstr;

/// A simulated clock on which nobody waits: it is then already the time waited for.
class JumpingClock final : public Clock {
 public:
  WallTime Wall() override { return clock_.Wall(); }
  MonoTime Mono() override { return clock_.Mono(); }
  void WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable_any&, MonoTime until,
                 std::stop_token) override {
    if (until > Mono()) clock_.Advance(until - Mono());
  }

 private:
  testing::SimClock clock_;
};

/// Two partitions of four small files each, with position and equality deletes.
class World {
 public:
  World() : table(disk, {}) {
    Call call = MakeCall();
    for (int64_t i = 0; i < 8; ++i) Add(i * 10, static_cast<int32_t>(i % 2));
    auto first = iceberg::LiveEntries(disk, *table.metadata()).value()[0];
    iceberg::RowDeltaPart part{.partition = first.file.partition,
                               .key_columns = {"id"},
                               .keys = "[[3],[41],[62]]",
                               .positions = {{first.file.file_path, {0, 4}}}};
    auto delta =
        iceberg::WriteRowDelta(call, disk, *table.metadata(), {part}, table.current().snapshot_id);
    MORAINE_CHECK(delta.ok() && table.Commit(call, *delta).ok(), "no delta");
  }

  /// A file of ten rows.
  void Add(int64_t id, int32_t day) {
    Call call = MakeCall();
    std::string rows;
    for (int64_t i = 0; i < 10; ++i)
      rows += fmt::format("{}[{},{},\"n{}\"]", rows.empty() ? "" : ",", id + i, day, id + i);
    iceberg::RowDeltaPart part{.partition = {iceberg::Value(day)}, .rows = "[" + rows + "]"};
    auto delta = iceberg::WriteRowDelta(call, disk, *table.metadata(), {part}, std::nullopt);
    MORAINE_CHECK(delta.ok() && table.Commit(call, *delta).ok(), "no append");
  }
  Call MakeCall() { return Call(env, std::chrono::hours(100), stop.get_token()); }
  std::vector<std::string> Rows() { return iceberg::TableRows(disk, *table.metadata()).value(); }
  size_t LiveFiles() { return iceberg::LiveEntries(disk, *table.metadata()).value().size(); }
  Result<CompactionReport> Compact(io::FileSystem& files, CompactionOptions options = {}) {
    Call call = MakeCall();
    options.table = "w.db.t";
    return RunCompaction(call, files, table.door(), options, &progress);
  }

  JumpingClock clock;
  testing::SeededRandom random{7};
  Env env{clock, random, NullLogger()};
  std::stop_source stop;
  io::MemoryFileSystem disk;
  iceberg::TestTable table;
  Progress progress;
};

TEST(Compaction, SmallFilesAndDeletesBecomeOneFileAPartition) {
  World world;
  auto rows = world.Rows();
  auto report = world.Compact(world.disk);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(world.Rows(), rows);
  EXPECT_EQ(world.LiveFiles(), 2u);
  EXPECT_EQ(report->before.data_files, 8);
  EXPECT_EQ(report->before.delete_files, 2);
  ASSERT_TRUE(report->after);
  EXPECT_EQ(report->after->data_files, 2);
  EXPECT_EQ(report->after->delete_files, 0);
  EXPECT_EQ(report->input_files, 8);
  EXPECT_EQ(report->output_files, 2);
  EXPECT_EQ(report->removed_delete_files, 2);
  EXPECT_EQ(report->deleted_rows, 80 - static_cast<int64_t>(rows.size()));
  EXPECT_EQ(report->snapshot_id, world.table.current().snapshot_id);
  EXPECT_EQ(world.table.current().summary.at("snapshot.producer"), "OPTIMIZE");
  auto figures = world.progress.figures();
  EXPECT_EQ(figures.phase, Phase::kEnded);
  EXPECT_EQ(figures.tasks_done, figures.tasks);
  EXPECT_EQ(figures.bytes_done, figures.bytes);
  // And nothing is left to do.
  int commits = world.table.commits();
  auto again = world.Compact(world.disk);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again->type, planning::OptimizingType::kNone);
  EXPECT_NE(again->reason, "");
  EXPECT_EQ(world.table.commits(), commits);
}

TEST(Compaction, APlanAloneChangesNothing) {
  World world;
  auto before = world.disk.Locations();
  auto report = world.Compact(world.disk, {.run = CompactionOptions::Run::kPlanOnly});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->input_files, 8);
  EXPECT_EQ(report->partitions, 2);
  EXPECT_FALSE(report->after);
  EXPECT_EQ(world.disk.Locations(), before);
}

TEST(Compaction, AFullRewriteSaysThatItWasAskedFor) {
  World world;
  CompactionOptions options;
  options.wish = planning::Wish::kFull;
  auto report = world.Compact(world.disk, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->reason, "a full rewrite is asked for");
  auto again = world.Compact(world.disk, options);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again->reason, "a full rewrite would change nothing");
}

TEST(Compaction, AFilterLeavesTheOthersAlone) {
  World world;
  auto rows = world.Rows();
  auto report = world.Compact(world.disk, {.filter = "day = 1", .threads = 1});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->input_files, 4);
  EXPECT_EQ(world.Rows(), rows);
  auto wrong = world.Compact(world.disk, {.filter = "no_such = 1", .threads = 1});
  EXPECT_EQ(wrong.status().code(), Code::kInvalidArgument);
}

TEST(Compaction, TooLittleMemoryIsRefusedBeforeAnythingIsWritten) {
  World world;
  auto before = world.disk.Locations();
  auto report = world.Compact(world.disk, {.threads = 2, .memory_bytes = 100 << 20});
  EXPECT_EQ(report.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(world.disk.Locations(), before);
}

TEST(Compaction, AStopLeavesNoTrace) {
  // While the first data file, the first manifest and the manifest list are written.
  for (auto where : {"-0-1-", "-m0.avro", "/snap-"}) {
    SCOPED_TRACE(where);
    World world;
    auto before = world.disk.Locations();
    auto metadata = world.table.metadata();
    io::HookedFiles files(world.disk);
    files.on_create = [&](const std::string& location) {
      if (location.find(where) != std::string::npos) world.stop.request_stop();
    };
    auto report = world.Compact(files, {.threads = 2});
    EXPECT_EQ(report.status().code(), Code::kCancelled);
    EXPECT_EQ(world.disk.Locations(), before);
    EXPECT_EQ(world.table.metadata(), metadata);
  }
}

TEST(Compaction, CleaningUpListsNoFolders) {
  World world;
  io::HookedFiles files(world.disk);
  auto report = world.Compact(files);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_GT(report->tasks, 1);
  EXPECT_EQ(files.lists, 0);
  for (const auto& location : world.disk.Locations()) {
    EXPECT_EQ(location.find("positions.map"), location.npos) << location;
  }
}

TEST(Compaction, ACommitThatTookAllItsTimeIsStillLookedFor) {
  World world;
  auto rows = world.Rows();
  auto door = world.table.door();
  auto inner = door.commit;
  door.commit = [&](Call& call, const iceberg::CommitRequest& request) -> Result<TablePtr> {
    EXPECT_TRUE(inner(call, request).ok());
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    world.clock.WaitUntil(lock, never, call.deadline(), {});
    return Conflict("a second try came too late");
  };
  auto load = door.load;
  door.load = [&](Call& call) -> Result<TablePtr> {
    MORAINE_TRY(call.Check());
    return load(call);
  };
  Call call = world.MakeCall();
  auto report = RunCompaction(call, world.disk, door, {.table = "t"}, &world.progress);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(world.Rows(), rows);
}

TEST(Compaction, AStopThatComesWithTheCommitIsTooLate) {
  World world;
  auto rows = world.Rows();
  world.table.before_commit = [&] { world.stop.request_stop(); };
  auto report = world.Compact(world.disk);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(world.Rows(), rows);
  EXPECT_EQ(world.LiveFiles(), 2u);
}

TEST(Compaction, WritersThatAreQuickerOnlyCostAnAttempt) {
  World world;
  auto rows = world.Rows();
  int races = 2;
  std::function<void()> race = [&] {
    world.Add(1'000 + 10 * races, 0);
    if (--races > 0) world.table.before_commit = race;
  };
  world.table.before_commit = race;
  auto report = world.Compact(world.disk);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->commit_attempts, 3);
  EXPECT_EQ(world.Rows().size(), rows.size() + 20);
  EXPECT_EQ(world.LiveFiles(), 4u);
}

/// A live data file of the partition day = 1.
iceberg::DataFile InputOfDayOne(World& world) {
  for (const auto& entry : iceberg::LiveEntries(world.disk, *world.table.metadata()).value()) {
    bool mine = entry.file.partition == iceberg::PartitionTuple{iceberg::Value(int32_t{1})};
    if (mine && entry.file.content == iceberg::FileContent::kData) return entry.file;
  }
  return {};
}

TEST(Progress, ARunningTaskIsAsFarAsItsReadsAndWritesTogether) {
  tasks::RewriteTask task;
  task.rewrite.resize(1);
  task.rewrite[0].file.file_size_in_bytes = 1'000;
  Progress progress;
  progress.Begin({task, task});
  progress.Of(0)->read = 5'000;  // some bytes are read twice
  EXPECT_EQ(progress.figures().bytes_done, 500);
  progress.Of(0)->written = 400;
  EXPECT_EQ(progress.figures().bytes_done, 700);
  EXPECT_EQ(progress.figures().bytes, 2'000);
  progress.Done(0);
  EXPECT_EQ(progress.figures().bytes_done, 1'000);
  EXPECT_EQ(progress.figures().tasks_done, 1);
}

TEST(Progress, FilesAreCountedAsTheyMove) {
  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem disk;
  MovedBytes moved;
  auto files = MakeCountingFileSystem(disk, &moved);
  ASSERT_TRUE(io::WriteFile(call, *files, "file:///a", "12345").ok());
  EXPECT_EQ(moved.written, 5);
  EXPECT_EQ(*io::ReadFile(call, *files, "file:///a", 100), "12345");
  EXPECT_EQ(moved.read, 5);
  EXPECT_EQ(files->Stat(call, "file:///a")->size_bytes, 5);
  std::vector<std::string> paths = {"file:///a"};
  EXPECT_TRUE(files->DeleteMany(call, paths)[0].ok());
  EXPECT_EQ(files->List(call, "file:///", "", 10)->files.size(), 0u);
}

TEST(Compaction, RowsDeletedMeanwhileStayDeleted) {
  World world;
  auto rows = world.Rows();
  world.table.before_commit = [&] {
    Call call = world.MakeCall();
    auto file = InputOfDayOne(world);
    iceberg::RowDeltaPart part{.partition = file.partition, .positions = {{file.file_path, {1}}}};
    auto delta = iceberg::WriteRowDelta(call, world.disk, *world.table.metadata(), {part},
                                        world.table.current().snapshot_id);
    ASSERT_TRUE(delta.ok() && world.table.Commit(call, *delta).ok());
  };
  auto report = world.Compact(world.disk);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->commit_attempts, 2);
  EXPECT_EQ(world.Rows().size(), rows.size() - 1);
}

/// Rows move to the current spec; meanwhile a writer deletes keys there, where those rows are not
/// yet.
TEST(Compaction, RowsThatMoveAreNotReachedByDeletesThatWereNotMeantForThem) {
  for (bool late : {false, true}) {
    World world;
    iceberg::PartitionSpec by_hundreds{
        1, {{{1}, 1001, "hundreds", iceberg::Transform::FromString("truncate[100]").value()}}};
    iceberg::CommitRequest request;
    request.updates = {
        iceberg::update::AddPartitionSpec{by_hundreds}, iceberg::update::SetDefaultSpec{-1},
        iceberg::update::SetProperties{{{"self-optimizing.full.move-to-current-spec", "true"}}}};
    ASSERT_TRUE(world.table.Apply(request).ok());
    const auto delete_keys = [&] {
      Call call = world.MakeCall();
      iceberg::RowDeltaPart part{.spec_id = 1,
                                 .partition = {iceberg::Value(int64_t{0})},
                                 .rows = "[[200,1,\"new\"]]",
                                 .key_columns = {"id"},
                                 .keys = "[[5],[15]]"};
      auto delta = iceberg::WriteRowDelta(call, world.disk, *world.table.metadata(), {part},
                                          world.table.current().snapshot_id);
      ASSERT_TRUE(delta.ok() && world.table.Commit(call, *delta).ok());
    };
    if (!late) delete_keys();
    auto rows = world.Rows();
    if (late) world.table.before_commit = delete_keys;
    CompactionOptions options;
    options.wish = planning::Wish::kFull;
    auto report = world.Compact(world.disk, options);
    EXPECT_EQ(report.ok(), !late) << report.status().ToString();
    if (late) {
      EXPECT_THAT(std::string(report.status().message()), HasSubstr("that rows move to"));
      rows.push_back("200, 1, new");
      std::sort(rows.begin(), rows.end());
    }
    EXPECT_EQ(world.Rows(), rows);
  }
}

/// Position deletes that are of another spec than the data file which they name.
TEST(Compaction, DeletesByPathOfAnotherSpecAreApplied) {
  for (bool late : {false, true}) {
    World world;
    iceberg::PartitionSpec by_hundreds{
        1, {{{1}, 1001, "hundreds", iceberg::Transform::FromString("truncate[100]").value()}}};
    iceberg::CommitRequest request;
    request.updates = {iceberg::update::AddPartitionSpec{by_hundreds},
                       iceberg::update::SetDefaultSpec{-1}};
    ASSERT_TRUE(world.table.Apply(request).ok());
    const auto delete_rows = [&] {
      Call call = world.MakeCall();
      iceberg::RowDeltaPart part{.spec_id = 1,
                                 .partition = {iceberg::Value(int64_t{0})},
                                 .positions = {{InputOfDayOne(world).file_path, {1, 2}}}};
      auto delta = iceberg::WriteRowDelta(call, world.disk, *world.table.metadata(), {part},
                                          world.table.current().snapshot_id);
      ASSERT_TRUE(delta.ok() && world.table.Commit(call, *delta).ok());
    };
    const auto before = world.Rows();
    if (late) world.table.before_commit = delete_rows;
    if (!late) delete_rows();
    auto report = world.Compact(world.disk);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(world.Rows().size(), before.size() - 2);
    EXPECT_EQ(report->left_out.size(), 0u);
  }
}

TEST(Compaction, WhatOthersMadeVoidIsLeftOutAndRemoved) {
  World world;
  auto rows = world.Rows();
  world.table.before_commit = [&] {
    // An input goes, with its rows.
    iceberg::SnapshotChanges changes;
    changes.operation = iceberg::SnapshotOperation::kDelete;
    changes.removed_data = {iceberg::RemovedFile::Of(InputOfDayOne(world))};
    Call call = world.MakeCall();
    ASSERT_TRUE(world.table.Commit(call, changes).ok());
  };
  auto report = world.Compact(world.disk);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->left_out.size(), 1u);
  EXPECT_THAT(report->left_out[0], HasSubstr("removed the input file"));
  EXPECT_LT(world.Rows().size(), rows.size());
  std::string process = world.table.current().summary.at("optimizing.process-id");
  int64_t files_of_run = 0;
  for (const auto& location : world.disk.Locations()) {
    files_of_run += location.find(process) != location.npos ? 1 : 0;
  }
  EXPECT_EQ(files_of_run, report->output_files);
}

TEST(Compaction, WhoLosesEveryRaceLeavesNoTraceEither) {
  World world;
  auto before = world.disk.Locations();
  auto door = world.table.door();
  door.commit = [](Call&, const iceberg::CommitRequest&) -> Result<TablePtr> {
    return Conflict("branch main has changed");
  };
  Call call = world.MakeCall();
  auto report =
      RunCompaction(call, world.disk, door, {.table = "t", .commit_retries = 3}, &world.progress);
  EXPECT_EQ(report.status().code(), Code::kConflict);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("quicker 4 times"));
  EXPECT_EQ(world.disk.Locations(), before);
}

TEST(Compaction, AnUnknownOutcomeDeletesNothing) {
  World world;
  auto rows = world.Rows();
  world.table.after_commit = [] { return CommitUnknown("the answer was lost"); };
  auto report = world.Compact(world.disk);
  EXPECT_EQ(report.status().code(), Code::kCommitUnknown);
  EXPECT_THAT(std::string(report.status().message()),
              HasSubstr(std::to_string(world.table.current().snapshot_id)));
  // It had landed.
  EXPECT_EQ(world.Rows(), rows);
  EXPECT_EQ(world.LiveFiles(), 2u);
}

TEST(Compaction, ATableThatGoesAwayLeavesNoFiles) {
  World world;
  auto before = world.disk.Locations();
  auto door = world.table.door();
  int loads = 0;
  door.load = [&, plain = door.load](Call& call) -> Result<TablePtr> {
    if (++loads > 1) return NotFound("Table does not exist: db.t");
    return plain(call);
  };
  Call call = world.MakeCall();
  auto report = RunCompaction(call, world.disk, door, {.table = "t"}, &world.progress);
  EXPECT_EQ(report.status().code(), Code::kNotFound);
  EXPECT_EQ(world.disk.Locations(), before);
}

TEST(Compaction, SurvivesEveryFault) {
  auto report = testing::EveryFault(
      [](testing::FaultInjector& faults) {
        World world;
        auto rows = world.Rows();
        auto before = world.disk.Locations();
        io::FaultyFileSystem files(world.disk, faults);
        auto first = world.Compact(files, {.threads = 1});
        faults.Stop();
        EXPECT_EQ(world.Rows(), rows);
        bool deletes_failed = false;
        for (const auto& call : faults.calls()) {
          deletes_failed |= call.operation == "delete" || call.operation == "list";
        }
        if (!first.ok() && faults.fired() == 1 && !deletes_failed) {
          EXPECT_EQ(world.disk.Locations(), before) << first.status().ToString();
        }
        auto again = world.Compact(files, {.threads = 1});
        EXPECT_TRUE(again.ok()) << again.status().ToString();
        EXPECT_EQ(world.Rows(), rows);
        EXPECT_EQ(world.LiveFiles(), 2u);
      },
      {.exhaustive_calls = 60, .samples = 40});
  EXPECT_GT(report.fired, 30u);
}

}  // namespace
}  // namespace moraine::compact
