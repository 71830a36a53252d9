// What a rewrite asks of an object store: requests and bytes, and the same rows as ever.

#include <atomic>
#include <map>
#include <random>
#include <utility>

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/range_cache.h"
#include "moraine/io/s3_file_system.h"
#include "moraine/io/testing/fake_s3.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine::rewrite {
namespace {

using iceberg::BatchPtr;
using iceberg::Field;
using iceberg::Optional;
using iceberg::Type;
using iceberg::TypeKind;

const std::vector<Field>& Fields() {
  static const auto* fields =
      new std::vector<Field>{Optional(1, "id", Type::Primitive(TypeKind::kLong)),
                             Optional(2, "word", Type::Primitive(TypeKind::kString)),
                             Optional(3, "value", Type::Primitive(TypeKind::kDouble)),
                             Optional(4, "noise", Type::Primitive(TypeKind::kBinary))};
  return *fields;
}

/// Words of a dictionary, some nulls, and numbers that don't compress.
BatchPtr Rows(int64_t first, int64_t count) {
  std::mt19937_64 random(static_cast<uint64_t>(first));
  arrow::Int64Builder ids;
  arrow::StringBuilder words;
  arrow::BinaryBuilder noise;
  arrow::DoubleBuilder values;
  uint64_t parts[32];
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(ids.Append(i).ok());
    const bool is_null = i % 97 == 0;
    EXPECT_TRUE((is_null ? words.AppendNull() : words.Append(fmt::format("w{}", i % 300))).ok());
    EXPECT_TRUE(values.Append(static_cast<double>(random()) / 3.0).ok());
    for (uint64_t& part : parts) part = random();
    EXPECT_TRUE(noise.Append(std::string_view(reinterpret_cast<const char*>(parts), 256)).ok());
  }
  auto schema = iceberg::MakeRows(Fields(), "[]")->schema();
  return arrow::RecordBatch::Make(
      schema, count, {*ids.Finish(), *words.Finish(), *values.Finish(), *noise.Finish()});
}

/// Counts the inputs that are open when the first output is made.
class WatchedFiles final : public io::FileSystem {
 public:
  explicit WatchedFiles(io::FileSystem& inner) : inner_(inner) {}
  int open_at_first_output() const { return open_at_first_output_; }

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    MORAINE_ASSIGN(auto reader, inner_.Open(call, location, known_size));
    if (location.find("/data/") == std::string::npos) return reader;
    return std::unique_ptr<io::RandomReader>(std::make_unique<Reader>(std::move(reader), &open_));
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    if (open_at_first_output_ < 0) open_at_first_output_ = open_;
    return inner_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner_.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override {
    return inner_.List(call, prefix, start_after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner_.DeleteMany(call, locations);
  }

 private:
  class Reader final : public io::AheadReader {
   public:
    Reader(std::unique_ptr<io::RandomReader> inner, std::atomic<int>* open)
        : inner_(std::move(inner)), open_(open) {
      ++*open_;
    }
    ~Reader() override { --*open_; }
    int64_t size() const override { return inner_->size(); }
    Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
      return inner_->ReadAt(call, offset, buffer);
    }
    void WillRead(Call& call, std::span<const io::ByteRange> ranges) override {
      io::WillRead(call, *inner_, ranges);
    }

   private:
    const std::unique_ptr<io::RandomReader> inner_;
    std::atomic<int>* const open_;
  };

  io::FileSystem& inner_;
  std::atomic<int> open_ = 0;
  int open_at_first_output_ = -1;
};

class FarFilesTest : public ::testing::Test {
 protected:
  FarFilesTest() {
    files_ = io::MakeS3FileSystem({.endpoint = "http://127.0.0.1:1"}, store_.Transport());
    task_.process_id = "p";
    task_.attempt = 1;
    task_.schema = iceberg::MakeSchema(Fields());
    task_.spec = std::make_shared<const iceberg::PartitionSpec>();
    task_.target_size_bytes = 1 << 30;
    task_.data_location = "s3://lake/out";
  }

  void AddFile(int64_t first, int64_t count) {
    iceberg::WriteOptions options;
    options.schema = task_.schema;
    options.properties = {{"write.parquet.page-size-bytes", "65536"},
                          {"write.parquet.page-row-limit", "1000"}};
    const std::string path = fmt::format("s3://lake/data/{}.parquet", task_.rewrite.size());
    task_.rewrite.push_back(
        {iceberg::WriteRows(*files_, path, Rows(first, count), options), 1, {}});
    input_bytes_ += task_.rewrite.back().file.file_size_in_bytes;
  }

