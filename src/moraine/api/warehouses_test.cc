#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/api/testing/api_world.h"

namespace moraine::api {
namespace {

using net::Method;
using testing::HasSubstr;
using testing::Not;

constexpr char kPath[] = "/api/v1/warehouses";
constexpr char kLake[] = "/api/v1/warehouses/lake";
constexpr char kNew[] = R"({"name":"lake","root":"s3a://lake/w","storage":{"s3.endpoint":"http://e",
  "s3.access-key-id":"ID","s3.secret-access-key":"hush"},"remote-signing":true,
  "defaults":{"table-default.a":"1"},"client-credentials":{"s3.access-key-id":"R",
  "s3.secret-access-key":"quiet"}})";

TEST(ApiWarehouses, AreMadeShownChangedAndDropped) {
  ApiWorld api;
  std::string checked;
  api.service().CheckNewWarehouses([&](Call&, const catalog::Warehouse& warehouse) -> Status {
    checked += warehouse.root + " ";
    return warehouse.root.ends_with("nowhere") ? InvalidArgument("nothing is kept there")
                                               : Status();
  });
  Json made = api.Post(kPath, kNew);
  EXPECT_EQ(made.Find("root")->as_string(), "s3://lake/w");
  EXPECT_EQ(made.Find("storage")->Find("s3.secret-access-key")->as_string(), "(hidden)");
  EXPECT_EQ(made.Find("storage")->Find("s3.access-key-id")->as_string(), "ID");
  EXPECT_TRUE(made.Find("remote-signing")->as_bool());
  EXPECT_FALSE(made.Find("from-settings")->as_bool());
  EXPECT_EQ(api.Get(kLake), made);
  EXPECT_EQ(api.Send(Method::kPost, kPath, kNew).status, 409);
  for (const char* path : {kPath, kLake}) {
    EXPECT_THAT(api.Get(path).ToString(), Not(HasSubstr("hush")));
    EXPECT_THAT(api.Get(path).ToString(), Not(HasSubstr("quiet")));
  }

  Json changed =
      api.Post(kLake, R"({"send-credentials":true,"storage":{"s3.endpoint":null,"s3.region":"eu"},)"
                      R"("allowed-locations":["s3://more/x"],"overrides":{"a":"b"}})");
  EXPECT_EQ(changed.Find("storage")->Find("s3.endpoint"), nullptr);
  EXPECT_EQ(changed.Find("storage")->Find("s3.region")->as_string(), "eu");
  EXPECT_EQ(changed.Find("allowed-locations")->ToString(), R"(["s3://lake/w","s3://more/x"])");
  EXPECT_TRUE(changed.Find("remote-signing")->as_bool()) << "what is absent stays";
  Call call = api.call();
  auto kept = api.world().engine().Warehouses(call).value();
  EXPECT_EQ(kept[0].storage.at("s3.secret-access-key"), "hush") << "hidden, not lost";
  Json moved = api.Post(kLake, R"({"root":"s3://lake/next"})");
  EXPECT_EQ(moved.Find("allowed-locations")->ToString(),
            R"(["s3://lake/next","s3://lake/w","s3://more/x"])");
  EXPECT_THAT(checked, HasSubstr("s3://lake/next"));

  EXPECT_EQ(api.Send(Method::kDelete, kLake).status, 204);
  EXPECT_EQ(api.Send(Method::kGet, kLake).status, 404);
  EXPECT_EQ(api.Send(Method::kDelete, kLake).status, 404);
  EXPECT_EQ(api.Send(Method::kPost, kLake, "{}").status, 404);
}

TEST(ApiWarehouses, WhatIsWrongIsNamed) {
  ApiWorld api;
  api.service().CheckNewWarehouses(
      [](Call&, const catalog::Warehouse&) { return InvalidArgument("nothing is kept there"); });
  struct Case {
    const char* body;
    int status;
    const char* message;
  };
  for (const Case& c : {
           Case{R"({"name":"a"})", 400, "root"},
           Case{R"({"root":"s3://a"})", 400, "name"},
           Case{R"({"name":"a b","root":"s3://a"})", 400, "warehouse"},
           Case{R"({"name":"a","root":"ftp://a"})", 400, "root: no files can be kept"},
           Case{R"({"name":"a","root":"s3://a","storage":{"s3.secret":"hush"}})", 400, "s3.secret"},
           Case{R"({"name":"a","root":"s3://a","storage":{"s3.region":1}})", 400,
                "storage.s3.region"},
           Case{R"({"name":"a","root":"s3://a","storage":[]})", 400, "storage"},
           Case{R"({"name":"a","root":"s3://a"})", 400, "nothing is kept there"},
       }) {
    auto answer = api.Send(Method::kPost, kPath, c.body);
    EXPECT_EQ(answer.status, c.status) << c.body;
    EXPECT_THAT(answer.BodyText(), HasSubstr(c.message)) << c.body;
    EXPECT_THAT(answer.BodyText(), Not(HasSubstr("hush")));
  }
}

TEST(ApiReports, AreShownNewestFirst) {
  ApiWorld api;
  api.world().MakeTable("t");
  std::string path = "/api/v1/warehouses/w/namespaces/ns/tables/t/reports";
  EXPECT_EQ(api.Get(path).ToString(), R"({"reports":[]})");
  Call call = api.call();
  for (const char* report : {R"({"report-type":"scan-report","a":1})", R"({"a":2})"}) {
    ASSERT_TRUE(api.world().engine().ReportMetrics(call, "w", {{"ns"}, "t"}, report).ok());
  }
  Json reports = api.Get(path);
  const auto& list = reports.Find("reports")->as_array();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].Find("report")->ToString(), R"({"a":2})");
  EXPECT_EQ(api.Get(path + "?limit=1").Find("reports")->as_array().size(), 1u);
  EXPECT_EQ(api.Send(Method::kGet, path + "?limit=0").status, 400);
  EXPECT_EQ(api.Send(Method::kGet, "/api/v1/warehouses/w/namespaces/ns/tables/x/reports").status,
            404);
}

}  // namespace
}  // namespace moraine::api
