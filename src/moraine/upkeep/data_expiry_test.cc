#include "moraine/upkeep/data_expiry.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::upkeep {
namespace {

using iceberg::AddedFile;
using iceberg::DataFile;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A table whose column id holds times as seconds: those of a file reach up to a number.
class Fixture {
 public:
  explicit Fixture(int version, bool partitioned = true)
      : table_(files_, {.format_version = version, .partitioned = partitioned}) {}

  iceberg::TestTable& table() { return table_; }
  Call& call() { return call_; }

  DataFile Data(const std::string& name, int32_t day, int64_t up_to, int64_t nulls = 0) {
    DataFile file = table_.Data(name, day);
    for (auto& [id, bound] : file.upper_bounds) {
      if (id == 1)
        bound = iceberg::ValueToBytes(*iceberg::Type::Primitive(iceberg::TypeKind::kLong), up_to);
    }
    for (auto& [id, count] : file.null_value_counts) {
      if (id == 1) count = nulls;
    }
    return file;
  }

  Status Commit(SnapshotOperation operation, const std::vector<DataFile>& added,
                const std::vector<DataFile>& removed = {},
                std::optional<int64_t> sequence = std::nullopt) {
    return table_.Change(call_, operation, added, removed, sequence);
  }

  /// Rows from before second 1000 are old.
  Result<ExpiredData> Find(ExpireLevel level, int64_t max_files = 100,
                           int64_t memory_bytes = 1 << 20) {
    MORAINE_ASSIGN(const std::string location, table_.WriteMetadata(call_));
    tasks::MaintenanceTask task;
    task.kind = kFindExpiredData;
    task.table_uuid = table_.metadata()->table_uuid;
    DataExpiryTask wanted;
    wanted.place = {location, table_.metadata()->current_snapshot_id};
    wanted.field = {.name = "id", .seconds = true};
    wanted.level = level;
    wanted.threshold_ms = 1'000'000;
    wanted.max_files = max_files;
    task.body = ToBody(wanted);
    JobOptions options;
    options.memory_bytes = memory_bytes;
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files_, task, options, nullptr));
    return ExpiredDataOf(output, *table_.metadata());
  }

  Status Remove(const ExpiredData& expired) {
    return table_.Commit(call_, RemoveExpiredData(expired)).status();
  }

 private:
  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  iceberg::TestTable table_;
};

std::vector<std::string> Names(const std::vector<iceberg::RemovedFile>& files) {
  std::vector<std::string> names;
  for (const auto& file : files)
    names.push_back(iceberg::ShortName(file.path) +
                    (file.content_offset ? fmt::format("#{}", *file.content_offset) : ""));
  std::sort(names.begin(), names.end());
  return names;
}

TEST(DataExpiry, TakesOldFilesOrPartitionsThatAreOldAsAWhole) {
  Fixture f(2);
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend,
                       {f.Data("old", 1, 10), f.Data("just", 1, 999), f.Data("new", 2, 1000),
                        f.Data("old2", 2, 10), f.Data("nulls", 3, 10, 1), f.Data("old3", 4, 10)})
                  .ok());
  auto files = f.Find(ExpireLevel::kFile);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_THAT(Names(files->data), ElementsAre("just", "old", "old2", "old3"));
  EXPECT_EQ(files->files_without_time, 1);
  EXPECT_EQ(files->rows, 400);
  EXPECT_EQ(files->bytes, 4000);
  auto partitions = f.Find(ExpireLevel::kPartition);
  ASSERT_TRUE(partitions.ok());
  EXPECT_THAT(Names(partitions->data), ElementsAre("just", "old", "old3"));
  EXPECT_EQ(partitions->partitions_count, 2);
  ASSERT_EQ(partitions->partitions.size(), 2u);
  EXPECT_EQ(partitions->partitions[0].name, "day=1");
  EXPECT_EQ(partitions->partitions[0].files, 2);
  EXPECT_EQ(partitions->partitions[0].rows, 200);
  const int64_t before = f.table().current().snapshot_id;
  ASSERT_TRUE(f.Remove(*partitions).ok());
  EXPECT_THAT(
      *f.table().Scan(f.call()),
      ElementsAre("new seq=1 deletes=[]", "nulls seq=1 deletes=[]", "old2 seq=1 deletes=[]"));
  EXPECT_EQ(f.table().current().operation(), "delete");
  // Who has the snapshot of before (a tag) still has all files.
  EXPECT_NE(f.table().metadata()->FindSnapshot(before), nullptr);
  EXPECT_THAT(f.Find(ExpireLevel::kPartition)->data, IsEmpty());
}

