#include "moraine/upkeep/partition_statistics.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/upkeep/partition_statistics_task.h"

namespace moraine::upkeep {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::PartitionCounts;
using iceberg::PartitionField;
using iceberg::PartitionSpec;
using iceberg::PartitionStatistics;
using iceberg::PartitionTuple;
using iceberg::RemovedFile;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using iceberg::Transform;
using iceberg::Value;
namespace update = iceberg::update;

/// "1/7 spec 0: data 2 files 200 rows 2000 bytes, ..." without what is zero.
std::string RowText(int32_t spec_id, const PartitionTuple& partition, const PartitionCounts& c) {
  std::string text;
  for (const Value& value : partition) {
    if (!text.empty()) text += "/";
    if (iceberg::IsNull(value)) text += "null";
    if (const auto* number = std::get_if<int32_t>(&value)) text += std::to_string(*number);
    if (const auto* number = std::get_if<int64_t>(&value)) text += std::to_string(*number);
  }
  text += fmt::format(" spec {}:", spec_id);
  if (c.data_files != 0)
    text += fmt::format(" data {}/{}/{}", c.data_files, c.data_records, c.data_bytes);
  if (c.position_delete_files != 0) text += fmt::format(" positions {}", c.position_delete_files);
  if (c.deletion_vectors != 0) text += fmt::format(" vectors {}", c.deletion_vectors);
  if (c.position_delete_records != 0) text += fmt::format(" of {}", c.position_delete_records);
  if (c.equality_delete_files != 0)
    text += fmt::format(" keys {} of {}", c.equality_delete_files, c.equality_delete_records);
  return text;
}

class Fixture {
 public:
  explicit Fixture(int version, io::FileSystem* files = nullptr, uint64_t seed = 1)
      : env_(seed),
        files_(files != nullptr ? *files : memory_),
        table_(files_, {version, true, {}}) {}

  Call& call() { return call_; }
  iceberg::TestTable& table() { return table_; }
  const iceberg::TableMetadata& metadata() { return *table_.metadata(); }
  io::FileSystem& files() { return files_; }
  Random& random() { return env_.random(); }

  Status Apply(std::vector<iceberg::TableUpdate> updates) {
    return table_.Apply({{}, std::move(updates)});
  }
  Status Commit(SnapshotOperation operation, std::vector<DataFile> added,
                const std::vector<DataFile>& removed) {
    SnapshotChanges changes;
    changes.operation = operation;
    for (auto& file : added) {
      live_.push_back(file);
      changes.added.push_back({std::move(file), {}});
    }
    for (const auto& file : removed) {
      auto& list =
          file.content == FileContent::kData ? changes.removed_data : changes.removed_deletes;
      list.push_back(RemovedFile::Of(file));
      std::erase(live_, file);
    }
    if (const auto* snapshot = metadata().CurrentSnapshot())
      changes.checks.starting_snapshot_id = snapshot->snapshot_id;
    return table_.Commit(call_, std::move(changes)).status();
  }
  const std::vector<DataFile>& live() const { return live_; }

  /// A file of the current spec; values for each of its fields.
  DataFile File(FileContent content, PartitionTuple partition, const std::string& about = "") {
    const std::string name = fmt::format("f{}", next_++);
    DataFile file = content == FileContent::kData ? table_.Data(name)
                    : content == FileContent::kEqualityDeletes
                        ? table_.EqualityDeletes(name, 0, 0, 9)
                    : metadata().format_version >= 3 ? table_.DeletionVector(name, about, 0, next_)
                                                     : table_.PositionDeletes(name, about);
    file.partition = std::move(partition);
    return file;
  }

