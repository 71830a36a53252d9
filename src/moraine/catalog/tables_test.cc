#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/pending_scan_usage.h"
#include "moraine/catalog/scan_usage_rows.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Tables, CreatedOnesLoadAsWritten) {
  CatalogWorld world;
  Call call = world.call();
  auto created = world.MakeTable("t");
  EXPECT_EQ(created->version, 1);
  EXPECT_EQ(created->origin, "created");
  const auto& metadata = *created->metadata;
  EXPECT_EQ(metadata.location, "file:///wh/ns/t-" + metadata.table_uuid.substr(0, 8));
  EXPECT_THAT(created->metadata_location, StartsWith(metadata.location + "/metadata/00000-"));

  for (const auto& loaded :
       {world.Reload("t"), world.catalog().Load(call, kTestWarehouse, {{"ns"}, "t"}).value(),
        world.catalog().LoadById(call, created->table_id).value()}) {
    ASSERT_NE(loaded, nullptr);
    EXPECT_EQ(loaded->table_id, created->table_id);
    EXPECT_EQ(loaded->version, 1);
    EXPECT_EQ(loaded->name, created->name);
    EXPECT_EQ(loaded->metadata_location, created->metadata_location);
    EXPECT_EQ(*loaded->metadata_json, *created->metadata_json);
    EXPECT_EQ(*loaded->metadata, metadata);
  }
  auto again = world.catalog().Create(call, kTestWarehouse, SimpleTable({{"ns"}, "t"}));
  EXPECT_EQ(again.status(), AlreadyExists("Table already exists: ns.t"));
  EXPECT_EQ(world.files().size(), 1u);
}

TEST(Tables, StagedOnesHaveTheirFoldersWhereFilesLieInFolders) {
  std::string folder = testing::TempDir() + "/tables_test_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  CatalogWorld world;
  Call call = world.call();
  auto files = io::MakeLocalFileSystem();
  Catalog catalog(world.database(), *files, {});
  ASSERT_TRUE(catalog.Open(call).ok());
  ASSERT_TRUE(catalog.PutWarehouse(call, {.name = "local", .root = "file://" + folder}).ok());
  ASSERT_TRUE(catalog.CreateNamespace(call, "local", {"ns"}, {}).ok());
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.stage = true;
  create.location = "file://" + folder + "/t";
  create.properties["write.data.path"] = "file://" + folder + "/t/elsewhere";
  ASSERT_TRUE(catalog.Create(call, "local", create).ok());
  for (const char* made : {"/t/metadata", "/t/elsewhere"}) {
    EXPECT_TRUE(std::filesystem::is_directory(folder + made)) << made;
    EXPECT_TRUE(std::filesystem::is_empty(folder + made)) << made;
  }
  std::filesystem::remove_all(folder);
}

TEST(Tables, StagedOnesLeaveNothingAndAreMadeByTheirCommit) {
  CatalogWorld world;
  Call call = world.call();
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.stage = true;
  auto staged = world.catalog().Create(call, kTestWarehouse, create).value();
  EXPECT_EQ(staged->metadata_location, "");
  EXPECT_EQ(world.files().size(), 0u);
  EXPECT_EQ(world.Reload("t"), nullptr);

  const auto& metadata = *staged->metadata;
  namespace update = iceberg::update;
  iceberg::CommitRequest request;
  request.requirements = {iceberg::requirement::AssertCreate{}};
  request.updates = {update::AssignUuid{metadata.table_uuid},
                     update::UpgradeFormatVersion{2},
                     update::AddSchema{metadata.CurrentSchema(), {}},
                     update::SetCurrentSchema{iceberg::kLastAdded},
                     update::AddPartitionSpec{{}},
                     update::SetDefaultSpec{iceberg::kLastAdded},
                     update::AddSortOrder{{}},
                     update::SetDefaultSortOrder{iceberg::kLastAdded},
                     update::SetLocation{metadata.location},
                     update::SetProperties{{{"a", "b"}}}};
  bool noted = false;
  auto made = world.catalog().Commit(call, kTestWarehouse, {{"ns"}, "t"}, request,
                                     [&](store::Transaction&) {
                                       noted = true;
                                       return Status();
                                     });
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_TRUE(noted);
  EXPECT_EQ((*made)->metadata->table_uuid, metadata.table_uuid);
  EXPECT_EQ((*made)->metadata->location, metadata.location);
  EXPECT_EQ((*made)->metadata->Property("a", ""), "b");
  auto again = world.catalog().Commit(call, kTestWarehouse, {{"ns"}, "t"}, request, nullptr);
  EXPECT_EQ(again.status(), AlreadyExists("Requirement failed: table already exists: ns.t"));

  // Without uuid and location the catalog gives them.
  request.updates.erase(request.updates.begin() + 8);
  request.updates.erase(request.updates.begin());
  auto other = world.catalog().Commit(call, kTestWarehouse, {{"ns"}, "u"}, request, nullptr);
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  EXPECT_THAT((*other)->metadata->location, StartsWith("file:///wh/ns/u-"));
}