TEST(DataExpiry, KeepsDeletesThatDataNeeds) {
  Fixture f(2);
  auto& t = f.table();
  ASSERT_TRUE(
      f.Commit(SnapshotOperation::kFastAppend, {f.Data("old1", 1, 10), f.Data("new1", 1, 2000),
                                                f.Data("old2", 2, 10), f.Data("old3", 3, 10)})
          .ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta,
                       {t.EqualityDeletes("e1", 1, 0, 5), t.EqualityDeletes("e2", 2, 0, 5),
                        t.PositionDeletes("p1", "", 1), t.PositionDeletes("p2", "", 2),
                        t.PositionDeletes("pf", "old1", 1), t.EqualityDeletes("e9", 9, 0, 5)})
                  .ok());
  // Newer data that the deletes of before don't reach.
  ASSERT_TRUE(t.Commit(f.call(),
                       [&] {
                         SnapshotChanges changes;
                         changes.operation = SnapshotOperation::kFastAppend;
                         changes.added.push_back({f.Data("new2", 2, 2000), {}});
                         return changes;
                       }())
                  .ok());
  auto found = f.Find(ExpireLevel::kFile);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(Names(found->data), ElementsAre("old1", "old2", "old3"));
  // e1 and p1 still reach new1; nothing that stays is reached by e2 and p2.
  EXPECT_THAT(Names(found->deletes), ElementsAre("e2", "p2", "pf"));
  ASSERT_TRUE(f.Remove(*found).ok());
  EXPECT_THAT(*t.Scan(f.call()),
              ElementsAre("new1 seq=1 deletes=[e1,p1]", "new2 seq=3 deletes=[]"));
}

TEST(DataExpiry, GlobalDeletesGoWhenTheWholeTableNeedsThemNot) {
  Fixture f(2, false);
  auto& t = f.table();
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data("old", 0, 10)}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta, {t.EqualityDeletes("e", 0, 0, 5)}).ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data("new", 0, 2000)}).ok());
  auto found = f.Find(ExpireLevel::kFile);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(Names(found->data), ElementsAre("old"));
  EXPECT_THAT(Names(found->deletes), ElementsAre("e"));
  // As a partition, the table is not old.
  EXPECT_THAT(f.Find(ExpireLevel::kPartition)->data, IsEmpty());
}

TEST(DataExpiry, VectorsGoWithTheirFile) {
  Fixture f(3);
  auto& t = f.table();
  ASSERT_TRUE(
      f.Commit(SnapshotOperation::kFastAppend, {f.Data("old", 1, 10), f.Data("new", 1, 2000)})
          .ok());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kRowDelta,
                       {t.DeletionVector("v", "old", 1, 4), t.DeletionVector("v", "new", 1, 50)})
                  .ok());
  auto found = f.Find(ExpireLevel::kFile);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(Names(found->deletes), ElementsAre("v#4"));
  EXPECT_EQ(found->bytes, 1040);
  ASSERT_TRUE(f.Remove(*found).ok());
  EXPECT_THAT(*t.Scan(f.call()), ElementsAre("new seq=1 deletes=[v]"));
}

TEST(DataExpiry, ComesInWholePartitions) {
  Fixture f(2);
  for (int day = 0; day < 5; ++day) {
    ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data(fmt::format("a{}", day), day, 10),
                                                          f.Data(fmt::format("b{}", day), day, 10)})
                    .ok());
  }
  int rounds = 0;
  for (bool more = true; more; ++rounds) {
    auto found = f.Find(ExpireLevel::kPartition, 3);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->data.size() % 2, 0u);
    more = found->more;
    ASSERT_TRUE(f.Remove(*found).ok());
  }
  EXPECT_EQ(rounds, 5);
  EXPECT_THAT(*f.table().Scan(f.call()), IsEmpty());
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data("c", 1, 10)}).ok());
  EXPECT_EQ(f.Find(ExpireLevel::kFile, 100, 100).status().code(), Code::kExhausted);
}

