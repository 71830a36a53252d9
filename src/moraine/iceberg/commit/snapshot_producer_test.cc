#include "moraine/iceberg/commit/snapshot_producer.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Lines = std::vector<std::string>;

class Commits : public testing::Test {
 protected:
  void Open(const TestTableOptions& options = {}) {
    table_ = std::make_unique<TestTable>(files_, options);
  }
  Status Commit(SnapshotChanges changes) {
    return table_->Commit(call_, std::move(changes)).status();
  }
  Lines Scan(const std::string& filter = "") { return table_->Scan(call_, filter).value(); }
  Lines Entries() { return table_->Entries(call_).value(); }
  std::string Summary(const std::string& key) {
    auto at = table_->current().summary.find(key);
    return at == table_->current().summary.end() ? "-" : at->second;
  }
  void ExpectOk(const Status& status) { ASSERT_TRUE(status.ok()) << status.ToString(); }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  std::unique_ptr<TestTable> table_;
};

class CommitsOfVersion : public Commits, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Format, CommitsOfVersion, testing::Values(1, 2, 3));

TEST_P(CommitsOfVersion, AppendsAndDeletes) {
  Open({.format_version = GetParam()});
  ExpectOk(table_->Append(call_, {"a", "b"}, 1, SnapshotOperation::kFastAppend));
  ExpectOk(table_->Append(call_, {"c"}, 2, SnapshotOperation::kFastAppend));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kDelete;
  changes.removed_data.push_back({table_->Path("a"), {}, {}});
  changes.summary["snapshot.producer"] = "TEST";
  ExpectOk(Commit(changes));
  int64_t s = GetParam() == 1 ? 0 : 1;
  EXPECT_THAT(Scan(), ElementsAre(fmt::format("b seq={} deletes=[]", s),
                                  fmt::format("c seq={} deletes=[]", 2 * s)));
  EXPECT_THAT(Scan("day = 2"), ElementsAre(fmt::format("c seq={} deletes=[]", 2 * s)));
  EXPECT_EQ(table_->current().operation(), "delete");
  EXPECT_EQ(Summary("snapshot.producer"), "TEST");
  EXPECT_EQ(Summary("deleted-data-files"), "1");
  EXPECT_EQ(Summary("deleted-records"), "100");
  EXPECT_EQ(Summary("removed-files-size"), "1000");
  EXPECT_EQ(Summary("total-data-files"), "2");
  EXPECT_EQ(Summary("total-records"), "200");
  EXPECT_EQ(Summary("total-files-size"), "2000");
  EXPECT_EQ(Summary("total-delete-files"), "0");
  EXPECT_EQ(Summary("changed-partition-count"), "1");
  EXPECT_EQ(Summary("manifests-created"), "1");
  EXPECT_EQ(Summary("manifests-kept"), "1");
  EXPECT_EQ(Summary("manifests-replaced"), "1");
  EXPECT_EQ(table_->metadata()->last_sequence_number, GetParam() == 1 ? 0 : 3);
  EXPECT_EQ(table_->metadata()->snapshots.size(), 3u);
}

TEST_P(CommitsOfVersion, FilterAndMergeInOneCommit) {
  Open({.format_version = GetParam(), .properties = {{"commit.manifest.min-count-to-merge", "2"}}});
  for (const char* name : {"a", "b"}) ExpectOk(table_->Append(call_, {name}, 1));
  ExpectOk(table_->Append(call_, {"c", "d"}, 1, SnapshotOperation::kFastAppend));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kOverwrite;
  changes.removed_data = {RemovedFile::Of(table_->Data("a", 1)),
                          RemovedFile::Of(table_->Data("c", 1))};
  changes.added = {{table_->Data("e", 1), {}}};
  ExpectOk(Commit(changes));
  EXPECT_EQ(table_->Manifests(call_)->size(), 1u);
  std::vector<std::string> names;
  for (const std::string& line : Scan()) names.push_back(line.substr(0, 1));
  EXPECT_THAT(names, ElementsAre("b", "d", "e"));
  if (GetParam() == 3) {
    EXPECT_EQ(table_->Manifests(call_)->at(0).first_row_id, 500);
    EXPECT_EQ(table_->current().added_rows, 300) << "ids are kept aside for kept files, too";
  }
}

