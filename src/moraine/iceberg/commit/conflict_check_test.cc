#include "moraine/iceberg/commit/conflict_check.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

using ::testing::HasSubstr;

/// A table with files a and b of day 1 and c of day 2, and the ways in which others may change it.
struct World {
  explicit World(int version = 2, bool partitioned = true)
      : table(files, {.format_version = version, .partitioned = partitioned}) {
    Must(table.Append(call, {"a", "b"}, 1));
    Must(table.Append(call, {"c"}, 2));
    start = table.current().snapshot_id;
  }
  void Must(const Status& status) { ASSERT_TRUE(status.ok()) << status.ToString(); }
  Status Commit(SnapshotChanges changes) { return table.Commit(call, std::move(changes)).status(); }

  void Append(int day) { Must(table.Append(call, {"new" + std::to_string(day)}, day)); }
  void Delta(DataFile file) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kRowDelta;
    changes.added = {{std::move(file), {}}};
    changes.checks.starting_snapshot_id = table.current().snapshot_id;
    Must(Commit(changes));
  }
  void Remove(const std::string& name, int day) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kDelete;
    changes.removed_data = {RemovedFile::Of(table.Data(name, day))};
    Must(Commit(changes));
  }
  void Rewrite(const std::string& name, const std::string& as, int day) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kRewriteFiles;
    changes.removed_data = {RemovedFile::Of(table.Data(name, day))};
    changes.added = {{table.Data(as, day), table.current().sequence_number}};
    changes.checks.starting_snapshot_id = table.current().snapshot_id;
    Must(Commit(changes));
  }

  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem files;
  TestTable table;
  int64_t start = 0;
};

struct Case {
  const char* name;
  std::function<void(World&)> other;                   // what was committed meanwhile
  std::function<void(World&, SnapshotChanges&)> mine;  // the change made from the start
  const char* conflict;                                // part of the message; "" for none
};

void Overwrite(World& w, SnapshotChanges& c, const char* filter) {
  c.operation = SnapshotOperation::kOverwrite;
  c.row_filter = *ParseFilter(filter);
  c.added = {{w.table.Data("mine", 1), {}}};
  c.checks.no_conflicting_data = c.checks.no_conflicting_deletes = true;
}
void OverwriteFile(World& w, SnapshotChanges& c) {
  c.operation = SnapshotOperation::kOverwrite;
  c.removed_data = {RemovedFile::Of(w.table.Data("a", 1))};
  c.added = {{w.table.Data("mine", 1), {}}};
  c.checks.no_conflicting_deletes = true;
}
void Replace(World& w, SnapshotChanges& c) {
  c.operation = SnapshotOperation::kReplacePartitions;
  c.added = {{w.table.Data("mine", 1), {}}};
  c.checks.no_conflicting_data = c.checks.no_conflicting_deletes = true;
}
void Delta(World& w, SnapshotChanges& c) {
  c.operation = SnapshotOperation::kRowDelta;
  c.added = {{w.table.PositionDeletes("mine", "a", 1), {}}};
}
void StrictDelta(World& w, SnapshotChanges& c) {
  Delta(w, c);
  c.checks.filter = *ParseFilter("day = 1");
  c.checks.no_conflicting_data = c.checks.no_conflicting_deletes = true;
  c.checks.required_files_also_after_deletes = true;
}
void Rewrite(World& w, SnapshotChanges& c, std::optional<int64_t> sequence) {
  c.operation = SnapshotOperation::kRewriteFiles;
  c.removed_data = {RemovedFile::Of(w.table.Data("a", 1)), RemovedFile::Of(w.table.Data("b", 1))};
  c.added = {{w.table.Data("mine", 1), sequence}};
}

class Validation : public testing::TestWithParam<Case> {};

