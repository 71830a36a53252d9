// What clients are told of a table's storage, and reports they send: from the wire.

#include <semaphore>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"

namespace moraine::rest {
namespace {

using catalog::CatalogWorld;
using net::Method;
using testing::HasSubstr;
using testing::Not;

constexpr char kPath[] = "lake/namespaces/ns/tables/t";
constexpr char kAsk[] = "X-Iceberg-Access-Delegation";
constexpr char kCreate[] = R"({"name":"t","schema":{"type":"struct","schema-id":0,"fields":[
  {"id":1,"name":"id","required":true,"type":"long"}]}})";

struct SemaphoreWaiter final : net::Waiter {
  void Wake() override { woken.release(); }
  std::counting_semaphore<> woken{0};
};

/// A warehouse "lake" in a store that is never asked: files are in memory.
class StorageTest : public testing::Test {
 protected:
  StorageTest() {
    service_.Register(router_);
    Call call = world_.call();
    EXPECT_TRUE(world_.catalog().CreateWarehouse(call, lake_).ok());
    EXPECT_TRUE(world_.catalog().CreateNamespace(call, "lake", {"ns"}, {}).ok());
  }

  net::Request RequestOf(Method method, const std::string& target, std::string body = "",
                         const std::string& ask = "", const std::string& etag = "") {
    auto parsed = net::ParseTarget("/iceberg/v1/" + target).value();
    net::Request request{.method = method,
                         .path = parsed.path,
                         .query = parsed.query,
                         .headers = {},
                         .body = std::move(body)};
    if (!ask.empty()) request.headers.Add(kAsk, ask);
    if (!etag.empty()) request.headers.Add("If-None-Match", etag);
    if (!key_.empty()) request.headers.Add("Idempotency-Key", key_);
    return request;
  }
  net::Response Send(Method method, const std::string& target, std::string body = "",
                     const std::string& ask = "", const std::string& etag = "") {
    return Serve(router_, RequestOf(method, target, std::move(body), ask, etag));
  }
  net::Response Serve(net::Router& router, const net::Request& request) {
    Call call = world_.call();
    return net::AnswerNow(call, router.Serve(call, request));
  }
  /// What is answered from memory, if anything is. With a store that others write to, too, it is
  /// asked first whether the row is the same.
  std::optional<net::Response> Quick(const net::Request& request) {
    auto answer = service_.Quick(request);
    if (!answer) return std::nullopt;
    if (auto* response = std::get_if<net::Response>(&*answer)) return std::move(*response);
    auto later = std::get<std::shared_ptr<net::Later>>(*answer);
    auto waiter = std::make_shared<SemaphoreWaiter>();
    later->on_parked(waiter);
    waiter->woken.acquire();
    return later->ready();
  }
  /// What a service that has kept nothing says.
  net::Response Fresh(const net::Request& request) {
    Service service(world_.catalog(), {});
    net::Router router{RefusalOf};
    service.Register(router);
    return Serve(router, request);
  }
  Json BodyOf(const net::Response& response) {
    EXPECT_EQ(response.status, 200) << response.BodyText();
    return Json::Parse(response.BodyText()).value();
  }
  void Change() {
    Call call = world_.call();
    EXPECT_TRUE(world_.catalog().UpdateWarehouse(call, lake_).ok());
  }

  std::string key_;  ///< of all requests
  CatalogWorld world_;
  catalog::Warehouse lake_{.name = "lake",
                           .root = "s3://lake/w",
                           .overrides = {{"rest-page-size", "7"}},
                           .storage = {{"s3.endpoint", "http://store:8333"},
                                       {"s3.path-style-access", "true"},
                                       {"s3.access-key-id", "ID"},
                                       {"s3.secret-access-key", "hush"}}};
  Service service_{world_.catalog(), {}};
  net::Router router_{RefusalOf};
};

TEST_F(StorageTest, ConfigSaysWhereTheStoreIs) {
  Json config = BodyOf(Send(Method::kGet, "config?warehouse=lake"));
  EXPECT_EQ(*config.Find("defaults"),
            Json::Parse(R"({"client.region":"us-east-1","s3.endpoint":"http://store:8333",
                            "s3.path-style-access":"true","s3.region":"us-east-1"})")
                .value());
  EXPECT_EQ(*config.Find("overrides"),
            Json::Parse(R"({"prefix":"lake","rest-page-size":"7"})").value());
}

