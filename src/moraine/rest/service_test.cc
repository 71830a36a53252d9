#include "moraine/rest/service.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"

namespace moraine::rest {
namespace {

using catalog::CatalogWorld;
using net::Method;
using testing::Fault;
using testing::FaultInjector;
using testing::FaultKind;
using testing::HasSubstr;

constexpr char kSchema[] = R"({"type":"struct","schema-id":0,"fields":[
  {"id":1,"name":"id","required":true,"type":"long"},
  {"id":2,"name":"data","required":false,"type":"string"}]})";

/// The service over a catalog in memory, asked by path and body as they stand on the wire.
class RestTest : public testing::Test {
 protected:
  RestTest() { service_.Register(router_); }

  net::Response Send(Method method, std::string target, std::string body = "",
                     net::Headers headers = {}) {
    Call call = world_.call();
    auto parsed = net::ParseTarget("/iceberg/v1/" + target).value();
    net::Request request{.method = method,
                         .path = parsed.path,
                         .query = parsed.query,
                         .headers = std::move(headers),
                         .body = std::move(body)};
    return net::AnswerNow(call, router_.Serve(call, request));
  }
  Json SendOk(Method method, std::string target, std::string body = "") {
    net::Response response = Send(method, target, std::move(body));
    EXPECT_EQ(response.status, 200) << target << ": " << response.BodyText();
    auto json = Json::Parse(response.BodyText());
    EXPECT_TRUE(json.ok()) << response.BodyText();
    return json.ok() ? std::move(*json) : Json();
  }
  void ExpectError(const net::Response& response, int status, std::string_view type,
                   std::string_view message) {
    EXPECT_EQ(response.status, status) << response.BodyText();
    auto json = Json::Parse(response.BodyText());
    ASSERT_TRUE(json.ok()) << response.BodyText();
    ASSERT_EQ(json->as_object().size(), 1u);
    const Json& error = *json->Find("error");
    EXPECT_EQ(error.Find("type")->as_string(), type);
    EXPECT_EQ(error.Find("code")->int64(), status);
    EXPECT_THAT(error.Find("message")->as_string(), HasSubstr(std::string(message)));
  }
  std::string CreateBody(const std::string& name, const std::string& more = "") {
    return R"({"name":")" + name + R"(","schema":)" + kSchema + more + "}";
  }

  CatalogWorld world_;
  Service service_{world_.catalog(), {}};
  net::Router router_{RefusalOf};
};

std::string Text(const Json& json, std::string_view key) { return json.Find(key)->as_string(); }

TEST_F(RestTest, ConfigNamesTheWarehouseAndEveryRoute) {
  Json config = SendOk(Method::kGet, "config?warehouse=default");
  EXPECT_EQ(*config.Find("overrides"), Json::Parse(R"({"prefix":"default"})").value());
  EXPECT_EQ(*config.Find("defaults"), Json::MakeObject());
  const auto& endpoints = config.Find("endpoints")->as_array();
  EXPECT_EQ(endpoints.size(), 33u);
  auto has = [&](std::string_view endpoint) {
    return std::find(endpoints.begin(), endpoints.end(), Json(endpoint)) != endpoints.end();
  };
  EXPECT_TRUE(has("GET /v1/{prefix}/namespaces/{namespace}/tables/{table}"));
  EXPECT_TRUE(has("HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}"));
  EXPECT_TRUE(has("POST /v1/{prefix}/tables/rename"));
  EXPECT_TRUE(has("POST /v1/{prefix}/transactions/commit"));
  EXPECT_TRUE(has("POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan"));
  EXPECT_TRUE(has("GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}"));
  EXPECT_EQ(*SendOk(Method::kGet, "config").Find("overrides"), Json::MakeObject());
  ExpectError(Send(Method::kGet, "config?warehouse=nope"), 404, "NoSuchWarehouseException",
              "Warehouse does not exist: nope");
}