TEST_P(Validation, RefusesWhatConcurrentCommitsRuleOut) {
  const Case& c = GetParam();
  World world;
  SnapshotChanges changes;
  changes.checks.starting_snapshot_id = world.start;
  c.mine(world, changes);
  c.other(world);
  size_t files_before = world.files.size();
  Status status = world.Commit(changes);
  if (*c.conflict == '\0') {
    EXPECT_TRUE(status.ok()) << status.ToString();
  } else {
    EXPECT_EQ(status.code(), Code::kConflict) << status.ToString();
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.conflict));
    EXPECT_EQ(world.files.size(), files_before) << "leftovers";
  }
}

auto append(int day) {
  return [day](World& w) { w.Append(day); };
}
auto positions(const char* about, int day) {
  return [=](World& w) { w.Delta(w.table.PositionDeletes("theirs", about, day)); };
}
auto equality(int day) {
  return [=](World& w) { w.Delta(w.table.EqualityDeletes("theirs", day, 0, 9)); };
}
auto removal(const char* name, int day) {
  return [=](World& w) { w.Remove(name, day); };
}
auto rewriting(const char* name, int day) {
  return [=](World& w) { w.Rewrite(name, "theirs", day); };
}
auto overwrite(const char* filter) {
  return [=](World& w, SnapshotChanges& c) { Overwrite(w, c, filter); };
}
auto rewrite(std::optional<int64_t> sequence) {
  return [=](World& w, SnapshotChanges& c) { Rewrite(w, c, sequence); };
}

auto rewrite_carrying(bool theirs) {
  return [=](World& w, SnapshotChanges& c) {
    Rewrite(w, c, 2);
    const char* name = theirs ? "theirs" : "others";
    c.checks.carried_deletes = {DeleteKey(w.table.PositionDeletes(name, "a", 1))};
  };
}

INSTANTIATE_TEST_SUITE_P(
    OverwriteByFilter, Validation,
    testing::Values(Case{"append elsewhere", append(2), overwrite("day = 1"), ""},
                    Case{"append inside", append(1), overwrite("day = 1"),
                         "conflicting files that can contain records"},
                    Case{"deletes elsewhere", positions("c", 2), overwrite("day = 1"), ""},
                    Case{"deletes inside", positions("b", 1), overwrite("day = 1"),
                         "new conflicting delete files"},
                    Case{"removal inside", removal("a", 1), overwrite("day = 1"),
                         "conflicting deleted files"},
                    Case{"removal elsewhere", removal("c", 2), overwrite("day = 1"), ""},
                    Case{"rewrite inside", rewriting("a", 1), overwrite("day = 1"),
                         "conflicting deleted files"}),
    [](const auto& info) { return std::to_string(info.index); });
INSTANTIATE_TEST_SUITE_P(
    OverwriteOfFiles, Validation,
    testing::Values(Case{"new deletes on it", positions("a", 1), OverwriteFile,
                         "found new delete for replaced data file"},
                    Case{"new deletes on another", positions("b", 1), OverwriteFile, ""},
                    Case{"equality deletes", equality(1), OverwriteFile,
                         "found new delete for replaced data file"},
                    Case{"equality deletes elsewhere", equality(2), OverwriteFile, ""},
                    Case{"append", append(1), OverwriteFile, ""}));
INSTANTIATE_TEST_SUITE_P(
    ReplacePartitions, Validation,
    testing::Values(Case{"append inside", append(1), Replace, "conflicting files"},
                    Case{"append elsewhere", append(2), Replace, ""},
                    Case{"deletes inside", equality(1), Replace, "new conflicting delete files"},
                    Case{"removal inside", removal("b", 1), Replace, "conflicting deleted files"},
                    Case{"removal elsewhere", removal("c", 2), Replace, ""}));