  Result<ComputedPartitionStatistics> Compute(int64_t memory_bytes = int64_t{64} << 20,
                                              int64_t snapshot_id = 0) {
    MORAINE_ASSIGN(const std::string location, table_.WriteMetadata(call_));
    tasks::MaintenanceTask task;
    task.kind = kComputePartitionStatistics;
    task.process_id = "run";
    task.task_id = ++tasks_;
    task.attempt = 1;
    task.table_uuid = metadata().table_uuid;
    task.body = PartitionStatisticsBody(
        {location, snapshot_id != 0 ? snapshot_id : metadata().current_snapshot_id});
    JobOptions options;
    options.memory_bytes = memory_bytes;
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files_, task, options, nullptr));
    return PartitionStatisticsOf(output);
  }
  /// Computes and commits.
  Result<ComputedPartitionStatistics> Set(int64_t memory_bytes = int64_t{64} << 20) {
    MORAINE_ASSIGN(auto computed, Compute(memory_bytes));
    MORAINE_TRY(Apply({update::SetPartitionStatistics{computed.file}}));
    return computed;
  }

  std::vector<PartitionStatistics> Rows(const iceberg::PartitionStatisticsFile& file) {
    std::vector<PartitionStatistics> rows;
    EXPECT_TRUE(iceberg::ReadPartitionStatistics(call_, files_, file.statistics_path,
                                                 file.file_size_in_bytes,
                                                 *iceberg::UnifiedPartitionFields(metadata()),
                                                 [&](PartitionStatistics& row) {
                                                   rows.push_back(std::move(row));
                                                   return Status();
                                                 })
                    .ok());
    return rows;
  }
  std::vector<std::string> Texts(const iceberg::PartitionStatisticsFile& file) {
    std::vector<std::string> texts;
    for (const auto& row : Rows(file))
      texts.push_back(RowText(row.spec_id, row.partition, row.counts));
    return texts;
  }

 private:
  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem memory_;
  io::FileSystem& files_;
  iceberg::TestTable table_;
  std::vector<DataFile> live_;
  int next_ = 0;
  int tasks_ = 0;
};

PartitionTuple Day(int32_t day) { return {Value(day)}; }

/// Steps of a history, parted by spaces:
///   +1    appends a data file to day 1 (of the second spec: to a bucket, too)
///   -1    deletes the oldest data file of day 1
///   p1 e1 deletes by position (vectors in version 3) of its oldest data file, by key
///   r1    replaces the data files of day 1 by one, and its deletes by none
///   m     writes the manifests anew
///   spec  partitions by bucket(id), too; void: by nothing but the bucket
///   stats computes and commits statistics
class Historian {
 public:
  explicit Historian(int version) : f(version) {}

  void Do(std::string_view steps) {
    for (std::string_view step : Split(steps, ' ')) {
      SCOPED_TRACE(step);
      DoStep(step);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  Fixture f;
  ComputedPartitionStatistics last;
  std::string ways;  ///< "full incremental "

 private:
  PartitionTuple Place(int32_t day) {
    PartitionTuple tuple;
    for (const auto& field : f.metadata().DefaultSpec().fields) {
      const bool is_void = field.transform.kind() == Transform::Kind::kVoid;
      tuple.push_back(is_void ? Value() : field.field_id == 1000 ? Value(day) : Value(day % 2));
    }
    return tuple;
  }
  std::vector<DataFile> FilesOf(int32_t day, bool with_deletes) {
    std::vector<DataFile> files;
    for (const auto& file : f.live()) {
      if (file.content != FileContent::kData && !with_deletes) continue;
      if (iceberg::SameTuple(file.partition, Place(day))) files.push_back(file);
    }
    return files;
  }
  void AddSpec(std::vector<PartitionField> fields) {
    ASSERT_TRUE(f.Apply({update::AddPartitionSpec{{0, std::move(fields), {}}},
                         update::SetDefaultSpec{iceberg::kLastAdded}})
                    .ok());
  }

  void DoStep(std::string_view step) {
    const auto day = step.size() == 2 ? static_cast<int32_t>(step[1] - '0') : 0;
    const auto kData = FileContent::kData;
    if (step == "stats") {
      auto computed = f.Set();
      ASSERT_TRUE(computed.ok()) << computed.status().ToString();
      last = *std::move(computed);
      ways += last.incremental ? "incremental " : "full ";
    } else if (step == "spec") {
      AddSpec({{{2}, 1000, "day", Transform::Identity()},
               {{1}, 0, "bucket", *Transform::FromString("bucket[2]")}});
    } else if (step == "void") {
      AddSpec({{{2}, 1000, "day_gone", Transform::Void()},
               {{1}, 1001, "bucket", *Transform::FromString("bucket[2]")}});
    } else if (step == "m") {
      SnapshotChanges changes;
      changes.operation = SnapshotOperation::kRewriteManifests;
      ASSERT_TRUE(f.table().Commit(f.call(), std::move(changes)).ok());
    } else if (step[0] == '+') {
      ASSERT_TRUE(f.Commit(SnapshotOperation::kAppend, {f.File(kData, Place(day))}, {}).ok());
    } else if (step[0] == '-') {
      ASSERT_TRUE(f.Commit(SnapshotOperation::kDelete, {}, {FilesOf(day, false).at(0)}).ok());
    } else if (step[0] == 'p' || step[0] == 'e') {
      const std::string about = FilesOf(day, false).at(0).file_path;
      DataFile file =
          f.File(step[0] == 'p' ? FileContent::kPositionDeletes : FileContent::kEqualityDeletes,
                 Place(day));
      if (step[0] == 'p') file.referenced_data_file = about;
      ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {file}, {}).ok());
    } else if (step[0] == 'r') {
      ASSERT_TRUE(f.Commit(SnapshotOperation::kRewriteFiles, {f.File(kData, Place(day))},
                           FilesOf(day, true))
                      .ok());
    } else {
      FAIL() << "no such step";
    }
  }
};

