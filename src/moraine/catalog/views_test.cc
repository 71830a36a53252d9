#include "moraine/catalog/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

using testing::ElementsAre;
using testing::FaultInjector;
using testing::HasSubstr;

namespace update = iceberg::update;

iceberg::ViewVersion Version(std::string sql) {
  iceberg::ViewVersion version;
  version.timestamp_ms = 1;
  version.representations = {{.sql = std::move(sql), .dialect = "spark"}};
  version.default_namespace = {"ns"};
  return version;
}

CreateView SimpleView(const std::string& name) {
  CreateView create;
  create.name = {{"ns"}, name};
  create.schema = SimpleTable({{"ns"}, name}).schema;
  create.version = Version("select 1");
  return create;
}

iceberg::ViewCommitRequest ReplaceWith(std::string sql) {
  return {{},
          {update::AddViewVersion{Version(std::move(sql))},
           update::SetCurrentViewVersion{iceberg::kLastAdded}}};
}

class ViewsTest : public testing::Test {
 protected:
  Result<LoadedViewPtr> Create(const CreateView& create) {
    Call call = world_.call();
    return views_.Create(call, kTestWarehouse, create);
  }
  Result<LoadedViewPtr> Load(const std::string& name) {
    Call call = world_.call();
    return views_.Load(call, kTestWarehouse, {{"ns"}, name});
  }
  Result<LoadedViewPtr> Commit(const std::string& name, const iceberg::ViewCommitRequest& request) {
    Call call = world_.call();
    return views_.Commit(call, kTestWarehouse, {{"ns"}, name}, request);
  }
  Status Rename(const std::string& from, const std::string& to) {
    Call call = world_.call();
    return views_.Rename(call, kTestWarehouse, {{"ns"}, from}, {{"ns"}, to});
  }
  Status Drop(const std::string& name) {
    Call call = world_.call();
    return views_.Drop(call, kTestWarehouse, {{"ns"}, name});
  }
  std::vector<std::string> List() {
    Call call = world_.call();
    std::vector<std::string> names;
    auto page = views_.List(call, kTestWarehouse, {"ns"}, {}).value();
    for (const auto& view : page.items) names.push_back(view.name);
    return names;
  }

  CatalogWorld world_;
  Views views_{world_.catalog()};
};

TEST_F(ViewsTest, LiveThroughCreateReplaceRenameAndDrop) {
  auto created = Create(SimpleView("v")).value();
  EXPECT_THAT(created->metadata_location, HasSubstr("/metadata/00000-"));
  EXPECT_EQ(created->metadata->current_version_id, 1);
  auto replaced = Commit("v", ReplaceWith("select 2")).value();
  EXPECT_THAT(replaced->metadata_location, HasSubstr("/metadata/00001-"));
  EXPECT_TRUE(Rename("v", "w").ok());
  EXPECT_EQ(Load("v").status(), NotFound("View does not exist: ns.v"));
  auto loaded = Load("w").value();
  EXPECT_EQ(*loaded->metadata, *replaced->metadata);
  EXPECT_EQ(loaded->view_id, created->view_id);
  EXPECT_THAT(List(), ElementsAre("w"));
  EXPECT_TRUE(Drop("w").ok());
  EXPECT_EQ(Drop("w").code(), Code::kNotFound);
  EXPECT_THAT(List(), ElementsAre());
  for (const char* kind : {"view-create", "view-commit", "view-rename", "view-drop"}) {
    EXPECT_EQ(world_.CountChanges(created->view_id, kind), 1u) << kind;
  }
  // The files are there, so the view can come back.
  Call call = world_.call();
  auto again =
      views_.Register(call, kTestWarehouse, {{"ns"}, "again"}, loaded->metadata_location).value();
  EXPECT_EQ(*again->metadata, *loaded->metadata);
}

TEST_F(ViewsTest, AFileThatWasWrittenAnewIsRegisteredAsItIsNow) {
  auto created = Create(SimpleView("v")).value();
  ASSERT_TRUE(Drop("v").ok());
  iceberg::ViewMetadata metadata = *created->metadata;
  metadata.properties["written"] = "anew";
  world_.files().Put(created->metadata_location, iceberg::ViewMetadataToJson(metadata), 0);
  Call call = world_.call();
  ASSERT_TRUE(
      views_.Register(call, kTestWarehouse, {{"ns"}, "v"}, created->metadata_location).ok());
  EXPECT_EQ(Load("v")->get()->metadata->properties.at("written"), "anew");
}

