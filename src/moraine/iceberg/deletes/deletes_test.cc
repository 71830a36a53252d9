// Position and equality sets against naive ones, with seeded random rows.

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/deletes/equality_set.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/iceberg/testing/rows.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kNoLimit = int64_t{1} << 40;

std::vector<uint8_t> AllKept(int64_t rows) {
  return std::vector<uint8_t>(static_cast<size_t>((rows + 7) / 8), 0xFF);
}

bool IsKept(const std::vector<uint8_t>& keep, int64_t row) {
  return (keep[row / 8] >> (row % 8) & 1) != 0;
}

TEST(PositionSet, IsReadInParts) {
  PositionSet set;
  const std::vector<int64_t> all = {
      0, 5, 65535, 65536, (int64_t{1} << 32) - 1, int64_t{1} << 32, int64_t{7} << 40};
  set.AddMany(all);
  for (size_t limit : {1u, 2u, 3u, 7u, 9u}) {
    std::vector<int64_t> read;
    for (size_t before = 1; before != read.size();) {
      before = read.size();
      set.AppendFrom(read.empty() ? 0 : read.back() + 1, limit, &read);
      ASSERT_LE(read.size() - before, limit);
    }
    EXPECT_EQ(read, all) << limit;
  }
}

TEST(PositionSet, KnowsWhetherItHasAllOfAnother) {
  PositionSet set, part, other;
  EXPECT_TRUE(set.ContainsAll(part));
  set.AddMany(std::vector<int64_t>{1, 2, int64_t{1} << 33});
  part.AddMany(std::vector<int64_t>{2, int64_t{1} << 33});
  other.AddMany(std::vector<int64_t>{2, int64_t{1} << 34});
  EXPECT_TRUE(set.ContainsAll(part));
  EXPECT_FALSE(part.ContainsAll(set));
  EXPECT_FALSE(set.ContainsAll(other));
  other.CutAt(3);
  EXPECT_TRUE(set.ContainsAll(other));
}

TEST(PositionSet, AgreesWithASetOfNumbers) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    // Around a border of the upper 32 bits, too.
    const int64_t base = seed % 2 == 0 ? (int64_t{1} << 32) - 500 : 0;
    PositionSet set;
    PositionSet other;
    std::set<int64_t> naive;
    std::vector<int64_t> many;
    for (int i = 0; i < 300; ++i) {
      const auto position = base + static_cast<int64_t>(random() % 1000);
      naive.insert(position);
      if (i % 3 == 0) set.Add(position);
      if (i % 3 == 1) other.Add(position);
      if (i % 3 == 2) many.push_back(position);
    }
    set.AddMany(many);
    set.Merge(other);
    EXPECT_EQ(set.ToVector(), std::vector<int64_t>(naive.begin(), naive.end()));
    EXPECT_EQ(set.cardinality(), static_cast<int64_t>(naive.size()));
    for (int i = 0; i < 20; ++i) {
      const int64_t first = base + static_cast<int64_t>(random() % 1000);
      const int64_t length = static_cast<int64_t>(random() % 300) + 1;
      std::vector<uint8_t> keep = AllKept(length);
      const int64_t cleared = set.ClearKept(first, length, keep.data());
      int64_t dead = 0;
      for (int64_t row = 0; row < length; ++row) {
        EXPECT_EQ(IsKept(keep, row), !naive.contains(first + row));
        EXPECT_EQ(set.Contains(first + row), naive.contains(first + row));
        dead += naive.contains(first + row);
      }
      EXPECT_EQ(cleared, dead);
      EXPECT_EQ(set.ClearKept(first, length, keep.data()), 0);
    }
  }
}

TEST(PositionSet, IsCutAtAnEnd) {
  const std::vector<int64_t> all = {
      0, 5, (int64_t{1} << 32) - 1, int64_t{1} << 32, (int64_t{1} << 32) + 9, int64_t{3} << 32};
  for (const int64_t end : {int64_t{0}, int64_t{5}, int64_t{6}, int64_t{1} << 32,
                            (int64_t{1} << 32) + 9, int64_t{2} << 32, int64_t{4} << 32}) {
    PositionSet set;
    set.AddMany(all);
    set.CutAt(end);
    const auto behind = std::lower_bound(all.begin(), all.end(), end);
    EXPECT_EQ(set.ToVector(), std::vector<int64_t>(all.begin(), behind)) << end;
  }
}

TEST(PositionSet, HoldsTheLargestPosition) {
  PositionSet set;
  EXPECT_TRUE(set.empty());
  set.Add(std::numeric_limits<int64_t>::max() - 1);
  EXPECT_TRUE(set.Contains(std::numeric_limits<int64_t>::max() - 1));
  EXPECT_EQ(set.ToVector().size(), 1u);
}

// One value of a few of the type, null now and then, as JSON.
std::string RandomValue(TypeKind kind, std::mt19937_64* random) {
  const auto n = static_cast<int>((*random)() % 6);
  if (n == 0) return "null";
  switch (kind) {
    case TypeKind::kBoolean:
      return n % 2 == 0 ? "true" : "false";
    case TypeKind::kDecimal:
      return "\"" + std::to_string(n - 3) + ".25\"";
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return n == 1 ? "-0.0" : n == 2 ? "0.0" : std::to_string(n) + ".5";
    case TypeKind::kString:
    case TypeKind::kBinary:
      return n == 1 ? "\"\"" : "\"" + std::string(static_cast<size_t>(n - 1), 'x') + "\"";
    case TypeKind::kUuid:
      return "\"0123456789abcde" + std::to_string(n) + "\"";
    case TypeKind::kFixed:
      return "\"ab" + std::to_string(n) + "\"";
    default:
      return std::to_string(n - 3);
  }
}

