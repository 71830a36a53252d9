#include "moraine/upkeep/dangling_deletes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::upkeep {
namespace {

using iceberg::AddedFile;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestEntry;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

/// A table, and the task on it.
class Fixture {
 public:
  explicit Fixture(int version, bool partitioned = true, uint64_t seed = 1)
      : env_(seed), table_(files_, {.format_version = version, .partitioned = partitioned}) {}

  iceberg::TestTable& table() { return table_; }
  Call& call() { return call_; }

  Status Commit(SnapshotOperation operation, std::vector<AddedFile> added,
                const std::vector<DataFile>& removed = {}) {
    SnapshotChanges changes;
    changes.operation = operation;
    changes.added = std::move(added);
    for (const DataFile& file : removed)
      changes.removed_data.push_back(iceberg::RemovedFile::Of(file));
    if (const auto* head = table_.metadata()->CurrentSnapshot())
      changes.checks.starting_snapshot_id = head->snapshot_id;
    return table_.Commit(call_, std::move(changes)).status();
  }

  Result<DanglingDeletes> Find(int64_t max_files = 100, JobOptions options = {}) {
    MORAINE_ASSIGN(const std::string location, table_.WriteMetadata(call_));
    tasks::MaintenanceTask task;
    task.kind = kFindDanglingDeletes;
    task.table_uuid = table_.metadata()->table_uuid;
    task.body = ToBody({{location, table_.metadata()->current_snapshot_id}, max_files});
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files_, task, options, nullptr));
    return DanglingDeletesOf(output, *table_.metadata());
  }

  Status Remove(const DanglingDeletes& found) {
    return table_.Commit(call_, RemoveDanglingDeletes(found)).status();
  }

  std::vector<ManifestEntry> Entries() {
    std::vector<ManifestEntry> entries;
    const auto& metadata = *table_.metadata();
    for (const auto& manifest :
         *iceberg::LoadManifests(call_, files_, metadata, table_.current())) {
      auto spec = *iceberg::SpecOf(metadata, manifest);
      EXPECT_TRUE(iceberg::ReadManifest(call_, files_, manifest, *spec, metadata.CurrentSchema(),
                                        {},
                                        [&](ManifestEntry& entry) -> Status {
                                          entries.push_back(entry);
                                          return {};
                                        })
                      .ok());
    }
    return entries;
  }

 private:
  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  iceberg::TestTable table_;
};

std::vector<std::string> Names(const DanglingDeletes& found) {
  std::vector<std::string> names;
  for (const auto& file : found.files)
    names.push_back(iceberg::ShortName(file.path) +
                    (file.content_offset ? fmt::format("#{}", *file.content_offset) : ""));
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> Found(Fixture& fixture) {
  auto found = fixture.Find();
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return found.ok() ? Names(*found) : std::vector<std::string>{"error"};
}

TEST(DanglingDeletes, AreThoseBelowAllDataOfTheirPartition) {
  Fixture f(2);
  auto& t = f.table();
  ASSERT_TRUE(
      f.Commit(SnapshotOperation::kFastAppend, {{t.Data("a", 1), {}}, {t.Data("b", 2), {}}}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {{t.PositionDeletes("p1", "", 1), {}},
                                                      {t.EqualityDeletes("e1", 1, 0, 5), {}},
                                                      {t.EqualityDeletes("e2", 2, 0, 5), {}},
                                                      {t.PositionDeletes("pa", "a", 1), {}},
                                                      // Nothing was ever in this partition.
                                                      {t.EqualityDeletes("e3", 3, 0, 5), {}}})
                  .ok());
  EXPECT_THAT(Found(f), ElementsAre("e3"));
  // A rewrite with the number of the snapshot that it read: equality deletes of it don't reach it,
  // position deletes of the same number do.
  AddedFile rewritten{t.Data("a2", 1), t.metadata()->last_sequence_number};
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRewriteFiles, {rewritten}, {t.Data("a", 1)}).ok());
  EXPECT_THAT(Found(f), ElementsAre("e1", "e3", "pa"));
  auto found = f.Find();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->highest_sequence, 2);
  EXPECT_EQ(found->bytes, 150);
  const auto before = t.Scan(f.call());
  ASSERT_TRUE(f.Remove(*found).ok());
  EXPECT_EQ(*t.Scan(f.call()), *before);
  EXPECT_THAT(Found(f), IsEmpty());
  EXPECT_EQ(t.current().summary.at("operation"), "replace");
}