class PartitionStatisticsVersions : public ::testing::TestWithParam<int> {};

TEST_P(PartitionStatisticsVersions, AreThoseOfTheSnapshot) {
  const struct {
    const char* what;
    std::string steps;
    std::string ways;
    std::vector<std::string> rows;
    int least_version = 1;
  } cases[] = {
      {"appends",
       "+2 +1 +1 stats",
       "full ",
       {"1 spec 0: data 2/200/2000", "2 spec 0: data 1/100/1000"}},
      {"on top of others",
       "+2 +1 stats +1 +3 stats",
       "full incremental ",
       {"1 spec 0: data 2/200/2000", "2 spec 0: data 1/100/1000", "3 spec 0: data 1/100/1000"}},
      {"a partition that is empty has no row",
       "+1 +2 stats -1 stats",
       "full incremental ",
       {"2 spec 0: data 1/100/1000"}},
      {"nor has one that was emptied last",
       "+1 +2 -1 stats",
       "full ",
       {"2 spec 0: data 1/100/1000"}},
      {"no rows at all", "+1 -1 stats", "full ", {}},
      {"rewrites of files and manifests",
       "+1 +1 +2 stats r1 stats m stats +1 stats",
       "full incremental incremental incremental ",
       {"1 spec 0: data 2/200/2000", "2 spec 0: data 1/100/1000"}},
      {"deletes",
       "+1 +2 p1 e1 e1 stats e2 stats r1 stats",
       "full incremental incremental ",
       {"1 spec 0: data 1/100/1000", "2 spec 0: data 1/100/1000 keys 1 of 5"},
       2},
      {"another spec",
       "+1 +3 stats spec +1 stats +2 stats void +1 stats +2 stats +2 stats",
       "full incremental incremental incremental incremental incremental ",
       {"null/0 spec 2: data 2/200/2000", "null/1 spec 2: data 1/100/1000",
        "1/null spec 0: data 1/100/1000", "1/1 spec 1: data 1/100/1000",
        "2/0 spec 1: data 1/100/1000", "3/null spec 0: data 1/100/1000"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    if (GetParam() < c.least_version) continue;
    Historian history(GetParam());
    history.Do(c.steps);
    EXPECT_EQ(history.ways, c.ways) << history.last.reason;
    EXPECT_EQ(history.f.Texts(history.last.file), c.rows);
    EXPECT_EQ(history.last.partitions, static_cast<int64_t>(c.rows.size()));
  }
}

TEST_P(PartitionStatisticsVersions, CountDeletesByPosition) {
  if (GetParam() == 1) return;
  Historian history(GetParam());
  history.Do("+1 +1 p1 stats e1 stats");
  const std::string what = GetParam() == 3 ? "vectors 1 of 5" : "positions 1 of 5";
  EXPECT_EQ(history.f.Texts(history.last.file),
            std::vector<std::string>{"1 spec 0: data 2/200/2000 " + what + " keys 1 of 5"});
  EXPECT_EQ(history.last.data_files, 2);
  EXPECT_EQ(history.last.delete_files, 2);
  const auto row = history.f.Rows(history.last.file).at(0);
  EXPECT_EQ(row.counts.last_updated_snapshot_id, history.f.metadata().current_snapshot_id);
  EXPECT_EQ(row.counts.last_updated_ms, history.f.table().current().timestamp_ms);
  EXPECT_FALSE(row.counts.total_records);
}

/// Histories at random: on top of others or not, the rows are those of the files that live.
TEST_P(PartitionStatisticsVersions, AreRightAfterAnyHistory) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Fixture f(GetParam(), nullptr, seed);
    int incremental = 0;
    const auto day = [&] { return static_cast<int32_t>(f.random().Below(4)); };
    for (int step = 0; step < 30; ++step) {
      SCOPED_TRACE(step);
      std::vector<DataFile> added;
      std::vector<DataFile> removed;
      auto operation = SnapshotOperation::kOverwrite;
      const uint64_t dice = f.random().Below(10);
      for (uint64_t i = f.random().Below(3); i < 3; ++i)
        added.push_back(f.File(FileContent::kData, Day(day())));
      if (dice < 4) {
        operation = dice < 2 ? SnapshotOperation::kAppend : SnapshotOperation::kFastAppend;
      } else if (dice < 7 && GetParam() > 1 && !f.live().empty()) {
        operation = SnapshotOperation::kRowDelta;
        added.push_back(f.File(FileContent::kEqualityDeletes, Day(day())));
      } else {
        for (const auto& file : f.live()) {
          if (file.content == FileContent::kData && f.random().Below(4) == 0)
            removed.push_back(file);
        }
      }
      ASSERT_TRUE(f.Commit(operation, std::move(added), removed).ok());
      if (f.random().Below(3) != 0) continue;
      auto computed = f.Set();
      ASSERT_TRUE(computed.ok()) << computed.status().ToString();
      incremental += computed->incremental ? 1 : 0;
      std::map<int32_t, PartitionCounts> expected;
      for (const auto& manifest : *f.table().Manifests(f.call())) {
        auto spec = *iceberg::SpecOf(f.metadata(), manifest);
        auto count = [&](iceberg::ManifestEntry& entry) -> Status {
          const auto& file = entry.file;
          auto& counts = expected[std::get<int32_t>(file.partition[0])];
          const bool is_data = file.content == FileContent::kData;
          (is_data ? counts.data_files : counts.equality_delete_files) += 1;
          (is_data ? counts.data_records : counts.equality_delete_records) += file.record_count;
          if (is_data) counts.data_bytes += file.file_size_in_bytes;
          return {};
        };
        ASSERT_TRUE(iceberg::ReadManifest(f.call(), f.files(), manifest, *spec,
                                          f.metadata().CurrentSchema(), {}, count)
                        .ok());
      }
      std::vector<std::string> texts;
      for (const auto& [key, counts] : expected) texts.push_back(RowText(0, Day(key), counts));
      ASSERT_EQ(f.Texts(computed->file), texts);
    }
    EXPECT_GT(incremental, 1);
  }
}
INSTANTIATE_TEST_SUITE_P(All, PartitionStatisticsVersions, ::testing::Values(1, 2, 3));