TEST_F(RestTest, NamespacesFromTheWire) {
  Json made = SendOk(Method::kPost, "namespaces",
                     R"({"namespace":["tax"],"properties":{"owner":"x"},"future":[1]})");
  EXPECT_EQ(made.ToString(), R"({"namespace":["tax"],"properties":{"owner":"x"}})");
  SendOk(Method::kPost, "default/namespaces", R"({"namespace":["tax","a b/c"]})");
  EXPECT_EQ(SendOk(Method::kGet, "namespaces").ToString(),
            R"({"namespaces":[["ns"],["tax"]],"next-page-token":null})");
  EXPECT_EQ(SendOk(Method::kGet, "namespaces?parent=tax").ToString(),
            R"({"namespaces":[["tax","a b/c"]],"next-page-token":null})");
  for (const char* path : {"tax%1Fa+b%2Fc", "tax%1fa%20b%2fc"}) {
    Json loaded = SendOk(Method::kGet, std::string("namespaces/") + path);
    EXPECT_EQ(loaded.Find("namespace")->ToString(), R"(["tax","a b/c"])");
    const Json& properties = *loaded.Find("properties");
    EXPECT_EQ(properties.as_object().size(), 1u);
    EXPECT_THAT(Text(properties, "location"), testing::EndsWith("/tax/a%20b%2Fc"));
    EXPECT_EQ(Send(Method::kHead, std::string("namespaces/") + path).status, 204);
  }
  EXPECT_EQ(SendOk(Method::kGet, "namespaces?parent=tax%1Fa%20b%2Fc").ToString(),
            R"({"namespaces":[],"next-page-token":null})");
  SendOk(Method::kPost, "namespaces/tax/properties", R"({"updates":{"a":"1"}})");
  EXPECT_EQ(SendOk(Method::kPost, "namespaces/tax/properties",
                   R"({"removals":["a","zz"],"updates":{"b":"1"}})")
                .ToString(),
            R"({"updated":["b"],"removed":["a"],"missing":["zz"]})");
  ExpectError(Send(Method::kDelete, "namespaces/tax"), 409, "NamespaceNotEmptyException",
              "Namespace tax is not empty");
  EXPECT_EQ(Send(Method::kDelete, "namespaces/tax%1Fa+b%2Fc").status, 204);
  EXPECT_EQ(Send(Method::kDelete, "namespaces/tax").status, 204);
  net::Response gone = Send(Method::kHead, "namespaces/tax");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.BodyText(), "");
}

TEST_F(RestTest, PagesOnlyWhenAsked) {
  for (char c = 'a'; c < 'h'; ++c) {
    SendOk(Method::kPost, "namespaces/ns/tables", CreateBody(std::string(1, c)));
  }
  Json all = SendOk(Method::kGet, "namespaces/ns/tables?pageSize=2");
  EXPECT_EQ(all.Find("identifiers")->as_array().size(), 7u);
  EXPECT_TRUE(all.Find("next-page-token")->is_null());
  size_t seen = 0;
  std::string token;
  for (int pages = 1;; ++pages) {
    Json page = SendOk(Method::kGet, "namespaces/ns/tables?pageSize=3&pageToken=" + token);
    seen += page.Find("identifiers")->as_array().size();
    if (page.Find("next-page-token")->is_null()) {
      EXPECT_EQ(pages, 3);
      break;
    }
    token = Text(page, "next-page-token");
  }
  EXPECT_EQ(seen, 7u);
  EXPECT_EQ(SendOk(Method::kGet, "namespaces/ns/tables?pageToken=&pageSize=1")
                .Find("identifiers")
                ->ToString(),
            R"([{"namespace":["ns"],"name":"a"}])");
  ExpectError(Send(Method::kGet, "namespaces?pageToken=" + token), 400, "BadRequestException",
              "pageToken");
  for (const char* size : {"0", "-1", "x", ""}) {
    ExpectError(Send(Method::kGet, std::string("namespaces?pageSize=") + size), 400,
                "BadRequestException", "pageSize");
  }
}

