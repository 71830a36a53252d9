// A writer that deletes rows by position all the time, between any two steps of a process and in
// the middle of its commits: every process lands with all of its tasks, and rows stay those of a
// model.

#include <functional>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/iceberg/testing/table_rows.h"
#include "moraine/io/testing/hooked_files.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/tasks/position_map_builder.h"

namespace moraine::server {
namespace {

using iceberg::FileContent;
using iceberg::Optional;
using iceberg::RowDeltaPart;
using iceberg::Type;
using iceberg::TypeKind;
using optimizing::ProcessState;

constexpr char kTable[] = "t";

struct Shape {
  int format_version = 2;
  bool many_files_a_delete = false;  ///< else each delete file is about one data file
  const char* target = "1000000";
};

/// Appends and deletes rows; knows which are there.
class Writer {
 public:
  Writer(const Shape& shape, optimizing::OptimizingWorld* world) : shape_(shape), world_(*world) {
    catalog::CreateTable create;
    create.name = {{"ns"}, kTable};
    create.schema = iceberg::Schema(0, {Optional(1, "v", Type::Primitive(TypeKind::kLong))});
    create.properties = {{"format-version", std::to_string(shape.format_version)},
                         {"self-optimizing.enabled", "true"},
                         {"self-optimizing.min-plan-interval", "0"},
                         {"self-optimizing.hot-partition-delay", "0"},
                         {"self-optimizing.minor.trigger.file-count", "2"},
                         {"self-optimizing.major.trigger.duplicate-ratio", "0.1"},
                         {"self-optimizing.fragment-ratio", "8"},
                         {"self-optimizing.target-size", shape.target}};
    Call call = world_.call();
    const auto made = world_.engine().Create(call, "w", create);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
  }

  void Append(int rows) {
    RowDeltaPart part;
    for (int i = 0; i < rows; ++i) {
      part.rows += fmt::format("{}[{}]", i == 0 ? "[" : ",", next_);
      alive_.insert(next_++);
    }
    part.rows += "]";
    EXPECT_TRUE(Commit({part}, world_.call()).ok());
  }

  /// Some rows of at least one file; false when the commit had to wait for another.
  bool Delete(Call call) {
    const auto table = world_.Load(kTable)->metadata;
    std::vector<RowDeltaPart> parts(1);
    std::set<int64_t> gone;
    for (const auto& entry : iceberg::LiveEntries(world_.disk(), *table).value()) {
      if (entry.file.content != FileContent::kData) continue;
      if (!gone.empty() && random_() % 2 == 0) continue;
      const auto& rows = Rows(entry.file.file_path);
      if (!shape_.many_files_a_delete && shape_.format_version < 3) parts.emplace_back();
      for (size_t at = random_() % 9; at < rows.size(); at += 1 + random_() % 40) {
        parts.back().positions[entry.file.file_path].push_back(static_cast<int64_t>(at));
        gone.insert(rows[at]);
      }
    }
    std::erase_if(parts, [](const RowDeltaPart& part) { return part.positions.empty(); });
    if (parts.empty()) return true;
    if (!Commit(parts, std::move(call)).ok()) return false;
    ++deletes_;
    for (int64_t v : gone) alive_.erase(v);
    return true;
  }

  /// Of the only data file.
  void DeletePositions(const std::vector<int64_t>& positions) {
    const auto table = world_.Load(kTable)->metadata;
    const auto live = iceberg::LiveEntries(world_.disk(), *table).value();
    RowDeltaPart part;
    part.positions[live[0].file.file_path] = positions;
    for (int64_t at : positions)
      alive_.erase(Rows(live[0].file.file_path)[static_cast<size_t>(at)]);
    EXPECT_TRUE(Commit({part}, world_.call()).ok());
  }

  void DeleteKeys(const std::vector<int64_t>& keys) {
    RowDeltaPart part;
    part.key_columns = {"v"};
    for (int64_t key : keys) {
      part.keys += fmt::format("{}[{}]", part.keys.empty() ? "[" : ",", key);
      alive_.erase(key);
    }
    part.keys += "]";
    EXPECT_TRUE(Commit({part}, world_.call()).ok());
  }

