#include "moraine/catalog/warehouse.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/lifecycle.h"
#include "moraine/catalog/storage_access.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/catalog/warehouse_files.h"

namespace moraine::catalog {
namespace {

using testing::HasSubstr;
using testing::Not;

Warehouse Lake() {
  return {.name = "lake",
          .root = "s3a://Lake/w/",
          .allowed_locations = {"s3://lake2/x"},
          .defaults = {{"table-default.write.format.default", "orc"}, {"a", "b"}},
          .overrides = {{"table-override.write.x", "1"}},
          .storage = {{"s3.endpoint", "http://127.0.0.1:8333"},
                      {"s3.access-key-id", "ID"},
                      {"s3.secret-access-key", "hush"}},
          .clients = {
              .send_credentials = true,
              .credentials = {{"s3.access-key-id", "READER"}, {"s3.secret-access-key", "quiet"}}}};
}

iceberg::TableMetadata At(const std::string& location, iceberg::StringMap properties = {}) {
  iceberg::TableMetadata metadata;
  metadata.location = location;
  metadata.properties = std::move(properties);
  return metadata;
}

TEST(Warehouse, WhatIsWrongIsNamed) {
  auto problem = [](auto change) {
    Warehouse warehouse = Lake();
    change(&warehouse);
    auto status = CheckedWarehouse(warehouse).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), Not(HasSubstr("hush")));
    return std::string(status.message());
  };
  EXPECT_THAT(problem([](auto* w) { w->name = "a/b"; }), HasSubstr("warehouse: expected"));
  EXPECT_THAT(problem([](auto* w) { w->name = "namespaces"; }), HasSubstr("taken"));
  EXPECT_THAT(problem([](auto* w) { w->root = "gopher://x"; }), HasSubstr("root: no files"));
  EXPECT_THAT(problem([](auto* w) { w->allowed_locations = {"x"}; }),
              HasSubstr("allowed-locations: no files"));
  EXPECT_THAT(problem([](auto* w) { w->storage["s3.endpiont"] = "x"; }),
              HasSubstr("did you mean s3.endpoint?"));
  EXPECT_THAT(problem([](auto* w) { w->storage.erase("s3.access-key-id"); }),
              HasSubstr("s3.access-key-id is not"));
  EXPECT_THAT(problem([](auto* w) { w->clients.credentials["s3.region"] = "x"; }),
              HasSubstr("client-credentials: unknown property s3.region"));
  EXPECT_THAT(problem([](auto* w) { w->defaults["s3.secret-access-key"] = "hush"; }),
              HasSubstr("would go to every client"));
  EXPECT_THAT(problem([](auto* w) { w->overrides["prefix"] = "other"; }),
              HasSubstr("overrides: prefix"));
  EXPECT_THAT(problem([](auto* w) {
                w->storage.clear();
                w->clients.remote_signing = true;
              }),
              HasSubstr("no keys to sign with"));
}

