#include "moraine/catalog/rest/rest_catalog.h"

#include <deque>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/net/http_server.h"
#include "moraine/net/testing/raw_server.h"
#include "moraine/net/uri.h"

namespace moraine::catalog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A clock on which every wait is over at once.
class JumpingClock final : public Clock {
 public:
  WallTime Wall() override {
    return FromMillis(1'767'225'600'000 +
                      std::chrono::duration_cast<Millis>(now_.time_since_epoch()).count());
  }
  MonoTime Mono() override { return now_; }
  void WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable_any&, MonoTime until,
                 std::stop_token) override {
    now_ = std::max(now_, until);
  }
  void Advance(Millis by) { now_ += by; }
  int64_t seconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(now_.time_since_epoch()).count();
  }

 private:
  MonoTime now_{};
};

net::Response Error(int status, std::string_view type, std::string_view message) {
  return net::Response::Json(
      status, fmt::format(R"({{"error":{{"message":"{}","type":"{}","code":{}}}}})", message, type,
                          status));
}

/// Answers by method and path, one answer after the other, the last again and again.
class ScriptedServer final : public net::HttpTransport {
 public:
  using Reply = std::function<Result<net::Response>(const net::Request&)>;

  void On(const std::string& what, Reply reply) { replies_[what].push_back(std::move(reply)); }
  void On(const std::string& what, net::Response response) {
    On(what, [response](const net::Request&) { return response; });
  }
  void On(const std::string& what, std::string body) {
    On(what, net::Response::Json(200, std::move(body)));
  }
  void OnLost(const std::string& what) {
    On(what, [](const net::Request&) { return CommitUnknown("the answer was lost"); });
  }

  Result<net::Response> Send(Call& call, std::string_view base,
                             const net::Request& request) override {
    MORAINE_TRY(call.Check());
    std::string what = fmt::format("{} {}", net::MethodName(request.method), request.path);
    std::string query = net::EncodeQuery(request.query);
    log.push_back(query.empty() ? what : what + "?" + query);
    last = request;
    keys.insert(std::string(request.headers.Get("Idempotency-Key").value_or("")));
    base_url = base;
    auto found = replies_.find(what);
    if (found == replies_.end()) return Error(404, "NoSuchTableException", "no " + what);
    Reply reply = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    return reply(request);
  }
  int Count(std::string_view what) const {
    return static_cast<int>(std::count_if(
        log.begin(), log.end(), [&](const std::string& line) { return line.starts_with(what); }));
  }

  std::vector<std::string> log;
  std::set<std::string> keys;
  net::Request last;
  std::string base_url;

 private:
  std::map<std::string, std::deque<Reply>> replies_;
};

constexpr char kTablePath[] = "/v1/namespaces/db/tables/t";
const TableName kTable{{"db"}, "t"};

class RestCatalogTest : public testing::Test {
 protected:
  RestCatalogTest() {
    iceberg::TableCreation creation;
    creation.table_uuid = "0197f2a0-0000-7000-8000-000000000001";
    creation.location = "file:///wh/db/t";
    creation.schema = SimpleTable(kTable).schema;
    creation.now_ms = 1'767'225'600'000;
    metadata_ = *iceberg::MakeTableMetadata(creation);
  }

  void OnConfig(std::string config = "{\"defaults\":{},\"overrides\":{}}") {
    server_.On("GET /v1/config", std::move(config));
  }
  std::string Answer(const iceberg::TableMetadata& metadata, std::string_view more = "") {
    return fmt::format(
        R"({{"metadata-location":"file:///wh/db/t/metadata/1.json","metadata":{}{}}})",
        iceberg::TableMetadataToJson(metadata), more);
  }
  net::Response WithTag(std::string body, std::string tag) {
    auto response = net::Response::Json(200, std::move(body));
    response.headers.Set("ETag", std::move(tag));
    return response;
  }
  Call MakeCall(std::chrono::nanoseconds limit = std::chrono::minutes(10)) {
    return Call(env_, limit, stop_.get_token());
  }
  Result<std::unique_ptr<RestCatalog>> Open(iceberg::StringMap properties = {},
                                            std::string uri = "http://127.0.0.1:1/c") {
    Call call = MakeCall();
    return RestCatalog::Open(call, server_, {std::move(uri), std::move(properties)});
  }
  /// An append of snapshot 77, and the metadata after it.
  iceberg::CommitRequest Append() {
    LoadedTable base;
    base.metadata = std::make_shared<const iceberg::TableMetadata>(metadata_);
    auto request = AppendRequest(base, 77);
    after_ = *iceberg::ApplyUpdates(metadata_, request.updates, {.now_ms = 1'767'225'700'000});
    return request;
  }
  Result<RestTablePtr> Commit(RestCatalog& catalog) {
    Call call = MakeCall();
    auto request = Append();
    RestTable table{.name = kTable,
                    .metadata = std::make_shared<const iceberg::TableMetadata>(metadata_)};
    return catalog.Commit(call, table, request);
  }

