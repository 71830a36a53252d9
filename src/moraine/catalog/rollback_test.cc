#include "moraine/catalog/rollback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

using testing::FaultInjector;
using testing::HasSubstr;

namespace update = iceberg::update;

void RemoveFile(CatalogWorld& world, const std::string& location) {
  Call call = world.call();
  ASSERT_TRUE(world.files().DeleteMany(call, {&location, 1}).at(0).ok());
}

class RollbackTest : public testing::Test {
 protected:
  LoadedTablePtr Load() { return catalog_.Load(call_, kTestWarehouse, name_).value(); }
  LoadedTablePtr Commit(const iceberg::CommitRequest& request) {
    auto done = catalog_.Commit(call_, kTestWarehouse, name_, request, nullptr);
    EXPECT_TRUE(done.ok()) << done.status().ToString();
    return Load();
  }
  LoadedTablePtr Append(int64_t snapshot_id) {
    world_.env().clock().Advance(std::chrono::minutes(1));
    return Commit(AppendRequest(*Load(), snapshot_id));
  }
  Result<Rollback> RollBack(const RollbackTarget& target, DryRun dry_run = DryRun::kNo) {
    return life_.RollBack(call_, kTestWarehouse, name_, target, dry_run);
  }

  CatalogWorld world_;
  const TableName name_{{"ns"}, "t"};
  LoadedTablePtr made_ = world_.MakeTable("t");
  Call call_ = world_.env().call(std::chrono::hours(1'000));
  Catalog& catalog_ = world_.catalog();
  Lifecycle life_{catalog_};
};

TEST_F(RollbackTest, ToASnapshotIsACommitThatLaterWritersBuildOn) {
  Append(1);
  Append(2);
  auto newest = Append(3);
  auto dry = RollBack({.snapshot_id = 1}, DryRun::kYes).value();
  EXPECT_EQ(dry.from_snapshot_id, 3);
  EXPECT_EQ(dry.to_snapshot_id, 1);
  EXPECT_EQ(dry.operation, "set-snapshot-ref");
  EXPECT_EQ(Load()->version, newest->version);
  auto done = RollBack({.snapshot_id = 1}).value();
  EXPECT_EQ(done.version, newest->version + 1);
  auto back = Load();
  EXPECT_EQ(back->metadata->current_snapshot_id, 1);
  EXPECT_EQ(back->metadata->last_sequence_number, newest->metadata->last_sequence_number);
  EXPECT_EQ(back->metadata->snapshots.size(), 3u);
  auto history = life_.History(call_, {ObjectKind::kTable, kTestWarehouse, {"ns"}, "t"}, {});
  EXPECT_EQ(history->items[0].operation, "rollback");
  auto after = Append(4);
  EXPECT_EQ(after->metadata->FindSnapshot(4)->sequence_number, 4);
  // There already: nothing is written.
  auto none = RollBack({.snapshot_id = 4}).value();
  EXPECT_EQ(none.operation, "");
  EXPECT_EQ(none.version, after->version);
}

TEST_F(RollbackTest, OnlyAncestorsUnlessForced) {
  Append(1);
  Append(2);
  ASSERT_TRUE(RollBack({.snapshot_id = 1}).ok());
  Append(3);
  auto refused = RollBack({.snapshot_id = 2});
  EXPECT_EQ(refused.status().code(), Code::kConflict);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("does not come from"));
  ASSERT_TRUE(RollBack({.snapshot_id = 2, .any_snapshot = true}).ok());
  EXPECT_EQ(Load()->metadata->current_snapshot_id, 2);
  EXPECT_EQ(RollBack({.snapshot_id = 99}).status().code(), Code::kNotFound);
  EXPECT_EQ(RollBack({.snapshot_id = 1, .branch = "none"}).status().code(), Code::kNotFound);
  EXPECT_EQ(RollBack({}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(RollBack({.snapshot_id = 1, .version = 2}).status().code(), Code::kInvalidArgument);
}

TEST_F(RollbackTest, ToATimeOnTheBranchThatIsMeant) {
  Append(1);
  auto second = Append(2);
  Commit({{}, {update::SetSnapshotRef{"audit", {.snapshot_id = 2}}}});
  Commit({{},
          {update::SetSnapshotRef{"tag",
                                  {.snapshot_id = 1, .type = iceberg::SnapshotRef::Type::kTag}}}});
  int64_t time_ms = second->metadata->FindSnapshot(2)->timestamp_ms;
  Append(3);
  EXPECT_EQ(RollBack({.timestamp_ms = time_ms}, DryRun::kYes)->to_snapshot_id, 2);
  EXPECT_EQ(RollBack({.timestamp_ms = time_ms - 1}, DryRun::kYes)->to_snapshot_id, 1);
  EXPECT_EQ(RollBack({.timestamp_ms = 5}).status().code(), Code::kNotFound);
  EXPECT_EQ(RollBack({.snapshot_id = 1, .branch = "tag"}).status().code(), Code::kInvalidArgument);
  auto done = RollBack({.snapshot_id = 1, .branch = "audit"}).value();
  EXPECT_EQ(done.from_snapshot_id, 2);
  EXPECT_EQ(Load()->metadata->refs.at("audit").snapshot_id, 1);
  EXPECT_EQ(Load()->metadata->current_snapshot_id, 3);
}

TEST_F(RollbackTest, ToAVersionBringsBackItsShape) {
  auto then = Commit(SetProperty(*Append(1), "colour", "red"));
  // Everything is changed afterwards.
  iceberg::Schema wider(0, {{.id = 1,
                             .name = "id",
                             .required = true,
                             .type = iceberg::Type::Primitive(iceberg::TypeKind::kLong)},
                            {.id = 3,
                             .name = "more",
                             .required = false,
                             .type = iceberg::Type::Primitive(iceberg::TypeKind::kString)}});
  iceberg::PartitionSpec spec;
  spec.fields.push_back({.source_ids = {1},
                         .field_id = 1000,
                         .name = "id",
                         .transform = iceberg::Transform::Identity()});
  iceberg::SortOrder order;
  order.fields.push_back({.source_ids = {1}});
  Commit({{},
          {update::AddSchema{wider, 3}, update::SetCurrentSchema{iceberg::kLastAdded},
           update::AddPartitionSpec{spec}, update::SetDefaultSpec{iceberg::kLastAdded},
           update::AddSortOrder{order}, update::SetDefaultSortOrder{iceberg::kLastAdded},
           update::SetProperties{{{"colour", "blue"}, {"new", "x"}}}}});
  auto changed = Append(2);

  auto done = RollBack({.version = then->version}).value();
  EXPECT_EQ(done.to_snapshot_id, 1);
  auto back = Load();
  EXPECT_TRUE(back->metadata->CurrentSchema().SameAs(then->metadata->CurrentSchema()));
  EXPECT_TRUE(back->metadata->DefaultSpec().CompatibleWith(then->metadata->DefaultSpec()));
  EXPECT_TRUE(back->metadata->DefaultSortOrder().is_unsorted());
  EXPECT_EQ(back->metadata->properties, then->metadata->properties);
  EXPECT_EQ(back->metadata->schemas.size(), 2u);  // found again, not a third
  // What must not go backwards.
  EXPECT_EQ(back->metadata->last_column_id, changed->metadata->last_column_id);
  EXPECT_EQ(back->metadata->last_partition_id, changed->metadata->last_partition_id);
  EXPECT_EQ(back->metadata->last_sequence_number, changed->metadata->last_sequence_number);
  EXPECT_EQ(RollBack({.version = then->version})->operation, "");

  // And forward again, to the first, without rows, and to none that there is.
  ASSERT_TRUE(RollBack({.version = changed->version}).ok());
  EXPECT_EQ(Load()->metadata->current_snapshot_id, 2);
  EXPECT_EQ(Load()->metadata->properties.at("new"), "x");
  ASSERT_TRUE(RollBack({.version = 1}).ok());
  EXPECT_EQ(Load()->metadata->CurrentSnapshot(), nullptr);
  EXPECT_EQ(RollBack({.version = 99}).status().code(), Code::kNotFound);
  EXPECT_EQ(RollBack({.version = 0}).status().code(), Code::kNotFound);
}

TEST_F(RollbackTest, ToAVersionOnlyWhereItsFilesAreCertain) {
  Append(1);
  auto second = Append(2);
  Append(3);
  Commit({{}, {update::RemoveSnapshots{{2}}}});
  auto expired = RollBack({.version = second->version});
  EXPECT_EQ(expired.status().code(), Code::kConflict);
  EXPECT_THAT(std::string(expired.status().message()), HasSubstr("has been expired"));
  RemoveFile(world_, second->metadata_location);
  EXPECT_EQ(Lifecycle(*world_.Another())
                .RollBack(call_, kTestWarehouse, name_, {.version = second->version}, DryRun::kYes)
                .status()
                .code(),
            Code::kConflict);
  iceberg::TableMetadata other = *made_->metadata;
  other.table_uuid = "another";
  EXPECT_EQ(PlanVersionRollback(*made_->metadata, other).status().code(), Code::kConflict);
}

TEST(RollbackFaults, LeaveTheTableWhereItWasOrLedItBack) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto table = world.MakeTable("t");
    Call call = world.env().call(std::chrono::hours(1'000));
    for (int64_t id : {1, 2}) {
      auto base = world.Reload("t");
      ASSERT_TRUE(world.catalog()
                      .Commit(call, kTestWarehouse, table->name, AppendRequest(*base, id), nullptr)
                      .ok());
    }
    Lifecycle life(world.Faulty(faults));
    auto done = life.RollBack(call, kTestWarehouse, table->name, {.version = 2}, DryRun::kNo);
    faults.Stop();
    int64_t now = world.Reload("t")->metadata->current_snapshot_id;
    EXPECT_TRUE(now == 1 || now == 2) << now;
    if (done.ok()) {
      EXPECT_EQ(now, 1);
    }
    if (!done.ok() && done.status().code() != Code::kCommitUnknown) {
      EXPECT_EQ(now, 2);
    }
    auto again = life.RollBack(call, kTestWarehouse, table->name, {.version = 2}, DryRun::kNo);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    EXPECT_EQ(world.Reload("t")->metadata->current_snapshot_id, 1);
  });
  EXPECT_GT(report.fired, 8u);
}

}  // namespace
}  // namespace moraine::catalog