  /// Puts files that page copying has made in the place of the inputs: they have page indexes.
  void IndexFiles() {
    Call call = iceberg::TestCall();
    RewriteProgress progress;
    RewriteOptions options;
    options.way = RewriteWay::kSplice;
    tasks::RewriteTask task = task_;
    task.data_location = "s3://lake/data";
    auto output = RunRewrite(call, *files_, task, options, &progress);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    task_.rewrite.clear();
    input_bytes_ = 0;
    for (const auto& file : output->data_files) {
      task_.rewrite.push_back({file, 1, {}});
      input_bytes_ += file.file_size_in_bytes;
    }
  }

  void DeleteRows(size_t first_input, size_t inputs) {
    std::map<std::string, iceberg::PositionSet> positions;
    for (size_t i = first_input; i < first_input + inputs; ++i) {
      const iceberg::DataFile& file = task_.rewrite[i].file;
      for (int64_t row = 0; row < file.record_count; ++row) positions[file.file_path].Add(row);
      task_.rewrite[i].deletes = {static_cast<int32_t>(task_.deletes.size())};
    }
    Call call = iceberg::TestCall();
    auto deletes = iceberg::WritePositionDeletes(call, *files_, "s3://lake/deletes/p.parquet",
                                                 positions, iceberg::WriteOptions());
    ASSERT_TRUE(deletes.ok()) << deletes.status().ToString();
    task_.deletes.push_back({*deletes, 2});
  }

  void DeleteKeys(size_t first_input, size_t inputs) {
    std::string keys;
    for (size_t i = first_input; i < first_input + inputs; ++i) {
      for (int64_t row = 0; row < 100; ++row) {
        keys += fmt::format("{}[{}]", keys.empty() ? "" : ",", static_cast<int64_t>(i) * 100 + row);
      }
      task_.rewrite[i].deletes = {static_cast<int32_t>(task_.deletes.size())};
    }
    const std::vector<Field> key = {Fields()[0]};
    iceberg::WriteOptions options;
    options.schema = iceberg::MakeSchema(key);
    Call call = iceberg::TestCall();
    auto deletes =
        iceberg::WriteEqualityDeletes(call, *files_, "s3://lake/deletes/e.parquet",
                                      {iceberg::MakeRows(key, "[" + keys + "]")}, {1}, options);
    ASSERT_TRUE(deletes.ok()) << deletes.status().ToString();
    task_.deletes.push_back({*deletes, 2});
  }

  /// Rows of the outputs, one behind the other.
  std::shared_ptr<arrow::RecordBatch> Rewrite() {
    store_.ForgetLog();
    RewriteProgress progress;
    Call call = iceberg::TestCall();
    RewriteOptions options;
    options.way = RewriteWay::kSplice;
    auto output = RunRewrite(call, *files_, task_, options, &progress);
    EXPECT_TRUE(output.ok()) << output.status().ToString();
    requests_ = store_.CountOf("GET /lake/data/");
    sent_bytes_ = store_.sent_bytes();
    RecordProperty("requests", static_cast<int>(requests_));
    RecordProperty("bytes_percent", static_cast<int>(sent_bytes_ * 100 / input_bytes_));
    if (!output.ok() || output->data_files.size() != 1) return nullptr;
    iceberg::ReadOptions read;
    read.fields = Fields();
    return iceberg::ReadRows(*files_, output->data_files[0].file_path, read).value();
  }

  io::FakeS3 store_;
  std::unique_ptr<io::FileSystem> files_;
  tasks::RewriteTask task_;
  int64_t input_bytes_ = 0;
  size_t requests_ = 0;
  int64_t sent_bytes_ = 0;
};

TEST_F(FarFilesTest, EachSmallFileTakesAFooterAndOneRange) {
  for (int64_t i = 0; i < 6; ++i) AddFile(i * 3'000, 3'000);
  ASSERT_GT(task_.rewrite[0].file.file_size_in_bytes, 300 << 10);
  auto rows = Rewrite();
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->num_rows(), 18'000);
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(rows->Slice(i * 3'000, 3'000)->Equals(*Rows(i * 3'000, 3'000))) << i;
  }
  EXPECT_LE(requests_, 12u);
  EXPECT_LE(sent_bytes_, input_bytes_ + 6 * (64 << 10));
}