  JumpingClock clock_;
  testing::SeededRandom random_{1};
  testing::CapturingLogger log_;
  Env env_{clock_, random_, log_};
  std::stop_source stop_;
  ScriptedServer server_;
  iceberg::TableMetadata metadata_, after_;
};

TEST_F(RestCatalogTest, ServersPropertiesGoUnderAndOverTheClientsOwn) {
  OnConfig(R"({"defaults":{"a":"1","b":"1","c":"1"},"overrides":{"c":"3","prefix":"w/x%20y"}})");
  server_.On("GET /v1/w/x%20y/namespaces/db/tables/t", Answer(metadata_));
  auto catalog = Open({{"warehouse", "w h"}, {"b", "2"}, {"c", "2"}}, "http://127.0.0.1:1/c/v1/");
  ASSERT_TRUE(catalog.ok()) << catalog.status().ToString();
  EXPECT_EQ(server_.log[0], "GET /v1/config?warehouse=w%20h");
  EXPECT_EQ(server_.base_url, "http://127.0.0.1:1/c");
  EXPECT_EQ((*catalog)->properties().at("a"), "1");
  EXPECT_EQ((*catalog)->properties().at("b"), "2");
  EXPECT_EQ((*catalog)->properties().at("c"), "3");
  Call call = MakeCall();
  auto table = (*catalog)->LoadTable(call, kTable, nullptr);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ((*table)->metadata->table_uuid, metadata_.table_uuid);
  EXPECT_EQ(server_.last.headers.Get("X-Iceberg-Access-Delegation"), "vended-credentials");
}

TEST_F(RestCatalogTest, NamesAreEncodedWhateverIsInThem) {
  OnConfig();
  auto catalog = *Open();
  Call call = MakeCall();
  auto asked = [&](TableName name) {
    (void)catalog->LoadTable(call, name, nullptr);
    return server_.last.path;
  };
  EXPECT_EQ(asked({{"a", "b"}, "t"}), "/v1/namespaces/a%1Fb/tables/t");
  EXPECT_EQ(asked({{"a.b"}, "x/y+z %"}), "/v1/namespaces/a.b/tables/x%2Fy%2Bz%20%25");
  EXPECT_EQ(asked({{"grün"}, "表"}), "/v1/namespaces/gr%C3%BCn/tables/%E8%A1%A8");
  size_t before = server_.log.size();
  for (const NamespaceName& bad : {NamespaceName{}, {""}, {"a\x1f"}, {"\xff"}}) {
    EXPECT_EQ(catalog->LoadTable(call, {bad, "t"}, nullptr).status().code(),
              Code::kInvalidArgument);
  }
  EXPECT_EQ(server_.log.size(), before);
}

TEST_F(RestCatalogTest, TheServersSeparatorIsUsed) {
  OnConfig(R"({"defaults":{},"overrides":{"namespace-separator":"%2E"}})");
  auto catalog = *Open();
  Call call = MakeCall();
  (void)catalog->LoadTable(call, {{"a", "b"}, "t"}, nullptr);
  EXPECT_EQ(server_.last.path, "/v1/namespaces/a%2Eb/tables/t");
}

TEST_F(RestCatalogTest, ListsEveryPage) {
  OnConfig();
  server_.On("GET /v1/namespaces", R"({"namespaces":[["a"],["b"]],"next-page-token":"p2"})");
  server_.On("GET /v1/namespaces", R"({"namespaces":[["c","d"]],"next-page-token":null})");
  server_.On("GET /v1/namespaces/a/tables",
             R"({"identifiers":[{"namespace":["a"],"name":"x.y"}]})");
  auto catalog = *Open();
  Call call = MakeCall();
  auto namespaces = catalog->ListNamespaces(call, {"p", "q"});
  ASSERT_TRUE(namespaces.ok()) << namespaces.status().ToString();
  EXPECT_THAT(*namespaces,
              ElementsAre(NamespaceName{"a"}, NamespaceName{"b"}, NamespaceName{"c", "d"}));
  EXPECT_EQ(server_.log[1], "GET /v1/namespaces?parent=p%1Fq&pageToken=");
  EXPECT_EQ(server_.log[2], "GET /v1/namespaces?parent=p%1Fq&pageToken=p2");
  auto tables = catalog->ListTables(call, {"a"});
  ASSERT_TRUE(tables.ok());
  EXPECT_THAT(*tables, ElementsAre(TableName{{"a"}, "x.y"}));
}

