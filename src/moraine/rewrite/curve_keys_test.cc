#include "moraine/rewrite/curve_keys.h"

#include <cstdlib>
#include <set>

#include <arrow/array.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/testing/rows.h"
#include "moraine/rewrite/sort_rows.h"

namespace moraine::rewrite {
namespace {

using iceberg::Field;
using iceberg::Type;
using iceberg::TypeKind;
using Kind = tasks::Layout::Kind;

TEST(Hilbert, VisitsEveryCellOnceAndGoesFromNeighbourToNeighbour) {
  struct {
    int dimensions, bits;
  } cases[] = {{1, 6}, {2, 1}, {2, 4}, {3, 3}, {4, 2}};
  for (const auto& c : cases) {
    const uint32_t side = 1U << c.bits;
    uint32_t cells = 1;
    for (int i = 0; i < c.dimensions; ++i) cells *= side;
    std::vector<std::vector<uint32_t>> by_index(cells);
    for (uint32_t cell = 0; cell < cells; ++cell) {
      std::vector<uint32_t> point;
      for (uint32_t rest = cell, i = 0; i < static_cast<uint32_t>(c.dimensions); ++i, rest /= side)
        point.push_back(rest % side);
      std::vector<uint32_t> copy = point;
      const uint64_t index = HilbertIndex(&copy, c.bits);
      ASSERT_LT(index, cells);
      ASSERT_TRUE(by_index[index].empty());
      by_index[index] = point;
    }
    for (uint32_t i = 1; i < cells; ++i) {
      int steps = 0;
      for (size_t d = 0; d < by_index[i].size(); ++d)
        steps += std::abs(static_cast<int>(by_index[i][d]) - static_cast<int>(by_index[i - 1][d]));
      ASSERT_EQ(steps, 1) << c.dimensions << " dimensions, at " << i;
    }
  }
}

TEST(ZOrder, InterleavesBits) {
  EXPECT_EQ(SpreadBits(0b11, 2, 0, 2) | SpreadBits(0b00, 2, 1, 2), 0b1010U);
  EXPECT_EQ(SpreadBits(0b01, 2, 0, 2) | SpreadBits(0b10, 2, 1, 2), 0b0110U);
  EXPECT_EQ(SpreadBits(0b101, 3, 2, 3), 0b001000001U);
}

std::vector<Field> Fields() {
  return {iceberg::Optional(1, "n", Type::Primitive(TypeKind::kLong)),
          iceberg::Optional(2, "s", Type::Primitive(TypeKind::kString))};
}

std::vector<uint64_t> KeysOf(Kind kind, std::vector<int32_t> columns,
                             const iceberg::BatchPtr& rows) {
  tasks::Layout layout;
  layout.kind = kind;
  layout.columns = std::move(columns);
  CurveKeys curve = CurveKeys::Make(Fields(), Fields(), layout).value();
  auto* pool = arrow::default_memory_pool();
  EXPECT_TRUE(curve.AddSample(*rows, 0, 1, pool).ok());
  curve.Seal();
  const KeyTable table({curve.Encode(*rows, pool).value()});
  std::vector<uint64_t> keys;
  for (uint32_t row = 0; row < rows->num_rows(); ++row)
    keys.push_back(KeyNumber(table.at({0, row}), 0));
  return keys;
}

TEST(CurveKeys, KeepTheOrderOfOneColumn) {
  const auto rows = iceberg::MakeRows(
      Fields(), R"([[null,"a"],[-5,"ab"],[-5,"b"],[0,null],[7,"zz"],[900000000000,""]])");
  for (const Kind kind : {Kind::kZOrder, Kind::kHilbert}) {
    const auto numbers = KeysOf(kind, {1}, rows);
    for (size_t i = 1; i < numbers.size(); ++i) EXPECT_LE(numbers[i - 1], numbers[i]) << i;
    EXPECT_LT(numbers[0], numbers[1]);
    EXPECT_LT(numbers[2], numbers[5]);
    const auto texts = KeysOf(kind, {2}, rows);  // null "" a ab b zz
    const size_t order[] = {3, 5, 0, 1, 2, 4};
    for (size_t i = 1; i < 6; ++i) EXPECT_LE(texts[order[i - 1]], texts[order[i]]) << i;
    EXPECT_LT(texts[3], texts[4]);
  }
}

TEST(CurveKeys, SkewDoesNotTakeTheRanks) {
  // One value is half of all, the others lie close together and far off: they still part.
  std::string json = "[";
  for (int i = 0; i < 200; ++i) {
    json += (i > 0 ? ",[" : "[") + std::to_string(i % 2 == 0 ? 0 : 1'000'000'000 + i) + ",\"\"]";
  }
  const auto keys = KeysOf(Kind::kZOrder, {1, 2}, iceberg::MakeRows(Fields(), json + "]"));
  EXPECT_GE(std::set<uint64_t>(keys.begin(), keys.end()).size(), 50U);
}

TEST(CurveKeys, NoSampleGivesOneKey) {
  tasks::Layout layout;
  layout.kind = Kind::kHilbert;
  layout.columns = {1, 2};
  CurveKeys curve = CurveKeys::Make(Fields(), Fields(), layout).value();
  curve.Seal();
  const auto rows = iceberg::MakeRows(Fields(), R"([[1,"a"],[2,"b"]])");
  const KeyTable table({curve.Encode(*rows, arrow::default_memory_pool()).value()});
  EXPECT_EQ(table.at({0, 0}), table.at({0, 1}));
}

}  // namespace
}  // namespace moraine::rewrite
