// Columns that rows are sorted by are stored plain where that is smaller, and no others.

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/dictionary_trial_internal.h"
#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kRows = 20'000;

using ArrayPtr = std::shared_ptr<arrow::Array>;
using ValueOf = std::function<int64_t(int64_t)>;

int64_t Scattered(int64_t row) {
  auto x = static_cast<uint64_t>(row) * 0x9E3779B97F4A7C15U;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9U;
  return static_cast<int64_t>((x ^ (x >> 32)) >> 1);
}
int64_t Growing(int64_t row) { return row * 83 + Scattered(row) % 80; }

ArrayPtr Longs(const ValueOf& value, int64_t rows = kRows, int64_t null_every = 0) {
  arrow::Int64Builder builder;
  for (int64_t row = 0; row < rows; ++row) {
    const bool is_null = null_every > 0 && row % null_every == 0;
    EXPECT_TRUE((is_null ? builder.AppendNull() : builder.Append(value(row))).ok());
  }
  return builder.Finish().ValueOrDie();
}

bool IsSmaller(const ArrayPtr& values, arrow::Compression::type codec = arrow::Compression::ZSTD) {
  std::unique_ptr<arrow::util::Codec> made;
  if (codec != arrow::Compression::UNCOMPRESSED)
    made = arrow::util::Codec::Create(codec).ValueOrDie();
  return IsSmallerPlain(*values, made.get(), arrow::default_memory_pool()).value();
}

TEST(DictionaryTrial, NumbersInOrderAreSmallerPlain) {
  EXPECT_TRUE(IsSmaller(Longs(Growing)));
  EXPECT_TRUE(IsSmaller(Longs(Growing)->Slice(77)));
  EXPECT_TRUE(IsSmaller(Longs(Growing, kRows, 3)));
  EXPECT_TRUE(IsSmaller(Longs(Growing), arrow::Compression::UNCOMPRESSED)) << "each is there once";
  EXPECT_TRUE(IsSmaller(Longs([](int64_t row) { return Growing(row / 4); })))
      << "each is there four times, one after the other";
  EXPECT_TRUE(IsSmaller(Longs(Scattered))) << "each is there once";
  EXPECT_TRUE(
      IsSmaller(Longs(Growing)->View(arrow::timestamp(arrow::TimeUnit::MICRO)).ValueOrDie()));
  EXPECT_TRUE(IsSmaller(Longs(Growing)->View(arrow::float64()).ValueOrDie()));
  arrow::Int32Builder days;
  for (int64_t row = 0; row < kRows; ++row)
    ASSERT_TRUE(days.Append(static_cast<int32_t>(Growing(row))).ok());
  const ArrayPtr ints = days.Finish().ValueOrDie();
  EXPECT_TRUE(IsSmaller(ints));
  EXPECT_TRUE(IsSmaller(ints->View(arrow::date32()).ValueOrDie()));
}

TEST(DictionaryTrial, FewValuesOrFewRowsAreNot) {
  const auto few = [](int64_t row) { return Scattered(row) % 50; };
  EXPECT_FALSE(IsSmaller(Longs(few)));
  EXPECT_FALSE(IsSmaller(Longs(few), arrow::Compression::UNCOMPRESSED));
  EXPECT_FALSE(IsSmaller(Longs([](int64_t row) { return Scattered(Scattered(row) % 1'000); })));
  EXPECT_FALSE(IsSmaller(Longs([](int64_t) { return 7; })));
  EXPECT_FALSE(IsSmaller(Longs(Growing, kTrialRows - 1))) << "nobody knows";
  EXPECT_FALSE(IsSmaller(Longs(Growing, 0)));
  EXPECT_FALSE(IsSmaller(Longs(Growing, kRows, 1))) << "nothing but nulls";
  arrow::StringBuilder names;
  for (int64_t row = 0; row < kRows; ++row)
    ASSERT_TRUE(names.Append(std::to_string(Growing(row))).ok());
  EXPECT_FALSE(IsSmaller(names.Finish().ValueOrDie())) << "not a number";
}

class PlainColumns : public testing::Test {
 protected:
  const std::vector<Field> fields_ = {Required(1, "a", Type::Primitive(TypeKind::kLong)),
                                      Required(2, "b", Type::Primitive(TypeKind::kLong))};

  /// Whether each column has a dictionary, of a file whose columns both grow.
  std::vector<bool> Write(const std::vector<int32_t>& sorted_ids, const StringMap& properties,
                          int64_t rows = kRows) {
    Call call = TestCall();
    WriteOptions options;
    options.schema = MakeSchema(fields_);
    options.properties = properties;
    options.sorted_ids = sorted_ids;
    auto writer = ParquetWriter::Open(call, files_, "/f", options).value();
    const ArrayPtr values = Longs(Growing, rows);
    const auto batch = arrow::RecordBatch::Make(ToArrowSchema(fields_), rows, {values, values});
    if (rows > 0) {
      EXPECT_TRUE(writer->Write(call, *batch).ok());
    }
    EXPECT_EQ(writer->Close(call).value().record_count, rows);
    ReadOptions read;
    read.fields = fields_;
    if (rows > 0) {
      EXPECT_TRUE(ReadRows(files_, "/f", read).value()->Equals(*batch));
    }
    const auto bytes = arrow::Buffer::FromString(io::ReadFile(call, files_, "/f", 1 << 30).value());
    const auto metadata =
        parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(bytes))
            ->metadata();
    std::vector<bool> with;
    for (int i = 0; rows > 0 && i < metadata->num_columns(); ++i)
      with.push_back(metadata->RowGroup(0)->ColumnChunk(i)->has_dictionary_page());
    files_.Remove("/f");
    return with;
  }

  io::MemoryFileSystem files_;
};

TEST_F(PlainColumns, AreThoseThatRowsAreSortedBy) {
  using With = std::vector<bool>;
  EXPECT_EQ(Write({}, {}), (With{true, true}));
  EXPECT_EQ(Write({1}, {}), (With{false, true}));
  EXPECT_EQ(Write({2, 1}, {}), (With{false, false}));
  EXPECT_EQ(Write({2}, {{"write.parquet.compression-codec", "uncompressed"}}), (With{true, false}));
  // What somebody has decided stays.
  EXPECT_EQ(Write({1, 2}, {{"write.parquet.dict-encoding-enabled.column.a", "true"}}),
            (With{true, false}));
  EXPECT_EQ(Write({1}, {}, kTrialRows - 1), (With{true, true}));
  EXPECT_EQ(Write({1}, {}, 0), With{});
}

}  // namespace
}  // namespace moraine::iceberg
