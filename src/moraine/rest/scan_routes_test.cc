#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/iceberg/commit/commit_loop.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"
#include "moraine/scanning/scans.h"

namespace moraine::rest {
namespace {

using catalog::CatalogWorld;
using net::Method;
using testing::HasSubstr;

/// One table "t" of three files in as many manifests, planned one file a page.
class ScanRoutes : public testing::Test {
 protected:
  ScanRoutes() {
    Call call = world_.call();
    EXPECT_TRUE(scans_.Open(call).ok());
    service_.Register(router_);
    world_.MakeTable("t");
    for (const char* name : {"a", "b", "c"}) Append(name);
  }

  static scanning::ScanOptions Options() {
    scanning::ScanOptions options;
    options.page.files = 1;
    return options;
  }

  void Append(const std::string& name) {
    Call call = world_.call();
    auto table = world_.Reload("t");
    iceberg::DataFile file;
    file.file_path = table->metadata->location + "/data/" + name + ".parquet";
    file.record_count = 3;
    file.file_size_in_bytes = 100;
    auto type = iceberg::Type::Primitive(iceberg::TypeKind::kLong);
    file.lower_bounds = {{1, ValueToBytes(*type, int64_t{1})}};
    file.upper_bounds = {{1, ValueToBytes(*type, int64_t{2})}};
    iceberg::SnapshotChanges changes;
    changes.added.push_back({std::move(file), {}});
    iceberg::CommitDoor door;
    door.load = [&](Call&) -> Result<iceberg::TablePtr> { return world_.Reload("t")->metadata; };
    door.commit = [&](Call& one,
                      const iceberg::CommitRequest& request) -> Result<iceberg::TablePtr> {
      MORAINE_ASSIGN(auto loaded,
                     world_.catalog().Commit(one, "default", {{"ns"}, "t"}, request, nullptr));
      return loaded->metadata;
    };
    iceberg::SnapshotProducer producer(world_.files(), std::move(changes));
    auto done = CommitWithRetry(call, world_.files(), producer, door);
    ASSERT_TRUE(done.ok()) << done.status().ToString();
  }

  net::Response Send(Method method, const std::string& rest, std::string body = "",
                     net::Headers headers = {}, const std::string& table = "t") {
    return SendTo("/iceberg/v1/namespaces/ns/tables/" + table + "/" + rest, method, std::move(body),
                  std::move(headers));
  }
  net::Response SendTo(const std::string& target, Method method, std::string body,
                       net::Headers headers) {
    Call call = world_.call();
    auto parsed = net::ParseTarget(target).value();
    net::Request request{.method = method,
                         .path = parsed.path,
                         .query = parsed.query,
                         .headers = std::move(headers),
                         .body = std::move(body)};
    return net::AnswerNow(call, router_.Serve(call, request));
  }
  void ExpectError(const net::Response& response, int status, std::string_view type) {
    EXPECT_EQ(response.status, status);
    EXPECT_THAT(response.BodyText(), HasSubstr("\"type\":\"" + std::string(type) + "\""));
  }

