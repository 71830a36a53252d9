// Duplicates: how a table says its key, and what may land meanwhile. When a partition is due is in
// tests/cases/plan.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/iceberg/types/type.h"
#include "moraine/planning/branch.h"
#include "moraine/planning/commit_decision.h"
#include "moraine/planning/config.h"
#include "moraine/planning/dedup_rules.h"

namespace moraine::planning {
namespace {

using iceberg::FileContent;
using iceberg::Type;
using iceberg::TypeKind;
using Ids = std::vector<int32_t>;

constexpr int64_t kPlanned = 5;

iceberg::Field FieldOf(int32_t id, std::string name, iceberg::TypePtr type) {
  iceberg::Field field;
  field.id = id;
  field.name = std::move(name);
  field.type = std::move(type);
  return field;
}

iceberg::TableMetadata Table(iceberg::StringMap properties, int version = 2) {
  iceberg::TableMetadata metadata;
  metadata.format_version = version;
  const auto text = Type::Primitive(TypeKind::kString);
  metadata.schemas = {std::make_shared<const iceberg::Schema>(
      0,
      std::vector<iceberg::Field>{FieldOf(1, "id", Type::Primitive(TypeKind::kLong)),
                                  FieldOf(2, "a,b", text),
                                  FieldOf(3, "s", Type::Struct({FieldOf(4, "x", text)})),
                                  FieldOf(5, "l", Type::List(FieldOf(6, "element", text)))},
      Ids{4})};
  for (auto& [key, value] : properties) metadata.properties["self-optimizing." + key] = value;
  return metadata;
}

TEST(DedupConfig, IsReadByTheSchema) {
  OptimizingConfig config = ConfigOf(Table({{"dedup.key", "id, `a,b`, s.x"}}));
  EXPECT_TRUE(config.problems.empty());
  EXPECT_EQ(config.dedup.keys, (Ids{1, 2, 4}));
  EXPECT_TRUE(config.dedup_by_file_age);
  EXPECT_TRUE(config.asks_every_partition());
  EXPECT_FALSE(ConfigOf(Table({{"dedup.key", "id"}}, 3)).dedup_by_file_age);
  config = ConfigOf(Table({{"dedup.key", "*"}, {"dedup.keep-last-by", "id"}}));
  EXPECT_EQ(config.dedup.keys, Ids{4});
  EXPECT_EQ(config.dedup.order_by, 1);
  EXPECT_FALSE(config.dedup_by_file_age);
}

TEST(DedupConfig, WhatCantBeReadKeepsAllRows) {
  const iceberg::StringMap wrong[] = {{{"dedup.key", "nothing"}},
                                      {{"dedup.key", "id,"}},
                                      {{"dedup.key", "id, id"}},
                                      {{"dedup.key", "l.element"}},
                                      {{"dedup.key", "s"}},
                                      {{"dedup.key", "id"}, {"dedup.keep-last-by", "id, s.x"}},
                                      {{"dedup.key", "id"}, {"dedup.keep-last-by", "gone"}},
                                      {{"dedup.keep-last-by", "id"}}};
  EXPECT_TRUE(ConfigOf(Table({{"dedup.key", "id"}}, 1)).dedup.is_none());
  for (const auto& properties : wrong) {
    const OptimizingConfig config = ConfigOf(Table(properties));
    EXPECT_TRUE(config.dedup.is_none());
    ASSERT_EQ(config.problems.size(), 1U) << properties.begin()->second;
    EXPECT_NE(config.problems[0].find("rows stay"), std::string::npos) << config.problems[0];
  }
}

// The merged file's path says nothing of the age of its rows, and its sequence number may be that
// of the files beside which they came.
TEST(KeepAge, FilesOfOneCommitAreMergedTogetherOrNot) {
  struct {
    std::vector<int64_t> sequences;
    std::vector<FileWork> work;
    std::vector<size_t> rewritten;
  } cases[] = {
      {{1, 5, 5}, {FileWork::kLeave, FileWork::kRewrite, FileWork::kRewrite}, {1, 2}},
      {{5, 5, 5}, {FileWork::kLeave, FileWork::kRewrite, FileWork::kRewrite}, {}},
      {{1, 2, 2, 5, 6},
       {FileWork::kRewrite, FileWork::kLeave, FileWork::kRewrite, FileWork::kRewrite,
        FileWork::kRewrite},
       {3, 4}},
      {{5, 5, 5}, {FileWork::kRewrite, FileWork::kRewrite, FileWork::kRewrite}, {0, 1, 2}},
      {{4, 5}, {FileWork::kLeave, FileWork::kRewrite}, {}},
  };
  const OptimizingConfig config = ConfigOf(Table({{"dedup.key", "id"}}));
  for (const auto& c : cases) {
    PartitionFiles partition;
    PartitionEvaluation evaluation;
    for (size_t i = 0; i < c.sequences.size(); ++i) {
      tasks::InputFile input;
      input.file.file_path = "file-" + std::to_string(i);
      input.file.file_size_in_bytes = 1000;
      input.sequence_number = c.sequences[i];
      partition.files.push_back(std::move(input));
    }
    evaluation.work = c.work;
    KeepAge(partition, config, &evaluation);
    std::vector<size_t> rewritten;
    for (size_t i = 0; i < evaluation.work.size(); ++i) {
      if (evaluation.work[i] == FileWork::kRewrite) rewritten.push_back(i);
    }
    EXPECT_EQ(rewritten, c.rewritten) << "case " << (&c - cases);
    EXPECT_TRUE(evaluation.keeps_age);
  }
}

/// One task over one file; a delete that came since the plan.
struct Scene {
  explicit Scene(FileContent content, Ids equality_ids = {}) {
    tasks::DeleteInput deletes;
    deletes.file.file_path = "new-delete";
    deletes.file.content = content;
    deletes.file.equality_ids = std::move(equality_ids);
    deletes.sequence_number = kPlanned + 1;
    current.deletes = {deletes};
    tasks::InputFile input;
    input.file.file_path = "a";
    task.rewrite = {input};
    input.deletes = {0};
    current.partitions.resize(1);
    current.partitions[0].files = {input};
    task.dedup.keys = {1, 2};
    output.data_files.resize(1);
    output.data_files[0].file_path = "new";
    output.positions.emplace();
    output.rows_deduplicated = 7;
  }
  CommitDecision Decide() { return DecideCommit(current, {{&task, &output}}, kPlanned); }