TEST_F(RestTest, TableLifeFromTheWire) {
  net::Response made = Send(
      Method::kPost, "default/namespaces/ns/tables",
      CreateBody(
          "t1",
          R"(,"partition-spec":{"spec-id":0,"fields":[{"name":"id_bucket","transform":"bucket[16]",
                 "source-id":1,"field-id":1000}]},"write-order":null,"stage-create":false,
                 "properties":{"format-version":"3","a":"b"},"unknown":{})"));
  ASSERT_EQ(made.status, 200) << made.BodyText();
  ASSERT_TRUE(made.headers.Get("ETag"));
  Json table = Json::Parse(made.BodyText()).value();
  EXPECT_EQ(*table.Find("config"), Json::MakeObject());
  const Json& metadata = *table.Find("metadata");
  EXPECT_EQ(metadata.Find("format-version")->int64(), 3);
  EXPECT_EQ(metadata.Find("last-partition-id")->int64(), 1000);
  EXPECT_EQ(metadata.Find("properties")->Find("a")->as_string(), "b");
  EXPECT_EQ(metadata.Find("properties")->Find("format-version"), nullptr);
  std::string uuid = Text(metadata, "table-uuid");
  std::string location = Text(metadata, "location");

  std::string commit =
      R"({"requirements":[{"type":"assert-table-uuid","uuid":")" + uuid +
      R"("},{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}],
      "updates":[{"action":"add-snapshot","snapshot":{"sequence-number":1,"snapshot-id":77,"timestamp-ms":)" +
      std::to_string(*metadata.Find("last-updated-ms")->int64()) +
      R"(,"summary":{"operation":"append","added-records":"2"},"manifest-list":")" + location +
      R"(/metadata/snap-77-1.avro","schema-id":0,"first-row-id":0,"added-rows":2}},
      {"action":"set-snapshot-ref","ref-name":"main","snapshot-id":77,"type":"branch"}]})";
  net::Response committed = Send(Method::kPost, "namespaces/ns/tables/t1", commit);
  ASSERT_EQ(committed.status, 200) << committed.BodyText();
  ASSERT_TRUE(committed.headers.Get("ETag"));
  EXPECT_NE(committed.headers.Get("ETag"), made.headers.Get("ETag"));
  Json after = Json::Parse(committed.BodyText()).value();
  EXPECT_EQ(after.as_object().size(), 2u);
  EXPECT_EQ(after.Find("metadata")->Find("next-row-id")->int64(), 2);
  EXPECT_EQ(after.Find("metadata")->Find("current-snapshot-id")->int64(), 77);
  ExpectError(Send(Method::kPost, "namespaces/ns/tables/t1", commit), 409, "CommitFailedException",
              "Requirement failed: branch main");

  net::Response loaded = Send(Method::kGet, "namespaces/ns/tables/t1?snapshots=all");
  EXPECT_EQ(loaded.headers.Get("ETag"), committed.headers.Get("ETag"));
  Json now = Json::Parse(loaded.BodyText()).value();
  EXPECT_EQ(*now.Find("metadata"), *after.Find("metadata"));
  EXPECT_EQ(Text(now, "metadata-location"), Text(after, "metadata-location"));
  EXPECT_EQ(Send(Method::kHead, "namespaces/ns/tables/t1").status, 204);

  EXPECT_EQ(
      Send(
          Method::kPost, "tables/rename",
          R"({"source":{"namespace":["ns"],"name":"t1"},"destination":{"namespace":["ns"],"name":"t2"}})")
          .status,
      204);
  ExpectError(Send(Method::kGet, "namespaces/ns/tables/t1"), 404, "NoSuchTableException",
              "Table does not exist: ns.t1");
  EXPECT_EQ(Send(Method::kDelete, "namespaces/ns/tables/t2?purgeRequested=true").status, 204);
  ExpectError(Send(Method::kDelete, "namespaces/ns/tables/t2"), 404, "NoSuchTableException",
              "Table does not exist: ns.t2");
  Json registered = SendOk(Method::kPost, "namespaces/ns/register",
                           R"({"name":"t3","metadata-location":")" +
                               Text(after, "metadata-location") + R"(","overwrite":false})");
  EXPECT_EQ(*registered.Find("metadata"), *after.Find("metadata"));

  // The same name again: only with overwrite.
  std::string again = R"({"name":"t3","metadata-location":")" + Text(after, "metadata-location");
  ExpectError(Send(Method::kPost, "namespaces/ns/register", again + R"("})"), 409,
              "AlreadyExistsException", "Table already exists: ns.t3");
  Json over = SendOk(Method::kPost, "namespaces/ns/register", again + R"(","overwrite":true})");
  EXPECT_EQ(*over.Find("metadata"), *after.Find("metadata"));
  ExpectError(Send(Method::kPost, "namespaces/ns/register", again + R"(","overwrite":"yes"})"), 400,
              "BadRequestException", "overwrite");
}