  /// To format version 3.
  void Upgrade() {
    Call call = world_.call();
    iceberg::CommitRequest request;
    request.updates = {iceberg::update::UpgradeFormatVersion{3}};
    const auto done = world_.engine().Commit(call, "w", {{"ns"}, kTable}, request, nullptr);
    EXPECT_TRUE(done.ok()) << done.status().ToString();
  }

  void ExpectRows() {
    const auto rows = iceberg::TableRows(world_.disk(), *world_.Load(kTable)->metadata);
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    std::vector<std::string> expected;
    for (int64_t v : alive_) expected.push_back(std::to_string(v));
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(*rows, expected);
  }

  int deletes() const { return deletes_; }
  size_t alive() const { return alive_.size(); }

 private:
  Status Commit(const std::vector<RowDeltaPart>& parts, Call call) {
    const auto table = world_.Load(kTable)->metadata;
    const auto* snapshot = table->CurrentSnapshot();
    MORAINE_ASSIGN(
        auto changes,
        iceberg::WriteRowDelta(call, world_.disk(), *table, parts,
                               snapshot ? std::optional(snapshot->snapshot_id) : std::nullopt));
    iceberg::SnapshotProducer producer(world_.disk(), std::move(changes));
    MORAINE_ASSIGN(auto prepared, producer.Prepare(call, table));
    return world_.engine().Commit(call, "w", {{"ns"}, kTable}, prepared.request, nullptr).status();
  }

  /// Of a data file, the deleted ones among them.
  const std::vector<int64_t>& Rows(const std::string& path) {
    std::vector<int64_t>& rows = rows_[path];
    if (!rows.empty()) return rows;
    const auto field = world_.Load(kTable)->metadata->CurrentSchema().fields()[0];
    const std::string text = iceberg::ReadText(world_.disk(), path, {field});
    for (std::string_view line : Split(text, '\n')) {
      if (!line.empty()) rows.push_back(std::stoll(std::string(line)));
    }
    return rows;
  }

  const Shape shape_;
  optimizing::OptimizingWorld& world_;
  std::map<std::string, std::vector<int64_t>> rows_;
  std::mt19937_64 random_{5};
  std::set<int64_t> alive_;
  int64_t next_ = 0;
  int deletes_ = 0;
};

/// A table, its writer and an optimizer that runs real rewrites.
class Scene {
 public:
  explicit Scene(const Shape& shape, testing::FaultInjector* faults = nullptr)
      : world(faults), writer(shape, &world) {
    // Without an optimizer nothing is planned.
    for (int tries = 0; tries < 3 && token_.empty(); ++tries) {
      Call call = world.call();
      const auto made = world.parts().queue.Register(call, {.threads = 1});
      if (made.ok()) token_ = made->token;
    }
  }

  void Delete() { EXPECT_TRUE(writer.Delete(world.call())); }

  std::optional<tasks::TaskReport> RunTask() {
    Call call = world.call();
    auto& queue = world.parts().queue;
    auto handed = queue.TryPoll(call, token_, 0);
    if (!handed.ok() || !*handed) return std::nullopt;
    const Status told = queue.Acknowledge(call, token_, (*handed)->key);
    if (!told.ok()) return std::nullopt;
    task = tasks::RewriteTaskFromJson((*handed)->task_json).value();
    rewrite::RewriteOptions options;
    options.threads = 1;  // the world's clock is for one thread
    const auto made = rewrite::RunRewrite(call, world.disk(), task, options, nullptr);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    output = *made;
    return tasks::TaskReport{token_, (*handed)->key, tasks::RewriteOutputToJson(output, task), "",
                             ""};
  }

  Status Report(tasks::TaskReport report) {
    Call call = world.call();
    return world.parts().queue.Report(call, report);
  }

  Status Heartbeat() {
    Call call = world.call();
    return world.parts().queue.Heartbeat(call, {token_, {}}).status();
  }

  Status CommitTick() {
    Call call = world.call();
    MORAINE_TRY(world.parts().committer.CommitTick(call));
    return world.parts().committer.CleanTick(call);
  }

