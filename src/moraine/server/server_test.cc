#include "moraine/server/server.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/json.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/net/http_client.h"
#include "moraine/server/settings.h"

namespace moraine::server {
namespace {

using testing::HasSubstr;

class ServerTest : public testing::Test {
 protected:
  ServerTest() : env_(1, testing::TestClock::kSystem), client_(net::MakeHttpClient({})) {
    std::string name = testing::TempDir() + "/server_test_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~ServerTest() override { std::filesystem::remove_all(folder_); }

  Config Settings(const std::map<std::string, std::string>& more = {}) {
    Config config(server::Settings());
    std::map<std::string, std::string> values = {
        {"server.listen", "127.0.0.1:0"},
        {"server.request-threads", "2"},
        {"store.url", "sqlite://" + folder_ + "/moraine.db"},
        {"warehouse.root", "file://" + folder_ + "/warehouse"}};
    for (const auto& [key, value] : more) values[key] = value;
    for (const auto& [key, value] : values) EXPECT_TRUE(config.Set(key, value, "test").ok()) << key;
    return config;
  }
  std::string WriteToken() {
    std::string path = folder_ + "/token";
    std::ofstream(path) << "secret\n";
    return path;
  }
  net::Response Get(const Server& server, const std::string& path,
                    const std::string& warehouse = "", const std::string& token = "") {
    net::Request request;
    request.path = path;
    if (!warehouse.empty()) request.query.emplace_back("warehouse", warehouse);
    if (!token.empty()) request.headers.Add("Authorization", "Bearer " + token);
    Call call = env_.call();
    auto response = client_->Send(call, server.base_url(), request);
    EXPECT_TRUE(response.ok()) << response.status().ToString();
    return response.ok() ? std::move(*response) : net::Response();
  }

  testing::TestEnv env_;
  std::unique_ptr<net::HttpTransport> client_;
  std::string folder_;
};

/// "/a/{b}" -> "/a/x": a path that the pattern matches.
std::string Filled(std::string path) {
  for (size_t open; (open = path.find('{')) != path.npos;) {
    path.replace(open, path.find('}', open) - open + 1, "x");
  }
  return path;
}

TEST_F(ServerTest, ServesUntilItIsStopped) {
  auto server = Server::Start(env_.env(), Settings());
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  auto health = Get(**server, "/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.BodyText(), R"({"status":"ok"})");
  auto ready = Get(**server, "/health/ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.BodyText(), R"({"status":"ready"})");
  EXPECT_EQ(Get(**server, "/iceberg/v1/config", "default").status, 200);
  EXPECT_EQ(Get(**server, "/iceberg/v1/config", "nowhere").status, 404);
  EXPECT_EQ(Get(**server, "/nothing").status, 404);

  // The store is this process's alone.
  auto second = Server::Start(env_.env(), Settings());
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr("store.url: the store is in use by process"));
  EXPECT_THAT(second.status().message(), HasSubstr("moraine.db.lock"));

  std::string url = (*server)->base_url();
  (*server)->Stop();
  (*server)->Stop();
  Call call = env_.call();
  net::Request request;
  request.path = "/health";
  EXPECT_EQ(client_->Send(call, url, request).status().code(), Code::kUnavailable);
  // What was stopped can start again, and knows its warehouse.
  server->reset();
  auto third = Server::Start(env_.env(), Settings({{"optimizing.enabled", "false"}}));
  ASSERT_TRUE(third.ok()) << third.status().ToString();
  EXPECT_EQ(Get(**third, "/iceberg/v1/config", "default").status, 200);
}

TEST_F(ServerTest, RefusalsHaveTheFormOfTheirProtocol) {
  auto server = Server::Start(
      env_.env(), Settings({{"server.token-file", WriteToken()}, {"optimizing.enabled", "false"}}));
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  auto type = [&](const std::string& path, const std::string& token) {
    auto json = Json::Parse(Get(**server, path, "", token).BodyText());
    return json.ok() ? json->Find("error")->Find("type")->as_string() : "no JSON";
  };
  EXPECT_EQ(type("/api/v1/nothing", "secret"), "NotFound");
  EXPECT_EQ(type("/iceberg/v1/nothing", "secret"), "NotFoundException");
  EXPECT_EQ(type("/api/v1/tables", "wrong"), "Unauthenticated");
  EXPECT_EQ(type("/iceberg/v1/namespaces", "wrong"), "NotAuthorizedException");
  EXPECT_EQ(type("/api/v1/optimizers/poll", "secret"), "Unsupported") << "only POST";
}

TEST_F(ServerTest, LimitsOneClientWhereToldTo) {
  auto server = Server::Start(env_.env(), Settings({{"server.client-rate", "1"},
                                                    {"server.client-burst", "3"},
                                                    {"optimizing.enabled", "false"}}));
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  // However slow this machine is, a hundred come faster than one a second.
  net::Response answer;
  int asked = 0;
  while (answer.status != 429 && asked < 100) {
    answer = Get(**server, "/iceberg/v1/config", "default");
    ++asked;
  }
  EXPECT_GT(asked, 3);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.Get("Retry-After"), "1");
  EXPECT_EQ(Json::Parse(answer.BodyText())->Find("error")->Find("code")->int64(), 429);
  EXPECT_EQ(Get(**server, "/health").status, 200);
}

TEST_F(ServerTest, APortThatIsTakenIsNamed) {
  auto first = Server::Start(env_.env(), Settings());
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  std::string address = (*first)->base_url().substr(std::string_view("http://").size());
  auto second = Server::Start(
      env_.env(),
      Settings({{"server.listen", address}, {"store.url", "sqlite://" + folder_ + "/other.db"}}));
  EXPECT_EQ(second.status().code(), Code::kAlreadyExists);
  EXPECT_THAT(second.status().message(), HasSubstr(address));
}

TEST_F(ServerTest, AsksForTheTokenEverywhereButAtHealth) {
  auto server = Server::Start(
      env_.env(), Settings({{"server.token-file", WriteToken()}, {"optimizing.enabled", "false"}}));
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  EXPECT_EQ(Get(**server, "/health").status, 200);
  auto config = Get(**server, "/iceberg/v1/config", "default", "secret");
  ASSERT_EQ(config.status, 200);
  EXPECT_EQ(Get(**server, "/iceberg/v1/config", "default", "wrong").status, 401);

  // Every route of the management API's description, and every endpoint that the catalog lists.
  std::vector<std::pair<net::Method, std::string>> routes = {
      {net::Method::kGet, "/metrics"}, {net::Method::kGet, "/iceberg/v1/config"}};
  auto description = Get(**server, "/api/v1/openapi.json", "", "secret");
  auto document = Json::Parse(description.BodyText());
  ASSERT_TRUE(document.ok());
  for (const auto& [path, item] : document->Find("paths")->as_object()) {
    if (path == "/health") continue;
    if (item.Find("get") != nullptr) routes.emplace_back(net::Method::kGet, Filled(path));
    if (item.Find("post") != nullptr) routes.emplace_back(net::Method::kPost, Filled(path));
  }
  auto endpoints = Json::Parse(config.BodyText());
  ASSERT_TRUE(endpoints.ok());
  for (const auto& endpoint : endpoints->Find("endpoints")->as_array()) {
    const std::string& text = endpoint.as_string();
    size_t space = text.find(' ');
    auto method = net::MethodFromName(text.substr(0, space));
    ASSERT_TRUE(method.has_value()) << text;
    routes.emplace_back(*method, "/iceberg" + Filled(text.substr(space + 1)));
  }
  EXPECT_GT(routes.size(), 30u);
  for (const auto& [method, path] : routes) {
    net::Request request;
    request.method = method;
    request.path = path;
    Call call = env_.call();
    auto response = client_->Send(call, (*server)->base_url(), request);
    ASSERT_TRUE(response.ok()) << path << ": " << response.status().ToString();
    EXPECT_EQ(response->status, 401) << net::MethodName(method) << " " << path;
    EXPECT_EQ(response->headers.Get("WWW-Authenticate"), "Bearer") << path;
  }
}

TEST_F(ServerTest, RefusesSettingsThatCantBeAndOpensNothing) {
  struct Case {
    std::string key, value, message;
  };
  for (const Case& c : std::vector<Case>{
           {"server.listen", "0.0.0.0:0", "server.token-file"},
           {"server.listen", "nonsense", "server.listen: expected an IP address"},
           {"warehouse.root", "gopher://host/w",
            "warehouse.root: no files can be kept at 'gopher://host/w'"},
           {"s3.endpoint", "ftp://host", "s3.endpoint: "},
           {"s3.secret-access-key", "x", "s3.access-key-id is not"},
           {"s3.path-style-access", "maybe", "s3.path-style-access: "},
           {"optimizer.spill-dir", "/no/folder",
            "optimizer.spill-dir: cannot make a temporary file"},
           {"warehouse.root", "file:///proc/nope",
            "warehouse.root: no files can be kept at 'file:///proc/nope': "},
           {"warehouse.root", "file:///etc/passwd",
            "warehouse.root: no files can be kept at 'file:///etc/passwd': "},
       }) {
    auto server = Server::Start(env_.env(), Settings({{c.key, c.value}}));
    EXPECT_EQ(server.status().code(), Code::kInvalidArgument) << c.message;
    EXPECT_THAT(server.status().message(), HasSubstr(c.message));
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/moraine.db")) << c.message;
  }
  std::ofstream(folder_ + "/file") << "not a folder\n";
  for (const Case& c : std::vector<Case>{
           {"store.url", "oracle://me:secret@host/db",
            "store.url: no driver for oracle://: expected sqlite:///absolute/file"},
           {"store.url", "postgresql://me:secret@127.0.0.1:5432",
            "store.url: the URL names no database"},
           {"store.url", "postgresql://me:secret@127.0.0.1:5432/db?sslmod=require",
            "store.url: cannot connect to postgresql me@127.0.0.1:5432/db: invalid connection "
            "option"},
           {"store.url", "moraine.db", "store.url: expected sqlite:///absolute/file"},
           {"store.url", "sqlite://relative.db", "store.url: expected sqlite:///absolute/file"},
           {"store.url", "sqlite://" + folder_ + "/file/m.db", "store.url: cannot open the store"},
       }) {
    auto server = Server::Start(env_.env(), Settings({{c.key, c.value}}));
    EXPECT_EQ(server.status().code(), Code::kInvalidArgument) << c.message;
    EXPECT_THAT(server.status().message(), HasSubstr(c.message));
    EXPECT_THAT(server.status().message(), testing::Not(HasSubstr("secret")));
  }
}

TEST_F(ServerTest, MetricsAreInPrometheusTextForm) {
  auto server = Server::Start(env_.env(), Settings());
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  ASSERT_EQ(Get(**server, "/health").status, 200);
  auto metrics = Get(**server, "/metrics");
  ASSERT_EQ(metrics.status, 200);
  EXPECT_THAT(std::string(metrics.headers.Get("Content-Type").value_or("")),
              HasSubstr("text/plain"));
  const std::regex sample(
      R"(^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eE]+$)");
  std::map<std::string, std::string> types;
  size_t samples = 0;
  std::string text = metrics.BodyText();
  for (auto line : Split(text, '\n')) {
    if (line.empty() || line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      auto words = Split(line, ' ');
      ASSERT_EQ(words.size(), 4u) << line;
      EXPECT_TRUE(types.emplace(words[2], words[3]).second) << "declared twice: " << line;
      continue;
    }
    EXPECT_TRUE(std::regex_match(std::string(line), sample)) << line;
    ++samples;
  }
  EXPECT_GT(samples, 10u);
  for (const auto& [name, type] : types) {
    EXPECT_TRUE(name.starts_with("moraine_") || name.starts_with("process_")) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
  }
}

}  // namespace
}  // namespace moraine::server