TEST_F(RestCatalogTest, ViewsAndPropertiesOfNamespacesAreRead) {
  OnConfig(
      R"({"endpoints":["GET /v1/{prefix}/namespaces/{namespace}/views",
          "POST /v1/{prefix}/namespaces/{namespace}/register-view"]})");
  server_.On("GET /v1/namespaces/a", R"({"namespace":["a"],"properties":{"k":"v"}})");
  server_.On("GET /v1/namespaces/plain", R"({"namespace":["plain"]})");
  server_.On("GET /v1/namespaces/bad", R"({"properties":{"k":1}})");
  server_.On("GET /v1/namespaces/a/views", R"({"identifiers":[{"namespace":["a"],"name":"v"}]})");
  server_.On("GET /v1/namespaces/a/views/v", R"({"metadata-location":"/m","metadata":{}})");
  server_.On("GET /v1/namespaces/a/views/none", R"({"metadata":{}})");
  server_.On("POST /v1/namespaces/a/register-view", "{}");
  auto catalog = *Open();
  Call call = MakeCall();
  EXPECT_EQ(catalog->LoadNamespace(call, {"a"}).value(), (iceberg::StringMap{{"k", "v"}}));
  EXPECT_EQ(catalog->LoadNamespace(call, {"plain"}).value(), iceberg::StringMap());
  EXPECT_EQ(catalog->LoadNamespace(call, {"bad"}).status().code(), Code::kCorruption);
  EXPECT_EQ(catalog->LoadNamespace(call, {"gone"}).status().code(), Code::kNotFound);
  EXPECT_THAT(catalog->ListViews(call, {"a"}).value(), ElementsAre(TableName{{"a"}, "v"}));
  EXPECT_EQ(catalog->ViewMetadataLocation(call, {{"a"}, "v"}).value(), "/m");
  EXPECT_EQ(catalog->ViewMetadataLocation(call, {{"a"}, "none"}).status().code(),
            Code::kCorruption);
  EXPECT_TRUE(catalog->RegisterView(call, {{"a"}, "v"}, "/m").ok());
  EXPECT_EQ(server_.last.body, R"({"name":"v","metadata-location":"/m"})");
}

TEST_F(RestCatalogTest, ACatalogWithoutViewsHasNone) {
  OnConfig();
  auto catalog = *Open();
  Call call = MakeCall();
  EXPECT_THAT(catalog->ListViews(call, {"a"}).value(), IsEmpty());
  EXPECT_EQ(catalog->RegisterView(call, {{"a"}, "v"}, "/m").code(), Code::kUnsupported);
  EXPECT_EQ(server_.log.size(), 1u);
}

TEST_F(RestCatalogTest, WhatTheServerDoesNotOfferIsNotAsked) {
  OnConfig(
      R"({"defaults":{},"overrides":{},"endpoints":["GET /v1/{prefix}/namespaces/{namespace}/tables/{table}"]})");
  auto catalog = *Open();
  Call call = MakeCall();
  EXPECT_EQ(catalog->ListTables(call, {"a"}).status().code(), Code::kUnsupported);
  EXPECT_EQ(server_.log.size(), 1u);
}

TEST_F(RestCatalogTest, ATableThatHasNotChangedIsNotReadAgain) {
  OnConfig();
  std::string get = fmt::format("GET {}", kTablePath);
  server_.On(get, WithTag(Answer(metadata_), "W/\"v1\""));
  server_.On(get, net::Response::Empty(304));
  auto catalog = *Open();
  Call call = MakeCall();
  auto first = catalog->LoadTable(call, kTable, nullptr);
  ASSERT_TRUE(first.ok());
  auto second = catalog->LoadTable(call, kTable, *first);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(server_.last.headers.Get("If-None-Match"), "W/\"v1\"");
}