  /// Two files, planned and rewritten; not reported.
  tasks::TaskReport RewriteTwoFiles() {
    writer.Append(60);
    writer.Append(40);
    EXPECT_TRUE(world.Tick().ok());
    return RunTask().value();
  }

  optimizing::Process Last() { return world.LastProcess().value(); }

  std::vector<iceberg::ManifestEntry> Live() {
    return iceberg::LiveEntries(world.disk(), *world.Load(kTable)->metadata).value();
  }

  size_t CountFiles(std::string_view part) {
    size_t count = 0;
    for (const std::string& location : world.disk().Locations())
      count += location.find(part) != std::string::npos ? 1 : 0;
    return count;
  }

  optimizing::OptimizingWorld world;
  Writer writer;
  tasks::RewriteTask task;  ///< the last one run
  tasks::RewriteOutput output;

 private:
  std::string token_;
};

/// One process after another, with a delete between any two steps.
class CarryOverTest : public testing::TestWithParam<Shape> {
 protected:
  void Round() {
    scene_.writer.Append(60);
    scene_.writer.Append(40);
    ASSERT_TRUE(scene_.world.Tick().ok());
    scene_.Delete();
    while (auto report = scene_.RunTask()) {
      scene_.Delete();
      const Status reported = scene_.Report(*report);
      ASSERT_TRUE(reported.ok()) << reported.ToString();
    }
    scene_.Delete();
    Commit();
    scene_.writer.ExpectRows();
    scene_.world.Advance(std::chrono::seconds(1));
  }

  /// With a delete at the first looks that the committer takes at the table.
  void Commit() {
    auto& world = scene_.world;
    io::HookedFiles files(world.disk());
    store::Shards alone(world.store(), {});
    optimizing::HealthMonitor monitor(world.engine(), files, alone, {});
    optimizing::Committer committer(world.engine(), files, alone, monitor, {});
    int looks = 0;
    files.hook = [&] {
      if (++looks > 4) return;
      const auto again = std::exchange(files.hook, nullptr);
      scene_.writer.Delete(Call(world.call().env(), Millis(100)));
      files.hook = again;
    };
    Call call = world.call();
    const auto ended = committer.CommitTick(call);
    ASSERT_TRUE(ended.ok()) << ended.status().ToString();
    files.hook = nullptr;
    if (*ended == 0) return;
    ++processes_;
    const auto process = scene_.Last();
    EXPECT_EQ(process.state, ProcessState::kSucceeded) << process.error;
    EXPECT_EQ(process.error, "");
    const auto table = world.Load(kTable)->metadata;
    const auto& summary = table->FindSnapshot(process.committed_snapshot_id)->summary;
    carried_ += summary.count("added-delete-files");
    ASSERT_TRUE(committer.CleanTick(call).ok());
  }