TEST_F(StorageTest, NothingSecretIsToldUnlessAskedForAndAllowed) {
  auto created = Send(Method::kPost, "lake/namespaces/ns/tables", kCreate, "vended-credentials");
  EXPECT_EQ(BodyOf(created).Find("config")->ToString(), "{}");
  EXPECT_FALSE(created.headers.Get("Cache-Control"));
  EXPECT_EQ(BodyOf(Send(Method::kGet, std::string(kPath) + "/credentials")).ToString(),
            R"({"storage-credentials":[]})");
  lake_.clients.send_credentials = true;
  Change();
  for (const char* ask : {"", "remote-signing", "nonsense"}) {
    auto loaded = Send(Method::kGet, kPath, "", ask);
    EXPECT_THAT(loaded.BodyText(), Not(HasSubstr("hush"))) << ask;
    EXPECT_FALSE(loaded.headers.Get("Cache-Control")) << ask;
  }
  auto loaded = Send(Method::kGet, kPath, "", "remote-signing, Vended-Credentials");
  Json table = BodyOf(loaded);
  EXPECT_EQ(loaded.headers.Get("Cache-Control"), "no-store");
  EXPECT_EQ(table.Find("config")->Find("s3.secret-access-key")->as_string(), "hush");
  const Json& given = table.Find("storage-credentials")->as_array().at(0);
  EXPECT_EQ(given.Find("prefix")->as_string(),
            table.Find("metadata")->Find("location")->as_string() + "/");
  EXPECT_EQ(*given.Find("config"), *table.Find("config"));
  auto route = Send(Method::kGet, std::string(kPath) + "/credentials");
  EXPECT_EQ(*BodyOf(route).Find("storage-credentials"), *table.Find("storage-credentials"));
  EXPECT_EQ(route.headers.Get("Cache-Control"), "no-store");
}

TEST_F(StorageTest, ACreateThatComesAgainHasItsKeys) {
  lake_.clients.send_credentials = true;
  Change();
  key_ = "019a2b3c-4d5e-7f60-8123-456789abcdef";
  std::string path = "lake/namespaces/ns/tables";
  Json first = BodyOf(Send(Method::kPost, path, kCreate, "vended-credentials"));
  auto again = Send(Method::kPost, path, kCreate, "vended-credentials");
  EXPECT_EQ(BodyOf(again), first);
  EXPECT_EQ(again.headers.Get("Cache-Control"), "no-store");
  Call call = world_.call();
  auto rows = store::RunFor(call, world_.database(), store::Access::kRead,
                            [](auto& t) { return t.Query("SELECT answer FROM request_key", {}); });
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  for (const auto& row : *rows) EXPECT_THAT(row.Text(0).value(), Not(HasSubstr("hush")));
}

TEST_F(StorageTest, TagsChangeWithTheKeys) {
  lake_.clients.send_credentials = true;
  lake_.storage["s3.session-token"] = "token";
  lake_.storage["s3.session-token-expires-at-ms"] = "1800000000000";
  Change();
  std::string ask = "vended-credentials";
  auto created = Send(Method::kPost, "lake/namespaces/ns/tables", kCreate, ask);
  EXPECT_EQ(
      BodyOf(created).Find("config")->Find("client.refresh-credentials-endpoint")->as_string(),
      "v1/lake/namespaces/ns/tables/t/credentials");
  std::string with_keys(created.headers.Get("ETag").value());
  std::string without(Send(Method::kGet, kPath).headers.Get("ETag").value());
  EXPECT_NE(with_keys, without);
  EXPECT_EQ(Send(Method::kGet, kPath, "", ask, with_keys).status, 304);
  EXPECT_EQ(Send(Method::kGet, kPath, "", ask, without).status, 200) << "it has no keys yet";
  EXPECT_EQ(Send(Method::kGet, kPath, "", "", without).status, 304);
  lake_.storage["s3.session-token"] = "next";
  Change();
  EXPECT_EQ(Send(Method::kGet, kPath, "", ask, with_keys).status, 200) << "the keys are others";
}

struct Ask {
  const char* header;
  const char* query;
  const char* encoding;
};

