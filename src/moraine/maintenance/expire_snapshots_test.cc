// The driver, with commits applied and tasks run on the spot.

#include "moraine/maintenance/expire_snapshots.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/maintenance/expiry_state.h"
#include "moraine/maintenance/testing/driver_fixture.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::maintenance {
namespace {

class ExpireSnapshotsRun : public DriverFixture {
 protected:
  ExpireSnapshotsRun() {
    // Each file is there for one snapshot only.
    for (int i = 0; i < 10; ++i) {
      const std::string name = fmt::format("f{}", i);
      EXPECT_TRUE(table_.Append(call_, {name}).ok());
      files_.Put(table_.Path(name), std::string(1000, 'x'), 0);
      EXPECT_TRUE(
          table_.Change(call_, iceberg::SnapshotOperation::kOverwrite, {}, {table_.Data(name)})
              .ok());
    }
    env_.clock().Advance(std::chrono::hours(24));
  }

  RunContext Context(const std::string& state) override {
    config_ = upkeep::MaintenanceConfigOf(table_.metadata()->properties);
    RunContext context = DriverFixture::Context(state);
    context.database = database_.get();
    context.holds = holds_;
    return context;
  }
  Result<tasks::MaintenanceOutput> Work(const tasks::MaintenanceTask& task) override {
    if (auto before = std::exchange(before_tasks_, nullptr)) before();
    return DriverFixture::Work(task);
  }
  /// A run that ends as one that had something to do.
  RunEnd RunToDone() {
    RunEnd end = Run(*MakeExpireSnapshots());
    EXPECT_EQ(end.nothing, "");
    return end;
  }

  size_t DataFiles() const {
    const auto all = files_.Locations();
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const std::string& path) {
      return path.ends_with(".parquet");
    }));
  }

  std::vector<upkeep::SnapshotHold> holds_;
  std::function<void()> before_tasks_;  ///< called once
  std::unique_ptr<store::Database> database_;
};