TEST_F(RestCatalogTest, VendedCredentialsOfTheLongestPrefixWin) {
  OnConfig(R"({"defaults":{"s3.endpoint":"http://e"},"overrides":{}})");
  server_.On(fmt::format("GET {}", kTablePath),
             Answer(metadata_, R"(,"config":{"s3.access-key-id":"of-table","client.region":"r"},
             "storage-credentials":[{"prefix":"s3://b/","config":{"s3.access-key-id":"of-bucket"}},
             {"prefix":"s3://b/t/","config":{"s3.access-key-id":"of-folder"}}])"));
  auto catalog = *Open();
  Call call = MakeCall();
  auto table = catalog->LoadTable(call, kTable, nullptr);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  auto key = [&](std::string_view location) {
    return FileProperties(catalog->properties(), **table, location).at("s3.access-key-id");
  };
  EXPECT_EQ(key("s3://b/t/data/x"), "of-folder");
  EXPECT_EQ(key("s3://b/u/data/x"), "of-bucket");
  EXPECT_EQ(key("s3://c/x"), "of-table");
  EXPECT_EQ(FileProperties(catalog->properties(), **table, "x").at("s3.endpoint"), "http://e");
}

TEST_F(RestCatalogTest, ABusyServerIsAskedAgain) {
  OnConfig();
  std::string get = fmt::format("GET {}", kTablePath);
  auto busy = Error(503, "SlowDownException", "busy");
  busy.headers.Set("Retry-After", "7");
  server_.On(get, busy);
  server_.On(get, Error(500, "InternalServerError", "oops"));
  server_.On(get, Answer(metadata_));
  auto catalog = *Open();
  Call call = MakeCall();
  ASSERT_TRUE(catalog->LoadTable(call, kTable, nullptr).ok());
  EXPECT_EQ(server_.Count(get), 3);
  EXPECT_GE(clock_.seconds(), 8);
}

TEST_F(RestCatalogTest, RetriesEndWithTheServersWords) {
  OnConfig();
  std::string get = fmt::format("GET {}", kTablePath);
  server_.On(get, Error(503, "SlowDownException", "come back tomorrow"));
  auto catalog = *Open();
  Call call = MakeCall();
  auto status = catalog->LoadTable(call, kTable, nullptr).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("come back tomorrow"));
  EXPECT_EQ(server_.Count(get), 6);
  // Nor beyond the call's time.
  Call short_call = MakeCall(std::chrono::milliseconds(500));
  EXPECT_EQ(catalog->LoadTable(short_call, kTable, nullptr).status().code(), Code::kUnavailable);
  EXPECT_EQ(server_.Count(get), 7);
}

TEST_F(RestCatalogTest, AMistypedAddressFailsAtOnce) {
  server_.On("GET /v1/config", [](const net::Request&) { return Unavailable("refused"); });
  EXPECT_EQ(Open().status().code(), Code::kUnavailable);
  EXPECT_EQ(server_.log.size(), 1u);
}

TEST_F(RestCatalogTest, AnAnswerSendsTheCallersKeysNowhere) {
  using Map = iceberg::StringMap;
  const Map token{{"gcs.oauth2.token", "own"}};
  const Map secret{{"adls.client-id", "i"}, {"adls.tenant-id", "t"}, {"adls.client-secret", "own"}};
  const Map host{{"gcs.service.host", "http://evil"}};
  const Map authority{{"adls.dfs-storage-authority", "evil"}};
  struct Case {
    Map own, config, credentials, expected;
  };
  for (const Case& c : std::vector<Case>{
           {token, host, {}, token},
           {{}, host, {}, {}},  // the machine's own keys would be sent
           {secret, authority, {}, secret},
           {{}, authority, {}, {}},
           {token, {{"gcs.credentials-file", "/k"}, {"hdfs.kerberos_ticket", "/k"}}, {}, token},
           // Not even where it names a way that is none.
           {token,
            {{"gcs.service.host", "http://evil"}, {"gcs.oauth2.token-expires-at", "1"}},
            {},
            {{"gcs.oauth2.token-expires-at", "1"}}},
           {{{"gcs.no-auth", "true"}},
            {{"gcs.service.host", "http://evil"}, {"gcs.no-auth", "false"}},
            {},
            {{"gcs.no-auth", "false"}}},
           // What it lends may go where it says, and so may who signs in nowhere.
           {token,
            host,
            {{"gcs.oauth2.token", "lent"}},
            {{"gcs.service.host", "http://evil"}, {"gcs.oauth2.token", "lent"}}},
           {{{"gcs.no-auth", "true"}},
            host,
            {},
            {{"gcs.service.host", "http://evil"}, {"gcs.no-auth", "true"}}},
           {secret,
            authority,
            {{"adls.sas-token", "lent"}},
            {{"adls.dfs-storage-authority", "evil"}, {"adls.sas-token", "lent"}}},
           {{{"gcs.service.host", "http://own"}, {"gcs.oauth2.token", "own"}},
            host,
            {},
            {{"gcs.service.host", "http://own"}, {"gcs.oauth2.token", "own"}}},
       }) {
    RestTable table;
    table.config = c.config;
    if (!c.credentials.empty()) table.credentials = {{"gs://b/", c.credentials}};
    EXPECT_EQ(FileProperties(c.own, table, "gs://b/t"), c.expected);
  }
}

TEST_F(RestCatalogTest, AConfigSendsTheCallersKeysNowhere) {
  const auto opened = [&](std::string config, iceberg::StringMap own) {
    server_ = ScriptedServer();
    OnConfig(std::move(config));
    return (*Open(std::move(own)))->properties();
  };
  const iceberg::StringMap own{{"gcs.oauth2.token", "own"}};
  for (const char* config :
       {R"({"defaults":{"gcs.service.host":"http://evil"},"overrides":{}})",
        R"({"defaults":{"gcs.service.host":"http://evil","gcs.oauth2.token":"x"},"overrides":{}})",
        R"({"defaults":{"gcs.service.host":"http://evil","gcs.no-auth":"true"},"overrides":{}})",
        R"({"defaults":{},"overrides":{"gcs.service.host":"http://evil"}})",
        R"({"defaults":{},"overrides":{"gcs.credentials-file":"/k"}})"}) {
    EXPECT_EQ(opened(config, own), own) << config;
  }
  EXPECT_EQ(opened(R"({"defaults":{},"overrides":{"gcs.service.host":"http://x",
                       "gcs.oauth2.token":"lent"}})",
                   own),
            (iceberg::StringMap{{"gcs.service.host", "http://x"}, {"gcs.oauth2.token", "lent"}}));
}

