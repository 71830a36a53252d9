// Metrics of files that ParquetWriter wrote: the rules of counts and bounds.

#include <bit>
#include <limits>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

TypePtr P(TypeKind kind) { return Type::Primitive(kind); }

DataFile Write(const std::vector<Field>& fields, const BatchPtr& rows, StringMap properties = {}) {
  io::MemoryFileSystem files;
  WriteOptions options;
  options.schema = MakeSchema(fields);
  options.properties = std::move(properties);
  return WriteRows(files, "/f", rows, options);
}

std::string BoundText(const Type& type, const std::string* bytes) {
  return bytes == nullptr ? "-" : ValueToText(type, ValueFromBytes(type, *bytes).value());
}

TEST(ColumnMetrics, FollowTheRules) {
  const std::string long_text(5000, 'a');
  struct {
    const char* what;
    TypePtr type;
    std::string rows;
    int64_t values, nulls;
    const char *lower, *upper;
  } cases[] = {
      {"numbers", P(TypeKind::kInt), "[[3],[null],[-7]]", 3, 1, "-7", "3"},
      {"all null", P(TypeKind::kLong), "[[null],[null]]", 2, 2, "-", "-"},
      {"booleans", P(TypeKind::kBoolean), "[[true],[false]]", 2, 0, "false", "true"},
      {"decimals of 4 bytes", Type::Decimal(9, 2), R"([["-1.00"],["300.25"]])", 2, 0, "-1.00",
       "300.25"},
      {"decimals of 8 bytes", Type::Decimal(18, 2), R"([["-1.00"],["300.25"]])", 2, 0, "-1.00",
       "300.25"},
      {"decimals of 16 bytes", Type::Decimal(38, 2), R"([["-1.00"],["300.25"]])", 2, 0, "-1.00",
       "300.25"},
      {"dates", P(TypeKind::kDate), "[[0],[-1]]", 2, 0, "1969-12-31", "1970-01-01"},
      {"short strings", P(TypeKind::kString), R"([["b"],["a"],[""]])", 3, 0, "", "b"},
      {"long strings", P(TypeKind::kString), R"([["abcdefghijklmnopq"],["b"]])", 2, 0,
       "abcdefghijklmnop", "b"},
      {"cut upper bound", P(TypeKind::kString), R"([["abcdefghijklmnopq"]])", 1, 0,
       "abcdefghijklmnop", "abcdefghijklmnoq"},
      {"too long for statistics", P(TypeKind::kString), "[[\"" + long_text + "\"],[\"b\"]]", 2, 0,
       "-", "-"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    const std::vector<Field> fields = {Optional(1, "c", c.type)};
    const DataFile file = Write(fields, MakeRows(fields, c.rows));
    EXPECT_EQ(*FindCount(file.value_counts, 1), c.values);
    EXPECT_EQ(*FindCount(file.null_value_counts, 1), c.nulls);
    EXPECT_GT(*FindCount(file.column_sizes, 1), 0);
    EXPECT_TRUE(file.nan_value_counts.empty());
    EXPECT_EQ(BoundText(*c.type, FindBound(file.lower_bounds, 1)), c.lower);
    EXPECT_EQ(BoundText(*c.type, FindBound(file.upper_bounds, 1)), c.upper);
  }
}

DataFile WriteDoubles(std::vector<double> values, StringMap properties = {}) {
  const std::vector<Field> fields = {Required(1, "d", P(TypeKind::kDouble))};
  auto array = std::make_shared<arrow::DoubleArray>(static_cast<int64_t>(values.size()),
                                                    arrow::Buffer::Wrap(values));
  return Write(fields, arrow::RecordBatch::Make(ToArrowSchema(fields), array->length(), {array}),
               std::move(properties));
}

uint64_t DoubleBits(const std::string* bytes) {
  return std::bit_cast<uint64_t>(
      std::get<double>(ValueFromBytes(*P(TypeKind::kDouble), *bytes).value()));
}

TEST(ColumnMetrics, NaNIsCountedAndNeverABound) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  DataFile file = WriteDoubles({nan, 1.0, -nan, -2.0});
  EXPECT_EQ(*FindCount(file.nan_value_counts, 1), 2);
  EXPECT_EQ(*FindCount(file.value_counts, 1), 4);
  EXPECT_EQ(DoubleBits(FindBound(file.lower_bounds, 1)), std::bit_cast<uint64_t>(-2.0));
  EXPECT_EQ(DoubleBits(FindBound(file.upper_bounds, 1)), std::bit_cast<uint64_t>(1.0));
  file = WriteDoubles({nan, nan});
  EXPECT_EQ(*FindCount(file.nan_value_counts, 1), 2);
  EXPECT_TRUE(file.lower_bounds.empty());
  EXPECT_TRUE(file.upper_bounds.empty());
}