TEST(DataExpiry, GivesWayToOthers) {
  struct Case {
    const char* what;
    std::function<Status(Fixture&)> meanwhile;
    bool is_conflict;
  };
  const Case cases[] = {
      {"newer data in another partition",
       [](Fixture& f) { return f.Commit(SnapshotOperation::kFastAppend, {f.Data("x", 7, 2000)}); },
       false},
      {"data in a partition that expires",
       [](Fixture& f) { return f.Commit(SnapshotOperation::kFastAppend, {f.Data("x", 1, 2000)}); },
       true},
      {"a delete in the partition",
       [](Fixture& f) {
         return f.Commit(SnapshotOperation::kRowDelta, {f.table().EqualityDeletes("y", 1, 0, 5)});
       },
       false},
      {"a file is rewritten",
       [](Fixture& f) {
         return f.Commit(SnapshotOperation::kRewriteFiles, {f.Data("x", 1, 10)},
                         {f.Data("old", 1, 10)});
       },
       true},
      {"a file is deleted",
       [](Fixture& f) { return f.Commit(SnapshotOperation::kDelete, {}, {f.Data("old", 1, 10)}); },
       true},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    Fixture f(2);
    ASSERT_TRUE(
        f.Commit(SnapshotOperation::kFastAppend, {f.Data("old", 1, 10), f.Data("new", 2, 2000)})
            .ok());
    ASSERT_TRUE(
        f.Commit(SnapshotOperation::kRowDelta, {f.table().EqualityDeletes("e", 1, 0, 5)}).ok());
    auto found = f.Find(ExpireLevel::kPartition);
    ASSERT_TRUE(found.ok());
    ASSERT_TRUE(one.meanwhile(f).ok());
    const Status removed = f.Remove(*found);
    EXPECT_EQ(removed.code(), one.is_conflict ? Code::kConflict : Code::kOk) << removed.ToString();
  }
}

MaintenanceConfig Config() {
  MaintenanceConfig config;
  config.expire_data = true;
  config.data_expire_field = "id";
  config.data_retention = Millis(1000);
  return config;
}

TEST(DataExpiry, IsDecidedFromTheLastCommit) {
  Fixture f(2);
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data("a", 1, 10)}).ok());
  const int64_t commit_ms = f.table().current().timestamp_ms;
  ASSERT_TRUE(
      f.Commit(SnapshotOperation::kRewriteFiles, {f.Data("b", 1, 10)}, {f.Data("a", 1, 10)}).ok());
  const auto& metadata = *f.table().metadata();
  const int64_t now = commit_ms + 1'000'000;
  auto decision = DecideDataExpiry(metadata, Config(), now);
  ASSERT_TRUE(decision.ok());
  EXPECT_TRUE(decision->is_due);
  EXPECT_EQ(decision->threshold_ms, commit_ms - 1000);
  auto config = Config();
  config.data_expire_base = ExpireBase::kCurrentTime;
  EXPECT_EQ(DecideDataExpiry(metadata, config, now)->threshold_ms, now - 1000);
}