TEST_F(RestCatalogTest, KeysThatAreLentAreNotMixedWithOthers) {
  const iceberg::StringMap own{{"s3.access-key-id", "own"},
                               {"s3.secret-access-key", "own-secret"},
                               {"s3.session-token", "own-token"},
                               {"s3.endpoint", "http://e"}};
  RestTable table;
  EXPECT_EQ(FileProperties(own, table, "s3://b/t"), own);
  table.config = {{"s3.access-key-id", "t"}, {"s3.secret-access-key", "t-secret"}};
  EXPECT_EQ(FileProperties(own, table, "s3://b/t"),
            (iceberg::StringMap{{"s3.access-key-id", "t"},
                                {"s3.secret-access-key", "t-secret"},
                                {"s3.endpoint", "http://e"}}));
  table.credentials = {{"s3://b/", {{"s3.session-token", "b-token"}, {"s3.region", "r"}}}};
  EXPECT_EQ(FileProperties(own, table, "s3://b/t"),
            (iceberg::StringMap{
                {"s3.session-token", "b-token"}, {"s3.region", "r"}, {"s3.endpoint", "http://e"}}));
  // What lends nothing changes no keys.
  table.config = {{"client.region", "r"}};
  table.credentials.clear();
  EXPECT_EQ(FileProperties(own, table, "s3://b/t").at("s3.session-token"), "own-token");
}

TEST_F(RestCatalogTest, AnswersThatAreNoCatalogsSaySo) {
  server_.On("GET /v1/config", net::Response::Text(200, "<html>welcome</html>"));
  auto status = Open().status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is it an Iceberg REST catalog?"));
}

