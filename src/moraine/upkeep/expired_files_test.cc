// Random histories against a second way to find the same: everything that each snapshot reaches,
// read whole and compared as sets.

#include "moraine/upkeep/expired_files.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/find_expired_files.h"

namespace moraine::upkeep {
namespace {

using iceberg::AddedFile;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::RemovedFile;
using iceberg::Snapshot;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using iceberg::SnapshotRef;
using iceberg::TableMetadata;
using iceberg::TestTable;
using Paths = std::set<std::string>;

class ExpiryWorld {
 public:
  ExpiryWorld(int version, uint64_t seed)
      : env_(seed),
        random_(seed),
        version_(version),
        table_(files_, {.format_version = version,
                        .properties = {{"commit.manifest.min-count-to-merge", "3"},
                                       {"commit.manifest.target-size-bytes", "12000"}}}) {}

  const TableMetadata& table() const { return *table_.metadata(); }
  TestTable& test_table() { return table_; }
  io::MemoryFileSystem& files() { return files_; }
  Call& call() { return call_; }

  std::vector<ManifestEntry> Live(const Snapshot& snapshot) {
    std::vector<ManifestEntry> live;
    for (const ManifestFile& manifest :
         iceberg::LoadManifests(call_, files_, table(), snapshot).value()) {
      auto spec = iceberg::SpecOf(table(), manifest).value();
      EXPECT_TRUE(iceberg::ReadManifest(call_, files_, manifest, *spec, table().CurrentSchema(), {},
                                        [&](ManifestEntry& entry) {
                                          live.push_back(entry);
                                          return Status();
                                        })
                      .ok());
    }
    return live;
  }

  /// All that the snapshot needs.
  const Paths& Reach(const Snapshot& snapshot) {
    auto [found, is_new] = reach_.try_emplace(snapshot.snapshot_id);
    if (!is_new) return found->second;
    found->second.insert(snapshot.manifest_list);
    for (const ManifestFile& manifest :
         iceberg::LoadManifests(call_, files_, table(), snapshot).value())
      found->second.insert(manifest.manifest_path);
    for (const ManifestEntry& entry : Live(snapshot)) found->second.insert(entry.file.file_path);
    return found->second;
  }

  void RandomStep() {
    env_.clock().Advance(std::chrono::minutes(10));
    const auto kind = random_.Below(14);
    if (table().snapshots.empty() || kind < 3) return Append();
    switch (kind) {
      case 3:
      case 4:
        return Remove();
      case 5:
      case 6:
        return Rewrite();
      case 7:
        return Delta();
      case 8:
        return RewriteManifests();
      case 9:
        return SetRef();
      case 10:
        return RollBack();
      case 11:
        return CherryPick();
      case 12:
        return AddAgain();
      default:
        return Stage();
    }
  }

  /// Plans, asks what it would free, commits, asks again, compares, deletes.
  void Expire() {
    const MaintenanceConfig config =
        MaintenanceConfigOf({{"snapshot.keep.duration", fmt::format("{}min", random_.Below(200))},
                             {"snapshot.keep.min-count", std::to_string(1 + random_.Below(4))}});
    ExpiryContext context;
    context.now_ms = ToMillis(call_.clock().Wall());
    if (random_.Below(3) == 0) context.max_snapshots = 1 + random_.Below(5);
    const ExpiryPlan plan = PlanSnapshotExpiry(table(), config, context);
    if (!plan.nothing.empty()) return;
    Paths retained, expected;
    std::set<int64_t> removed;
    for (const auto& one : plan.expired.snapshots) removed.insert(one.snapshot_id);
    for (const auto& snapshot : table().snapshots) {
      const Paths& reach = Reach(*snapshot);
      Paths& side = removed.contains(snapshot->snapshot_id) ? expected : retained;
      side.insert(reach.begin(), reach.end());
    }
    for (const auto& path : retained) expected.erase(path);
    EXPECT_EQ(Find(plan, true), expected);
    ASSERT_TRUE(table_.Apply(plan.request).ok());
    EXPECT_EQ(Find(plan, false), expected);
    Delete(expected);
    const auto before = std::exchange(reach_, {});
    for (const auto& snapshot : table().snapshots)
      EXPECT_EQ(Reach(*snapshot), before.at(snapshot->snapshot_id));
    freed_ += expected.size();
  }

