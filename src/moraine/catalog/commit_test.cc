#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/gzip.h"
#include "moraine/base/testing/faults.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

using testing::EndsWith;
using testing::Fault;
using testing::FaultInjector;
using testing::FaultKind;
using testing::HasSubstr;

namespace update = iceberg::update;

Result<LoadedTablePtr> Commit(CatalogWorld& world, const iceberg::CommitRequest& request) {
  Call call = world.call();
  return world.catalog().Commit(call, kTestWarehouse, {{"ns"}, "t"}, request, nullptr);
}

TEST(Commit, WritesANewFileAndKeepsTheOldOne) {
  CatalogWorld world;
  auto base = world.MakeTable("t");
  auto committed = Commit(world, AppendRequest(*base, 77)).value();
  EXPECT_EQ(committed->version, 2);
  EXPECT_THAT(committed->metadata_location, HasSubstr("/metadata/00001-"));
  EXPECT_EQ(committed->metadata->current_snapshot_id, 77);
  ASSERT_EQ(committed->metadata->metadata_log.size(), 1u);
  EXPECT_EQ(committed->metadata->metadata_log[0].metadata_file, base->metadata_location);
  auto reloaded = world.Reload("t");
  EXPECT_EQ(*reloaded->metadata, *committed->metadata);
  EXPECT_EQ(*reloaded->metadata_json, *committed->metadata_json);
  EXPECT_TRUE(world.files().Has(base->metadata_location));
}

TEST(Commit, FailedRequirementChangesNothing) {
  CatalogWorld world;
  auto base = world.MakeTable("t");
  auto first = Commit(world, AppendRequest(*base, 1)).value();
  auto refused = Commit(world, AppendRequest(*base, 2));
  EXPECT_EQ(refused.status().code(), Code::kConflict);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("Requirement failed: branch main"));
  EXPECT_EQ(world.Reload("t")->metadata_location, first->metadata_location);
  EXPECT_EQ(world.files().size(), 2u);
}

TEST(Commit, ThatChangesNothingWritesNothingYetRunsItsNote) {
  CatalogWorld world;
  auto base = world.MakeTable("t");
  auto once = Commit(world, SetProperty(*base, "a", "b")).value();
  bool noted = false;
  Call call = world.call();
  auto twice = world.catalog().Commit(call, kTestWarehouse, once->name,
                                      SetProperty(*base, "a", "b"), [&](store::Transaction&) {
                                        noted = true;
                                        return Status();
                                      });
  EXPECT_EQ((*twice)->metadata_location, once->metadata_location);
  EXPECT_TRUE(noted);
  EXPECT_EQ(world.files().size(), 2u);
}

TEST(Commit, FailingNoteRefusesItAndItsFileGoes) {
  CatalogWorld world;
  auto base = world.MakeTable("t");
  Call call = world.call();
  auto refused = world.catalog().Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 1),
                                        [](store::Transaction&) { return Conflict("not now"); });
  EXPECT_EQ(refused.status(), Conflict("not now"));
  EXPECT_EQ(world.Reload("t")->metadata_location, base->metadata_location);
  EXPECT_EQ(world.files().size(), 1u);
}

TEST(Commit, MetadataFilesAsTheTableWants) {
  CatalogWorld world;
  auto base = world.MakeTable("t");
  auto zipped =
      Commit(world, SetProperty(*base, "write.metadata.compression-codec", "gzip")).value();
  EXPECT_THAT(zipped->metadata_location, EndsWith(".gz.metadata.json"));
  Call call = world.call();
  auto bytes = io::ReadFile(call, world.files(), zipped->metadata_location, 1 << 20).value();
  EXPECT_EQ(GzipDecompress(bytes, 1 << 20).value(), *zipped->metadata_json);
  EXPECT_EQ(*world.Reload("t")->metadata, *zipped->metadata);

  auto moved =
      Commit(world, SetProperty(*zipped, "write.metadata.path", "file:///wh/elsewhere/t/")).value();
  EXPECT_THAT(moved->metadata_location, testing::StartsWith("file:///wh/elsewhere/t/00002-"));
  EXPECT_EQ(*world.Reload("t")->metadata, *moved->metadata);
}

