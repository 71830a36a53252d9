// Tables of format version 3 that Spark wrote (tests/golden/spark_v3): metadata, manifests, row ids
// and deletion vectors as Spark's own metadata tables tell them, and a commit on top.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = MORAINE_TEST_DATA_DIR "/golden/spark_v3/";

std::string Load(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class GoldenV3 : public testing::TestWithParam<const char*> {
 protected:
  /// Puts the files where the table says they are.
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
    metadata_json_ = Load(newest);
    auto metadata = TableMetadataFromJson(metadata_json_);
    ASSERT_TRUE(metadata.ok()) << metadata.status().ToString();
    table_ = std::make_shared<const TableMetadata>(std::move(*metadata));
  }

  std::vector<ManifestEntry> Entries() {
    std::vector<ManifestEntry> entries;
    const auto manifests =
        ReadManifestList(call_, files_, table_->CurrentSnapshot()->manifest_list).value();
    for (const ManifestFile& manifest : manifests) {
      const Status read = ReadManifest(
          call_, files_, manifest, *table_->FindSpec(manifest.partition_spec_id),
          table_->CurrentSchema(), {.deleted_entries = true}, [&](ManifestEntry& entry) -> Status {
            entries.push_back(entry);
            return {};
          });
      EXPECT_TRUE(read.ok()) << read.ToString();
    }
    return entries;
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  std::string metadata_json_;
  TablePtr table_;
};

INSTANTIATE_TEST_SUITE_P(Tables, GoldenV3, testing::Values("lineage", "upgraded"));

void SetIf(std::string key, const std::optional<int64_t>& value, Json* json) {
  if (value) json->Set(std::move(key), *value);
}

/// As Spark's table of entries has it.
Json Dump(const ManifestEntry& entry) {
  Json json = Json::MakeObject();
  json.Set("status", static_cast<int>(entry.status));
  SetIf("snapshot_id", entry.snapshot_id, &json);
  SetIf("sequence_number", entry.sequence_number, &json);
  SetIf("file_sequence_number", entry.file_sequence_number, &json);
  json.Set("content", static_cast<int>(entry.file.content));
  json.Set("file_path", entry.file.file_path);
  json.Set("file_format", FileFormatName(entry.file.format));
  json.Set("spec_id", entry.file.spec_id);
  json.Set("record_count", entry.file.record_count);
  json.Set("file_size_in_bytes", entry.file.file_size_in_bytes);
  SetIf("first_row_id", entry.file.first_row_id, &json);
  if (entry.file.referenced_data_file)
    json.Set("referenced_data_file", *entry.file.referenced_data_file);
  SetIf("content_offset", entry.file.content_offset, &json);
  SetIf("content_size_in_bytes", entry.file.content_size_in_bytes, &json);
  return json;
}

TEST_P(GoldenV3, MetadataLosesNothing) {
  const auto before = Json::Parse(metadata_json_);
  const auto after = Json::Parse(TableMetadataToJson(*table_));
  ASSERT_TRUE(before.ok() && after.ok());
  for (const auto& [key, value] : before->as_object()) {
    const Json* found = after->Find(key);
    ASSERT_NE(found, nullptr) << key;
    EXPECT_EQ(*found, value) << key;
  }
  EXPECT_EQ(table_->format_version, 3);
  EXPECT_GT(table_->next_row_id, 0);
}

TEST_P(GoldenV3, EntriesAreThoseOfSpark) {
  const auto expected = Json::Parse(Load(kGolden + GetParam() + ".entries.json"));
  ASSERT_TRUE(expected.ok());
  std::multiset<std::string> wanted, found;
  for (const Json& entry : expected->as_array()) wanted.insert(entry.ToString());
  for (const ManifestEntry& entry : Entries()) found.insert(Dump(entry).ToString());
  EXPECT_EQ(found, wanted);
}

TEST_P(GoldenV3, ScansHaveOneVectorAFileAndAllRowsAreNumbered) {
  const std::string text = Load(kGolden + GetParam() + ".rows.txt");
  int64_t rows = 0, vectors = 0;
  std::map<int64_t, int64_t> ids;  // first and behind the last of each file
  const auto planned =
      PlanFiles(call_, files_, *table_, *table_->CurrentSnapshot(), nullptr, {},
                [&](FileTask& task) -> Status {
                  rows += task.file().record_count;
                  EXPECT_LE(task.deletes.size(), 1u);
                  for (const DeleteEntryPtr& one : task.deletes) {
                    EXPECT_TRUE(one->file.is_deletion_vector());
                    EXPECT_EQ(one->file.referenced_data_file, task.file().file_path);
                    rows -= one->file.record_count;
                    ++vectors;
                  }
                  EXPECT_TRUE(task.file().first_row_id.has_value());
                  const int64_t first = task.file().first_row_id.value_or(0);
                  ids[first] = first + task.file().record_count;
                  return {};
                });
  EXPECT_TRUE(planned.ok()) << planned.status().ToString();
  EXPECT_EQ(rows, std::count(text.begin(), text.end(), '\n'));
  EXPECT_GT(vectors, 0);
  int64_t end = 0;
  for (const auto& [first, behind] : ids) {
    EXPECT_GE(first, end);
    end = behind;
  }
  EXPECT_LE(end, table_->next_row_id);
}

TEST_P(GoldenV3, ACommitGoesOnNumbering) {
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kAppend;
  AddedFile added;
  added.file.file_path = table_->location + "/data/new.parquet";
  added.file.record_count = 10;
  added.file.file_size_in_bytes = 1000;
  added.file.partition.resize(table_->DefaultSpec().fields.size());
  changes.added = {added};
  SnapshotProducer producer(files_, std::move(changes));
  const auto prepared = producer.Prepare(call_, table_);
  ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
  EXPECT_EQ(prepared->snapshot.first_row_id, table_->next_row_id);
  const auto next =
      ApplyUpdates(*table_, prepared->request.updates, {.now_ms = table_->last_updated_ms + 1});
  ASSERT_TRUE(next.ok()) << next.status().ToString();
  EXPECT_GE(next->next_row_id, table_->next_row_id + 10);
  const auto before = table_;
  std::map<std::string, std::optional<int64_t>> ids;
  for (const ManifestEntry& entry : Entries()) ids[entry.file.file_path] = entry.file.first_row_id;
  table_ = std::make_shared<const TableMetadata>(*next);
  for (const ManifestEntry& entry : Entries()) {
    if (entry.file.content != FileContent::kData || !entry.is_live()) continue;
    const auto known = ids.find(entry.file.file_path);
    if (known != ids.end()) {
      EXPECT_EQ(entry.file.first_row_id, known->second) << entry.file.file_path;
    } else {
      EXPECT_GE(entry.file.first_row_id.value_or(-1), before->next_row_id);
    }
  }
}

TEST_P(GoldenV3, ARewriteTakesTheVectorsAndGoesOnNumbering) {
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRewriteFiles;
  changes.checks.starting_snapshot_id = table_->CurrentSnapshot()->snapshot_id;
  const int64_t planned = table_->CurrentSnapshot()->sequence_number;
  int64_t rows = 0, vectors = 0;
  for (const ManifestEntry& entry : Entries()) {
    if (!entry.is_live()) continue;
    if (entry.file.content != FileContent::kData) {
      ++vectors;
      rows -= entry.file.record_count;
      continue;
    }
    changes.removed_data.push_back(RemovedFile::Of(entry.file));
    rows += entry.file.record_count;
    AddedFile added{entry.file, planned};
    added.file.file_path += ".new.parquet";
    added.file.record_count = 0;
    added.file.first_row_id.reset();
    changes.added.push_back(std::move(added));
  }
  ASSERT_GT(vectors, 0);
  changes.added[0].file.record_count = rows;
  SnapshotProducer producer(files_, std::move(changes));
  const auto prepared = producer.Prepare(call_, table_);
  ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
  const StringMap& summary = prepared->snapshot.summary;
  EXPECT_EQ(summary.at("operation"), "replace");
  EXPECT_EQ(summary.at("removed-dvs"), std::to_string(vectors));
  EXPECT_EQ(summary.at("total-delete-files"), "0");
  EXPECT_EQ(summary.at("total-position-deletes"), "0");
  EXPECT_EQ(summary.at("total-records"), std::to_string(rows));
  EXPECT_EQ(prepared->snapshot.first_row_id, table_->next_row_id);
  EXPECT_EQ(prepared->snapshot.added_rows, rows);
  const auto next =
      ApplyUpdates(*table_, prepared->request.updates, {.now_ms = table_->last_updated_ms + 1});
  ASSERT_TRUE(next.ok()) << next.status().ToString();
  EXPECT_EQ(next->next_row_id, table_->next_row_id + rows);
  const int64_t first = table_->next_row_id;
  table_ = std::make_shared<const TableMetadata>(*next);
  for (const ManifestEntry& entry : Entries()) {
    if (!entry.is_live()) continue;
    EXPECT_EQ(entry.file.content, FileContent::kData) << entry.file.file_path;
    EXPECT_EQ(entry.sequence_number, planned);
    EXPECT_EQ(entry.file_sequence_number, prepared->snapshot.sequence_number);
    EXPECT_GE(entry.file.first_row_id.value_or(-1), first);
  }
}

}  // namespace
}  // namespace moraine::iceberg
