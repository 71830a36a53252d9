// Files written by ParquetWriter and read by ParquetReader: every type, evolution of schemas,
// metrics.

#include <cmath>
#include <limits>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

TypePtr P(TypeKind kind) { return Type::Primitive(kind); }

std::string BytesOf(io::FileSystem& files, const std::string& location) {
  Call call = TestCall();
  return io::ReadFile(call, files, location, 1 << 30).value();
}

struct TypeCase {
  const char* name;
  TypePtr type;
  const char* values;  // JSON of one column's values, three or four of them
};

std::vector<TypeCase> TypeCases() {
  return {
      {"boolean", P(TypeKind::kBoolean), "[[true],[false],[null]]"},
      {"int", P(TypeKind::kInt), "[[-2147483648],[2147483647],[null]]"},
      {"long", P(TypeKind::kLong), "[[-9223372036854775808],[9223372036854775807],[null]]"},
      {"float", P(TypeKind::kFloat), "[[1.5],[-0.0],[null]]"},
      {"double", P(TypeKind::kDouble), "[[1e300],[-0.0],[null]]"},
      {"decimal9", Type::Decimal(9, 2), R"([["-1234567.89"],["9999999.99"],[null]])"},
      {"decimal18", Type::Decimal(18, 0), R"([["-999999999999999999"],["1"],[null]])"},
      {"decimal20", Type::Decimal(20, 5), R"([["-999999999999999.99999"],["0.00001"],[null]])"},
      {"decimal38", Type::Decimal(38, 10),
       R"([["-9999999999999999999999999999.9999999999"],["0.0000000001"],[null]])"},
      {"date", P(TypeKind::kDate), "[[-719162],[19000],[null]]"},
      {"time", P(TypeKind::kTime), "[[0],[86399999999],[null]]"},
      {"timestamp", P(TypeKind::kTimestamp), "[[-1],[1700000000123456],[null]]"},
      {"timestamptz", P(TypeKind::kTimestampTz), "[[-1],[1700000000123456],[null]]"},
      {"timestamp_ns", P(TypeKind::kTimestampNs), "[[-1],[1700000000123456789],[null]]"},
      {"timestamptz_ns", P(TypeKind::kTimestampTzNs), "[[-1],[1700000000123456789],[null]]"},
      {"string", P(TypeKind::kString), R"([[""],["grüße \u0000"],[null]])"},
      {"uuid", P(TypeKind::kUuid), R"([["0123456789abcdef"],["zzzzzzzzzzzzzzzz"],[null]])"},
      {"fixed", Type::Fixed(3), R"([["abc"],["xyz"],[null]])"},
      {"binary", P(TypeKind::kBinary), R"([[""],["bytes"],[null]])"},
      {"geometry", Type::Geometry("OGC:CRS84"), R"([["wkb"],[""],[null]])"},
      {"geography", Type::Geography("OGC:CRS84", "karney"), R"([["wkb"],[""],[null]])"},
      {"variant", P(TypeKind::kVariant), R"([[["m","v"]],[["",""]],[null]])"},
      {"struct",
       Type::Struct({Optional(11, "a", P(TypeKind::kInt)), Required(12, "b", P(TypeKind::kString)),
                     Optional(13, "c", Type::Struct({Optional(14, "d", P(TypeKind::kLong))}))}),
       R"([[[1,"x",[2]]],[[null,"y",null]],[null],[[null,"z",[null]]]])"},
      {"list", Type::List(Optional(11, "element", P(TypeKind::kInt))),
       "[[[1,null,3]],[[]],[null],[[4]]]"},
      {"required_list", Type::List(Required(11, "element", P(TypeKind::kString))),
       R"([[["a","b"]],[[]],[null]])"},
      {"list_of_list",
       Type::List(Optional(11, "element", Type::List(Optional(12, "element", P(TypeKind::kInt))))),
       "[[[[1,null],[],null]],[[]],[null],[[[2]]]]"},
      {"list_of_struct",
       Type::List(Optional(
           11, "element",
           Type::Struct(
               {Required(12, "a", P(TypeKind::kInt)),
                Optional(13, "b", Type::List(Optional(14, "element", P(TypeKind::kDouble))))}))),
       "[[[[1,[0.5,null]],null,[2,null]]],[[]],[null],[[[3,[]]]]]"},
      {"map",
       Type::Map(Required(11, "key", P(TypeKind::kString)),
                 Optional(12, "value", P(TypeKind::kLong))),
       R"([[[["a",1],["b",null]]],[[]],[null]])"},
      {"map_of_struct",
       Type::Map(Required(11, "key", P(TypeKind::kInt)),
                 Optional(12, "value", Type::Struct({Required(13, "x", P(TypeKind::kDate))}))),
       "[[[[1,[5]],[2,null]]],[[]],[null]]"},
  };
}

