#include "moraine/iceberg/commit/commit_loop.h"

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

SnapshotChanges AppendOf(const TestTable& table, const std::string& name) {
  SnapshotChanges changes;
  changes.added = {{table.Data(name, 1), {}}};
  return changes;
}

/// Every manifest and list that a snapshot of the table names.
std::set<std::string> Reachable(Call& call, io::FileSystem& files, const TableMetadata& table) {
  std::set<std::string> paths;
  for (const auto& snapshot : table.snapshots) {
    paths.insert(snapshot->manifest_list);
    auto manifests = LoadManifests(call, files, table, *snapshot).value();
    for (const ManifestFile& manifest : manifests) {
      paths.insert(manifest.manifest_path);
    }
  }
  return paths;
}
std::set<std::string> OnDisk(const io::MemoryFileSystem& files) {
  auto locations = files.Locations();
  return {locations.begin(), locations.end()};
}

struct World {
  explicit World(StringMap properties = {}) : table(files, {.properties = std::move(properties)}) {
    EXPECT_TRUE(table.Append(call, {"a"}, 1).ok());
  }
  // The waits are real, so they must be short.
  static StringMap Quick(const char* retries = "4") {
    return {{"commit.retry.min-wait-ms", "0"},
            {"commit.retry.max-wait-ms", "0"},
            {"commit.retry.num-retries", retries},
            {"commit.status-check.min-wait-ms", "0"}};
  }
  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem files;
  TestTable table;
};

TEST(CommitLoop, TriesAgainOnALostRaceAndUsesItsManifestsAgain) {
  World w(World::Quick());
  SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
  w.table.before_commit = [&] { ASSERT_TRUE(w.table.Append(w.call, {"theirs"}, 1).ok()); };
  auto outcome = CommitWithRetry(w.call, w.files, producer, w.table.door());
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(outcome->attempts, 2);
  EXPECT_EQ(producer.written_files().size(), 3u) << "one manifest, two lists";
  EXPECT_EQ(producer.unused_files().size(), 1u);
  EXPECT_THAT(*w.table.Scan(w.call),
              testing::ElementsAre("a seq=1 deletes=[]", "mine seq=3 deletes=[]",
                                   "theirs seq=2 deletes=[]"));
  EXPECT_EQ(OnDisk(w.files), Reachable(w.call, w.files, *w.table.metadata()));
}

TEST(CommitLoop, GivesUpAfterTheRetriesAndLeavesNothing) {
  World w(World::Quick("2"));
  auto before = OnDisk(w.files);
  SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
  CommitDoor door = w.table.door();
  int asked = 0;
  door.commit = [&](Call&, const CommitRequest&) -> Result<TablePtr> {
    ++asked;
    return Conflict("lost");
  };
  EXPECT_EQ(CommitWithRetry(w.call, w.files, producer, door).status().code(), Code::kConflict);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(OnDisk(w.files), before);
}

TEST(CommitLoop, DoesNotRetryOtherRefusals) {
  for (Code code : {Code::kInvalidArgument, Code::kUnavailable, Code::kPermissionDenied}) {
    World w(World::Quick());
    auto before = OnDisk(w.files);
    SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
    CommitDoor door = w.table.door();
    int asked = 0;
    door.commit = [&](Call&, const CommitRequest&) -> Result<TablePtr> {
      ++asked;
      return Status(code, "no");
    };
    EXPECT_EQ(CommitWithRetry(w.call, w.files, producer, door).status().code(), code);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(OnDisk(w.files), before);
  }
}

TEST(CommitLoop, LoadsAgainWhenItsBaseWasExpired) {
  World w(World::Quick());
  TablePtr stale = w.table.metadata();
  std::string stale_list = w.table.current().manifest_list;
  ASSERT_TRUE(w.table.Append(w.call, {"b"}, 1).ok());
  w.files.Remove(stale_list);
  SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
  CommitDoor door = w.table.door();
  int loads = 0;
  door.load = [&](Call&) -> Result<TablePtr> { return ++loads == 1 ? stale : w.table.metadata(); };
  auto outcome = CommitWithRetry(w.call, w.files, producer, door);
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(w.table.Scan(w.call)->size(), 3u);
  // A table that is really broken is not tried for ever.
  w.files.Remove(w.table.current().manifest_list);
  SnapshotProducer broken(w.files, AppendOf(w.table, "more"));
  loads = 1;
  EXPECT_EQ(CommitWithRetry(w.call, w.files, broken, door).status().code(), Code::kNotFound);
  EXPECT_EQ(loads, 3);
}

TEST(CommitLoop, FindsACommitWhoseReplyWasLost) {
  World w(World::Quick());
  SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
  w.table.after_commit = [] { return CommitUnknown("the reply was lost"); };
  auto outcome = CommitWithRetry(w.call, w.files, producer, w.table.door());
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(outcome->snapshot.snapshot_id, w.table.current().snapshot_id);
  EXPECT_EQ(outcome->table->snapshots.size(), 2u);
}

TEST(CommitLoop, DeletesNothingAfterAnUnknownOutcome) {
  World w(World::Quick());
  SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
  CommitDoor door = w.table.door();
  CommitRequest late;
  door.commit = [&](Call&, const CommitRequest& request) -> Result<TablePtr> {
    late = request;
    return CommitUnknown("timeout");
  };
  EXPECT_EQ(CommitWithRetry(w.call, w.files, producer, door).status().code(), Code::kCommitUnknown);
  // The swap lands after all: everything that it needs is there.
  ASSERT_TRUE(w.table.Apply(late).ok());
  EXPECT_EQ(w.table.Scan(w.call)->size(), 2u);
}