TEST(DanglingDeletes, OfSpecsWithoutPartitionsReachTheWholeTable) {
  Fixture f(2, false);
  auto& t = f.table();
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {{t.Data("a"), {}}}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {{t.EqualityDeletes("e", 0, 0, 5), {}}}).ok());
  // The table is partitioned from now on: the delete still reaches files of either spec.
  iceberg::CommitRequest evolve;
  iceberg::PartitionSpec spec;
  spec.fields.push_back({{2}, 0, "day", iceberg::Transform::Identity()});
  evolve.updates = {iceberg::update::AddPartitionSpec{spec},
                    iceberg::update::SetDefaultSpec{iceberg::kLastAdded}};
  ASSERT_TRUE(t.Apply(evolve).ok());
  AddedFile moved{t.Data("b", 3), 1};
  ASSERT_EQ(t.metadata()->default_spec_id, 1);
  DataFile old = t.Data("a");
  old.spec_id = 0;
  old.partition.clear();
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRewriteFiles, {moved}, {old}).ok());
  EXPECT_THAT(Found(f), IsEmpty());
  AddedFile again{t.Data("c", 3), 2};
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRewriteFiles, {again}, {t.Data("b", 3)}).ok());
  // The commit of the rewrite dropped it by itself, or it is found now.
  auto found = f.Find();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->delete_files, static_cast<int64_t>(found->files.size()));
}

TEST(DanglingDeletes, VectorsGoWithTheirDataFile) {
  Fixture f(3);
  auto& t = f.table();
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {{t.Data("a", 1), {}}}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {{t.DeletionVector("v", "a", 1, 4), {}},
                                                      {t.DeletionVector("v", "gone", 1, 50), {}}})
                  .ok());
  EXPECT_THAT(Found(f), ElementsAre("v#50"));
  auto found = f.Find();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->bytes, 40);
  ASSERT_TRUE(f.Remove(*found).ok());
  EXPECT_THAT(Found(f), IsEmpty());
  EXPECT_THAT(*t.Scan(f.call()), ElementsAre("a seq=1 deletes=[v]"));
}

TEST(DanglingDeletes, ComeInPieces) {
  Fixture f(2);
  auto& t = f.table();
  std::vector<AddedFile> deletes;
  for (int i = 0; i < 7; ++i)
    deletes.push_back({t.EqualityDeletes(fmt::format("e{}", i), 1, 0, 5), {}});
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {{t.Data("a", 2), {}}}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, deletes).ok());
  size_t removed = 0;
  for (bool more = true; more;) {
    auto found = f.Find(3);
    ASSERT_TRUE(found.ok());
    more = found->more;
    removed += found->files.size();
    ASSERT_TRUE(f.Remove(*found).ok());
  }
  EXPECT_EQ(removed, 7u);
  JobOptions small;
  small.memory_bytes = 0;
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, deletes).ok());
  EXPECT_EQ(f.Find(3, small).status().code(), Code::kExhausted);
}

TEST(DanglingDeletes, StayIfOldDataComesMeanwhile) {
  Fixture f(2);
  auto& t = f.table();
  ASSERT_TRUE(
      f.Commit(SnapshotOperation::kFastAppend, {{t.Data("a", 1), {}}, {t.Data("b", 2), {}}}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {{t.EqualityDeletes("e", 3, 0, 5), {}}}).ok());
  auto found = f.Find();
  ASSERT_TRUE(found.ok());
  ASSERT_THAT(Names(*found), ElementsAre("e"));
  // Data of another partition, and newer data of this one, do no harm.
  ASSERT_TRUE(t.Append(f.call(), {"c"}, 3).ok());
  AddedFile other{t.Data("a2", 1), 1};
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRewriteFiles, {other}, {t.Data("a", 1)}).ok());
  // A rewrite that brings old rows into the partition does.
  AddedFile old{t.Data("b2", 3), 1};
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRewriteFiles, {old}, {t.Data("b", 2)}).ok());
  EXPECT_EQ(f.Remove(*found).code(), Code::kConflict);
  EXPECT_THAT(Found(f), IsEmpty());
}