TEST(Parquet, EveryTypeSurvives) {
  io::MemoryFileSystem files;
  for (const TypeCase& c : TypeCases()) {
    SCOPED_TRACE(c.name);
    const std::vector<Field> fields = {Optional(1, "col", c.type)};
    const std::string path = std::string("/") + c.name;
    const BatchPtr rows = MakeRows(fields, c.values);
    const DataFile file = WriteRows(files, path, fields, c.values);
    EXPECT_EQ(file.record_count, rows->num_rows());
    EXPECT_EQ(file.file_size_in_bytes, static_cast<int64_t>(BytesOf(files, path).size()));
    ReadOptions options;
    options.fields = fields;
    Result<BatchPtr> read = ReadRows(files, path, options);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE((*read)->Equals(*rows)) << RowsText(**read) << "\nwanted\n" << RowsText(*rows);
  }
}

TEST(Parquet, ManyRowGroupsAndBatchesKeepOrder) {
  io::MemoryFileSystem files;
  const std::vector<Field> fields = {
      Required(1, "id", P(TypeKind::kLong)),
      Optional(2, "tags", Type::List(Optional(3, "element", P(TypeKind::kString))))};
  std::string json = "[";
  for (int i = 0; i < 5000; ++i) {
    json += (i > 0 ? ",[" : "[") + std::to_string(i) + ",";
    json += i % 7 == 0 ? "null]" : "[\"t" + std::to_string(i % 13) + "\",null]]";
  }
  json += "]";
  const BatchPtr rows = MakeRows(fields, json);
  WriteOptions options;
  options.schema = MakeSchema(fields);
  options.properties = {{"write.parquet.row-group-size-bytes", "4000"}};
  Call call = TestCall();
  auto writer = ParquetWriter::Open(call, files, "/f", options).value();
  for (int64_t at = 0; at < 5000; at += 321) {
    ASSERT_TRUE(writer->Write(call, *rows->Slice(at, 321)).ok());
  }
  const DataFile file = writer->Close(call).value();
  EXPECT_GT(file.split_offsets.size(), 3u);
  EXPECT_EQ(file.split_offsets[0], 4);
  ReadOptions read_options;
  read_options.fields = fields;
  read_options.batch_rows = 100;
  Result<BatchPtr> read = ReadRows(files, "/f", read_options);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_TRUE((*read)->Equals(*rows));
}

Field WithDefault(Field field, Value value) {
  field.initial_default = std::move(value);
  return field;
}