TEST_F(Commits, CountManifestsThatAVersion1ListLeavesUncounted) {
  Open({.format_version = 1});
  ExpectOk(table_->Append(call_, {"a", "b"}, 1, SnapshotOperation::kFastAppend));
  ExpectOk(table_->Append(call_, {"c"}, 2, SnapshotOperation::kFastAppend));
  std::vector<ManifestFile> manifests = table_->Manifests(call_).value();
  for (ManifestFile& manifest : manifests) {
    manifest.added_files_count.reset();
    manifest.added_rows_count.reset();
    manifest.existing_rows_count.reset();
  }
  const Snapshot& current = table_->current();
  const auto list =
      EncodeManifestList(manifests, {.format_version = 1, .snapshot_id = current.snapshot_id})
          .value();
  files_.Put(current.manifest_list, list.first, 0);
  CommitRequest upgrade;
  upgrade.updates.push_back(update::UpgradeFormatVersion{2});
  ExpectOk(table_->Apply(upgrade));
  ExpectOk(table_->Append(call_, {"d"}, 2, SnapshotOperation::kFastAppend));
  EXPECT_THAT(Scan(), ElementsAre("a seq=0 deletes=[]", "b seq=0 deletes=[]", "c seq=0 deletes=[]",
                                  "d seq=1 deletes=[]"));
  const std::vector<ManifestFile> after = table_->Manifests(call_).value();
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(after[1].added_files_count, 1);
  EXPECT_EQ(after[2].added_files_count, 2);
  EXPECT_EQ(after[2].added_rows_count, 200);
  EXPECT_EQ(after[2].existing_rows_count, 0);
  EXPECT_EQ(after[2].deleted_files_count, 0);
}

TEST_F(Commits, MarkEntriesByTheRules) {
  Open();
  ExpectOk(table_->Append(call_, {"a", "b"}, 1));
  EXPECT_THAT(Entries(), ElementsAre("data added a seq=1 file_seq=1 mine",
                                     "data added b seq=1 file_seq=1 mine"));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kOverwrite;
  changes.removed_data.push_back(RemovedFile::Of(table_->Data("a", 1)));
  changes.added.push_back({table_->Data("c", 1), {}});
  ExpectOk(Commit(changes));
  EXPECT_EQ(table_->current().operation(), "overwrite");
  EXPECT_THAT(Entries(), ElementsAre("data added c seq=2 file_seq=2 mine",
                                     "data deleted a seq=1 file_seq=1 mine",
                                     "data existing b seq=1 file_seq=1 older"));
  // The DELETED entry goes when its manifest is written again.
  changes.removed_data = {RemovedFile::Of(table_->Data("b", 1))};
  changes.added = {};
  ExpectOk(Commit(changes));
  EXPECT_EQ(table_->current().operation(), "delete");
  EXPECT_THAT(Entries(), ElementsAre("data added c seq=2 file_seq=2 older",
                                     "data deleted b seq=1 file_seq=1 mine"));
  // A manifest without live files is left out of the next list.
  ExpectOk(table_->Append(call_, {"d"}, 1));
  EXPECT_THAT(Entries(), ElementsAre("data added d seq=4 file_seq=4 mine",
                                     "data added c seq=2 file_seq=2 older"));
}

TEST_F(Commits, MergeManifestsAtTheCount) {
  Open({.properties = {{"commit.manifest.min-count-to-merge", "3"}}});
  ExpectOk(table_->Append(call_, {"a"}, 1));
  ExpectOk(table_->Append(call_, {"b"}, 1));
  EXPECT_EQ(table_->Manifests(call_)->size(), 2u);
  ExpectOk(table_->Append(call_, {"c"}, 2));
  ASSERT_EQ(table_->Manifests(call_)->size(), 1u);
  EXPECT_THAT(Entries(), ElementsAre("data added c seq=3 file_seq=3 mine",
                                     "data existing b seq=2 file_seq=2 older",
                                     "data existing a seq=1 file_seq=1 older"));
  EXPECT_EQ(table_->Manifests(call_)->at(0).min_sequence_number, 1);
  EXPECT_EQ(table_->Manifests(call_)->at(0).sequence_number, 3);
  EXPECT_EQ(Summary("manifests-replaced"), "2");
  ExpectOk(table_->Append(call_, {"d"}, 2, SnapshotOperation::kFastAppend));
  ExpectOk(table_->Append(call_, {"e"}, 2, SnapshotOperation::kFastAppend));
  EXPECT_EQ(table_->Manifests(call_)->size(), 3u);
  EXPECT_EQ(Scan().size(), 5u);
  // Nothing but the list and what is used stays on disk.
  for (const std::string& path : files_.Locations()) EXPECT_THAT(path, HasSubstr("/metadata/"));
}

