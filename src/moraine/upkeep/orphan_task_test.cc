#include "moraine/upkeep/orphan_task.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/upkeep/deletion_task.h"
#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/orphan_rules.h"
#include "moraine/upkeep/path_key.h"
#include "moraine/upkeep/quarantine_task.h"
#include "moraine/upkeep/reachable_files.h"
#include "moraine/upkeep/table_files_task.h"

namespace moraine::upkeep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kRoot[] = "file:///warehouse/t";
constexpr int64_t kOldMs = 1'700'000'000'000;
constexpr int64_t kLimitMs = 1'760'000'000'000;

TEST(PathKey, ForgetsHowAPlaceIsWritten) {
  struct Case {
    const char* location;
    const char* key;
  };
  for (const Case& c : std::vector<Case>{
           {"s3://b/w/t/x.parquet", "/w/t/x.parquet"},
           {"s3a://B/w/t/x.parquet", "/w/t/x.parquet"},
           {"hdfs://nn:8020/w/t/x", "/w/t/x"},
           {"hdfs:/w/t/x", "/w/t/x"},
           {"/w//t/./y/../x/", "/w/t/x"},
           {"file:///w/t/a%20b", "/w/t/a b"},
           {"file:/w/t/a%2520b", "/w/t/a b"},
           {"file:/w/t/a b", "/w/t/a b"},
           {"file:/w/t/100%", "/w/t/100%"},
           {"s3://b/w/t/day=2020-01-01 10%3A00/x", "/w/t/day=2020-01-01 10:00/x"},
           {"s3://b", "/"},
       }) {
    auto key = PathKey(c.location);
    ASSERT_TRUE(key.ok()) << c.location << key.status().ToString();
    EXPECT_EQ(*key, c.key) << c.location;
  }
  for (const char* bad : {"", "x", "w/t/x", "w/a:/b", ":/x"}) {
    EXPECT_EQ(PathKey(bad).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(PathKey, FoldersInsideOthersAreLeftOut) {
  auto keys = FolderKeys({"s3://b/w/t/data", "s3://b/w/t", "s3://b/w/t2", "s3a://b/w/t/"});
  ASSERT_TRUE(keys.ok());
  EXPECT_THAT(*keys, ElementsAre("/w/t", "/w/t2"));
  EXPECT_FALSE(KeyIsBelow("/w/t2/x", "/w/t"));
  EXPECT_TRUE(KeyIsBelow("/w/t/x", "/w/t"));
}

TEST(OrphanRules, HiddenNames) {
  EXPECT_TRUE(IsHidden("/.quarantine/r/0/x"));
  EXPECT_TRUE(IsHidden("/data/_temporary/0/x"));
  EXPECT_TRUE(IsHidden("/_delta_log/0.json"));
  EXPECT_FALSE(IsHidden("/data/_day=1/x"));
  EXPECT_FALSE(IsHidden("/.maintenance/run-0-1-orphans.list"));
  EXPECT_TRUE(IsHidden("/data/.maintenance/x"));
  EXPECT_FALSE(IsHidden("/data/x.parquet"));
  EXPECT_FALSE(IsHidden("/data/_day=1/x", {"_day"}));
  EXPECT_TRUE(IsHidden("/data/_day=1/_hour=2/x", {"_day"})) << "another tool's";
  EXPECT_FALSE(IsHidden("/data/day=1/x", {}));
  // Files that we were writing when we died.
  const std::string left = ".moraine-5b390c3f72261574fc8ff167e4f7cfd1.tmp";
  EXPECT_FALSE(IsHidden("/data/" + left));
  EXPECT_FALSE(IsHidden("/.maintenance/" + left, {}));
  EXPECT_FALSE(IsHidden(left));
  EXPECT_TRUE(IsHidden("/_temporary/" + left)) << "in another tool's folder";
  EXPECT_TRUE(IsHidden("/data/.moraine-notes.tmp"));
  EXPECT_TRUE(IsHidden("/data/" + left + "x"));
  EXPECT_TRUE(IsHidden("/data/" + left + "/x"));
}

/// A store that deletes a part of what it is given, as S3 may.
class PartlyDeleting : public io::FileSystem {
 public:
  explicit PartlyDeleting(io::FileSystem& inner) : inner_(inner) {}
  std::map<std::string, std::vector<Code>> answers;  ///< by name, one after the other

  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> out;
    for (const std::string& location : locations) {
      auto& codes = answers[iceberg::ShortName(location)];
      if (!codes.empty()) {
        out.emplace_back(codes.front(), "not now");
        codes.erase(codes.begin());
        continue;
      }
      out.push_back(inner_.DeleteMany(call, std::span(&location, 1))[0]);
    }
    return out;
  }
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> size) override {
    return inner_.Open(call, location, size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner_.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    return inner_.List(call, prefix, after, limit);
  }

 private:
  io::FileSystem& inner_;
};

class OrphanTaskTest : public ::testing::Test {
 protected:
  OrphanTaskTest() : table_(files_, {}) {
    EXPECT_TRUE(table_.Append(call_, {"a", "b"}).ok());
    EXPECT_TRUE(table_.Append(call_, {"c"}, 1).ok());
    for (const char* name : {"a", "b", "c"}) Put(table_.Path(name));
    Save(1);
  }

  void Put(const std::string& location, int64_t modified_ms = kOldMs) {
    files_.Put(location, "bytes", modified_ms);
  }
  /// Writes the table's metadata as its version; the other files are made old.
  void Save(int version) {
    metadata_location_ = fmt::format("{}/metadata/{:05}-x.metadata.json", kRoot, version);
    for (const auto& entry : table_.metadata()->metadata_log) Put(entry.metadata_file);
    for (const std::string& location : files_.Locations()) {
      auto bytes = io::ReadFile(call_, files_, location, 1 << 30);
      files_.Put(location, *bytes, kOldMs);
    }
    files_.Put(metadata_location_, iceberg::TableMetadataToJson(*table_.metadata()), kOldMs);
  }

  tasks::MaintenanceTask Task(std::string_view kind, std::string body) {
    tasks::MaintenanceTask task;
    task.kind = kind;
    task.process_id = "run";
    task.task_id = next_task_++;
    task.attempt = 1;
    task.table = "w.t";
    task.table_uuid = table_.metadata()->table_uuid;
    task.output_folder = std::string(kRoot) + "/metadata";
    task.body = std::move(body);
    return task;
  }
  OrphanBody Body() const {
    return {.metadata_location = metadata_location_, .roots = {kRoot}, .older_than_ms = kLimitMs};
  }
  Result<OrphanResult> Find(const OrphanBody& body) { return Find(files_, body); }
  Result<OrphanResult> Find(io::FileSystem& files, const OrphanBody& body) {
    MORAINE_ASSIGN(auto output,
                   RunMaintenanceTask(call_, files, Task(kFindOrphansKind, OrphanBodyToJson(body)),
                                      {.memory_bytes = memory_bytes_}, nullptr));
    return OrphanResultFromJson(output.result);
  }
  std::vector<std::string> Listed(const OrphanResult& result) {
    std::vector<std::string> out;
    if (result.list.empty()) return out;
    auto list = FileListReader::Open(call_, files_, result.list);
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    for (const auto& file : list->Read(call_, 0, 1'000'000).value()) out.push_back(file.location);
    return out;
  }
  std::vector<std::string> Orphans(const OrphanBody& body) {
    auto result = Find(body);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? Listed(*result) : std::vector<std::string>{"(failed)"};
  }
  DeletionBody Deletion(const OrphanResult& found, const std::string& base) const {
    return {.list = found.list,
            .roots = {kRoot},
            .metadata_location = metadata_location_,
            .base_metadata_location = base,
            .table_version = 3,
            .listed_before_ms = found.listed_at_ms};
  }
  Result<DeletionResult> Run(io::FileSystem& files, std::string_view kind, std::string body) {
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files, Task(kind, std::move(body)),
                                                   {.memory_bytes = memory_bytes_}, nullptr));
    return DeletionResultFromJson(output.result);
  }
  Result<DeletionResult> Delete(const DeletionBody& body) {
    return Run(files_, kDeleteFilesKind, DeletionBodyToJson(body));
  }
  /// Everything that the table reaches is there.
  void ExpectWhole() {
    auto visit = [&](const std::vector<ReachedFile>& found) -> Status {
      for (const auto& file : found) EXPECT_TRUE(files_.Has(file.location)) << file.location;
      return {};
    };
    auto counts = VisitReachable(call_, files_, *table_.metadata(), metadata_location_, {}, visit);
    EXPECT_TRUE(counts.ok()) << counts.status().ToString();
  }

  testing::TestEnv env_;
  Call call_ = env_.call(std::chrono::hours(1));
  io::MemoryFileSystem files_;
  iceberg::TestTable table_;
  std::string metadata_location_;
  int64_t memory_bytes_ = int64_t{64} << 20;
  int next_task_ = 0;
};

