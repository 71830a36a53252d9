// Deletion vectors in Puffin files: what is written is loaded again, Spark's are loaded by their
// entries, and a vector stands for all position deletes of its data file.

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

constexpr char kPuffinPath[] = "/t/a-deletes.puffin";
const std::string kSpark = MORAINE_TEST_DATA_DIR "/golden/spark_v3/lineage/data/";

PositionSet SetOf(const std::vector<int64_t>& positions) {
  PositionSet set;
  for (int64_t position : positions) set.Add(position);
  return set;
}

class DeletionVectors : public testing::Test {
 protected:
  DeletionVectors() { options_.schema = std::make_shared<const Schema>(0, std::vector<Field>()); }

  std::vector<DataFile> Write(const std::map<std::string, std::vector<int64_t>>& positions) {
    std::map<std::string, PositionSet> sets;
    for (const auto& [path, all] : positions) sets.emplace(path, SetOf(all));
    auto written = WriteDeletionVectors(call_, files_, kPuffinPath, sets);
    EXPECT_TRUE(written.ok()) << written.status().ToString();
    return written.ok() ? *written : std::vector<DataFile>();
  }

  Result<DeleteFilter> LoadAll(const std::vector<DataFile>& deletes) {
    std::vector<DeleteSource> sources;
    for (const DataFile& file : deletes) sources.push_back({&file, 3});
    return DeleteFilter::Load(call_, files_, sources, options_);
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  DeleteFilterOptions options_;
};

TEST_F(DeletionVectors, AreLoadedAsTheyWereWritten) {
  const auto entries = Write({{"/t/a", {1, 2, 3}}, {"/t/b", {int64_t{1} << 33}}, {"/t/c", {0}}});
  ASSERT_EQ(entries.size(), 3u);
  const auto reader = PuffinReader::Open(call_, files_, kPuffinPath, std::nullopt);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  for (size_t i = 0; i < entries.size(); ++i) {
    const DataFile& entry = entries[i];
    const PuffinBlob& blob = reader->metadata().blobs[i];
    EXPECT_TRUE(entry.is_deletion_vector());
    EXPECT_EQ(entry.file_path, kPuffinPath);
    EXPECT_EQ(entry.file_size_in_bytes, files_.Stat(call_, kPuffinPath)->size_bytes);
    EXPECT_EQ(entry.content_offset, blob.offset);
    EXPECT_EQ(entry.content_size_in_bytes, blob.length);
    EXPECT_EQ(entry.referenced_data_file, blob.properties.at("referenced-data-file"));
    EXPECT_EQ(std::to_string(entry.record_count), blob.properties.at("cardinality"));
    EXPECT_TRUE(entry.lower_bounds.empty() && entry.value_counts.empty());
  }
  options_.data_files = {"/t/a", "/t/b"};
  const auto filter = LoadAll(entries);
  ASSERT_TRUE(filter.ok()) << filter.status().ToString();
  EXPECT_EQ(filter->Positions("/t/a")->ToVector(), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(filter->Positions("/t/b")->ToVector(), (std::vector<int64_t>{int64_t{1} << 33}));
  EXPECT_EQ(filter->Positions("/t/c"), nullptr);  // not asked for
}

TEST_F(DeletionVectors, OfNoFileMakeNoPuffinFile) {
  EXPECT_TRUE(Write({}).empty());
  EXPECT_EQ(files_.Stat(call_, kPuffinPath).status().code(), Code::kNotFound);
}

TEST_F(DeletionVectors, OfSparkAreLoaded) {
  const std::string name = "00000-7-0e5fc1d8-e40e-4f14-9bc0-1b71c3694848-00001-deletes.puffin";
  std::ifstream file(kSpark + name, std::ios::binary);
  files_.Put("/" + name, std::string(std::istreambuf_iterator<char>(file), {}), 0);
  DataFile entry;
  entry.content = FileContent::kPositionDeletes;
  entry.format = FileFormat::kPuffin;
  entry.file_path = "/" + name;
  entry.record_count = 1;
  entry.referenced_data_file = "/t/a";
  entry.content_offset = 4;
  entry.content_size_in_bytes = 42;
  options_.data_files = {"/t/a"};
  const auto filter = LoadAll({entry});
  ASSERT_TRUE(filter.ok()) << filter.status().ToString();
  EXPECT_EQ(filter->Positions("/t/a")->ToVector(), std::vector<int64_t>{0});
}

TEST_F(DeletionVectors, StandForThePositionDeletesOfTheirFile) {
  std::vector<DataFile> deletes = Write({{"/t/a", {1}}});
  std::map<std::string, PositionSet> older;
  older.emplace("/t/a", SetOf({1, 7}));
  older.emplace("/t/b", SetOf({4}));
  const auto positions = WritePositionDeletes(call_, files_, "/t/p.parquet", older, {});
  ASSERT_TRUE(positions.ok()) << positions.status().ToString();
  deletes.insert(deletes.begin(), *positions);
  options_.data_files = {"/t/a", "/t/b"};
  const auto filter = LoadAll(deletes);
  ASSERT_TRUE(filter.ok()) << filter.status().ToString();
  EXPECT_EQ(filter->Positions("/t/a")->ToVector(), std::vector<int64_t>{1});
  EXPECT_EQ(filter->Positions("/t/b")->ToVector(), std::vector<int64_t>{4});
}

TEST_F(DeletionVectors, ThatDifferFromTheirEntriesAreRefused) {
  options_.data_files = {"/t/a", "/t/b"};
  const std::vector<DataFile> good = Write({{"/t/a", {1, 2}}, {"/t/b", {5, 6}}});
  const auto refuse = [&](const char* name, Code code, auto change) {
    std::vector<DataFile> entries = good;
    change(&entries[1]);
    EXPECT_EQ(LoadAll(entries).status().code(), code) << name;
  };
  ASSERT_TRUE(LoadAll(good).ok());
  refuse("count", Code::kCorruption, [](DataFile* e) { e->record_count = 3; });
  refuse("offset of another", Code::kCorruption, [](DataFile* e) { e->content_offset = 5; });
  refuse("size", Code::kCorruption, [](DataFile* e) { e->content_size_in_bytes = 20; });
  refuse("past the file", Code::kCorruption, [](DataFile* e) { e->content_offset = 1 << 20; });
  refuse("below the file", Code::kCorruption, [](DataFile* e) { e->content_offset = -1; });
  refuse("huge", Code::kCorruption, [](DataFile* e) { e->content_size_in_bytes = INT64_MAX; });
  refuse("no offset", Code::kCorruption, [](DataFile* e) { e->content_offset.reset(); });
  refuse("no target", Code::kCorruption, [](DataFile* e) { e->referenced_data_file.reset(); });
  refuse("twice", Code::kCorruption, [](DataFile* e) { e->referenced_data_file = "/t/a"; });
  refuse("encrypted", Code::kUnsupported, [](DataFile* e) { e->key_metadata = "k"; });
  refuse("gone", Code::kNotFound, [](DataFile* e) { e->file_path = "/t/none.puffin"; });
  options_.memory_bytes = 10;
  EXPECT_EQ(LoadAll(good).status().code(), Code::kExhausted);
}

}  // namespace
}  // namespace moraine::iceberg
