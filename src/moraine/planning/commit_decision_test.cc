#include "moraine/planning/commit_decision.h"

#include <gtest/gtest.h>

namespace moraine::planning {
namespace {

using iceberg::FileContent;

tasks::InputFile Data(std::string path, std::vector<int32_t> deletes = {}, int64_t sequence = 1) {
  tasks::InputFile input;
  input.file.file_path = std::move(path);
  input.sequence_number = sequence;
  input.deletes = std::move(deletes);
  return input;
}

tasks::DeleteInput Deletes(std::string path, FileContent content) {
  tasks::DeleteInput input;
  input.file.file_path = std::move(path);
  input.file.content = content;
  input.file.partition = {iceberg::Value(int32_t{1})};
  return input;
}

/// Two files with an equality delete on both and a position delete on the first; one task over the
/// first.
struct Scene {
  Scene() {
    current.deletes = {Deletes("eq", FileContent::kEqualityDeletes),
                       Deletes("pos", FileContent::kPositionDeletes)};
    current.partitions.resize(1);
    current.partitions[0].files = {Data("a", {0, 1}), Data("b", {0})};
    task.deletes = current.deletes;
    task.rewrite = {Data("a", {0, 1})};
    output.data_files.resize(1);
    output.data_files[0].file_path = "new";
  }
  CommitDecision Decide() { return DecideCommit(current, {{&task, &output}}); }

  TableFiles current;
  tasks::RewriteTask task;
  tasks::RewriteOutput output;
};

TEST(CommitDecision, KeepsWhatIsStillTrue) {
  Scene scene;
  auto decision = scene.Decide();
  ASSERT_EQ(decision.kept.size(), 1u);
  EXPECT_EQ(decision.removed_data_files[0].file_path, "a");
  EXPECT_EQ(decision.added_data_files[0].file_path, "new");
  // b still needs the equality delete.
  ASSERT_EQ(decision.removed_delete_files.size(), 1u);
  EXPECT_EQ(decision.removed_delete_files[0].file_path, "pos");
}

TEST(CommitDecision, DropsATaskWhoseInputIsGone) {
  Scene scene;
  scene.current.partitions[0].files.erase(scene.current.partitions[0].files.begin());
  auto decision = scene.Decide();
  EXPECT_TRUE(decision.empty());
  ASSERT_EQ(decision.dropped.size(), 1u);
  EXPECT_NE(decision.dropped[0].reason.find("removed the input file a"), std::string::npos);
  EXPECT_TRUE(decision.removed_delete_files.empty());
}

TEST(CommitDecision, DropsATaskWhoseInputGotPositionDeletes) {
  Scene scene;
  scene.current.deletes.push_back(Deletes("late", FileContent::kPositionDeletes));
  scene.current.partitions[0].files[0].deletes.push_back(2);
  EXPECT_TRUE(scene.Decide().empty());
}

TEST(CommitDecision, NewEqualityDeletesStayAndDoNotHinder) {
  Scene scene;
  scene.current.deletes.push_back(Deletes("late", FileContent::kEqualityDeletes));
  scene.current.partitions[0].files[0].deletes.push_back(2);
  scene.current.partitions[0].files[1].deletes = {};
  auto decision = scene.Decide();
  EXPECT_EQ(decision.kept.size(), 1u);
  std::vector<std::string> removed;
  for (const auto& file : decision.removed_delete_files) removed.push_back(file.file_path);
  EXPECT_EQ(removed, (std::vector<std::string>{"eq", "pos"}));
}

TEST(CommitDecision, DeletesOnAFileOfRewrittenPositionsDoNotHinder) {
  Scene scene;
  scene.task.rewrite.clear();
  scene.task.rewrite_positions = {Data("a", {0, 1})};
  scene.current.deletes.push_back(Deletes("late", FileContent::kPositionDeletes));
  scene.current.partitions[0].files[0].deletes.push_back(2);
  auto decision = scene.Decide();
  EXPECT_EQ(decision.kept.size(), 1u);
  EXPECT_TRUE(decision.removed_data_files.empty());
  ASSERT_EQ(decision.removed_delete_files.size(), 1u);
  EXPECT_EQ(decision.removed_delete_files[0].file_path, "pos");
}

}  // namespace
}  // namespace moraine::planning
