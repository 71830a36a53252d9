// ORC and Avro data files, made by testing/other_formats.h; files of other writers are read in
// tests/engines.

#include "moraine/iceberg/testing/other_formats.h"

#include <numeric>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/data/orc_columns_internal.h"
#include "moraine/iceberg/data/orc_file_internal.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

constexpr FileFormat kFormats[] = {FileFormat::kOrc, FileFormat::kAvro};

TypePtr Of(TypeKind kind) { return Type::Primitive(kind); }

std::string Bytes(FileFormat format, const std::vector<Field>& fields, const std::string& json) {
  const BatchPtr rows = MakeRows(fields, json);
  return format == FileFormat::kOrc ? OrcBytes(fields, rows) : AvroBytes(fields, rows);
}

// The rows as text, batch after batch: "position: rows".
Result<std::string> Read(FileFormat format, const std::string& bytes, ReadOptions options) {
  Call call = TestCall();
  io::MemoryFileSystem files;
  files.Put("/f", bytes, 0);
  MORAINE_ASSIGN(auto reader,
                 DataFileReader::Open(call, files, "/f", format, std::nullopt, std::move(options)));
  std::string text;
  int64_t rows = 0;
  while (true) {
    MORAINE_ASSIGN(BatchPtr batch, reader->Next(call));
    if (batch == nullptr) break;
    const arrow::Status valid = batch->ValidateFull();
    EXPECT_TRUE(valid.ok()) << valid.ToString();
    EXPECT_EQ(reader->batch_position(), rows);
    rows += batch->num_rows();
    text += RowsText(*batch);
  }
  EXPECT_EQ(reader->known_rows(), rows);
  return text;
}

std::string ReadAll(FileFormat format, const std::string& bytes, std::vector<Field> fields) {
  ReadOptions options;
  options.fields = std::move(fields);
  Result<std::string> text = Read(format, bytes, std::move(options));
  return text.ok() ? *text : text.status().ToString();
}

std::vector<Field> EveryType() {
  return {Optional(1, "b", Of(TypeKind::kBoolean)),
          Optional(2, "i", Of(TypeKind::kInt)),
          Required(3, "l", Of(TypeKind::kLong)),
          Optional(4, "f", Of(TypeKind::kFloat)),
          Optional(5, "d", Of(TypeKind::kDouble)),
          Optional(6, "dec", Type::Decimal(9, 2)),
          Optional(7, "wide", Type::Decimal(38, 10)),
          Optional(8, "day", Of(TypeKind::kDate)),
          Optional(9, "t", Of(TypeKind::kTime)),
          Optional(10, "ts", Of(TypeKind::kTimestamp)),
          Optional(11, "tz", Of(TypeKind::kTimestampTz)),
          Optional(12, "ns", Of(TypeKind::kTimestampNs)),
          Optional(13, "s", Of(TypeKind::kString)),
          Optional(14, "u", Of(TypeKind::kUuid)),
          Optional(15, "x", Type::Fixed(3)),
          Optional(16, "bin", Of(TypeKind::kBinary)),
          Optional(17, "st",
                   Type::Struct({Optional(18, "p", Of(TypeKind::kInt)),
                                 Optional(19, "q", Of(TypeKind::kString))})),
          Optional(20, "li", Type::List(Optional(21, "element", Of(TypeKind::kLong)))),
          Optional(22, "m",
                   Type::Map(Required(23, "key", Of(TypeKind::kString)),
                             Optional(24, "value", Of(TypeKind::kDouble)))),
          Optional(25, "mi",
                   Type::Map(Required(26, "key", Of(TypeKind::kInt)),
                             Required(27, "value",
                                      Type::Struct({Optional(28, "z", Of(TypeKind::kDate))}))))};
}

const char kEveryRow[] = R"([
  [true, 1, 2, 1.5, -2.5, "1234567.89", "-1.0000000001", 10957, 3600000001, 1600000000000001,
   -1600000000000001, 1600000000000000001, "straße", "0123456789abcdef", "abc", "raw", [7, "in"],
   [1, null, -3], [["a", 0.5], ["b", null]], [[5, [10957]], [6, [null]]]],
  [null, null, -9, null, null, null, null, null, null, null, null, null, null, null, null, null,
   null, null, null, null],
  [false, -5, 0, -0.0, 1e300, "-0.01", "0.0000000000", -1, 0, 0, 0, -1, "", "ffffffffffffffff",
   "zzz", "", [null, null], [], [], []]])";

