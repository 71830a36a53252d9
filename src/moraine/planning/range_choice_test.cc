#include "moraine/planning/range_choice.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::planning {
namespace {

using iceberg::NullOrder;
using iceberg::SortField;
using iceberg::Value;
using tasks::KeyRanges;
using tasks::Layout;
using tasks::RangeSet;

std::vector<SortField> Keys(size_t count, NullOrder nulls = NullOrder::kNullsFirst) {
  std::vector<SortField> keys;
  for (size_t i = 0; i < count; ++i)
    keys.push_back({.source_ids = {static_cast<int32_t>(i + 1)}, .null_order = nulls});
  return keys;
}

RangeSet RangesOf(const KeyRanges& ranges, const std::vector<Value>& row) {
  RangeSet set = ~RangeSet{0};
  for (size_t c = 0; c < row.size(); ++c) set &= ranges.Of(c, ranges.columns[c].SliceOf(row[c]));
  return set;
}

/// Rows by range; every row has exactly one.
std::map<int, int> Count(const KeyRanges& ranges, const std::vector<SampleRow>& rows) {
  std::map<int, int> counts;
  for (const SampleRow& row : rows) {
    const RangeSet set = RangesOf(ranges, row.values);
    EXPECT_TRUE(std::has_single_bit(set)) << set;
    ++counts[std::countr_zero(set)];
  }
  return counts;
}

TEST(ChooseRanges, ASortIsCutByItsFirstKeyIntoPartsOfOneWeight) {
  std::vector<SampleRow> rows;
  for (int64_t i = 0; i < 1000; ++i) rows.push_back({{Value(i * 7919 % 1000), Value(i)}, 1});
  const KeyRanges ranges = ChooseRanges(Keys(2), Layout::Kind::kSort, rows, 10);
  ASSERT_EQ(ranges.boxes.size(), 10U);
  EXPECT_EQ(ranges.columns[0].cuts.size(), 9U);
  EXPECT_TRUE(ranges.columns[1].cuts.empty());
  for (const auto& [range, count] : Count(ranges, rows)) EXPECT_NEAR(count, 100, 5) << range;
}

TEST(ChooseRanges, ACurveIsCutByItsColumnsInTurn) {
  std::vector<SampleRow> rows;
  for (int64_t i = 0; i < 1000; ++i)
    rows.push_back({{Value(i * 7919 % 1000), Value(i * 104'729 % 1000)}, 1});
  const KeyRanges ranges = ChooseRanges(Keys(2), Layout::Kind::kZOrder, rows, 4);
  ASSERT_EQ(ranges.boxes.size(), 4U);
  EXPECT_EQ(ranges.columns[0].cuts.size(), 1U);
  EXPECT_GE(ranges.columns[1].cuts.size(), 1U);
  for (const auto& [range, count] : Count(ranges, rows)) EXPECT_NEAR(count, 250, 60) << range;
}

TEST(ChooseRanges, WhereTheFirstKeyIsOneValueTheNextIsCut) {
  std::vector<SampleRow> rows;
  for (int64_t i = 0; i < 100; ++i) rows.push_back({{Value(int64_t{5}), Value(i)}, 1});
  const KeyRanges ranges = ChooseRanges(Keys(2), Layout::Kind::kSort, rows, 4);
  EXPECT_EQ(ranges.boxes.size(), 4U);
  EXPECT_TRUE(ranges.columns[0].cuts.empty());
  EXPECT_EQ(ranges.columns[1].cuts.size(), 3U);
}

TEST(ChooseRanges, NothingToCutAtIsOneRange) {
  const std::vector<SampleRow> same(50, {{Value(int64_t{5})}, 1});
  EXPECT_EQ(ChooseRanges(Keys(1), Layout::Kind::kSort, same, 4).boxes.size(), 1U);
  const std::vector<SampleRow> nulls(50, {{Value()}, 1});
  EXPECT_EQ(ChooseRanges(Keys(1), Layout::Kind::kSort, nulls, 4).boxes.size(), 1U);
  EXPECT_EQ(ChooseRanges(Keys(1), Layout::Kind::kSort, {}, 4).boxes.size(), 1U);
}

TEST(ChooseRanges, NullsLieWhereTheOrderHasThem) {
  std::vector<SampleRow> rows;
  for (int64_t i = 0; i < 100; ++i) rows.push_back({{i % 2 == 0 ? Value() : Value(i)}, 1});
  for (const NullOrder nulls : {NullOrder::kNullsFirst, NullOrder::kNullsLast}) {
    const KeyRanges ranges = ChooseRanges(Keys(1, nulls), Layout::Kind::kSort, rows, 4);
    ASSERT_GE(ranges.boxes.size(), 2U);
    const size_t last = ranges.columns[0].slices() - 1;
    EXPECT_EQ(ranges.columns[0].SliceOf(Value()), nulls == NullOrder::kNullsFirst ? 0 : last);
    Count(ranges, rows);
  }
}

TEST(ChooseRanges, CutsAreWhatBoundsCanBeComparedWith) {
  std::vector<SampleRow> rows;
  const double inf = std::numeric_limits<double>::infinity();
  for (const double value : {-inf, -1.0, -0.0, 0.0, 0.0, 0.0, 1.0, inf, std::nan("")})
    rows.push_back({{Value(value)}, 1});
  const KeyRanges numbers = ChooseRanges(Keys(1), Layout::Kind::kSort, rows, 8);
  for (const Value& cut : numbers.columns[0].cuts) {
    EXPECT_TRUE(std::isfinite(std::get<double>(cut)));
    EXPECT_TRUE(std::get<double>(cut) != 0 || std::signbit(std::get<double>(cut)));
  }
  rows.clear();
  for (int i = 0; i < 40; ++i)
    rows.push_back({{Value("a long common begin" + std::string(1, static_cast<char>('a' + i % 20)) +
                           "\xC3\xA9")},
                    1});
  for (int i = 0; i < 40; ++i)
    rows.push_back({{Value(std::string(i, 'x') + "\xC3\xA9 and more text")}, 1});
  const KeyRanges texts = ChooseRanges(Keys(1), Layout::Kind::kSort, rows, 16);
  ASSERT_GE(texts.boxes.size(), 4U);
  for (const Value& cut : texts.columns[0].cuts) {
    const auto& text = std::get<std::string>(cut);
    EXPECT_LE(text.size(), 16U);
    // Whole characters.
    EXPECT_FALSE(text.ends_with('\xC3')) << text;
  }
  Count(texts, rows);
}

TEST(ChooseRanges, EveryRowHasOneRangeWhateverTheSampleIs) {
  testing::SeededRandom random(11);
  for (int round = 0; round < 200; ++round) {
    const size_t columns = 1 + random.Below(4);
    const uint64_t spread = 1 + random.Below(40);
    const auto kind = random.Below(2) == 0 ? Layout::Kind::kSort : Layout::Kind::kHilbert;
    std::vector<SampleRow> rows;
    const auto row = [&] {
      SampleRow made;
      for (size_t c = 0; c < columns; ++c) {
        const uint64_t number = random.Below(spread);
        made.values.push_back(number == 0 ? Value() : Value(static_cast<int64_t>(number)));
      }
      made.weight = 1 + static_cast<double>(random.Below(5));
      return made;
    };
    for (uint64_t i = 0; i < random.Below(100); ++i) rows.push_back(row());
    const size_t count = 1 + random.Below(40);
    const NullOrder nulls = random.Below(2) == 0 ? NullOrder::kNullsFirst : NullOrder::kNullsLast;
    const KeyRanges ranges = ChooseRanges(Keys(columns, nulls), kind, rows, count);
    ASSERT_GE(ranges.boxes.size(), 1U);
    ASSERT_LE(ranges.boxes.size(), std::min<size_t>(count, tasks::kMostRanges));
    Count(ranges, rows);
    for (auto& sampled : rows) sampled = row();  // rows that the sample has not
    Count(ranges, rows);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace moraine::planning