TEST_F(RestTest, StagedCreateAndItsCommit) {
  net::Response staged = Send(Method::kPost, "namespaces/ns/tables",
                              CreateBody("t2", R"(,"stage-create":true,"properties":{})"));
  ASSERT_EQ(staged.status, 200) << staged.BodyText();
  EXPECT_FALSE(staged.headers.Get("ETag"));
  Json answer = Json::Parse(staged.BodyText()).value();
  EXPECT_EQ(answer.Find("metadata-location"), nullptr);
  EXPECT_EQ(Send(Method::kHead, "namespaces/ns/tables/t2").status, 404);
  const Json& metadata = *answer.Find("metadata");
  std::string commit = R"({"identifier":{"namespace":["ns"],"name":"t2"},
    "requirements":[{"type":"assert-create"}],
    "updates":[{"action":"assign-uuid","uuid":")" +
                       Text(metadata, "table-uuid") +
                       R"("},{"action":"upgrade-format-version","format-version":2},
    {"action":"add-schema","schema":)" +
                       kSchema +
                       R"(,"last-column-id":2},{"action":"set-current-schema","schema-id":-1},
    {"action":"add-spec","spec":{"spec-id":0,"fields":[]}},{"action":"set-default-spec","spec-id":-1},
    {"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}},
    {"action":"set-default-sort-order","sort-order-id":-1},
    {"action":"set-location","location":")" +
                       Text(metadata, "location") +
                       R"("},{"action":"set-properties","updates":{"p":"q"}}]})";
  Json made = SendOk(Method::kPost, "namespaces/ns/tables/t2", commit);
  EXPECT_EQ(Text(*made.Find("metadata"), "table-uuid"), Text(metadata, "table-uuid"));
  ExpectError(Send(Method::kPost, "namespaces/ns/tables/t2", commit), 409, "AlreadyExistsException",
              "table already exists: ns.t2");
  ExpectError(Send(Method::kPost, "namespaces/ns/tables/t9", commit), 400, "BadRequestException",
              "identifier");
}