TEST_F(Commits, RollNewManifestsAtTheTargetSize) {
  Open({.properties = {{"commit.manifest.target-size-bytes", "1"},
                       {"commit.manifest-merge.enabled", "false"}}});
  ExpectOk(table_->Append(call_, {"a", "b", "c"}, 1));
  EXPECT_GE(table_->Manifests(call_)->size(), 2u);
  EXPECT_EQ(Scan().size(), 3u);
}

TEST_F(Commits, DeleteByFilter) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  ExpectOk(table_->Append(call_, {"b"}, 2));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kDelete;
  changes.row_filter = *ParseFilter("id < 50");
  EXPECT_EQ(Commit(changes).code(), Code::kInvalidArgument);  // some rows of both
  changes.row_filter = *ParseFilter("day = 1 and id < 50");
  EXPECT_EQ(Commit(changes).code(), Code::kInvalidArgument);
  changes.row_filter = *ParseFilter("day = 1 and id >= 0");
  ExpectOk(Commit(changes));
  EXPECT_THAT(Scan(), ElementsAre("b seq=2 deletes=[]"));
  changes.row_filter = *ParseFilter("id > 1000");
  ExpectOk(Commit(changes));
  EXPECT_EQ(Scan().size(), 1u);
  changes.row_filter = Expression::True();
  ExpectOk(Commit(changes));
  EXPECT_EQ(Scan().size(), 0u);
  EXPECT_EQ(Summary("total-records"), "0");
}

TEST_F(Commits, MissingFilesAreConflictsWhereAsked) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kDelete;
  changes.removed_data.push_back(RemovedFile::Of(table_->Data("nope", 1)));
  ExpectOk(Commit(changes));
  EXPECT_EQ(Summary("total-data-files"), "1");
  changes.removed_must_exist = true;
  Status status = Commit(changes);
  EXPECT_EQ(status.code(), Code::kConflict);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nope"));
}

TEST_F(Commits, ReplacePartitions) {
  Open();
  ExpectOk(table_->Append(call_, {"a", "b"}, 1));
  ExpectOk(table_->Append(call_, {"c"}, 2));
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added.push_back({table_->PositionDeletes("p", "", 1), {}});
  delta.added.push_back({table_->PositionDeletes("q", "", 2), {}});
  ExpectOk(Commit(delta));
  EXPECT_THAT(Scan(),
              ElementsAre("a seq=1 deletes=[p]", "b seq=1 deletes=[p]", "c seq=2 deletes=[q]"));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kReplacePartitions;
  changes.added.push_back({table_->Data("d", 1), {}});
  ExpectOk(Commit(changes));
  EXPECT_THAT(Scan(), ElementsAre("c seq=2 deletes=[q]", "d seq=4 deletes=[]"));
  EXPECT_EQ(table_->current().operation(), "overwrite");
  EXPECT_EQ(Summary("replace-partitions"), "true");
  EXPECT_EQ(Summary("removed-delete-files"), "1");
  EXPECT_EQ(Summary("total-delete-files"), "1");
}

TEST_F(Commits, ReplaceTheWholeOfAnUnpartitionedTable) {
  Open({.partitioned = false});
  ExpectOk(table_->Append(call_, {"a", "b"}));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kReplacePartitions;
  changes.added.push_back({table_->Data("c"), {}});
  ExpectOk(Commit(changes));
  EXPECT_THAT(Scan(), ElementsAre("c seq=2 deletes=[]"));
}