INSTANTIATE_TEST_SUITE_P(
    RowDelta, Validation,
    testing::Values(
        Case{"append", append(1), Delta, ""}, Case{"deletes", positions("a", 1), Delta, ""},
        Case{"the file is rewritten", rewriting("a", 1), Delta, "missing data files"},
        Case{"another is rewritten", rewriting("b", 1), Delta, ""},
        // As in Java, a delete is looked at only where asked.
        Case{"the file is deleted", removal("a", 1), Delta, ""},
        Case{"the file is deleted, strict", removal("a", 1), StrictDelta, "missing data files"},
        Case{"append, strict", append(1), StrictDelta, "conflicting files"},
        Case{"append elsewhere, strict", append(2), StrictDelta, ""},
        Case{"deletes, strict", positions("b", 1), StrictDelta, "new conflicting delete files"}));
INSTANTIATE_TEST_SUITE_P(
    RewriteFiles, Validation,
    testing::Values(
        Case{"append", append(1), rewrite(2), ""},
        Case{"position deletes on it", positions("a", 1), rewrite(2), "new position delete"},
        Case{"position deletes of the partition", positions("", 1), rewrite(2),
             "new position delete"},
        Case{"position deletes elsewhere", positions("", 2), rewrite(2), ""},
        Case{"position deletes that are carried over", positions("a", 1), rewrite_carrying(true),
             ""},
        Case{"other position deletes", positions("a", 1), rewrite_carrying(false),
             "new position delete"},
        Case{"position deletes that are gone again",
             [](World& w) {
               const DataFile deletes = w.table.PositionDeletes("theirs", "a", 1);
               w.Delta(deletes);
               SnapshotChanges gone;
               gone.operation = SnapshotOperation::kRewriteFiles;
               gone.removed_deletes = {RemovedFile::Of(deletes)};
               ASSERT_TRUE(w.Commit(gone).ok());
             },
             rewrite(2), ""},
        Case{"equality deletes", equality(1), rewrite(2), ""},
        Case{"equality deletes, own sequence", equality(1), rewrite({}), "found new delete"},
        Case{"removed", removal("b", 1), rewrite(2), "Missing required files"},
        Case{"rewritten", rewriting("b", 1), rewrite(2), "Missing required files"},
        Case{"removed elsewhere", removal("c", 2), rewrite(2), ""},
        Case{"path alone, deletes of the partition", positions("", 1),
             [](World& w, SnapshotChanges& c) {
               Rewrite(w, c, 2);
               for (RemovedFile& file : c.removed_data) file.partition.reset();
             },
             "found new delete"},
        Case{"new deletes on a removed file", removal("c", 2),
             [](World& w, SnapshotChanges& c) {
               Rewrite(w, c, 2);
               c.added.push_back({w.table.PositionDeletes("minep", "c", 2), {}});
             },
             "missing data files"}));

