#include "moraine/api/testing/lifecycle_walk.h"

#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::api {

void WalkLifecycle(ApiWorld& api) {
  const std::string path = "/api/v1/warehouses/w/namespaces/life";
  Call call = api.call();
  call.set_principal("alice");
  catalog::Catalog& catalog = api.world().engine();
  ASSERT_TRUE(catalog.CreateNamespace(call, "w", {"life"}, {}).ok());
  ASSERT_TRUE(catalog.Create(call, "w", catalog::SimpleTable({{"life"}, "b"})).ok());
  auto a = catalog.Create(call, "w", catalog::SimpleTable({{"life"}, "a"})).value();
  ASSERT_TRUE(catalog.Commit(call, "w", a->name, catalog::AppendRequest(*a, 5), nullptr).ok());
  ASSERT_TRUE(catalog.Rename(call, "w", a->name, {{"life"}, "c"}).ok());

  Json history = api.Get(path + "/tables/c/history");
  EXPECT_EQ(history.Find("history")->as_array().size(), 3u);
  EXPECT_EQ(history.Find("history")->as_array()[0].Find("old-name")->as_string(), "life.a");
  EXPECT_EQ(history.Find("history")->as_array()[1].Find("changed-by")->as_string(), "alice");
  EXPECT_NE(api.Get(path + "/tables/c/history?limit=1").Find("next-page-token"), nullptr);
  Json rollback = api.Post(path + "/tables/c/rollback", R"({"version":1,"dry-run":true})");
  EXPECT_EQ(rollback.Find("from-snapshot-id")->int64(), 5);
  EXPECT_EQ(rollback.Find("changes")->as_string(), "remove-snapshot-ref");

  Json on = api.Post(path + "/protection", R"({"protected":true,"reason":"why"})");
  EXPECT_EQ(on.Find("reason")->as_string(), "why");
  EXPECT_EQ(api.Post(path + "/protection", R"({"protected":false})").ToString(),
            R"({"protected":false})");

  const std::string table = path + "/tables/c";
  api.Post(table + "/protection", R"({"protected":true})");
  EXPECT_EQ(*api.Get(table).Find("protection")->Find("protected"), Json(true));
  api.Post(table + "/protection", R"({"protected":false})");

  Json dropped = api.Post(path + "/drop", R"({"recursive":true})");
  EXPECT_EQ(dropped.Find("dropped")->as_array().size(), 3u);
  catalog::CreateTable newcomer = catalog::SimpleTable({{"ns"}, "newcomer"});
  newcomer.location = a->metadata->location;
  ASSERT_TRUE(catalog.Create(call, "w", newcomer).ok());
  Json listed = api.Get("/api/v1/dropped?warehouse=w");
  EXPECT_GE(listed.Find("dropped")->as_array().size(), 3u);  // others drop things, too
  EXPECT_NE(api.Get("/api/v1/dropped?limit=1").Find("next-page-token"), nullptr);
  Json back = api.Post(path + "/undrop", R"({"dry-run":true})");
  EXPECT_EQ(back.Find("restored")->as_array().size(), 2u);
  EXPECT_EQ(back.Find("left")->as_array().size(), 1u);
}

}  // namespace moraine::api