TEST_F(Commits, RowDeltaNamesItsOperation) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added.push_back({table_->PositionDeletes("p", "a", 1), {}});
  ExpectOk(Commit(delta));
  EXPECT_EQ(table_->current().operation(), "delete");
  EXPECT_EQ(Summary("added-position-deletes"), "5");
  EXPECT_EQ(Summary("added-position-delete-files"), "1");
  EXPECT_EQ(Summary("total-position-deletes"), "5");
  delta.added = {{table_->Data("b", 1), {}}};
  ExpectOk(Commit(delta));
  EXPECT_EQ(table_->current().operation(), "append");
  delta.added = {{table_->Data("c", 1), {}}, {table_->EqualityDeletes("e", 1, 0, 5), {}}};
  ExpectOk(Commit(delta));
  EXPECT_EQ(table_->current().operation(), "overwrite");
  EXPECT_EQ(Summary("added-equality-deletes"), "5");
  EXPECT_THAT(Scan(),
              ElementsAre("a seq=1 deletes=[e,p]", "b seq=3 deletes=[e]", "c seq=4 deletes=[]"));
}

TEST_F(Commits, RewriteKeepsTheGivenSequenceNumber) {
  Open();
  ExpectOk(table_->Append(call_, {"a", "b"}, 1));
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table_->PositionDeletes("p", "a", 1), {}},
                 {table_->EqualityDeletes("old", 1, 0, 5), {}}};
  ExpectOk(Commit(delta));
  SnapshotChanges rewrite;
  rewrite.operation = SnapshotOperation::kRewriteFiles;
  rewrite.checks.starting_snapshot_id = table_->current().snapshot_id;
  // Meanwhile equality deletes arrive: they must go on applying to the rewritten rows.
  delta.added = {{table_->EqualityDeletes("new", 1, 0, 5), {}}};
  ExpectOk(Commit(delta));
  rewrite.removed_data = {RemovedFile::Of(table_->Data("a", 1)),
                          RemovedFile::Of(table_->Data("b", 1))};
  rewrite.removed_deletes = {RemovedFile::Of(table_->PositionDeletes("p", "a", 1)),
                             RemovedFile::Of(table_->EqualityDeletes("old", 1, 0, 5))};
  rewrite.added = {{table_->Data("ab", 1), 2}};
  ExpectOk(Commit(rewrite));
  EXPECT_EQ(table_->current().operation(), "replace");
  EXPECT_THAT(Scan(), ElementsAre("ab seq=2 deletes=[new]"));
  EXPECT_THAT(Entries(), ElementsAre("data added ab seq=2 file_seq=4 mine",
                                     "data deleted a seq=1 file_seq=1 mine",
                                     "data deleted b seq=1 file_seq=1 mine",
                                     "deletes added new seq=3 file_seq=3 older",
                                     "deletes deleted p seq=2 file_seq=2 mine",
                                     "deletes deleted old seq=2 file_seq=2 mine"));
  EXPECT_EQ(table_->Manifests(call_)->at(0).min_sequence_number, 2);
  EXPECT_EQ(Summary("total-delete-files"), "1");
}

TEST_F(Commits, RewriteRefusesMoreRecordsAndMissingFiles) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  SnapshotChanges rewrite;
  rewrite.operation = SnapshotOperation::kRewriteFiles;
  rewrite.removed_data = {RemovedFile::Of(table_->Data("a", 1))};
  rewrite.added = {{table_->Data("b", 1), {}}, {table_->Data("c", 1), {}}};
  EXPECT_EQ(Commit(rewrite).code(), Code::kInvalidArgument);
  rewrite.added.pop_back();
  rewrite.removed_data.push_back(RemovedFile::Of(table_->Data("gone", 1)));
  rewrite.checks.starting_snapshot_id = table_->current().snapshot_id;
  EXPECT_EQ(Commit(rewrite).code(), Code::kConflict);
  EXPECT_EQ(files_.size(), 2u) << "a refused commit leaves nothing behind";
}