TEST_F(RestCatalogTest, DamagedAnswersAreCorruptionWithTheField) {
  OnConfig();
  std::string get = fmt::format("GET {}", kTablePath);
  server_.On(get, std::string("{\"metadata\":"));
  server_.On(get, std::string(R"({"metadata":{"format-version":2,"table-uuid":5}})"));
  server_.On(get, Answer(metadata_, R"(,"storage-credentials":[{"prefix":"s3://b"}])"));
  auto catalog = *Open();
  Call call = MakeCall();
  for (auto part : {"no JSON", "metadata.", "storage-credentials[0]"}) {
    auto status = catalog->LoadTable(call, kTable, nullptr).status();
    EXPECT_EQ(status.code(), Code::kCorruption);
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST_F(RestCatalogTest, ACommitSendsRequirementsAndUpdates) {
  OnConfig();
  std::string post = fmt::format("POST {}", kTablePath);
  auto request = Append();
  server_.On(post, WithTag(Answer(after_), "v2"));
  auto catalog = *Open();
  auto committed = Commit(*catalog);
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_EQ((*committed)->metadata->current_snapshot_id, 77);
  EXPECT_EQ((*committed)->etag, "v2");
  auto body = Json::Parse(server_.last.body);
  ASSERT_TRUE(body.ok());
  auto sent = iceberg::CommitRequestFromJson(JsonCursor(*body));
  ASSERT_TRUE(sent.ok()) << sent.status().ToString();
  EXPECT_EQ(sent->requirements.size(), request.requirements.size());
  EXPECT_EQ(sent->updates.size(), request.updates.size());
  EXPECT_EQ(server_.last.headers.Get("Idempotency-Key"), std::nullopt);
}

TEST_F(RestCatalogTest, AConflictIsNotSentAgain) {
  OnConfig();
  std::string post = fmt::format("POST {}", kTablePath);
  server_.On(post, Error(409, "CommitFailedException", "branch main has changed"));
  auto catalog = *Open();
  auto status = Commit(*catalog).status();
  EXPECT_EQ(status.code(), Code::kConflict);
  EXPECT_THAT(std::string(status.message()), HasSubstr("branch main has changed"));
  EXPECT_EQ(server_.Count(post), 1);
}

TEST_F(RestCatalogTest, AnUnknownOutcomeThatLandedIsASuccess) {
  std::string post = fmt::format("POST {}", kTablePath);
  std::string get = fmt::format("GET {}", kTablePath);
  for (int status : {0, 500, 502, 503, 504}) {
    SCOPED_TRACE(status);
    server_ = {};
    OnConfig();
    Append();
    if (status == 0) {
      server_.OnLost(post);
    } else {
      server_.On(post, net::Response::Text(status, "gone"));
    }
    server_.On(get, Answer(metadata_));  // a slow server: not there yet
    server_.On(get, Answer(after_));
    auto catalog = *Open();
    auto committed = Commit(*catalog);
    ASSERT_TRUE(committed.ok()) << committed.status().ToString();
    EXPECT_EQ((*committed)->metadata->current_snapshot_id, 77);
    EXPECT_EQ(server_.Count(post), 1);
  }
}

TEST_F(RestCatalogTest, AnUnknownOutcomeThatIsNotThereStaysUnknown) {
  std::string post = fmt::format("POST {}", kTablePath);
  std::string get = fmt::format("GET {}", kTablePath);
  for (bool readable : {true, false}) {
    server_ = {};
    OnConfig();
    server_.OnLost(post);
    server_.On(get, readable ? net::Response::Json(200, Answer(metadata_)) : Error(400, "x", "no"));
    auto catalog = *Open();
    EXPECT_EQ(Commit(*catalog).status().code(), Code::kCommitUnknown);
    EXPECT_EQ(server_.Count(post), 1);
    EXPECT_GE(server_.Count(get), 4);
  }
}

TEST_F(RestCatalogTest, ACommitThatTookAllItsTimeIsStillLookedUp) {
  OnConfig();
  Append();
  auto catalog = *Open();
  Call call(env_, std::chrono::seconds(10), stop_.get_token());
  server_.On(fmt::format("POST {}", kTablePath), [&](const net::Request&) -> Result<net::Response> {
    clock_.Advance(Millis(20'000));
    return DeadlineExceeded("too slow");
  });
  server_.On(fmt::format("GET {}", kTablePath), Answer(after_));
  RestTable table{.name = kTable,
                  .metadata = std::make_shared<const iceberg::TableMetadata>(metadata_)};
  auto committed = catalog->Commit(call, table, Append());
  EXPECT_TRUE(committed.ok()) << committed.status().ToString();
}

TEST_F(RestCatalogTest, AYesThatCantBeReadIsLookedUp) {
  OnConfig();
  Append();
  server_.On(fmt::format("POST {}", kTablePath), std::string("{"));
  server_.On(fmt::format("GET {}", kTablePath), Answer(after_));
  auto catalog = *Open();
  EXPECT_TRUE(Commit(*catalog).ok());
}

TEST_F(RestCatalogTest, AStopInTheMiddleOfACommitIsUnknown) {
  OnConfig();
  server_.On(fmt::format("POST {}", kTablePath), [&](const net::Request&) -> Result<net::Response> {
    stop_.request_stop();
    return Cancelled("the request was stopped");
  });
  auto catalog = *Open();
  EXPECT_EQ(Commit(*catalog).status().code(), Code::kCommitUnknown);
  // Before it was sent, nothing can have happened.
  EXPECT_EQ(Commit(*catalog).status().code(), Code::kCancelled);
}

TEST_F(RestCatalogTest, WithAKeyALostCommitIsSentAgainUnderTheSameKey) {
  OnConfig(R"({"defaults":{},"overrides":{},"idempotency-key-lifetime":"PT30M"})");
  Append();
  std::string post = fmt::format("POST {}", kTablePath);
  server_.OnLost(post);
  server_.On(post, net::Response::Text(502, ""));
  server_.On(post, Answer(after_));
  auto catalog = *Open();
  server_.keys.clear();
  ASSERT_TRUE(Commit(*catalog).ok());
  EXPECT_EQ(server_.Count(post), 3);
  ASSERT_EQ(server_.keys.size(), 1u);
  EXPECT_TRUE(IsUuid(*server_.keys.begin()));
}

TEST_F(RestCatalogTest, AConflictBehindALostAnswerProvesNothing) {
  OnConfig(R"({"defaults":{},"overrides":{},"idempotency-key-lifetime":"PT30M"})");
  std::string post = fmt::format("POST {}", kTablePath);
  server_.OnLost(post);
  server_.On(post, Error(409, "CommitFailedException", "branch main has changed"));
  server_.On(fmt::format("GET {}", kTablePath), Answer(metadata_));
  auto catalog = *Open();
  EXPECT_EQ(Commit(*catalog).status().code(), Code::kCommitUnknown);
}

class RestLoginTest : public RestCatalogTest {
 protected:
  static constexpr char kTokens[] = "POST /v1/oauth/tokens";
  /// Tokens t1, t2, ... that live for an hour.
  void OnTokens(std::string path = "POST ") {
    server_.On(path, [this](const net::Request& request) {
      form_ = request.body;
      token_url_ = server_.base_url;
      return net::Response::Json(
          200,
          fmt::format(R"({{"access_token":"token-{}","token_type":"bearer","expires_in":3600}})",
                      ++tokens_));
    });
  }
  std::string Authorization() {
    return std::string(server_.last.headers.Get("Authorization").value_or(""));
  }
  int tokens_ = 0;
  std::string form_, token_url_;
};

TEST_F(RestLoginTest, ABearerTokenGoesAlong) {
  OnConfig();
  ASSERT_TRUE(Open({{"token", "s3cr3t-token"}, {"header.X-Team", "a"}}).ok());
  EXPECT_EQ(Authorization(), "Bearer s3cr3t-token");
  EXPECT_EQ(server_.last.headers.Get("X-Team"), "a");
}

TEST_F(RestLoginTest, ClientCredentialsAreTradedForATokenThatIsRenewedBeforeItEnds) {
  OnConfig();
  OnTokens();
  server_.On(fmt::format("GET {}", kTablePath), Answer(metadata_));
  auto catalog = Open({{"credential", "id&1:se:cret"}, {"scope", "PRINCIPAL_ROLE:ALL"}});
  ASSERT_TRUE(catalog.ok()) << catalog.status().ToString();
  EXPECT_EQ(token_url_, "http://127.0.0.1:1/c/v1/oauth/tokens");
  EXPECT_EQ(form_,
            "grant_type=client_credentials&client_id=id%261&client_secret=se%3Acret"
            "&scope=PRINCIPAL_ROLE%3AALL");
  Call call = MakeCall(std::chrono::hours(5));
  ASSERT_TRUE((*catalog)->LoadTable(call, kTable, nullptr).ok());
  EXPECT_EQ(Authorization(), "Bearer token-1");
  clock_.Advance(Millis(3'539'000));
  ASSERT_TRUE((*catalog)->LoadTable(call, kTable, nullptr).ok());
  EXPECT_EQ(Authorization(), "Bearer token-1");
  clock_.Advance(Millis(2'000));
  ASSERT_TRUE((*catalog)->LoadTable(call, kTable, nullptr).ok());
  EXPECT_EQ(Authorization(), "Bearer token-2");
}

TEST_F(RestLoginTest, ARefusedTokenIsRenewedOnce) {
  for (int status : {401, 419}) {
    server_ = {};
    tokens_ = 0;
    OnConfig();
    OnTokens();
    std::string get = fmt::format("GET {}", kTablePath);
    server_.On(get, Error(status, "AuthenticationTimeoutException", "expired"));
    server_.On(get, Answer(metadata_));
    server_.On(get, Error(status, "NotAuthorizedException", "revoked"));
    auto catalog = *Open({{"credential", "id:secret"}});
    Call call = MakeCall();
    ASSERT_TRUE(catalog->LoadTable(call, kTable, nullptr).ok());
    EXPECT_EQ(Authorization(), "Bearer token-2");
    auto refused = catalog->LoadTable(call, kTable, nullptr).status();
    EXPECT_EQ(refused.code(), Code::kUnauthenticated);
    EXPECT_EQ(tokens_, 3);
  }
}

TEST_F(RestLoginTest, ACommitRefusedForItsTokenIsSentAgain) {
  OnConfig();
  OnTokens();
  Append();
  std::string post = fmt::format("POST {}", kTablePath);
  server_.On(post, Error(419, "AuthenticationTimeoutException", "expired"));
  server_.On(post, Answer(after_));
  auto catalog = *Open({{"credential", "id:secret"}});
  EXPECT_TRUE(Commit(*catalog).ok());
}

TEST_F(RestLoginTest, TheTokenEndpointMayBeElsewhere) {
  OnConfig(R"({"defaults":{},"overrides":{"oauth2-server-uri":"http://evil/"}})");
  OnTokens();
  auto catalog =
      Open({{"credential", "id:secret"}, {"oauth2-server-uri", "http://idp:9/realm/token"}});
  ASSERT_TRUE(catalog.ok()) << catalog.status().ToString();
  EXPECT_EQ(token_url_, "http://idp:9/realm/token");
  EXPECT_EQ((*catalog)->properties().at("oauth2-server-uri"), "http://idp:9/realm/token");
}

TEST_F(RestLoginTest, CredentialsDoNotLeaveTls) {
  auto status =
      Open({{"credential", "id:secret"}, {"oauth2-server-uri", "http://idp/t"}}, "https://c/x")
          .status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(server_.log, IsEmpty());
}

TEST_F(RestLoginTest, SecretsStandInNoErrorAndNoLog) {
  OnConfig();
  server_.On("POST ",
             net::Response::Json(
                 401, R"({"error":"invalid_client","error_description":"wrong hush-hush"})"));
  auto status = Open({{"credential", "id:hush-hush"}}).status();
  EXPECT_EQ(status.code(), Code::kUnauthenticated);
  EXPECT_THAT(std::string(status.message()), HasSubstr("wrong ***"));
  server_ = {};
  server_.On("GET /v1/config", Error(403, "ForbiddenException", "token hush-token is not allowed"));
  status = Open({{"token", "hush-token"}}).status();
  EXPECT_EQ(status.code(), Code::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hush-token")));
  for (const auto& line : log_.lines()) EXPECT_THAT(line, Not(HasSubstr("hush")));
}

TEST_F(RestLoginTest, ALostTokenIsAskedForAgainAndIsNoCommit) {
  OnConfig();
  server_.OnLost("POST ");
  OnTokens();
  auto catalog = *Open({{"credential", "id:secret"}});
  EXPECT_EQ(server_.Count("POST "), 2);
  clock_.Advance(Millis(3'600'000));
  tokens_ = 0;
  server_ = {};
  server_.OnLost("POST ");
  EXPECT_EQ(Commit(*catalog).status().code(), Code::kUnavailable);
  EXPECT_EQ(server_.Count("POST /v1/namespaces"), 0);
}

TEST_F(RestLoginTest, AnswersWithoutATokenAreNamed) {
  for (auto body :
       {"no", "{}", R"({"access_token":"x","token_type":"mac"})", R"({"access_token":5})"}) {
    server_ = {};
    OnConfig();
    server_.On("POST ", std::string(body));
    EXPECT_EQ(Open({{"credential", "id:secret"}}).status().code(), Code::kUnauthenticated) << body;
  }
}

TEST_F(RestLoginTest, ATablesOwnTokenIsUsedForItsCommits) {
  OnConfig();
  auto request = Append();
  server_.On(fmt::format("POST {}", kTablePath), Answer(after_));
  auto catalog = *Open({{"token", "mine-1234"}});
  Call call = MakeCall();
  RestTable table{.name = kTable,
                  .metadata = std::make_shared<const iceberg::TableMetadata>(metadata_),
                  .config = {{"token", "of-table"}}};
  ASSERT_TRUE(catalog->Commit(call, table, request).ok());
  EXPECT_EQ(Authorization(), "Bearer of-table");
}

TEST_F(RestLoginTest, ATablesOwnTokenIsRenewedAlsoAfterItWasNotChanged) {
  OnConfig();
  auto request = Append();
  std::string get = fmt::format("GET {}", kTablePath);
  std::string post = fmt::format("POST {}", kTablePath);
  server_.On(get, WithTag(Answer(metadata_, R"(,"config":{"token":"first-1234"})"), "v1"));
  server_.On(get, net::Response::Empty(304));
  server_.On(get, WithTag(Answer(metadata_, R"(,"config":{"token":"second-1234"})"), "v1"));
  server_.On(post, [&](const net::Request& sent) -> Result<net::Response> {
    if (sent.headers.Get("Authorization") != "Bearer second-1234") {
      return Error(401, "NotAuthorizedException", "the token has ended");
    }
    return net::Response::Json(200, Answer(after_));
  });
  auto catalog = *Open({{"token", "mine-1234"}});
  Call call = MakeCall();
  auto table = *catalog->LoadTable(call, kTable, nullptr);
  table = *catalog->LoadTable(call, kTable, table);
  auto committed = catalog->Commit(call, *table, request);
  EXPECT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_EQ(server_.Count(post), 2);
}

TEST_F(RestLoginTest, RequestsAreSignedAndTheTokenMovesAside) {
  OnConfig();
  iceberg::StringMap properties = {
      {"rest.sigv4-enabled", "true"},           {"rest.signing-name", "glue"},
      {"rest.signing-region", "eu-west-1"},     {"rest.access-key-id", "AKID"},
      {"rest.secret-access-key", "secret-key"}, {"token", "mine-1234"}};
  ASSERT_TRUE(Open(properties).ok());
  EXPECT_THAT(Authorization(), testing::StartsWith("AWS4-HMAC-SHA256 Credential=AKID/20260101/"
                                                   "eu-west-1/glue/aws4_request"));
  EXPECT_EQ(server_.last.headers.Get("Original-Authorization"), "Bearer mine-1234");
  properties.erase("rest.signing-region");
  EXPECT_EQ(Open(properties).status().code(), Code::kInvalidArgument);
}

/// A commit on a kept connection, whose server is gone from then on.
TEST_F(RestCatalogTest, ACommitWhoseServerIsGoneAfterItIsUnknown) {
  net::RawServer server({net::RawServer::Step::kAnswer, net::RawServer::Step::kGone});
  auto http = net::MakeHttpClient({});
  Call call(env_, std::chrono::seconds(100));
  auto catalog = RestCatalog::Open(call, *http, {server.base_url(), {}});
  ASSERT_TRUE(catalog.ok()) << catalog.status().ToString();
  RestTable table{.name = kTable,
                  .metadata = std::make_shared<const iceberg::TableMetadata>(metadata_)};
  Status status = (*catalog)->Commit(call, table, Append()).status();
  EXPECT_EQ(status.code(), Code::kCommitUnknown) << status.ToString();
  EXPECT_FALSE(iceberg::DeletionProof::CommitRefused(status).ok());
  EXPECT_EQ(server.requests(), 2);
}

/// The same over sockets.
TEST_F(RestCatalogTest, WorksOverTheWire) {
  auto server = net::HttpServer::Start(
      SystemEnv(NullLogger()), {}, [&](Call&, const net::Request& request) -> net::Response {
        if (request.path == "/c/v1/config")
          return net::Response::Json(200, R"({"defaults":{},"overrides":{}})");
        if (request.path == std::string("/c") + kTablePath && request.headers.Get("If-None-Match"))
          return net::Response::Empty(304);
        if (request.path == std::string("/c") + kTablePath)
          return WithTag(Answer(metadata_), "\"a\"");
        return Error(404, "NoSuchTableException", "Table does not exist: db.x");
      });
  ASSERT_TRUE(server.ok());
  auto http = net::MakeHttpClient({});
  Call call(SystemEnv(NullLogger()), std::chrono::seconds(60));
  auto catalog = RestCatalog::Open(call, *http, {(*server)->base_url() + "/c", {}});
  ASSERT_TRUE(catalog.ok()) << catalog.status().ToString();
  auto table = (*catalog)->LoadTable(call, kTable, nullptr);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ((*table)->metadata->location, metadata_.location);
  EXPECT_EQ(*(*catalog)->LoadTable(call, kTable, *table), *table);
  auto missing = (*catalog)->LoadTable(call, {{"db"}, "x"}, nullptr).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("Table does not exist: db.x"));
}

}  // namespace
}  // namespace moraine::catalog