TEST(PartitionStatisticsTask, NamesItsFileByTheAttempt) {
  Historian history(2);
  history.Do("+1 stats");
  const auto& file = history.last.file;
  EXPECT_EQ(file.snapshot_id, history.f.metadata().current_snapshot_id);
  EXPECT_EQ(file.statistics_path,
            fmt::format("file:///warehouse/t/metadata/run-1-1-partition-stats-{}.parquet",
                        file.snapshot_id));
  EXPECT_EQ(history.f.files().Stat(history.f.call(), file.statistics_path)->size_bytes,
            file.file_size_in_bytes);
  tasks::MaintenanceOutput output;
  output.result = ToResult(history.last);
  EXPECT_EQ(*PartitionStatisticsOf(output), history.last);
}

TEST(PartitionStatisticsTask, LeavesWhatHasNoPartitions) {
  Fixture f(2);
  ASSERT_TRUE(f.Commit(SnapshotOperation::kAppend, {f.File(FileContent::kData, Day(1))}, {}).ok());
  EXPECT_EQ(WhyNoPartitionStatistics(f.metadata()), "");
  iceberg::TableMetadata metadata = f.metadata();
  metadata.partition_specs = {std::make_shared<const PartitionSpec>()};
  EXPECT_EQ(WhyNoPartitionStatistics(metadata), "the table has no partitions");
  EXPECT_EQ(f.Compute(1 << 20, 12345).status().code(), Code::kInvalidArgument);
}