TEST_F(Commits, DeletesByKeyThatBecomeDeletesByPositionAreSeenByRewritesOfOthers) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  // Somebody rewrites a, and will keep its sequence number, so that deletes by key apply on.
  SnapshotChanges theirs;
  theirs.operation = SnapshotOperation::kRewriteFiles;
  theirs.checks.starting_snapshot_id = table_->current().snapshot_id;
  theirs.removed_data = {RemovedFile::Of(table_->Data("a", 1))};
  theirs.added = {{table_->Data("a2", 1), table_->current().sequence_number}};
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table_->EqualityDeletes("e", 1, 0, 5), {}}};
  ExpectOk(Commit(delta));
  SnapshotChanges ours;
  ours.operation = SnapshotOperation::kRewriteFiles;
  ours.resolves_keys = true;
  ours.checks.starting_snapshot_id = table_->current().snapshot_id;
  ours.removed_deletes = {RemovedFile::Of(table_->EqualityDeletes("e", 1, 0, 5))};
  ours.added = {{table_->PositionDeletes("p", "a", 1), {}}};
  ExpectOk(Commit(ours));
  EXPECT_EQ(table_->current().operation(), "overwrite");
  EXPECT_EQ(Commit(theirs).code(), Code::kConflict) << "what e deleted would come back";
}

TEST_F(Commits, OldDeletesGoWhenNoDataIsOlder) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table_->EqualityDeletes("e", 1, 0, 5), {}}};
  ExpectOk(Commit(delta));
  ExpectOk(table_->Append(call_, {"b"}, 1));
  SnapshotChanges rewrite;
  rewrite.operation = SnapshotOperation::kRewriteFiles;
  rewrite.checks.starting_snapshot_id = table_->current().snapshot_id;
  rewrite.removed_data = {RemovedFile::Of(table_->Data("a", 1))};
  rewrite.added = {{table_->Data("a2", 1), 3}};
  ExpectOk(Commit(rewrite));
  EXPECT_EQ(Summary("total-delete-files"), "0") << "e is older than all data";
  EXPECT_THAT(Scan(), ElementsAre("a2 seq=3 deletes=[]", "b seq=3 deletes=[]"));
}

TEST_F(Commits, RewriteManifestsKeepsFiles) {
  Open({.properties = {{"commit.manifest-merge.enabled", "false"}}});
  for (const char* name : {"a", "b", "c"}) ExpectOk(table_->Append(call_, {name}, 1));
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table_->EqualityDeletes("e", 1, 0, 5), {}}};
  ExpectOk(Commit(delta));
  Lines before = Scan();
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRewriteManifests;
  ExpectOk(Commit(changes));
  EXPECT_EQ(table_->Manifests(call_)->size(), 2u);
  EXPECT_EQ(Scan(), before);
  EXPECT_EQ(Summary("entries-processed"), "3");
  EXPECT_EQ(Summary("manifests-replaced"), "3");
  EXPECT_EQ(Summary("total-data-files"), "3");
  EXPECT_EQ(table_->current().operation(), "replace");
  changes.rewrite_manifests = {"file:///warehouse/t/metadata/nope.avro"};
  EXPECT_EQ(Commit(changes).code(), Code::kConflict);
}

TEST_F(Commits, OfVersion3AssignRowIds) {
  Open({.format_version = 3});
  ExpectOk(table_->Append(call_, {"a", "b"}, 1));
  EXPECT_EQ(table_->current().first_row_id, 0);
  EXPECT_EQ(table_->current().added_rows, 200);
  EXPECT_EQ(table_->metadata()->next_row_id, 200);
  ExpectOk(table_->Append(call_, {"c"}, 2));
  EXPECT_EQ(table_->current().first_row_id, 200);
  EXPECT_EQ(table_->metadata()->next_row_id, 300);
  auto manifests = table_->Manifests(call_);
  EXPECT_EQ(manifests->at(0).first_row_id, 200);
  EXPECT_EQ(manifests->at(1).first_row_id, 0);
}

