// moraine compact: flags, what it shows, and its errors; the work itself is tested in compact/, and
// as a whole in tests/engines.

#include <cstdlib>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/cli/arguments.h"
#include "moraine/cli/compact_command.h"
#include "moraine/cli/compact_view.h"
#include "moraine/cli/lent_files.h"
#include "moraine/cli/run.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

CompactFlags Flags() {
  CompactFlags flags;
  flags.uri = "http://127.0.0.1:8181/api?warehouse=w&scope=a";
  flags.table = "db.t";
  return flags;
}

TEST(CompactFlags, UriQueryPropertiesAndFlagsMakeTheProperties) {
  CompactFlags flags = Flags();
  flags.properties = {"scope=b=c", "header.X-Team=x"};
  flags.credential = "id:secret";
  flags.target_file_size = "64MiB";
  auto request = ReadCompactFlags(flags);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_EQ(request->uri, "http://127.0.0.1:8181/api");
  EXPECT_EQ(request->properties, (iceberg::StringMap{{"warehouse", "w"},
                                                     {"scope", "b=c"},
                                                     {"header.X-Team", "x"},
                                                     {"credential", "id:secret"}}));
  EXPECT_EQ(request->target_file_size, 64 << 20);
  EXPECT_EQ(request->memory_bytes, 1 << 30);
  flags.warehouse = "other";
  EXPECT_EQ(ReadCompactFlags(flags)->properties.at("warehouse"), "other");
}

TEST(CompactFlags, HalfOfTheKeysMayBeAPropertyAndHalfOfTheEnvironment) {
  setenv("MORAINE_S3_ACCESS_KEY_ID", "EK", 1);
  setenv("MORAINE_S3_SECRET_ACCESS_KEY", "ES", 1);
  setenv("MORAINE_S3_SESSION_TOKEN", "ET", 1);
  CompactFlags half = Flags();
  half.properties = {"s3.access-key-id=AK"};
  CompactFlags whole = Flags();
  whole.properties = {"s3.access-key-id=AK", "s3.secret-access-key=SK"};
  auto with_half = ReadCompactFlags(half);
  auto with_whole = ReadCompactFlags(whole);
  for (const char* name :
       {"MORAINE_S3_ACCESS_KEY_ID", "MORAINE_S3_SECRET_ACCESS_KEY", "MORAINE_S3_SESSION_TOKEN"}) {
    unsetenv(name);
  }
  ASSERT_TRUE(with_half.ok()) << with_half.status().ToString();
  EXPECT_EQ(with_half->properties.at("s3.access-key-id"), "AK");
  EXPECT_EQ(with_half->properties.at("s3.secret-access-key"), "ES");
  EXPECT_EQ(with_half->properties.at("s3.session-token"), "ET");
  // Keys that are whole take nothing of others.
  ASSERT_TRUE(with_whole.ok()) << with_whole.status().ToString();
  EXPECT_EQ(with_whole->properties.at("s3.secret-access-key"), "SK");
  EXPECT_FALSE(with_whole->properties.contains("s3.session-token"));
}

TEST(CompactFlags, KeysOfTheStoreComeFromTheEnvironment) {
  setenv("MORAINE_S3_SECRET_ACCESS_KEY", "of-environment", 1);
  setenv("MORAINE_S3_ENDPOINT", "http://of-environment", 1);
  CompactFlags flags = Flags();
  flags.properties = {"s3.endpoint=http://of-flag"};
  auto request = ReadCompactFlags(flags);
  unsetenv("MORAINE_S3_SECRET_ACCESS_KEY");
  unsetenv("MORAINE_S3_ENDPOINT");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->properties.at("s3.secret-access-key"), "of-environment");
  EXPECT_EQ(request->properties.at("s3.endpoint"), "http://of-flag");
  EXPECT_FALSE(request->properties.contains("s3.region"));
}

