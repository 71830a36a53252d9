// Packed rows against what they were.

#include "moraine/rewrite/row_packer.h"

#include <limits>

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/data/value_cast.h"
#include "moraine/rewrite/gather_rows.h"

namespace moraine::rewrite {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

RowPacker MakePacker(std::vector<int> kept) {
  return RowPacker({std::move(kept), 1 << 20, arrow::default_memory_pool()});
}

template <typename Builder, typename Value>
ArrayPtr MakeNumbers(const std::shared_ptr<arrow::DataType>& type, const std::vector<Value>& values,
                     bool has_nulls) {
  Builder builder(type, arrow::default_memory_pool());
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_null = has_nulls && i % 3 == 1;
    EXPECT_TRUE((is_null ? builder.AppendNull() : builder.Append(values[i])).ok());
  }
  return builder.Finish().ValueOrDie();
}

ArrayPtr MakeStrings(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

ArrayPtr MakeEncoded(const std::vector<int32_t>& indices, const std::vector<std::string>& values) {
  return std::make_shared<arrow::DictionaryArray>(
      arrow::dictionary(arrow::int32(), arrow::utf8()),
      MakeNumbers<arrow::Int32Builder>(arrow::int32(), indices, true), MakeStrings(values));
}

BatchPtr MakeBatch(std::vector<ArrayPtr> columns) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const ArrayPtr& column : columns)
    fields.push_back(arrow::field("c" + std::to_string(fields.size()), column->type()));
  const int64_t rows = columns[0]->length();
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

std::vector<std::shared_ptr<arrow::Schema>> SchemasOf(const std::vector<BatchPtr>& batches) {
  std::vector<std::shared_ptr<arrow::Schema>> schemas;
  for (const BatchPtr& batch : batches) schemas.push_back(batch->schema());
  return schemas;
}

// The same values, whether they are a dictionary or not.
void ExpectSame(const ArrayPtr& a, const ArrayPtr& b) {
  const auto plain = [](const ArrayPtr& array) {
    if (array->type_id() != arrow::Type::DICTIONARY) return array;
    return iceberg::CastValues(array, arrow::utf8(), arrow::default_memory_pool()).value();
  };
  EXPECT_TRUE(plain(a)->Equals(*plain(b))) << a->ToString() << b->ToString();
}

// Packed one by one, made alike, and back.
std::vector<BatchPtr> PackAll(RowPacker* packer, const std::vector<BatchPtr>& batches) {
  std::vector<BatchPtr> packed;
  for (const BatchPtr& batch : batches) packed.push_back(packer->Pack(batch).value());
  const auto types = packer->CommonTypes(SchemasOf(packed)).value();
  std::vector<BatchPtr> aligned;
  for (const BatchPtr& batch : packed) aligned.push_back(packer->Align(batch, types).value());
  for (size_t i = 0; i < batches.size(); ++i) {
    for (const BatchPtr& some : {packed[i], aligned[i]}) {
      const BatchPtr back = packer->Unpack(some).value();
      for (int column = 0; column < back->num_columns(); ++column)
        ExpectSame(back->column(column), batches[i]->column(column));
    }
    // Strings may be dictionaries or not.
    const bool are_plain = types[0]->id() == arrow::Type::STRING;
    EXPECT_TRUE(are_plain || aligned[i]->column(0)->type()->Equals(*types[0]));
  }
  return aligned;
}