TEST_F(Commits, OfVersion3TakeVectorsAlongWithTheirData) {
  Open({.format_version = 3});
  ExpectOk(table_->Append(call_, {"a", "b"}, 1));
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table_->PositionDeletes("p", "a", 1), {}}};
  EXPECT_EQ(Commit(delta).code(), Code::kInvalidArgument);
  delta.added = {{table_->DeletionVector("v", "a", 1, 4), {}},
                 {table_->DeletionVector("v", "b", 1, 44), {}}};
  ExpectOk(Commit(delta));
  EXPECT_EQ(Summary("added-dvs"), "2");
  EXPECT_EQ(Summary("added-files-size"), "80");
  EXPECT_THAT(Scan(), ElementsAre("a seq=1 deletes=[v]", "b seq=1 deletes=[v]"));
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kDelete;
  changes.removed_data = {RemovedFile::Of(table_->Data("a", 1))};
  ExpectOk(Commit(changes));
  EXPECT_EQ(Summary("removed-dvs"), "1");
  EXPECT_EQ(Summary("total-delete-files"), "1");
  // One of the vectors of a Puffin file is replaced.
  delta.added = {{table_->DeletionVector("w", "b", 1, 4), {}}};
  delta.removed_deletes = {RemovedFile::Of(table_->DeletionVector("v", "b", 1, 44))};
  delta.removed_must_exist = true;
  delta.checks.starting_snapshot_id = table_->current().snapshot_id;
  ExpectOk(Commit(delta));
  EXPECT_THAT(Scan(), ElementsAre("b seq=1 deletes=[w]"));
}

TEST_F(Commits, ToABranchLeaveMainAlone) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  int64_t main = table_->current().snapshot_id;
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kFastAppend;
  changes.branch = "audit";
  changes.added = {{table_->Data("b", 1), {}}};
  ExpectOk(Commit(changes));
  EXPECT_EQ(table_->current().snapshot_id, main);
  EXPECT_EQ(table_->Scan(call_, "", "audit")->size(), 2u);
  EXPECT_EQ(Scan().size(), 1u);
  ExpectOk(table_->Append(call_, {"c"}, 1));
  EXPECT_EQ(table_->current().sequence_number, 3);
  ASSERT_TRUE(table_
                  ->Apply({{},
                           {update::SetSnapshotRef{
                               "tag", {.snapshot_id = main, .type = SnapshotRef::Type::kTag}}}})
                  .ok());
  changes.branch = "tag";
  EXPECT_EQ(Commit(changes).code(), Code::kInvalidArgument);
}

TEST_F(Commits, RefuseWhatDoesNotFit) {
  Open();
  ExpectOk(table_->Append(call_, {"a"}, 1));
  struct Case {
    const char* what;
    std::function<void(SnapshotChanges&)> change;
  };
  for (const Case& c : std::vector<Case>{
           {"append of deletes",
            [&](auto& s) {
              s.added = {{table_->PositionDeletes("p", "a", 1), {}}};
            }},
           {"append that removes",
            [&](auto& s) { s.removed_data = {RemovedFile::Of(table_->Data("a", 1))}; }},
           {"unknown spec",
            [&](auto& s) {
              s.added = {{table_->Data("b", 1), {}}};
              s.added[0].file.spec_id = 9;
            }},
           {"wrong tuple",
            [&](auto& s) {
              s.added = {{table_->Data("b", 1), {}}};
              s.added[0].file.partition.clear();
            }},
           {"same file twice",
            [&](auto& s) {
              s.added = {{table_->Data("b", 1), {}}, {table_->Data("b", 1), {}}};
            }},
           {"vector in version 2",
            [&](auto& s) {
              s.operation = SnapshotOperation::kRowDelta;
              s.added = {{table_->DeletionVector("v", "a", 1, 4), {}}};
            }},
           {"sequence number of the future",
            [&](auto& s) {
              s.added = {{table_->Data("b", 1), 7}};
            }},
           {"equality deletes without columns",
            [&](auto& s) {
              s.operation = SnapshotOperation::kRowDelta;
              s.added = {{table_->EqualityDeletes("e", 1, 0, 1), {}}};
              s.added[0].file.equality_ids.clear();
            }},
           {"data with its own deletes",
            [&](auto& s) {
              s.operation = SnapshotOperation::kRowDelta;
              s.added = {{table_->PositionDeletes("p", "a", 1), {}}};
              s.removed_data = {RemovedFile::Of(table_->Data("a", 1))};
            }},
       }) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kFastAppend;
    c.change(changes);
    EXPECT_EQ(Commit(changes).code(), Code::kInvalidArgument) << c.what;
  }
  EXPECT_EQ(files_.size(), 2u);
}

}  // namespace
}  // namespace moraine::iceberg