TEST(ColumnMetrics, ZerosHaveBothSigns) {
  for (const std::vector<double>& values : {std::vector<double>{0.0, -0.0}, {-0.0}, {0.0}}) {
    const DataFile file = WriteDoubles(values);
    EXPECT_EQ(DoubleBits(FindBound(file.lower_bounds, 1)), std::bit_cast<uint64_t>(-0.0));
    EXPECT_EQ(DoubleBits(FindBound(file.upper_bounds, 1)), std::bit_cast<uint64_t>(0.0));
  }
}

TEST(ColumnMetrics, RowGroupsAreSummedUp) {
  std::vector<double> values;
  for (int i = 0; i < 100000; ++i) values.push_back(i * 1.5);
  const DataFile file = WriteDoubles(values, {{"write.parquet.row-group-size-bytes", "1000"}});
  EXPECT_EQ(file.split_offsets.size(), 4u);
  EXPECT_EQ(*FindCount(file.value_counts, 1), 100000);
  EXPECT_EQ(DoubleBits(FindBound(file.upper_bounds, 1)), std::bit_cast<uint64_t>(99999 * 1.5));
}

TEST(ColumnMetrics, NestedColumnsHaveWhatTheyMay) {
  const std::vector<Field> fields = {
      Optional(1, "s", Type::Struct({Optional(2, "a", P(TypeKind::kFloat))})),
      Optional(3, "l", Type::List(Optional(4, "element", P(TypeKind::kFloat)))),
      Optional(5, "v", P(TypeKind::kVariant)), Optional(6, "g", Type::Geometry("OGC:CRS84"))};
  const DataFile file = Write(
      fields,
      MakeRows(fields,
               R"([[[1.5],[1,2],["m","v"],"x"],[null,null,null,"y"],[[null],[],null,null]])"));
  EXPECT_EQ(file.value_counts, (CountMap{{2, 3}, {6, 3}}));
  EXPECT_EQ(file.null_value_counts, (CountMap{{2, 2}, {6, 1}}));
  EXPECT_EQ(file.nan_value_counts, (CountMap{{2, 0}}));
  EXPECT_EQ(file.lower_bounds.size(), 1u);
  std::vector<int32_t> sized;
  for (const auto& [id, size] : file.column_sizes) sized.push_back(id);
  EXPECT_EQ(sized, (std::vector<int32_t>{2, 4, 5, 6}));
}

TEST(ColumnMetrics, ModesAreKept) {
  const std::vector<Field> fields = {Optional(1, "a", P(TypeKind::kInt)),
                                     Optional(2, "b", P(TypeKind::kInt)),
                                     Optional(3, "c", P(TypeKind::kInt))};
  const DataFile file = Write(
      fields, MakeRows(fields, "[[1,2,3]]"),
      {{"write.metadata.metrics.column.a", "none"}, {"write.metadata.metrics.column.b", "counts"}});
  EXPECT_EQ(FindCount(file.column_sizes, 1), nullptr);
  EXPECT_EQ(file.value_counts, (CountMap{{2, 1}, {3, 1}}));
  EXPECT_EQ(file.lower_bounds.size(), 1u);
  EXPECT_NE(FindBound(file.lower_bounds, 3), nullptr);
}

}  // namespace
}  // namespace moraine::iceberg