TEST(Commit, TrimsOldMetadataFilesWhenAsked) {
  CatalogWorld world;
  auto table = world.MakeTable("t");
  auto request = SetProperty(*table, "write.metadata.previous-versions-max", "2");
  request.updates.push_back(
      update::SetProperties{{{"write.metadata.delete-after-commit.enabled", "true"}}});
  table = Commit(world, request).value();
  std::vector<std::string> all = {table->metadata->metadata_log[0].metadata_file,
                                  table->metadata_location};
  for (int i = 0; i < 6; ++i) {
    table = Commit(world, SetProperty(*table, "i", std::to_string(i))).value();
    all.push_back(table->metadata_location);
    for (size_t k = 0; k < all.size(); ++k) {
      EXPECT_EQ(world.files().Has(all[k]), k + 3 >= all.size()) << k << " of " << all.size();
    }
  }
}

TEST(Commit, LostReplyOfTheStoreIsSettled) {
  struct Case {
    FaultKind kind;
    Code code;
  };
  for (auto [kind, code] :
       {Case{FaultKind::kAfter, Code::kOk}, Case{FaultKind::kBefore, Code::kConflict}}) {
    CatalogWorld world;
    auto base = world.MakeTable("t");
    FaultInjector faults;
    Catalog& catalog = world.Faulty(faults);
    Call call = world.call();
    faults.Arm({"commit", "write", 1, Fault{kind}});
    auto committed =
        catalog.Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 5), nullptr);
    EXPECT_EQ(committed.status().code(), code);
    EXPECT_EQ(faults.fired(), 1u);
    auto now = world.Reload("t");
    EXPECT_EQ(now->metadata->current_snapshot_id, code == Code::kOk ? 5 : iceberg::kNoSnapshot);
    // A refused commit leaves no file; one that landed leaves its own.
    EXPECT_EQ(world.files().size(), code == Code::kOk ? 2u : 1u);
    if (code == Code::kOk) {
      EXPECT_EQ((*committed)->metadata_location, now->metadata_location);
    }
    EXPECT_EQ(world.CountChanges(base->table_id, "commit"), code == Code::kOk ? 1u : 0u);
  }
}

TEST(Commit, UnknownOutcomeDeletesNothing) {
  for (FaultKind kind : {FaultKind::kAfter, FaultKind::kBefore}) {
    CatalogWorld world;
    auto base = world.MakeTable("t");
    FaultInjector faults;
    Catalog& catalog = world.Faulty(faults);
    Call call = world.call();
    faults.Arm({"commit", "write", 1, Fault{kind}});
    faults.Arm({"begin", "write", 2, Fault{FaultKind::kBefore}});
    auto committed =
        catalog.Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 5), nullptr);
    EXPECT_EQ(committed.status().code(), Code::kCommitUnknown);
    EXPECT_EQ(world.files().size(), 2u);
    auto now = world.Reload("t");
    ASSERT_NE(now, nullptr);
    EXPECT_EQ(now->metadata->current_snapshot_id,
              kind == FaultKind::kAfter ? 5 : iceberg::kNoSnapshot);
  }
}

TEST(Commit, UnknownOutcomeOfACreateIsSettledToo) {
  CatalogWorld world;
  FaultInjector faults;
  Catalog& catalog = world.Faulty(faults);
  Call call = world.call();
  faults.Arm({"commit", "write", 1, Fault{FaultKind::kAfter}});
  auto created = catalog.Create(call, kTestWarehouse, SimpleTable({{"ns"}, "t"}));
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  EXPECT_EQ(world.Reload("t")->table_id, (*created)->table_id);

  faults.Arm({"commit", "write", 1, Fault{FaultKind::kBefore}});
  auto lost = catalog.Create(call, kTestWarehouse, SimpleTable({{"ns"}, "u"}));
  EXPECT_EQ(lost.status().code(), Code::kCommitUnknown);
  EXPECT_EQ(world.files().size(), 2u);
}