TEST_F(OrphanTaskTest, FindsOnlyWhatNothingReaches) {
  const std::string orphan = table_.Path("orphan"), old = std::string(kRoot) + "/metadata/old.avro";
  Put(orphan);
  Put(old);
  Put(table_.Path("young"), kLimitMs);
  Put(std::string(kRoot) + "2/data/other.parquet");
  Put(std::string(kRoot) + "/.quarantine/r/0/metadata/1.metadata.json");
  Put(std::string(kRoot) + "/data/_temporary/x");
  Put(std::string(kRoot) + "/metadata/version-hint.text");
  auto result = Find(Body());
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(Listed(*result), ElementsAre(orphan, old));
  EXPECT_EQ(result->orphans, 2);
  EXPECT_EQ(result->orphan_bytes, 10);
  EXPECT_EQ(result->young, 1);
  EXPECT_EQ(result->spared, 3);
  EXPECT_THAT(result->foreign, IsEmpty());
  EXPECT_THAT(result->examples, ElementsAre(orphan, old));
}

TEST_F(OrphanTaskTest, StatisticsOfTheTableStay) {
  const int64_t snapshot = table_.current().snapshot_id;
  const auto file = [&](const char* name) { return fmt::format("{}/metadata/{}", kRoot, name); };
  ASSERT_TRUE(table_
                  .Apply({{},
                          {iceberg::update::SetStatistics{{snapshot, file("n.puffin"), 5}},
                           iceberg::update::SetPartitionStatistics{
                               {snapshot, file("r-0-1-partition-stats-1.parquet"), 5, {}}}}})
                  .ok());
  for (const char* name : {"n.puffin", "r-0-1-partition-stats-1.parquet",
                           "r-0-2-partition-stats-1.parquet", "partition-stats-2.parquet"})
    Put(file(name));
  Save(2);
  OrphanBody body = Body();
  body.keep_names = {"00001-x."};
  EXPECT_THAT(Orphans(body), ElementsAre(file("partition-stats-2.parquet"),
                                         file("r-0-2-partition-stats-1.parquet")));
}