TEST(Warehouse, KeepsItsColumnAndHidesSecrets) {
  Warehouse lake = CheckedWarehouse(Lake()).value();
  EXPECT_EQ(lake.root, "s3://lake/w");
  EXPECT_THAT(lake.allowed_locations, testing::ElementsAre("s3://lake/w", "s3://lake2/x"));
  Warehouse read{
      .name = lake.name, .root = lake.root, .defaults = lake.defaults, .overrides = lake.overrides};
  ASSERT_TRUE(StorageFromText(StorageToText(lake), &read).ok());
  EXPECT_EQ(read, lake);
  // Those of the settings keep their keys out of the store.
  lake.from_settings = true;
  EXPECT_THAT(StorageToText(lake), Not(HasSubstr("hush")));
  EXPECT_THAT(StorageToText(lake), Not(HasSubstr("quiet")));
  // As older servers wrote it.
  Warehouse old;
  ASSERT_TRUE(StorageFromText(R"({"allowed-locations":["file:///w"]})", &old).ok());
  EXPECT_TRUE(old.from_settings);

  auto shown = RedactStorage(lake.storage);
  EXPECT_EQ(shown["s3.secret-access-key"], "(hidden)");
  EXPECT_EQ(shown["s3.access-key-id"], "ID");
  for (const char* key : {"s3.secret-access-key", "s3.session-token", "token", "credential",
                          "adls.sas-token.x", "adls.connection-string.x", "db.Password"}) {
    EXPECT_TRUE(IsSecretProperty(key)) << key;
  }
  for (const char* key : {"s3.endpoint", "s3.session-token-expires-at-ms", "write.x"}) {
    EXPECT_FALSE(IsSecretProperty(key)) << key;
  }
}

TEST(Warehouse, TellsClientsWhereTheStoreIsAndNoKeys) {
  Warehouse lake = CheckedWarehouse(Lake()).value();
  auto defaults = ConfigDefaults(lake);
  EXPECT_EQ(defaults.at("s3.endpoint"), "http://127.0.0.1:8333");
  EXPECT_EQ(defaults.at("client.region"), "us-east-1");
  EXPECT_EQ(defaults.at("a"), "b");
  EXPECT_FALSE(defaults.contains("s3.access-key-id"));
  EXPECT_EQ(StorageForOptimizers(lake, StorageKeys::kWithout),
            (iceberg::StringMap{{"s3.endpoint", "http://127.0.0.1:8333"}}));
  EXPECT_EQ(StorageForOptimizers(lake, StorageKeys::kWith), lake.storage);
}

TEST(Warehouse, OverlapIsAnySharedPlace) {
  auto overlap = [](std::vector<std::string> a, std::vector<std::string> b) {
    return Overlap({.allowed_locations = std::move(a)}, {.allowed_locations = std::move(b)});
  };
  EXPECT_TRUE(overlap({"s3://a/w"}, {"s3://a/w"}));
  EXPECT_TRUE(overlap({"s3://a/w"}, {"file:///x", "s3://a/w/x"}));
  EXPECT_TRUE(overlap({"s3://a/w/x"}, {"s3://a"}));
  EXPECT_FALSE(overlap({"s3://a/w"}, {"s3://a/w2", "s3://b/w"}));
}

TEST(StorageAccess, KeysGoToThoseWhoAskWhereTheWarehouseSaysSo) {
  Warehouse lake = CheckedWarehouse(Lake()).value();
  testing::TestEnv env(1);
  Call call = env.call();
  auto grant = [&](StorageWish wish, const iceberg::TableMetadata& metadata) {
    return GrantStorage(call, lake, metadata, StorageUse::kWrite, wish);
  };
  auto table = At("s3://lake/w/t/", {{"write.data.path", "s3://lake2/x/t"},
                                     {"write.metadata.path", "s3://lake/w/t/metadata"}});
  EXPECT_TRUE(grant({}, table).config.empty());
  auto keys = grant({.credentials = true, .signing = true}, table);
  ASSERT_EQ(keys.credentials.size(), 2u);
  EXPECT_EQ(keys.credentials[0].prefix, "s3://lake/w/t/");
  EXPECT_EQ(keys.credentials[1].prefix, "s3://lake2/x/t/");
  EXPECT_EQ(keys.config.at("s3.access-key-id"), "READER") << "not the server's own";
  EXPECT_EQ(keys.config.at("s3.endpoint"), "http://127.0.0.1:8333");
  EXPECT_EQ(keys.config, keys.credentials[0].config);
  EXPECT_NE(keys.Mark(), "");
  // What the server's own table names outside of what it allows is nobody's to read.
  EXPECT_TRUE(grant({.credentials = true}, At("s3://pond/t")).config.empty());
  EXPECT_TRUE(grant({.credentials = true}, At("s3://lake/%77/t")).config.empty());
  EXPECT_TRUE(grant({.credentials = true}, At("file:///w/t")).config.empty());

  std::string mark = keys.Mark();
  lake.clients.credentials["s3.secret-access-key"] = "another";
  EXPECT_NE(grant({.credentials = true}, table).Mark(), mark);
  lake.clients.credentials.clear();
  EXPECT_EQ(grant({.credentials = true}, table).config.at("s3.access-key-id"), "ID");
  lake.storage["s3.session-token"] = "token";
  lake.storage["s3.session-token-expires-at-ms"] = "1700000000000";
  EXPECT_EQ(grant({.credentials = true}, table).expires_ms, 1'700'000'000'000);

  lake.clients.send_credentials = false;
  EXPECT_TRUE(grant({.credentials = true, .signing = true}, table).config.empty());
  lake.clients.remote_signing = true;
  EXPECT_FALSE(grant({.credentials = true}, table).signing);
  auto signing = grant({.credentials = true, .signing = true}, table);
  EXPECT_TRUE(signing.signing);
  EXPECT_EQ(signing.config.at("s3.remote-signing-enabled"), "true");
  EXPECT_FALSE(signing.config.contains("s3.access-key-id"));
  EXPECT_NE(signing.Mark(), "") << "an answer that tells of signing is another one";
}

class WarehousesTest : public testing::Test {
 protected:
  Status Create(Catalog& catalog, Warehouse warehouse) {
    Call call = world_.call();
    return catalog.CreateWarehouse(call, warehouse);
  }
  Result<Warehouse> Find(Catalog& catalog, const std::string& name) {
    Call call = world_.call();
    return catalog.FindWarehouse(call, name);
  }
  void Advance(Millis time) { world_.env().clock().Advance(time); }

  CatalogWorld world_;
};

TEST_F(WarehousesTest, AreMadeChangedAndDropped) {
  Catalog& catalog = world_.catalog();
  Call call = world_.call();
  ASSERT_TRUE(Create(catalog, Lake()).ok());
  EXPECT_EQ(Create(catalog, Lake()).code(), Code::kAlreadyExists);
  EXPECT_EQ(Create(catalog, {.name = "b", .root = "s3://lake/w/inside"}).code(), Code::kConflict);
  EXPECT_EQ(Create(catalog, {.name = "b", .root = "s3://lake"}).code(), Code::kConflict);
  ASSERT_TRUE(Create(catalog, {.name = "b", .root = "s3://lake/b"}).ok());
  EXPECT_EQ(Find(catalog, "lake")->storage.at("s3.secret-access-key"), "hush");

  Warehouse changed = Find(catalog, "lake").value();
  changed.clients.send_credentials = false;
  ASSERT_TRUE(catalog.UpdateWarehouse(call, changed).ok());
  EXPECT_FALSE(Find(catalog, "lake")->clients.send_credentials);
  EXPECT_EQ(catalog.UpdateWarehouse(call, {.name = "none", .root = "s3://none"}).code(),
            Code::kNotFound);
  changed.allowed_locations.push_back("s3://lake/b/x");
  EXPECT_EQ(catalog.UpdateWarehouse(call, changed).code(), Code::kConflict);

  ASSERT_TRUE(catalog.CreateNamespace(call, "lake", {"ns"}, {}).ok());
  EXPECT_EQ(catalog.DropWarehouse(call, "lake").code(), Code::kConflict);
  ASSERT_TRUE(catalog.DropNamespace(call, "lake", {"ns"}).ok());
  EXPECT_EQ(catalog.DropWarehouse(call, "lake").code(), Code::kConflict) << "it can come back";
  Lifecycle life(catalog);
  auto held = life.Dropped(call, "lake", {}).value();
  ASSERT_EQ(held.items.size(), 1u);
  ASSERT_TRUE(life.Purge(call, held.items[0]).ok());
  ASSERT_TRUE(catalog.DropWarehouse(call, "lake").ok());
  EXPECT_EQ(Find(catalog, "lake").status().code(), Code::kNotFound);
  EXPECT_EQ(catalog.DropWarehouse(call, "lake").code(), Code::kNotFound);
  EXPECT_EQ(ExceptionName(Find(catalog, "lake").status()), "NoSuchWarehouseException");
}

TEST_F(WarehousesTest, NoTableIsLeftOutside) {
  Catalog& catalog = world_.catalog();
  Call call = world_.call();
  Warehouse lake = Lake();
  lake.allowed_locations = {"s3://more/a", "s3://more/b"};
  ASSERT_TRUE(Create(catalog, lake).ok());
  lake = Find(catalog, "lake").value();
  ASSERT_TRUE(catalog.CreateNamespace(call, "lake", {"ns"}, {}).ok());
  auto make = [&](const std::string& name, const std::string& location) {
    CreateTable create = SimpleTable({{"ns"}, name});
    create.location = location;
    auto made = catalog.Create(call, "lake", create);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
  };
  make("t", "s3://more/a/x/t");
  auto update = [&](std::vector<std::string> allowed) {
    Warehouse changed = lake;
    changed.allowed_locations = std::move(allowed);
    return catalog.UpdateWarehouse(call, changed);
  };
  Status refused = update({"s3://more/b"});
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.message(), HasSubstr("ns.t"));
  EXPECT_THAT(refused.message(), HasSubstr("s3://more/a"));
  EXPECT_EQ(update({"s3://more/a/y"}).code(), Code::kConflict);
  EXPECT_EQ(update({"s3://more/a/x/t/data"}).code(), Code::kConflict);
  EXPECT_EQ(Find(catalog, "lake")->allowed_locations, lake.allowed_locations);
  EXPECT_TRUE(update({"s3://more/a/x"}).ok()) << "the table is in what is left";
  EXPECT_TRUE(update({"s3://more"}).ok());
  EXPECT_TRUE(update({"s3://more/a/x/t"}).ok());
  ASSERT_TRUE(catalog.Drop(call, "lake", {{"ns"}, "t"}, Catalog::Purge::kNo).ok());
  EXPECT_TRUE(update({}).ok());
  // It waits for its purge, and comes back only to a place that is allowed.
  Lifecycle life(catalog);
  auto dropped = life.LastDropped(call, {ObjectKind::kTable, "lake", {"ns"}, "t"}).value();
  std::vector<ObjectRef> left;
  for (DryRun dry_run : {DryRun::kYes, DryRun::kNo}) {
    Status back = life.Undrop(call, dropped, std::nullopt, dry_run, &left).status();
    EXPECT_EQ(back.code(), Code::kConflict);
    EXPECT_THAT(back.message(), HasSubstr("s3://more/a/x/t is outside"));
  }
  EXPECT_TRUE(update({"s3://more/a/x/t"}).ok());
  Status back = life.Undrop(call, dropped, std::nullopt, DryRun::kNo, &left).status();
  EXPECT_TRUE(back.ok()) << back.ToString();
}

TEST_F(WarehousesTest, NoMetadataIsLeftOutside) {
  Catalog& catalog = world_.catalog();
  Call call = world_.call();
  Warehouse lake = Lake();
  lake.allowed_locations = {"s3://more/a", "s3://more/b"};
  ASSERT_TRUE(Create(catalog, lake).ok());
  lake = Find(catalog, "lake").value();
  ASSERT_TRUE(catalog.CreateNamespace(call, "lake", {"ns"}, {}).ok());
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.location = "s3://more/a/t";
  auto made = catalog.Create(call, "lake", create).value();
  ASSERT_TRUE(catalog.Drop(call, "lake", made->name, Catalog::Purge::kNo).ok());
  const std::string elsewhere = "s3://more/b/m/1.metadata.json";
  world_.files().Put(elsewhere, iceberg::TableMetadataToJson(*made->metadata), 0);
  auto registered = catalog.Register(call, "lake", made->name, elsewhere);
  ASSERT_TRUE(registered.ok()) << registered.status().ToString();
  lake.allowed_locations = {"s3://more/a"};
  Status refused = catalog.UpdateWarehouse(call, lake);
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.message(), HasSubstr("s3://more/b"));
  lake.allowed_locations = {"s3://more/a", "s3://more/b/m"};
  EXPECT_TRUE(catalog.UpdateWarehouse(call, lake).ok());
}