  Paths Find(const ExpiryPlan& plan, bool before_commit) {
    ExpiredFilesOptions options;
    options.before_commit = before_commit;
    if (random_.Below(4) == 0) options.memory_bytes = 2'000;  // several passes
    Paths found;
    ExpiredKind last = ExpiredKind::kData;
    auto counts = FindExpiredFiles(
        call_, files_, table(), plan.expired, options, nullptr, [&](const ExpiredFile& file) {
          EXPECT_TRUE(found.insert(file.path).second) << file.path << " comes twice";
          const bool is_content = file.kind <= ExpiredKind::kDeletes;
          EXPECT_TRUE(is_content ? last <= ExpiredKind::kDeletes : last <= file.kind);
          last = file.kind;
          return Status();
        });
    EXPECT_TRUE(counts.ok()) << counts.status().ToString();
    if (counts.ok()) {
      EXPECT_EQ(counts->all_files(), static_cast<int64_t>(found.size()));
    }
    return found;
  }

  size_t freed() const { return freed_; }

 private:
  std::string Name() { return "f" + std::to_string(next_++); }
  int32_t Day() { return static_cast<int32_t>(random_.Below(3)); }

  std::string Branch() {
    std::vector<std::string> branches = {iceberg::kMainBranch};
    for (const auto& [name, ref] : table().refs) {
      if (ref.type == SnapshotRef::Type::kBranch) branches.push_back(name);
    }
    return random_.Below(2) == 0 ? branches[0] : branches[random_.Below(branches.size())];
  }

  SnapshotChanges On(const std::string& branch, SnapshotOperation operation) {
    SnapshotChanges changes;
    changes.operation = operation;
    changes.branch = branch;
    if (const Snapshot* head = table().FindRef(branch))
      changes.checks.starting_snapshot_id = head->snapshot_id;
    return changes;
  }

  void Commit(SnapshotChanges changes) {
    // What is not allowed does not happen, which is as good as any other step.
    (void)table_.Commit(call_, std::move(changes));
  }

  void Append() {
    SnapshotChanges changes = On(Branch(), random_.Below(2) == 0 ? SnapshotOperation::kFastAppend
                                                                 : SnapshotOperation::kAppend);
    for (uint64_t i = 0; i <= random_.Below(4); ++i)
      changes.added.push_back({table_.Data(Name(), Day()), {}});
    Commit(std::move(changes));
  }

  std::vector<ManifestEntry> SomeData(const std::string& branch, size_t most) {
    std::vector<ManifestEntry> some;
    const Snapshot* head = table().FindRef(branch);
    if (head == nullptr) return some;
    for (auto& entry : Live(*head)) {
      if (entry.file.content == iceberg::FileContent::kData && some.size() < most &&
          random_.Below(3) == 0)
        some.push_back(std::move(entry));
    }
    return some;
  }

  void Remove() {
    const std::string branch = Branch();
    SnapshotChanges changes = On(branch, SnapshotOperation::kOverwrite);
    for (const auto& entry : SomeData(branch, 3)) {
      changes.removed_data.push_back(RemovedFile::Of(entry.file));
      removed_.push_back(entry.file);
    }
    if (!changes.removed_data.empty()) Commit(std::move(changes));
  }

  void Rewrite() {
    const std::string branch = Branch();
    SnapshotChanges changes = On(branch, SnapshotOperation::kRewriteFiles);
    changes.summary["snapshot.producer"] = "OPTIMIZE";
    for (const auto& entry : SomeData(branch, 4)) {
      changes.removed_data.push_back(RemovedFile::Of(entry.file));
      if (random_.Below(2) == 0) continue;
      const int32_t day = std::get<int32_t>(entry.file.partition[0]);
      changes.added.push_back({table_.Data(Name(), day), entry.sequence_number});
    }
    if (version_ == 1) {
      for (auto& file : changes.added) file.data_sequence_number.reset();
    }
    if (!changes.removed_data.empty()) Commit(std::move(changes));
  }