TEST_F(OrphanTaskTest, WithoutOrphansThereIsNoList) {
  auto result = Find(Body());
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->list, "");
  EXPECT_EQ(result->orphans, 0);
  EXPECT_GT(result->listed, 6);
}

TEST_F(OrphanTaskTest, AnotherNameOfALiveFileIsNoOrphan) {
  // The table names its files in forms that the store does not list.
  for (const char* location :
       {"file:/warehouse//t/data/s%20p.parquet", "/warehouse/t/data/x/../dots.parquet",
        "s3a://bucket/warehouse/t/data/else.parquet"}) {
    iceberg::SnapshotChanges changes;
    iceberg::DataFile file = table_.Data("n");
    file.file_path = location;
    changes.added.push_back({file, {}});
    ASSERT_TRUE(table_.Commit(call_, changes).ok());
  }
  Save(2);
  files_.Put("file:///warehouse/t/data/s p.parquet", "x", kOldMs);
  files_.Put("file:///warehouse/t/data/dots.parquet", "x", kOldMs);
  files_.Put("file:///warehouse/t/data/else.parquet", "x", kOldMs);
  files_.Put("file:///warehouse/t/data/gone.parquet", "x", kOldMs);
  OrphanBody body = Body();
  // Saved metadata of version 1 is an orphan by now: nothing names it.
  body.keep_names = {"00001-x."};
  EXPECT_THAT(Orphans(body), ElementsAre("file:///warehouse/t/data/gone.parquet"));
}