TEST_F(RestTest, LoadsOnlyWhatChanged) {
  auto base = world_.MakeTable("t");
  Call call = world_.call();
  auto once = world_.catalog()
                  .Commit(call, "default", base->name, catalog::AppendRequest(*base, 1), nullptr)
                  .value();
  ASSERT_TRUE(world_.catalog()
                  .Commit(call, "default", base->name, catalog::AppendRequest(*once, 2), nullptr)
                  .ok());
  auto get = [&](const std::string& query, const std::string& known) {
    net::Headers headers;
    if (!known.empty()) headers.Add("if-none-match", known);
    return Send(Method::kGet, "namespaces/ns/tables/t" + query, "", headers);
  };
  net::Response all = get("", "");
  net::Response refs = get("?snapshots=refs", "");
  std::string tag(*all.headers.Get("ETag"));
  std::string refs_tag(*refs.headers.Get("ETag"));
  EXPECT_NE(tag, refs_tag);
  Json shown = Json::Parse(refs.BodyText()).value();
  EXPECT_EQ(shown.Find("metadata")->Find("snapshots")->as_array().size(), 1u);
  EXPECT_EQ(shown.Find("metadata")->Find("snapshot-log")->as_array().size(), 2u);
  EXPECT_EQ(Json::Parse(all.BodyText())->Find("metadata")->Find("snapshots")->as_array().size(),
            2u);
  std::string bare = tag.substr(1, tag.size() - 2);
  for (const std::string& known : {tag, bare, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    net::Response same = get("", known);
    EXPECT_EQ(same.status, 304) << known;
    EXPECT_EQ(same.BodyText(), "");
    EXPECT_EQ(same.headers.Get("ETag"), tag);
  }
  EXPECT_EQ(get("", refs_tag).status, 200);
  EXPECT_EQ(get("?snapshots=refs", tag).status, 200);
  EXPECT_EQ(get("?snapshots=refs", refs_tag).status, 304);
  ExpectError(get("?snapshots=some", ""), 400, "BadRequestException", "snapshots");
}

TEST_F(RestTest, BadRequestsNameTheField) {
  world_.MakeTable("t");
  struct Case {
    Method method;
    std::string target;
    std::string body;
    std::string_view says;
  };
  const std::string deep(100'000, '[');
  const Case cases[] = {
      {Method::kPost, "namespaces", "", "body"},
      {Method::kPost, "namespaces", "{", "body"},
      {Method::kPost, "namespaces", "[]", "body"},
      {Method::kPost, "namespaces", deep, "body"},
      {Method::kPost, "namespaces", R"({"namespace":["a"],"namespace":["b"]})", "namespace"},
      {Method::kPost, "namespaces", R"({"properties":{}})", "namespace"},
      {Method::kPost, "namespaces", R"({"namespace":"a"})", "namespace"},
      {Method::kPost, "namespaces", R"({"namespace":[]})", "namespace"},
      {Method::kPost, "namespaces", R"({"namespace":["a",""]})", "namespace[1]"},
      {Method::kPost, "namespaces", R"({"namespace":["a\u001fb"]})", "namespace"},
      {Method::kPost, "namespaces", R"({"namespace":["a"],"properties":{"k":1}})", "properties.k"},
      {Method::kGet, "namespaces/a%1F", "", "namespace"},
      {Method::kGet, "namespaces?parent=a%1F%1Fb", "", "parent"},
      {Method::kPost, "namespaces/ns/properties", R"({"removals":[1]})", "removals[0]"},
      {Method::kPost, "namespaces/ns/tables", R"({"schema":{}})", "name"},
      {Method::kPost, "namespaces/ns/tables", R"({"name":"x"})", "schema"},
      {Method::kPost, "namespaces/ns/tables",
       R"({"name":"x","schema":{"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"lang"}]}})",
       "schema.fields[0].type"},
      {Method::kPost, "namespaces/ns/tables", CreateBody(""), "name"},
      {Method::kPost, "namespaces/ns/tables", CreateBody("x", R"(,"location":"/etc")"), "location"},
      {Method::kPost, "namespaces/ns/tables", CreateBody("x", R"(,"stage-create":"yes")"),
       "stage-create"},
      {Method::kPost, "namespaces/ns/tables",
       CreateBody(
           "x",
           R"(,"partition-spec":{"fields":[{"name":"p","transform":"identity","source-id":9}]})"),
       "9"},
      {Method::kPost, "namespaces/ns/tables/t", R"({"requirements":[]})", "updates"},
      {Method::kPost, "namespaces/ns/tables/t",
       R"({"requirements":[{"type":"assert-moon"}],"updates":[]})", "assert-moon"},
      {Method::kPost, "namespaces/ns/tables/t",
       R"({"requirements":[],"updates":[{"action":"fly"}]})", "fly"},
      {Method::kPost, "namespaces/ns/tables/t",
       R"({"requirements":[{"type":"assert-create"},{"type":"assert-create"}],"updates":[]})",
       "assert-create"},
      {Method::kPost, "namespaces/ns/tables/t",
       R"({"requirements":[],"updates":[{"action":"set-current-schema","schema-id":9}]})", "9"},
      {Method::kPost, "namespaces/ns/register", R"({"name":"x"})", "metadata-location"},
      {Method::kPost, "namespaces/ns/register",
       R"({"name":"x","metadata-location":"http://169.254.169.254/"})", "metadata-location"},
      {Method::kPost, "tables/rename", R"({"source":{"namespace":["ns"],"name":"t"}})",
       "destination"},
      {Method::kDelete, "namespaces/ns/tables/t?purgeRequested=maybe", "", "purgeRequested"},
      {Method::kPost, "namespaces/ns/tables/t/metrics", "{}", "report-type"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.target + " " + c.body.substr(0, 100));
    ExpectError(Send(c.method, c.target, c.body), 400, "BadRequestException", c.says);
  }
  EXPECT_EQ(world_.Reload("t")->version, 1);
}