// Keys are looked at before pages are copied, and a column is encoded anew: with the same readers.
TEST_F(FarFilesTest, WhatIsReadTwiceIsFetchedOnce) {
  for (int64_t i = 0; i < 6; ++i) AddFile(i * 3'000, 3'000);
  const std::vector<Field> key = {Fields()[0]};
  Call call = iceberg::TestCall();
  iceberg::WriteOptions options;
  options.schema = iceberg::MakeSchema(key);
  auto deletes = iceberg::WriteEqualityDeletes(call, *files_, "s3://lake/deletes/0.parquet",
                                               {iceberg::MakeRows(key, "[[5], [3001], [17999]]")},
                                               {1}, options);
  ASSERT_TRUE(deletes.ok()) << deletes.status().ToString();
  task_.deletes.push_back({*deletes, 2});
  for (auto& input : task_.rewrite) input.deletes = {0};
  task_.properties["write.parquet.bloom-filter-enabled.column.word"] = "true";
  auto rows = Rewrite();
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->num_rows(), 17'997);
  EXPECT_TRUE(rows->Slice(0, 5)->Equals(*Rows(0, 5)));
  EXPECT_TRUE(rows->Slice(5, 2'994)->Equals(*Rows(0, 3'000)->Slice(6)));
  EXPECT_LE(requests_, 12u);
  EXPECT_LE(sent_bytes_, input_bytes_ + 7 * (64 << 10));
}

TEST_F(FarFilesTest, ATinyFileIsFetchedOnce) {
  for (int64_t i = 0; i < 20; ++i) AddFile(i * 100, 100);
  auto rows = Rewrite();
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->num_rows(), 2'000);
  EXPECT_LE(requests_, 20u);
  EXPECT_LE(sent_bytes_, input_bytes_);
}

TEST_F(FarFilesTest, ALargeFileTakesAFooterAndLargeRanges) {
  AddFile(0, 40'000);
  ASSERT_GT(input_bytes_, 9 << 20);
  auto rows = Rewrite();
  ASSERT_NE(rows, nullptr);
  EXPECT_TRUE(rows->Equals(*Rows(0, 40'000)));
  EXPECT_LE(requests_, 1u + static_cast<size_t>(input_bytes_ / (8 << 20)) + 1);
  EXPECT_LE(sent_bytes_, input_bytes_ + (64 << 10));
}

TEST_F(FarFilesTest, PagesWhoseRowsAreDeletedAreNotFetched) {
  AddFile(0, 40'000);
  IndexFiles();
  std::map<std::string, iceberg::PositionSet> positions;
  for (int64_t row = 3'000; row < 37'000; ++row) {
    positions[task_.rewrite[0].file.file_path].Add(row);
  }
  Call call = iceberg::TestCall();
  auto deletes = iceberg::WritePositionDeletes(call, *files_, "s3://lake/deletes/0.parquet",
                                               positions, iceberg::WriteOptions());
  ASSERT_TRUE(deletes.ok());
  task_.deletes.push_back({*deletes, 2});
  task_.rewrite[0].deletes = {0};
  auto rows = Rewrite();
  ASSERT_NE(rows, nullptr);
  ASSERT_EQ(rows->num_rows(), 6'000);
  EXPECT_TRUE(rows->Slice(0, 3'000)->Equals(*Rows(0, 40'000)->Slice(0, 3'000)));
  EXPECT_TRUE(rows->Slice(3'000)->Equals(*Rows(0, 40'000)->Slice(37'000)));
  EXPECT_LE(sent_bytes_, input_bytes_ / 2);
}

// Open files share the memory of what is read ahead: those of which nothing is left must not have
// it.
TEST_F(FarFilesTest, FilesWithoutARowThatLivesAreClosed) {
  for (int64_t i = 0; i < 12; ++i) AddFile(i * 100, 100);
  DeleteRows(0, 5);
  DeleteKeys(5, 6);
  for (const bool is_encoded : {false, true}) {
    if (is_encoded) task_.properties["write.parquet.bloom-filter-enabled.column.word"] = "true";
    ++task_.attempt;
    WatchedFiles watched(*files_);
    RewriteProgress progress;
    Call call = iceberg::TestCall();
    RewriteOptions options;
    options.way = RewriteWay::kSplice;
    auto output = RunRewrite(call, watched, task_, options, &progress);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_EQ(output->rows_written, 100);
    EXPECT_EQ(output->rows_deleted, 1'100);
    EXPECT_LE(watched.open_at_first_output(), 2) << is_encoded;
    EXPECT_GE(watched.open_at_first_output(), 1) << is_encoded;
  }
}

TEST_F(FarFilesTest, ARowGroupThatIsCutIsFetchedOnce) {
  AddFile(0, 40'000);
  IndexFiles();
  task_.properties["write.parquet.row-group-size-bytes"] = "3000000";
  auto rows = Rewrite();
  ASSERT_NE(rows, nullptr);
  EXPECT_TRUE(rows->Equals(*Rows(0, 40'000)));
  EXPECT_LE(sent_bytes_, input_bytes_ * 16 / 10);
}

}  // namespace
}  // namespace moraine::rewrite
