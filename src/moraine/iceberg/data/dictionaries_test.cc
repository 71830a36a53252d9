// Dictionary-encoded columns kept from file to file: the same rows and metrics as when they are
// decoded in between, whatever dictionaries the inputs bring.

#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/size_statistics.h>

#include "moraine/iceberg/data/open_dictionary_internal.h"
#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/data/value_cast.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

ArrayPtr Dictionary(const char* indices, const char* values) {
  return arrow::json::DictArrayFromJSONString(arrow::dictionary(arrow::int32(), arrow::utf8()),
                                              indices, values)
      .ValueOrDie();
}

ArrayPtr Decoded(const ArrayPtr& values) {
  return CastValues(values, arrow::utf8(), arrow::default_memory_pool()).value();
}

ArrayPtr Adapt(OpenDictionary& open, const ArrayPtr& values) {
  ArrayPtr adapted = open.Adapt(values, arrow::default_memory_pool()).value();
  EXPECT_TRUE(Decoded(adapted)->Equals(*Decoded(values))) << adapted->ToString();
  return adapted;
}

bool IsPlain(const ArrayPtr& array) { return array->type_id() == arrow::Type::STRING; }

const arrow::Array& DictionaryOf(const ArrayPtr& array) {
  return *static_cast<const arrow::DictionaryArray&>(*array).dictionary();
}

TEST(OpenDictionary, LaterBatchesPointIntoTheFirstDictionary) {
  OpenDictionary open;
  const ArrayPtr first = Adapt(open, Dictionary("[0, 1, null, 2]", R"(["a", "b", "c"])"));
  const ArrayPtr second = Dictionary("[1, null, 0, 1]", R"(["c", "a"])");
  EXPECT_TRUE(DictionaryOf(Adapt(open, second)).Equals(DictionaryOf(first)));
  const ArrayPtr part = second->Slice(1, 2);
  EXPECT_TRUE(DictionaryOf(Adapt(open, part)).Equals(DictionaryOf(first)));
  EXPECT_EQ(part->null_count(), 1);
  // A value that no row has does not matter; one that a row has is written plain.
  EXPECT_FALSE(IsPlain(Adapt(open, Dictionary("[0, 0]", R"(["b", "new"])"))));
  EXPECT_TRUE(IsPlain(Adapt(open, Dictionary("[0, 1]", R"(["b", "new"])"))));
  EXPECT_FALSE(IsPlain(Adapt(open, Dictionary("[0]", R"(["b"])"))));
  open.Reset();
  EXPECT_TRUE(
      DictionaryOf(Adapt(open, Dictionary("[0]", R"(["z"])")))
          .Equals(*arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["z"])").ValueOrDie()));
}

TEST(OpenDictionary, StaysPlainWhereADictionaryCannotBeGiven) {
  OpenDictionary twice;
  EXPECT_TRUE(IsPlain(Adapt(twice, Dictionary("[0, 1]", R"(["a", "a"])"))));
  OpenDictionary after_plain;
  Adapt(after_plain, arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a"])").ValueOrDie());
  EXPECT_TRUE(IsPlain(Adapt(after_plain, Dictionary("[0]", R"(["a"])"))));
  OpenDictionary always_new;
  Adapt(always_new, Dictionary("[0]", R"(["a"])"));
  for (int i = 0; i < 20; ++i) Adapt(always_new, Dictionary("[0]", R"(["b"])"));
  EXPECT_TRUE(IsPlain(Adapt(always_new, Dictionary("[0]", R"(["a"])"))));
}