TEST(Tables, RenameKeepsNumberAndLocation) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  auto created = world.MakeTable("t");
  world.MakeTable("taken");
  ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, {"other"}, {}).ok());
  struct Case {
    TableName from, to;
    std::string_view error;
  };
  const Case refused[] = {
      {{{"ns"}, "x"}, {{"ns"}, "y"}, "NotFound: Table does not exist: ns.x"},
      {{{"ns"}, "t"}, {{"no"}, "y"}, "NotFound: Namespace does not exist: no"},
      {{{"ns"}, "t"},
       {{"ns"}, "taken"},
       "AlreadyExists: Cannot rename ns.t to ns.taken. Table already exists"},
  };
  for (const auto& c : refused) {
    EXPECT_EQ(catalog.Rename(call, kTestWarehouse, c.from, c.to).ToString(), c.error);
  }
  ASSERT_TRUE(catalog.Rename(call, kTestWarehouse, {{"ns"}, "t"}, {{"other"}, "u"}).ok());
  EXPECT_EQ(world.Reload("t"), nullptr);
  auto renamed = catalog.Load(call, kTestWarehouse, {{"other"}, "u"}).value();
  EXPECT_EQ(renamed->table_id, created->table_id);
  EXPECT_EQ(renamed->metadata_location, created->metadata_location);
  // A commit by the old name must not land, one by the new name must.
  EXPECT_EQ(catalog.Commit(call, kTestWarehouse, {{"ns"}, "t"}, AppendRequest(*created, 1), nullptr)
                .status()
                .code(),
            Code::kNotFound);
  EXPECT_TRUE(
      catalog.Commit(call, kTestWarehouse, {{"other"}, "u"}, AppendRequest(*created, 1), nullptr)
          .ok());
  EXPECT_EQ(world.CountChanges(created->table_id, "rename"), 1u);
}

TEST(Tables, DropFreesNameAndPlaceAndKeepsFiles) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  auto created = world.MakeTable("t");
  ASSERT_TRUE(catalog.Drop(call, kTestWarehouse, {{"ns"}, "t"}, Catalog::Purge::kRequested).ok());
  EXPECT_EQ(catalog.Drop(call, kTestWarehouse, {{"ns"}, "t"}, Catalog::Purge::kNo).code(),
            Code::kNotFound);
  EXPECT_TRUE(world.files().Has(created->metadata_location));
  auto registered =
      catalog.Register(call, kTestWarehouse, {{"ns"}, "t"}, created->metadata_location);
  ASSERT_TRUE(registered.ok()) << registered.status().ToString();
  EXPECT_EQ((*registered)->origin, "registered");
  EXPECT_NE((*registered)->table_id, created->table_id);
  EXPECT_EQ((*registered)->metadata->table_uuid, created->metadata->table_uuid);
  EXPECT_EQ(
      catalog.Register(call, kTestWarehouse, {{"ns"}, "t"}, created->metadata_location).status(),
      AlreadyExists("Table already exists: ns.t"));
  EXPECT_EQ(catalog.Register(call, kTestWarehouse, {{"ns"}, "twin"}, created->metadata_location)
                .status()
                .code(),
            Code::kInvalidArgument);
  ASSERT_TRUE(catalog.Drop(call, kTestWarehouse, {{"ns"}, "t"}, Catalog::Purge::kNo).ok());
  EXPECT_TRUE(catalog.DropNamespace(call, kTestWarehouse, {"ns"}).ok());
}