TEST_F(OrphanTaskTest, SameNameAsAFileThatIsReachedByAnotherPathStays) {
  iceberg::SnapshotChanges changes;
  iceberg::DataFile file = table_.Data("n");
  file.file_path = "file:///mnt/link/t/data/linked.parquet";
  changes.added.push_back({file, {}});
  ASSERT_TRUE(table_.Commit(call_, changes).ok());
  Save(1);
  Put(table_.Path("linked"));
  Put(table_.Path("other"));
  EXPECT_THAT(Orphans(Body()), ElementsAre(table_.Path("other")));
}

TEST_F(OrphanTaskTest, WhatTheServerSparesStays) {
  OrphanBody body = Body();
  body.keep_names = {"p1-0-1-"};
  Put(std::string(kRoot) + "/data/p1-0-1-00001.parquet");
  Put(std::string(kRoot) + "/data/p1-0-2-00001.parquet");
  EXPECT_THAT(Orphans(body), ElementsAre(std::string(kRoot) + "/data/p1-0-2-00001.parquet"));
}

TEST_F(OrphanTaskTest, TablesOfOthersInsideAreSeen) {
  Put(std::string(kRoot) + "/inner/data/x.parquet");
  Put(std::string(kRoot) + "/inner/metadata/v1.metadata.json");
  Put(table_.Path("orphan"));
  auto result = Find(Body());
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->foreign, ElementsAre("/warehouse/t/inner"));
  EXPECT_THAT(Listed(*result), ElementsAre(table_.Path("orphan")));
}

TEST_F(OrphanTaskTest, TableOfAnotherFormatIsSeen) {
  Put(std::string(kRoot) + "/_delta_log/00000000000000000000.json");
  Put(table_.Path("of_another_version"));
  auto result = Find(Body());
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->foreign, ElementsAre("/warehouse/t"));
  EXPECT_EQ(result->orphans, 0);
}

TEST_F(OrphanTaskTest, TableThatSharesTheFolderIsSeen) {
  iceberg::TableMetadata other = *table_.metadata();
  other.table_uuid = "00000000-7f4d-4f0c-9d6e-0e5b8a3f2b11";
  const std::string location = std::string(kRoot) + "/metadata/00009-y.metadata.json";
  files_.Put(location, iceberg::TableMetadataToJson(other), kOldMs);
  auto result = Find(Body());
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->foreign, ElementsAre(location));
  // One that ended before this one began has left orphans.
  other.last_updated_ms = kOldMs;
  files_.Put(location, iceberg::TableMetadataToJson(other), kOldMs);
  result = Find(Body());
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->foreign, IsEmpty());
  EXPECT_THAT(Listed(*result), ElementsAre(location));
}