TEST(RowPacker, NumbersOfAnySizeComeBack) {
  using Limits = std::numeric_limits<int64_t>;
  const std::vector<std::vector<int64_t>> cases = {
      {1, 2, 3},
      {-128, 127, 0, 5},
      {1'700'000'000'000'000, 1'700'000'000'000'100, 1'700'000'000'030'000},
      {Limits::min(), Limits::max(), 0},
      {1 << 20, -5},
      {},
      {Limits::max(), Limits::max() - 3}};
  for (const bool has_nulls : {false, true}) {
    for (const auto& first : cases) {
      std::vector<BatchPtr> batches;
      for (const auto* values : {&first, &cases[0], &cases[2], &cases[3], &cases[5]}) {
        std::vector<int32_t> narrow(values->begin(), values->end());
        std::vector<arrow::Decimal128> decimals(values->begin(), values->end());
        batches.push_back(MakeBatch(
            {MakeNumbers<arrow::Int64Builder>(arrow::int64(), *values, has_nulls),
             MakeNumbers<arrow::Date32Builder>(arrow::date32(), narrow, has_nulls),
             MakeNumbers<arrow::Decimal128Builder>(arrow::decimal128(15, 2), decimals, has_nulls),
             MakeNumbers<arrow::TimestampBuilder>(arrow::timestamp(arrow::TimeUnit::MICRO), *values,
                                                  has_nulls)}));
      }
      RowPacker packer = MakePacker({});
      PackAll(&packer, batches);
    }
  }
}

TEST(RowPacker, PartsOfBatchesComeBack) {
  std::vector<int64_t> values(100);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(i * 1000);
  const BatchPtr whole = MakeBatch({MakeNumbers<arrow::Int64Builder>(arrow::int64(), values, true),
                                    MakeEncoded(std::vector<int32_t>(100, 1), {"a", "b"})});
  for (const int64_t from : {0, 8, 13}) {
    RowPacker packer = MakePacker({});
    const BatchPtr part = whole->Slice(from, 31);
    PackAll(&packer, {part, whole});
    const BatchPtr back = packer.Unpack(packer.Pack(whole).value()->Slice(from, 31)).value();
    for (int column = 0; column < 2; ++column)
      ExpectSame(back->column(column), part->column(column));
  }
}

TEST(RowPacker, TakesAsFewBytesAsValuesNeed) {
  RowPacker packer = MakePacker({1});
  const ArrayPtr small =
      MakeNumbers<arrow::Int64Builder>(arrow::int64(), std::vector<int64_t>{7, 9}, false);
  const ArrayPtr wide =
      MakeNumbers<arrow::Int64Builder>(arrow::int64(), std::vector<int64_t>{7, 1000}, false);
  const auto packed = PackAll(&packer, {MakeBatch({small, small}), MakeBatch({wide, wide})});
  EXPECT_EQ(packer.Pack(MakeBatch({small, small})).value()->column(0)->type_id(),
            arrow::Type::INT8);
  EXPECT_EQ(packed[0]->column(0)->type_id(), arrow::Type::INT16);
  EXPECT_EQ(packed[0]->column(1)->type_id(), arrow::Type::INT64);  // kept
}

TEST(RowPacker, ADecimalThatItsPrecisionForbidsComesBack) {
  const std::vector<arrow::Decimal128> decimals = {arrow::Decimal128(1, 5), arrow::Decimal128(3)};
  RowPacker packer = MakePacker({});
  const auto make = [](const std::vector<arrow::Decimal128>& values) {
    return MakeBatch(
        {MakeNumbers<arrow::Decimal128Builder>(arrow::decimal128(10, 2), values, false)});
  };
  PackAll(&packer, {make({arrow::Decimal128(7)}), make(decimals)});
}

TEST(RowPacker, DictionariesBecomeOne) {
  RowPacker packer = MakePacker({});
  const auto packed = PackAll(&packer, {MakeBatch({MakeEncoded({0, 1, 1}, {"x", "y"})}),
                                        MakeBatch({MakeEncoded({1, 0, 0}, {"y", "z"})})});
  EXPECT_EQ(packed[0]->column(0)->type_id(), arrow::Type::INT8);
  const auto back = packer.Unpack(packed[1]).value();
  const auto& column = static_cast<const arrow::DictionaryArray&>(*back->column(0));
  EXPECT_EQ(column.dictionary()->length(), 3);
}

TEST(RowPacker, TooManyStringsEndTheDictionary) {
  std::vector<std::string> many(kMaxDictionaryValues);
  for (size_t i = 0; i < many.size(); ++i) many[i] = "value " + std::to_string(i);
  RowPacker packer = MakePacker({});
  const auto packed = PackAll(
      &packer,
      {MakeBatch({MakeEncoded({0, 1, 1}, {"x", "y"})}), MakeBatch({MakeEncoded({5, 0, 700}, many)}),
       MakeBatch({MakeStrings({"p"})}), MakeBatch({MakeEncoded({1, 0}, {"y", "x"})})});
  EXPECT_EQ(packed[0]->column(0)->type_id(), arrow::Type::DICTIONARY);
  EXPECT_EQ(packed[2]->column(0)->type_id(), arrow::Type::STRING);
}

}  // namespace
}  // namespace moraine::rewrite
