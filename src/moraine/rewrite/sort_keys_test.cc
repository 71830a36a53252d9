// Keys against a reference that compares values one by one, over random values of every type.

#include "moraine/rewrite/sort_keys.h"

#include <cmath>
#include <limits>
#include <random>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/column_values.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/rewrite/sort_rows.h"

namespace moraine::rewrite {
namespace {

using iceberg::CompareValues;
using iceberg::Field;
using iceberg::IsNull;
using iceberg::SortField;
using iceberg::Type;
using iceberg::TypeKind;
using iceberg::TypePtr;
using iceberg::Value;

std::string RandomText(std::mt19937_64* random) {
  // Zero bytes, bytes above 127 in whole characters, shared beginnings, lengths about the cut.
  static const std::string pieces[] = {"a", std::string(1, '\0'), "ü", "b", "\xF0\x9F\x98\x80"};
  std::string text = (*random)() % 3 == 0 ? std::string(kStringKeyBytes - 2, 'x') : "";
  for (size_t i = (*random)() % 6; i > 0; --i) text += pieces[(*random)() % 5];
  return text;
}

template <typename T>
T PickNumber(std::mt19937_64* random) {
  const T some[] = {std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max(), 0, 1,
                    static_cast<T>(-1)};
  if ((*random)() % 2 == 0) return some[(*random)() % 5];
  return static_cast<T>(static_cast<int64_t>((*random)() % 400) - 200);
}

template <typename T>
T PickFloat(std::mt19937_64* random) {
  using Limits = std::numeric_limits<T>;
  const T some[] = {Limits::quiet_NaN(),
                    -Limits::quiet_NaN(),
                    Limits::infinity(),
                    -Limits::infinity(),
                    T{0},
                    -T{0},
                    Limits::denorm_min(),
                    Limits::max()};
  if ((*random)() % 2 == 0) return some[(*random)() % 8];
  return static_cast<T>(PickNumber<int32_t>(random)) / 7;
}

Value RandomValue(const Type& type, std::mt19937_64* random) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return (*random)() % 2 == 0;
    case TypeKind::kInt:
    case TypeKind::kDate:
      return PickNumber<int32_t>(random);
    case TypeKind::kFloat:
      return PickFloat<float>(random);
    case TypeKind::kDouble:
      return PickFloat<double>(random);
    case TypeKind::kDecimal: {
      iceberg::Int128 value = PickNumber<int32_t>(random) % 100'000'000;
      if (type.precision() > 18) value *= iceberg::Int128(1) << 70;
      return value;
    }
    case TypeKind::kString:
    case TypeKind::kBinary:
      return RandomText(random);
    case TypeKind::kUuid:
    case TypeKind::kFixed: {
      std::string bytes(type.kind() == TypeKind::kUuid ? 16 : static_cast<size_t>(type.length()),
                        '\x7F');
      bytes[(*random)() % bytes.size()] = static_cast<char>((*random)());
      return bytes;
    }
    default:
      return PickNumber<int64_t>(random);
  }
}

ArrayPtr MakeColumn(const TypePtr& type, const std::vector<Value>& values) {
  arrow::ArrayVector all;
  for (const Value& value : values) {
    all.push_back(iceberg::RepeatValue(*type, value, 1, arrow::default_memory_pool()).value());
  }
  return arrow::Concatenate(all).ValueOrDie();
}

const std::vector<TypePtr>& Types() {
  static const auto* types = [] {
    auto* all = new std::vector<TypePtr>{Type::Decimal(8, 2), Type::Decimal(17, 2),
                                         Type::Decimal(38, 2), Type::Fixed(5),
                                         Type::Fixed(static_cast<int64_t>(kStringKeyBytes) + 9)};
    for (const TypeKind kind :
         {TypeKind::kBoolean, TypeKind::kInt, TypeKind::kLong, TypeKind::kFloat, TypeKind::kDouble,
          TypeKind::kDate, TypeKind::kTime, TypeKind::kTimestamp, TypeKind::kTimestampTz,
          TypeKind::kTimestampNs, TypeKind::kTimestampTzNs, TypeKind::kString, TypeKind::kUuid,
          TypeKind::kBinary}) {
      all->push_back(Type::Primitive(kind));
    }
    return all;
  }();
  return *types;
}

const char* const kTransforms[] = {"identity", "bucket[5]", "truncate[3]", "year",
                                   "month",    "day",       "hour"};

struct Column {
  TypePtr type;
  SortField sort;
  std::vector<Value> values;
};

Column RandomColumn(int32_t id, size_t rows, std::mt19937_64* random) {
  Column column;
  column.sort.source_ids = {id};
  do {
    column.type = Types()[(*random)() % Types().size()];
    column.sort.transform =
        iceberg::Transform::FromString(kTransforms[(*random)() % std::size(kTransforms)]).value();
  } while (!column.sort.transform.Accepts(*column.type));
  column.sort.direction = (*random)() % 2 == 0 ? iceberg::SortDirection::kAscending
                                               : iceberg::SortDirection::kDescending;
  column.sort.null_order =
      (*random)() % 2 == 0 ? iceberg::NullOrder::kNullsFirst : iceberg::NullOrder::kNullsLast;
  for (size_t row = 0; row < rows; ++row) {
    column.values.push_back((*random)() % 8 == 0 ? Value() : RandomValue(*column.type, random));
  }
  return column;
}