TEST(Tables, AFileThatWasWrittenAnewIsRegisteredAsItIsNow) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  auto first = world.MakeTable("t");
  const std::string location = first->metadata_location;
  const auto rewrite = [&](const std::string& value) {
    iceberg::TableMetadata metadata = *first->metadata;
    metadata.properties["written"] = value;
    world.files().Put(location, iceberg::TableMetadataToJson(metadata), 0);
  };
  const auto written = [&] { return world.Reload("t")->metadata->properties.at("written"); };
  rewrite("anew");
  ASSERT_TRUE(catalog.RegisterOver(call, kTestWarehouse, first->name, location).ok());
  EXPECT_EQ(written(), "anew");
  ASSERT_TRUE(catalog.Drop(call, kTestWarehouse, first->name, Catalog::Purge::kNo).ok());
  rewrite("once more");
  ASSERT_TRUE(catalog.Register(call, kTestWarehouse, first->name, location).ok());
  EXPECT_EQ(written(), "once more");
}

TEST(Tables, RegisterOverLeadsTheNameToTheFileAndKeepsTheNumber) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  auto first = world.MakeTable("t");
  auto second =
      catalog.Commit(call, kTestWarehouse, first->name, AppendRequest(*first, 1), nullptr).value();
  // Back to what it was.
  auto back =
      catalog.RegisterOver(call, kTestWarehouse, first->name, first->metadata_location).value();
  EXPECT_EQ(back->table_id, first->table_id);
  EXPECT_EQ(back->version, 3);
  EXPECT_EQ(back->origin, "registered");
  auto reloaded = world.Reload("t");
  EXPECT_EQ(reloaded->metadata_location, first->metadata_location);
  EXPECT_EQ(reloaded->origin, "registered");
  EXPECT_EQ(reloaded->version, 3);
  EXPECT_EQ(world.CountChanges(first->table_id, "register"), 1u);
  // What was based on the replaced state loses.
  EXPECT_EQ(catalog.Commit(call, kTestWarehouse, first->name, AppendRequest(*second, 2), nullptr)
                .status()
                .code(),
            Code::kConflict);

  // Another table's file, uuid and place: free once that table is gone.
  auto other = world.MakeTable("other");
  EXPECT_EQ(catalog.RegisterOver(call, kTestWarehouse, first->name, other->metadata_location)
                .status()
                .code(),
            Code::kInvalidArgument);
  EXPECT_EQ(world.Reload("t")->metadata_location, first->metadata_location);
  ASSERT_TRUE(catalog.Drop(call, kTestWarehouse, other->name, Catalog::Purge::kNo).ok());
  auto moved =
      catalog.RegisterOver(call, kTestWarehouse, first->name, other->metadata_location).value();
  EXPECT_EQ(moved->table_id, first->table_id);
  EXPECT_EQ(moved->metadata->table_uuid, other->metadata->table_uuid);
  // The place that it left is free again.
  EXPECT_TRUE(
      catalog.Register(call, kTestWarehouse, {{"ns"}, "again"}, first->metadata_location).ok());

  // A name that is not there is registered.
  ASSERT_TRUE(catalog.Drop(call, kTestWarehouse, first->name, Catalog::Purge::kNo).ok());
  auto fresh =
      catalog.RegisterOver(call, kTestWarehouse, {{"ns"}, "new"}, other->metadata_location).value();
  EXPECT_EQ(fresh->version, 1);
  EXPECT_NE(fresh->table_id, first->table_id);
  EXPECT_EQ(catalog.RegisterOver(call, kTestWarehouse, {{"no"}, "t"}, other->metadata_location)
                .status()
                .code(),
            Code::kNotFound);
}

TEST(Tables, LostMetadataFileIsSaidSo) {
  CatalogWorld world;
  Call call = world.call();
  auto created = world.MakeTable("t");
  world.files().Remove(created->metadata_location);
  auto loaded = world.catalog().Load(call, kTestWarehouse, {{"ns"}, "t"});
  EXPECT_EQ(loaded.status(),
            NotFound("Failed to open input stream for file: " + created->metadata_location));
  EXPECT_EQ(ExceptionName(loaded.status()), "NotFoundException");
}