TEST_F(RestTest, StatusesByWhatIsMissing) {
  struct Case {
    Method method;
    const char* target;
    std::string body;
    int status;
    const char* type;
  };
  const Case cases[] = {
      {Method::kGet, "nope/namespaces", "", 404, "NoSuchWarehouseException"},
      {Method::kGet, "namespaces?parent=x", "", 404, "NoSuchNamespaceException"},
      {Method::kGet, "namespaces/x/tables", "", 404, "NoSuchNamespaceException"},
      {Method::kPost, "namespaces/x/tables", CreateBody("t"), 404, "NoSuchNamespaceException"},
      {Method::kGet, "namespaces/x/tables/t", "", 404, "NoSuchTableException"},
      {Method::kPost, "namespaces/ns/tables/t", R"({"requirements":[],"updates":[]})", 404,
       "NoSuchTableException"},
      {Method::kPost, "namespaces/ns/register",
       R"({"name":"x","metadata-location":"file:///wh/ns/none.metadata.json"})", 404,
       "NotFoundException"},
      {Method::kPost, "namespaces", R"({"namespace":["ns"]})", 409, "AlreadyExistsException"},
      {Method::kPost, "namespaces/ns/properties", R"({"removals":["a"],"updates":{"a":"b"}})", 422,
       "UnprocessableEntityException"},
      {Method::kGet, "namespaces/ns/functions/f", "", 404, "NoSuchFunctionException"},
      {Method::kGet, "namespaces/no/functions", "", 404, "NoSuchNamespaceException"},
      {Method::kGet, "namespaces/no/functions/f", "", 404, "NoSuchNamespaceException"},
      {Method::kPost, "namespaces/ns/tables/t/sign",
       R"({"region":"r","uri":"u","method":"GET","headers":{}})", 406,
       "UnsupportedOperationException"},
      {Method::kGet, "namespaces/ns/tables/x/credentials", "", 404, "NoSuchTableException"},
      {Method::kPost, "transactions/commit", "{}", 400, "BadRequestException"},
      {Method::kPost, "namespaces/ns/views", R"({"name":"v"})", 400, "BadRequestException"},
      {Method::kGet, "namespaces/ns/views/v", "", 404, "NoSuchViewException"},
      {Method::kGet, "namespaces/none/views", "", 404, "NoSuchNamespaceException"},
      {Method::kPost, "default/namespaces/ns/tables/t/plan", "{}", 406,
       "UnsupportedOperationException"},  // no planner was given
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.target);
    ExpectError(Send(c.method, c.target, c.body), c.status, c.type, "");
  }
  EXPECT_EQ(Send(Method::kGet, "nowhere").status, 404);
  EXPECT_EQ(Send(Method::kPut, "namespaces").status, 405);
  EXPECT_EQ(Send(Method::kPost, "namespaces/ns/tables/t/metrics", R"({"report-type":"x"})").status,
            404);
  world_.MakeTable("t");
  EXPECT_EQ(Send(Method::kPost, "namespaces/ns/tables/t/metrics", R"({"report-type":"x"})").status,
            204);
}