TEST(DataExpiry, FindsTheLastCommitOfAWriter) {
  struct Case {
    std::vector<std::pair<std::string, std::string>> snapshots;  ///< operation and producer
    std::optional<int64_t> expected;
  };
  const Case cases[] = {
      {{}, {}},
      {{{"append", ""}}, 1},
      {{{"append", ""}, {"replace", "OPTIMIZE"}, {"delete", "DATA_EXPIRATION"}}, 1},
      {{{"append", ""}, {"append", "INGESTION"}, {"overwrite", "OPTIMIZE"}}, 2},
      {{{"append", ""}, {"replace", ""}}, 1},
      {{{"replace", ""}, {"replace", "OPTIMIZE"}}, 1},
      {{{"replace", "OPTIMIZE"}}, {}},
  };
  for (const Case& one : cases) {
    iceberg::TableMetadata metadata;
    for (const auto& [operation, producer] : one.snapshots) {
      iceberg::Snapshot snapshot;
      const auto id = static_cast<int64_t>(metadata.snapshots.size()) + 1;
      snapshot.snapshot_id = snapshot.timestamp_ms = metadata.current_snapshot_id = id;
      if (id > 1) snapshot.parent_snapshot_id = id - 1;
      snapshot.summary["operation"] = operation;
      if (!producer.empty()) snapshot.summary["snapshot.producer"] = producer;
      metadata.snapshots.push_back(std::make_shared<const iceberg::Snapshot>(snapshot));
    }
    EXPECT_EQ(LastCommitMs(metadata), one.expected);
  }
}

TEST(DataExpiry, OfRowsNeedsDeletes) {
  for (int version : {1, 2, 3}) {
    Fixture f(version);
    ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data("a", 1, 10)}).ok());
    auto config = Config();
    config.data_expire_level = ExpireLevel::kRow;
    EXPECT_EQ(DecideDataExpiry(*f.table().metadata(), config, 0).ok(), version > 1);
  }
}

TEST(DataExpiry, IsRefusedByHoldsAndMistakes) {
  Fixture f(2);
  ASSERT_TRUE(f.Commit(SnapshotOperation::kFastAppend, {f.Data("a", 1, 10)}).ok());
  const auto& metadata = *f.table().metadata();
  const auto is_due = [&](const std::function<void(MaintenanceConfig*)>& change) {
    auto config = Config();
    change(&config);
    auto decision = DecideDataExpiry(metadata, config, 1'900'000'000'000);
    EXPECT_TRUE(decision.ok());
    EXPECT_NE(decision->reason, "");
    return decision->is_due;
  };
  EXPECT_TRUE(is_due([](auto*) {}));
  EXPECT_FALSE(is_due([](auto* config) { config->legal_hold = true; }));
  EXPECT_FALSE(is_due([](auto* config) { config->gc_enabled = false; }));
  EXPECT_FALSE(is_due([](auto* config) { config->data_retention = Millis(0); }));
  for (const auto& change : std::vector<std::function<void(MaintenanceConfig*)>>{
           [](auto* config) { config->data_expire_field = "none"; },
           [](auto* config) { config->data_expire_zone = "none"; }}) {
    auto config = Config();
    change(&config);
    EXPECT_EQ(DecideDataExpiry(metadata, config, 0).status().code(), Code::kInvalidArgument);
  }
}

TEST(DataExpiry, SaysWhyNothingCanExpire) {
  Fixture f(2);
  const auto& metadata = *f.table().metadata();
  const auto why = [&](const std::function<void(MaintenanceConfig*)>& change) {
    auto config = Config();
    config.expire_data = true;
    change(&config);
    return WhyNothingCanExpire(metadata, config);
  };
  EXPECT_EQ(why([](auto*) {}), "");
  EXPECT_EQ(why([](auto* config) { config->data_retention = Millis(0); }),
            "data-expire.retention-time is not set; expire-data is not done until it is mended");
  EXPECT_EQ(why([](auto* config) { config->data_expire_field = "none"; }),
            "data-expire.field is 'none', which is no column; expire-data is not done until it is "
            "mended");
  // Not wanted, or told of elsewhere.
  for (const auto& change : std::vector<std::function<void(MaintenanceConfig*)>>{
           [](auto* config) { config->expire_data = false; },
           [](auto* config) { config->legal_hold = true; },
           [](auto* config) { config->gc_enabled = false; },
           [](auto* config) {
             config->problems.push_back(
                 {"data-expire.level", "", "is 'all'", {Action::kExpireData}});
           }}) {
    EXPECT_EQ(why([&](auto* config) {
                config->data_expire_field = "none";
                change(config);
              }),
              "");
  }
}

}  // namespace
}  // namespace moraine::upkeep