  Scene scene_{GetParam()};
  int processes_ = 0;
  size_t carried_ = 0;
};

TEST_P(CarryOverTest, EveryProcessLandsWhileRowsAreDeletedAllTheTime) {
  for (int round = 0; round < 6 && !HasFatalFailure(); ++round) Round();
  EXPECT_GE(processes_, 4);
  EXPECT_GE(carried_, 4u);
  EXPECT_GT(scene_.writer.deletes(), 20);
  EXPECT_GT(scene_.writer.alive(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Tables, CarryOverTest,
                         testing::Values(Shape{2, false}, Shape{2, true, "900"}, Shape{3},
                                         Shape{3, false, "900"}),
                         [](const auto& info) {
                           return fmt::format("V{}{}{}", info.param.format_version,
                                              info.param.many_files_a_delete ? "Shared" : "",
                                              info.index);
                         });

class CarryOver : public testing::TestWithParam<int> {
 protected:
  Shape shape() const { return {GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Versions, CarryOver, testing::Values(2, 3));

TEST_P(CarryOver, NewFilesGetTheirDeletesAtTheCommitsSequenceNumber) {
  Scene scene(shape());
  const auto report = scene.RewriteTwoFiles();
  const int64_t planned = scene.world.Load(kTable)->metadata->last_sequence_number;
  scene.Delete();
  scene.Delete();
  ASSERT_TRUE(scene.Report(report).ok());
  ASSERT_TRUE(scene.CommitTick().ok());
  EXPECT_EQ(scene.Last().error, "");
  const auto live = scene.Live();
  ASSERT_EQ(live.size(), 2u);  // the data and its deletes; those of the inputs are gone with them
  const auto& data = live[live[0].file.content == FileContent::kData ? 0 : 1];
  const auto& deletes = live[live[0].file.content == FileContent::kData ? 1 : 0];
  EXPECT_EQ(data.sequence_number, planned);
  EXPECT_EQ(deletes.sequence_number, scene.world.Load(kTable)->metadata->last_sequence_number);
  EXPECT_EQ(deletes.file.content, FileContent::kPositionDeletes);
  EXPECT_EQ(deletes.file.is_deletion_vector(), GetParam() >= 3);
  EXPECT_EQ(deletes.file.referenced_data_file, data.file.file_path);
  EXPECT_TRUE(deletes.file.file_path.starts_with(scene.task.OutputPrefix()));
  scene.writer.ExpectRows();
}

TEST_P(CarryOver, DeletesByKeyNeedNoCarrying) {
  for (bool with_positions : {false, true}) {
    Scene scene(shape());
    const auto report = scene.RewriteTwoFiles();
    scene.writer.DeleteKeys({3, 59, 60, 99});
    if (with_positions) scene.Delete();
    ASSERT_TRUE(scene.Report(report).ok());
    ASSERT_TRUE(scene.CommitTick().ok());
    EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded);
    EXPECT_EQ(scene.Last().error, "");
    scene.writer.ExpectRows();
    size_t by_key = 0;
    for (const auto& entry : scene.Live())
      by_key += entry.file.content == FileContent::kEqualityDeletes ? 1 : 0;
    EXPECT_EQ(by_key, 1u);
    EXPECT_EQ(scene.CountFiles("carried-"), with_positions ? 1u : 0u);
  }
}

/// A file that stays while its deletes by key become deletes by position.
TEST_P(CarryOver, AFileThatStaysKeepsTheDeletesOfBoth) {
  Scene scene({GetParam(), false, "900"});
  scene.writer.Append(60);
  scene.writer.DeleteKeys({3, 17});
  scene.writer.DeleteKeys({50});
  ASSERT_TRUE(scene.world.Tick().ok());
  const auto report = scene.RunTask().value();
  ASSERT_EQ(scene.task.rewrite_positions.size(), 1u);
  ASSERT_EQ(scene.output.delete_files.size(), 1u);
  scene.Delete();
  ASSERT_TRUE(scene.Report(report).ok());
  ASSERT_TRUE(scene.CommitTick().ok());
  EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded);
  EXPECT_EQ(scene.Last().error, "");
  scene.writer.ExpectRows();
  // Of version 3, one vector has the rows of both.
  EXPECT_EQ(scene.Live().size(), GetParam() >= 3 ? 2u : 3u);
}

TEST_P(CarryOver, AMapInAFileIsReadAndThenRemoved) {
  Scene scene(shape());
  auto report = scene.RewriteTwoFiles();
  const std::string location = tasks::PositionMapLocation(scene.task.OutputPrefix());
  scene.world.disk().Put(location, scene.output.positions->bytes, 0);
  scene.output.positions =
      tasks::PositionMap{"", location, static_cast<int64_t>(scene.output.positions->bytes.size())};
  report.output_json = tasks::RewriteOutputToJson(scene.output, scene.task);
  scene.Delete();
  ASSERT_TRUE(scene.Report(report).ok());
  ASSERT_TRUE(scene.CommitTick().ok());
  EXPECT_EQ(scene.Last().error, "");
  scene.writer.ExpectRows();
  EXPECT_FALSE(scene.world.disk().Has(location));
  EXPECT_EQ(scene.CountFiles(scene.task.OutputPrefix()), 2u);  // the data and its deletes
}

TEST_P(CarryOver, ATaskWithABrokenMapIsDroppedAndItsFilesAreRemoved) {
  Scene scene(shape());
  auto report = scene.RewriteTwoFiles();
  const std::string location = tasks::PositionMapLocation(scene.task.OutputPrefix());
  scene.world.disk().Put(location, "MPOS\1\1?", 0);
  scene.output.positions = tasks::PositionMap{"", location, 7};
  report.output_json = tasks::RewriteOutputToJson(scene.output, scene.task);
  scene.Delete();
  ASSERT_TRUE(scene.Report(report).ok());
  ASSERT_TRUE(scene.CommitTick().ok());
  EXPECT_EQ(scene.Last().state, ProcessState::kFailed);
  EXPECT_NE(scene.Last().error.find("could not be carried over"), std::string::npos)
      << scene.Last().error;
  scene.writer.ExpectRows();
  EXPECT_EQ(scene.CountFiles(scene.task.OutputPrefix()), 0u);
}

TEST_P(CarryOver, DeletesThatDoNotFitInMemoryDropTheirTask) {
  Scene scene(shape());
  scene.world.options().carry_memory_bytes = 200;
  scene.world.Restart();
  const auto report = scene.RewriteTwoFiles();
  scene.Delete();
  ASSERT_TRUE(scene.Report(report).ok());
  ASSERT_TRUE(scene.CommitTick().ok());
  EXPECT_EQ(scene.Last().state, ProcessState::kFailed);
  EXPECT_NE(scene.Last().error.find("do not fit in memory"), std::string::npos)
      << scene.Last().error;
  scene.writer.ExpectRows();
}

/// A store that asks for patience is asked again: no work is lost.
TEST_P(CarryOver, ABusyStoreIsWaitedFor) {
  struct Case {
    const char* operation;
    const char* pattern;
  };
  const char* late = GetParam() >= 3 ? "/vectors-" : "/positions-";
  for (const Case& c : {Case{"open", late}, Case{"read", late}, Case{"create", "carried-"},
                        Case{"append", "carried-"}, Case{"close", "carried-"}}) {
    SCOPED_TRACE(c.operation);
    testing::FaultInjector faults;
    Scene scene(shape(), &faults);
    ASSERT_TRUE(scene.Report(scene.RewriteTwoFiles()).ok());
    scene.Delete();
    faults.Arm({c.operation, c.pattern, 1, {.code = Code::kExhausted}});
    ASSERT_TRUE(scene.CommitTick().ok());
    EXPECT_EQ(faults.fired(), 1u);
    EXPECT_EQ(scene.Last().state, ProcessState::kCommitting) << scene.Last().error;
    scene.writer.ExpectRows();
    ASSERT_TRUE(scene.CommitTick().ok());
    EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded) << scene.Last().error;
    EXPECT_EQ(scene.Last().error, "");
    scene.writer.ExpectRows();
  }
}

/// Planned in version 2, and committed when the table is of version 3.
TEST(CarryOverUpgrade, WorkOfTheOldVersionLandsAsFarAsTheNewOneTakesIt) {
  for (bool stays : {false, true}) {
    SCOPED_TRACE(stays);
    Scene scene({2, false, stays ? "900" : "1000000"});
    scene.writer.Append(60);
    scene.writer.DeleteKeys({3, 17});
    scene.writer.DeleteKeys({50});
    ASSERT_TRUE(scene.world.Tick().ok());
    const auto report = scene.RunTask().value();
    ASSERT_EQ(scene.output.delete_files.size(), stays ? 1u : 0u);
    scene.Delete();
    scene.writer.Upgrade();
    ASSERT_TRUE(scene.Report(report).ok());
    ASSERT_TRUE(scene.CommitTick().ok());
    EXPECT_EQ(scene.Last().state, stays ? ProcessState::kFailed : ProcessState::kSucceeded)
        << scene.Last().error;
    scene.writer.ExpectRows();
    for (int round = 0; round < 2; ++round) {
      scene.world.Advance(scene.world.options().backoff_first + Millis(1));
      ASSERT_TRUE(scene.Heartbeat().ok());
      ASSERT_TRUE(scene.world.Tick().ok());
      while (auto done = scene.RunTask()) ASSERT_TRUE(scene.Report(*done).ok());
      ASSERT_TRUE(scene.CommitTick().ok());
      EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded) << scene.Last().error;
      scene.writer.ExpectRows();
    }
    for (const auto& entry : scene.Live()) {
      EXPECT_TRUE(entry.file.content == FileContent::kData || entry.file.is_deletion_vector());
    }
  }
}

/// The server dies, or can't reach its store, between carried deletes and their commit.
TEST_P(CarryOver, WhatATryLeftBehindIsFoundWhenAnotherLanded) {
  for (bool restart : {false, true}) {
    SCOPED_TRACE(restart);
    testing::FaultInjector faults;
    Scene scene(shape(), &faults);
    ASSERT_TRUE(scene.Report(scene.RewriteTwoFiles()).ok());
    scene.Delete();
    faults.Arm({"create", "-m0.avro", 1, {}});
    faults.Arm({"delete", "", 1, {}});  // of the manifests and them
    ASSERT_TRUE(scene.CommitTick().ok());
    EXPECT_EQ(scene.Last().state, ProcessState::kCommitting) << scene.Last().error;
    EXPECT_EQ(faults.fired(), 2u);
    ASSERT_EQ(scene.CountFiles("carried-"), 1u);
    if (restart) scene.world.Restart();
    ASSERT_TRUE(scene.CommitTick().ok());
    EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded) << scene.Last().error;
    EXPECT_EQ(scene.CountFiles("carried-"), 1u);
    scene.writer.ExpectRows();
  }
}

TEST_P(CarryOver, WhatATryLeftBehindGoesWithAProcessThatFails) {
  testing::FaultInjector faults;
  Scene scene(shape(), &faults);
  ASSERT_TRUE(scene.Report(scene.RewriteTwoFiles()).ok());
  scene.Delete();
  faults.Arm({"create", "-m0.avro", 1, {}});
  faults.Arm({"delete", "", 1, {}});  // of the manifests and them
  ASSERT_TRUE(scene.CommitTick().ok());
  ASSERT_EQ(scene.CountFiles("carried-"), 1u);
  faults.Arm({"create", "-m0.avro", 1, {.code = Code::kCorruption}});
  ASSERT_TRUE(scene.CommitTick().ok());
  EXPECT_EQ(scene.Last().state, ProcessState::kFailed);
  EXPECT_EQ(scene.CountFiles(scene.task.OutputPrefix()), 0u);
  scene.writer.ExpectRows();
}

TEST_P(CarryOver, AnUnknownOutcomeDeletesNothing) {
  for (testing::FaultKind kind : {testing::FaultKind::kBefore, testing::FaultKind::kAfter}) {
    for (size_t nth = 1; nth <= 4; ++nth) {
      SCOPED_TRACE(testing::FaultKindName(kind));
      SCOPED_TRACE(nth);
      testing::FaultInjector faults;
      Scene scene(shape(), &faults);
      ASSERT_TRUE(scene.Report(scene.RewriteTwoFiles()).ok());
      scene.Delete();
      const auto before = scene.world.disk().Locations();
      faults.Arm({"commit", "write", nth, {.kind = kind}});
      (void)scene.CommitTick();
      const auto live = scene.Live();
      for (const auto& entry : live) EXPECT_TRUE(scene.world.disk().Has(entry.file.file_path));
      scene.writer.ExpectRows();
      scene.world.Restart();
      ASSERT_TRUE(scene.CommitTick().ok());
      EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded) << scene.Last().error;
      scene.writer.ExpectRows();
      EXPECT_EQ(scene.CountFiles("carried-"), 1u);
    }
  }
}