TEST(Parquet, EvolvesColumns) {
  struct {
    const char* what;
    std::vector<Field> written;
    const char* rows;
    std::vector<Field> wanted;
    const char* text;
  } cases[] = {
      {"int to long",
       {Optional(1, "a", P(TypeKind::kInt))},
       "[[-5],[null]]",
       {Optional(1, "a", P(TypeKind::kLong))},
       "-5\nnull\n"},
      {"float to double",
       {Optional(1, "a", P(TypeKind::kFloat))},
       "[[0.5],[null]]",
       {Optional(1, "a", P(TypeKind::kDouble))},
       "0.5\nnull\n"},
      {"wider decimal",
       {Optional(1, "a", Type::Decimal(9, 2))},
       R"([["1.25"],[null]])",
       {Optional(1, "a", Type::Decimal(30, 2))},
       "1.25\nnull\n"},
      {"date to timestamp",
       {Optional(1, "a", P(TypeKind::kDate))},
       "[[1],[-1]]",
       {Optional(1, "a", P(TypeKind::kTimestamp))},
       "1970-01-02 00:00:00.000000\n1969-12-31 00:00:00.000000\n"},
      {"renamed, in another order",
       {Optional(1, "a", P(TypeKind::kInt)), Optional(2, "b", P(TypeKind::kString))},
       R"([[1,"x"],[2,"y"]])",
       {Optional(2, "c", P(TypeKind::kString)), Optional(1, "b", P(TypeKind::kInt))},
       "x, 1\ny, 2\n"},
      {"added: null and initial default",
       {Optional(1, "a", P(TypeKind::kInt))},
       "[[1]]",
       {Optional(2, "b", P(TypeKind::kLong)), Optional(1, "a", P(TypeKind::kInt)),
        WithDefault(Required(3, "c", P(TypeKind::kString)), std::string("d")),
        WithDefault(Optional(4, "d", Type::Decimal(10, 2)), Int128(125)),
        WithDefault(Optional(5, "e", P(TypeKind::kUuid)), std::string("0123456789abcdef"))},
       "null, 1, d, 1.25, 0123456789abcdef\n"},
      {"dropped, and another of its name",
       {Optional(1, "a", P(TypeKind::kInt))},
       "[[1]]",
       {Optional(2, "a", P(TypeKind::kInt))},
       "null\n"},
      {"inside a struct",
       {Optional(1, "s",
                 Type::Struct(
                     {Optional(2, "x", P(TypeKind::kInt)), Optional(3, "y", P(TypeKind::kInt))}))},
       "[[[1,2]],[null],[[null,3]]]",
       {Optional(1, "t",
                 Type::Struct({WithDefault(Required(4, "z", P(TypeKind::kInt)), 9),
                               Optional(3, "yy", P(TypeKind::kLong))}))},
       "{z:int32 = 9, yy:int64 = 2}\nnull\n{z:int32 = 9, yy:int64 = 3}\n"},
      {"a struct of which nothing is left but where it is null",
       {Optional(1, "s", Type::Struct({Optional(2, "x", P(TypeKind::kInt))}))},
       "[[[1]],[null],[[null]]]",
       {Optional(1, "s", Type::Struct({Optional(4, "z", P(TypeKind::kInt))}))},
       "{z:int32 = null}\nnull\n{z:int32 = null}\n"},
      {"inside a list",
       {Optional(1, "l",
                 Type::List(Optional(2, "element",
                                     Type::Struct({Optional(3, "x", P(TypeKind::kInt)),
                                                   Optional(4, "y", P(TypeKind::kInt))}))))},
       "[[[[1,2],null]],[[]],[null]]",
       {Optional(1, "l",
                 Type::List(Optional(2, "element",
                                     Type::Struct({Optional(4, "y", P(TypeKind::kLong))}))))},
       "list<element: struct<y: int64>>[{y:int64 = 2}, null]\n"
       "list<element: struct<y: int64>>[]\nnull\n"},
      {"inside a map",
       {Optional(1, "m",
                 Type::Map(Required(2, "key", P(TypeKind::kInt)),
                           Optional(3, "value", P(TypeKind::kFloat))))},
       "[[[[1,0.5]]],[null]]",
       {Optional(1, "m",
                 Type::Map(Required(2, "key", P(TypeKind::kInt)),
                           Optional(3, "value", P(TypeKind::kDouble))))},
       "map<int32, double>[{key:int32 = 1, value:double = 0.5}]\nnull\n"},
      {"an unknown column is null",
       {Optional(1, "a", P(TypeKind::kInt))},
       "[[1]]",
       {Optional(1, "a", P(TypeKind::kUnknown))},
       "null\n"},
      {"metadata columns",
       {Optional(1, "a", P(TypeKind::kInt))},
       "[[7],[8]]",
       {Required(kMetadataPositionFieldId, "_pos", P(TypeKind::kLong)),
        Required(kMetadataFilePathFieldId, "_file", P(TypeKind::kString)),
        Required(kIsDeletedFieldId, "_deleted", P(TypeKind::kBoolean))},
       "0, /FILE, false\n1, /FILE, false\n"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    io::MemoryFileSystem files;
    WriteRows(files, "/FILE", c.written, c.rows);
    EXPECT_EQ(ReadText(files, "/FILE", c.wanted), c.text);
  }
}

TEST(Parquet, RefusesWhatCannotBeRead) {
  io::MemoryFileSystem files;
  WriteRows(files, "/f", {Optional(1, "a", P(TypeKind::kLong))}, "[[1]]");
  const auto code = [&](Field field) {
    ReadOptions options;
    options.fields = {std::move(field)};
    return ReadRows(files, "/f", std::move(options)).status().code();
  };
  EXPECT_EQ(code(Required(2, "b", P(TypeKind::kInt))), Code::kCorruption);
  EXPECT_EQ(code(Optional(1, "a", P(TypeKind::kInt))), Code::kUnsupported);
  EXPECT_EQ(code(Optional(1, "a", P(TypeKind::kString))), Code::kUnsupported);
  EXPECT_EQ(code(Optional(1, "a", Type::List(Optional(3, "element", P(TypeKind::kLong))))),
            Code::kUnsupported);
  EXPECT_EQ(ReadRows(files, "/none", {}).status().code(), Code::kNotFound);
}

TEST(Parquet, ConstantsFillMissingColumnsOnly) {
  io::MemoryFileSystem files;
  WriteRows(files, "/f", {Optional(1, "a", P(TypeKind::kInt))}, "[[1],[2]]");
  ReadOptions options;
  options.fields = {Optional(1, "a", P(TypeKind::kInt)), Optional(2, "p", P(TypeKind::kDate)),
                    WithDefault(Optional(3, "q", P(TypeKind::kInt)), 5)};
  options.constants = {{1, 100}, {2, 3}, {3, Value()}};
  EXPECT_EQ(RowsText(*ReadRows(files, "/f", options).value()),
            "1, 1970-01-04, null\n2, 1970-01-04, null\n");
}

TEST(Parquet, ANullInARequiredColumnIsRefused) {
  io::MemoryFileSystem files;
  const BatchPtr rows = MakeRows({Optional(1, "a", P(TypeKind::kInt))}, "[[null]]");
  WriteOptions options;
  options.schema = MakeSchema({Required(1, "a", P(TypeKind::kInt))});
  Call call = TestCall();
  auto writer = ParquetWriter::Open(call, files, "/f", options).value();
  EXPECT_EQ(writer->Write(call, *rows).code(), Code::kCorruption);
}

TEST(Parquet, BrokenFilesGiveErrors) {
  io::MemoryFileSystem files;
  const std::vector<Field> fields = {
      Optional(1, "a", P(TypeKind::kInt)), Optional(2, "b", P(TypeKind::kString)),
      Optional(3, "l", Type::List(Optional(4, "element", P(TypeKind::kDouble))))};
  std::string json = "[";
  for (int i = 0; i < 200; ++i) {
    json += (i > 0 ? ",[" : "[") + std::to_string(i) + ",\"s" + std::to_string(i % 9) + "\",[1.5]]";
  }
  WriteRows(files, "/f", fields, json + "]");
  const std::string good = BytesOf(files, "/f");
  ReadOptions options;
  options.fields = fields;
  for (size_t size = 0; size < good.size(); size += 7) {
    files.Put("/f", good.substr(0, size), 0);
    EXPECT_EQ(ReadRows(files, "/f", options).status().code(), Code::kCorruption) << size;
  }
  // A flipped byte may go unnoticed (there are no checksums), but must never crash.
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    files.Put("/f", bad, 0);
    Result<BatchPtr> read = ReadRows(files, "/f", options);
    if (!read.ok()) {
      EXPECT_NE(read.status().code(), Code::kInternal) << at << read.status().ToString();
    }
  }
}