  TableFiles current;
  tasks::RewriteTask task;
  tasks::RewriteOutput output;
};

TEST(DedupCommit, IsDroppedWhenAKeptRowMayHaveBeenDeleted) {
  Scene positions(FileContent::kPositionDeletes);
  auto decision = positions.Decide();
  EXPECT_TRUE(decision.kept.empty());
  ASSERT_EQ(decision.dropped.size(), 1U);
  EXPECT_EQ(decision.dropped[0].reason,
            "another commit deleted rows, of which others are duplicates, of the input file a");
  positions.task.dedup = {};
  EXPECT_EQ(positions.Decide().carried.size(), 1U);
  EXPECT_TRUE(Scene(FileContent::kEqualityDeletes, {1, 3}).Decide().kept.empty());
}

TEST(DedupCommit, DeletesOfWholeKeysDoNotMatter) {
  for (const Ids& ids : {Ids{1}, Ids{2, 1}}) {
    Scene scene(FileContent::kEqualityDeletes, ids);
    auto decision = scene.Decide();
    EXPECT_EQ(decision.kept.size(), 1U);
    EXPECT_TRUE(decision.removed_delete_files.empty());
  }
}

TEST(Branch, IsSeenAsItsReadersSeeIt) {
  auto table = std::make_shared<iceberg::TableMetadata>(Table({}));
  for (int64_t id : {1, 2}) {
    auto snapshot = std::make_shared<iceberg::Snapshot>();
    snapshot->snapshot_id = id;
    table->snapshots.push_back(std::move(snapshot));
  }
  table->current_snapshot_id = 1;
  table->refs["audit"] = {.snapshot_id = 2};
  table->refs["v1"] = {.snapshot_id = 2, .type = iceberg::SnapshotRef::Type::kTag};
  table->refs["broken"] = {.snapshot_id = 3};
  const iceberg::TablePtr shared = table;
  EXPECT_EQ(AtBranch(shared, iceberg::kMainBranch).value(), shared);
  EXPECT_EQ(AtBranch(shared, "audit").value()->CurrentSnapshot()->snapshot_id, 2);
  EXPECT_EQ(shared->current_snapshot_id, 1);
  EXPECT_EQ(AtBranch(shared, "v1").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(AtBranch(shared, "gone").status().code(), Code::kNotFound);
  EXPECT_EQ(AtBranch(shared, "broken").status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace moraine::planning