TEST(PartitionStatisticsTask, RefusesMorePartitionsThanFit) {
  Fixture f(2);
  std::vector<DataFile> files;
  for (int32_t day = 0; day < 1000; ++day) files.push_back(f.File(FileContent::kData, Day(day)));
  ASSERT_TRUE(f.Commit(SnapshotOperation::kAppend, std::move(files), {}).ok());
  auto refused = f.Compute(100'000);
  EXPECT_EQ(refused.status().code(), Code::kExhausted);
  EXPECT_NE(refused.status().ToString().find("partitions"), std::string::npos);
  EXPECT_EQ(f.Set(1'000'000)->partitions, 1000);
}

TEST(PartitionStatisticsTask, DoesWithoutOlderOnesThatAreWrong) {
  const struct {
    const char* what;
    std::function<void(Fixture&, iceberg::PartitionStatisticsFile*)> spoil;
    const char* reason;
  } cases[] = {
      {"gone", [](Fixture&, auto* file) { file->statistics_path += ".gone"; }, "can't be used"},
      {"not Parquet",
       [](Fixture& f, auto* file) {
         file->statistics_path = "file:///warehouse/t/metadata/x.parquet";
         ASSERT_TRUE(io::WriteFile(f.call(), f.files(), file->statistics_path, "no").ok());
       },
       "can't be used"},
      {"of other rows",
       [](Fixture& f, auto* file) {
         auto rows = f.Rows(*file);
         rows[0].counts.data_files += 1;
         iceberg::PartitionStatisticsOutput output;
         output.location = file->statistics_path = "file:///warehouse/t/metadata/y.parquet";
         output.partition_fields = *iceberg::UnifiedPartitionFields(f.metadata());
         auto size = iceberg::WritePartitionStatistics(
             f.call(), f.files(), output, rows.size(), [&](size_t i) {
               return iceberg::PartitionStatisticsRow{rows[i].spec_id, &rows[i].partition,
                                                      &rows[i].counts};
             });
         ASSERT_TRUE(size.ok());
         file->file_size_in_bytes = *size;
       },
       "do not add up"},
      {"of a spec that nobody knows",
       [](Fixture& f, auto* file) {
         auto rows = f.Rows(*file);
         iceberg::PartitionStatisticsOutput output;
         output.location = file->statistics_path = "file:///warehouse/t/metadata/z.parquet";
         output.partition_fields = *iceberg::UnifiedPartitionFields(f.metadata());
         ASSERT_TRUE(
             iceberg::WritePartitionStatistics(f.call(), f.files(), output, 1, [&](size_t) {
               return iceberg::PartitionStatisticsRow{9, &rows[0].partition, &rows[0].counts};
             }).ok());
       },
       "can't be used"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    Historian history(2);
    history.Do("+1 stats +2");
    auto file = history.last.file;
    c.spoil(history.f, &file);
    ASSERT_TRUE(history.f.Apply({update::SetPartitionStatistics{file}}).ok());
    history.Do("stats");
    EXPECT_FALSE(history.last.incremental);
    EXPECT_NE(history.last.reason.find(c.reason), std::string::npos) << history.last.reason;
    EXPECT_EQ(history.f.Texts(history.last.file).size(), 2u);
  }
}

TEST(PartitionStatisticsTask, FailsWellWithEachFault) {
  auto report = moraine::testing::EveryFault([](moraine::testing::FaultInjector& faults) {
    io::MemoryFileSystem memory;
    io::FaultyFileSystem files(memory, faults);
    Fixture f(2, &memory);
    for (int32_t day : {1, 2}) {
      ASSERT_TRUE(
          f.Commit(SnapshotOperation::kAppend, {f.File(FileContent::kData, Day(day))}, {}).ok());
      if (day == 1) {
        ASSERT_TRUE(f.Set().ok());
      }
    }
    const std::string location = "file:///warehouse/t/metadata/v9.metadata.json";
    ASSERT_TRUE(
        io::WriteFile(f.call(), memory, location, iceberg::TableMetadataToJson(f.metadata())).ok());
    tasks::MaintenanceTask task;
    task.kind = kComputePartitionStatistics;
    task.process_id = "run";
    task.attempt = 1;
    task.table_uuid = f.metadata().table_uuid;
    task.body = PartitionStatisticsBody({location, f.metadata().current_snapshot_id});
    auto output = RunMaintenanceTask(f.call(), files, task, {}, nullptr);
    faults.Stop();
    if (!output.ok()) {
      EXPECT_EQ(output.status().code(), Code::kUnavailable);
      task.attempt = 2;
      output = RunMaintenanceTask(f.call(), files, task, {}, nullptr);
    }
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_EQ(f.Texts(PartitionStatisticsOf(*output)->file).size(), 2u);
  });
  EXPECT_GT(report.fired, 8u);
}

TEST(StatisticsWay, GoesByWhatIsToBeRead) {
  const auto snapshot = [](int64_t id, std::optional<int64_t> parent) {
    iceberg::Snapshot made;
    made.snapshot_id = id;
    made.parent_snapshot_id = parent;
    return std::make_shared<const iceberg::Snapshot>(made);
  };
  const struct {
    const char* what;
    int64_t snapshots;  ///< 1 is the root, the last is asked about
    int64_t statistics_of;
    int64_t gone;  ///< one that expired
    size_t manifests;
    int64_t bytes_each;
    int64_t since;  ///< -1: all manifests are read
  } cases[] = {
      {"none before", 3, 0, 0, 100, 1 << 20, -1},
      {"of the parent", 3, 2, 0, 1, 1000, 1},
      {"some commits of a large table", 20, 1, 0, 1000, 8 << 20, 19},
      {"very many commits of a small one", 5000, 1, 0, 50, 10'000, -1},
      {"the way there is gone", 20, 1, 5, 1000, 8 << 20, -1},
      {"of another branch", 3, 99, 0, 100, 1 << 20, -1},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    iceberg::TableMetadata metadata;
    for (int64_t id = 1; id <= c.snapshots; ++id) {
      if (id != c.gone)
        metadata.snapshots.push_back(
            snapshot(id, id == 1 ? std::nullopt : std::optional<int64_t>(id - 1)));
    }
    if (c.statistics_of != 0) {
      iceberg::PartitionStatisticsFile file;
      file.snapshot_id = c.statistics_of;
      metadata.partition_statistics.push_back(file);
    }
    iceberg::ManifestFile manifest;
    manifest.manifest_length = c.bytes_each;
    const auto way = ChooseStatisticsWay(metadata, *metadata.snapshots.back(),
                                         std::vector<iceberg::ManifestFile>(c.manifests, manifest));
    EXPECT_EQ(way.previous ? static_cast<int64_t>(way.since.size()) : -1, c.since);
    EXPECT_EQ(way.reason.empty(), c.since >= 0);
    if (way.previous) {
      EXPECT_EQ(way.since.front()->snapshot_id, c.snapshots);
    }
  }
}

}  // namespace
}  // namespace moraine::upkeep