TEST(ConcurrentVectors, OfOneFileConflict) {
  World world(3);
  SnapshotChanges mine;
  mine.operation = SnapshotOperation::kRowDelta;
  mine.checks.starting_snapshot_id = world.start;
  mine.added = {{world.table.DeletionVector("mine", "a", 1, 4), {}}};
  world.Delta(world.table.DeletionVector("theirs", "b", 1, 4));
  EXPECT_TRUE(world.Commit(mine).ok());
  mine.added = {{world.table.DeletionVector("mine2", "b", 1, 4), {}}};
  Status status = world.Commit(mine);
  EXPECT_EQ(status.code(), Code::kConflict);
  EXPECT_THAT(std::string(status.message()), HasSubstr("concurrently added DV"));
  // A rewrite that has taken theirs into its own may replace it.
  SnapshotChanges both;
  both.operation = SnapshotOperation::kRewriteFiles;
  both.checks.starting_snapshot_id = world.start;
  both.added = {{world.table.DeletionVector("both", "b", 1, 4), {}}};
  both.removed_deletes = {RemovedFile::Of(world.table.DeletionVector("theirs", "b", 1, 4))};
  EXPECT_EQ(world.Commit(both).code(), Code::kConflict);
  both.checks.carried_deletes = {DeleteKey(world.table.DeletionVector("theirs", "b", 1, 4))};
  status = world.Commit(both);
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST(History, MustReachTheStart) {
  World world;
  SnapshotChanges mine;
  Rewrite(world, mine, 2);
  mine.checks.starting_snapshot_id = 4711;
  EXPECT_EQ(world.Commit(mine).code(), Code::kConflict);
  // The snapshot between is gone.
  mine.checks.starting_snapshot_id = world.start;
  world.Append(2);
  int64_t between = world.table.current().snapshot_id;
  world.Append(3);
  ASSERT_TRUE(world.table.Apply({{}, {update::RemoveSnapshots{{between}}}}).ok());
  Status status = world.Commit(mine);
  EXPECT_EQ(status.code(), Code::kConflict);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Cannot determine history"));
}

TEST(Groups, AreJudgedOneByOne) {
  World world;
  auto& t = world.table;
  for (int day = 10; day < 16; ++day) {
    world.Must(t.Append(world.call, {"x" + std::to_string(day), "y" + std::to_string(day)}, day));
  }
  world.Delta(t.EqualityDeletes("eq", 14, 0, 9));
  world.Delta(t.PositionDeletes("pos", "x15", 15));
  int64_t start = t.current().snapshot_id;
  int64_t sequence = t.current().sequence_number;
  std::vector<RewriteGroup> groups;
  for (int day = 10; day < 16; ++day) {
    RewriteGroup group;
    group.removed_data = {t.Data("x" + std::to_string(day), day),
                          t.Data("y" + std::to_string(day), day)};
    group.added = {{t.Data("xy" + std::to_string(day), day), sequence}};
    groups.push_back(std::move(group));
  }
  groups[4].removed_deletes = {t.EqualityDeletes("eq", 14, 0, 9)};
  // The data of 15 stays; its deletes become another file.
  groups[5] = {
      {}, {t.PositionDeletes("pos", "x15", 15)}, {{t.PositionDeletes("pos2", "x15", 15), {}}}};
  world.Remove("y11", 11);
  world.Delta(t.PositionDeletes("later", "x12", 12));
  world.Delta(t.EqualityDeletes("later-eq", 13, 0, 9));
  world.Append(10);
  auto verdicts = CheckGroups(world.call, world.files, *t.metadata(), kMainBranch, start, groups);
  ASSERT_TRUE(verdicts.ok()) << verdicts.status().ToString();
  EXPECT_TRUE((*verdicts)[0].valid);
  EXPECT_THAT((*verdicts)[1].reason, HasSubstr("a data file to rewrite is gone"));
  EXPECT_THAT((*verdicts)[2].reason, HasSubstr("new position delete"));
  EXPECT_TRUE((*verdicts)[3].valid) << (*verdicts)[3].reason;
  EXPECT_TRUE((*verdicts)[4].valid) << (*verdicts)[4].reason;
  EXPECT_TRUE((*verdicts)[5].valid) << (*verdicts)[5].reason;
  std::vector<const RewriteGroup*> valid;
  for (size_t i = 0; i < groups.size(); ++i) {
    if ((*verdicts)[i].valid) valid.push_back(&groups[i]);
  }
  Status status = world.Commit(MergeGroups(valid, start));
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(t.Scan(world.call, "day >= 10").value(),
              testing::ElementsAre("new10 seq=14 deletes=[]", "x11 seq=4 deletes=[]",
                                   "x12 seq=5 deletes=[later]", "x15 seq=8 deletes=[pos2]",
                                   "xy10 seq=10 deletes=[]", "xy13 seq=10 deletes=[later-eq]",
                                   "xy14 seq=10 deletes=[]", "y12 seq=5 deletes=[]",
                                   "y15 seq=8 deletes=[]"));
  // Now they are gone, all that were committed.
  auto again = CheckGroups(world.call, world.files, *t.metadata(), kMainBranch, start, groups);
  for (const GroupVerdict& verdict : *again) EXPECT_FALSE(verdict.valid);
}

}  // namespace
}  // namespace moraine::iceberg