TEST(DanglingDeletes, AreNotLookedForWhereThereAreNone) {
  Fixture f(2);
  io::MemoryFileSystem none;
  EXPECT_NE(*NoDeletesReason(f.call(), none, *f.table().metadata()), "");
  ASSERT_TRUE(f.table().Append(f.call(), {"a"}).ok());
  EXPECT_NE(*NoDeletesReason(f.call(), none, *f.table().metadata()), "");
}

/// Whether a delete applies to a data file, by the spec's words and nothing else.
bool Applies(const ManifestEntry& deletes, const ManifestEntry& data) {
  const int64_t mine = *deletes.sequence_number, its = *data.sequence_number;
  if (deletes.file.content == FileContent::kEqualityDeletes)
    return its < mine && iceberg::SameTuple(deletes.file.partition, data.file.partition);
  if (deletes.file.referenced_data_file)
    return its <= mine && *deletes.file.referenced_data_file == data.file.file_path;
  return its <= mine && iceberg::SameTuple(deletes.file.partition, data.file.partition);
}

class RandomHistory : public ::testing::TestWithParam<int> {};

TEST_P(RandomHistory, FindsJustThoseThatApplyToNothing) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    const int version = GetParam();
    Fixture f(version, true, seed);
    auto& t = f.table();
    Random& random = f.call().random();
    std::map<std::string, DataFile> live;
    int next = 0;
    auto day = [&] { return static_cast<int32_t>(random.Below(3)); };
    auto name = [&] { return fmt::format("f{}", next++); };
    auto day_of = [](const DataFile& file) { return std::get<int32_t>(file.partition[0]); };
    for (int step = 0; step < 25; ++step) {
      const uint64_t kind = random.Below(4);
      if (kind == 0 || live.size() < 2) {
        const DataFile file = t.Data(name(), day());
        ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {{file, {}}}).ok());
        live[file.file_path] = file;
      } else if (kind == 1) {
        const DataFile& about =
            std::next(live.begin(), static_cast<ptrdiff_t>(random.Below(live.size())))->second;
        DataFile deletes = t.EqualityDeletes(name(), day(), 0, 99);
        if (random.Below(2) == 0 && version == 2)
          deletes = t.PositionDeletes(
              name(), random.Below(2) == 0 ? iceberg::ShortName(about.file_path) : "",
              day_of(about));
        ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {{deletes, {}}}).ok());
      } else {
        auto at = std::next(live.begin(), static_cast<ptrdiff_t>(random.Below(live.size())));
        const DataFile old = at->second;
        const DataFile file = t.Data(name(), day_of(old));
        const auto number = static_cast<int64_t>(
            random.Below(static_cast<uint64_t>(t.metadata()->last_sequence_number) + 1));
        std::vector<AddedFile> added;
        if (kind == 3) added.push_back({file, std::max<int64_t>(1, number)});
        ASSERT_TRUE(
            f.Commit(kind == 3 ? SnapshotOperation::kRewriteFiles : SnapshotOperation::kOverwrite,
                     added, {old})
                .ok());
        live.erase(at);
        if (kind == 3) live[file.file_path] = file;
      }
      std::vector<std::string> expected;
      const auto entries = f.Entries();
      for (const auto& deletes : entries) {
        if (deletes.file.content == FileContent::kData) continue;
        if (std::none_of(entries.begin(), entries.end(), [&](const ManifestEntry& data) {
              return data.file.content == FileContent::kData && Applies(deletes, data);
            }))
          expected.push_back(iceberg::ShortName(deletes.file.file_path));
      }
      auto found = f.Find(1000);
      ASSERT_TRUE(found.ok()) << found.status().ToString();
      ASSERT_THAT(Names(*found), UnorderedElementsAreArray(expected));
      if (found->files.empty() || random.Below(3) != 0) continue;
      const auto before = *t.Scan(f.call());
      ASSERT_TRUE(f.Remove(*found).ok());
      ASSERT_EQ(*t.Scan(f.call()), before);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Versions, RandomHistory, ::testing::Values(2, 3));

}  // namespace
}  // namespace moraine::upkeep