TEST_F(OrphanTaskTest, ManifestsOfFlinkThatWaitForACheckpointStay) {
  iceberg::SnapshotChanges changes;
  changes.summary["flink.job-id"] = "0a1b2c";
  changes.added.push_back({table_.Data("f"), {}});
  ASSERT_TRUE(table_.Commit(call_, changes).ok());
  Save(1);
  Put(std::string(kRoot) + "/metadata/0a1b2c-op-00000-0-7-00001.avro");
  Put(std::string(kRoot) + "/metadata/ffffff-op-00000-0-7-00001.avro");
  EXPECT_THAT(Orphans(Body()),
              ElementsAre(std::string(kRoot) + "/metadata/ffffff-op-00000-0-7-00001.avro"));
}

TEST_F(OrphanTaskTest, LittleMemoryGivesTheSame) {
  std::vector<std::string> orphans;
  for (int i = 0; i < 3000; ++i) {
    Put(table_.Path(fmt::format("o{}%41{}", i, i % 7)));
    orphans.push_back(table_.Path(fmt::format("o{}%41{}", i, i % 7)));
  }
  auto much = Find(Body());
  memory_bytes_ = 256 << 10;
  auto little = Find(Body());
  ASSERT_TRUE(much.ok() && little.ok()) << little.status().ToString();
  EXPECT_EQ(much->orphans, 3000);
  EXPECT_EQ(Listed(*much), Listed(*little));
  EXPECT_GT(little->spilled_bytes, 0);
}

TEST_F(OrphanTaskTest, MetadataOfAnotherTableIsAConflict) {
  auto task = Task(kFindOrphansKind, OrphanBodyToJson(Body()));
  task.table_uuid = "other";
  EXPECT_EQ(RunMaintenanceTask(call_, files_, task, {}, nullptr).status().code(), Code::kConflict);
}

TEST_F(OrphanTaskTest, DeletesWhatItFound) {
  Put(table_.Path("o1"));
  Put(table_.Path("o2"));
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  auto deleted = Delete(Deletion(*found, metadata_location_));
  ASSERT_TRUE(deleted.ok()) << deleted.status().ToString();
  EXPECT_EQ(deleted->deleted, 2);
  EXPECT_EQ(deleted->bytes, 10);
  EXPECT_FALSE(files_.Has(table_.Path("o1")));
  ExpectWhole();
  // Again: they are gone, which is as good.
  deleted = Delete(Deletion(*found, metadata_location_));
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->deleted, 2);
  EXPECT_GE(env_.log().Count("deleted files"), 2U);
}

TEST_F(OrphanTaskTest, FileThatACommitBringsBackIsNotDeleted) {
  Put(table_.Path("o1"));
  Put(table_.Path("o2"));
  Put(std::string(kRoot) + "/metadata/late.stats");
  const std::string base = metadata_location_;
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(table_.Append(call_, {"o2"}).ok());
  Save(2);
  for (const std::string& known : {base, std::string(), std::string(kRoot) + "/metadata/gone"}) {
    auto deleted = Delete(Deletion(*found, known));
    ASSERT_TRUE(deleted.ok()) << deleted.status().ToString();
    EXPECT_EQ(deleted->deleted, 2) << known;
    EXPECT_EQ(deleted->kept, 1) << known;
    EXPECT_TRUE(files_.Has(table_.Path("o2")));
  }
  ExpectWhole();
}

TEST_F(OrphanTaskTest, RefusesWhatItCanNotBeSureOf) {
  Put(table_.Path("o1"));
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  DeletionBody body = Deletion(*found, metadata_location_);
  body.fresh_until_ms = 1;
  auto stale = Delete(body);
  ASSERT_TRUE(stale.ok());
  EXPECT_TRUE(stale->stale);
  body.made_ms = ToMillis(env_.clock().Wall()) + 600'000;  // the worker's clock is behind
  body.fresh_until_ms = body.made_ms + 600'000;
  stale = Delete(body);
  ASSERT_TRUE(stale.ok());
  EXPECT_TRUE(stale->stale);
  body = Deletion(*found, metadata_location_);
  body.roots = {std::string(kRoot) + "/metadata"};
  EXPECT_EQ(Delete(body).status().code(), Code::kPermissionDenied);
  body = Deletion(*found, metadata_location_);
  body.metadata_location = "";
  EXPECT_EQ(Delete(body).status().code(), Code::kInvalidArgument);
  body = Deletion(*found, metadata_location_);
  body.metadata_location = std::string(kRoot) + "/metadata/none.json";
  const auto gone = Delete(body);
  ASSERT_TRUE(gone.ok());
  EXPECT_TRUE(gone->stale);
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
}