TEST_F(ExpireSnapshotsRun, RemovesSnapshotsThenTheirFiles) {
  const RunEnd end = RunToDone();
  const Done& done = end.done;
  EXPECT_EQ(table_.metadata()->snapshots.size(), 1u);
  EXPECT_EQ(DataFiles(), 0u);
  EXPECT_GE(done.files_removed, 10 + 19);
  EXPECT_GT(done.bytes_removed, 10'000);
  EXPECT_THAT(done.summary, testing::StartsWith("19 snapshots and 0 refs removed; "));
  EXPECT_EQ(end.commits, 1);
  EXPECT_EQ(end.tasks.size(), 2u);
  EXPECT_EQ(Run(*MakeExpireSnapshots()).nothing, "every snapshot is to stay");
}

TEST_F(ExpireSnapshotsRun, InPartsIfOneCommitMayNotRemoveAll) {
  options_ = R"({"max-snapshots": 8})";
  const RunEnd end = RunToDone();
  EXPECT_EQ(end.commits, 3);
  EXPECT_EQ(table_.metadata()->snapshots.size(), 1u);
  EXPECT_EQ(DataFiles(), 0u);
  EXPECT_THAT(end.done.summary, testing::StartsWith("19 snapshots and "));
}

TEST_F(ExpireSnapshotsRun, ADryRunSaysWhatItWouldFreeAndChangesNothing) {
  dry_run_ = true;
  const auto before = table_.metadata();
  const RunEnd end = RunToDone();
  EXPECT_EQ(table_.metadata(), before);
  EXPECT_EQ(DataFiles(), 10u);
  const Done& done = end.done;
  EXPECT_THAT(done.summary, testing::StartsWith("would remove 19 snapshots and 0 refs, and "));
  EXPECT_EQ(done.files_removed, 0);
  const Json details = Json::Parse(done.details).value();
  EXPECT_EQ(details.Find("decisions")->Find("snapshots")->as_array().size(), 20u);
  EXPECT_EQ(details.Find("files")->Find("data")->Find("files")->int64(), 10);
  for (const auto& path : files_.Locations()) EXPECT_FALSE(path.ends_with(".list")) << path;
}

TEST_F(ExpireSnapshotsRun, HeldSnapshotsStayWithTheirFiles) {
  const int64_t held = table_.metadata()->snapshots[4]->snapshot_id;  // f2 is there
  holds_ = {{"held", {held}, std::nullopt}};
  RunToDone();
  EXPECT_NE(table_.metadata()->FindSnapshot(held), nullptr);
  EXPECT_EQ(DataFiles(), 1u);
  EXPECT_TRUE(files_.Has(table_.Path("f2")));
}

TEST_F(ExpireSnapshotsRun, WhatARunningProcessReadsStaysWithAllSince) {
  database_ = store::MakeTestDatabase(call_);
  ASSERT_TRUE(store::Migrate(call_, *database_, "optimizing", optimizing::Migrations()).ok());
  optimizing::Process process;
  process.process_id = "p";
  process.table_id = 1;
  process.table_name = "w.db.t";
  process.group = "g";
  process.snapshot_id = table_.metadata()->snapshots[15]->snapshot_id;
  ASSERT_TRUE(
      database_
          ->Run(call_, store::Access::kWrite,
                [&](store::Transaction& t) { return optimizing::InsertProcess(t, process, {}); })
          .ok());
  RunToDone();
  EXPECT_EQ(table_.metadata()->snapshots.size(), 5u);
  EXPECT_NE(table_.metadata()->FindSnapshot(process.snapshot_id), nullptr);
}

TEST_F(ExpireSnapshotsRun, GoesOnWithNewerMetadataWhenTheOldIsGone) {
  before_tasks_ = [this] {
    for (const auto& path : files_.Locations()) {
      if (path.ends_with(".metadata.json")) files_.Remove(path);
    }
  };
  const RunEnd end = RunToDone();
  EXPECT_EQ(DataFiles(), 0u);
  EXPECT_EQ(end.tasks.size(), 3u);
}

TEST_F(ExpireSnapshotsRun, LeavesTablesAloneWhoseFilesMayBeAnothers) {
  origin_ = "registered";
  EXPECT_THAT(Run(*MakeExpireSnapshots()).nothing, testing::HasSubstr("registered"));
  iceberg::CommitRequest request;
  request.updates.emplace_back(iceberg::update::SetProperties{{{"table-expire.enabled", "true"}}});
  ASSERT_TRUE(table_.Apply(request).ok());
  RunToDone();
}

/// Once begun it could never end.
TEST_F(ExpireSnapshotsRun, LeavesAloneWhatItCanNotRead) {
  iceberg::TableMetadata metadata = *table_.metadata();
  auto without = std::make_shared<iceberg::Snapshot>(*metadata.snapshots[0]);
  without->manifest_list.clear();
  without->manifests = {"file:///warehouse/t/metadata/m.avro"};
  metadata.snapshots[0] = without;
  auto spec = std::make_shared<iceberg::PartitionSpec>(*metadata.partition_specs[0]);
  spec->spec_id += 1;
  metadata.partition_specs.push_back(spec);
  auto table = std::make_shared<catalog::LoadedTable>();
  table->origin = "created";
  table->metadata = std::make_shared<const iceberg::TableMetadata>(std::move(metadata));
  RunContext context;
  context.table = table;
  auto step = MakeExpireSnapshots()->Start(call_, context);
  ASSERT_TRUE(step.ok()) << step.status().ToString();
  ASSERT_TRUE(std::holds_alternative<Nothing>(*step));
  EXPECT_NE(std::get<Nothing>(*step).reason.find("has no manifest list"), std::string::npos);
}

TEST(ExpiryStateTest, ComesBackFromJson) {
  ExpiryState state;
  state.stage = ExpiryStage::kDeleting;
  state.expired.snapshots = {{7, "list", {}}};
  state.more = true;
  state.base_location = "m";
  state.deletion.emplace().proof = "expired";
  state.deletion->every_task.list = "l";
  state.deletion->every_task.roots = {"file:///t"};
  state.deletion->every_task.metadata_location = "m";
  state.deletion->again = {{3, 4}};
  state.deleted_bytes = 5;
  state.decisions = R"({"refs":[]})";
  auto again = ExpiryStateFromJson(ExpiryStateToJson(state));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again->expired, state.expired);
  EXPECT_EQ(ExpiryStateToJson(*again), ExpiryStateToJson(state));
}

}  // namespace
}  // namespace moraine::maintenance
