// Drops, undrop, protection, history and rollback over the API. What they do is tested where it is
// done (catalog/lifecycle_test.cc); here it is what is asked and answered.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/api/testing/api_world.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::api {
namespace {

using net::Method;
using testing::HasSubstr;

constexpr char kNamespace[] = "/api/v1/warehouses/w/namespaces/ns";
constexpr char kTable[] = "/api/v1/warehouses/w/namespaces/ns/tables/t";

class LifecycleApiTest : public testing::Test {
 protected:
  catalog::Catalog& catalog() { return api_.world().engine(); }
  int64_t Make(const std::string& name) {
    Call call = api_.call();
    return catalog().Create(call, "w", catalog::SimpleTable({{"ns"}, name})).value()->table_id;
  }
  void Drop(const std::string& name) {
    Call call = api_.call();
    ASSERT_TRUE(catalog().Drop(call, "w", {{"ns"}, name}, catalog::Catalog::Purge::kNo).ok());
  }
  int StatusOf(const std::string& path, const std::string& body) {
    return api_.Send(Method::kPost, path, body).status;
  }

  ApiWorld api_;
};

TEST_F(LifecycleApiTest, UndropsByNameAndByNumber) {
  int64_t id = Make("t");
  Drop("t");
  EXPECT_EQ(StatusOf(kTable + std::string("/optimize"), R"({"type":"full"})"), 404);
  Json back = api_.Post(std::string(kTable) + "/undrop", "{}");
  EXPECT_EQ(back.Find("id")->int64(), id);
  EXPECT_EQ(StatusOf(std::string(kTable) + "/undrop", "{}"), 404);
  Drop("t");
  Make("t");
  EXPECT_EQ(StatusOf(std::string(kTable) + "/undrop", "{}"), 409);
  std::string by_number = fmt::format("/api/v1/dropped/tables/{}", id);
  back = api_.Post(by_number + "/undrop", R"({"to":{"namespace":["ns"],"name":"old"}})");
  EXPECT_EQ(back.Find("restored")->as_array()[0].Find("name")->as_string(), "old");
  Drop("old");
  EXPECT_EQ(StatusOf(by_number + "/purge", "{}"), 204);
  EXPECT_EQ(StatusOf(by_number + "/purge", "{}"), 404);
}

TEST_F(LifecycleApiTest, AnUndroppedTableIsLookedAtAgain) {
  api_.world().MakeTable("t");
  ASSERT_TRUE(api_.world().Append("t", {"a"}).ok());
  api_.Settle();
  Drop("t");
  api_.Settle();
  api_.Post(std::string(kTable) + "/undrop", "{}");
  ASSERT_TRUE(api_.world().Append("t", {"b", "c"}).ok());
  api_.Settle();
  Json table = api_.Get(kTable);
  EXPECT_EQ(table.Find("status")->as_string(), "pending") << table.ToString();
  EXPECT_EQ(table.Find("health")->Find("data-files")->int64(), 3);
}

TEST_F(LifecycleApiTest, RefusesWhatItCanNotRead) {
  Make("t");
  struct Case {
    std::string path;
    const char* body;
    int status;
  };
  const std::string table = kTable;
  const Case cases[] = {
      {table + "/undrop", R"({"to":{"namespace":"ns","name":"x"}})", 404},  // it is not dropped
      {"/api/v1/dropped/tables/x/undrop", "{}", 404},
      {"/api/v1/dropped/things/1/undrop", "{}", 404},
      {"/api/v1/dropped/tables/999999/undrop", "{}", 404},
      {table + "/protection", "{}", 400},
      {table + "/protection", R"({"protected":"yes"})", 400},
      {"/api/v1/warehouses/none/protection", R"({"protected":true})", 404},
      {table + "/rollback", "{}", 400},
      {table + "/rollback", R"({"snapshot-id":1,"version":1})", 400},
      {table + "/rollback", R"({"snapshot-id":1})", 404},
      {table + "/rollback", R"({"version":"1"})", 400},
      {std::string(kNamespace) + "/drop", R"({"dry-run":true})", 400},
      {std::string(kNamespace) + "/drop", "{}", 409},
      {"/api/v1/warehouses/w/namespaces/none/drop", R"({"recursive":true})", 404},
  };
  for (const auto& c : cases) EXPECT_EQ(StatusOf(c.path, c.body), c.status) << c.path << c.body;
  EXPECT_EQ(api_.Send(Method::kGet, table + "/history?limit=0").status, 400);
  EXPECT_EQ(api_.Send(Method::kGet, table + "/history?page-token=00").status, 400);
  EXPECT_EQ(api_.Send(Method::kGet, "/api/v1/dropped?page-token=00").status, 400);
  EXPECT_EQ(api_.Send(Method::kGet, "/api/v1/dropped?warehouse=none").status, 404);
}

TEST_F(LifecycleApiTest, WhatIsProtectedIsRefusedWithTheWayOut) {
  Make("t");
  api_.Post(std::string(kTable) + "/protection", R"({"protected":true,"reason":"billing"})");
  EXPECT_EQ(*api_.Get(std::string(kTable) + "/protection").Find("protected"), Json(true));
  net::Response refused =
      api_.Send(Method::kPost, std::string(kNamespace) + "/drop", R"({"recursive":true})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.BodyText(), HasSubstr("moraine table unprotect ns.t --warehouse w"));
}

}  // namespace
}  // namespace moraine::api
