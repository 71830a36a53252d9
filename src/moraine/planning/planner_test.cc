#include "moraine/planning/planner.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace moraine::planning {
namespace {

using iceberg::FileContent;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kNow = 1'700'000'000'000;
const OptimizingTimes kLongAgo = {kNow - 7'200'000, kNow - 7'200'000, kNow - 7'200'000};

tasks::InputFile Data(int64_t size, std::vector<int32_t> deletes = {}) {
  tasks::InputFile input;
  input.file.file_path = "file:///t/data-" + std::to_string(size);
  input.file.file_size_in_bytes = size;
  input.file.record_count = size / 100;
  input.deletes = std::move(deletes);
  return input;
}

tasks::DeleteInput Deletes(FileContent content,
                           iceberg::PartitionTuple partition = {iceberg::Value(int32_t{1})}) {
  tasks::DeleteInput input;
  input.file.content = content;
  input.file.record_count = 1;
  input.file.partition = std::move(partition);
  return input;
}

struct Planned {
  std::vector<PartitionEvaluation> evaluations;
  ProcessPlan plan;
};

Planned Plan(const TableFiles& table, const OptimizingConfig& config, PlanLimits limits = {}) {
  Planned result;
  for (const auto& partition : table.partitions) {
    result.evaluations.push_back(EvaluatePartition(table, partition, config, kLongAgo, kNow));
  }
  result.plan = PlanProcess(table, result.evaluations, config, limits);
  return result;
}

TEST(Planner, BoundsEveryTaskAndTakesEveryFileAtMostOnce) {
  std::mt19937 random(7);
  OptimizingConfig config;
  for (int round = 0; round < 50; ++round) {
    TableFiles table;
    table.partitions.resize(3);
    for (auto& partition : table.partitions) {
      for (int i = 0; i < 200; ++i) {
        partition.files.push_back(Data(1 + static_cast<int64_t>(random() % (200 * kMiB))));
      }
    }
    auto plan = Plan(table, config, {.budget_bytes = int64_t{1} << 50}).plan;
    std::set<std::pair<size_t, size_t>> taken;
    for (const auto& task : plan.tasks) {
      EXPECT_GT(task.rewrite.size(), 1u);
      EXPECT_LE(task.input_bytes, config.bin_size());
      for (size_t file : task.rewrite) EXPECT_TRUE(taken.emplace(task.partition, file).second);
    }
    EXPECT_EQ(static_cast<int64_t>(taken.size()), plan.input_files);
  }
}

TEST(Planner, TheBudgetBoundsAProcess) {
  TableFiles table;
  for (int p = 0; p < 10; ++p) {
    auto& partition = table.partitions.emplace_back();
    for (int i = 0; i < 30; ++i) partition.files.push_back(Data(10 * kMiB));
  }
  auto plan = Plan(table, OptimizingConfig(), {.budget_bytes = 500 * kMiB}).plan;
  EXPECT_EQ(plan.partitions, 2);
  EXPECT_EQ(plan.partitions_left, 8);
  EXPECT_EQ(plan.type, OptimizingType::kMinor);
}

TEST(Planner, ASecondPassFindsNothing) {
  // What the tasks would write: one file per started target size.
  std::mt19937 random(3);
  OptimizingConfig config;
  for (int round = 0; round < 200; ++round) {
    TableFiles table;
    auto& partition = table.partitions.emplace_back();
    int count = 1 + static_cast<int>(random() % 60);
    for (int i = 0; i < count; ++i) {
      partition.files.push_back(
          Data(1 + static_cast<int64_t>(random() % (round % 2 == 0 ? 20 * kMiB : 140 * kMiB))));
    }
    int passes = 0;
    while (true) {
      auto plan = Plan(table, config, {.budget_bytes = int64_t{1} << 50}).plan;
      if (plan.tasks.empty()) break;
      ASSERT_LT(++passes, 4) << "optimizing does not come to rest";
      std::set<size_t> gone;
      std::vector<tasks::InputFile> made;
      for (const auto& task : plan.tasks) {
        gone.insert(task.rewrite.begin(), task.rewrite.end());
        for (int64_t left = task.input_bytes; left > 0; left -= config.target_size) {
          made.push_back(Data(std::min(left, config.target_size)));
        }
      }
      auto& files = table.partitions[0].files;
      for (size_t i = 0; i < files.size(); ++i) {
        if (!gone.contains(i)) made.push_back(files[i]);
      }
      files = std::move(made);
    }
  }
}

TEST(Planner, ASharedPositionDeleteFileEndsWithAllItsFiles) {
  TableFiles table;
  table.deletes = {Deletes(FileContent::kPositionDeletes)};
  table.deletes[0].file.record_count = 1'000'000;  // more than a tenth of the first file's rows
  auto& partition = table.partitions.emplace_back();
  partition.files = {Data(120 * kMiB, {0}), Data(125 * kMiB, {0})};
  partition.files[1].file.record_count = 100'000'000;
  auto plan = Plan(table, OptimizingConfig()).plan;
  size_t rewritten = 0;
  size_t positions = 0;
  for (const auto& task : plan.tasks) {
    rewritten += task.rewrite.size();
    positions += task.rewrite_positions.size();
  }
  EXPECT_EQ(rewritten, 1u);
  EXPECT_EQ(positions, 1u);
  EXPECT_EQ(RemovableDeletes(table, plan.tasks), std::vector<int32_t>{0});
}

TEST(Planner, DeletesAreRemovableOnlyWhenNoFileNeedsThem) {
  TableFiles table;
  table.deletes = {Deletes(FileContent::kEqualityDeletes), Deletes(FileContent::kEqualityDeletes),
                   Deletes(FileContent::kEqualityDeletes, {})};
  auto& partition = table.partitions.emplace_back();
  partition.files = {Data(kMiB, {0, 2}), Data(kMiB, {0, 1, 2}), Data(kMiB, {1})};
  TaskPlan first;
  first.rewrite = {0, 1};
  EXPECT_EQ(RemovableDeletes(table, {first}), std::vector<int32_t>{0});
  // The spec of the first two drops to none: then they are global, too.
  table.unpartitioned_specs = {0};
  EXPECT_TRUE(RemovableDeletes(table, {first}).empty());
  table.whole_table = true;
  EXPECT_EQ(RemovableDeletes(table, {first}), (std::vector<int32_t>{0, 2}));
  TaskPlan second;
  second.rewrite = {2};
  EXPECT_EQ(RemovableDeletes(table, {first, second}), (std::vector<int32_t>{0, 1, 2}));
}

TEST(Planner, SaysWhyNothingIsDone) {
  TableFiles table;
  table.partitions.emplace_back().files = {Data(128 * kMiB)};
  auto plan = Plan(table, OptimizingConfig()).plan;
  EXPECT_TRUE(plan.tasks.empty());
  EXPECT_EQ(plan.reason, "no partition reaches a trigger");
}

}  // namespace
}  // namespace moraine::planning