constexpr char kVersion[] =
    R"({"version-id":1,"timestamp-ms":7,"schema-id":0,"summary":{"engine":"x"},
  "representations":[{"type":"sql","sql":"select 1","dialect":"trino"}],"default-namespace":["ns"]})";

TEST_F(RestTest, ViewsLiveBesideTables) {
  std::string create = CreateBody("v", std::string(R"(,"view-version":)") + kVersion);
  Json created = SendOk(Method::kPost, "namespaces/ns/views", create);
  EXPECT_EQ(created.Find("metadata")->Find("current-version-id")->int64(), 1);
  EXPECT_EQ(*created.Find("config"), Json::MakeObject());
  ExpectError(Send(Method::kPost, "namespaces/ns/views", create), 409, "AlreadyExistsException",
              "View already exists: ns.v");
  ExpectError(Send(Method::kPost, "namespaces/ns/views",
                   CreateBody("x", R"(,"view-version":{"version-id":1,"timestamp-ms":7,
                     "schema-id":0,"representations":[],"default-namespace":[]})")),
              400, "IllegalArgumentException", "Invalid view version: ");
  EXPECT_EQ(Send(Method::kHead, "namespaces/ns/views/v").status, 204);
  Json listed = SendOk(Method::kGet, "namespaces/ns/views");
  EXPECT_EQ(listed.Find("identifiers")->ToString(), R"([{"namespace":["ns"],"name":"v"}])");
  std::string uuid = Text(*created.Find("metadata"), "view-uuid");
  std::string replaced = R"({"requirements":[{"type":"assert-view-uuid","uuid":")" + uuid +
                         R"("}],"updates":[{"action":"set-properties","updates":{"a":"b"}}]})";
  Json changed = SendOk(Method::kPost, "namespaces/ns/views/v", replaced);
  EXPECT_EQ(Text(*changed.Find("metadata")->Find("properties"), "a"), "b");
  EXPECT_NE(Text(changed, "metadata-location"), Text(created, "metadata-location"));
  EXPECT_EQ(Send(Method::kPost, "views/rename",
                 R"({"source":{"namespace":["ns"],"name":"v"},
                     "destination":{"namespace":["ns"],"name":"w"}})")
                .status,
            204);
  ExpectError(Send(Method::kGet, "namespaces/ns/tables/w"), 404, "NoSuchTableException", "ns.w");
  EXPECT_EQ(SendOk(Method::kGet, "namespaces/ns/views/w"), changed);
  EXPECT_EQ(Send(Method::kDelete, "namespaces/ns/views/w").status, 204);
  ExpectError(Send(Method::kDelete, "namespaces/ns/views/w"), 404, "NoSuchViewException",
              "View does not exist: ns.w");
  SendOk(Method::kPost, "namespaces/ns/register-view",
         R"({"name":"back","metadata-location":")" + Text(changed, "metadata-location") + "\"}");
  EXPECT_EQ(SendOk(Method::kGet, "namespaces/ns/views/back"), changed);
}

std::string Change(const std::string& table, const std::string& requirements) {
  return R"({"identifier":{"namespace":["ns"],"name":")" + table + R"("},"requirements":[)" +
         requirements + R"(],"updates":[{"action":"set-properties","updates":{"a":"b"}}]})";
}

