#include "moraine/planning/evaluator.h"

#include <gtest/gtest.h>

namespace moraine::planning {
namespace {

using iceberg::FileContent;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kNow = 1'700'000'000'000;

tasks::InputFile Data(int64_t size, std::vector<int32_t> deletes = {}, int64_t records = 1000) {
  tasks::InputFile input;
  input.file.file_path = "file:///t/" + std::to_string(size);
  input.file.file_size_in_bytes = size;
  input.file.record_count = records;
  input.deletes = std::move(deletes);
  return input;
}

tasks::DeleteInput Deletes(FileContent content, int64_t records, std::string referenced = "") {
  tasks::DeleteInput input;
  input.file.content = content;
  input.file.record_count = records;
  input.file.file_size_in_bytes = 100;
  if (!referenced.empty()) input.file.referenced_data_file = referenced;
  return input;
}

struct Case {
  std::string name;
  std::vector<tasks::InputFile> files;
  std::vector<tasks::DeleteInput> deletes;
  iceberg::StringMap properties;
  OptimizingTimes times = {kNow, kNow, kNow};
  int64_t last_write_ms = 0;
  OptimizingType expected;
  bool expect_timer = false;
};

std::vector<tasks::InputFile> Many(int count, int64_t size) {
  return std::vector<tasks::InputFile>(static_cast<size_t>(count), Data(size));
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Evaluator : public testing::TestWithParam<Case> {};

TEST_P(Evaluator, DecidesByTheRules) {
  const Case& c = GetParam();
  TableFiles table;
  table.deletes = c.deletes;
  PartitionFiles partition;
  partition.files = c.files;
  partition.last_write_ms = c.last_write_ms;
  auto config = ConfigOf(c.properties);
  EXPECT_TRUE(config.problems.empty());
  auto evaluation = EvaluatePartition(table, partition, config, c.times, kNow);
  EXPECT_EQ(OptimizingTypeName(evaluation.type), OptimizingTypeName(c.expected))
      << evaluation.reason;
  EXPECT_EQ(evaluation.due_ms.has_value(), c.expect_timer) << evaluation.reason;
  EXPECT_FALSE(evaluation.reason.empty());
}

const iceberg::StringMap kFullHourly = {{"self-optimizing.full.trigger.interval", "3600000"}};
const OptimizingTimes kLongAgo = {kNow - 7'200'000, kNow - 7'200'000, kNow - 7'200'000};

INSTANTIATE_TEST_SUITE_P(
    Rules, Evaluator,
    testing::Values(
        Case{"healthy", Many(5, 128 * kMiB), {}, {}, {kNow, kNow, kNow}, 0, OptimizingType::kNone},
        Case{"twelve fragments",
             Many(12, kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kMinor},
        Case{"eleven wait",
             Many(11, kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone,
             true},
        Case{"eleven after an hour", Many(11, kMiB), {}, {}, kLongAgo, 0, OptimizingType::kMinor},
        Case{"one fragment never", Many(1, kMiB), {}, {}, kLongAgo, 0, OptimizingType::kNone},
        Case{"a fragment with two position deletes waits",
             {Data(kMiB, {0, 1})},
             {Deletes(FileContent::kPositionDeletes, 1), Deletes(FileContent::kPositionDeletes, 1)},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone,
             true},
        Case{"a fragment with two position deletes after an hour",
             {Data(kMiB, {0, 1})},
             {Deletes(FileContent::kPositionDeletes, 1), Deletes(FileContent::kPositionDeletes, 1)},
             {},
             kLongAgo,
             0,
             OptimizingType::kMinor},
        Case{"interval off",
             Many(11, kMiB),
             {},
             {{"self-optimizing.minor.trigger.interval", "-1"}},
             kLongAgo,
             0,
             OptimizingType::kNone},
        Case{"undersized fill a file",
             Many(4, 50 * kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kMajor},
        Case{"two too large to join",
             Many(2, 90 * kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone},
        Case{"few undersized bytes",
             Many(2, 40 * kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone},
        Case{"many rows deleted",
             {Data(120 * kMiB, {0})},
             {Deletes(FileContent::kPositionDeletes, 200)},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kMajor},
        Case{"few rows deleted",
             {Data(120 * kMiB, {0})},
             {Deletes(FileContent::kPositionDeletes, 20)},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone},
        Case{"two position deletes",
             {Data(120 * kMiB, {0, 1})},
             {Deletes(FileContent::kPositionDeletes, 2), Deletes(FileContent::kPositionDeletes, 2)},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kMinor},
        Case{"equality deletes wait",
             {Data(120 * kMiB, {0})},
             {Deletes(FileContent::kEqualityDeletes, 2)},
             {},
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone,
             true},
        Case{"equality deletes in time",
             {Data(120 * kMiB, {0})},
             {Deletes(FileContent::kEqualityDeletes, 2)},
             {},
             kLongAgo,
             0,
             OptimizingType::kMinor},
        Case{"hot major waits",
             Many(4, 50 * kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             kNow - 1000,
             OptimizingType::kNone,
             true},
        Case{"hot minor goes on",
             Many(12, kMiB),
             {},
             {},
             {kNow, kNow, kNow},
             kNow - 1000,
             OptimizingType::kMinor},
        Case{"full off", Many(3, 128 * kMiB), {}, {}, {0, 0, 0}, 0, OptimizingType::kNone},
        Case{"full due but nothing to gain",
             Many(1, kMiB),
             {},
             {},
             kLongAgo,
             0,
             OptimizingType::kNone},
        Case{"full", Many(2, kMiB), {}, kFullHourly, kLongAgo, 0, OptimizingType::kFull},
        Case{"full not due",
             Many(2, kMiB),
             {},
             kFullHourly,
             {kNow, kNow, kNow},
             0,
             OptimizingType::kNone,
             true}));

TEST(OptimizingConfig, NamesPropertiesThatCannotBeRead) {
  auto config =
      ConfigOf({{"self-optimizing.target-size", "big"}, {"self-optimizing.quota", "0.1"}});
  EXPECT_EQ(config.target_size, 128 * kMiB);
  ASSERT_EQ(config.problems.size(), 1u);
  EXPECT_NE(config.problems[0].find("self-optimizing.target-size"), std::string::npos);
  EXPECT_EQ(QuotaThreads(config, 8), 1);
  config.quota = 0.5;
  EXPECT_EQ(QuotaThreads(config, 5), 3);
  config.quota = 7;
  EXPECT_EQ(QuotaThreads(config, 2), 7);
}

}  // namespace
}  // namespace moraine::planning