  void Delta() {
    if (version_ == 1) return;
    const std::string branch = Branch();
    SnapshotChanges changes = On(branch, SnapshotOperation::kRowDelta);
    if (random_.Below(3) == 0) {
      changes.added.push_back({table_.EqualityDeletes(Name(), Day(), 0, 10), {}});
    } else {
      const std::string puffin = Name();
      int64_t offset = 4;
      for (const auto& entry : SomeData(branch, 3)) {
        const std::string about = iceberg::ShortName(entry.file.file_path);
        const int32_t day = std::get<int32_t>(entry.file.partition[0]);
        if (version_ == 2) {
          changes.added.push_back({table_.PositionDeletes(Name(), about, day), {}});
        } else if (vectors_.insert(branch + " " + about).second) {
          changes.added.push_back({table_.DeletionVector(puffin, about, day, offset), {}});
          offset += 40;
        }
      }
    }
    if (!changes.added.empty()) Commit(std::move(changes));
  }

  void RewriteManifests() {
    const std::string branch = Branch();
    if (table().FindRef(branch) != nullptr)
      Commit(On(branch, SnapshotOperation::kRewriteManifests));
  }

  const Snapshot& AnySnapshot() {
    return *table().snapshots[random_.Below(table().snapshots.size())];
  }

  void Update(iceberg::TableUpdate update) {
    iceberg::CommitRequest request;
    request.updates.push_back(std::move(update));
    ASSERT_TRUE(table_.Apply(request).ok());
  }

  void SetRef() {
    const std::string name = fmt::format("r{}", random_.Below(4));
    if (table().refs.contains(name)) return Update(iceberg::update::RemoveSnapshotRef{name});
    SnapshotRef ref;
    ref.snapshot_id = AnySnapshot().snapshot_id;
    ref.type = random_.Below(2) == 0 ? SnapshotRef::Type::kBranch : SnapshotRef::Type::kTag;
    if (random_.Below(2) == 0) ref.max_ref_age_ms = 60'000 * (1 + random_.Below(300));
    Update(iceberg::update::SetSnapshotRef{name, ref});
  }

  void RollBack() {
    const Snapshot* head = table().CurrentSnapshot();
    if (head == nullptr || !head->parent_snapshot_id ||
        table().FindSnapshot(*head->parent_snapshot_id) == nullptr)
      return;
    SnapshotRef ref;
    ref.snapshot_id = *head->parent_snapshot_id;
    Update(iceberg::update::SetSnapshotRef{iceberg::kMainBranch, ref});
  }

  /// Files that another snapshot added, added to main as well.
  void CherryPick() {
    const Snapshot& picked = AnySnapshot();
    SnapshotChanges changes = On(iceberg::kMainBranch, SnapshotOperation::kFastAppend);
    changes.summary["source-snapshot-id"] = std::to_string(picked.snapshot_id);
    Paths live;
    if (table().CurrentSnapshot() != nullptr) live = Reach(*table().CurrentSnapshot());
    for (const auto& entry : Live(picked)) {
      if (entry.snapshot_id == picked.snapshot_id &&
          entry.file.content == iceberg::FileContent::kData &&
          !live.contains(entry.file.file_path)) {
        changes.added.push_back({entry.file, {}});
        changes.added.back().file.first_row_id.reset();
      }
    }
    if (!changes.added.empty()) Commit(std::move(changes));
  }

  void AddAgain() {
    if (removed_.empty()) return;
    iceberg::DataFile file = removed_[random_.Below(removed_.size())];
    file.first_row_id.reset();
    const std::string branch = Branch();
    const Snapshot* head = table().FindRef(branch);
    if (gone_.contains(file.file_path) ||
        (head != nullptr && Reach(*head).contains(file.file_path)))
      return;
    SnapshotChanges changes = On(branch, SnapshotOperation::kAppend);
    changes.added.push_back({file, {}});
    Commit(std::move(changes));
  }

  /// A snapshot that no ref names.
  void Stage() {
    SnapshotChanges changes = On(iceberg::kMainBranch, SnapshotOperation::kFastAppend);
    changes.added.push_back({table_.Data(Name(), Day()), {}});
    iceberg::SnapshotProducer producer(files_, std::move(changes));
    auto prepared = producer.Prepare(call_, table_.metadata());
    ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
    Update(iceberg::update::AddSnapshot{prepared->snapshot});
  }

  void Delete(const Paths& paths) {
    for (const auto& path : paths) files_.Remove(path);
    gone_.insert(paths.begin(), paths.end());
  }