struct Case {
  std::string name;
  std::vector<int> values;  // each file's number of distinct values
  StringMap properties;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class KeptDictionaries : public testing::TestWithParam<Case> {
 protected:
  const std::vector<Field> fields_ = {
      Optional(1, "s", Type::Primitive(TypeKind::kString)),
      Required(2, "r", Type::Primitive(TypeKind::kString)),
      Optional(3, "b", Type::Primitive(TypeKind::kBinary)),
      Optional(4, "t", Type::Struct({Optional(5, "s", Type::Primitive(TypeKind::kString))}))};

  void WriteInput(size_t number, int values) {
    std::string json;
    uint32_t random = 1;
    for (int row = 0; row < 3000; ++row) {
      random = random * 1664525 + 1013904223;
      const size_t value = (random >> 16) % static_cast<size_t>(values) + number % 2;
      const std::string text = "\"text" + std::to_string(value) + "\"";
      json += json.empty() ? "[" : ",";
      json += "[" + (row % 5 == 0 ? std::string("null") : text) + "," + text + "," + text + ",[" +
              text + "]]";
    }
    WriteRows(files_, "/in" + std::to_string(number), fields_, json + "]");
  }

  DataFile Rewrite(const std::string& path, Dictionaries dictionaries) {
    Call call = TestCall();
    WriteOptions write;
    write.schema = MakeSchema(fields_);
    write.properties = GetParam().properties;
    auto writer = ParquetWriter::Open(call, files_, path, write).value();
    for (size_t i = 0; i < GetParam().values.size(); ++i) {
      ReadOptions read;
      read.fields = fields_;
      read.dictionaries = dictionaries;
      auto reader =
          ParquetReader::Open(call, files_, "/in" + std::to_string(i), std::nullopt, read).value();
      while (BatchPtr batch = reader->Next(call).value()) {
        kept_ += batch->column(0)->type_id() == arrow::Type::DICTIONARY;
        EXPECT_TRUE(writer->Write(call, *batch).ok());
      }
    }
    return writer->Close(call).value();
  }

  BatchPtr Read(const std::string& path) {
    ReadOptions read;
    read.fields = fields_;
    return ReadRows(files_, path, read).value();
  }

  // What readers size their batches by.
  int64_t DecodedBytes(const std::string& path, int column) {
    Call call = TestCall();
    const auto bytes = arrow::Buffer::FromString(io::ReadFile(call, files_, path, 1 << 30).value());
    const auto metadata =
        parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(bytes))
            ->metadata();
    int64_t sum = 0;
    for (int i = 0; i < metadata->num_row_groups(); ++i) {
      const auto sizes = metadata->RowGroup(i)->ColumnChunk(column)->size_statistics();
      sum += sizes->unencoded_byte_array_data_bytes.value();
    }
    return sum;
  }

  io::MemoryFileSystem files_;
  int kept_ = 0;
};

TEST_P(KeptDictionaries, GiveTheSameFile) {
  for (size_t i = 0; i < GetParam().values.size(); ++i) WriteInput(i, GetParam().values[i]);
  const DataFile decoded = Rewrite("/decoded", Dictionaries::kDecode);
  ASSERT_EQ(kept_, 0);
  const DataFile kept = Rewrite("/kept", Dictionaries::kKeep);
  ASSERT_GT(kept_, 0);
  EXPECT_TRUE(Read("/kept")->Equals(*Read("/decoded")));
  EXPECT_EQ(kept.record_count, decoded.record_count);
  EXPECT_EQ(kept.value_counts, decoded.value_counts);
  EXPECT_EQ(kept.null_value_counts, decoded.null_value_counts);
  EXPECT_EQ(kept.lower_bounds, decoded.lower_bounds);
  EXPECT_EQ(kept.upper_bounds, decoded.upper_bounds);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(DecodedBytes("/kept", i), DecodedBytes("/decoded", i)) << i;
  EXPECT_LT(kept.file_size_in_bytes, decoded.file_size_in_bytes * 11 / 10 + 500);
}

// An index in a file may be larger than its dictionary.
TEST_P(KeptDictionaries, AFlippedByteGivesAnErrorOrRows) {
  WriteInput(0, GetParam().values[0]);
  Call call = TestCall();
  const std::string good = io::ReadFile(call, files_, "/in0", 1 << 30).value();
  for (size_t at = 0; at < good.size(); at += 29) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    files_.Put("/in0", bad, 0);
    ReadOptions read;
    read.fields = fields_;
    read.dictionaries = Dictionaries::kKeep;
    auto reader = ParquetReader::Open(call, files_, "/in0", std::nullopt, read);
    WriteOptions write;
    write.schema = MakeSchema(fields_);
    auto writer = ParquetWriter::Open(call, files_, "/out" + std::to_string(at), write).value();
    while (reader.ok()) {
      const Result<BatchPtr> batch = (*reader)->Next(call);
      if (!batch.ok() || *batch == nullptr || !writer->Write(call, **batch).ok()) break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, KeptDictionaries,
    testing::Values(
        Case{"Equal", {4, 4, 4}, {}}, Case{"Growing", {3, 20, 30, 3}, {}},
        Case{"ManyNew", {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, {}},
        Case{"RowGroups", {4, 9, 4, 9}, {{"write.parquet.row-group-size-bytes", "3000"}}},
        Case{"BloomFilter", {4, 9}, {{"write.parquet.bloom-filter-enabled.column.s", "true"}}},
        Case{"NoDictionary", {4, 9}, {{"write.parquet.dict-encoding-enabled.column.s", "false"}}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace moraine::iceberg