TEST(Tables, SpoiltMetadataIsCorruptionAndOthersGoOn) {
  const std::string texts[] = {"",
                               "{",
                               "[]",
                               "{\"format-version\":2}",
                               "\x1f\x8b"
                               "broken",
                               std::string(100'000, '[')};
  for (const auto& text : texts) {
    CatalogWorld world;
    Call call = world.call();
    auto created = world.MakeTable("t");
    world.MakeTable("u");
    world.files().Put(created->metadata_location, text, 0);
    auto fresh = world.Another();
    EXPECT_EQ(fresh->Load(call, kTestWarehouse, {{"ns"}, "t"}).status().code(), Code::kCorruption);
    EXPECT_TRUE(fresh->Load(call, kTestWarehouse, {{"ns"}, "u"}).ok());
    world.files().Put("file:///wh/ns/x/metadata/1-a.metadata.json", text, 0);
    EXPECT_EQ(fresh
                  ->Register(call, kTestWarehouse, {{"ns"}, "v"},
                             "file:///wh/ns/x/metadata/1-a.metadata.json")
                  .status()
                  .code(),
              Code::kInvalidArgument);
  }
}

TEST(Tables, FeedIsInOrderAndKeepsItsNumbersWhenTrimmed) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  int woken = 0;
  catalog.OnChange([&] { ++woken; });
  auto t = world.MakeTable("t");
  auto committed =
      catalog.Commit(call, kTestWarehouse, t->name, AppendRequest(*t, 7), nullptr).value();
  ASSERT_TRUE(catalog.Drop(call, kTestWarehouse, t->name, Catalog::Purge::kNo).ok());
  EXPECT_EQ(woken, 3);
  auto changes = catalog.Changes(call, 0, 10).value();
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].kind, "namespace-create");
  changes.erase(changes.begin());
  const std::string_view kinds[] = {"create", "commit", "drop"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(changes[i].feed_seq, static_cast<int64_t>(i) + 2);
    EXPECT_EQ(changes[i].kind, kinds[i]);
    EXPECT_EQ(changes[i].version, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(changes[i].table_id, t->table_id);
  }
  EXPECT_EQ(changes[0].snapshot_id, iceberg::kNoSnapshot);
  EXPECT_EQ(changes[1].snapshot_id, 7);
  EXPECT_EQ(catalog.Changes(call, 1, 1).value().at(0).feed_seq, 2);

  world.env().clock().Advance(std::chrono::hours(1));
  Call later = world.call();
  ASSERT_TRUE(catalog.TrimChanges(later, ToMillis(later.clock().Wall()), 2).ok());
  EXPECT_EQ(catalog.Changes(later, 0, 10).value().size(), 2u);
  ASSERT_TRUE(catalog.TrimChanges(later, ToMillis(later.clock().Wall()), 100).ok());
  EXPECT_EQ(catalog.Changes(later, 0, 10).value().size(), 1u);
  world.MakeTable("u");
  EXPECT_EQ(catalog.Changes(later, 4, 10).value().at(0).feed_seq, 5);
}

TEST(Tables, ListInPages) {
  CatalogWorld world;
  Call call = world.call();
  for (const char* name : {"b", "a", "A", "é", "z"}) world.MakeTable(name);
  std::vector<std::string> names;
  PageRequest page{"", 2};
  do {
    auto got = world.catalog().ListTables(call, kTestWarehouse, {"ns"}, page).value();
    EXPECT_LE(got.items.size(), 2u);
    for (const auto& item : got.items) names.push_back(item.name);
    page.token = got.next_token;
  } while (!page.token.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"A", "a", "b", "z", "é"}));

  size_t all = 0;
  page.token.clear();
  do {
    auto got = world.catalog().AllTables(call, page).value();
    all += got.items.size();
    page.token = got.next_token;
  } while (!page.token.empty());
  EXPECT_EQ(all, 5u);
}

TEST(Tables, ReportsAreBounded) {
  CatalogWorld world;
  Call call = world.call();
  auto t = world.MakeTable("t");
  for (int i = 0; i < 150; ++i) {
    ASSERT_TRUE(world.catalog().ReportMetrics(call, kTestWarehouse, t->name, "{}").ok());
  }
  auto rows = store::RunFor(call, world.database(), store::Access::kRead, [](auto& transaction) {
    return transaction.Query("SELECT COUNT(*) FROM metrics_report", {});
  });
  EXPECT_EQ(rows->at(0).Int(0).value(), 100);
  EXPECT_EQ(world.catalog().ReportMetrics(call, kTestWarehouse, {{"ns"}, "x"}, "{}").code(),
            Code::kNotFound);
}