TEST(CompactFlags, MistakesAreNamed) {
  struct Row {
    std::function<void(CompactFlags&)> change;
    const char* part;
  };
  const Row rows[] = {
      {[](CompactFlags& f) { f.uri = "127.0.0.1:8181"; }, "expected http://"},
      {[](CompactFlags& f) { f.uri = "ftp://x/y"; }, "URI"},
      {[](CompactFlags& f) { f.table = "t"; }, "NAMESPACE.TABLE"},
      {[](CompactFlags& f) { f.properties = {"secret"}; }, "--property: expected KEY=VALUE"},
      {[](CompactFlags& f) { f.memory = "much"; }, "--memory"},
      {[](CompactFlags& f) { f.memory = "100MiB"; }, "2 threads need at least 128"},
      {[](CompactFlags& f) { f.target_file_size = "0"; }, "--target-file-size"},
      {[](CompactFlags& f) { f.token_file = "/no/such/file"; }, "--token-file"},
  };
  for (const auto& row : rows) {
    CompactFlags flags = Flags();
    row.change(flags);
    auto request = ReadCompactFlags(flags);
    EXPECT_EQ(request.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(std::string(request.status().message()), HasSubstr(row.part));
  }
}

TEST(CompactView, TheLineTellsShareRateAndTimeLeft) {
  using compact::Phase;
  constexpr int64_t kMiB = 1 << 20;
  EXPECT_EQ(CompactionLine({.phase = Phase::kLoading}, 0s), "loading the table");
  EXPECT_EQ(CompactionLine({.phase = Phase::kCommitting}, 9s), "committing");
  compact::ProgressFigures half{.phase = Phase::kRewriting,
                                .tasks = 4,
                                .tasks_done = 1,
                                .bytes = 200 * kMiB,
                                .bytes_done = 100 * kMiB};
  EXPECT_EQ(CompactionLine(half, 10s),
            "[########--------]  50%  100.0 MiB of 200.0 MiB  10.0 MiB/s  11 s left  1/4 tasks");
  EXPECT_EQ(CompactionLine(half, 500ms),
            "[########--------]  50%  100.0 MiB of 200.0 MiB  1/4 tasks");
  EXPECT_THAT(CompactionLine(half, 1h), HasSubstr("  1 h"));
  half.bytes = half.bytes_done = 0;
  EXPECT_THAT(CompactionLine(half, 10s), HasSubstr("  0%  0 B of 0 B  1/4 tasks"));
}

compact::CompactionReport Report() {
  compact::CompactionReport report;
  report.reason = "30 fragments";
  report.type = planning::OptimizingType::kMinor;
  report.tasks = 1;
  report.partitions = 1;
  report.input_files = 30;
  report.input_bytes = 30 << 20;
  report.before = {.data_files = 30, .data_bytes = 30 << 20, .delete_files = 2, .records = 3'000};
  return report;
}

TEST(CompactView, TheSummaryShowsBeforeAndAfter) {
  Console console;
  auto report = Report();
  EXPECT_EQ(CompactionSummary("db.t", report, 2s, console),
            "db.t: would rewrite 30 files (30.0 MiB) in 1 partition in 1 task: 30 fragments\n");
  report.after = compact::TableTotals{.data_files = 1, .data_bytes = 29 << 20, .records = 2'990};
  report.output_files = 1;
  report.output_bytes = 29 << 20;
  report.removed_delete_files = 2;
  report.deleted_rows = 10;
  report.snapshot_id = 77;
  report.left_out = {"another commit \x1b[31mdeleted rows"};
  report.partitions_left = 3;
  auto text = CompactionSummary("db.t", report, 2s, console);
  EXPECT_THAT(text, HasSubstr("data files                30         1\n"));
  EXPECT_THAT(text,
              HasSubstr("db.t: 30 files (30.0 MiB) in 1 partition became 1 file (29.0 MiB), 2 "
                        "delete files removed, 10 deleted rows dropped; 2.0 s at 15.0 MiB/s, "
                        "snapshot 77\n"));
  EXPECT_THAT(text, HasSubstr("3 partitions are left for another run"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  auto json = Json::Parse(CompactionJson("db.t", report, 2s));
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Find("snapshot-id")->int64(), 77);
  EXPECT_EQ(json->Find("after")->Find("data-files")->int64(), 1);
  report = {};
  report.reason = "no partition reaches a trigger";
  EXPECT_EQ(CompactionSummary("db.t", report, 2s, console),
            "db.t: nothing to do: no partition reaches a trigger\n");
}

/// A catalog with one empty table, db.orders, and a table whose name is nearly that.
class OneTableCatalog final : public net::HttpTransport {
 public:
  OneTableCatalog() {
    iceberg::TableCreation creation;
    creation.table_uuid = "0197f2a0-0000-7000-8000-000000000001";
    creation.location = "file:///nowhere/db/orders";
    metadata_ = iceberg::TableMetadataToJson(*iceberg::MakeTableMetadata(creation));
  }
  Result<net::Response> Send(Call&, std::string_view, const net::Request& request) override {
    if (unreachable) return Unavailable("refused");
    authorization = request.headers.Get("Authorization").value_or("");
    if (status != 0) return net::Response::Json(status, R"({"error":{"message":"no","code":1}})");
    if (request.path == "/v1/config")
      return net::Response::Json(200, R"({"defaults":{},"overrides":{}})");
    if (request.path == "/v1/namespaces/db/tables/orders")
      return net::Response::Json(200, fmt::format(R"({{"metadata":{}}})", metadata_));
    if (request.path == "/v1/namespaces/db/tables")
      return net::Response::Json(200, R"({"identifiers":[{"namespace":["db"],"name":"orders"}]})");
    return net::Response::Json(
        404,
        R"({"error":{"message":"Table does not exist","type":"NoSuchTableException","code":404}})");
  }
  bool unreachable = false;
  int status = 0;
  std::string authorization;

 private:
  std::string metadata_;
};

class CompactTest : public testing::Test {
 protected:
  CompactTest() {
    console_.out = [this](std::string_view text) { out_ += text; };
    console_.err = [this](std::string_view text) { err_ += text; };
  }
  int Run(std::vector<std::string> arguments) {
    out_.clear();
    err_.clear();
    arguments.insert(arguments.begin(), {"compact", "http://127.0.0.1:1"});
    World world{env_, stop_.get_token(), catalog_, console_};
    return RunRemote(world, arguments);
  }
  Env env_ = SystemEnv(NullLogger());
  std::stop_source stop_;
  OneTableCatalog catalog_;
  Console console_;
  std::string out_, err_;
};

TEST_F(CompactTest, AnEmptyTableIsNothingToDo) {
  EXPECT_EQ(Run({"db.orders"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("db.orders: nothing to do: the table has no snapshot yet\n"));
  EXPECT_EQ(Run({"db.orders", "--json"}), kExitOk);
  auto json = Json::Parse(out_);
  ASSERT_TRUE(json.ok()) << out_;
  EXPECT_EQ(json->Find("type")->as_string(), "none");
}

TEST_F(CompactTest, ExitCodesSayWhatHappened) {
  EXPECT_EQ(Run({"db.order"}), kExitNotFound);
  EXPECT_THAT(err_, HasSubstr("did you mean db.orders?"));
  EXPECT_EQ(Run({"orders"}), kExitUsage);
  EXPECT_EQ(Run({"db.orders", "--memory", "1MiB"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("moraine compact --help"));
  EXPECT_EQ(Run({}), kExitUsage);
  catalog_.status = 401;
  EXPECT_EQ(Run({"db.orders"}), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("--credential ID:SECRET"));
  EXPECT_EQ(Run({"db.orders", "--token", "hush-hush"}), kExitFailed);
  EXPECT_THAT(err_, Not(HasSubstr("hush")));
  EXPECT_EQ(Run({"db.orders", "--layout", ""}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("hilbert(a, b)"));
  EXPECT_EQ(Run({"db.orders", "--spill-dir", "/nowhere/at/all"}), kExitUsage);
  catalog_.status = 400;
  EXPECT_EQ(Run({"db.orders"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("--warehouse NAME"));
  catalog_.status = 404;
  EXPECT_EQ(Run({"db.orders"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("for Moraine's own, http://127.0.0.1:1630/iceberg"));
  EXPECT_EQ(Run({"db.orders", "--warehouse", "no"}), kExitNotFound);  // the answer names it
  EXPECT_THAT(err_, Not(HasSubstr("the URI is that of the catalog")));
  catalog_.unreachable = true;
  EXPECT_EQ(Run({"db.orders"}), kExitUnreachable);
  stop_.request_stop();
  EXPECT_EQ(Run({"db.orders"}), kExitInterrupted);
}

TEST_F(CompactTest, TheTokenComesFromAFlagOrTheEnvironment) {
  setenv("MORAINE_CATALOG_TOKEN", "of-environment", 1);
  EXPECT_EQ(Run({"db.orders"}), kExitOk);
  EXPECT_EQ(catalog_.authorization, "Bearer of-environment");
  EXPECT_EQ(Run({"--token", "of-flag", "db.orders", "--property", "a=b"}), kExitOk);
  unsetenv("MORAINE_CATALOG_TOKEN");
  EXPECT_EQ(catalog_.authorization, "Bearer of-flag");
}

TEST(LentFiles, KeysAreRenewedBeforeTheyEnd) {
  testing::TestEnv env;
  Call call = env.call(std::chrono::hours(3));
  auto disk = [](const std::string& name) {
    auto files = std::make_shared<io::MemoryFileSystem>();
    files->Put("file:///" + name, name, 0);
    return files;
  };
  int renewals = 0;
  bool refuse = false;
  auto files = MakeRenewingFileSystem(
      {disk("0"), env.clock().Wall() + 1h}, [&](Call&) -> Result<LentFileSystem> {
        if (refuse) return Unavailable("busy");
        ++renewals;
        return LentFileSystem{disk(std::to_string(renewals)), env.clock().Wall() + 1h};
      });
  EXPECT_TRUE(files->Stat(call, "file:///0").ok());
  env.clock().Advance(54min);
  EXPECT_TRUE(files->Stat(call, "file:///0").ok());
  env.clock().Advance(2min);
  refuse = true;
  EXPECT_TRUE(files->Stat(call, "file:///0").ok());  // the old ones serve on
  refuse = false;
  EXPECT_TRUE(files->Stat(call, "file:///0").ok());
  env.clock().Advance(31s);
  EXPECT_TRUE(files->Stat(call, "file:///1").ok());
  EXPECT_EQ(renewals, 1);
  // The old ones go when nobody uses them.
  std::weak_ptr<io::FileSystem> lent;
  bool is_first = true;
  files = MakeRenewingFileSystem({disk("0"), env.clock().Wall() + 1h}, [&](Call&) {
    auto fresh = disk("x");
    if (std::exchange(is_first, false)) lent = fresh;
    return Result<LentFileSystem>(LentFileSystem{fresh, env.clock().Wall() + 1h});
  });
  env.clock().Advance(56min);
  auto reader = files->Open(call, "file:///x", std::nullopt);
  ASSERT_TRUE(reader.ok());
  env.clock().Advance(56min);
  EXPECT_TRUE(files->Stat(call, "file:///x").ok());
  EXPECT_FALSE(lent.expired());
  *reader = nullptr;
  EXPECT_TRUE(lent.expired());
}

TEST(LentFiles, EveryStoreIsReachedByItsOwnProperties) {
  auto lent = [](const std::string& location, iceberg::StringMap properties = {}) {
    iceberg::TableMetadata metadata;
    metadata.location = location;
    catalog::RestTable table;
    table.metadata = std::make_shared<const iceberg::TableMetadata>(metadata);
    return OpenTableFiles(properties, table);
  };
  auto open = [&](const std::string& location, iceberg::StringMap properties = {}) {
    return lent(location, std::move(properties)).status();
  };
  iceberg::StringMap keys{{"s3.access-key-id", "a"}, {"s3.secret-access-key", "b"}};
  EXPECT_TRUE(lent("s3://b/t")->anonymous);
  EXPECT_FALSE(lent("s3://b/t", keys)->anonymous);
  EXPECT_FALSE(lent("/w/t")->anonymous);
  EXPECT_TRUE(open("/w/t").ok());
  EXPECT_TRUE(open("file:///w/t").ok());
  EXPECT_TRUE(open("s3://b/t", {{"s3.endpoint", "http://127.0.0.1:1"}}).ok());
  EXPECT_TRUE(open("gs://b/t", {{"gcs.no-auth", "true"}}).ok());
  EXPECT_TRUE(open("abfss://c@a.dfs.core.windows.net/t", {{"adls.account-key", "a2V5"}}).ok());
  EXPECT_TRUE(open("hdfs://host:8020/t").ok());
  EXPECT_EQ(open("gs://b/t", {{"gcs.no-auth", "perhaps"}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(open("oss://b/t").code(), Code::kUnsupported);
  EXPECT_EQ(open("s3://b/t", {{"s3.path-style-access", "perhaps"}}).code(), Code::kInvalidArgument);
}

TEST(LentFiles, KeysOfGoogleAndAzureEndAndAreNotMixed) {
  struct Case {
    const char* location;
    iceberg::StringMap own, lent;
    std::optional<int64_t> until_ms;
  };
  const std::string azure = "abfss://c@acc.dfs.core.windows.net/t";
  for (const Case& c : std::vector<Case>{
           {"gs://b/t",
            {{"gcs.credentials-file", "/own.json"}},
            {{"gcs.oauth2.token", "x"}, {"gcs.oauth2.token-expires-at", "1767225600000"}},
            1'767'225'600'000},
           {"gs://b/t", {{"gcs.no-auth", "true"}}, {}, std::nullopt},
           {azure.c_str(),
            {{"adls.account-key", "a2V5"}},
            {{"adls.sas-token.acc.dfs.core.windows.net", "sig=x"},
             {"adls.sas-token-expires-at-ms.acc.dfs.core.windows.net", "1767225600000"}},
            1'767'225'600'000},
           {azure.c_str(), {{"adls.account-key", "a2V5"}}, {{"adls.sas-token.acc", "sig=x"}}, {}},
           {azure.c_str(), {{"adls.account-key", "a2V5"}}, {{"adls.sas-token", "sig=x"}}, {}},
       }) {
    iceberg::TableMetadata metadata;
    metadata.location = c.location;
    catalog::RestTable table;
    table.metadata = std::make_shared<const iceberg::TableMetadata>(metadata);
    table.credentials = {{"", c.lent}};
    auto lent = OpenTableFiles(c.own, table);
    ASSERT_TRUE(lent.ok()) << c.location << lent.status().ToString();
    EXPECT_EQ(lent->until.has_value(), c.until_ms.has_value()) << c.location;
    if (c.until_ms && lent->until) {
      EXPECT_EQ(ToMillis(*lent->until), *c.until_ms);
    }
  }
}

}  // namespace
}  // namespace moraine::cli
