#include "moraine/tasks/position_map.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/tasks/position_map_builder.h"
#include "moraine/tasks/position_map_format.h"

namespace moraine::tasks {
namespace {

constexpr int64_t kNoLimit = int64_t{1} << 40;
constexpr char kLocation[] = "file:///t/data/p-0-1-positions.map";

/// Where one row came from and went to.
struct Row {
  size_t input;
  int64_t position;
  size_t output;
  int64_t output_position;
  auto operator<=>(const Row&) const = default;
};

class PositionMapTest : public ::testing::Test {
 protected:
  PositionMapBuilder Builder() { return {disk_, kLocation}; }
  PositionMap Finish(PositionMapBuilder* builder, const MapShape& shape) {
    auto map = builder->Finish(call_, shape.input_rows.size(), shape.output_rows.size());
    EXPECT_TRUE(map.ok()) << map.status().ToString();
    return *std::move(map);
  }
  std::vector<Row> Rows(const PositionMap& map, const MapShape& shape) {
    std::vector<Row> rows;
    Status status = VisitPositionMap(call_, disk_, map, shape, [&](const MappedRun& run) {
      for (int64_t i = 0; i < run.count; ++i) {
        rows.push_back(
            {run.input, run.first_position + i, run.output, run.first_output_position + i});
      }
      return Status();
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  size_t Runs(const PositionMap& map, const MapShape& shape) {
    size_t runs = 0;
    EXPECT_TRUE(VisitPositionMap(call_, disk_, map, shape, [&](const MappedRun&) {
                  ++runs;
                  return Status();
                }).ok());
    return runs;
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem disk_;
};

std::map<size_t, const iceberg::PositionSet*> Pointers(const PositionsByFile& positions) {
  std::map<size_t, const iceberg::PositionSet*> pointers;
  for (const auto& [input, set] : positions) pointers.emplace(input, &set);
  return pointers;
}

iceberg::PositionSet Set(const std::vector<int64_t>& positions) {
  iceberg::PositionSet set;
  set.AddMany(positions);
  return set;
}

TEST_F(PositionMapTest, RunsThatContinueEachOtherAreOne) {
  PositionMapBuilder builder = Builder();
  for (int64_t at = 0; at < 1000; at += 100)
    ASSERT_TRUE(builder.AddRun(call_, {0, at, 100, 0, at}).ok());
  ASSERT_TRUE(builder.AddRun(call_, {2, 0, 50, 0, 1000}).ok());
  ASSERT_TRUE(builder.AddRun(call_, {2, 50, 7, 1, 0}).ok());
  EXPECT_EQ(builder.output_rows(0), 1050);
  const MapShape shape{{1000, 10, 57}, {1050, 7}};
  const PositionMap map = Finish(&builder, shape);
  EXPECT_EQ(map.location, "");
  EXPECT_LT(map.bytes.size(), 80u);
  EXPECT_EQ(Runs(map, shape), 3u);
  EXPECT_TRUE(CheckPositionMap(map, shape).ok());
  EXPECT_EQ(disk_.size(), 0u);
}

TEST_F(PositionMapTest, DeadRowsAreMappedToNothing) {
  PositionMapBuilder builder = Builder();
  const iceberg::PositionSet dead = Set({0, 3, 4, 9});
  ASSERT_TRUE(builder.AddRun(call_, {0, 0, 10, 0, 0}, dead).ok());
  const uint8_t keep[] = {0b00000101};
  ASSERT_TRUE(builder.AddKept(call_, {1, 20, 4, 0, 6}, keep).ok());
  const MapShape shape{{10, 30}, {8}};
  const PositionMap map = Finish(&builder, shape);
  PositionsByFile wanted;
  wanted.emplace(0, Set({0, 1, 4, 5, 8, 9}));
  wanted.emplace(1, Set({0, 20, 21, 22, 29}));
  auto mapped = MapPositions(call_, disk_, map, shape, Pointers(wanted), kNoLimit);
  ASSERT_TRUE(mapped.ok()) << mapped.status().ToString();
  ASSERT_EQ(mapped->size(), 1u);
  // Alive: 1 2 5 6 7 8 of input 0, 20 and 22 of input 1.
  EXPECT_EQ(mapped->at(0).ToVector(), (std::vector<int64_t>{0, 2, 5, 6, 7}));
}

TEST_F(PositionMapTest, RowsOutOfOrderFindTheirPlace) {
  const std::vector<int32_t> inputs = {1, 0, 1, 0, 0, 1};
  const std::vector<int64_t> positions = {5, 9, 0, 2, 3, 1};
  PositionMapBuilder builder = Builder();
  ASSERT_TRUE(builder.AddRows(call_, 1, 0, inputs, positions).ok());
  ASSERT_TRUE(builder.AddRun(call_, {1, 2, 3, 0, 0}).ok());
  ASSERT_TRUE(builder.AddRows(call_, 1, 6, {{0}}, {{0}}).ok());
  const MapShape shape{{10, 6}, {3, 7}};
  const PositionMap map = Finish(&builder, shape);
  EXPECT_EQ(Rows(map, shape), (std::vector<Row>{{0, 0, 1, 6},
                                                {0, 2, 1, 3},
                                                {0, 3, 1, 4},
                                                {0, 9, 1, 1},
                                                {1, 0, 1, 2},
                                                {1, 1, 1, 5},
                                                {1, 2, 0, 0},
                                                {1, 3, 0, 1},
                                                {1, 4, 0, 2},
                                                {1, 5, 1, 0}}));
}

// 10 inputs, the outputs in turns, runs with and without dead rows, and single rows: as a list.
TEST_F(PositionMapTest, AgreesWithAListOfRows) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    testing::SeededRandom random(seed);
    MapShape shape{std::vector<int64_t>(10, 3000), std::vector<int64_t>(3, 0)};
    std::vector<Row> expected;
    std::vector<int64_t> next(10, 0);
    PositionMapBuilder builder = Builder();
    for (int step = 0; step < 150; ++step) {
      const size_t input = random.Below(10);
      const size_t output = random.Below(3);
      const int64_t count =
          std::min<int64_t>(1 + static_cast<int64_t>(random.Below(300)), 3000 - next[input]);
      const int64_t to = shape.output_rows[output];
      std::vector<int64_t> alive, dead;
      for (int64_t i = 0; i < count; ++i)
        (random.Below(step % 10 + 1) == 0 ? alive : dead).push_back(next[input] + i);
      if (step % 3 == 0) {
        for (size_t i = alive.size(); i > 1; --i) std::swap(alive[i - 1], alive[random.Below(i)]);
        std::vector<int32_t> inputs(alive.size(), static_cast<int32_t>(input));
        ASSERT_TRUE(builder.AddRows(call_, output, to, inputs, alive).ok());
      } else {
        ASSERT_TRUE(builder.AddRun(call_, {input, next[input], count, output, to}, Set(dead)).ok());
      }
      for (size_t i = 0; i < alive.size(); ++i)
        expected.push_back({input, alive[i], output, to + static_cast<int64_t>(i)});
      shape.output_rows[output] += static_cast<int64_t>(alive.size());
      next[input] += count;
    }
    const PositionMap map = Finish(&builder, shape);
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(Rows(map, shape), expected) << "seed " << seed;
    EXPECT_TRUE(CheckPositionMap(map, shape).ok());

    PositionsByFile wanted;
    PositionsByFile moved;
    for (const Row& row : expected) {
      if (random.Below(3) != 0) continue;
      wanted[row.input].Add(row.position);
      moved[row.output].Add(row.output_position);
    }
    auto mapped = MapPositions(call_, disk_, map, shape, Pointers(wanted), kNoLimit);
    ASSERT_TRUE(mapped.ok()) << mapped.status().ToString();
    ASSERT_EQ(mapped->size(), moved.size());
    for (const auto& [output, set] : moved)
      EXPECT_EQ(mapped->at(output).ToVector(), set.ToVector());
  }
}

TEST_F(PositionMapTest, LargeMapsGoToTheirFile) {
  constexpr int64_t kRows = 300'000;
  testing::SeededRandom random(7);
  std::vector<int64_t> positions(kRows);
  std::iota(positions.begin(), positions.end(), 0);
  for (size_t i = kRows; i > 1; --i) std::swap(positions[i - 1], positions[random.Below(i)]);
  const std::vector<int32_t> inputs(kRows, 3);
  PositionMapBuilder builder = Builder();
  ASSERT_TRUE(builder.AddRows(call_, 0, 0, inputs, positions).ok());
  const MapShape shape{{0, 0, 0, kRows}, {kRows}};
  const PositionMap map = Finish(&builder, shape);
  EXPECT_EQ(map.location, kLocation);
  EXPECT_EQ(map.bytes, "");
  EXPECT_EQ(disk_.Locations(), std::vector<std::string>{kLocation});
  EXPECT_LT(map.size_bytes, 4 * kRows);
  EXPECT_EQ(Rows(map, shape).size(), size_t{kRows});
  PositionsByFile wanted;
  wanted.emplace(3, Set({11, 299'999}));
  auto mapped = MapPositions(call_, disk_, map, shape, Pointers(wanted), kNoLimit);
  ASSERT_TRUE(mapped.ok()) << mapped.status().ToString();
  for (int64_t position : mapped->at(0).ToVector())
    EXPECT_TRUE(positions[position] == 11 || positions[position] == 299'999);
  EXPECT_EQ(mapped->at(0).cardinality(), 2);
  auto too_much = MapPositions(call_, disk_, map, shape, Pointers(wanted), 10);
  EXPECT_EQ(too_much.status().code(), Code::kExhausted);
}

// One in ten rows dead, here and there: what a table with position deletes has.
TEST_F(PositionMapTest, ScatteredDeletesCostLittle) {
  constexpr int64_t kRows = 2'000'000;
  testing::SeededRandom random(3);
  iceberg::PositionSet dead;
  for (int64_t row = 0; row < kRows; ++row)
    if (random.Below(10) == 0) dead.Add(row);
  const int64_t alive = kRows - dead.cardinality();
  PositionMapBuilder builder = Builder();
  ASSERT_TRUE(builder.AddRun(call_, {0, 0, kRows, 0, 0}, dead).ok());
  const MapShape shape{{kRows}, {alive}};
  const PositionMap map = Finish(&builder, shape);
  EXPECT_LT(map.size_bytes * 8, kRows);
  EXPECT_EQ(Runs(map, shape) > 100'000, true);
}

TEST_F(PositionMapTest, EmptyMapsAreMaps) {
  PositionMapBuilder builder = Builder();
  const MapShape shape{{5}, {}};
  const PositionMap map = Finish(&builder, shape);
  EXPECT_TRUE(CheckPositionMap(map, shape).ok());
  EXPECT_EQ(CheckPositionMap(PositionMap(), shape).code(), Code::kCorruption);
}

TEST_F(PositionMapTest, RowsMustComeInTheOutputsOrder) {
  PositionMapBuilder builder = Builder();
  ASSERT_TRUE(builder.AddRun(call_, {0, 0, 5, 0, 0}).ok());
  EXPECT_EQ(builder.AddRun(call_, {0, 5, 5, 0, 6}).code(), Code::kInternal);
  EXPECT_EQ(builder.AddRows(call_, 1, 1, {{0}}, {{0}}).code(), Code::kInternal);
}

TEST_F(PositionMapTest, AMapOfOtherFilesIsCorruption) {
  PositionMapBuilder builder = Builder();
  ASSERT_TRUE(builder.AddRun(call_, {0, 2, 8, 0, 0}).ok());
  ASSERT_TRUE(builder.AddRun(call_, {1, 0, 4, 0, 8}).ok());
  const PositionMap map = Finish(&builder, {{10, 4}, {12}});
  EXPECT_TRUE(CheckPositionMap(map, {{10, 4}, {12}}).ok());
  const MapShape wrong[] = {
      {{10, 4}, {13}}, {{10, 4}, {11}},    {{9, 4}, {12}}, {{10, 3}, {12}},
      {{10}, {12}},    {{10, 4, 1}, {12}}, {{}, {12}},     {{10, 4}, {}},
      {{10, 4}, {0}},  {{10, 4}, {12, 0}}, {{}, {}},       {{-1, 4}, {12}},
  };
  for (const MapShape& shape : wrong)
    EXPECT_EQ(CheckPositionMap(map, shape).code(), Code::kCorruption);
}

TEST_F(PositionMapTest, ARowThatIsMappedTwiceIsCorruption) {
  struct Case {
    const char* what;
    std::vector<MappedRun> runs;
  };
  for (const Case& c : {
           Case{"the same run", {{0, 0, 50, 0, 0}, {0, 0, 50, 0, 50}}},
           Case{"one row", {{0, 99, 1, 0, 0}, {0, 0, 100, 0, 1}}},
           Case{"in another output", {{0, 10, 60, 0, 0}, {1, 0, 1, 0, 60}, {0, 69, 2, 1, 0}}},
           Case{"across words", {{0, 64, 1, 0, 0}, {0, 1, 63, 0, 1}, {0, 60, 5, 0, 64}}},
       }) {
    SCOPED_TRACE(c.what);
    PositionMapBuilder builder = Builder();
    MapShape shape{{200, 200}, {0, 0}};
    for (const MappedRun& run : c.runs) {
      ASSERT_TRUE(builder.AddRun(call_, run).ok());
      shape.output_rows[run.output] += run.count;
    }
    const PositionMap map = Finish(&builder, shape);
    EXPECT_EQ(CheckPositionMap(map, shape).code(), Code::kCorruption);
    const iceberg::PositionSet some = Set({0, 64});
    EXPECT_EQ(MapPositions(call_, disk_, map, shape, {{0, &some}}, kNoLimit).status().code(),
              Code::kCorruption);
    // Of more rows than are looked at.
    shape.input_rows[1] = kMaxCheckedRows;
    EXPECT_TRUE(CheckPositionMap(map, shape).ok());
  }
}

TEST_F(PositionMapTest, EveryDamagedByteIsFound) {
  PositionMapBuilder builder = Builder();
  ASSERT_TRUE(builder.AddRun(call_, {0, 0, 100, 0, 0}, Set({1, 5, 6, 50})).ok());
  const std::vector<int32_t> inputs = {1, 1, 0};
  ASSERT_TRUE(builder.AddRows(call_, 0, 96, inputs, {{5, 2, 100}}).ok());
  const MapShape shape{{101, 6}, {99}};
  const PositionMap map = Finish(&builder, shape);
  ASSERT_TRUE(CheckPositionMap(map, shape).ok());
  for (size_t i = 0; i < map.bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      PositionMap damaged = map;
      damaged.bytes[i] = static_cast<char>(damaged.bytes[i] ^ (1 << bit));
      // The one bit of a zstd frame that means nothing may be either.
      if (CheckPositionMap(damaged, shape).code() == Code::kCorruption) continue;
      EXPECT_EQ(Rows(damaged, shape), Rows(map, shape)) << i << " " << bit;
    }
    PositionMap cut = map;
    cut.bytes.resize(i);
    EXPECT_EQ(CheckPositionMap(cut, shape).code(), Code::kCorruption) << i;
  }
  PositionMap longer = map;
  longer.bytes += '\0';
  EXPECT_EQ(CheckPositionMap(longer, shape).code(), Code::kCorruption);
}

TEST_F(PositionMapTest, InstructionsThatLeaveTheFilesAreRefused) {
  using namespace position_map;  // NOLINT: the format is what is tested
  const MapShape shape{{10, 4}, {12, 0}};
  const std::pair<uint64_t, uint64_t> cases[][4] = {
      {{kKeep, 1}},                                         // of no output
      {{kOutput, 2}},                                       //
      {{kInput, 2}},                                        //
      {{kOutput, 0}, {kKeep, 11}},                          //
      {{kOutput, 0}, {kInput, 1}, {kKeep, 5}},              //
      {{kOutput, 0}, {kSkip, 11}},                          //
      {{kOutput, 0}, {kBack, 1}},                           //
      {{kOutput, 0}, {kSkip, 4}, {kKeep, 7}},               //
      {{kOutput, 0}, {kKeep, 10}, {kBack, 3}, {kKeep, 3}},  // a row more than the input has
      {{kOutput, 1}, {kKeep, 1}},                           // the output is empty
      {{kOutput, 0}, {kKeep, uint64_t{1} << 60}},           //
      {{kOutput, 0}, {kRows, kMaxRowsAtOnce + 1}},          //
      {{kOutput, 0}, {kRows, 1}},                           // and no row follows
      {{6, 0}},
  };
  for (const auto& instructions : cases) {
    std::string chunk;
    for (const auto& [op, n] : instructions) {
      if (op != 0 || n != 0 || chunk.empty()) PutVarint(n << kOpBits | op, &chunk);
    }
    EXPECT_EQ(CheckInstructions(chunk, shape).code(), Code::kCorruption) << chunk.size();
  }
  EXPECT_EQ(CheckInstructions(std::string(11, '\xFF'), shape).code(), Code::kCorruption);
  EXPECT_EQ(CheckInstructions("\xFF", shape).code(), Code::kCorruption);
}

TEST_F(PositionMapTest, AFileThatIsCutOrGoneIsToldOf) {
  PositionMap map;
  map.location = kLocation;
  map.size_bytes = 100;
  auto visit = [](const MappedRun&) { return Status(); };
  EXPECT_EQ(VisitPositionMap(call_, disk_, map, {}, visit).code(), Code::kNotFound);
  disk_.Put(kLocation, "MPOS\1", 0);
  EXPECT_EQ(VisitPositionMap(call_, disk_, map, {}, visit).code(), Code::kCorruption);
}

}  // namespace
}  // namespace moraine::tasks
