#include "moraine/catalog/locations.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/io/allowed.h"
#include "moraine/io/location.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::catalog {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

namespace update = iceberg::update;

constexpr char kUuid[] = "01234567-89ab-cdef-0123-456789abcdef";

TEST(DefaultLocation, OfANamespaceIsAboveThatOfItsTables) {
  for (const NamespaceName& name : std::vector<NamespaceName>{{"a"}, {"a", "b c"}, {"ü/.."}}) {
    std::string above = DefaultLocation("file:///wh", name);
    EXPECT_TRUE(DefaultLocation("file:///wh", {name, "t"}, "12345678").starts_with(above + "/t-"))
        << above;
  }
  EXPECT_EQ(DefaultLocation("s3://lake/wh", NamespaceName{"a", "b"}), "s3://lake/wh/a/b");
  EXPECT_LE(DefaultLocation("file:///wh", NamespaceName(300, "level")).size(), 300u);
}

TEST(DefaultLocation, IsSafeWhateverTheNames) {
  struct Case {
    TableName name;
    std::string_view expected;
  };
  const Case cases[] = {
      {{{"a", "b"}, "t"}, "file:///wh/a/b/t-01234567"},
      {{{"a b"}, "x/y"}, "file:///wh/a%20b/x%2Fy-01234567"},
      {{{".."}, ".."}, "file:///wh/.._/.._-01234567"},
      {{{"."}, "..."}, "file:///wh/._/..._-01234567"},
      {{{"%2e%2e"}, "é"}, "file:///wh/%252e%252e/%C3%A9-01234567"},
  };
  for (const auto& c : cases) EXPECT_EQ(DefaultLocation("file:///wh", c.name, kUuid), c.expected);
  const TableName longer[] = {{{std::string(900, 'n')}, "t"},
                              {{"n"}, std::string(900, '/')},
                              {{"n", std::string(196, 'm')}, "t"},
                              {NamespaceName(50, "level"), "t"}};
  for (const auto& name : longer) {
    std::string location = DefaultLocation("file:///wh", name, kUuid);
    EXPECT_LE(location.size(), std::string("file:///wh/-01234567").size() + 200);
    EXPECT_TRUE(location.ends_with("-01234567"));
    EXPECT_TRUE(io::IsInside(location, "file:///wh"));
    EXPECT_TRUE(PercentDecode(location).ok()) << location;
  }
}

/// Places that no client may bring in, whatever the field.
const char* const kOutside[] = {
    "file:///etc",
    "/etc/cron.d",
    "file:///wh",
    "file:///wh/",
    "/wh",
    "file:///wh/../etc/x",
    "file:///wh/ns/../../etc/x",
    "file:///wh/%2e%2e/etc/x",
    "file:///wh/%2E%2E/%2e%2e/etc/x",
    "file:///wh/.%2e/etc/x",
    "file:///whx/t",
    "file:/etc/x",
    "file://host/wh/t",
    "file:////etc/x",
    "FILE:///etc/x",
    "s3://wh/t",
    "s3a://wh/t",
    "http://169.254.169.254/latest",
    "relative/path",
    "../wh/t",
    "file:///wh/t\nx",
    "hdfs:///wh/t",
};