TEST_F(OrphanTaskTest, WhatAStoreLeavesIsTriedAgainOrTold) {
  for (const char* name : {"o1", "o2", "o3"}) Put(table_.Path(name));
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  PartlyDeleting store(files_);
  store.answers = {{"o1", {Code::kUnavailable}}, {"o3", {Code::kPermissionDenied}}};
  auto deleted =
      Run(store, kDeleteFilesKind, DeletionBodyToJson(Deletion(*found, metadata_location_)));
  ASSERT_TRUE(deleted.ok()) << deleted.status().ToString();
  EXPECT_EQ(deleted->deleted, 2);
  EXPECT_EQ(deleted->bytes, 10);
  EXPECT_EQ(deleted->failed, 1);
  ASSERT_EQ(deleted->failures.size(), 1U);
  EXPECT_EQ(deleted->failures[0].first, table_.Path("o3"));
  EXPECT_FALSE(files_.Has(table_.Path("o1")));
  EXPECT_TRUE(files_.Has(table_.Path("o3")));
}

TEST_F(OrphanTaskTest, ChunkIsAPartOfTheList) {
  for (int i = 0; i < 10; ++i) Put(table_.Path(fmt::format("o{}", i)));
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->orphans, 10);
  DeletionBody body = Deletion(*found, metadata_location_);
  body.count = 3;
  body.first = 8;
  auto deleted = Delete(body);
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->deleted, 2);
  EXPECT_TRUE(files_.Has(table_.Path("o0")));
  EXPECT_FALSE(files_.Has(table_.Path("o9")));
}

TEST_F(OrphanTaskTest, QuarantineIsEmptiedOrRestored) {
  const std::string orphan = table_.Path("o%201"), old = std::string(kRoot) + "/metadata/o.avro";
  Put(orphan);
  Put(old);
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  DeletionBody body = Deletion(*found, metadata_location_);
  body.quarantine = QuarantineFolder(kRoot, "run-1");
  for (int again = 0; again < 2; ++again) {
    auto moved = Delete(body);
    ASSERT_TRUE(moved.ok()) << moved.status().ToString();
    EXPECT_EQ(moved->deleted, 2);
    EXPECT_EQ(moved->failed, 0);
  }
  EXPECT_FALSE(files_.Has(orphan));
  EXPECT_TRUE(files_.Has(body.quarantine + "/0/data/o%201.parquet"));
  OrphanBody look = Body();
  look.older_than_ms = INT64_MAX;
  look.keep_names = {"run-"};
  EXPECT_THAT(Orphans(look), IsEmpty());

  QuarantineBody restore{.folder = body.quarantine, .roots = body.roots};
  auto restored = Run(files_, kRestoreQuarantineKind, QuarantineBodyToJson(restore));
  ASSERT_TRUE(restored.ok()) << restored.status().ToString();
  EXPECT_EQ(restored->deleted, 2);
  EXPECT_TRUE(files_.Has(orphan));
  EXPECT_TRUE(files_.Has(old));
  ASSERT_TRUE(Delete(body).ok());
  auto emptied = Run(files_, kEmptyQuarantineKind, QuarantineBodyToJson(restore));
  ASSERT_TRUE(emptied.ok()) << emptied.status().ToString();
  EXPECT_EQ(emptied->deleted, 2);
  EXPECT_FALSE(files_.Has(body.quarantine + "/0/data/o%201.parquet"));
  ExpectWhole();
}