TEST(Parquet, FilesWithoutIdsAreNotGuessedAt) {
  io::MemoryFileSystem files;
  const auto plain = arrow::schema({arrow::field("a", arrow::int64())});
  const auto values = arrow::json::ArrayFromJSONString(arrow::int64(), "[1,2]").ValueOrDie();
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  ASSERT_TRUE(parquet::arrow::WriteTable(*arrow::Table::Make(plain, {values}),
                                         arrow::default_memory_pool(), sink)
                  .ok());
  files.Put("/f", sink->Finish().ValueOrDie()->ToString(), 0);
  // The table has renamed a to b since.
  ReadOptions options;
  options.fields = {Optional(1, "b", P(TypeKind::kLong))};
  const Status refused = ReadRows(files, "/f", options).status();
  EXPECT_EQ(refused.code(), Code::kUnsupported);
  EXPECT_NE(refused.ToString().find("/f"), std::string::npos);
  EXPECT_NE(refused.ToString().find("schema.name-mapping.default"), std::string::npos);
  const NameMapping mapping =
      NameMapping::FromJson(R"([{"field-id": 1, "names": ["a", "b"]}])").value();
  options.mapping = &mapping;
  EXPECT_EQ(RowsText(*ReadRows(files, "/f", options).value()), "1\n2\n");
  options.mapping = nullptr;
  options.without_ids = WithoutIds::kByName;
  EXPECT_EQ(RowsText(*ReadRows(files, "/f", options).value()), "null\nnull\n");
  options.fields = {Optional(1, "a", P(TypeKind::kLong))};
  EXPECT_EQ(RowsText(*ReadRows(files, "/f", options).value()), "1\n2\n");
}

