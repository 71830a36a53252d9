#include "moraine/server/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/warehouse_files.h"
#include "moraine/server/settings.h"

namespace moraine::server {
namespace {

using testing::HasSubstr;

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    std::string name = testing::TempDir() + "/options_test_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~OptionsTest() override {
    ::unsetenv("MORAINE_SERVER_REQUEST_THREADS");
    std::filesystem::remove_all(folder_);
  }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::string folder_;
};

Config With(const std::map<std::string, std::string>& values) {
  Config config(Settings());
  for (const auto& [key, value] : values) EXPECT_TRUE(config.Set(key, value, "test").ok()) << key;
  return config;
}

TEST(HttpOptions, LimitsOfOneClientAndTimes) {
  auto plain = HttpOptions(With({}));
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  EXPECT_EQ(plain->client_limits.rate, 0);
  EXPECT_EQ(plain->client_limits.requests, 0u);
  EXPECT_EQ(plain->write_timeout, net::ServerOptions().write_timeout);
  EXPECT_EQ(plain->bodies_limit_bytes, net::ServerOptions().bodies_limit_bytes);
  auto set = HttpOptions(With({{"server.client-rate", "50"},
                               {"server.client-burst", "200"},
                               {"server.client-requests", "16"},
                               {"server.client-connections", "64"},
                               {"server.trusted-proxies", "10.0.0.1,::1"},
                               {"server.header-timeout", "2s"},
                               {"server.max-bodies", "8MiB"}}));
  ASSERT_TRUE(set.ok()) << set.status().ToString();
  EXPECT_EQ(set->client_limits.rate, 50);
  EXPECT_EQ(set->client_limits.burst, 200);
  EXPECT_EQ(set->client_limits.requests, 16u);
  EXPECT_EQ(set->client_limits.connections, 64u);
  EXPECT_EQ(set->client_limits.trusted_proxies, (std::vector<std::string>{"10.0.0.1", "::1"}));
  EXPECT_EQ(set->header_timeout, Millis(2'000));
  EXPECT_EQ(set->bodies_limit_bytes, size_t{8} << 20);
  Status refused = HttpOptions(With({{"server.trusted-proxies", "proxy"}})).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_NE(refused.message().find("server.trusted-proxies"), std::string_view::npos);
}

TEST(StorageForOptimizers, KeysGoWhereTheyAreSafe) {
  struct Case {
    const char* listen;
    const char* token_file;
    const char* sends;
    bool keys;
  };
  for (const Case& c :
       {Case{"127.0.0.1:1630", "/t", "", true}, Case{"localhost:0", "/t", "", true},
        Case{"127.0.0.1:1630", "", "", false}, Case{"127.0.0.1:1630", "", "true", true},
        Case{"127.0.0.1:1630", "/t", "false", false}, Case{"0.0.0.0:1630", "/t", "", false},
        Case{"0.0.0.0:1630", "/t", "true", true}}) {
    std::map<std::string, std::string> values = {
        {"server.listen", c.listen},         {"optimizer.send-storage-credentials", c.sends},
        {"server.token-file", c.token_file}, {"warehouse.root", "s3a://lake/w"},
        {"s3.endpoint", "http://e:1"},       {"s3.access-key-id", "id"},
        {"s3.secret-access-key", "secret"},  {"s3.session-token", "token"},
        {"s3.ca-file", "/here.pem"}};
    auto sent = [](const Config& config) {
      return catalog::StorageForOptimizers(WarehouseOf(config).value(),
                                           KeysForOptimizers(config).value());
    };
    iceberg::StringMap storage = sent(With(values));
    EXPECT_EQ(storage.count("s3.secret-access-key"), c.keys ? 1u : 0u) << c.listen << c.sends;
    EXPECT_EQ(storage.size(), c.keys ? 4u : 1u);
    EXPECT_EQ(storage.at("s3.endpoint"), "http://e:1");
    values["warehouse.root"] = "file:///w";
    EXPECT_TRUE(sent(With(values)).empty());
  }
  EXPECT_EQ(
      KeysForOptimizers(With({{"optimizer.send-storage-credentials", "perhaps"}})).status().code(),
      Code::kInvalidArgument);
}

TEST(WarehouseOf, HasWhatTheSettingsSay) {
  auto warehouse = WarehouseOf(With({{"warehouse.root", "s3a://lake/w/"},
                                     {"warehouse.table-defaults", "write.format.default=orc"},
                                     {"warehouse.table-overrides", "a=b=c"},
                                     {"warehouse.send-credentials", "true"},
                                     {"warehouse.client-access-key-id", "reader"},
                                     {"warehouse.client-secret-access-key", "hush"},
                                     {"s3.region", "eu"}}))
                       .value();
  EXPECT_TRUE(warehouse.from_settings);
  EXPECT_EQ(warehouse.root, "s3://lake/w");
  EXPECT_EQ(warehouse.storage, (iceberg::StringMap{{"s3.region", "eu"}}));
  EXPECT_EQ(warehouse.defaults,
            (iceberg::StringMap{{"table-default.write.format.default", "orc"}}));
  EXPECT_EQ(warehouse.overrides, (iceberg::StringMap{{"table-override.a", "b=c"}}));
  EXPECT_TRUE(warehouse.clients.send_credentials);
  EXPECT_EQ(warehouse.clients.credentials.at("s3.access-key-id"), "reader");
  EXPECT_THAT(WarehouseOf(With({{"warehouse.table-defaults", "nothing"}})).status().message(),
              HasSubstr("warehouse.table-defaults: expected PROPERTY=VALUE"));
  EXPECT_THAT(WarehouseOf(With({{"warehouse.remote-signing", "true"}})).status().message(),
              HasSubstr("no keys to sign with"));
}

TEST_F(OptionsTest, FlagsWinOverTheEnvironmentAndThatOverTheFile) {
  SettingSources sources;
  auto threads = [&] {
    auto config = LoadSettings(sources);
    EXPECT_TRUE(config.ok()) << config.status().ToString();
    return config.ok() ? config->Number("server.request-threads") : -1;
  };
  EXPECT_EQ(threads(), 8);
  sources.file = Write("m.yaml", "server:\n  request-threads: 3\n");
  EXPECT_EQ(threads(), 3);
  ::setenv("MORAINE_SERVER_REQUEST_THREADS", "4", 1);
  EXPECT_EQ(threads(), 4);
  sources.flags = {{"server.request-threads", "5"}};
  EXPECT_EQ(threads(), 5);
  sources.flags.emplace_back("server.request-threads", "6");
  EXPECT_EQ(threads(), 6);
}

TEST_F(OptionsTest, AWrongSettingIsNamedWithTheNearestAndItsPlace) {
  std::string file = Write("m.yaml", "server:\n  request-treads: 3\n");
  auto from_file = LoadSettings({file, {}});
  EXPECT_EQ(from_file.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(from_file.status().message(),
            file +
                ":2: unknown setting server.request-treads, did you mean "
                "server.request-threads?");
  auto from_flag = LoadSettings({"", {{"warehouse.rot", "/w"}}});
  EXPECT_EQ(from_flag.status().message(),
            "command line: unknown setting warehouse.rot, did you mean warehouse.root?");
  ::setenv("MORAINE_SERVER_REQUEST_THREADS", "many", 1);
  EXPECT_THAT(LoadSettings({}).status().message(),
              HasSubstr("MORAINE_SERVER_REQUEST_THREADS: server.request-threads is 'many'"));
  auto no_file = LoadSettings({folder_ + "/none.yaml", {}});
  EXPECT_EQ(no_file.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(no_file.status().message(), HasSubstr("none.yaml"));
  auto folder = LoadSettings({folder_, {}});
  EXPECT_EQ(folder.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(folder.status().message(),
            fmt::format("config file: {} is a folder, expected a file", folder_));
}

TEST_F(OptionsTest, AddressesOfOthersNeedAToken) {
  std::string token = Write("token", " secret \nmore\n");
  struct Case {
    const char* listen;
    bool has_token;
    const char* problem;  ///< "": none
    uint16_t port;
  };
  for (const Case& c : {
           Case{"127.0.0.1:1700", false, "", 1700},
           Case{"127.0.0.1", false, "", 1630},
           Case{"127.0.0.1:0", false, "", 0},
           Case{"localhost:1", false, "", 1},
           Case{"[::1]:1", false, "", 1},
           Case{"0.0.0.0:1", true, "", 1},
           Case{"0.0.0.0:1", false, "set server.token-file (--token-file), or listen on 127.0.0.1",
                0},
           Case{"[::]:1", false, "server.token-file", 0},
           Case{"nonsense:1", true, "server.listen: expected an IP address or localhost", 0},
           Case{"127.0.0.1:port", true, "server.listen", 0},
           Case{"", true, "server.listen", 0},
       }) {
    auto options = HttpOptions(With(
        {{"server.listen", c.listen}, {"server.token-file", c.has_token ? token : std::string()}}));
    if (*c.problem != '\0') {
      ASSERT_EQ(options.status().code(), Code::kInvalidArgument) << c.listen;
      EXPECT_THAT(options.status().message(), HasSubstr(c.problem)) << c.listen;
      EXPECT_EQ(options.status().message().find('\n'), std::string::npos);
      continue;
    }
    ASSERT_TRUE(options.ok()) << options.status().ToString();
    EXPECT_EQ(options->port, c.port) << c.listen;
    EXPECT_EQ(options->guards.bearer_token, c.has_token ? "secret" : "");
  }
}

TEST_F(OptionsTest, ATokenFileMustHoldAToken) {
  auto problem = [](const std::string& file) {
    return HttpOptions(With({{"server.token-file", file}})).status().ToString();
  };
  EXPECT_THAT(problem(folder_ + "/none"), HasSubstr("server.token-file: can't read"));
  EXPECT_THAT(problem(Write("empty", "  \nsecret\n")), HasSubstr("is empty"));
  EXPECT_THAT(problem(Write("nothing", "")), HasSubstr("is empty"));
  EXPECT_THAT(problem(folder_), HasSubstr("can't read"));
}

TEST_F(OptionsTest, AWarehouseLiesWhereFilesCanBeKept) {
  for (const char* good :
       {"/w", "file:/w", "file:///w", "FILE:///w/", "s3://bucket/w", "s3a://bucket"}) {
    EXPECT_TRUE(WarehouseOf(With({{"warehouse.root", good}})).ok()) << good;
  }
  for (const char* bad :
       {"gopher://host/w", "s3:/w", "w", "", "file://host/w", "hdfs:/w", "file:///a/../../b"}) {
    auto warehouse = WarehouseOf(With({{"warehouse.root", bad}}));
    ASSERT_EQ(warehouse.status().code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(warehouse.status().message(),
                HasSubstr(fmt::format("warehouse.root: no files can be kept at '{}': expected "
                                      "file:///absolute/path, /absolute/path or s3://bucket/prefix",
                                      bad)));
  }
  auto more = WarehouseOf(With({{"warehouse.allowed-locations", "/more, gopher://host/w"}}));
  EXPECT_THAT(more.status().message(),
              HasSubstr("warehouse.allowed-locations: no files can be kept at 'gopher://host/w'"));
}

TEST_F(OptionsTest, AWarehouseWhereNoFileCanBeMadeIsRefused) {
  testing::TestEnv env(1);
  auto files = io::MakeLocalFileSystem();
  auto check = [&](const std::string& root) {
    Call call = env.call();
    return catalog::ProbeWarehouse(call, *files, {.name = "default", .root = root});
  };
  EXPECT_TRUE(check("file://" + folder_ + "/new/warehouse").ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/new/warehouse"));
  for (const std::string& bad :
       {std::string("file:///proc/nope"), "file://" + Write("file", "x"), std::string("/proc")}) {
    Status status = check(bad);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(), testing::StartsWith(fmt::format(
                                      "warehouse.root: no files can be kept at '{}': ", bad)));
  }
}

}  // namespace
}  // namespace moraine::server