  CatalogWorld world_;
  scanning::Scans scans_{world_.files(), world_.database(), Options()};
  Service service_{world_.catalog(), {.scans = &scans_}};
  net::Router router_{RefusalOf};
};

TEST_F(ScanRoutes, PlansAndTasks) {
  net::Response planned = Send(Method::kPost, "plan", R"({"stats-fields":["id"]})");
  ASSERT_EQ(planned.status, 200) << planned.BodyText();
  Json answer = Json::Parse(planned.BodyText()).value();
  ASSERT_NE(answer.Find("plan-tasks"), nullptr) << planned.BodyText();
  const auto& tasks = answer.Find("plan-tasks")->as_array();
  ASSERT_EQ(tasks.size(), 3u);
  for (const Json& task : tasks) {
    net::Response page = Send(Method::kPost, "tasks", R"({"plan-task":)" + task.ToString() + "}");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.BodyText(), HasSubstr(R"("lower-bounds":{"keys":[1],"values":[1]})"));
    EXPECT_THAT(page.BodyText(), HasSubstr(R"("residual-filter":true)"));
  }
  // Java's library wants bounds in their binary form.
  net::Headers java;
  java.Add("X-Client-Version", "Apache Iceberg 1.11.0 (commit x)");
  net::Response one =
      Send(Method::kPost, "plan", R"({"stats-fields":["id"],"min-rows-requested":1})", java);
  EXPECT_THAT(one.BodyText(),
              HasSubstr(R"("lower-bounds":{"keys":[1],"values":["0100000000000000"]})"));
}

TEST_F(ScanRoutes, CompletedPlansTellTheKeysToThoseWhoAsk) {
  Call call = world_.call();
  catalog::Warehouse lake{.name = "lake",
                          .root = "s3://lake/w",
                          .storage = {{"s3.access-key-id", "ID"}, {"s3.secret-access-key", "hush"}},
                          .clients = {.send_credentials = true}};
  ASSERT_TRUE(world_.catalog().CreateWarehouse(call, lake).ok());
  ASSERT_TRUE(world_.catalog().CreateNamespace(call, "lake", {"ns"}, {}).ok());
  auto table = world_.catalog().Create(call, "lake", catalog::SimpleTable({{"ns"}, "k"}));
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  auto ask = [&](const std::string& path, const char* header) {
    net::Headers headers;
    if (header != nullptr) headers.Add("X-Iceberg-Access-Delegation", header);
    return SendTo("/iceberg/v1/" + path + "/plan", Method::kPost, "{}", std::move(headers));
  };
  net::Response told = ask("lake/namespaces/ns/tables/k", "vended-credentials");
  ASSERT_EQ(told.status, 200) << told.BodyText();
  EXPECT_EQ(told.headers.Get("Cache-Control"), "no-store");
  Json answer = Json::Parse(told.BodyText()).value();
  EXPECT_EQ(answer.Find("status")->as_string(), "completed");
  const Json& keys = answer.Find("storage-credentials")->as_array().at(0);
  EXPECT_EQ(keys.Find("prefix")->as_string(), (*table)->metadata->location + "/");
  EXPECT_EQ(keys.Find("config")->Find("s3.secret-access-key")->as_string(), "hush");
  for (const char* header : {static_cast<const char*>(nullptr), "remote-signing", "nonsense"}) {
    net::Response plain = ask("lake/namespaces/ns/tables/k", header);
    EXPECT_EQ(plain.BodyText().find("credentials"), std::string::npos) << plain.BodyText();
    EXPECT_FALSE(plain.headers.Get("Cache-Control"));
  }
  net::Response local = ask("namespaces/ns/tables/t", "vended-credentials");
  EXPECT_EQ(local.status, 200);
  EXPECT_EQ(local.BodyText().find("credentials"), std::string::npos) << "files of this machine";
}

TEST_F(ScanRoutes, ErrorsByTheirNames) {
  ExpectError(Send(Method::kPost, "plan", "{}", {}, "nope"), 404, "NoSuchTableException");
  ExpectError(Send(Method::kPost, "tasks", R"({"plan-task":"x"})", {}, "nope"), 404,
              "NoSuchTableException");
  ExpectError(Send(Method::kPost, "tasks", R"({"plan-task":"x"})"), 404, "NoSuchPlanTaskException");
  ExpectError(Send(Method::kPost, "tasks", "{}"), 400, "BadRequestException");
  ExpectError(Send(Method::kPost, "plan", "[]"), 400, "BadRequestException");
  ExpectError(Send(Method::kPost, "plan", R"({"snapshot-id":5})"), 400, "BadRequestException");
  ExpectError(Send(Method::kPost, "plan", R"({"filter":{"type":"eq","term":"x","value":1}})"), 400,
              "BadRequestException");
  ExpectError(Send(Method::kGet, "plan/x"), 404, "NoSuchPlanIdException");
  ExpectError(Send(Method::kDelete, "plan/x"), 404, "NoSuchPlanIdException");
  for (const char* begin : {"", "x"}) {  // cut within a character or not, the answer is JSON
    std::string id = begin;
    for (int i = 0; i < 500; ++i) id += "%C3%A9";
    ExpectError(Send(Method::kGet, "plan/" + id), 404, "NoSuchPlanIdException");
  }
}

TEST_F(ScanRoutes, TasksEndWithTheirTable) {
  Json answer = Json::Parse(Send(Method::kPost, "plan", "{}").BodyText()).value();
  std::string body =
      R"({"plan-task":)" + answer.Find("plan-tasks")->as_array().at(0).ToString() + "}";
  Call call = world_.call();
  ASSERT_TRUE(world_.catalog().Rename(call, "default", {{"ns"}, "t"}, {{"ns"}, "renamed"}).ok());
  EXPECT_EQ(Send(Method::kPost, "tasks", body, {}, "renamed").status, 200);
  ExpectError(Send(Method::kPost, "tasks", body), 404, "NoSuchTableException");
  world_.MakeTable("t");
  ExpectError(Send(Method::kPost, "tasks", body), 404, "NoSuchPlanTaskException");
}

TEST_F(ScanRoutes, FiltersMayNestDeep) {
  std::string filter = R"({"type":"lt","term":"id","value":7})";
  for (int i = 0; i < 300; ++i) {
    filter =
        R"({"type":"and","left":)" + filter + R"(,"right":{"type":"gt","term":"id","value":0}})";
  }
  EXPECT_EQ(Send(Method::kPost, "plan", R"({"filter":)" + filter + "}").status, 200);
}

}  // namespace
}  // namespace moraine::rest