TEST_F(RestTest, TransactionsChangeAllTablesOrNone) {
  world_.MakeTable("t");
  world_.MakeTable("u");
  auto commit = [&](const std::string& changes) {
    return Send(Method::kPost, "transactions/commit", R"({"table-changes":[)" + changes + "]}");
  };
  ExpectError(commit(Change("t", "") + "," + Change("u", R"({"type":"assert-current-schema-id",
                                                     "current-schema-id":7})")),
              409, "CommitFailedException", "current schema changed: expected id 7 != 0");
  EXPECT_EQ(world_.Reload("t")->version, 1);
  ExpectError(commit(Change("t", "") + "," + Change("none", "")), 404, "NoSuchTableException",
              "Table does not exist: ns.none");
  ExpectError(commit(R"({"requirements":[],"updates":[]})"), 400, "BadRequestException",
              "table-changes[0]: missing required field: identifier");
  net::Response done = commit(Change("t", "") + "," + Change("u", ""));
  EXPECT_EQ(done.status, 204) << done.BodyText();
  for (const char* name : {"t", "u"}) {
    EXPECT_EQ(world_.Reload(name)->metadata->Property("a", ""), "b");
  }
}

TEST_F(RestTest, UnregisterGivesTheTableAway) {
  auto table = world_.MakeTable("t");
  Json left = SendOk(Method::kPost, "namespaces/ns/tables/t/unregister");
  EXPECT_EQ(Text(left, "metadata-location"), table->metadata_location);
  EXPECT_EQ(world_.Reload("t"), nullptr);
  EXPECT_TRUE(world_.files().Has(table->metadata_location));
  SendOk(Method::kPost, "namespaces/ns/register",
         R"({"name":"t","metadata-location":")" + table->metadata_location + "\"}");
  EXPECT_EQ(*world_.Reload("t")->metadata, *table->metadata);
}

/// What a commit answers when something below it fails: never a 5xx for what surely did not land.
TEST(RestErrors, OfCommitsTellWhetherTheyMayHaveLanded) {
  struct Case {
    Code code;
    int read;
    int mutation;
    std::string_view mutation_type;
  };
  const Case cases[] = {
      {Code::kExhausted, 429, 429, "SlowDownException"},
      {Code::kUnavailable, 503, 429, "SlowDownException"},
      {Code::kDeadline, 504, 429, "SlowDownException"},
      {Code::kCancelled, 499, 429, "SlowDownException"},
      {Code::kConflict, 409, 409, "CommitFailedException"},
      {Code::kCommitUnknown, 500, 500, "CommitStateUnknownException"},
      {Code::kCorruption, 500, 400, "ValidationException"},
      {Code::kInternal, 500, 400, "ValidationException"},
      {Code::kUnsupported, 406, 406, "UnsupportedOperationException"},
      {Code::kPermissionDenied, 403, 403, "ForbiddenException"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ErrorOf(Status(c.code, "x"), Effect::kRead).status, c.read);
    net::Response response = ErrorOf(Status(c.code, "x"), Effect::kMutation);
    EXPECT_EQ(response.status, c.mutation);
    EXPECT_THAT(response.BodyText(), HasSubstr(std::string(c.mutation_type)));
    EXPECT_EQ(response.headers.Get("Retry-After").has_value(), c.mutation == 429);
  }
}

TEST(RestFaults, EveryAnswerToACommitIsTrue) {
  testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto base = world.MakeTable("t");
    catalog::Catalog& catalog = world.Faulty(faults);
    Service service(catalog, {});
    net::Router router(RefusalOf);
    service.Register(router);
    Call call = world.call();
    net::Request request{
        .method = Method::kPost,
        .path = "/iceberg/v1/namespaces/ns/tables/t",
        .body =
            R"({"requirements":[],"updates":[{"action":"set-properties","updates":{"a":"b"}}]})"};
    net::Response response = net::AnswerNow(call, router.Serve(call, request));
    faults.Stop();
    bool landed = world.Reload("t")->metadata->Property("a", "") == "b";
    if (response.status == 200) {
      EXPECT_TRUE(landed);
    } else if (response.status < 500) {
      EXPECT_FALSE(landed) << response.BodyText();
    } else {
      EXPECT_FALSE(response.headers.Get("Retry-After"));
    }
  });
}

}  // namespace
}  // namespace moraine::rest