TEST(Tables, ServersAddScansToTheirRowsFromTimeToTime) {
  CatalogWorld world;
  Call call = world.call();
  auto other_server = world.Another();
  const auto t = world.MakeTable("t"), u = world.MakeTable("u");
  constexpr char kReport[] = R"({"report-type":"scan-report"})";
  const auto report = [&](Catalog& server, const LoadedTablePtr& table) {
    EXPECT_TRUE(server.ReportMetrics(call, kTestWarehouse, table->name, kReport).ok());
  };
  const auto rows = [&] {
    auto found = store::RunFor(call, world.database(), store::Access::kRead, [](auto& each) {
      return each.Query("SELECT COUNT(*) FROM scan_usage", {});
    });
    return found->at(0).Int(0).value();
  };
  const auto scans = [&](Catalog& server, const LoadedTablePtr& table) {
    return server.ScanUsageSince(call, table->table_id, 0)->scans;
  };
  for (int i = 0; i < 20; ++i) report(world.catalog(), t);
  report(*other_server, t);
  EXPECT_EQ(rows(), 0);
  EXPECT_EQ(scans(*other_server, t), 1) << "its own are always seen";
  world.env().clock().Advance(std::chrono::seconds(6));
  report(world.catalog(), u);
  EXPECT_EQ(rows(), 1);
  EXPECT_EQ(scans(*other_server, t), 21);
  EXPECT_EQ(scans(*other_server, u), 0);
  EXPECT_EQ(scans(world.catalog(), u), 1);
  EXPECT_EQ(scans(*other_server, u), 1);
  EXPECT_EQ(rows(), 2);
  // What comes for a table that is gone is not kept.
  EXPECT_TRUE(world.database()
                  .Run(call, store::Access::kWrite,
                       [](auto& each) { return AddScanUsage(each, 999, {.scans = 1}, 0); })
                  .ok());
  report(*other_server, t);
  ASSERT_TRUE(other_server->TrimScanUsage(call, 0).ok());
  EXPECT_EQ(scans(world.catalog(), t), 22);
  EXPECT_EQ(rows(), 2);
}

/// However many tables are asked for, few wait.
TEST(PendingScanUsage, IsOfBoundedSize) {
  PendingScanUsage pending;
  size_t taken = 0;
  constexpr int kTables = 3'000;
  for (int i = 0; i < kTables; ++i) {
    pending.Add(i, {.scans = 1}, 0, 0);
    taken += pending.TakeDue(0).size();
  }
  EXPECT_EQ(taken, kTables - 500);
  EXPECT_EQ(pending.TakeOf(kTables - 1).size(), 1u);
  EXPECT_TRUE(pending.TakeOf(kTables - 1).empty());
  pending.Add(kTables - 1, {.scans = 2}, 0, 1'000);
  pending.Add(kTables - 1, {.scans = 3}, 0, 6'000);
  taken = 0;
  for (auto due = pending.TakeDue(5'500); !due.empty(); due = pending.TakeDue(5'500))
    taken += due.size();
  EXPECT_EQ(taken, 499u) << "what was added anew waits anew";
  const auto all = pending.TakeAll();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].usage.scans, 5);
}

TEST(Tables, ScansAreSummedByDay) {
  CatalogWorld world;
  Call call = world.call();
  auto t = world.MakeTable("t");
  constexpr char kReport[] =
      R"({"report-type":"scan-report","filter":{"type":"eq","term":"a","value":"x"},
          "metrics":{"result-data-files":{"unit":"count","value":3}}})";
  const int64_t now_ms = ToMillis(call.clock().Wall());
  for (int i = 0; i < 150; ++i) {
    ASSERT_TRUE(world.catalog().ReportMetrics(call, kTestWarehouse, t->name, kReport).ok());
  }
  ASSERT_TRUE(world.catalog().ReportMetrics(call, kTestWarehouse, t->name, "{}").ok());
  auto usage = world.catalog().ScanUsageSince(call, t->table_id, now_ms).value();
  EXPECT_EQ(usage.scans, 150);
  EXPECT_EQ(usage.columns["a"].equality, 150);
  EXPECT_EQ(usage.result_files, 450);
  EXPECT_EQ(usage.last_ms, now_ms);
  constexpr int64_t kDayMs = 86'400'000;
  EXPECT_EQ(world.catalog().ScanUsageSince(call, t->table_id, now_ms + kDayMs)->scans, 0);
  ASSERT_TRUE(world.catalog().TrimScanUsage(call, now_ms).ok());
  EXPECT_EQ(world.catalog().ScanUsageSince(call, t->table_id, 0)->scans, 150);
  ASSERT_TRUE(world.catalog().TrimScanUsage(call, now_ms + kDayMs).ok());
  EXPECT_EQ(world.catalog().ScanUsageSince(call, t->table_id, 0)->scans, 0);
}

}  // namespace
}  // namespace moraine::catalog
