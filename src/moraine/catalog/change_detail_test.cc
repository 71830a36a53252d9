#include "moraine/catalog/change_detail.h"

#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

std::vector<TableChange> ChangesOf(CatalogWorld& world) {
  Call call = world.call();
  return world.catalog().Changes(call, 0, 100).value();
}

TEST(ChangeDetail, SurvivesARoundTrip) {
  ChangeDetail detail;
  detail.warehouse_id = 3;
  detail.name = {{"a.b", "c"}, "t \"1\""};
  detail.uuid = "u";
  detail.operation = "append";
  detail.renamed_from = TableName{{"a"}, "old"};
  detail.last_metadata_location = "file:///wh/m.json";
  detail.purge_requested = false;
  EXPECT_EQ(ChangeDetailFromText(ToText(detail)).value(), detail);
  EXPECT_EQ(ToText(ChangeDetail()), "{}");
  EXPECT_EQ(ChangeDetailFromText("{}").value(), ChangeDetail());
  EXPECT_EQ(ChangeDetailFromText("{").status().code(), Code::kInvalidArgument);
}

TEST(ChangeDetail, IsWrittenWithEveryChange) {
  CatalogWorld world;
  Call call = world.call();
  auto table = world.MakeTable("t");
  ASSERT_TRUE(world.catalog()
                  .Commit(call, kTestWarehouse, {{"ns"}, "t"}, AppendRequest(*table, 7), {})
                  .ok());
  ASSERT_TRUE(world.catalog().CreateNamespace(call, kTestWarehouse, {"other"}, {}).ok());
  ASSERT_TRUE(world.catalog().Rename(call, kTestWarehouse, {{"ns"}, "t"}, {{"other"}, "u"}).ok());
  auto last = world.catalog().Load(call, kTestWarehouse, {{"other"}, "u"}).value();
  ASSERT_TRUE(world.catalog()
                  .Drop(call, kTestWarehouse, {{"other"}, "u"}, Catalog::Purge::kRequested)
                  .ok());
  ASSERT_TRUE(
      world.catalog().UpdateNamespace(call, kTestWarehouse, {"other"}, {{"k", "v"}}, {}).ok());
  ASSERT_TRUE(world.catalog().DropNamespace(call, kTestWarehouse, {"other"}).ok());

  auto changes = ChangesOf(world);
  std::vector<std::string> kinds;
  for (size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(changes[i].feed_seq, static_cast<int64_t>(i + 1));
    EXPECT_EQ(changes[i].warehouse, kTestWarehouse);
    kinds.push_back(changes[i].kind);
  }
  EXPECT_EQ(kinds,
            (std::vector<std::string>{"namespace-create", "create", "commit", "namespace-create",
                                      "rename", "drop", "namespace-update", "namespace-drop"}));
  const std::string uuid = table->metadata->table_uuid;
  EXPECT_EQ(changes[1].detail.name, (TableName{{"ns"}, "t"}));
  EXPECT_EQ(changes[1].detail.uuid, uuid);
  EXPECT_EQ(changes[1].metadata_location, table->metadata_location);
  EXPECT_EQ(changes[1].detail.operation, "");
  EXPECT_EQ(changes[2].detail.operation, "append");
  EXPECT_EQ(changes[2].snapshot_id, 7);
  EXPECT_EQ(changes[4].detail.name, (TableName{{"other"}, "u"}));
  EXPECT_EQ(changes[4].detail.renamed_from, (TableName{{"ns"}, "t"}));
  EXPECT_EQ(changes[4].detail.uuid, uuid);
  EXPECT_EQ(changes[5].detail.name, (TableName{{"other"}, "u"}));
  EXPECT_EQ(changes[5].detail.last_metadata_location, last->metadata_location);
  EXPECT_EQ(changes[5].detail.purge_requested, true);
  EXPECT_EQ(changes[7].detail.name, (TableName{{"other"}, ""}));
}

TEST(ChangeDetail, ACommitThatLeavesTheRowsAloneHasNoOperation) {
  CatalogWorld world;
  Call call = world.call();
  auto table = world.MakeTable("t");
  auto appended = world.catalog()
                      .Commit(call, kTestWarehouse, {{"ns"}, "t"}, AppendRequest(*table, 7), {})
                      .value();
  ASSERT_TRUE(world.catalog()
                  .Commit(call, kTestWarehouse, {{"ns"}, "t"}, SetProperty(*appended, "k", "v"), {})
                  .ok());
  auto changes = ChangesOf(world);
  EXPECT_EQ(changes.back().kind, "commit");
  EXPECT_EQ(changes.back().detail.operation, "");
  EXPECT_EQ(changes.back().snapshot_id, 7);
}

}  // namespace
}  // namespace moraine::catalog