// What the spec says of one field.
int Reference(const Column& column, size_t i, size_t j) {
  const Value a = column.sort.transform.Apply(*column.type, column.values[i]);
  const Value b = column.sort.transform.Apply(*column.type, column.values[j]);
  if (IsNull(a) && IsNull(b)) return 0;
  const bool nulls_first = column.sort.null_order == iceberg::NullOrder::kNullsFirst;
  if (IsNull(a)) return nulls_first ? -1 : 1;
  if (IsNull(b)) return nulls_first ? 1 : -1;
  const auto order = CompareValues(a, b);
  const int sign = order < 0 ? -1 : order > 0 ? 1 : 0;
  return column.sort.direction == iceberg::SortDirection::kAscending ? sign : -sign;
}

TEST(SortKeys, CompareAsTheirRowsDo) {
  constexpr size_t kRows = 60;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<Column> columns;
    std::vector<Field> fields;
    std::vector<ArrayPtr> arrays;
    std::vector<SortField> order;
    for (int32_t id = 1; id <= static_cast<int32_t>(1 + seed % 3); ++id) {
      columns.push_back(RandomColumn(id, kRows, &random));
      fields.push_back(iceberg::Optional(id, "c" + std::to_string(id), columns.back().type));
      arrays.push_back(MakeColumn(columns.back().type, columns.back().values));
      order.push_back(columns.back().sort);
    }
    const auto batch = arrow::RecordBatch::Make(iceberg::ToArrowSchema(fields), kRows, arrays);
    auto keys = SortKeys::Make(fields, order);
    ASSERT_TRUE(keys.ok()) << keys.status().ToString();
    auto* pool = arrow::default_memory_pool();
    const auto extracted = keys->Extract(*batch, pool).value();
    const ArrayPtr encoded = keys->Encode(extracted, kRows, pool).value();
    const KeyTable table({encoded});
    for (uint32_t i = 0; i < kRows; ++i) {
      for (uint32_t j = 0; j < kRows; ++j) {
        int expected = 0;
        for (size_t c = 0; c < columns.size() && expected == 0; ++c)
          expected = Reference(columns[c], i, j);
        const int exact = keys->Compare(extracted, i, extracted, j);
        ASSERT_EQ(exact < 0 ? -1 : exact > 0 ? 1 : 0, expected) << i << " " << j;
        const int bytes = table.at({0, i}).compare(table.at({0, j}));
        const int by_key = bytes < 0 ? -1 : bytes > 0 ? 1 : 0;
        ASSERT_TRUE(by_key == expected || (by_key == 0 && keys->may_cut()))
            << i << " " << j << " " << fields[0].type->ToString() << " "
            << order[0].transform.ToString();
        if (by_key != 0) {
          ASSERT_FALSE(table.at({0, i}).starts_with(table.at({0, j})));
        }
      }
    }
  }
}

TEST(SortKeys, RequiredColumnsNeedNoByteForNull) {
  const std::vector<Field> fields = {iceberg::Required(1, "a", Type::Primitive(TypeKind::kLong)),
                                     iceberg::Optional(2, "b", Type::Primitive(TypeKind::kInt))};
  EXPECT_EQ(SortKeys::Make(fields, AscendingBy({1})).value().width(), 8);
  EXPECT_EQ(SortKeys::Make(fields, AscendingBy({2})).value().width(), 5);
}

TEST(SortKeys, RefuseWhatHasNoOrder) {
  const std::vector<Field> fields = {
      iceberg::Optional(1, "v", Type::Primitive(TypeKind::kVariant))};
  EXPECT_EQ(SortKeys::Make(fields, AscendingBy({1})).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(SortKeys::Make(fields, AscendingBy({2})).status().code(), Code::kInvalidArgument);
}

TEST(SortKeys, NaNsAreOneValueWhereItIsAskedFor) {
  const std::vector<Field> fields = {iceberg::Optional(1, "x", Type::Primitive(TypeKind::kDouble))};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  arrow::DoubleBuilder builder;
  ASSERT_TRUE(builder.AppendValues({nan, -nan, 0.0, -0.0}).ok());
  const std::vector<ArrayPtr> columns = {builder.Finish().ValueOrDie()};
  for (const NaNs nans : {NaNs::kByBits, NaNs::kAllEqual}) {
    const SortKeys keys = SortKeys::Make(fields, AscendingBy({1}), nans).value();
    const auto encoded = std::static_pointer_cast<arrow::FixedSizeBinaryArray>(
        keys.Encode(columns, 4, arrow::default_memory_pool()).value());
    const bool one = nans == NaNs::kAllEqual;
    EXPECT_EQ(encoded->GetView(0) == encoded->GetView(1), one);
    EXPECT_EQ(keys.Compare(columns, 0, columns, 1) == 0, one);
    EXPECT_NE(keys.Compare(columns, 2, columns, 3), 0);
    EXPECT_GT(encoded->GetView(0), encoded->GetView(2));
  }
}

}  // namespace
}  // namespace moraine::rewrite
