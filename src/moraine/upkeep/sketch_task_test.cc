#include "moraine/upkeep/sketch_task.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/iceberg/puffin/puffin_writer.h"
#include "moraine/iceberg/sketches/theta_hash.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/upkeep/sketch_plan.h"

namespace moraine::upkeep {
namespace {

using ::testing::HasSubstr;

using Counts = std::map<int32_t, int64_t>;

/// Columns id long (1), day int (2, the partition), name string (3).
class SketchTaskTest : public ::testing::TestWithParam<int> {
 protected:
  iceberg::RowDeltaPart Part(int32_t day, std::string rows) {
    return table_.Rows(day, std::move(rows));
  }
  void Commit(const std::vector<iceberg::RowDeltaPart>& parts) {
    const Status committed = table_.CommitRows(call_, parts);
    ASSERT_TRUE(committed.ok()) << committed.ToString();
  }

  SketchTask Wanted(std::vector<int32_t> columns) {
    SketchTask wanted;
    wanted.place.snapshot_id = table_.metadata()->current_snapshot_id;
    wanted.columns = std::move(columns);
    wanted.is_last = true;
    return wanted;
  }
  Result<SketchResult> Run(SketchTask wanted, const JobOptions& options = {}) {
    MORAINE_ASSIGN(wanted.place.metadata_location, table_.WriteMetadata(call_));
    tasks::MaintenanceTask task;
    task.kind = kComputeStatisticsKind;
    task.process_id = "run";
    task.task_id = ++tasks_;
    task.output_folder = "file:///warehouse/t/.maintenance";
    task.table_uuid = table_.metadata()->table_uuid;
    task.body = ToBody(wanted);
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files_, task, options, nullptr));
    return SketchResultOf(output);
  }
  Counts CountsOf(const Result<SketchResult>& result) {
    Counts counts;
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (!result.ok()) return counts;
    for (const auto& blob : result->file.blob_metadata)
      counts[blob.fields[0]] = std::stoll(blob.properties.at("ndv"));
    return counts;
  }
  static SketchFile FileOf(const SketchResult& result) {
    return {result.file.statistics_path, result.file.file_size_in_bytes};
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  iceberg::TestTable table_{files_, {.format_version = GetParam()}};
  int tasks_ = 0;
};

TEST_P(SketchTaskTest, CountsLiveRows) {
  auto part = Part(1, R"([[1, 1, "x"], [2, 1, "x"], [2, 1, ""], [3, 1, "y"], [4, 1, "z"],
                          [5, 1, "keyed"], [null, 1, null]])");
  part.dropped = {4};
  Commit({part, Part(2, R"([[5, 2, "keyed"], [6, 2, "x"]])")});
  auto keys = Part(1, "");
  keys.key_columns = {"name"};
  keys.keys = R"([["keyed"]])";
  Commit({keys});
  // The equality delete is of partition 1 alone.
  const auto result = Run(Wanted({1, 2, 3}));
  EXPECT_EQ(CountsOf(result), (Counts{{1, 5}, {2, 2}, {3, 3}}));
  EXPECT_EQ(result->files, 2);
  EXPECT_EQ(result->rows, 9);
  EXPECT_EQ(result->file.snapshot_id, table_.metadata()->current_snapshot_id);
  EXPECT_THAT(result->file.statistics_path, HasSubstr("file:///warehouse/t/metadata/run-"));
  auto reader = iceberg::PuffinReader::Open(call_, files_, result->file.statistics_path,
                                            result->file.file_size_in_bytes);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ(reader->footer_size_bytes(), result->file.file_footer_size_in_bytes);
  ASSERT_EQ(reader->metadata().blobs.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const auto& blob = reader->metadata().blobs[i];
    EXPECT_EQ(blob.properties, result->file.blob_metadata[i].properties);
    EXPECT_EQ(blob.sequence_number, table_.current().sequence_number);
    const auto bytes = reader->ReadBlob(call_, blob, 1 << 20);
    ASSERT_TRUE(bytes.ok());
    const auto sketch = iceberg::SketchFromBytes(*bytes);
    ASSERT_TRUE(sketch.ok());
    EXPECT_EQ(std::to_string(sketch->distinct_values()), blob.properties.at("ndv"));
  }
}