TEST(OtherFormats, EveryTypeIsRead) {
  const std::string expected = RowsText(*MakeRows(EveryType(), kEveryRow));
  for (FileFormat format : kFormats) {
    const std::string bytes = Bytes(format, EveryType(), kEveryRow);
    EXPECT_EQ(ReadAll(format, bytes, EveryType()), expected) << FileFormatName(format);
  }
}

TEST(OtherFormats, EachColumnAloneIsTheSame) {
  const BatchPtr rows = MakeRows(EveryType(), kEveryRow);
  for (FileFormat format : kFormats) {
    const std::string bytes = Bytes(format, EveryType(), kEveryRow);
    for (size_t i = 0; i < EveryType().size(); ++i) {
      const BatchPtr column = rows->SelectColumns({static_cast<int>(i)}).ValueOrDie();
      EXPECT_EQ(ReadAll(format, bytes, {EveryType()[i]}), RowsText(*column))
          << FileFormatName(format) << " " << EveryType()[i].name;
    }
  }
}

TEST(OtherFormats, ColumnsAreFoundByIdThroughChanges) {
  const std::vector<Field> old = {
      Optional(1, "a", Of(TypeKind::kInt)), Optional(2, "gone", Of(TypeKind::kString)),
      Optional(3, "f", Of(TypeKind::kFloat)), Optional(4, "dec", Type::Decimal(5, 2)),
      Optional(5, "st",
               Type::Struct(
                   {Optional(6, "x", Of(TypeKind::kInt)),
                    Optional(7, "gone", Type::List(Optional(8, "element", Of(TypeKind::kString)))),
                    Optional(9, "y", Of(TypeKind::kInt))}))};
  Field added = Optional(10, "added", Of(TypeKind::kInt));
  added.initial_default = int32_t{42};
  const std::vector<Field> now = {Optional(5, "renamed",
                                           Type::Struct({Optional(9, "y", Of(TypeKind::kLong)),
                                                         Optional(11, "new", Of(TypeKind::kString)),
                                                         Optional(6, "x", Of(TypeKind::kInt))})),
                                  added,
                                  Optional(4, "dec", Type::Decimal(20, 2)),
                                  Optional(1, "a", Of(TypeKind::kLong)),
                                  Optional(3, "f", Of(TypeKind::kDouble)),
                                  Optional(12, "part", Of(TypeKind::kString))};
  for (FileFormat format : kFormats) {
    const std::string bytes = Bytes(format, old, R"([[1, "g", 0.5, "1.25", [2, ["l", "m"], 3]],
                               [null, null, null, null, null],
                               [4, "", 1.5, "9.99", [null, null, 5]]])");
    ReadOptions options;
    options.fields = now;
    options.constants = {{12, Value(std::string("p"))}};
    const Result<std::string> text = Read(format, bytes, std::move(options));
    ASSERT_TRUE(text.ok()) << text.status().ToString();
    EXPECT_EQ(*text,
              "{y:int64 = 3, new:string = null, x:int32 = 2}, 42, 1.25, 1, 0.5, p\n"
              "null, 42, null, null, null, p\n"
              "{y:int64 = 5, new:string = null, x:int32 = null}, 42, 9.99, 4, 1.5, p\n")
        << FileFormatName(format);
  }
}

TEST(OtherFormats, RowsHavePositionsAndLineageOverBatchesAndBlocks) {
  std::string json = "[";
  for (int i = 0; i < 5000; ++i) {
    json += (i > 0 ? "," : "") + std::string("[") + std::to_string(i) + ", \"" +
            std::string(static_cast<size_t>(i % 50), 'x') + "\"]";
  }
  json += "]";
  const std::vector<Field> fields = {Required(1, "k", Of(TypeKind::kLong)),
                                     Optional(2, "s", Of(TypeKind::kString))};
  const BatchPtr rows = MakeRows(fields, json);
  const std::vector<Field> wanted = {
      fields[0], Optional(kMetadataPositionFieldId, "_pos", Of(TypeKind::kLong)),
      Optional(kRowIdFieldId, "_row_id", Of(TypeKind::kLong)),
      Optional(kLastUpdatedSequenceNumberFieldId, "_last_updated_sequence_number",
               Of(TypeKind::kLong))};
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    expected +=
        std::to_string(i) + ", " + std::to_string(i) + ", " + std::to_string(1000 + i) + ", 7\n";
  }
  for (FileFormat format : kFormats) {
    const std::string bytes = format == FileFormat::kOrc
                                  ? OrcBytes(fields, rows, FieldIds::kWritten, 1024)
                                  : AvroBytes(fields, rows, AvroCodec::kSnappy);
    for (const int64_t batch_rows : {1, 700, 1024, 100'000}) {
      for (const int64_t batch_bytes : {1 << 10, 8 << 20}) {
        if (batch_rows == 1 && batch_bytes > 1 << 10) continue;
        ReadOptions options;
        options.fields = wanted;
        options.lineage = RowLineage{1000, 7};
        options.batch_rows = batch_rows;
        options.batch_bytes = batch_bytes;
        const Result<std::string> text = Read(format, bytes, std::move(options));
        ASSERT_TRUE(text.ok()) << text.status().ToString();
        EXPECT_EQ(*text, expected) << FileFormatName(format) << " " << batch_rows;
      }
    }
  }
}

