// What of tasks that share inputs may be committed.

#include "moraine/planning/range_groups.h"

#include <gtest/gtest.h>

namespace moraine::planning {
namespace {

tasks::InputFile Data(std::string path, int64_t rows) {
  tasks::InputFile input;
  input.file.file_path = std::move(path);
  input.file.record_count = rows;
  input.sequence_number = 1;
  return input;
}

/// Three tasks: the first two share the file b, the last one is alone.
struct Scene {
  Scene() {
    current.partitions.resize(1);
    current.partitions[0].files = {Data("a", 10), Data("b", 20), Data("c", 30), Data("d", 5)};
    Add(0, 0, 2, {Data("a", 10), Data("b", 20)}, {0b01, 0b11}, 16);
    Add(1, 0, 2, {Data("b", 20), Data("c", 30)}, {0b11, 0b10}, 40);
    outputs[0].rows_deleted = 4;
    Add(2, 2, 1, {Data("d", 5)}, {0b100}, 5);
  }
  void Add(int32_t id, int32_t first, int32_t count, std::vector<tasks::InputFile> inputs,
           std::vector<tasks::RangeSet> sets, int64_t rows) {
    tasks::RewriteTask task;
    task.process_id = "p";
    task.task_id = id;
    task.rewrite = std::move(inputs);
    task.range = tasks::TaskRange{
        .index = id, .first_task = first, .tasks = count, .inputs = std::move(sets)};
    tasks.push_back(std::move(task));
    tasks::RewriteOutput output;
    output.data_files.resize(1);
    output.data_files[0].file_path = "new" + std::to_string(id);
    output.data_files[0].record_count = rows;
    outputs.push_back(std::move(output));
  }
  CommitDecision Decide(const std::vector<size_t>& finished) {
    std::vector<FinishedWork> work;
    for (const size_t i : finished) work.push_back({&tasks[i], &outputs[i]});
    return DecideCommit(current, work, 1);
  }

  TableFiles current;
  std::vector<tasks::RewriteTask> tasks;
  std::vector<tasks::RewriteOutput> outputs;
};

std::vector<std::string> Paths(const std::vector<iceberg::DataFile>& files) {
  std::vector<std::string> paths;
  for (const auto& file : files) paths.push_back(file.file_path);
  return paths;
}
using List = std::vector<std::string>;

TEST(RangeGroups, AnInputOfSeveralTasksIsRemovedOnce) {
  Scene scene;
  const auto decision = scene.Decide({0, 1, 2});
  EXPECT_EQ(decision.kept.size(), 3U);
  EXPECT_EQ(Paths(decision.removed_data_files), (List{"a", "b", "c", "d"}));
  EXPECT_EQ(Paths(decision.added_data_files), (List{"new0", "new1", "new2"}));
}

TEST(RangeGroups, AGroupWithoutAllItsResultsIsDroppedWhole) {
  Scene scene;
  const auto decision = scene.Decide({1, 2});
  EXPECT_EQ(Paths(decision.removed_data_files), (List{"d"}));
  EXPECT_EQ(Paths(decision.added_data_files), (List{"new2"}));
  ASSERT_EQ(decision.dropped.size(), 1U);
  EXPECT_NE(decision.dropped[0].reason.find("1 of 2 have one"), std::string::npos)
      << decision.dropped[0].reason;
}

TEST(RangeGroups, AGroupWithALostInputIsDroppedWhole) {
  Scene scene;
  scene.current.partitions[0].files.erase(scene.current.partitions[0].files.begin());  // a
  const auto decision = scene.Decide({0, 1, 2});
  EXPECT_EQ(Paths(decision.removed_data_files), (List{"d"}));
  ASSERT_EQ(decision.dropped.size(), 2U);
  EXPECT_NE(decision.dropped[1].reason.find("task that was left out"), std::string::npos)
      << decision.dropped[1].reason;
}

TEST(RangeGroups, RowsThatAreThereTwiceOrNotAtAllAreNotCommitted) {
  for (const int64_t rows : {39, 41}) {
    Scene scene;
    scene.outputs[1].data_files[0].record_count = rows;
    const auto decision = scene.Decide({0, 1, 2});
    EXPECT_EQ(Paths(decision.added_data_files), (List{"new2"})) << rows;
    ASSERT_EQ(decision.dropped.size(), 2U);
    EXPECT_NE(decision.dropped[0].reason.find("have 60 rows"), std::string::npos)
        << decision.dropped[0].reason;
  }
}

TEST(RangeGroups, TheSameTaskTwiceIsNoGroup) {
  Scene scene;
  EXPECT_EQ(Paths(scene.Decide({0, 0, 2}).added_data_files), (List{"new2"}));
}

}  // namespace
}  // namespace moraine::planning