  testing::TestEnv env_;
  Call call_{env_.env(), std::chrono::hours(10'000)};
  testing::SeededRandom random_;
  const int version_;
  io::MemoryFileSystem files_;
  TestTable table_;
  int next_ = 0;
  size_t freed_ = 0;
  std::map<int64_t, Paths> reach_;  // by snapshot
  std::vector<iceberg::DataFile> removed_;
  Paths gone_;
  Paths vectors_;
};

TEST(ExpiredFiles, ExactOverRandomHistories) {
  size_t freed = 0;
  for (uint64_t seed = 1; seed <= 40 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    ExpiryWorld world(1 + static_cast<int>(seed % 3), seed);
    for (int round = 0; round < 3 && !::testing::Test::HasFailure(); ++round) {
      for (int i = 0; i < 12; ++i) world.RandomStep();
      world.Expire();
    }
    freed += world.freed();
  }
  EXPECT_GT(freed, 1'000u);
}

/// A line of appends to one branch, expired up to the last few.
class ExpiredFilesOfALine : public testing::Test {
 protected:
  explicit ExpiredFilesOfALine(int version = 2)
      : table_(files_, {.format_version = version,
                        .properties = {{"commit.manifest-merge.enabled", "false"}}}) {}

  ExpiryPlan PlanKeeping(int64_t count) {
    env_.clock().Advance(std::chrono::hours(24));
    ExpiryContext context;
    context.now_ms = ToMillis(env_.clock().Wall());
    return PlanSnapshotExpiry(
        *table_.metadata(),
        MaintenanceConfigOf(
            {{"snapshot.keep.duration", "1h"}, {"snapshot.keep.min-count", std::to_string(count)}}),
        context);
  }
  void Remove(const std::string& name, int32_t day = 0) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kOverwrite;
    changes.removed_data.push_back(RemovedFile::Of(table_.Data(name, day)));
    ASSERT_TRUE(table_.Commit(call_, std::move(changes)).ok());
  }
  Result<ExpiredFilesCounts> Find(const ExpiryPlan& plan,
                                  std::vector<std::string>* data = nullptr) {
    return FindExpiredFiles(call_, files_, *table_.metadata(), plan.expired, {}, nullptr,
                            [&](const ExpiredFile& file) {
                              if (data != nullptr && file.kind == ExpiredKind::kData)
                                data->push_back(iceberg::ShortName(file.path));
                              return Status();
                            });
  }

  testing::TestEnv env_;
  Call call_{env_.env(), std::chrono::hours(10'000)};
  io::MemoryFileSystem files_;
  TestTable table_;
};

TEST_F(ExpiredFilesOfALine, WhatOnlyGrowsCostsTheListsOfWhatExpires) {
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(table_.Append(call_, {fmt::format("f{}", i)}).ok());
  const ExpiryPlan plan = PlanKeeping(30);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  auto counts = Find(plan);
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts->all_files(), 10);  // lists
  EXPECT_EQ(counts->lists_read, 11);
  EXPECT_EQ(counts->manifests_read, 0);
}

TEST_F(ExpiredFilesOfALine, WhatAllShareIsNotRead) {
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(table_.Append(call_, {fmt::format("f{}", i)}).ok());
  Remove("f3");
  for (int i = 40; i < 50; ++i) ASSERT_TRUE(table_.Append(call_, {fmt::format("f{}", i)}).ok());
  // One snapshot expires: the last one that has f3.
  ExpiryPlan all = PlanKeeping(12);
  ASSERT_TRUE(table_.Apply(all.request).ok());
  const ExpiryPlan plan = PlanKeeping(11);
  ASSERT_EQ(plan.expired.snapshots.size(), 1u);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  std::vector<std::string> data;
  auto counts = Find(plan, &data);
  ASSERT_TRUE(counts.ok());
  EXPECT_THAT(data, testing::ElementsAre("f3"));
  // Of the removed one, the oldest that stays, and the newest, which shows what all others added.
  EXPECT_EQ(counts->lists_read, 3);
  // That of f3, and those that were added since.
  EXPECT_EQ(counts->manifests_read, 11);
}

TEST_F(ExpiredFilesOfALine, AFileThatCameBackStays) {
  ASSERT_TRUE(table_.Append(call_, {"a", "b"}).ok());
  Remove("a");
  Remove("b");
  ASSERT_TRUE(table_.Append(call_, {"c"}).ok());
  ASSERT_TRUE(table_.Append(call_, {"a"}).ok());
  Remove("a");
  const ExpiryPlan plan = PlanKeeping(3);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  std::vector<std::string> data;
  ASSERT_TRUE(Find(plan, &data).ok());
  EXPECT_THAT(data, testing::ElementsAre("b"));
}

/// write.manifest-lists.enabled was turned off after the first snapshots, and one of those goes
/// that came then: what it names was written by one that stays, and that the oldest has not.
TEST_F(ExpiredFilesOfALine, ManifestsOfASnapshotWithoutAListStay) {
  ASSERT_TRUE(table_.Append(call_, {"a"}).ok());
  ASSERT_TRUE(table_.Append(call_, {"b"}).ok());
  Snapshot without = *table_.metadata()->CurrentSnapshot();
  const auto lines = iceberg::LoadManifests(call_, files_, *table_.metadata(), without);
  ASSERT_TRUE(lines.ok());
  ExpiryPlan plan;
  ExpiredSnapshots::Removed removed{.snapshot_id = without.snapshot_id + 1};
  for (const auto& line : *lines) removed.manifests.push_back(line.manifest_path);
  plan.expired.snapshots.push_back(std::move(removed));
  auto counts = Find(plan);
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(counts->all_files(), 0);
}

TEST_F(ExpiredFilesOfALine, FilesOfOthersAreLeftAlone) {
  SnapshotChanges changes;
  iceberg::DataFile file = table_.Data("a");
  file.file_path = "file:///warehouse/other/data/a.parquet";
  changes.added.push_back({file, {}});
  ASSERT_TRUE(table_.Commit(call_, std::move(changes)).ok());
  SnapshotChanges removal;
  removal.operation = SnapshotOperation::kOverwrite;
  removal.removed_data.push_back(RemovedFile::Of(file));
  ASSERT_TRUE(table_.Commit(call_, std::move(removal)).ok());
  const ExpiryPlan plan = PlanKeeping(1);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  std::vector<std::string> data;
  auto counts = Find(plan, &data);
  ASSERT_TRUE(counts.ok());
  EXPECT_TRUE(data.empty());
  EXPECT_EQ(counts->elsewhere, 1);
}

TEST_F(ExpiredFilesOfALine, ARunThatBrokeOffIsRepeated) {
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(table_.Append(call_, {name}).ok());
    Remove(name);
  }
  const ExpiryPlan plan = PlanKeeping(1);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  std::vector<ExpiredFile> all;
  ASSERT_TRUE(FindExpiredFiles(call_, files_, *table_.metadata(), plan.expired, {}, nullptr,
                               [&](const ExpiredFile& file) {
                                 all.push_back(file);
                                 return Status();
                               })
                  .ok());
  // Whichever of its files are gone, in the order in which they go, it says no more than before.
  for (const auto& file : all) {
    files_.Remove(file.path);
    Paths again;
    auto counts = FindExpiredFiles(call_, files_, *table_.metadata(), plan.expired, {}, nullptr,
                                   [&](const ExpiredFile& one) {
                                     again.insert(one.path);
                                     return Status();
                                   });
    ASSERT_TRUE(counts.ok()) << counts.status().ToString();
    for (const auto& one : all) {
      if (one.kind == ExpiredKind::kManifestList) {
        EXPECT_TRUE(again.erase(one.path)) << one.path;
      } else {
        again.erase(one.path);
      }
    }
    EXPECT_TRUE(again.empty());
  }
}

TEST_F(ExpiredFilesOfALine, WhatARetainedSnapshotNeedsMustBeThere) {
  ASSERT_TRUE(table_.Append(call_, {"a", "b"}).ok());
  Remove("a");
  const ExpiryPlan plan = PlanKeeping(1);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  files_.Remove(table_.Manifests(call_).value()[0].manifest_path);
  EXPECT_EQ(Find(plan).status().code(), Code::kNotFound);
  files_.Remove(table_.current().manifest_list);
  EXPECT_EQ(Find(plan).status().code(), Code::kNotFound);
}

/// The same, of version 3.
class ExpiredFilesOfVectors : public ExpiredFilesOfALine {
 protected:
  ExpiredFilesOfVectors() : ExpiredFilesOfALine(3) {}
};

TEST_F(ExpiredFilesOfVectors, APuffinFileStaysAsLongAsOneOfItsVectors) {
  ASSERT_TRUE(table_.Append(call_, {"a"}).ok());
  const iceberg::DataFile a = table_.Data("a");
  iceberg::DataFile of_a = table_.DeletionVector("p", "a", 0, 4);
  iceberg::CommitRequest specs;
  specs.updates.emplace_back(iceberg::update::AddPartitionSpec{{}});
  specs.updates.emplace_back(iceberg::update::SetDefaultSpec{iceberg::kLastAdded});
  ASSERT_TRUE(table_.Apply(specs).ok());
  ASSERT_TRUE(table_.Append(call_, {"b"}).ok());
  // Manifests are of one spec each: two of them name the Puffin file.
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.checks.starting_snapshot_id = table_.current().snapshot_id;
  delta.added.push_back({of_a, {}});
  delta.added.push_back({table_.DeletionVector("p", "b", 0, 44), {}});
  ASSERT_TRUE(table_.Commit(call_, std::move(delta)).ok());
  Remove("b");
  ASSERT_TRUE(table_.Apply(PlanKeeping(2).request).ok());
  ExpiryPlan plan = PlanKeeping(1);
  ASSERT_EQ(plan.expired.snapshots.size(), 1u);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  Paths found;
  const auto find = [&] {
    found.clear();
    ASSERT_TRUE(FindExpiredFiles(call_, files_, *table_.metadata(), plan.expired, {}, nullptr,
                                 [&](const ExpiredFile& file) {
                                   found.insert(iceberg::ShortName(file.path));
                                   return Status();
                                 })
                    .ok());
  };
  find();
  EXPECT_TRUE(found.contains("b"));
  EXPECT_FALSE(found.contains("p"));
  SnapshotChanges removal;
  removal.operation = SnapshotOperation::kOverwrite;
  removal.removed_data.push_back(RemovedFile::Of(a));
  ASSERT_TRUE(table_.Commit(call_, std::move(removal)).ok());
  plan = PlanKeeping(1);
  ASSERT_TRUE(table_.Apply(plan.request).ok());
  find();
  EXPECT_TRUE(found.contains("a"));
  EXPECT_TRUE(found.contains("p"));
}

TEST_F(ExpiredFilesOfALine, TheTaskWritesAList) {
  ASSERT_TRUE(table_.Append(call_, {"a", "b"}).ok());
  Remove("a");
  const ExpiryPlan plan = PlanKeeping(1);
  tasks::MaintenanceTask task;
  task.kind = kFindExpiredFilesKind;
  task.process_id = "p";
  task.attempt = 1;
  task.table_uuid = table_.metadata()->table_uuid;
  task.output_folder = "file:///warehouse/t/metadata";
  for (const bool before : {true, false}) {
    if (!before) {
      ASSERT_TRUE(table_.Apply(plan.request).ok());
    }
    const std::string location = fmt::format("file:///m{}.json", before);
    files_.Put(location, iceberg::TableMetadataToJson(*table_.metadata()), 0);
    task.body = ExpiredFilesTaskToJson({location, plan.expired, before});
    JobProgress progress;
    auto output = RunMaintenanceTask(call_, files_, task, {}, &progress);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_EQ(progress.files, 3);  // a, its manifest, the list
    auto result = ExpiredFilesResultFromJson(output->result);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->counts.all_files(), 3);
    EXPECT_GT(result->counts.all_bytes(), 1000);
    int64_t list_bytes = 0;  // of the one list that goes; it is there before and after
    for (const auto& removed : plan.expired.snapshots) {
      auto info = files_.Stat(call_, removed.manifest_list);
      ASSERT_TRUE(info.ok());
      list_bytes += info->size_bytes;
    }
    EXPECT_EQ(result->counts.bytes[static_cast<size_t>(ExpiredKind::kManifestList)], list_bytes);
    if (before) {
      EXPECT_EQ(result->list_location, "");
      continue;
    }
    auto list = FileListReader::Open(call_, files_, result->list_location);
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list->entries(), 3);
    EXPECT_EQ(list->Read(call_, 0, 1)->at(0).location, table_.Path("a"));
  }
  task.table_uuid = "another";
  EXPECT_EQ(RunMaintenanceTask(call_, files_, task, {}, nullptr).status().code(), Code::kConflict);
}

}  // namespace
}  // namespace moraine::upkeep