const std::vector<TypePtr>& KeyTypes() {
  static const auto* types = new std::vector<TypePtr>{Type::Primitive(TypeKind::kBoolean),
                                                      Type::Primitive(TypeKind::kInt),
                                                      Type::Primitive(TypeKind::kLong),
                                                      Type::Primitive(TypeKind::kFloat),
                                                      Type::Primitive(TypeKind::kDouble),
                                                      Type::Decimal(20, 2),
                                                      Type::Primitive(TypeKind::kDate),
                                                      Type::Primitive(TypeKind::kTime),
                                                      Type::Primitive(TypeKind::kTimestamp),
                                                      Type::Primitive(TypeKind::kTimestampTzNs),
                                                      Type::Primitive(TypeKind::kString),
                                                      Type::Primitive(TypeKind::kUuid),
                                                      Type::Fixed(3),
                                                      Type::Primitive(TypeKind::kBinary)};
  return *types;
}

struct RandomRows {
  std::vector<std::vector<std::string>> values;  // by row
  BatchPtr batch;
};

RandomRows MakeRandomRows(const std::vector<Field>& fields, int rows, std::mt19937_64* random) {
  RandomRows made;
  std::string json = "[";
  for (int row = 0; row < rows; ++row) {
    std::vector<std::string> values;
    json += row > 0 ? ",[" : "[";
    for (size_t c = 0; c < fields.size(); ++c) {
      values.push_back(RandomValue(fields[c].type->kind(), random));
      json += (c > 0 ? "," : "") + values.back();
    }
    json += "]";
    made.values.push_back(std::move(values));
  }
  made.batch = MakeRows(fields, json + "]");
  return made;
}

TEST(EqualitySet, AgreesWithANaiveOne) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<Field> fields;
    std::vector<TypePtr> types;
    for (size_t c = 0; c < 1 + random() % 3; ++c) {
      types.push_back(KeyTypes()[random() % KeyTypes().size()]);
      fields.push_back(Optional(static_cast<int32_t>(c) + 1, "k" + std::to_string(c), types[c]));
    }
    EqualitySet set = EqualitySet::Make(types).value();
    std::map<std::vector<std::string>, int64_t> naive;
    for (int i = 0; i < 5; ++i) {
      const auto sequence = static_cast<int64_t>(random() % 10);
      const RandomRows deletes =
          MakeRandomRows(fields, 1 + static_cast<int>(random() % 12), &random);
      ASSERT_TRUE(
          set.Add(deletes.batch->columns(), deletes.batch->num_rows(), sequence, kNoLimit).ok());
      for (const auto& key : deletes.values) {
        auto [it, is_new] = naive.emplace(key, sequence);
        it->second = std::max(it->second, sequence);
      }
    }
    EXPECT_EQ(set.size(), static_cast<int64_t>(naive.size()));
    RowKeys scratch = set.MakeRowKeys();
    for (int64_t sequence = 0; sequence <= 10; ++sequence) {
      const RandomRows all = MakeRandomRows(fields, 600, &random);
      const BatchPtr rows = all.batch->Slice(7);  // arrays with an offset
      std::vector<uint8_t> keep = AllKept(rows->num_rows());
      set.ClearKept(rows->columns(), rows->num_rows(), sequence, &scratch, keep.data());
      for (int64_t row = 0; row < rows->num_rows(); ++row) {
        const auto it = naive.find(all.values[row + 7]);
        EXPECT_EQ(IsKept(keep, row), it == naive.end() || it->second <= sequence);
      }
    }
  }
}

TEST(EqualitySet, ComparesFloatsByBitsWithOneNaN) {
  arrow::DoubleBuilder builder;
  const double quiet = std::numeric_limits<double>::quiet_NaN();
  ASSERT_TRUE(builder.AppendValues({quiet, -0.0}).ok());
  const auto deleted = builder.Finish().ValueOrDie();
  ASSERT_TRUE(builder.AppendValues({-quiet, 0.0, -0.0, 1.0}).ok());
  const auto rows = builder.Finish().ValueOrDie();
  EqualitySet set = EqualitySet::Make({Type::Primitive(TypeKind::kDouble)}).value();
  ASSERT_TRUE(set.Add({deleted}, 2, 5, kNoLimit).ok());
  std::vector<uint8_t> keep = AllKept(4);
  RowKeys scratch = set.MakeRowKeys();
  EXPECT_EQ(set.ClearKept({rows}, 4, 4, &scratch, keep.data()), 2);
  EXPECT_EQ(keep[0] & 0x0F, 0b1010);
}

TEST(EqualitySet, StopsAtItsLimit) {
  const std::vector<Field> fields = {Optional(1, "k", Type::Primitive(TypeKind::kLong))};
  std::string json = "[";
  for (int i = 0; i < 20000; ++i) json += (i > 0 ? ",[" : "[") + std::to_string(i) + "]";
  const BatchPtr rows = MakeRows(fields, json + "]");
  EqualitySet set = EqualitySet::Make({fields[0].type}).value();
  const Status status = set.Add(rows->columns(), rows->num_rows(), 1, 700 << 10);
  EXPECT_EQ(status.code(), Code::kExhausted) << status.ToString();
  EXPECT_LE(set.memory_bytes(), 700 << 10);
  EXPECT_EQ(EqualitySet::Make({Type::Primitive(TypeKind::kVariant)}).status().code(),
            Code::kUnsupported);
}

}  // namespace
}  // namespace moraine::iceberg