TEST_F(ViewsTest, ShareNamesWithTables) {
  world_.MakeTable("t");
  ASSERT_TRUE(Create(SimpleView("v")).ok());
  ASSERT_TRUE(Create(SimpleView("v2")).ok());
  EXPECT_EQ(Create(SimpleView("t")).status(),
            AlreadyExists("Table with same name already exists: ns.t"));
  EXPECT_EQ(Create(SimpleView("v")).status(), AlreadyExists("View already exists: ns.v"));
  EXPECT_EQ(Rename("v", "t"), AlreadyExists("Cannot rename ns.v to ns.t. Table already exists"));
  EXPECT_EQ(Rename("v", "v2"), AlreadyExists("Cannot rename ns.v to ns.v2. View already exists"));
  Call call = world_.call();
  Catalog& catalog = world_.catalog();
  EXPECT_EQ(catalog.Create(call, kTestWarehouse, SimpleTable({{"ns"}, "v"})).status(),
            AlreadyExists("View with same name already exists: ns.v"));
  EXPECT_EQ(catalog.Rename(call, kTestWarehouse, {{"ns"}, "t"}, {{"ns"}, "v"}),
            AlreadyExists("Cannot rename ns.t to ns.v. View already exists"));
  EXPECT_EQ(catalog.Load(call, kTestWarehouse, {{"ns"}, "v"}).status(),
            NotFound("Table does not exist: ns.v"));
  EXPECT_EQ(catalog.Drop(call, kTestWarehouse, {{"ns"}, "v"}, Catalog::Purge::kNo).code(),
            Code::kNotFound);
  EXPECT_EQ(Load("t").status(), NotFound("View does not exist: ns.t"));
  EXPECT_EQ(Drop("t").code(), Code::kNotFound);
  EXPECT_EQ(catalog.DropNamespace(call, kTestWarehouse, {"ns"}).code(), Code::kConflict);
  // Nothing that walks the tables meets a view.
  EXPECT_EQ(catalog.AllTables(call, {})->items.size(), 1u);
  EXPECT_EQ(catalog.ListTables(call, kTestWarehouse, {"ns"}, {})->items.size(), 1u);
}

TEST_F(ViewsTest, StayInsideTheWarehouse) {
  CreateView outside = SimpleView("v");
  outside.location = "file:///elsewhere/v";
  EXPECT_EQ(Create(outside).status().code(), Code::kInvalidArgument);
  ASSERT_TRUE(Create(SimpleView("v")).ok());
  auto base = Load("v").value();
  EXPECT_EQ(Commit("v", {{}, {update::SetLocation{"file:///elsewhere/v"}}}).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Commit("v", {{}, {update::SetProperties{{{"write.metadata.path", "file:///else"}}}}})
                .status()
                .code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Load("v").value()->metadata_location, base->metadata_location);
  CreateView inside = SimpleView("w");
  inside.location = base->metadata->location + "/below";
  EXPECT_EQ(Create(inside).status().code(), Code::kInvalidArgument);
}

TEST_F(ViewsTest, ARequirementThatFailsIsAConflict) {
  ASSERT_TRUE(Create(SimpleView("v")).ok());
  auto request = ReplaceWith("select 2");
  request.asserted_uuids = {"00000000-0000-4000-8000-000000000000"};
  EXPECT_EQ(Commit("v", request).status().code(), Code::kConflict);
  EXPECT_EQ(Commit("none", request).status(), NotFound("View does not exist: ns.none"));
}

TEST_F(ViewsTest, CommitOverAnotherProcessLandsAfterIt) {
  ASSERT_TRUE(Create(SimpleView("v")).ok());
  auto another = world_.Another();
  Views others(*another);
  Call call = world_.call();
  ASSERT_TRUE(others.Commit(call, kTestWarehouse, {{"ns"}, "v"}, ReplaceWith("select 2")).ok());
  auto mine = Commit("v", ReplaceWith("select 3")).value();
  EXPECT_EQ(mine->metadata->versions.size(), 3u);
  EXPECT_EQ(mine->metadata->current_version_id, 3);
}

TEST(ViewFaults, ReplaceIsWholeOrNothing) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    Call call = world.call();
    Views views(world.catalog());
    auto base = views.Create(call, kTestWarehouse, SimpleView("v")).value();
    size_t files = world.files().size();
    Views faulty(world.Faulty(faults));
    auto replaced = faulty.Commit(call, kTestWarehouse, base->name, ReplaceWith("select 2"));
    faults.Stop();
    auto now = views.Load(call, kTestWarehouse, base->name).value();
    bool landed = now->metadata_location != base->metadata_location;
    EXPECT_EQ(world.CountChanges(base->view_id, "view-commit"), landed ? 1u : 0u);
    if (replaced.ok()) {
      EXPECT_TRUE(landed);
    } else if (replaced.status().code() != Code::kCommitUnknown) {
      EXPECT_FALSE(landed) << replaced.status().ToString();
    }
    if (landed) {
      EXPECT_EQ(world.files().size(), files + 1);
    }
  });
  EXPECT_GT(report.calls, 8u);
}

TEST_F(ViewsTest, AreReadOnceWhileTheirFileIsThere) {
  auto made = Create(SimpleView("v"));
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const std::string location = (*made)->metadata_location;
  auto first = Load("v").value();
  EXPECT_EQ(first->metadata, (*made)->metadata);
  EXPECT_EQ(Load("v")->get()->metadata, first->metadata) << "one copy for all";
  auto other = world_.Another();
  Call call = world_.call();
  Views others(*other);
  auto read = others.Load(call, kTestWarehouse, {{"ns"}, "v"}).value();
  EXPECT_EQ(*read->metadata, *first->metadata);
  EXPECT_EQ(others.Load(call, kTestWarehouse, {{"ns"}, "v"}).value()->metadata, read->metadata);

  auto changed = Commit("v", ReplaceWith("select 2")).value();
  EXPECT_EQ(Load("v").value()->metadata, changed->metadata);
  EXPECT_EQ(others.Load(call, kTestWarehouse, {{"ns"}, "v"}).value()->metadata_location,
            changed->metadata_location);
  std::vector<std::string> files = {changed->metadata_location};
  ASSERT_TRUE(world_.files().DeleteMany(call, files).at(0).ok());
  Status gone = Load("v").status();
  EXPECT_EQ(gone.code(), Code::kNotFound);
  EXPECT_EQ(ExceptionName(gone), "NotFoundException");
}

}  // namespace
}  // namespace moraine::catalog