TEST(Locations, OutsideTheWarehouseAreRefusedInEveryField) {
  CatalogWorld world;
  auto base = world.MakeTable("t");
  Call call = world.call();
  const std::string before = base->metadata_location;
  for (const char* place : kOutside) {
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = 1;
    snapshot.sequence_number = 1;
    snapshot.timestamp_ms = base->metadata->last_updated_ms;
    snapshot.summary = {{"operation", "append"}};
    snapshot.manifest_list = place;
    iceberg::StatisticsFile statistics;
    statistics.snapshot_id = 1;
    statistics.statistics_path = place;
    iceberg::PartitionStatisticsFile partition_statistics;
    partition_statistics.statistics_path = place;
    std::vector<iceberg::TableUpdate> changes = {
        update::AddSnapshot{snapshot}, update::SetLocation{place},
        update::SetStatistics{statistics}, update::SetPartitionStatistics{partition_statistics}};
    for (const char* key : {"write.data.path", "write.metadata.path", "write.object-storage.path",
                            "write.folder-storage.path"}) {
      changes.push_back(update::SetProperties{{{key, place}}});
    }
    for (size_t i = 0; i < changes.size(); ++i) {
      auto refused =
          world.catalog().Commit(call, kTestWarehouse, base->name, {{}, {changes[i]}}, nullptr);
      EXPECT_EQ(refused.status().code(), Code::kInvalidArgument) << place << " in change " << i;
    }
    CreateTable create = SimpleTable({{"ns"}, "u"});
    create.location = place;
    EXPECT_EQ(world.catalog().Create(call, kTestWarehouse, create).status().code(),
              Code::kInvalidArgument)
        << place;
    create.location.reset();
    create.properties = {{"write.metadata.path", place}};
    EXPECT_EQ(world.catalog().Create(call, kTestWarehouse, create).status().code(),
              Code::kInvalidArgument)
        << place;
    EXPECT_EQ(
        world.catalog().CreateNamespace(call, kTestWarehouse, {"n2"}, {{"location", place}}).code(),
        Code::kInvalidArgument)
        << place;
    // A file in the root itself is allowed, only not there.
    auto normal = io::NormalizeLocation(place);
    bool is_root = normal.ok() && *normal == "file:///wh";
    auto registered =
        world.catalog().Register(call, kTestWarehouse, {{"ns"}, "v"}, std::string(place) + "/m");
    EXPECT_EQ(registered.status().code(), is_root ? Code::kNotFound : Code::kInvalidArgument)
        << place;
  }
  EXPECT_EQ(world.Reload("t")->metadata_location, before);
  EXPECT_EQ(world.files().size(), 1u);
}

TEST(Locations, InOtherFormsAreTheSamePlace) {
  CatalogWorld world;
  Call call = world.call();
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.location = "file:/wh/place/t/";
  auto created = world.catalog().Create(call, kTestWarehouse, create);
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  EXPECT_EQ((*created)->metadata->location, "file:/wh/place/t");
  const char* const taken[] = {"file:///wh/place/t",     "/wh/place/t",
                               "/wh/place//t/",          "file:///wh/place/t/deeper",
                               "file:///wh/place",       "file:///wh/x/../place/t",
                               "file:///wh/pl%61ce/t/in"};
  for (const char* place : taken) {
    create = SimpleTable({{"ns"}, "u"});
    create.location = place;
    auto refused = world.catalog().Create(call, kTestWarehouse, create);
    EXPECT_EQ(refused.status().code(), Code::kInvalidArgument) << place;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("table t")) << place;
    create.location.reset();
    create.properties = {{"write.data.path", place}};
    EXPECT_EQ(world.catalog().Create(call, kTestWarehouse, create).status().code(),
              Code::kInvalidArgument)
        << place;
  }
  for (const char* place : {"/wh/place/t2", "/wh/place/t-", "file:///wh/place/t0", "/wh/places"}) {
    create = SimpleTable({{"ns"}, std::string(io::BaseName(place))});
    create.location = place;
    auto made = world.catalog().Create(call, kTestWarehouse, create);
    EXPECT_TRUE(made.ok()) << place << made.status().ToString();
  }
}

TEST(Locations, ATableKeepsOffTheFilesOfOthers) {
  CatalogWorld world;
  Call call = world.call();
  auto t = world.MakeTable("t");
  auto u = world.MakeTable("u");
  auto commit = [&](iceberg::TableUpdate change) {
    return world.catalog()
        .Commit(call, kTestWarehouse, t->name, {{}, {std::move(change)}}, nullptr)
        .status()
        .code();
  };
  const std::string& theirs = u->metadata->location;
  EXPECT_EQ(commit(update::SetLocation{theirs}), Code::kInvalidArgument);
  EXPECT_EQ(commit(update::SetLocation{theirs + "/x"}), Code::kInvalidArgument);
  EXPECT_EQ(commit(update::SetProperties{{{"write.data.path", theirs + "/data"}}}),
            Code::kInvalidArgument);
  iceberg::StatisticsFile statistics;
  statistics.snapshot_id = 1;
  statistics.statistics_path = theirs + "/metadata/x.puffin";
  EXPECT_EQ(commit(update::SetStatistics{statistics}), Code::kInvalidArgument);
  EXPECT_EQ(world.files().size(), 2u);
  // Moving away gives the place free once the new one is taken.
  EXPECT_EQ(commit(update::SetLocation{"file:///wh/moved/t"}), Code::kOk);
  CreateTable create = SimpleTable({{"ns"}, "v"});
  create.location = "file:///wh/moved/t/inside";
  EXPECT_EQ(world.catalog().Create(call, kTestWarehouse, create).status().code(),
            Code::kInvalidArgument);
  create.location = t->metadata->location;
  EXPECT_TRUE(world.catalog().Create(call, kTestWarehouse, create).ok());
}

