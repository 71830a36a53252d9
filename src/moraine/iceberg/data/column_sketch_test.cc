#include "moraine/iceberg/data/column_sketch.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/column_values.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/iceberg/sketches/theta_hash.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

std::shared_ptr<arrow::Array> Column(const TypePtr& type, std::string_view json) {
  return MakeRows({Optional(1, "c", type)}, json)->column(0);
}

/// One value after the other, by its single-value form.
CompactSketch Slowly(const TypePtr& type, const arrow::Array& values) {
  ThetaSketch sketch;
  for (int64_t i = 0; i < values.length(); ++i) {
    const Value value = ValueAt(values, *type, i);
    if (IsNull(value)) continue;
    if (const std::string bytes = ValueToBytes(*type, value); !bytes.empty())
      sketch.Add(ThetaHash(bytes));
  }
  return sketch.Compact();
}

TEST(ColumnSketch, HashesTheSingleValueFormOfEachType) {
  const struct {
    TypePtr type;
    std::string rows;
    int64_t distinct;
  } cases[] = {
      {Type::Primitive(TypeKind::kBoolean), "[[true], [null], [true]]", 1},
      {Type::Primitive(TypeKind::kBoolean), "[[false], [null], [true]]", 2},
      {Type::Primitive(TypeKind::kBoolean), "[[null], [null]]", 0},
      {Type::Primitive(TypeKind::kInt), "[[0], [0], [-1], [null], [7], [0], [-1]]", 3},
      {Type::Primitive(TypeKind::kLong), "[[0], [9000000000], [-1], [null], [7], [-1]]", 4},
      {Type::Primitive(TypeKind::kFloat), "[[0.5], [0.0], [1.5], [null], [0.5]]", 3},
      {Type::Primitive(TypeKind::kDouble), "[[0.1], [0.0], [-0.0], [null], [0.1]]", 3},
      {Type::Primitive(TypeKind::kDate), "[[0], [19000], [null], [-3]]", 3},
      {Type::Primitive(TypeKind::kTime), "[[0], [86399999999], [null]]", 2},
      {Type::Primitive(TypeKind::kTimestamp), "[[0], [1700000000000000], [null]]", 2},
      {Type::Primitive(TypeKind::kTimestampTz), "[[0], [1700000000000000], [0]]", 2},
      {Type::Primitive(TypeKind::kTimestampNs), "[[0], [1700000000000000001], [0]]", 2},
      {Type::Primitive(TypeKind::kString), R"([["a"], [""], [null], ["a"], ["äöü 17 bytes long"]])",
       2},
      {Type::Primitive(TypeKind::kBinary), R"([["a"], [""], [null], ["bc"]])", 2},
      {Type::Fixed(3), R"([["abc"], ["abd"], [null], ["abc"]])", 2},
      {Type::Primitive(TypeKind::kUuid), R"([["0123456789abcdef"], [null]])", 1},
      {Type::Decimal(9, 2),
       R"([["0.00"], ["1.27"], ["1.28"], ["-1.28"], ["-1.29"], ["2.55"], ["2.56"], [null],
           ["-0.01"], ["9999999.99"], ["-327.68"], ["-327.69"], ["1.27"]])",
       11},
      {Type::Decimal(38, 0), R"([["99999999999999999999999999999999999999"],
                                 ["-99999999999999999999999999999999999999"], ["0"]])",
       3},
  };
  for (const auto& one : cases) {
    const auto values = Column(one.type, one.rows);
    ASSERT_TRUE(HasSketch(*one.type));
    ColumnSketch sketch(one.type);
    ASSERT_TRUE(sketch.Add(*values).ok());
    EXPECT_EQ(sketch.Compact(), Slowly(one.type, *values)) << one.type->ToString() << one.rows;
    EXPECT_EQ(sketch.Compact().distinct_values(), one.distinct) << one.type->ToString();
    ColumnSketch sliced(one.type);
    ASSERT_TRUE(sliced.Add(*values->Slice(1)).ok());
    EXPECT_EQ(sliced.Compact(), Slowly(one.type, *values->Slice(1))) << one.type->ToString();
  }
}

TEST(ColumnSketch, CountsOfADictionaryWhatOccurs) {
  const TypePtr type = Type::Primitive(TypeKind::kString);
  const auto dictionary = Column(type, R"([["a"], ["b"], ["never"], [""], [null]])");
  const auto places = Column(Type::Primitive(TypeKind::kInt), "[[0], [null], [1], [0], [3], [4]]");
  const auto values = arrow::DictionaryArray::FromArrays(
                          arrow::dictionary(arrow::int32(), arrow::utf8()), places, dictionary)
                          .ValueOrDie();
  ColumnSketch sketch(type);
  ASSERT_TRUE(sketch.Add(*values).ok());
  ASSERT_TRUE(sketch.Add(*values->Slice(3)).ok());
  EXPECT_EQ(sketch.Compact().distinct_values(), 2);
  EXPECT_EQ(sketch.Compact(), Slowly(type, *Column(type, R"([["a"], ["b"]])")));
  // Another dictionary with other values at the same places.
  const auto others =
      arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), places,
                                         Column(type, R"([["c"], ["a"], ["x"], ["d"], ["e"]])"))
          .ValueOrDie();
  ASSERT_TRUE(sketch.Add(*others).ok());
  EXPECT_EQ(sketch.Compact().distinct_values(), 5);
}

/// Columns id (long), name and price of the table tests/golden/spark_v3/lineage.
TEST(ColumnSketch, ReadsAndWritesTheBytesOfSpark) {
  io::MemoryFileSystem files;
  std::ifstream file(MORAINE_TEST_DATA_DIR
                     "/golden/spark_v3/lineage/metadata/"
                     "7590230219080111535-d6755775-a8f1-4b1d-912a-87268ab4f246.stats",
                     std::ios::binary);
  files.Put("/s", {std::istreambuf_iterator<char>(file), {}}, 0);
  Call call = TestCall();
  auto reader = PuffinReader::Open(call, files, "/s", std::nullopt);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  ASSERT_EQ(reader->metadata().blobs.size(), 3u);
  for (const PuffinBlob& blob : reader->metadata().blobs) {
    const auto bytes = reader->ReadBlob(call, blob, 1 << 20);
    ASSERT_TRUE(bytes.ok());
    const auto sketch = SketchFromBytes(*bytes);
    ASSERT_TRUE(sketch.ok()) << sketch.status().ToString();
    EXPECT_EQ(std::to_string(sketch->distinct_values()), blob.properties.at("ndv"));
    EXPECT_EQ(SketchToBytes(*sketch), *bytes);
  }
}

TEST(ColumnSketch, IsOfPlainValuesOnly) {
  EXPECT_FALSE(HasSketch(*Type::Primitive(TypeKind::kUnknown)));
  EXPECT_FALSE(HasSketch(*Type::Primitive(TypeKind::kVariant)));
  EXPECT_FALSE(HasSketch(*Type::Geometry("")));
  EXPECT_FALSE(HasSketch(*Type::Struct({Optional(1, "a", Type::Primitive(TypeKind::kInt))})));
}

}  // namespace
}  // namespace moraine::iceberg