/// Every call of a commit fails once: the table is the old or the new one, an acknowledged commit
/// stays, a file that is named is there, and a retry gives the clean result.
TEST(CommitFaults, LeaveTheOldOrTheNewTable) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto base = world.MakeTable("t");
    Catalog& catalog = world.Faulty(faults);
    Call call = world.call();
    int noted = 0;
    auto committed = catalog.Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 5),
                                    [&](store::Transaction&) {
                                      ++noted;
                                      return Status();
                                    });
    faults.Stop();
    Code code = committed.status().code();
    auto now = world.Reload("t");
    ASSERT_NE(now, nullptr);
    bool landed = now->metadata_location != base->metadata_location;
    if (code == Code::kOk) {
      EXPECT_TRUE(landed);
    } else if (code != Code::kCommitUnknown) {
      EXPECT_FALSE(landed) << committed.status().ToString();
    }
    EXPECT_EQ(now->metadata->current_snapshot_id, landed ? 5 : iceberg::kNoSnapshot);
    EXPECT_EQ(world.CountChanges(base->table_id, "commit"), landed ? 1u : 0u);
    EXPECT_LE(noted, 1);
    EXPECT_TRUE(world.files().Has(base->metadata_location));
    if (!landed) {
      auto again =
          catalog.Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 5), nullptr);
      ASSERT_TRUE(again.ok()) << again.status().ToString();
    }
    EXPECT_EQ(world.Reload("t")->metadata->snapshots.size(), 1u);
    EXPECT_EQ(world.CountChanges(base->table_id, "commit"), 1u);
  });
  EXPECT_GT(report.calls, 10u);
}

TEST(CommitFaults, OfACreateLeaveATableOrNone) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    Catalog& catalog = world.Faulty(faults);
    Call call = world.call();
    auto created = catalog.Create(call, kTestWarehouse, SimpleTable({{"ns"}, "t"}));
    faults.Stop();
    auto now = world.Reload("t");
    if (created.ok()) {
      ASSERT_NE(now, nullptr);
      EXPECT_EQ(now->metadata_location, (*created)->metadata_location);
    } else if (created.status().code() != Code::kCommitUnknown) {
      EXPECT_EQ(now, nullptr) << created.status().ToString();
    }
    if (now == nullptr) {
      auto again = catalog.Create(call, kTestWarehouse, SimpleTable({{"ns"}, "t"}));
      ASSERT_TRUE(again.ok()) << again.status().ToString();
    }
    auto table = world.Reload("t");
    EXPECT_EQ(world.CountChanges(table->table_id, "create"), 1u);
  });
  EXPECT_GT(report.calls, 10u);
}

TEST(CommitFaults, OfRenameAndDropAreWholeOrNothing) {
  testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto base = world.MakeTable("t");
    Catalog& catalog = world.Faulty(faults);
    Call call = world.call();
    Status renamed = catalog.Rename(call, kTestWarehouse, base->name, {{"ns"}, "u"});
    Status dropped = catalog.Drop(call, kTestWarehouse, {{"ns"}, "u"}, Catalog::Purge::kNo);
    faults.Stop();
    auto old_name = world.Reload("t");
    auto new_name = world.Reload("u");
    EXPECT_FALSE(old_name && new_name);
    EXPECT_TRUE(!renamed.ok() || old_name == nullptr);
    EXPECT_TRUE(!renamed.ok() || !dropped.ok() || new_name == nullptr);
    EXPECT_EQ(world.CountChanges(base->table_id, "rename"), old_name ? 0u : 1u);
    EXPECT_EQ(world.CountChanges(base->table_id, "drop"), !old_name && !new_name ? 1u : 0u);
  });
}

}  // namespace
}  // namespace moraine::catalog