/// An optimizer of somebody else's making.
TEST(CarryOverReports, AVectorThatLacksRowsIsRefused) {
  for (const char* lie : {"", "other rows", "gone"}) {
    SCOPED_TRACE(lie);
    Scene scene({3, false, "900"});
    scene.writer.Append(60);
    scene.writer.DeletePositions({1, 2, 3});
    scene.writer.DeleteKeys({7, 17});
    scene.writer.DeleteKeys({50});
    ASSERT_TRUE(scene.world.Tick().ok());
    auto report = scene.RunTask().value();
    ASSERT_EQ(scene.output.delete_files.size(), 1u);
    if (std::string_view(lie) == "other rows") {
      iceberg::PositionSet other;
      other.AddMany(std::vector<int64_t>{1, 2, 7, 8, 9, 50});
      Call call = scene.world.call();
      iceberg::DeletionVectorWriter vectors(scene.world.disk(),
                                            scene.task.OutputPrefix() + "lie.puffin");
      ASSERT_TRUE(
          vectors.Add(call, *scene.output.delete_files[0].referenced_data_file, other).ok());
      auto made = vectors.Close(call).value();
      made[0].spec_id = scene.output.delete_files[0].spec_id;
      scene.output.delete_files = made;
      report.output_json = tasks::RewriteOutputToJson(scene.output, scene.task);
    } else if (std::string_view(lie) == "gone") {
      scene.world.disk().Remove(scene.output.delete_files[0].file_path);
    }
    ASSERT_TRUE(scene.Report(report).ok());
    ASSERT_TRUE(scene.CommitTick().ok());
    const bool lied = *lie != '\0';
    EXPECT_EQ(scene.Last().state, lied ? ProcessState::kFailed : ProcessState::kSucceeded)
        << scene.Last().error;
    if (lied) {
      EXPECT_NE(scene.Last().error.find("what its optimizer reported can't be taken"),
                std::string::npos)
          << scene.Last().error;
    }
    scene.writer.ExpectRows();
  }
}