TEST_F(StorageTest, AnswersFromMemoryAreThoseOfTheLongWay) {
  catalog::Warehouse pond = lake_;
  pond.name = "pond";
  pond.root = "s3://pond/w";
  pond.storage["s3.secret-access-key"] = "whisper";
  pond.clients.send_credentials = true;
  Call call = world_.call();
  ASSERT_TRUE(world_.catalog().CreateWarehouse(call, pond).ok());
  ASSERT_TRUE(world_.catalog().CreateNamespace(call, "pond", {"ns"}, {}).ok());
  for (const char* warehouse : {"lake", "pond"}) {
    BodyOf(Send(Method::kPost, std::string(warehouse) + "/namespaces/ns/tables", kCreate));
  }
  std::vector<Ask> asks;
  for (const char* header : {"", "vended-credentials", "remote-signing",
                             " Remote-Signing ,VENDED-CREDENTIALS", "nonsense"}) {
    for (const char* query : {"", "?snapshots=refs"}) {
      for (const char* encoding : {"", "gzip"}) asks.push_back({header, query, encoding});
    }
  }
  // Round by round the settings change: nothing of before is seen.
  for (int round = 0; round < 4; ++round) {
    lake_.clients = {.send_credentials = round == 1, .remote_signing = round >= 2};
    if (round == 3) lake_.storage["s3.region"] = "eu-west-1";
    Change();
    for (const char* warehouse : {"lake", "pond"}) {
      for (const Ask& ask : asks) {
        auto request =
            RequestOf(Method::kGet, std::string(warehouse) + "/namespaces/ns/tables/t" + ask.query,
                      "", ask.header);
        if (*ask.encoding != '\0') request.headers.Add("Accept-Encoding", ask.encoding);
        if (WishOf(request).any()) {
          EXPECT_FALSE(Quick(request).has_value()) << round << ask.header;
        }
        Serve(router_, request);
        net::Response fresh = Fresh(request);
        auto kept = Quick(request);
        ASSERT_TRUE(kept.has_value());
        EXPECT_EQ(kept->status, 200);
        EXPECT_EQ(kept->BodyText(), fresh.BodyText());
        EXPECT_EQ(kept->headers.all(), fresh.headers.all());
        request.headers.Add("If-None-Match", std::string(fresh.headers.Get("ETag").value()));
        EXPECT_EQ(Quick(request)->status, 304);
        EXPECT_EQ(Quick(request)->headers.all(), Fresh(request).headers.all());
      }
    }
    // Every request once more: nobody hears of another's keys.
    for (const char* warehouse : {"lake", "pond"}) {
      for (const Ask& ask : asks) {
        auto request =
            RequestOf(Method::kGet, std::string(warehouse) + "/namespaces/ns/tables/t" + ask.query,
                      "", ask.header);
        std::string text = Quick(request)->BodyText();
        const bool keys = WishOf(request).credentials;
        EXPECT_EQ(text.find("hush") != text.npos, keys && warehouse[0] == 'l' && round == 1);
        EXPECT_EQ(text.find("whisper") != text.npos, keys && warehouse[0] == 'p');
      }
    }
  }
}

