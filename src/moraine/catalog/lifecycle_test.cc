#include "moraine/catalog/lifecycle.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/catalog/purges.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/catalog/views.h"

namespace moraine::catalog {
namespace {

using testing::ElementsAre;
using testing::FaultInjector;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::chrono::hours kDay{24};

ObjectRef Table(const std::string& name) {
  return {ObjectKind::kTable, kTestWarehouse, {"ns"}, name};
}
ObjectRef Namespace(const NamespaceName& name) {
  return {ObjectKind::kNamespace, kTestWarehouse, name, ""};
}

void RemoveFile(CatalogWorld& world, const std::string& location) {
  Call call = world.call();
  ASSERT_TRUE(world.files().DeleteMany(call, {&location, 1}).at(0).ok());
}

class LifecycleTest : public testing::Test {
 protected:
  Status Drop(const std::string& name, Catalog::Purge purge = Catalog::Purge::kNo) {
    return catalog_.Drop(call_, kTestWarehouse, {{"ns"}, name}, purge);
  }
  Result<std::vector<ObjectRef>> Undrop(const ObjectRef& object,
                                        const std::optional<TableName>& to = std::nullopt,
                                        DryRun dry_run = DryRun::kNo) {
    MORAINE_ASSIGN(auto dropped, life_.LastDropped(call_, object));
    return life_.Undrop(call_, dropped, to, dry_run, &left_);
  }
  Result<std::vector<ObjectRef>> Undrop(const std::string& table) { return Undrop(Table(table)); }
  std::vector<std::string> Dropped() {
    std::vector<std::string> names;
    auto page = life_.Dropped(call_, kTestWarehouse, {}).value();
    for (const auto& dropped : page.items) names.push_back(ToText(dropped.object));
    return names;
  }
  std::vector<std::string> Tables() {
    std::vector<std::string> names;
    auto page = catalog_.ListTables(call_, kTestWarehouse, {"ns"}, {}).value();
    for (const auto& table : page.items) names.push_back(table.name);
    return names;
  }
  int64_t Count(const std::string& table) {
    auto rows =
        store::RunFor(call_, world_.database(), store::Access::kRead, [&](store::Transaction& t) {
          return t.Query("SELECT COUNT(*) FROM " + table, {});
        }).value();
    return rows[0].Int(0).value();
  }
  /// What the feed says of a namespace.
  std::string NamespaceChanges(const NamespaceName& name) {
    std::vector<std::string> kinds;
    for (const auto& change : catalog_.Changes(call_, 0, 1'000).value()) {
      if (change.kind.starts_with("namespace-") && change.detail.name.ns == name &&
          change.warehouse == kTestWarehouse) {
        kinds.push_back(change.kind.substr(10));
      }
    }
    return fmt::format("{}", fmt::join(kinds, " "));
  }
  LoadedTablePtr Append(const std::string& name, int64_t snapshot_id) {
    auto base = catalog_.Load(call_, kTestWarehouse, {{"ns"}, name}).value();
    return catalog_
        .Commit(call_, kTestWarehouse, base->name, AppendRequest(*base, snapshot_id), nullptr)
        .value();
  }

  CatalogWorld world_;
  Call call_ = world_.env().call(std::chrono::hours(1'000));
  Catalog& catalog_ = world_.catalog();
  Lifecycle life_{catalog_};
  std::vector<ObjectRef> left_;
};

TEST_F(LifecycleTest, WhatIsDroppedIsOutOfSightAndComesBackAsItWas) {
  world_.MakeTable("t");
  auto before = Append("t", 7);
  call_.set_principal("alice");
  ASSERT_TRUE(Drop("t", Catalog::Purge::kRequested).ok());
  EXPECT_EQ(catalog_.Load(call_, kTestWarehouse, before->name).status(),
            NotFound("Table does not exist: ns.t"));
  EXPECT_EQ(catalog_.TableExists(call_, kTestWarehouse, before->name).code(), Code::kNotFound);
  EXPECT_EQ(catalog_.LoadById(call_, before->table_id).status().code(), Code::kNotFound);
  EXPECT_EQ(catalog_.Commit(call_, kTestWarehouse, before->name, AppendRequest(*before, 8), nullptr)
                .status()
                .code(),
            Code::kNotFound);
  EXPECT_EQ(Drop("t").code(), Code::kNotFound);
  EXPECT_THAT(Tables(), IsEmpty());
  EXPECT_THAT(catalog_.AllTables(call_, {}).value().items, IsEmpty());
  EXPECT_TRUE(world_.files().Has(before->metadata_location));

  auto dropped = life_.LastDropped(call_, Table("t")).value();
  EXPECT_EQ(dropped.object_id, before->table_id);
  EXPECT_EQ(dropped.dropped_by, "alice");
  EXPECT_TRUE(dropped.purge_requested);
  EXPECT_EQ(dropped.purge_after_ms - dropped.dropped_ms, 7 * 86'400'000);

  ASSERT_TRUE(Undrop("t").ok());
  auto back = catalog_.Load(call_, kTestWarehouse, before->name).value();
  EXPECT_EQ(back->table_id, before->table_id);
  EXPECT_EQ(back->metadata_location, before->metadata_location);
  EXPECT_GT(back->version, before->version);
  EXPECT_EQ(world_.CountChanges(back->table_id, "undrop"), 1u);
  EXPECT_EQ(Undrop("t").status().code(), Code::kNotFound);
  EXPECT_THAT(Dropped(), IsEmpty());
  EXPECT_EQ(Append("t", 8)->metadata->snapshots.size(), 2u);
}

TEST_F(LifecycleTest, TheNameIsFreeAtOnceAndTheLastOfTheNameComesBackFirst) {
  std::vector<int64_t> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(world_.MakeTable("t")->table_id);
    ASSERT_TRUE(Drop("t").ok()) << i;
  }
  auto live = world_.MakeTable("t");
  EXPECT_EQ(Undrop("t").status(), AlreadyExists("Table already exists: ns.t"));
  auto back = Undrop(Table("t"), TableName{{"ns"}, "last"});
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_THAT(back.value().at(0).name, "last");
  EXPECT_EQ(world_.Reload("last")->table_id, ids[2]);
  auto first = life_.FindDropped(call_, ObjectKind::kTable, ids[0]).value();
  EXPECT_EQ(life_.Undrop(call_, first, TableName{{"no"}, "x"}, DryRun::kNo, &left_).status().code(),
            Code::kNotFound);
  EXPECT_TRUE(life_.Undrop(call_, first, TableName{{"ns"}, "first"}, DryRun::kYes, &left_).ok());
  EXPECT_EQ(world_.Reload("first"), nullptr);
  EXPECT_TRUE(life_.Undrop(call_, first, TableName{{"ns"}, "first"}, DryRun::kNo, &left_).ok());
  EXPECT_EQ(world_.Reload("first")->table_id, ids[0]);
  EXPECT_EQ(world_.Reload("t")->table_id, live->table_id);
  EXPECT_THAT(Dropped(), ElementsAre("table ns.t"));
}

TEST_F(LifecycleTest, PlacesAreGivenToTablesThatWantThem) {
  struct Case {
    const char* what;
    std::string place;  // of the new table
    bool comes_back;
  };
  const Case cases[] = {{"the same", "file:///wh/place/t", false},
                        {"one inside", "file:///wh/place/t/inside", false},
                        {"one around", "file:///wh/place", false},
                        {"one beside", "file:///wh/place/t2", true}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    CreateTable create = SimpleTable({{"ns"}, "t"});
    create.location = "file:///wh/place/t";
    auto old = catalog_.Create(call_, kTestWarehouse, create).value();
    ASSERT_TRUE(Drop("t", Catalog::Purge::kRequested).ok());
    create.location = c.place;
    ASSERT_TRUE(catalog_.Create(call_, kTestWarehouse, create).ok());
    ASSERT_TRUE(Drop("t").ok());  // the new one; the old one does not get its place back by that
    auto dropped = life_.FindDropped(call_, ObjectKind::kTable, old->table_id).value();
    auto back = life_.Undrop(call_, dropped, TableName{{"ns"}, "old"}, DryRun::kNo, &left_);
    EXPECT_EQ(back.status().code(), c.comes_back ? Code::kOk : Code::kConflict);
    if (c.comes_back) {
      ASSERT_TRUE(Drop("old", Catalog::Purge::kRequested).ok());
      dropped = life_.FindDropped(call_, ObjectKind::kTable, old->table_id).value();
    } else {
      EXPECT_THAT(std::string(back.status().message()), HasSubstr("has its place since"));
    }
    ASSERT_TRUE(life_.Purge(call_, dropped).ok());
    ASSERT_TRUE(life_.Purge(call_, life_.LastDropped(call_, Table("t")).value()).ok());
  }
  EXPECT_EQ(Count("tabular_claim"), 0);
  EXPECT_EQ(Count("dropped"), 0);
}

TEST_F(LifecycleTest, NothingComesToAPlaceThatIsBeingPurged) {
  CreateTable create = SimpleTable({{"ns"}, "t"});
  create.location = "file:///wh/place/t";
  const auto old = catalog_.Create(call_, kTestWarehouse, create).value();
  ASSERT_TRUE(Drop("t", Catalog::Purge::kRequested).ok());
  ASSERT_TRUE(
      life_.Purge(call_, life_.FindDropped(call_, ObjectKind::kTable, old->table_id).value()).ok());
  const auto write = [&](auto&& body) {
    return world_.database().Run(call_, store::Access::kWrite, body).ok();
  };
  constexpr int64_t kIn2100Ms = 4'102'444'800'000;
  std::vector<PurgeRequest> waiting;
  ASSERT_TRUE(write([&](store::Transaction& t) -> Status {
    MORAINE_ASSIGN(waiting, WaitingPurges(t, 0, 10));
    return BeginPurge(t, old->table_id, {"file:///wh/place/t"}, kIn2100Ms);
  }));
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].table_id, old->table_id);
  EXPECT_EQ(waiting[0].name, "ns.t");
  EXPECT_EQ(waiting[0].table_uuid, old->metadata->table_uuid);
  EXPECT_EQ(waiting[0].metadata_location, old->metadata_location);
  const Status registered =
      catalog_.Register(call_, kTestWarehouse, {{"ns"}, "t"}, old->metadata_location).status();
  EXPECT_EQ(registered.code(), Code::kConflict);
  EXPECT_THAT(std::string(registered.message()), HasSubstr("are being deleted in"));
  for (const char* place : {"file:///wh/place/t", "file:///wh/place/t/in", "file:///wh/place"}) {
    create.location = place;
    EXPECT_EQ(catalog_.Create(call_, kTestWarehouse, create).status().code(), Code::kConflict);
  }
  create.location = "file:///wh/place/t2";
  EXPECT_TRUE(catalog_.Create(call_, kTestWarehouse, create).ok());
  ASSERT_TRUE(write([&](store::Transaction& t) { return EndPurge(t, old->table_id, 0); }));
  EXPECT_TRUE(catalog_.Register(call_, kTestWarehouse, {{"ns"}, "u"}, old->metadata_location).ok());
  EXPECT_EQ(Count("purge_request"), 0);
}

TEST_F(LifecycleTest, TheMetadataOfADroppedTableCanBeRegistered) {
  auto old = world_.MakeTable("t");
  ASSERT_TRUE(Drop("t").ok());
  auto again =
      catalog_.Register(call_, kTestWarehouse, {{"ns"}, "t"}, old->metadata_location).value();
  EXPECT_NE(again->table_id, old->table_id);
  EXPECT_EQ(Undrop(Table("t"), TableName{{"ns"}, "u"}).status().code(), Code::kConflict);
  // What is unregistered goes to another catalog: nothing of it waits.
  EXPECT_TRUE(catalog_.Unregister(call_, kTestWarehouse, {{"ns"}, "t"}).ok());
  EXPECT_THAT(Dropped(), ElementsAre("table ns.t"));
  EXPECT_EQ(life_.LastDropped(call_, Table("t")).value().object_id, old->table_id);
}

TEST_F(LifecycleTest, AFileThatIsGoneKeepsATableFromComingBack) {
  auto old = world_.MakeTable("t");
  ASSERT_TRUE(Drop("t").ok());
  RemoveFile(world_, old->metadata_location);
  auto back = Undrop("t");
  EXPECT_EQ(back.status().code(), Code::kConflict);
  EXPECT_THAT(std::string(back.status().message()), HasSubstr("metadata file is gone"));
}

TEST_F(LifecycleTest, HoldsEndOnceHoweverManyServersLook) {
  auto t = world_.MakeTable("t");
  world_.MakeTable("u");
  ASSERT_TRUE(Drop("t", Catalog::Purge::kRequested).ok());
  ASSERT_TRUE(Drop("u").ok());
  world_.env().clock().Advance(7 * kDay - std::chrono::minutes(1));
  EXPECT_EQ(life_.PurgeTick(call_).value(), 0u);
  world_.env().clock().Advance(std::chrono::minutes(2));
  auto other = world_.Another();
  Lifecycle theirs(*other);
  auto stale = life_.LastDropped(call_, Table("t")).value();
  EXPECT_EQ(theirs.PurgeTick(call_).value(), 2u);
  EXPECT_EQ(life_.PurgeTick(call_).value(), 0u);
  EXPECT_EQ(life_.Purge(call_, stale).code(), Code::kNotFound);
  EXPECT_EQ(life_.Undrop(call_, stale, std::nullopt, DryRun::kNo, &left_).status().code(),
            Code::kNotFound);
  EXPECT_EQ(world_.CountChanges(t->table_id, "purge"), 1u);
  EXPECT_EQ(Count("tabular"), 0);
  EXPECT_EQ(Count("tabular_claim"), 0);
  EXPECT_TRUE(world_.files().Has(t->metadata_location));
}

TEST_F(LifecycleTest, HoldsAreAsLongAsSaid) {
  struct Case {
    const char* override_with;  // of the warehouse
    const char* own;            // of the table
    const char* fallback;       // of the warehouse
    int64_t hold_ms;            // 0: it is gone at once
  };
  const Case cases[] = {{"", "", "", 7 * 86'400'000},
                        {"", "2h", "", 7'200'000},
                        {"", "0", "", 0},
                        {"", "", "3h", 10'800'000},
                        {"", "2h", "3h", 7'200'000},
                        {"1h", "2h", "3h", 3'600'000},
                        {"", "a while", "", 604'800'000},
                        {"", "-1h", "3h", 10'800'000},
                        {"0", "2h", "", 0}};
  for (const auto& c : cases) {
    SCOPED_TRACE(fmt::format("{} {} {}", c.override_with, c.own, c.fallback));
    Warehouse warehouse = catalog_.FindWarehouse(call_, kTestWarehouse).value();
    warehouse.overrides.clear();
    warehouse.defaults.clear();
    if (*c.override_with != '\0') warehouse.overrides[kDropHoldTime] = c.override_with;
    if (*c.fallback != '\0') warehouse.defaults[kDropHoldTime] = c.fallback;
    ASSERT_TRUE(catalog_.PutWarehouse(call_, warehouse).ok());
    CreateTable create = SimpleTable({{"ns"}, "t"});
    if (*c.own != '\0') create.properties[kDropHoldTime] = c.own;
    auto table = catalog_.Create(call_, kTestWarehouse, create).value();
    ASSERT_TRUE(Drop("t").ok());
    auto dropped = life_.FindDropped(call_, ObjectKind::kTable, table->table_id);
    EXPECT_EQ(dropped.ok(), c.hold_ms > 0);
    if (dropped.ok()) {
      EXPECT_EQ(dropped->purge_after_ms - dropped->dropped_ms, c.hold_ms);
    }
  }
}

TEST_F(LifecycleTest, ATableThatCanNotBeReadIsDroppedAllTheSame) {
  auto t = world_.MakeTable("t");
  RemoveFile(world_, t->metadata_location);
  auto other = world_.Another();
  EXPECT_TRUE(other->Drop(call_, kTestWarehouse, t->name, Catalog::Purge::kNo).ok());
  EXPECT_THAT(Dropped(), ElementsAre("table ns.t"));
}

TEST_F(LifecycleTest, NamespacesWaitAsTheirTablesDo) {
  auto create = [&](const NamespaceName& name) {
    return catalog_.CreateNamespace(call_, kTestWarehouse, name, {{"k", ToText(name)}});
  };
  auto drop = [&](const NamespaceName& name) {
    return catalog_.DropNamespace(call_, kTestWarehouse, name);
  };
  ASSERT_TRUE(create({"a"}).ok());
  ASSERT_TRUE(create({"a", "b"}).ok());
  EXPECT_EQ(drop({"a"}).code(), Code::kConflict);
  world_.MakeTable("t");
  ASSERT_TRUE(Drop("t").ok());
  // A dropped table keeps no namespace, and is not brought back into nothing.
  ASSERT_TRUE(drop({"ns"}).ok());
  EXPECT_EQ(Undrop("t").status().code(), Code::kNotFound);
  ASSERT_TRUE(drop({"a", "b"}).ok());
  ASSERT_TRUE(drop({"a"}).ok());
  EXPECT_EQ(drop({"a"}).code(), Code::kNotFound);
  EXPECT_THAT(catalog_.ListNamespaces(call_, kTestWarehouse, {}, {}).value().items, IsEmpty());
  EXPECT_EQ(catalog_.LoadNamespace(call_, kTestWarehouse, {"a"}).status().code(), Code::kNotFound);
  // Its hidden name is not one that can be asked for.
  for (int64_t id = 1; id < 5; ++id) {
    EXPECT_EQ(
        catalog_.LoadNamespace(call_, kTestWarehouse, {fmt::format("\x1e{}", id)}).status().code(),
        Code::kNotFound);
  }

  EXPECT_EQ(Undrop(Namespace({"a", "b"})).status().code(), Code::kNotFound);  // no parent
  ASSERT_TRUE(create({"a"}).ok());
  EXPECT_EQ(Undrop(Namespace({"a"})).status().code(), Code::kAlreadyExists);
  ASSERT_TRUE(drop({"a"}).ok());
  ASSERT_TRUE(Undrop(Namespace({"a"})).ok());
  ASSERT_TRUE(Undrop(Namespace({"a", "b"})).ok());
  EXPECT_EQ(catalog_.LoadNamespace(call_, kTestWarehouse, {"a", "b"}).value().at("k"), "a.b");
  EXPECT_THAT(catalog_.ListNamespaces(call_, kTestWarehouse, {"a"}, {}).value().items,
              ElementsAre(NamespaceName{"a", "b"}));

  EXPECT_EQ(NamespaceChanges({"a", "b"}), "create drop undrop");

  // It waits for what is in it, and a table finds a new namespace of its name.
  world_.env().clock().Advance(7 * kDay - std::chrono::hours(1));
  ASSERT_TRUE(create({"ns"}).ok());
  ASSERT_TRUE(Undrop("t").ok());
  ASSERT_TRUE(Drop("t").ok());
  world_.env().clock().Advance(std::chrono::hours(2));
  EXPECT_EQ(life_.PurgeTick(call_).value(), 2u);
  EXPECT_THAT(Dropped(), ElementsAre("table ns.t"));
}

TEST_F(LifecycleTest, ANamespaceGoesAfterTheLastTableInIt) {
  world_.MakeTable("t");
  ASSERT_TRUE(Drop("t").ok());
  world_.env().clock().Advance(kDay);
  Warehouse warehouse = catalog_.FindWarehouse(call_, kTestWarehouse).value();
  warehouse.overrides[kDropHoldTime] = "0";
  ASSERT_TRUE(catalog_.PutWarehouse(call_, warehouse).ok());
  ASSERT_TRUE(catalog_.DropNamespace(call_, kTestWarehouse, {"ns"}).ok());
  EXPECT_EQ(life_.PurgeTick(call_).value(), 0u);
  auto ns = life_.LastDropped(call_, Namespace({"ns"})).value();
  EXPECT_EQ(life_.Purge(call_, ns).code(), Code::kConflict);
  world_.env().clock().Advance(6 * kDay + std::chrono::minutes(1));
  EXPECT_EQ(life_.PurgeTick(call_).value(), 2u);
  EXPECT_EQ(Count("namespace"), 0);
  EXPECT_EQ(NamespaceChanges({"ns"}), "create drop purge");
  // Empty, and without a hold: gone at once.
  ASSERT_TRUE(catalog_.CreateNamespace(call_, kTestWarehouse, {"ns"}, {}).ok());
  ASSERT_TRUE(catalog_.DropNamespace(call_, kTestWarehouse, {"ns"}).ok());
  EXPECT_EQ(Count("namespace"), 0);
  EXPECT_EQ(NamespaceChanges({"ns"}), "create drop purge create drop purge");
}

CreateView SimpleView(const std::string& name) {
  CreateView create;
  create.name = {{"ns"}, name};
  create.schema = SimpleTable(create.name).schema;
  create.version.timestamp_ms = 1;
  create.version.representations = {{.sql = "select 1", .dialect = "spark"}};
  create.version.default_namespace = {"ns"};
  return create;
}

TEST_F(LifecycleTest, TreesComeBackWhole) {
  ASSERT_TRUE(catalog_.CreateNamespace(call_, kTestWarehouse, {"ns", "in"}, {}).ok());
  ASSERT_TRUE(catalog_.CreateNamespace(call_, kTestWarehouse, {"ns2"}, {}).ok());
  world_.MakeTable("gone");
  ASSERT_TRUE(Drop("gone").ok());
  auto t = world_.MakeTable("t");
  auto u = catalog_.Create(call_, kTestWarehouse, SimpleTable({{"ns", "in"}, "u"})).value();
  Views views(catalog_);
  ASSERT_TRUE(views.Create(call_, kTestWarehouse, SimpleView("v")).ok());

  auto named = life_.DropTree(call_, kTestWarehouse, {"ns"}, DryRun::kYes).value();
  std::vector<std::string> names;
  for (const auto& object : named) names.push_back(ToText(object));
  EXPECT_THAT(names, UnorderedElementsAre("namespace ns", "namespace ns.in", "table ns.t",
                                          "view ns.v", "table ns.in.u"));
  EXPECT_THAT(Tables(), ElementsAre("t"));
  ASSERT_TRUE(
      life_.Protect(call_, {ObjectKind::kTable, kTestWarehouse, {"ns", "in"}, "u"}, "x").ok());
  for (DryRun dry_run : {DryRun::kYes, DryRun::kNo}) {
    EXPECT_EQ(life_.DropTree(call_, kTestWarehouse, {"ns"}, dry_run).status().code(),
              Code::kPermissionDenied);
  }
  EXPECT_THAT(Tables(), ElementsAre("t"));
  ASSERT_TRUE(life_.Unprotect(call_, {ObjectKind::kTable, kTestWarehouse, {"ns", "in"}, "u"}).ok());

  ASSERT_TRUE(life_.DropTree(call_, kTestWarehouse, {"ns"}, DryRun::kNo).ok());
  EXPECT_THAT(catalog_.ListNamespaces(call_, kTestWarehouse, {}, {}).value().items,
              ElementsAre(NamespaceName{"ns2"}));
  // One loses its place meanwhile.
  CreateTable create = SimpleTable({{"ns2"}, "x"});
  create.location = t->metadata->location;
  ASSERT_TRUE(catalog_.Create(call_, kTestWarehouse, create).ok());
  EXPECT_EQ(Undrop(Namespace({"ns"}), std::nullopt, DryRun::kYes).value().size(), 4u);
  auto back = Undrop(Namespace({"ns"}));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->size(), 4u);
  ASSERT_EQ(left_.size(), 1u);
  EXPECT_EQ(ToText(left_[0]), "table ns.t");
  EXPECT_EQ(catalog_.Load(call_, kTestWarehouse, u->name).value()->table_id, u->table_id);
  EXPECT_TRUE(views.Exists(call_, kTestWarehouse, {{"ns"}, "v"}).ok());
  EXPECT_THAT(Dropped(), UnorderedElementsAre("table ns.gone", "table ns.t"));
  EXPECT_TRUE(Undrop("gone").ok());
  EXPECT_EQ(NamespaceChanges({"ns"}), "create drop undrop");
  EXPECT_EQ(NamespaceChanges({"ns", "in"}), "create drop undrop");
}

TEST_F(LifecycleTest, WhatIsProtectedStays) {
  auto t = world_.MakeTable("t");
  auto u = world_.MakeTable("u");
  ASSERT_TRUE(Drop("u").ok());
  ASSERT_TRUE(catalog_.CreateNamespace(call_, kTestWarehouse, {"empty"}, {}).ok());
  call_.set_principal("alice");
  const ObjectRef whole{ObjectKind::kWarehouse, kTestWarehouse, {}, ""};
  struct Case {
    const char* what;
    ObjectRef object;
    std::function<Status()> act;
    const char* lifted_by;
  };
  const Case cases[] = {
      {"drop", Table("t"), [&] { return Drop("t"); }, "moraine table unprotect ns.t"},
      {"unregister", Table("t"),
       [&] {
         return catalog_.Unregister(call_, kTestWarehouse, {{"ns"}, "t"}).status();
       },
       "moraine table unprotect ns.t"},
      {"register over", Table("t"),
       [&] {
         return catalog_.RegisterOver(call_, kTestWarehouse, {{"ns"}, "t"}, t->metadata_location)
             .status();
       },
       "moraine table unprotect ns.t"},
      {"drop of a namespace", Namespace({"empty"}),
       [&] { return catalog_.DropNamespace(call_, kTestWarehouse, {"empty"}); },
       "moraine catalog unprotect empty"},
      {"drop in a warehouse", whole, [&] { return Drop("t"); }, "moraine catalog unprotect"},
      {"drop of a namespace in a warehouse", whole,
       [&] { return catalog_.DropNamespace(call_, kTestWarehouse, {"empty"}); },
       "moraine catalog unprotect"},
      {"purge in a warehouse", whole,
       [&] { return life_.Purge(call_, life_.LastDropped(call_, Table("u")).value()); },
       "moraine catalog unprotect"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    ASSERT_TRUE(life_.Protect(call_, c.object, "feeds the billing").ok());
    Status refused = c.act();
    EXPECT_EQ(refused.code(), Code::kPermissionDenied);
    EXPECT_THAT(std::string(refused.message()),
                testing::AllOf(HasSubstr("by alice, since 2026-01-01T00:00:00"),
                               HasSubstr("feeds the billing"), HasSubstr(c.lifted_by)));
    EXPECT_EQ(life_.ProtectionOf(call_, c.object).value()->reason, "feeds the billing");
    ASSERT_TRUE(life_.Unprotect(call_, c.object).ok());
    EXPECT_FALSE(life_.ProtectionOf(call_, c.object).value().has_value());
  }
  // Holds do not end in a protected warehouse.
  ASSERT_TRUE(life_.Protect(call_, whole, "").ok());
  world_.env().clock().Advance(8 * kDay);
  EXPECT_EQ(life_.PurgeTick(call_).value(), 0u);
  ASSERT_TRUE(life_.Unprotect(call_, whole).ok());
  EXPECT_EQ(life_.PurgeTick(call_).value(), 1u);
  EXPECT_EQ(life_.Protect(call_, Table("none"), "").code(), Code::kNotFound);
  EXPECT_EQ(life_.Protect(call_, Table("t"), std::string(2'000, 'x')).code(),
            Code::kInvalidArgument);
  // A protected table lives on otherwise.
  ASSERT_TRUE(life_.Protect(call_, Table("t"), "").ok());
  Append("t", 1);
  EXPECT_TRUE(catalog_.Rename(call_, kTestWarehouse, t->name, {{"ns"}, "renamed"}).ok());
  EXPECT_EQ(Drop("renamed").code(), Code::kPermissionDenied);
}

TEST_F(LifecycleTest, ViewsComeBackToo) {
  Views views(catalog_);
  auto view = views.Create(call_, kTestWarehouse, SimpleView("v")).value();
  ASSERT_TRUE(views.Drop(call_, kTestWarehouse, view->name).ok());
  EXPECT_EQ(views.Exists(call_, kTestWarehouse, view->name).code(), Code::kNotFound);
  const ObjectRef ref{ObjectKind::kView, kTestWarehouse, {"ns"}, "v"};
  EXPECT_EQ(Undrop("v").status().code(), Code::kNotFound);  // it is no table
  ASSERT_TRUE(Undrop(ref).ok());
  EXPECT_EQ(views.Load(call_, kTestWarehouse, view->name).value()->view_id, view->view_id);
  EXPECT_EQ(world_.CountChanges(view->view_id, "view-undrop"), 1u);
  ASSERT_TRUE(life_.Protect(call_, ref, "").ok());
  EXPECT_EQ(views.Drop(call_, kTestWarehouse, view->name).code(), Code::kPermissionDenied);
  auto history = life_.History(call_, ref, {}).value();
  ASSERT_EQ(history.items.size(), 3u);
  EXPECT_EQ(history.items[0].kind, "view-undrop");
}

TEST_F(LifecycleTest, ListsPageByPage) {
  for (int i = 0; i < 5; ++i) {
    world_.MakeTable(fmt::format("t{}", i));
    ASSERT_TRUE(Drop(fmt::format("t{}", i)).ok());
  }
  std::vector<std::string> names;
  PageRequest page{"", 2};
  do {
    auto part = life_.Dropped(call_, "", page).value();
    for (const auto& dropped : part.items) names.push_back(dropped.object.name);
    page.token = part.next_token;
  } while (!page.token.empty());
  EXPECT_THAT(names, ElementsAre("t4", "t3", "t2", "t1", "t0"));
  EXPECT_EQ(life_.Dropped(call_, kTestWarehouse, {"00", 2}).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(life_.Dropped(call_, "none", {}).status().code(), Code::kNotFound);
}

TEST_F(LifecycleTest, HistoryTellsWhoDidWhat) {
  call_.set_principal("alice");
  auto t = world_.MakeTable("t");
  auto first = Append("t", 7);
  call_.set_principal("bob");
  ASSERT_TRUE(
      catalog_.Commit(call_, kTestWarehouse, t->name, SetProperty(*first, "a", "b"), nullptr).ok());
  ASSERT_TRUE(catalog_.Rename(call_, kTestWarehouse, t->name, {{"ns"}, "u"}).ok());
  ASSERT_TRUE(Drop("u").ok());
  ASSERT_TRUE(Undrop("u").ok());
  auto history = life_.History(call_, Table("u"), {}).value().items;
  std::vector<std::string> lines;
  for (const auto& e : history) {
    lines.push_back(fmt::format("{} {} {} {}", e.version, e.kind, e.changed_by, e.operation));
  }
  EXPECT_THAT(lines,
              ElementsAre("6 undrop bob ", "5 drop bob ", "4 rename bob ",
                          "3 commit bob set-properties", "2 commit alice append", "1 create  "));
  EXPECT_EQ(history[2].old_name, "ns.t");
  EXPECT_EQ(history[2].name, "ns.u");
  EXPECT_EQ(history[4].snapshot_id, 7);
  EXPECT_EQ(history[4].summary.at("added-records"), "1");
  EXPECT_EQ(history[4].metadata_location, first->metadata_location);
  auto page = life_.History(call_, Table("u"), {"", 4}).value();
  EXPECT_EQ(page.items.size(), 4u);
  page = life_.History(call_, Table("u"), {page.next_token, 4}).value();
  EXPECT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.next_token, "");
}

TEST_F(LifecycleTest, HistoryIsKeptForLongerThanTheFeedIsReadWhereThatIsWanted) {
  CatalogOptions options;
  options.history_retention = 30 * kDay;
  Catalog catalog(world_.database(), world_.files(), options);
  world_.MakeTable("t");
  auto trim = [&](Catalog& which) {
    ASSERT_TRUE(which.LastChange(call_).ok());  // numbers them, on servers
    int64_t now_ms = ToMillis(call_.clock().Wall());
    ASSERT_TRUE(which.TrimChanges(call_, now_ms, INT64_MAX).ok());
  };
  Append("t", 1);
  Append("t", 2);
  world_.env().clock().Advance(29 * kDay);
  trim(catalog);
  EXPECT_EQ(life_.History(call_, Table("t"), {}).value().items.size(), 3u);
  world_.env().clock().Advance(2 * kDay);
  trim(catalog);
  EXPECT_EQ(life_.History(call_, Table("t"), {}).value().items.size(), 1u);
}

/// What a dropped thing meets when any call to the store or the files fails: it is there, or it
/// waits, and what follows works.
TEST(LifecycleFaults, LeaveATableThereOrWaiting) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto table = world.MakeTable("t");
    Catalog& catalog = world.Faulty(faults);
    Lifecycle life(catalog);
    Call call = world.env().call(std::chrono::hours(1'000));
    std::vector<ObjectRef> left;
    Status dropped = catalog.Drop(call, kTestWarehouse, table->name, Catalog::Purge::kNo);
    auto found = life.LastDropped(call, Table("t"));
    Status back = found.ok() ? life.Undrop(call, *found, std::nullopt, DryRun::kNo, &left).status()
                             : found.status();
    faults.Stop();
    auto waits = life.LastDropped(call, Table("t"));
    auto now = world.Reload("t");
    EXPECT_NE(waits.ok(), now != nullptr);
    if (back.ok()) {
      EXPECT_NE(now, nullptr);
    }
    if (waits.ok()) {
      ASSERT_TRUE(life.Undrop(call, *waits, std::nullopt, DryRun::kNo, &left).ok());
      now = world.Reload("t");
    }
    ASSERT_NE(now, nullptr);
    EXPECT_EQ(now->table_id, table->table_id);
    EXPECT_EQ(world.CountChanges(table->table_id, "drop"),
              world.CountChanges(table->table_id, "undrop"));
  });
  EXPECT_GT(report.fired, 15u);
}

TEST(LifecycleFaults, EndAHoldOnce) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto table = world.MakeTable("t");
    Call call = world.env().call(std::chrono::hours(1'000));
    Catalog& clean = world.catalog();
    Lifecycle life(clean);
    ASSERT_TRUE(life.DropTree(call, kTestWarehouse, {"ns"}, DryRun::kNo).ok());
    world.env().clock().Advance(8 * kDay);
    Lifecycle faulty(world.Faulty(faults));
    (void)faulty.PurgeTick(call);
    faults.Stop();
    while (life.PurgeTick(call).value() > 0) continue;
    EXPECT_EQ(world.CountChanges(table->table_id, "purge"), 1u);
    EXPECT_THAT(life.Dropped(call, "", {}).value().items, IsEmpty());
    ASSERT_TRUE(clean.CreateNamespace(call, kTestWarehouse, {"ns"}, {}).ok());
    world.MakeTable("t");
  });
  EXPECT_GT(report.fired, 8u);
}

TEST(LifecycleFaults, DropATreeWholeOrNotAtAll) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    Call call = world.env().call(std::chrono::hours(1'000));
    world.MakeTable("t");
    world.MakeTable("u");
    Lifecycle faulty(world.Faulty(faults));
    std::vector<ObjectRef> left;
    Status dropped = faulty.DropTree(call, kTestWarehouse, {"ns"}, DryRun::kNo).status();
    auto root = faulty.LastDropped(call, Namespace({"ns"}));
    Status back = root.ok() ? faulty.Undrop(call, *root, std::nullopt, DryRun::kNo, &left).status()
                            : root.status();
    faults.Stop();
    Lifecycle life(world.catalog());
    size_t waiting = life.Dropped(call, "", {}).value().items.size();
    EXPECT_TRUE(waiting == 0 || waiting == 3) << waiting;
    if (waiting == 3) {
      auto waits = life.LastDropped(call, Namespace({"ns"})).value();
      ASSERT_TRUE(life.Undrop(call, waits, std::nullopt, DryRun::kNo, &left).ok());
    }
    EXPECT_EQ(world.catalog().ListTables(call, kTestWarehouse, {"ns"}, {}).value().items.size(),
              2u);
  });
  EXPECT_GT(report.fired, 25u);
}

}  // namespace
}  // namespace moraine::catalog