TEST_P(SketchTaskTest, PartsMergedAreTheWhole) {
  std::string rows;
  for (int day = 0; day < 6; ++day) {
    rows = "[";
    for (int i = 0; i < 2'000; ++i) {
      rows +=
          fmt::format(R"({}[{}, {}, "name {}"])", i == 0 ? "" : ",", day * 1'500 + i, day, i % 100);
    }
    Commit({Part(day, rows + "]")});
  }
  const auto whole = Run(Wanted({3, 1}));
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  EXPECT_EQ(CountsOf(whole).at(3), 100);
  EXPECT_NEAR(static_cast<double>(CountsOf(whole).at(1)), 9'500, 300);
  SketchTask merging = Wanted({3, 1});
  merging.scanned.parts = 0;
  int64_t files = 0;
  for (int64_t part = 0; part < 3; ++part) {
    SketchTask wanted = Wanted({3, 1});
    wanted.scanned = {std::nullopt, part, 3};
    wanted.is_last = false;
    const auto result = Run(wanted);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_THAT(result->file.statistics_path, HasSubstr("/.maintenance/run-"));
    files += result->files;
    merging.merged.push_back(FileOf(*result));
  }
  EXPECT_EQ(files, 6);
  const auto merged = Run(merging);
  EXPECT_EQ(CountsOf(merged), CountsOf(whole));
  EXPECT_EQ(merged->file.file_size_in_bytes, whole->file.file_size_in_bytes);
  // One column at a time, for lack of memory.
  JobOptions little;
  little.memory_bytes = 300 << 10;
  const auto slowly = Run(Wanted({3, 1}), little);
  EXPECT_EQ(CountsOf(slowly), CountsOf(whole));
}

TEST_P(SketchTaskTest, ReadsWhatWasAddedSince) {
  Commit({Part(1, R"([[1, 1, "x"], [2, 1, "y"]])")});
  const auto first = Run(Wanted({1, 3}));
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  Commit({Part(1, R"([[2, 1, "y"], [3, 1, "z"], [4, 1, "z"]])")});
  SketchTask wanted = Wanted({1, 3});
  wanted.merged = {FileOf(*first)};
  wanted.scanned.since = {{wanted.place.snapshot_id}};
  const auto both = Run(wanted);
  EXPECT_EQ(CountsOf(both), (Counts{{1, 4}, {3, 3}}));
  EXPECT_EQ(both->files, 1);
  EXPECT_EQ(CountsOf(Run(Wanted({1, 3}))), CountsOf(both));
  // A column that the older file has not.
  wanted.columns = {1, 2};
  EXPECT_EQ(Run(wanted).status().code(), Code::kCorruption);
  wanted.columns = {99};
  EXPECT_EQ(Run(wanted).status().code(), Code::kInvalidArgument);
}

TEST_P(SketchTaskTest, SaysThatItsBaseCannotBeUsed) {
  Commit({Part(1, R"([[1, 1, "x"], [2, 1, "y"]])")});
  const auto first = Run(Wanted({1}));
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(first->file.blob_metadata[0].properties.at(kTypeProperty), "long");
  SketchTask wanted = Wanted({1});
  wanted.merged = {FileOf(*first)};
  wanted.has_base = true;
  EXPECT_EQ(CountsOf(Run(wanted)), (Counts{{1, 2}}));
  wanted.columns = {1, 3};
  auto result = Run(wanted);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->unusable, HasSubstr("has no sketch of column 3"));
  EXPECT_EQ(result->file.statistics_path, "");
  wanted.columns = {1};
  wanted.merged[0].location += ".gone";
  result = Run(wanted);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->unusable, HasSubstr("NotFound"));
  // Of the run's own files none may be missing.
  wanted.has_base = false;
  EXPECT_EQ(Run(wanted).status().code(), Code::kNotFound);
  // What was to be kept may be.
  wanted = Wanted({1});
  wanted.kept = {FileOf(*first).location + ".gone", 100};
  result = Run(wanted);
  EXPECT_EQ(CountsOf(result), (Counts{{1, 2}}));
  EXPECT_THAT(result->lost, HasSubstr("NotFound"));
  const auto body = SketchTaskOf(ToBody(wanted));
  ASSERT_TRUE(body.ok());
  wanted.place = {};
  EXPECT_EQ(ToBody(*body), ToBody(wanted));
}

TEST_P(SketchTaskTest, KeepsWhatOthersKnow) {
  Commit({Part(1, R"([[1, 1, "x"], [2, 1, "y"]])")});
  const std::string theirs = "file:///warehouse/t/metadata/theirs.stats";
  auto writer = iceberg::PuffinWriter::Create(call_, files_, theirs);
  ASSERT_TRUE(writer.ok());
  const int64_t snapshot_id = table_.metadata()->current_snapshot_id;
  for (const auto& [type, fields] : std::vector<std::pair<std::string, std::vector<int32_t>>>{
           {"histogram", {1}},
           {iceberg::kThetaSketchBlobType, {1}},
           {iceberg::kThetaSketchBlobType, {2}}}) {
    iceberg::PuffinBlob blob;
    blob.type = type;
    blob.fields = fields;
    blob.snapshot_id = snapshot_id;
    blob.sequence_number = 1;
    blob.codec = iceberg::PuffinCodec::kZstd;
    blob.properties = {{"ndv", "77"}};
    ASSERT_TRUE(writer->Add(call_, blob, "bytes of " + type).ok());
  }
  ASSERT_TRUE(writer->Close(call_).ok());
  SketchTask wanted = Wanted({1, 3});
  wanted.kept = {theirs, static_cast<int64_t>(files_.Stat(call_, theirs)->size_bytes)};
  const auto result = Run(wanted);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  std::vector<std::string> blobs;
  for (const auto& blob : result->file.blob_metadata)
    blobs.push_back(fmt::format("{} {} {}", blob.type, blob.fields[0], blob.properties.at("ndv")));
  EXPECT_THAT(blobs, ::testing::ElementsAre("histogram 1 77", "apache-datasketches-theta-v1 2 77",
                                            "apache-datasketches-theta-v1 1 2",
                                            "apache-datasketches-theta-v1 3 2"));
  auto reader = iceberg::PuffinReader::Open(call_, files_, result->file.statistics_path, {});
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(*reader->ReadBlob(call_, reader->metadata().blobs[0], 1'000), "bytes of histogram");
}

TEST_P(SketchTaskTest, RefusesOtherBodies) {
  Commit({Part(1, R"([[1, 1, "x"]])")});
  SketchTask wanted = Wanted({1});
  wanted.scanned.part = 3;
  wanted.scanned.parts = 3;
  EXPECT_EQ(Run(wanted).status().code(), Code::kInvalidArgument);
  wanted = Wanted({1});
  wanted.place.snapshot_id = 12;
  EXPECT_EQ(Run(wanted).status().code(), Code::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Versions, SketchTaskTest, ::testing::Values(2, 3));

}  // namespace
}  // namespace moraine::upkeep