TEST(Parquet, ColumnsWithoutIdsBesideOthersAreNotLost) {
  const auto id = [](int value) {
    return arrow::key_value_metadata({{"PARQUET:field_id", std::to_string(value)}});
  };
  // v has an id, what it holds has none; extra has none either.
  const auto write = [&](const std::shared_ptr<arrow::DataType>& type, const char* json,
                         io::MemoryFileSystem* files) {
    const auto schema = arrow::schema(
        {arrow::field("v", type, true, id(1)), arrow::field("extra", arrow::int64())});
    const auto values = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
    const auto extra = arrow::MakeArrayOfNull(arrow::int64(), values->length()).ValueOrDie();
    const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
    ASSERT_TRUE(parquet::arrow::WriteTable(*arrow::Table::Make(schema, {values, extra}),
                                           arrow::default_memory_pool(), sink)
                    .ok());
    files->Put("/f", sink->Finish().ValueOrDie()->ToString(), 0);
  };
  io::MemoryFileSystem files;
  const auto read = [&](std::vector<Field> fields) {
    ReadOptions options;
    options.fields = std::move(fields);
    return ReadRows(files, "/f", options);
  };
  const auto x = arrow::struct_({arrow::field("x", arrow::int64())});
  const TypePtr inner = Type::Struct({Optional(3, "x", P(TypeKind::kLong))});
  write(x, R"([{"x":7}])", &files);
  EXPECT_EQ(read({Optional(1, "v", inner)}).status().code(), Code::kUnsupported);
  write(arrow::list(x), R"([[{"x":7}]])", &files);
  EXPECT_EQ(read({Optional(1, "v", Type::List(Optional(2, "element", inner)))}).status().code(),
            Code::kUnsupported);
  write(arrow::list(arrow::int64()), "[[7]]", &files);
  const Field list = Optional(1, "v", Type::List(Optional(2, "element", P(TypeKind::kLong))));
  EXPECT_EQ(RowsText(*read({list}).value()), "list<element: int64>[7]\n");
  // extra could be the new column.
  EXPECT_EQ(read({list, Optional(4, "extra", P(TypeKind::kLong))}).status().code(),
            Code::kUnsupported);
}

TEST(Parquet, NameMappingGivesIds) {
  const NameMapping mapping = NameMapping::FromJson(
                                  R"([{"field-id": 7, "names": ["other", "x"]},
          {"field-id": 8, "names": ["s"], "fields": [{"field-id": 9, "names": ["inner"]}]}])")
                                  .value();
  std::vector<FileColumn> columns = {{"x", std::nullopt, arrow::int32(), 0, {}},
                                     {"s",
                                      std::nullopt,
                                      arrow::struct_({}),
                                      -1,
                                      {{"inner", std::nullopt, arrow::int32(), 1, {}},
                                       {"y", std::nullopt, arrow::int32(), 2, {}}}}};
  EXPECT_FALSE(HasFieldIds(columns));
  ApplyNameMapping(mapping, &columns);
  EXPECT_EQ(columns[0].id, 7);
  EXPECT_EQ(columns[1].id, 8);
  EXPECT_EQ(columns[1].children[0].id, 9);
  EXPECT_EQ(columns[1].children[1].id, std::nullopt);
}

}  // namespace
}  // namespace moraine::iceberg