TEST_F(StorageTest, AnswersWithKeysAreKeptAsLongAsTheKeysAreGood) {
  lake_.clients.send_credentials = true;
  lake_.storage["s3.session-token"] = "token";
  int64_t now_ms = ToMillis(world_.env().clock().Wall());
  lake_.storage["s3.session-token-expires-at-ms"] = std::to_string(now_ms + 10'000);
  Change();
  BodyOf(Send(Method::kPost, "lake/namespaces/ns/tables", kCreate));
  auto request = RequestOf(Method::kGet, kPath, "", "vended-credentials");
  auto tagged = request;
  tagged.headers.Add("If-None-Match",
                     std::string(Serve(router_, request).headers.Get("ETag").value()));
  EXPECT_TRUE(Quick(request).has_value());
  EXPECT_EQ(Quick(tagged)->status, 304);
  // What is known of warehouses is read again each second, and is the same.
  world_.env().clock().Advance(std::chrono::seconds(9));
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_EQ(Serve(router_, tagged).status, 304);
  EXPECT_TRUE(Quick(request).has_value());
  world_.env().clock().Advance(std::chrono::milliseconds(999));
  EXPECT_TRUE(Quick(request).has_value());
  world_.env().clock().Advance(std::chrono::milliseconds(1));
  EXPECT_FALSE(Quick(request).has_value()) << "the keys are over";
  EXPECT_EQ(Serve(router_, tagged).status, 200) << "304 would say that they are good";
  EXPECT_FALSE(Quick(request).has_value());
}

TEST_F(StorageTest, AnotherServersChangeOfAWarehouseIsSeenWithinASecond) {
  lake_.clients.send_credentials = true;
  Change();
  BodyOf(Send(Method::kPost, "lake/namespaces/ns/tables", kCreate));
  auto request = RequestOf(Method::kGet, kPath, "", "vended-credentials");
  Serve(router_, request);
  EXPECT_THAT(Quick(request)->BodyText(), HasSubstr("hush"));
  lake_.clients.send_credentials = false;
  {
    auto other = world_.Another();
    Call call = world_.call();
    ASSERT_TRUE(other->UpdateWarehouse(call, lake_).ok());
  }
  world_.env().clock().Advance(std::chrono::milliseconds(1'001));
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_THAT(Serve(router_, request).BodyText(), Not(HasSubstr("hush")));
  EXPECT_THAT(Quick(request)->BodyText(), Not(HasSubstr("hush")));
}

TEST_F(StorageTest, SignsForTheTableAlone) {
  BodyOf(Send(Method::kPost, "lake/namespaces/ns/tables", kCreate));
  std::string sign = std::string(kPath) + "/sign";
  auto body = [](const std::string& uri, const std::string& more = "") {
    return R"({"region":"us-east-1","method":"GET","headers":{"x-amz-meta-a":["b"]},"uri":")" +
           uri + "\"" + more + "}";
  };
  EXPECT_EQ(Send(Method::kPost, sign, body("http://store:8333/lake/w/x")).status, 406);
  lake_.clients.remote_signing = true;
  Change();
  Json table = BodyOf(Send(Method::kGet, kPath, "", "vended-credentials,remote-signing"));
  const Json& config = *table.Find("config");
  EXPECT_EQ(config.Find("s3.remote-signing-enabled")->as_string(), "true");
  EXPECT_EQ(config.Find("signer.endpoint")->as_string(), "v1/" + sign);
  EXPECT_EQ(config.Find("s3.signer.endpoint")->as_string(), "v1/" + sign);
  EXPECT_THAT(table.ToString(), Not(HasSubstr("hush")));
  std::string location = table.Find("metadata")->Find("location")->as_string();
  std::string uri = "http://store:8333/" + location.substr(5) + "/data/a.parquet";
  auto answer = Send(Method::kPost, sign, body(uri));
  Json done = BodyOf(answer);
  EXPECT_EQ(done.Find("uri")->as_string(), uri);
  EXPECT_THAT(done.Find("headers")->Find("Authorization")->as_array().at(0).as_string(),
              HasSubstr("x-amz-meta-a"));
  EXPECT_EQ(answer.headers.Get("Cache-Control"), "private");
  auto status = [&](const std::string& text) { return Send(Method::kPost, sign, text).status; };
  EXPECT_EQ(status(body("http://store:8333/lake/w/other/a")), 403);
  EXPECT_EQ(status(body("http://elsewhere/lake/w/other/a")), 403);
  EXPECT_EQ(status(body(uri, R"(,"provider":"gcs")")), 400);
  EXPECT_EQ(status(body(uri, R"(,"provider":"s3","properties":{},"new":1)")), 200);
  for (const char* bad : {"", "[]", "{}", R"({"region":1,"uri":"u","method":"GET","headers":{}})",
                          R"({"region":"r","uri":"u","method":"GET","headers":{"a":"b"}})"}) {
    EXPECT_EQ(status(bad), 400) << bad;
  }
}

TEST_F(StorageTest, SignsForTablesThatAreStaged) {
  lake_.clients.remote_signing = true;
  Change();
  std::string create =
      std::string(kCreate).substr(0, sizeof(kCreate) - 2) + R"(,"stage-create":true})";
  Json table = BodyOf(Send(Method::kPost, "lake/namespaces/ns/tables", create, "remote-signing"));
  std::string sign = table.Find("config")->Find("signer.endpoint")->as_string().substr(3);
  EXPECT_THAT(sign, HasSubstr("/sign?staged="));
  auto ask = [&](const std::string& target, const std::string& location) {
    return Send(Method::kPost, target,
                R"({"region":"us-east-1","method":"PUT","headers":{},"uri":"http://store:8333/)" +
                    location.substr(5) + "/data/a\"}")
        .status;
  };
  std::string location = table.Find("metadata")->Find("location")->as_string();
  EXPECT_EQ(ask(sign, location), 200);
  EXPECT_EQ(ask(sign, "s3://lake/w/other"), 403);
  EXPECT_EQ(ask(std::string(kPath) + "/sign", location), 404) << "nobody is told without the seal";
  std::string forged = sign;
  forged.back() = forged.back() == '0' ? '1' : '0';
  EXPECT_EQ(ask(forged, location), 403);
  EXPECT_EQ(ask(std::string(kPath) + "/sign?staged=", location), 403);
  world_.env().clock().Advance(std::chrono::hours(25));
  EXPECT_EQ(ask(sign, location), 403);
}

TEST_F(StorageTest, FunctionsAreNone) {
  EXPECT_EQ(Send(Method::kGet, "lake/namespaces/ns/functions?pageToken=").BodyText(),
            R"({"identifiers":[],"next-page-token":null})");
}

TEST_F(StorageTest, ReportsAreCheckedAndKeptWhole) {
  BodyOf(Send(Method::kPost, "lake/namespaces/ns/tables", kCreate));
  std::string scan =
      R"({"report-type":"scan-report","table-name":"lake.ns.t","snapshot-id":1,"filter":true,)"
      R"("schema-id":0,"projected-field-ids":[1],"projected-field-names":["id"],"metrics":)"
      R"({"total-planning-duration":{"count":1,"time-unit":"nanoseconds","total-duration":7},)"
      R"("result-data-files":{"unit":"count","value":3},"more":null},"metadata":{"a":"b"},"new":[1]})";
  std::string commit = R"({"report-type":"commit-report","table-name":"lake.ns.t","snapshot-id":2,)"
                       R"("sequence-number":1,"operation":"append","metrics":{}})";
  std::string path = std::string(kPath) + "/metrics";
  EXPECT_EQ(Send(Method::kPost, path, scan).status, 204);
  EXPECT_EQ(Send(Method::kPost, path, commit).status, 204);
  Call call = world_.call();
  auto kept = world_.catalog().Reports(call, "lake", {{"ns"}, "t"}, 10).value();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].report, commit);
  EXPECT_EQ(kept[1].report, scan);
  // Kinds of later clients, and very large ones, are taken and not kept.
  EXPECT_EQ(Send(Method::kPost, path, R"({"report-type":"other"})").status, 204);
  std::string large =
      scan.substr(0, scan.size() - 1) + R"(,"x":")" + std::string(300'000, 'x') + "\"}";
  EXPECT_EQ(Send(Method::kPost, path, large).status, 204);
  for (const auto& [what, with] :
       {std::pair(R"("snapshot-id":1,)", ""), std::pair(R"("filter":true,)", ""),
        std::pair(R"("projected-field-ids":[1])", R"("projected-field-ids":1)"),
        std::pair(R"("value":3)", R"("value":"3")"), std::pair(R"("count":1,)", ""),
        std::pair(R"("metadata":{"a":"b"})", R"("metadata":{"a":1})"),
        std::pair("scan-report", "commit-report")}) {
    std::string bad = scan;
    bad.replace(bad.find(what), std::string_view(what).size(), with);
    EXPECT_EQ(Send(Method::kPost, path, bad).status, 400) << bad;
  }
  EXPECT_EQ(world_.catalog().Reports(call, "lake", {{"ns"}, "t"}, 10)->size(), 2u);
  world_.env().clock().Advance(std::chrono::hours(48));
  EXPECT_EQ(Send(Method::kPost, path, scan).status, 204);
  Call later = world_.call();
  int64_t now_ms = ToMillis(later.clock().Wall());
  ASSERT_TRUE(world_.catalog().TrimReports(later, now_ms - 86'400'000).ok());
  EXPECT_EQ(world_.catalog().Reports(later, "lake", {{"ns"}, "t"}, 10)->size(), 1u);
}

}  // namespace
}  // namespace moraine::rest
