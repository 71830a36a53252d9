// Which files a layout has rewritten, and that it ends.

#include <gtest/gtest.h>

#include "moraine/iceberg/types/type.h"
#include "moraine/planning/config.h"
#include "moraine/planning/evaluator.h"
#include "moraine/planning/planner.h"

namespace moraine::planning {
namespace {

constexpr int64_t kMiB = 1 << 20;

class LayoutPlanTest : public ::testing::Test {
 protected:
  LayoutPlanTest() {
    config_.layout.kind = tasks::Layout::Kind::kZOrder;
    config_.layout.columns = {1, 2};
    config_.hot_partition_delay = Millis(0);
    table_.partitions.emplace_back();
  }

  void Add(int64_t bytes, const std::string& name) {
    tasks::InputFile input;
    input.file.file_path = "/data/" + name + ".parquet";
    input.file.file_size_in_bytes = bytes;
    input.file.record_count = 1000;
    table_.partitions[0].files.push_back(input);
  }
  void AddLaidOut(int64_t bytes) { Add(bytes, "p-0-1-00000-" + LayoutMark(config_.layout)); }

  ProcessPlan Plan() {
    const std::vector<PartitionEvaluation> evaluations = {EvaluatePartition(
        table_, table_.partitions[0], config_, OptimizingTimes{now_, now_, now_}, now_ + 5)};
    return PlanProcess(table_, evaluations, config_, PlanLimits());
  }

  OptimizingConfig config_;
  TableFiles table_;
  int64_t now_ = 1'000'000;
};

TEST_F(LayoutPlanTest, LargeFilesInAnotherOrderAreWrittenTogether) {
  for (int i = 0; i < 3; ++i) Add(127 * kMiB, "x" + std::to_string(i));
  AddLaidOut(127 * kMiB);
  const ProcessPlan plan = Plan();
  EXPECT_EQ(plan.type, OptimizingType::kMajor);
  ASSERT_EQ(plan.tasks.size(), 1U);
  EXPECT_EQ(plan.tasks[0].rewrite.size(), 3U);
  EXPECT_TRUE(plan.tasks[0].arranged);
  EXPECT_NE(plan.reason.find("self-optimizing.layout"), std::string::npos) << plan.reason;
}

TEST_F(LayoutPlanTest, FewRowsInAnotherOrderWait) {
  Add(100 * kMiB, "x");
  for (int i = 0; i < 5; ++i) AddLaidOut(127 * kMiB);
  EXPECT_EQ(Plan().type, OptimizingType::kNone);
}

TEST_F(LayoutPlanTest, WhatIsLaidOutIsNotWrittenAgainByAnyTimer) {
  for (int i = 0; i < 4; ++i) AddLaidOut(127 * kMiB);
  AddLaidOut(20 * kMiB);  // the last one is seldom full
  EXPECT_EQ(Plan().type, OptimizingType::kNone);
  config_.full_trigger_interval = Millis(1);
  ASSERT_TRUE(config_.full_rewrite_all_files);
  EXPECT_EQ(Plan().type, OptimizingType::kNone);
  Add(kMiB, "new");
  const ProcessPlan plan = Plan();
  EXPECT_EQ(plan.type, OptimizingType::kFull);
  ASSERT_EQ(plan.tasks.size(), 1U);
  EXPECT_EQ(plan.tasks[0].rewrite.size(), 6U);
  EXPECT_TRUE(plan.tasks[0].arranged);
}

TEST_F(LayoutPlanTest, AFileThatAnEngineSortedCounts) {
  config_.layout = {};
  config_.layout.kind = tasks::Layout::Kind::kSort;
  config_.layout.order.order_id = 2;
  config_.layout.order.fields.emplace_back().source_ids = {1};
  for (int i = 0; i < 2; ++i) Add(127 * kMiB, "s" + std::to_string(i));
  EXPECT_EQ(Plan().type, OptimizingType::kMajor);
  for (auto& input : table_.partitions[0].files) input.file.sort_order_id = 2;
  EXPECT_EQ(Plan().type, OptimizingType::kNone);
}

TEST_F(LayoutPlanTest, MinorLeavesRowsAsTheyCome) {
  for (int i = 0; i < 12; ++i) Add(kMiB, "f" + std::to_string(i));
  const ProcessPlan plan = Plan();
  EXPECT_EQ(plan.type, OptimizingType::kMinor);
  ASSERT_EQ(plan.tasks.size(), 1U);
  EXPECT_FALSE(plan.tasks[0].arranged);
}

TEST_F(LayoutPlanTest, AFullRunMovesOldSpecsWhenItIsAskedTo) {
  config_.layout = {};
  table_.current_spec_id = 1;
  Add(127 * kMiB, "a");
  config_.full_trigger_interval = Millis(1);
  config_.full_rewrite_all_files = false;
  EXPECT_EQ(Plan().type, OptimizingType::kNone);
  config_.full_moves_to_current_spec = true;
  const ProcessPlan plan = Plan();
  EXPECT_EQ(plan.type, OptimizingType::kFull);
  ASSERT_EQ(plan.tasks.size(), 1U);
  EXPECT_TRUE(plan.tasks[0].moved);
  EXPECT_FALSE(plan.tasks[0].arranged);
  table_.partitions[0].spec_id = 1;
  EXPECT_EQ(Plan().type, OptimizingType::kNone);
}

TEST(LayoutConfig, IsReadByTheSchema) {
  iceberg::TableMetadata metadata;
  iceberg::Field field;
  field.id = 1;
  field.name = "a";
  field.type = iceberg::Type::Primitive(iceberg::TypeKind::kLong);
  metadata.schemas = {
      std::make_shared<const iceberg::Schema>(0, std::vector<iceberg::Field>{field})};
  metadata.properties["self-optimizing.layout"] = "zorder(a)";
  OptimizingConfig config = ConfigOf(metadata);
  EXPECT_TRUE(config.problems.empty());
  EXPECT_EQ(config.layout.columns, std::vector<int32_t>{1});
  metadata.properties["self-optimizing.layout"] = "zorder(b)";
  config = ConfigOf(metadata);
  EXPECT_TRUE(config.layout.is_none());
  ASSERT_EQ(config.problems.size(), 1U);
  EXPECT_EQ(
      config.problems[0],
      "self-optimizing.layout is 'zorder(b)': the table has no column b; did you mean a?; its "
      "default is used");
}

}  // namespace
}  // namespace moraine::planning