TEST_P(CarryOver, LeavesNothingOfCommitsThatLostTheRace) {
  Scene scene(shape());
  auto& world = scene.world;
  ASSERT_TRUE(scene.Report(scene.RewriteTwoFiles()).ok());
  io::HookedFiles files(world.disk());
  store::Shards alone(world.store(), {});
  optimizing::HealthMonitor monitor(world.engine(), files, alone, {});
  optimizing::Committer committer(world.engine(), files, alone, monitor, {});
  scene.Delete();
  int looks = 0;
  files.hook = [&] {
    if (++looks > 6) return;
    const auto again = std::exchange(files.hook, nullptr);
    scene.writer.Delete(Call(world.call().env(), Millis(100)));
    files.hook = again;
  };
  Call call = world.call();
  EXPECT_EQ(committer.CommitTick(call).value(), 1u);
  EXPECT_GT(scene.Last().commit_attempts, 1);
  EXPECT_EQ(scene.Last().error, "");
  EXPECT_EQ(scene.CountFiles("carried-"), 1u);
  scene.writer.ExpectRows();
}

TEST_P(CarryOver, AFaultAtAnyCallLosesNoRow) {
  const auto report = testing::EveryFault(
      [&](testing::FaultInjector& faults) {
        Scene scene(shape(), &faults);
        scene.writer.Append(60);
        scene.writer.Append(40);
        (void)scene.world.Tick();
        if (auto done = scene.RunTask()) (void)scene.Report(*done);
        scene.Delete();
        (void)scene.CommitTick();
        faults.Stop();
        scene.writer.ExpectRows();
        for (int round = 0; round < 3; ++round) {
          scene.world.Advance(scene.world.options().backoff_first + Millis(1));
          ASSERT_TRUE(scene.Heartbeat().ok());
          ASSERT_TRUE(scene.world.Tick().ok());
          while (auto done = scene.RunTask()) ASSERT_TRUE(scene.Report(*done).ok());
          ASSERT_TRUE(scene.CommitTick().ok());
          scene.writer.ExpectRows();
        }
        EXPECT_EQ(scene.Last().state, ProcessState::kSucceeded) << scene.Last().error;
      },
      {.exhaustive_calls = 0, .samples = 40, .seed = 3});
  EXPECT_GT(report.fired, 20u);
}

}  // namespace
}  // namespace moraine::server
