// Tables of format version 3 that Spark wrote (tests/golden/spark_v3), rewritten: the same rows
// with the same row ids and numbers of last updates as Spark reads.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/rewrite/written_fields.h"

namespace moraine::rewrite {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = MORAINE_TEST_DATA_DIR "/golden/spark_v3/";

std::string Load(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> SortedLines(std::string_view text) {
  std::vector<std::string> lines;
  for (std::string_view line : Split(text, '\n')) {
    if (!line.empty()) lines.emplace_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// As the golden rows are written: "1|a|1.5|0|1".
std::string TextOf(const arrow::RecordBatch& rows) {
  std::string text;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    for (int i = 0; i < rows.num_columns(); ++i) {
      std::string value = (*rows.column(i)->GetScalar(row))->ToString();
      if (rows.column(i)->type_id() == arrow::Type::DOUBLE && value.find('.') == value.npos &&
          value != "null") {
        value += ".0";
      }
      text += (i > 0 ? "|" : "") + value;
    }
    text += "\n";
  }
  return text;
}

class RewriteOfSparksV3 : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const fs::path home = kGolden + GetParam();
    const std::string root =
        fmt::format("file:///spark{}/db/{}/", std::string(146, '_'), GetParam());
    fs::path newest;
    for (const auto& entry : fs::recursive_directory_iterator(home)) {
      if (!entry.is_regular_file()) continue;
      files_.Put(root + fs::relative(entry.path(), home).string(), Load(entry.path()), 0);
      if (entry.path().string().ends_with(".metadata.json"))
        newest = std::max(newest, entry.path());
    }
    auto metadata = iceberg::TableMetadataFromJson(Load(newest));
    ASSERT_TRUE(metadata.ok()) << metadata.status().ToString();
    table_ = std::make_shared<const iceberg::TableMetadata>(std::move(*metadata));
  }

  // A task for each partition.
  std::vector<tasks::RewriteTask> Tasks() {
    std::map<std::string, tasks::RewriteTask> tasks;
    const auto planned =
        iceberg::PlanFiles(call_, files_, *table_, *table_->CurrentSnapshot(), nullptr, {},
                           [&](iceberg::FileTask& file) -> Status {
                             const iceberg::ManifestEntry& entry = file.entry;
                             const size_t end = entry.file.file_path.rfind('/');
                             tasks::RewriteTask& task = tasks[entry.file.file_path.substr(0, end)];
                             task.format_version = table_->format_version;
                             task.schema = table_->FindSchema(table_->current_schema_id);
                             task.spec = table_->FindSpec(entry.file.spec_id);
                             task.partition = entry.file.partition;
                             task.target_size_bytes = 1 << 30;
                             task.data_location = entry.file.file_path.substr(0, end);
                             tasks::InputFile input{entry.file, file.sequence_number(), {}};
                             for (const auto& one : file.deletes) {
                               input.deletes.push_back(static_cast<int32_t>(task.deletes.size()));
                               task.deletes.push_back({one->file, *one->sequence_number});
                             }
                             task.rewrite.push_back(std::move(input));
                             return {};
                           });
    EXPECT_TRUE(planned.ok()) << planned.status().ToString();
    std::vector<tasks::RewriteTask> all;
    for (auto& [partition, task] : tasks) all.push_back(std::move(task));
    return all;
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  iceberg::TablePtr table_;
};

INSTANTIATE_TEST_SUITE_P(Tables, RewriteOfSparksV3, testing::Values("lineage", "upgraded"));

TEST_P(RewriteOfSparksV3, KeepsRowsAndTheirLineage) {
  std::string found;
  for (const tasks::RewriteTask& task : Tasks()) {
    const auto output = RunRewrite(call_, files_, task, {}, nullptr);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    for (const iceberg::DataFile& file : output->data_files) {
      EXPECT_FALSE(file.first_row_id.has_value());  // the commit's to give
      iceberg::ReadOptions read;
      read.fields = WrittenFields(task);
      const auto rows = iceberg::ReadRows(files_, file.file_path, std::move(read));
      ASSERT_TRUE(rows.ok()) << rows.status().ToString();
      found += TextOf(**rows);
    }
  }
  EXPECT_EQ(SortedLines(found), SortedLines(Load(kGolden + GetParam() + ".rows.txt")));
}

TEST_P(RewriteOfSparksV3, FoldsVectorsToTheSamePositions) {
  int vectors = 0;
  for (tasks::RewriteTask& task : Tasks()) {
    std::swap(task.rewrite, task.rewrite_positions);
    const auto output = RunRewrite(call_, files_, task, {}, nullptr);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    ASSERT_EQ(output->delete_files.size(), task.deletes.size());
    for (size_t i = 0; i < task.deletes.size(); ++i) {
      const iceberg::DataFile& before = task.deletes[i].file;
      const iceberg::DataFile& after = output->delete_files[i];
      EXPECT_TRUE(after.is_deletion_vector());
      EXPECT_EQ(after.record_count, before.record_count);
      EXPECT_EQ(after.content_size_in_bytes, before.content_size_in_bytes);
      EXPECT_EQ(after.referenced_data_file, before.referenced_data_file);
      EXPECT_EQ(after.spec_id, before.spec_id);
      EXPECT_EQ(after.partition, before.partition);
      ++vectors;
    }
  }
  EXPECT_GT(vectors, 0);
}

}  // namespace
}  // namespace moraine::rewrite
