#include "moraine/planning/commit_decision.h"

#include <set>

#include <gtest/gtest.h>

namespace moraine::planning {
namespace {

using iceberg::FileContent;

constexpr int64_t kPlanned = 5;

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
  CommitDecision Decide() { return DecideCommit(current, {{&task, &output}}, kPlanned); }

  TableFiles current;
  tasks::RewriteTask task;
  tasks::RewriteOutput output;
};

std::vector<std::string> Paths(const std::vector<iceberg::DataFile>& files) {
  std::vector<std::string> paths;
  for (const auto& file : files) paths.push_back(file.file_path);
  return paths;
}

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

TEST(CommitDecision, PositionDeletesThatCameAreCarriedOverThroughTheMap) {
  for (bool b_needs_them : {false, true}) {
    Scene scene;
    scene.output.positions.emplace();
    scene.current.deletes.push_back(Deletes("late", FileContent::kPositionDeletes));
    scene.current.partitions[0].files[0].deletes.push_back(2);
    if (b_needs_them) scene.current.partitions[0].files[1].deletes.push_back(2);
    auto decision = scene.Decide();
    ASSERT_EQ(decision.kept.size(), 1u);
    ASSERT_EQ(decision.carried.size(), 1u);
    EXPECT_EQ(decision.carried[0].work, 0u);
    ASSERT_EQ(decision.carried[0].deletes.size(), 1u);
    EXPECT_EQ(decision.carried[0].deletes[0].file.file_path, "late");
    EXPECT_EQ(Paths(decision.removed_delete_files),
              b_needs_them ? (std::vector<std::string>{"pos"})
                           : (std::vector<std::string>{"pos", "late"}));
  }
}

TEST(CommitDecision, WhereNoRowWasLeftThereIsNoneToDelete) {
  Scene scene;
  scene.output.data_files.clear();
  scene.current.deletes.push_back(Deletes("late", FileContent::kPositionDeletes));
  scene.current.partitions[0].files[0].deletes.push_back(2);
  auto decision = scene.Decide();
  EXPECT_EQ(decision.kept.size(), 1u);
  EXPECT_EQ(Paths(decision.removed_delete_files), (std::vector<std::string>{"pos", "late"}));
}

TEST(CommitDecision, CarriedDeletesStayWhileAFileThatStaysNeedsThem) {
  Scene scene;
  scene.output.positions.emplace();
  scene.task.rewrite_positions = {Data("b", {0})};
  scene.current.deletes.push_back(Deletes("late", FileContent::kPositionDeletes));
  for (auto& file : scene.current.partitions[0].files) file.deletes.push_back(2);
  auto decision = scene.Decide();
  ASSERT_EQ(decision.kept.size(), 1u);
  EXPECT_EQ(decision.carried.size(), 1u);
  EXPECT_EQ(Paths(decision.removed_delete_files), (std::vector<std::string>{"eq", "pos"}));
}

tasks::DeleteInput Vector(std::string path, int64_t offset, std::string about) {
  tasks::DeleteInput input = Deletes(std::move(path), FileContent::kPositionDeletes);
  input.file.format = iceberg::FileFormat::kPuffin;
  input.file.content_offset = offset;
  input.file.referenced_data_file = std::move(about);
  return input;
}

TEST(CommitDecision, TwoVectorsOfAFileThatStaysBecomeOne) {
  Scene scene;
  scene.task.rewrite.clear();
  scene.task.rewrite_positions = {Data("a", {0, 1}), Data("b", {0})};
  scene.output.delete_files = {Vector("own", 4, "a").file, Vector("own", 90, "b").file};
  scene.current.deletes.push_back(Vector("late", 4, "a"));
  scene.current.partitions[0].files[0].deletes = {0, 2};  // the writer has removed "pos"
  auto decision = scene.Decide();
  ASSERT_EQ(decision.kept.size(), 1u);
  ASSERT_EQ(decision.carried.size(), 1u);
  ASSERT_EQ(decision.carried[0].vectors.size(), 1u);
  EXPECT_EQ(decision.carried[0].vectors[0].own.content_offset, 4);
  ASSERT_EQ(decision.carried[0].vectors[0].others.size(), 1u);
  EXPECT_EQ(decision.carried[0].vectors[0].others[0].file.file_path, "late");
  ASSERT_EQ(decision.added_delete_files.size(), 1u);
  EXPECT_EQ(decision.added_delete_files[0].content_offset, 90);
  EXPECT_EQ(Paths(decision.removed_delete_files), (std::vector<std::string>{"eq", "late"}));
}

TEST(CommitDecision, PositionDeleteFilesBesideANewVectorGoIntoIt) {
  for (bool b_needs_them : {false, true}) {
    Scene scene;
    scene.current.format_version = 3;
    scene.task.rewrite.clear();
    scene.task.rewrite_positions = {Data("a", {0, 1})};
    scene.output.delete_files = {Vector("own", 4, "a").file};
    scene.current.deletes.push_back(Deletes("late", FileContent::kPositionDeletes));
    scene.current.partitions[0].files[0].deletes = {0, 1, 2};
    if (b_needs_them) scene.current.partitions[0].files[1].deletes.push_back(2);
    auto decision = scene.Decide();
    ASSERT_EQ(decision.carried.size(), 1u);
    ASSERT_EQ(decision.carried[0].vectors.size(), 1u);
    ASSERT_EQ(decision.carried[0].vectors[0].others.size(), 1u);
    EXPECT_EQ(decision.carried[0].vectors[0].others[0].file.file_path, "late");
    EXPECT_TRUE(decision.added_delete_files.empty());
    EXPECT_EQ(Paths(decision.removed_delete_files),
              b_needs_them ? (std::vector<std::string>{"pos"})
                           : (std::vector<std::string>{"pos", "late"}));
  }
}

TEST(CommitDecision, AnUpgradedTableTakesNoPositionDeleteFiles) {
  for (bool upgraded : {false, true}) {
    for (bool has_deletes : {false, true}) {
      Scene scene;
      scene.task.rewrite.clear();
      scene.task.rewrite_positions = {Data("a", {0, 1})};
      if (has_deletes)
        scene.output.delete_files = {Deletes("own", FileContent::kPositionDeletes).file};
      if (upgraded) scene.current.format_version = 3;
      auto decision = scene.Decide();
      EXPECT_EQ(decision.kept.size(), upgraded && has_deletes ? 0u : 1u);
      if (decision.dropped.empty()) continue;
      EXPECT_NE(decision.dropped[0].reason.find("format version 3"), std::string::npos);
    }
  }
}

TEST(CommitDecision, DeletesByKeyDoNotReachOutputsOfAnotherPartition) {
  for (bool global : {false, true}) {
    Scene scene;
    scene.output.data_files[0].spec_id = 1;
    scene.current.deletes.push_back(Deletes("late", FileContent::kEqualityDeletes));
    scene.current.partitions[0].files[0].deletes.push_back(2);
    if (global) scene.current.unpartitioned_specs = {0};
    EXPECT_EQ(scene.Decide().kept.size(), global ? 1u : 0u);
  }
}

TEST(CommitDecision, DeletesByKeyOfWhereRowsMoveToWouldReachThem) {
  struct Case {
    const char* what;
    int64_t sequence;
    int32_t spec;
    int32_t day;
    bool global;
    size_t kept;
  };
  for (const Case& c : {Case{"of the target", 6, 1, 9, false, 0},
                        Case{"of the target, before the plan", 5, 1, 9, false, 1},
                        Case{"of another partition", 6, 1, 8, false, 1},
                        Case{"of the whole table", 6, 1, 9, true, 1}}) {
    SCOPED_TRACE(c.what);
    Scene scene;
    scene.output.data_files[0].spec_id = 1;
    scene.output.data_files[0].partition = {iceberg::Value(int32_t{9})};
    scene.current.deletes.push_back(Deletes("late", FileContent::kEqualityDeletes));
    scene.current.deletes[2].sequence_number = c.sequence;
    scene.current.deletes[2].file.spec_id = c.spec;
    scene.current.deletes[2].file.partition = {iceberg::Value(c.day)};
    if (c.global) scene.current.unpartitioned_specs = {1};
    EXPECT_EQ(scene.Decide().kept.size(), c.kept);
  }
}

TEST(CommitDecision, NewEqualityDeletesStayAndDoNotHinder) {
  Scene scene;
  scene.current.deletes.push_back(Deletes("late", FileContent::kEqualityDeletes));
  scene.current.partitions[0].files[0].deletes.push_back(2);
  scene.current.partitions[0].files[1].deletes = {};
  auto decision = scene.Decide();
  EXPECT_EQ(decision.kept.size(), 1u);
  EXPECT_EQ(Paths(decision.removed_delete_files), (std::vector<std::string>{"eq", "pos"}));
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

/// Two files of version 3, both with a vector in one Puffin file; a's vector is folded.
struct VectorScene : Scene {
  VectorScene() {
    current.deletes = {Vector("v", 4, "a"), Vector("v", 46, "b")};
    current.partitions[0].files = {Data("a", {0}), Data("b", {1})};
    task.format_version = 3;
    task.rewrite.clear();
    task.deletes = {current.deletes[0]};
    task.rewrite_positions = {Data("a", {0})};
    output.data_files.clear();
    output.delete_files = {Vector("new", 4, "a").file};
  }
};

TEST(CommitDecision, AVectorIsReplacedAndItsNeighbourStays) {
  VectorScene scene;
  auto decision = scene.Decide();
  ASSERT_EQ(decision.kept.size(), 1u);
  ASSERT_EQ(decision.removed_delete_files.size(), 1u);
  EXPECT_EQ(decision.removed_delete_files[0].content_offset, 4);
  EXPECT_EQ(decision.added_delete_files[0].file_path, "new");
}

TEST(CommitDecision, DropsATaskWhoseInputGotRowIds) {
  Scene scene;
  scene.current.partitions[0].files[0].file.first_row_id = 10;
  auto decision = scene.Decide();
  EXPECT_TRUE(decision.empty());
  EXPECT_NE(decision.dropped[0].reason.find("numbered the rows"), std::string::npos);
  scene.task.rewrite[0].file.first_row_id = 10;
  EXPECT_EQ(scene.Decide().kept.size(), 1u);
}

TEST(CommitDecision, RemovesDeletesThatApplyToNothing) {
  Scene scene;
  scene.current.deletes.push_back(Deletes("dangling", FileContent::kEqualityDeletes));
  scene.current.deletes.push_back(Deletes("elsewhere", FileContent::kEqualityDeletes));
  scene.current.deletes.push_back(Deletes("global", FileContent::kEqualityDeletes));
  scene.current.deletes[2].file.partition = {};  // of the task's partition
  scene.current.deletes[4].file.spec_id = 7;
  scene.current.deletes[4].file.partition = {};
  scene.current.partitions[0].partition = {};
  scene.current.partitions[0].spec_id = 0;
  const auto removed = [&] {
    std::set<std::string> paths;
    for (const auto& file : scene.Decide().removed_delete_files) paths.insert(file.file_path);
    return paths;
  };
  // An empty tuple is that of a whole table, too: only who sees all of it takes them away.
  EXPECT_EQ(removed(), (std::set<std::string>{"pos"}));
  scene.current.whole_table = true;
  EXPECT_EQ(removed(), (std::set<std::string>{"dangling", "global", "pos"}));
}

}  // namespace
}  // namespace moraine::planning