TEST(OtherFormats, RowsOfNoColumnOfTheFileAreCounted) {
  const std::vector<Field> fields = {Required(1, "k", Of(TypeKind::kLong))};
  for (FileFormat format : kFormats) {
    EXPECT_EQ(ReadAll(format, Bytes(format, fields, "[[1], [2], [3]]"),
                      {Optional(kMetadataPositionFieldId, "_pos", Of(TypeKind::kLong))}),
              "0\n1\n2\n");
    EXPECT_EQ(ReadAll(format, Bytes(format, fields, "[]"), fields), "");
  }
}

// Large rows behind many small ones: their mean tells nothing of either.
TEST(OtherFormats, BatchesOfUnevenRowsAreBoundedByBytes) {
  const TypePtr text = Of(TypeKind::kString);
  const std::vector<Field> fields = {Optional(1, "s", text),
                                     Optional(2, "li", Type::List(Optional(3, "element", text))),
                                     Optional(4, "st", Type::Struct({Optional(5, "q", text)}))};
  const std::string large = "\"" + std::string(50'000, 'x') + "\"";
  std::string json = "[";
  for (int i = 0; i < 6000; ++i) {
    const bool is_large = i > 5900;
    const std::string value = is_large ? large : "\"" + std::to_string(i) + "\"";
    const char* kinds[] = {"[%, [], null]", "[null, [%, null], [%]]", "[%, null, [null]]"};
    std::string row = kinds[i % 3];
    for (size_t at = row.find('%'); at != row.npos; at = row.find('%')) row.replace(at, 1, value);
    json += (i > 0 ? "," : "") + row;
  }
  json += "]";
  const BatchPtr rows = MakeRows(fields, json);
  Call call = TestCall();
  io::MemoryFileSystem files;
  files.Put("/f", OrcBytes(fields, rows), 0);
  ReadOptions options;
  options.fields = fields;
  options.batch_bytes = 300'000;
  options.whole_row_group_bytes = 1 << 20;
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  options.pool = &pool;
  auto reader =
      DataFileReader::Open(call, files, "/f", FileFormat::kOrc, std::nullopt, std::move(options));
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  int64_t read = 0;
  while (const BatchPtr batch = (*reader)->Next(call).value()) {
    EXPECT_EQ(RowsText(*batch), RowsText(*rows->Slice(read, batch->num_rows())));
    read += batch->num_rows();
  }
  EXPECT_EQ(read, rows->num_rows());
  // What streams hold is counted, too, and is most of it.
  EXPECT_LT(pool.max_memory(), 2'500'000);
  EXPECT_GT(pool.max_memory(), 300'000);
}

// Sizes of rows are looked at before they are decoded: in memory that is counted, and no more of it
// than the rows that fit take.
TEST(OtherFormats, LookingAtSizesTakesLittleMemory) {
  constexpr int kColumns = 200;
  constexpr int64_t kRows = 8192;
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < kRows; ++i) ASSERT_TRUE(builder.Append(i % 2 == 0 ? "a" : "bb").ok());
  const std::shared_ptr<arrow::Array> values = *builder.Finish();
  std::vector<Field> fields;
  for (int i = 1; i <= kColumns; ++i) {
    fields.push_back(Optional(i, "s" + std::to_string(i), Of(TypeKind::kString)));
  }
  const BatchPtr rows = arrow::RecordBatch::Make(
      MakeRows(fields, "[]")->schema(), kRows,
      std::vector<std::shared_ptr<arrow::Array>>(static_cast<size_t>(kColumns), values));
  io::MemoryFileSystem files;
  files.Put("/f", OrcBytes(fields, rows, FieldIds::kWritten, kRows), 0);
  std::vector<int> leaves(kColumns);
  std::iota(leaves.begin(), leaves.end(), 1);
  struct Case {
    int64_t max_bytes;
    int64_t fitting;
    int64_t least_memory;
    int64_t most_memory;
  };
  // 5 or 6 bytes for each value: offset and text.
  const Case cases[] = {{110'000, 100, 8 * 100 * kColumns, 16 * 112 * kColumns},
                        {INT64_MAX, kRows, 8 * kRows * kColumns, 16 * kRows * kColumns},
                        {1, 1, 0, 64 * 8 * kColumns}};
  for (const Case& c : cases) {
    Call call = TestCall();
    arrow::ProxyMemoryPool counted(arrow::default_memory_pool());
    arrow::CappedMemoryPool pool(&counted, 40 << 20);
    auto file = OrcFile::Open(call, files.Open(call, "/f", std::nullopt).value(), &pool).value();
    ASSERT_EQ(file->stripes().size(), 1u);
    const auto columns = ToFileColumns(file->types()).value();
    OrcRows orc(file.get(), columns, leaves, &pool);
    ASSERT_TRUE(orc.Open(file->stripes()[0], 1 << 20).ok());
    // What streams hold comes with the first row.
    EXPECT_EQ(orc.Fitting(1, INT64_MAX), 1);
    const int64_t before = counted.bytes_allocated() - 64 * 8 * kColumns;
    EXPECT_EQ(orc.Fitting(kRows, c.max_bytes), c.fitting);
    EXPECT_EQ(orc.Fitting(kRows, c.max_bytes), c.fitting) << "looking takes nothing away";
    EXPECT_GE(counted.bytes_allocated() - before, c.least_memory);
    EXPECT_LE(counted.bytes_allocated() - before, c.most_memory);
    const BatchPtr batch = orc.Next(c.fitting).value();
    EXPECT_TRUE(batch->column(kColumns - 1)->Equals(*values->Slice(0, c.fitting)));
  }
  Call call = TestCall();
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(), 8 << 20);
  auto file = OrcFile::Open(call, files.Open(call, "/f", std::nullopt).value(), &pool).value();
  const auto columns = ToFileColumns(file->types()).value();
  OrcRows orc(file.get(), columns, leaves, &pool);
  ASSERT_TRUE(orc.Open(file->stripes()[0], 1 << 20).ok());
  (void)orc.Fitting(kRows, INT64_MAX);
  EXPECT_EQ(orc.Next(kRows).status().code(), Code::kExhausted);
}

TEST(OtherFormats, BatchesAreBoundedByBytes) {
  const std::vector<Field> fields = {
      Optional(1, "s", Of(TypeKind::kString)),
      Optional(2, "li", Type::List(Optional(3, "element", Of(TypeKind::kInt))))};
  std::string json = "[";
  for (int i = 0; i < 200; ++i) {
    json += (i > 0 ? "," : "") + std::string("[\"") + std::string(10'000, 'x') + "\", [1, 2, 3]]";
  }
  json += "]";
  for (FileFormat format : kFormats) {
    Call call = TestCall();
    io::MemoryFileSystem files;
    files.Put("/f", Bytes(format, fields, json), 0);
    ReadOptions options;
    options.fields = fields;
    options.batch_bytes = 100'000;
    auto reader = DataFileReader::Open(call, files, "/f", format, std::nullopt, options).value();
    for (int rows = 0; rows < 200;) {
      const BatchPtr batch = reader->Next(call).value();
      ASSERT_NE(batch, nullptr);
      EXPECT_LE(batch->num_rows(), 11) << FileFormatName(format);
      rows += static_cast<int>(batch->num_rows());
    }
  }
}

TEST(OtherFormats, ColumnsWithoutIdsAreNotGuessed) {
  const std::vector<Field> fields = {
      Optional(1, "a", Of(TypeKind::kInt)),
      Optional(2, "li", Type::List(Optional(3, "element", Of(TypeKind::kInt))))};
  const BatchPtr rows = MakeRows(fields, "[[1, [2]]]");
  std::string avro = AvroBytes(fields, rows, AvroCodec::kNull);
  for (std::string name : {"\"field-id\"", "\"element-id\""}) {
    for (size_t at = avro.find(name); at != std::string::npos; at = avro.find(name)) {
      avro.replace(at, name.size(), name.substr(0, 3) + std::string(name.size() - 4, '?') + "\"");
    }
  }
  const NameMapping mapping = NameMapping::FromSchema(Schema(0, fields));
  for (FileFormat format : kFormats) {
    const std::string bytes =
        format == FileFormat::kOrc ? OrcBytes(fields, rows, FieldIds::kLeftOut) : avro;
    ReadOptions options;
    options.fields = fields;
    EXPECT_EQ(Read(format, bytes, options).status().code(), Code::kUnsupported);
    options.mapping = &mapping;
    EXPECT_EQ(Read(format, bytes, options).value(), "1, list<element: int32>[2]\n");
    options.mapping = nullptr;
    options.without_ids = WithoutIds::kByName;
    EXPECT_EQ(Read(format, bytes, options).value(), "1, list<element: int32>[2]\n");
  }
}

TEST(OtherFormats, TimesThatNanosecondsCannotTellAreRead) {
  const std::vector<Field> fields = {Optional(1, "a", Of(TypeKind::kTimestamp))};
  // The first day of the year 1, and the last of the year 9999.
  const std::string json =
      "[[-62135596800000000], [253402300799999999], [-1], [-1000001], [-999999]]";
  for (FileFormat format : kFormats) {
    EXPECT_EQ(ReadAll(format, Bytes(format, fields, json), fields),
              RowsText(*MakeRows(fields, json)))
        << FileFormatName(format);
  }
}

TEST(OtherFormats, WhatCannotBeReadIsNamed) {
  const std::vector<Field> fields = {Optional(1, "a", Of(TypeKind::kTimestamp)),
                                     Optional(2, "b", Of(TypeKind::kString))};
  const auto code = [](FileFormat format, const std::string& bytes, std::vector<Field> wanted) {
    ReadOptions options;
    options.fields = std::move(wanted);
    const Status status = Read(format, bytes, std::move(options)).status();
    EXPECT_NE(status.message().find("/f"), std::string::npos) << status.ToString();
    return status.code();
  };
  for (FileFormat format : kFormats) {
    const std::string bytes = Bytes(format, fields, R"([[1, "x"]])");
    EXPECT_EQ(code(format, bytes, {Optional(2, "b", Of(TypeKind::kLong))}), Code::kUnsupported);
    EXPECT_EQ(code(format, bytes, {Required(3, "c", Of(TypeKind::kLong))}), Code::kCorruption);
    EXPECT_EQ(code(format, "", fields), Code::kCorruption);
    EXPECT_EQ(code(format, "Obj\x01 and ORC", fields), Code::kCorruption);
    EXPECT_EQ(code(format, bytes.substr(0, bytes.size() - 10), fields), Code::kCorruption);
  }
  EXPECT_EQ(code(FileFormat::kPuffin, "", fields), Code::kUnsupported);
}

// Reads to the end or the first error.
Status ReadBroken(FileFormat format, const std::string& bytes, const ReadOptions& options) {
  Call call = TestCall();
  io::MemoryFileSystem files;
  files.Put("/f", bytes, 0);
  MORAINE_ASSIGN(auto reader,
                 DataFileReader::Open(call, files, "/f", format, std::nullopt, options));
  while (true) {
    MORAINE_ASSIGN(const BatchPtr batch, reader->Next(call));
    if (batch == nullptr) return {};
  }
}

bool IsExpected(Code code) {
  return code == Code::kOk || code == Code::kCorruption || code == Code::kUnsupported ||
         code == Code::kExhausted;
}

// Not one of them may crash, loop or take memory without bound; the sanitizers look, too.
TEST(OtherFormats, BrokenFilesAreSafe) {
  for (FileFormat format : kFormats) {
    const std::string whole = Bytes(format, EveryType(), kEveryRow);
    ReadOptions options;
    options.fields = EveryType();
    // Each byte is a try of tests/fuzz; here are some.
    for (size_t at = 0; at < whole.size(); at += 7) {
      constexpr char kBytes[] = {'\0', '\x7f', '\xff', '\x02'};
      std::string broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ kBytes[at % 4]);
      const Status status = ReadBroken(format, broken, options);
      EXPECT_TRUE(IsExpected(status.code())) << at << ": " << status.ToString();
    }
  }
}

TEST(OtherFormats, CutAvroIsBroken) {
  const std::string whole =
      AvroBytes(EveryType(), MakeRows(EveryType(), kEveryRow), AvroCodec::kNull);
  ReadOptions options;
  options.fields = EveryType();
  for (size_t size = 0; size < whole.size(); ++size) {
    // A file may end with its header: then it has no rows.
    const Result<std::string> text = Read(FileFormat::kAvro, whole.substr(0, size), options);
    EXPECT_TRUE(!text.ok() || text->empty()) << size;
  }
}

}  // namespace
}  // namespace moraine::iceberg