TEST_F(WarehousesTest, ThoseOfTheSettingsAreChangedThere) {
  Catalog& catalog = world_.catalog();
  Call call = world_.call();
  Warehouse own = Lake();
  own.from_settings = true;
  ASSERT_TRUE(catalog.PutWarehouse(call, own).ok());
  EXPECT_EQ(Find(catalog, "lake")->storage.at("s3.secret-access-key"), "hush");
  EXPECT_EQ(catalog.UpdateWarehouse(call, own).code(), Code::kConflict);
  EXPECT_EQ(catalog.DropWarehouse(call, "lake").code(), Code::kConflict);
  auto other = world_.Another();
  EXPECT_TRUE(Find(*other, "lake")->storage.empty()) << "its keys are in its own settings";
}

TEST_F(WarehousesTest, OtherServersSeeThemSoon) {
  auto other = world_.Another();
  EXPECT_EQ(Find(*other, "lake").status().code(), Code::kNotFound);
  ASSERT_TRUE(Create(world_.catalog(), Lake()).ok());
  EXPECT_TRUE(Find(*other, "lake").ok()) << "looked up again at once";
  Call call = world_.call();
  Warehouse changed = Find(world_.catalog(), "lake").value();
  changed.storage["s3.secret-access-key"] = "new";
  ASSERT_TRUE(world_.catalog().UpdateWarehouse(call, changed).ok());
  Advance(Millis(1'100));
  EXPECT_EQ(Find(*other, "lake")->storage.at("s3.secret-access-key"), "new");
  ASSERT_TRUE(world_.catalog().DropWarehouse(call, "lake").ok());
  Advance(Millis(1'100));
  EXPECT_EQ(Find(*other, "lake").status().code(), Code::kNotFound);
}

TEST_F(WarehousesTest, NewTablesGetTheirProperties) {
  Call call = world_.call();
  ASSERT_TRUE(world_.catalog()
                  .CreateWarehouse(call, {.name = "p",
                                          .root = "file:///p",
                                          .defaults = {{"table-default.a", "1"},
                                                       {"table-default.b", "2"},
                                                       {"c", "no table's"}},
                                          .overrides = {{"table-override.d", "3"}}})
                  .ok());
  ASSERT_TRUE(world_.catalog().CreateNamespace(call, "p", {"ns"}, {}).ok());
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.properties = {{"b", "mine"}, {"d", "mine"}};
  auto table = world_.catalog().Create(call, "p", create).value();
  iceberg::StringMap properties = table->metadata->properties;
  properties.erase("write.parquet.compression-codec");  // what every new table has
  EXPECT_EQ(properties, (iceberg::StringMap{{"a", "1"}, {"b", "mine"}, {"d", "3"}}));
}

TEST(WarehouseFiles, LeadToTheWarehouseThatAllowsThePlace) {
  testing::TestEnv env(1, testing::TestClock::kSim);
  std::string folder = testing::TempDir() + "/warehouse_files_test";
  std::filesystem::remove_all(folder);  // of an earlier run
  Warehouses known = {CheckedWarehouse({.name = "a", .root = folder + "/a"}).value()};
  Warehouses after = known;
  after.push_back(CheckedWarehouse({.name = "b", .root = folder + "/b"}).value());
  int looks = 0;
  auto now = std::make_shared<const Warehouses>(known);
  WarehouseFiles files;
  files.Follow([&](Call&, WarehouseFiles::Freshness freshness) -> Result<WarehousesPtr> {
    if (freshness == WarehouseFiles::Freshness::kNow) ++looks;
    return WarehousesPtr(now);
  });
  Call call = env.call();
  EXPECT_TRUE(ProbeWarehouse(call, files.view(), known[0]).ok());
  auto write = [&](const std::string& path) {
    return io::WriteFile(call, files.view(), folder + path + MakeUuid(call.random()), "x").code();
  };
  EXPECT_EQ(write("/a/f"), Code::kOk);
  EXPECT_EQ(looks, 0);
  env.clock().Advance(Millis(1'000));
  EXPECT_EQ(write("/b/f"), Code::kPermissionDenied);
  EXPECT_EQ(looks, 1);
  EXPECT_EQ(write("/b/f"), Code::kPermissionDenied);
  EXPECT_EQ(looks, 1) << "nobody makes us ask again and again";
  now = std::make_shared<const Warehouses>(after);
  EXPECT_EQ(write("/b/f"), Code::kOk);
  EXPECT_EQ(write("/c/f"), Code::kPermissionDenied);
  EXPECT_EQ(write("/a/f"), Code::kOk);
  EXPECT_EQ(files.view().Stat(call, "s3://nowhere/x").status().code(), Code::kPermissionDenied);
}

}  // namespace
}  // namespace moraine::catalog