TEST(Locations, RegisteredMetadataIsNotTrusted) {
  CatalogWorld world;
  Call call = world.call();
  auto t = world.MakeTable("t");
  const std::string inside = "file:///wh/other/m/00001-x.metadata.json";
  struct Case {
    const char* what;
    std::function<void(iceberg::TableMetadata*)> spoil;
  };
  auto add_snapshot = [](iceberg::TableMetadata* m, const std::string& list) {
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = 1;
    snapshot.sequence_number = 1;
    snapshot.timestamp_ms = m->last_updated_ms;
    snapshot.summary = {{"operation", "append"}};
    snapshot.manifest_list = list;
    m->last_sequence_number = 1;
    m->snapshots.push_back(std::make_shared<const iceberg::Snapshot>(std::move(snapshot)));
  };
  const Case cases[] = {
      {"location", [](auto* m) { m->location = "file:///etc"; }},
      {"the location of a live table", [&](auto* m) { m->location = t->metadata->location; }},
      {"write.data.path", [](auto* m) { m->properties["write.data.path"] = "/var/secret"; }},
      {"manifest-list", [&](auto* m) { add_snapshot(m, "/etc/passwd"); }},
      {"the manifest list of another table",
       [&](auto* m) { add_snapshot(m, t->metadata->location + "/metadata/snap.avro"); }},
      {"metadata-log",
       [](auto* m) {
         m->metadata_log.push_back({1, "/etc/shadow"});
       }},
      {"statistics", [](auto* m) { m->statistics.push_back({.statistics_path = "/etc/x"}); }},
  };
  iceberg::TableMetadata good = *t->metadata;
  good.location = "file:///wh/other";
  for (const auto& c : cases) {
    iceberg::TableMetadata metadata = good;
    c.spoil(&metadata);
    world.files().Put(inside, iceberg::TableMetadataToJson(metadata), 0);
    auto refused = world.catalog().Register(call, kTestWarehouse, {{"ns"}, "r"}, inside);
    EXPECT_EQ(refused.status().code(), Code::kInvalidArgument) << c.what;
  }
  world.files().Put(inside, iceberg::TableMetadataToJson(good), 0);
  auto registered = world.catalog().Register(call, kTestWarehouse, {{"ns"}, "r"}, inside);
  ASSERT_TRUE(registered.ok()) << registered.status().ToString();
  auto committed = world.catalog().Commit(call, kTestWarehouse, {{"ns"}, "r"},
                                          SetProperty(**registered, "a", "b"), nullptr);
  EXPECT_THAT((*committed)->metadata_location, StartsWith("file:///wh/other/metadata/00002-"));
}

TEST(Locations, SymbolicLinksLeadNowhere) {
  namespace fs = std::filesystem;
  fs::path folder = fs::path(testing::TempDir()) / "catalog_links_test";
  fs::remove_all(folder);
  fs::create_directories(folder / "wh");
  fs::create_directories(folder / "secret");
  fs::create_directory_symlink(folder / "secret", folder / "wh" / "link");
  std::string root = "file://" + (folder / "wh").string();
  auto files = io::MakeRestrictedFileSystem(io::MakeLocalFileSystem(), {root}).value();
  testing::TestEnv env(1, testing::TestClock::kSystem);
  Call call = env.call();
  auto database = store::MakeTestDatabase(call);
  Catalog catalog(*database, *files, {});
  ASSERT_TRUE(catalog.Open(call).ok());
  Warehouse warehouse;
  warehouse.name = kTestWarehouse;
  warehouse.root = root;
  ASSERT_TRUE(catalog.PutWarehouse(call, warehouse).ok());
  ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, {"ns"}, {}).ok());
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.location = root + "/link/t";
  EXPECT_FALSE(catalog.Create(call, kTestWarehouse, create).ok());
  EXPECT_TRUE(fs::is_empty(folder / "secret"));
  EXPECT_FALSE(
      catalog.Register(call, kTestWarehouse, {{"ns"}, "r"}, root + "/link/m.metadata.json").ok());
  create.location.reset();
  EXPECT_TRUE(catalog.Create(call, kTestWarehouse, create).ok());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace moraine::catalog