/// A store that is slow to delete, or to show what is to be copied.
class Slow : public PartlyDeleting {
 public:
  Slow(io::FileSystem& inner, testing::TestEnv& env) : PartlyDeleting(inner), env_(env) {}
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    if (on_delete) env_.clock().Advance(Millis(10'000));
    return PartlyDeleting::DeleteMany(call, locations);
  }
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> size) override {
    if (location.find("/o") != location.npos && !on_delete) env_.clock().Advance(Millis(10'000));
    return PartlyDeleting::Open(call, location, size);
  }
  bool on_delete = true;

 private:
  testing::TestEnv& env_;
};

/// What was looked at grows old while the task goes on: the rest waits for another look.
TEST_F(OrphanTaskTest, StopsWhenWhatItLookedAtIsOld) {
  for (int i = 0; i < 10; ++i) Put(table_.Path(fmt::format("o{}", i)));
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  Slow slow(files_, env_);
  DeletionBody body = Deletion(*found, metadata_location_);
  body.files_per_second = 4;
  body.fresh_until_ms = ToMillis(env_.clock().Wall()) + 15'000;
  auto some = Run(slow, kDeleteFilesKind, DeletionBodyToJson(body));
  ASSERT_TRUE(some.ok()) << some.status().ToString();
  EXPECT_TRUE(some->stale);
  EXPECT_EQ(some->deleted, 8);
  EXPECT_TRUE(files_.Has(table_.Path("o9")));
}

/// It was copied while the look was fresh, and is not deleted any more.
TEST_F(OrphanTaskTest, WhatWasCopiedTooLateStays) {
  Put(table_.Path("o1"));
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  Slow slow(files_, env_);
  slow.on_delete = false;
  DeletionBody body = Deletion(*found, metadata_location_);
  body.quarantine = QuarantineFolder(kRoot, "run-1");
  body.fresh_until_ms = ToMillis(env_.clock().Wall()) + 5'000;
  auto moved = Run(slow, kDeleteFilesKind, DeletionBodyToJson(body));
  ASSERT_TRUE(moved.ok()) << moved.status().ToString();
  EXPECT_TRUE(moved->stale);
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
  body.fresh_until_ms += 60'000;
  moved = Run(slow, kDeleteFilesKind, DeletionBodyToJson(body));
  ASSERT_TRUE(moved.ok());
  EXPECT_FALSE(moved->stale);
  EXPECT_FALSE(files_.Has(table_.Path("o1")));
}

TEST_F(OrphanTaskTest, OnlyAQuarantineIsEmptied) {
  for (const char* folder : {"file:///warehouse/t/data", "file:///warehouse/t/.quarantine/",
                             "file:///warehouse/t/.quarantine"}) {
    QuarantineBody body{.folder = folder};
    auto emptied = Run(files_, kEmptyQuarantineKind, QuarantineBodyToJson(body));
    EXPECT_TRUE(!emptied.ok() || emptied->deleted == 0) << folder;
  }
  ExpectWhole();
}

TEST_F(OrphanTaskTest, PurgeTakesWhatTheTableNamesAndNothingElse) {
  Put(table_.Path("stranger"));
  TableFilesBody body{.metadata_location = metadata_location_, .roots = {kRoot}};
  auto output = RunMaintenanceTask(
      call_, files_, Task(kListTableFilesKind, TableFilesBodyToJson(body)), {}, nullptr);
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  auto listed = TableFilesResultFromJson(output->result);
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->outside, 0);
  auto list = FileListReader::Open(call_, files_, listed->list);
  ASSERT_TRUE(list.ok());
  auto all = list->Read(call_, 0, 1000);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->back().location, metadata_location_) << "goes last";
  DeletionBody deletion{
      .list = listed->list, .roots = {kRoot}, .table_version = 1, .table_gone = true};
  auto deleted = Delete(deletion);
  ASSERT_TRUE(deleted.ok()) << deleted.status().ToString();
  EXPECT_EQ(deleted->deleted, listed->files);
  EXPECT_THAT(files_.Locations(), UnorderedElementsAre(table_.Path("stranger"), listed->list));
}