TEST(CommitLoop, AsksAgainWhenTheTableCannotBeLoadedAfterAnUnknownOutcome) {
  World w(World::Quick());
  SnapshotProducer producer(w.files, AppendOf(w.table, "mine"));
  CommitDoor door = w.table.door();
  w.table.after_commit = [] { return CommitUnknown("the reply was lost"); };
  int loads = 0;
  door.load = [&](Call&) -> Result<TablePtr> {
    if (++loads == 2) return Unavailable("down");
    return w.table.metadata();
  };
  auto outcome = CommitWithRetry(w.call, w.files, producer, door);
  EXPECT_TRUE(outcome.ok()) << outcome.status().ToString();
}

TEST(CommitLoop, SurvivesEveryFault) {
  auto report = testing::EveryFault([](testing::FaultInjector& faults) {
    testing::TestEnv env;
    Call call = env.call();
    io::MemoryFileSystem disk;
    StringMap properties = World::Quick();
    properties["commit.manifest.min-count-to-merge"] = "2";
    TestTable table(disk, {.properties = std::move(properties)});
    for (const char* name : {"a", "b", "c"}) {
      ASSERT_TRUE(table.Append(call, {name}, 1, SnapshotOperation::kFastAppend).ok());
    }
    SnapshotChanges delta;
    delta.operation = SnapshotOperation::kRowDelta;
    delta.added = {{table.EqualityDeletes("e", 1, 0, 9), {}},
                   {table.PositionDeletes("p", "a", 1), {}}};
    ASSERT_TRUE(table.Commit(call, delta).ok());
    SnapshotChanges rewrite;
    rewrite.operation = SnapshotOperation::kRewriteFiles;
    rewrite.checks.starting_snapshot_id = table.current().snapshot_id;
    rewrite.removed_data = {RemovedFile::Of(table.Data("a", 1)),
                            RemovedFile::Of(table.Data("b", 1))};
    rewrite.removed_deletes = {RemovedFile::Of(table.PositionDeletes("p", "a", 1))};
    rewrite.added = {{table.Data("ab", 1), table.current().sequence_number}};
    const auto before = *table.Scan(call);

    io::FaultyFileSystem files(disk, faults);
    auto commit = [&] {
      SnapshotProducer producer(files, rewrite);
      bool raced = false;
      CommitDoor door = table.door();
      door.commit = [&, plain = door.commit](Call& inner,
                                             const CommitRequest& request) -> Result<TablePtr> {
        if (!std::exchange(raced, true)) {
          EXPECT_TRUE(table.Append(inner, {"z" + std::to_string(table.commits())}, 2)
                          .ok());  // on the sound disk
        }
        return plain(inner, request);
      };
      return CommitWithRetry(call, files, producer, door).status();
    };
    Status first = commit();
    faults.Stop();
    auto after = *table.Scan(call, "day = 1");
    if (first.ok()) {
      EXPECT_THAT(after, testing::ElementsAre("ab seq=4 deletes=[]", "c seq=3 deletes=[e]"));
    } else {
      EXPECT_EQ(after, before) << first.ToString();
      Status second = commit();
      EXPECT_TRUE(second.ok()) << second.ToString();
      EXPECT_THAT(*table.Scan(call, "day = 1"),
                  testing::ElementsAre("ab seq=4 deletes=[]", "c seq=3 deletes=[e]"));
    }
    for (const std::string& path : Reachable(call, disk, *table.metadata()))
      EXPECT_TRUE(disk.Has(path)) << path;
  });
  EXPECT_GT(report.calls, 15u);
  EXPECT_EQ(report.fired, report.runs);
}

TEST(FileDeletion, NeedsAProofThatCovers) {
  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem files;
  auto put = [&](const std::string& path) { files.Put(path, "x", 0); };
  EXPECT_FALSE(DeletionProof::CommitRefused(Status()).ok());
  EXPECT_FALSE(DeletionProof::CommitRefused(CommitUnknown("timeout")).ok());
  ASSERT_TRUE(DeletionProof::CommitRefused(Conflict("lost")).ok());

  std::vector<std::string> paths = {"file:///t/data/p-1-1-x", "file:///t/data/p-1-2-x"};
  for (const auto& path : paths) put(path);
  DeletionProof attempt = DeletionProof::AttemptRefused("file:///t/data/p-1-1-");
  EXPECT_EQ(DeleteFiles(call, files, attempt, paths).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(files.size(), 2u) << "all or nothing is judged first";
  auto outcome = DeleteFiles(call, files, attempt, std::span(paths).first(1));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->deleted, 1u);
  EXPECT_TRUE(DeleteFiles(call, files, attempt, std::span(paths).first(1)).ok())
      << "a file that is gone is deleted";
  for (const char* prefix : {"", "file:///t/data/"}) {
    EXPECT_FALSE(DeleteFiles(call, files, DeletionProof::AttemptRefused(prefix), paths).ok());
  }

  auto table = std::make_shared<TableMetadata>();
  table->metadata_log = {{1, "file:///t/metadata/00001.json"}};
  DeletionProof trimmed = DeletionProof::MetadataLogTrimmed(table, "file:///t/metadata/00002.json");
  for (const char* name : {"00000", "00001", "00002"})
    put(std::string("file:///t/metadata/") + name + ".json");
  std::vector<std::string> metadata = {"file:///t/metadata/00001.json"};
  EXPECT_FALSE(DeleteFiles(call, files, trimmed, metadata).ok());
  metadata = {"file:///t/metadata/00002.json"};
  EXPECT_FALSE(DeleteFiles(call, files, trimmed, metadata).ok());
  metadata = {"file:///t/metadata/00000.json"};
  EXPECT_TRUE(DeleteFiles(call, files, trimmed, metadata).ok());
  EXPECT_FALSE(files.Has(metadata[0]));
}

}  // namespace
}  // namespace moraine::iceberg