/// Each fault at each call of finding, moving aside, deleting: nothing live goes, and doing it
/// again comes to the end.
TEST_F(OrphanTaskTest, NoFaultTakesALiveFile) {
  Put(table_.Path("o1"));
  Put(table_.Path("o2"));
  const std::string base = metadata_location_;
  auto found = Find(Body());
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(table_.Append(call_, {"o2"}).ok());
  Save(2);
  for (const bool quarantine : {false, true}) {
    DeletionBody body = Deletion(*found, base);
    if (quarantine) body.quarantine = QuarantineFolder(kRoot, "run-1");
    auto report = testing::EveryFault(
        [&](testing::FaultInjector& faults) {
          Put(table_.Path("o1"));
          files_.Remove(body.quarantine + "/0/data/o1.parquet");
          io::FaultyFileSystem faulty(files_, faults, &env_.clock());
          (void)Run(faulty, kDeleteFilesKind, DeletionBodyToJson(body));
          faults.Stop();
          ExpectWhole();
          EXPECT_TRUE(files_.Has(table_.Path("o2")));
          auto second = Run(files_, kDeleteFilesKind, DeletionBodyToJson(body));
          ASSERT_TRUE(second.ok()) << second.status().ToString();
          ExpectWhole();
          EXPECT_TRUE(second->failed > 0 || !files_.Has(table_.Path("o1")));
        },
        {.kinds = {testing::FaultKind::kBefore, testing::FaultKind::kAfter,
                   testing::FaultKind::kTorn}});
    EXPECT_GT(report.fired, 5U);
  }
}

/// A search that meets a fault fails, or finds what it should: never a live file.
TEST_F(OrphanTaskTest, NoFaultMakesALiveFileAnOrphan) {
  Put(table_.Path("o1"));
  OrphanBody body = Body();
  body.keep_names = {"run-"};
  auto report = testing::EveryFault(
      [&](testing::FaultInjector& faults) {
        io::FaultyFileSystem faulty(files_, faults, &env_.clock());
        auto found = Find(faulty, body);
        faults.Stop();
        if (found.ok()) {
          EXPECT_THAT(Listed(*found), ElementsAre(table_.Path("o1")));
        }
        auto again = Find(body);
        ASSERT_TRUE(again.ok()) << again.status().ToString();
        EXPECT_THAT(Listed(*again), ElementsAre(table_.Path("o1")));
      },
      {.kinds = {testing::FaultKind::kBefore, testing::FaultKind::kAfter,
                 testing::FaultKind::kTorn}});
  EXPECT_GT(report.fired, 5U);
}

/// A listing that shows only a part leaves orphans, and takes nothing that is alive.
TEST_F(OrphanTaskTest, ListingThatIsNotWholeFindsLess) {
  Put(table_.Path("o1"));
  Put(table_.Path("o2"));
  class Stale final : public PartlyDeleting {
   public:
    using PartlyDeleting::PartlyDeleting;
    Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                                 size_t limit) override {
      MORAINE_ASSIGN(auto listing, PartlyDeleting::List(call, prefix, after, limit));
      std::erase_if(listing.files,
                    [](const io::FileInfo& file) { return file.location.size() % 2 == 0; });
      listing.files.push_back({"file:///warehouse/t/data/zz-gone.parquet", 1, kOldMs});
      return listing;
    }
  };
  Stale stale(files_);
  auto found = Find(stale, Body());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  for (const std::string& location : Listed(*found)) {
    EXPECT_THAT(location, testing::AnyOf(table_.Path("o1"), table_.Path("o2"),
                                         "file:///warehouse/t/data/zz-gone.parquet"));
  }
  auto deleted = Delete(Deletion(*found, metadata_location_));
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->failed, 0);
  ExpectWhole();
}

}  // namespace
}  // namespace moraine::upkeep
