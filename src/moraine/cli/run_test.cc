#include "moraine/cli/run.h"

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/cli/arguments.h"
#include "moraine/cli/lifecycle_commands.h"
#include "moraine/cli/testing/remote_fixture.h"
#include "moraine/cli/watch.h"

namespace moraine::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using RunTest = RemoteFixture;

constexpr char kTable[] = "/api/v1/warehouses/default/namespaces/db/tables/t";

std::string ProcessText(const std::string& id, const std::string& state, int64_t read = 0,
                        const std::string& error = "") {
  return fmt::format(
      R"({{"process-id":"{}","table-id":7,"table":"default.db.t","group":"default","type":"major",)"
      R"("state":"{}","reason":"many small files","created-ms":{},"finished-ms":{},"tasks":2,"input-files":20,)"
      R"("input-bytes":20971520,"output-files":1,"output-bytes":10485760,"error":"{}",)"
      R"("progress":{{"planned":0,"running":1,"succeeded":1,"failed":0,"bytes-read":0}},)"
      R"("task-list":[{{"task-id":0,"state":"succeeded","input-bytes":10485760,"bytes-read":0}},)"
      R"({{"task-id":1,"state":"acknowledged","input-bytes":10485760,"bytes-read":{}}}]}})",
      id, state, kNow - 4'000, state == "running" ? 0 : kNow, error, read);
}

TEST_F(RunTest, ExitCodesSayWhatHappened) {
  server_.On("GET /api/v1/warehouses", R"({"warehouses":[]})");
  EXPECT_EQ(Run({"catalog", "warehouses"}), kExitOk);
  server_.On(
      std::string("POST ") + kTable + "/optimize",
      R"({"error":{"message":"the table can't be optimized: encrypted","type":"Conflict","code":409}})",
      409);
  EXPECT_EQ(Run({"table", "optimize", "db.t"}), kExitFailed);
  EXPECT_EQ(err_, "moraine: the table can't be optimized: encrypted\n");
  server_.On(std::string("GET ") + kTable,
             R"({"error":{"message":"Table does not exist: db.t","type":"NotFound","code":404}})",
             404);
  EXPECT_EQ(Run({"table", "show", "db.t"}), kExitNotFound);
  EXPECT_EQ(err_,
            "moraine: Table does not exist: db.t\n"
            "`moraine table list` shows those that there are\n");
  EXPECT_EQ(out_, "");
  server_.unreachable = true;
  EXPECT_EQ(Run({"table", "list", "--server", "http://10.0.0.1:1"}), kExitUnreachable);
  EXPECT_THAT(err_, HasSubstr("cannot reach http://10.0.0.1:1: is `moraine server` running?"));
  EXPECT_THAT(err_, HasSubstr("--server"));
}

/// A variable of the environment, as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST_F(RunTest, AFlagWinsOverTheEnvironment) {
  std::string folder = testing::TempDir();
  std::ofstream(folder + "/variable-token") << "from-variable\n";
  std::ofstream(folder + "/flag-token") << "from-flag\n";
  Variable server("MORAINE_SERVER", "http://variable:1");
  Variable token("MORAINE_TOKEN_FILE", folder + "/variable-token");
  server_.On("GET /api/v1/tables", R"({"tables":[]})");
  server_.On("GET /api/v1/processes", R"({"processes":[]})");
  server_.On("GET /api/v1/warehouses", R"({"warehouses":[]})");
  server_.On("GET /api/v1/optimizers", R"({"optimizers":[]})");
  const std::vector<std::vector<std::string>> commands = {
      {"table", "list"}, {"process", "list"}, {"catalog", "warehouses"}, {"optimizer", "list"}};
  const std::vector<std::string> flags = {"--server", "http://flag:1", "--token-file",
                                          folder + "/flag-token"};
  auto joined = [](std::vector<std::string> line, const std::vector<std::string>& more) {
    line.insert(line.end(), more.begin(), more.end());
    return line;
  };
  auto expect = [&](const std::vector<std::string>& line, const std::string& from) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(line, " ")));
    EXPECT_EQ(Run(line), kExitOk) << err_;
    EXPECT_EQ(server_.base_url, fmt::format("http://{}:1", from));
    EXPECT_EQ(server_.authorization, "Bearer from-" + from);
  };
  for (const auto& command : commands) {
    expect(command, "variable");
    expect(joined(command, flags), "flag");
  }
  // Of a group that has the flags itself, they hold for what is in it.
  expect(joined(joined({"optimizer"}, flags), {"list"}), "flag");
}

TEST_F(RunTest, UsageErrorsAskNoServer) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"table"},
      {"serverr"},
      {"table", "list", "--nope"},
      {"table", "list", "--limit", "0"},
      {"table", "list", "--limit", "x"},
      {"table", "show"},
      {"table", "show", "noname"},
      {"table", "show", "db.\"t"},
      {"table", "optimize", "db.t", "--type", "huge"},
      {"table", "optimize", "db.t", "--layout", ""},
      {"table", "optimize", "db.t", "--layout", " "},
      {"catalog", "tables"},
      {"catalog", "drop"},
      {"table", "undrop"},
      {"table", "purge"},
      {"catalog", "protect"},
      {"catalog", "unprotect"},
      {"table", "protect", "noname"},
      {"table", "rollback", "db.t"},
      {"table", "rollback", "db.t", "--snapshot", "1", "--to-version", "2"},
      {"table", "rollback", "db.t", "--time", "yesterday"},
      {"process", "cancel"},
      {"process", "cancel", ""},
      {"process", "show", ""},
      {"process", "show", "", "--watch"},
      {"table", "list", "--server", "ftp://x"},
      {"table", "list", "--token-file", "/nowhere/token"},
  };
  for (const auto& line : lines) {
    EXPECT_EQ(Run(line), kExitUsage) << fmt::format("{}", fmt::join(line, " "));
    EXPECT_THAT(err_, testing::StartsWith("moraine: "));
    EXPECT_EQ(out_, "");
  }
  EXPECT_THAT(server_.log, ElementsAre());
  Run({"serverr"});
  EXPECT_THAT(err_, HasSubstr("no such command: serverr (did you mean server?)"));
  Run({"table", "lst"});
  EXPECT_THAT(err_, HasSubstr("(did you mean list?)\nSee: moraine table --help"));
  EXPECT_EQ(Run({"table", "--help", "--server", "http://127.0.0.1:1"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("Usage: moraine table"));
  Run({"process"});
  EXPECT_THAT(err_, HasSubstr("expected a command: list, show, cancel"));
  Run({"table", "rollback", "db.t"});
  EXPECT_THAT(err_, HasSubstr("one of --snapshot ID, --time TIME and --to-version N"));
  Run({"catalog", "protect"});
  EXPECT_THAT(err_, HasSubstr("expected a namespace, or --warehouse NAME"));
}

TEST_F(RunTest, EveryCommandHasHelpWithExamples) {
  const std::vector<std::vector<std::string>> commands = {
      {},
      {"server"},
      {"optimizer"},
      {"optimizer", "start"},
      {"optimizer", "list"},
      {"table", "list"},
      {"table", "show"},
      {"table", "health"},
      {"table", "files"},
      {"table", "snapshots"},
      {"table", "optimize"},
      {"process", "list"},
      {"process", "show"},
      {"process", "cancel"},
      {"catalog", "warehouses"},
      {"catalog", "namespaces"},
      {"catalog", "tables"},
  };
  for (auto command : commands) {
    std::string name = "  moraine";
    for (const auto& part : command) {
      if (part != "start") name += " " + part;
    }
    command.push_back("--help");
    EXPECT_EQ(Run(command), kExitOk) << name;
    EXPECT_THAT(out_, HasSubstr("Examples:\n")) << name;
    EXPECT_THAT(out_, HasSubstr(name)) << name;
  }
  EXPECT_EQ(Run({"table", "list", "--help"}), kExitOk);
  std::string help = out_;
  EXPECT_EQ(Run({"help", "table", "list"}), kExitOk);
  EXPECT_EQ(out_, help);
  EXPECT_EQ(Run({"help"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("130 interrupted"));
  EXPECT_EQ(Run({"help", "table"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("`moraine table COMMAND --help` shows examples of each."));
  EXPECT_THAT(out_, Not(HasSubstr("Exit codes")));
  EXPECT_EQ(Run({"help", "tabel"}), kExitUsage);
  EXPECT_EQ(Run({"version"}), kExitOk);
  EXPECT_EQ(out_, "moraine " MORAINE_VERSION "\n");
  EXPECT_EQ(Run({"--version"}), kExitOk);
  EXPECT_EQ(out_, "moraine " MORAINE_VERSION "\n");
}

TEST_F(RunTest, ServerAndOptimizerAreProcessesOfTheirOwn) {
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"server", "--listen", "127.0.0.1:0", "--set", "a.b=c"},
        std::vector<std::string>{"optimizer", "--group", "g", "--threads", "2", "--memory", "1GiB"},
        std::vector<std::string>{"optimizer", "start", "--group", "g"}}) {
    auto invocation = ParseArguments(line);
    ASSERT_TRUE(invocation.ok()) << invocation.status().ToString();
    EXPECT_TRUE(invocation->local);
    EXPECT_FALSE(invocation->remote);
  }
  auto list = ParseArguments({"optimizer", "list"});
  ASSERT_TRUE(list.ok());
  EXPECT_TRUE(list->remote);
  EXPECT_FALSE(list->local);
  EXPECT_FALSE(ParseArguments({"server", "--set", "novalue"}).ok());
  EXPECT_FALSE(ParseArguments({"optimizer", "--threads", "0"}).ok());
  auto sample = ParseArguments({"server", "--print-config"});
  ASSERT_TRUE(sample.ok());
  EXPECT_TRUE(sample->local(console_).ok());
  EXPECT_THAT(out_, HasSubstr("listen: 127.0.0.1:1630"));
}

TEST_F(RunTest, SendsTheTokenAndSaysWhenOneIsMissing) {
  std::string file = testing::TempDir() + "/moraine_cli_token";
  std::ofstream(file) << "  secret \nmore\n";
  server_.On("GET /api/v1/warehouses", R"({"warehouses":[]})");
  EXPECT_EQ(Run({"catalog", "warehouses", "--token-file", file}), kExitOk);
  EXPECT_EQ(server_.authorization, "Bearer secret");
  server_.On("GET /api/v1/optimizers", "{}", 401);
  EXPECT_EQ(Run({"optimizer", "list"}), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("--token-file FILE"));
  EXPECT_EQ(Run({"optimizer", "list", "--token-file", file}), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("refused the bearer token"));
  EXPECT_THAT(err_ + out_, Not(HasSubstr("secret")));
  std::ofstream(file) << "";
  EXPECT_EQ(Run({"optimizer", "list", "--token-file", file}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("the first line of"));
}

TEST_F(RunTest, ListsTables) {
  server_.On("GET /api/v1/tables", fmt::format(R"({{"tables":[
    {{"id":1,"warehouse":"default","namespace":["db"],"name":"t","status":"pending","reason":"many small files",
      "score":61,"refreshed-ms":{},"health":{{"data-files":1215,"small-files":212,"data-bytes":157286400,
      "position-delete-files":2,"equality-delete-files":1}}}},
    {{"id":2,"warehouse":"default","namespace":["a","b"],"name":"x.y","status":"idle","reason":"\u001b[31mnot looked at yet",
      "score":100,"refreshed-ms":0,"health":{{}}}}],"next-page-token":"abc"}})",
                                               kNow - 5'000));
  EXPECT_EQ(Run({"table", "list", "--limit", "2"}), kExitOk);
  EXPECT_EQ(
      out_,
      "WAREHOUSE  TABLE      STATUS   SCORE  FILES  SMALL  DELETES       SIZE  LOOKED AT  REASON\n"
      "default    db.t       pending     61  1,215    212        3  150.0 MiB        5 s  many "
      "small files\n"
      "default    a.b.\"x.y\"  idle         -      -      -        -          -          -  "
      "\xEF\xBF\xBD[31mnot looked at yet\n"
      "The first 2; there are more without --limit\n");
  EXPECT_THAT(server_.log, ElementsAre("GET /api/v1/tables?limit=2"));
}

TEST_F(RunTest, ListsTablesPageByPage) {
  auto page = [](int first, int tables, const std::string& token) {
    std::string text;
    for (int i = first; i < first + tables; ++i) {
      text += fmt::format(
          R"({}{{"id":{},"warehouse":"w","namespace":["db"],"name":"t{}","status":"idle"}})",
          text.empty() ? "" : ",", i, i);
    }
    return fmt::format(R"({{"tables":[{}]{}}})", text,
                       token.empty() ? "" : fmt::format(R"(,"next-page-token":"{}")", token));
  };
  auto serve = [&] {
    server_.log.clear();
    server_.On("GET /api/v1/tables", page(1, 2, "p2"));
    server_.On("GET /api/v1/tables", page(3, 2, "p3"));
    server_.On("GET /api/v1/tables", page(1234567, 1, ""));
  };
  const auto all =
      ElementsAre("GET /api/v1/tables?limit=1000", "GET /api/v1/tables?limit=1000&page-token=p2",
                  "GET /api/v1/tables?limit=1000&page-token=p3");
  serve();
  EXPECT_EQ(Run({"table", "list"}), kExitOk);
  EXPECT_THAT(server_.log, all);
  std::vector<std::string> names;
  size_t headings = 0;
  for (auto line : Split(out_, '\n')) {
    if (line.starts_with("WAREHOUSE")) ++headings;
    size_t at = line.find("db.");
    if (at != line.npos) names.emplace_back(line.substr(at, line.find(' ', at) - at));
  }
  EXPECT_EQ(headings, 1u);
  EXPECT_THAT(names, ElementsAre("db.t1", "db.t2", "db.t3", "db.t4", "db.t1234567"));

  FakeServer fresh;
  std::swap(server_, fresh);
  serve();
  EXPECT_EQ(Run({"table", "list", "--json"}), kExitOk);
  EXPECT_THAT(server_.log, all);
  auto json = Json::Parse(out_);
  ASSERT_TRUE(json.ok()) << out_;
  EXPECT_EQ(json->Find("tables")->as_array().size(), 5u);
  EXPECT_EQ(json->Find("next-page-token"), nullptr);

  std::swap(server_, fresh = FakeServer());
  serve();
  EXPECT_EQ(Run({"table", "list", "--limit", "4"}), kExitOk);
  EXPECT_THAT(server_.log, ElementsAre("GET /api/v1/tables?limit=4",
                                       "GET /api/v1/tables?limit=2&page-token=p2"));
  EXPECT_THAT(out_, HasSubstr("The first 4; there are more without --limit\n"));
}

TEST_F(RunTest, JsonIsTheServersAnswer) {
  const std::string text = R"({"tables":[],"new-field":1})";
  server_.On("GET /api/v1/tables", text);
  EXPECT_EQ(Run({"table", "list", "--json"}), kExitOk);
  EXPECT_EQ(out_, text + "\n");
}

TEST_F(RunTest, ATableThatNeverRanSaysSo) {
  const std::string times =
      fmt::format(R"("last-minor-ms":{0},"last-major-ms":{0},"last-full-ms":{0})", kNow - 5'000);
  server_.On(std::string("GET ") + kTable, R"({"planned-ms":9,"written-bytes":0,)" + times + "}");
  server_.On(std::string("GET ") + kTable, R"({"planned-ms":9,"written-bytes":1,)" + times + "}");
  EXPECT_EQ(Run({"table", "health", "db.t"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("last minor        never\n"));
  EXPECT_EQ(Run({"table", "health", "db.t"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("5 s ago\n"));
}

TEST_F(RunTest, NamesGoEncodedIntoThePath) {
  Run({"table", "show", "a.b.\"x y/z\"", "--warehouse", "w 1"});
  EXPECT_THAT(server_.log,
              ElementsAre("GET /api/v1/warehouses/w%201/namespaces/a%1Fb/tables/x%20y%2Fz"));
  server_.log.clear();
  Run({"catalog", "tables", "a.b"});
  Run({"catalog", "namespaces", "a.b", "--warehouse", "w2"});
  EXPECT_THAT(server_.log, ElementsAre("GET /iceberg/v1/namespaces/a%1Fb/tables",
                                       "GET /iceberg/v1/w2/namespaces?parent=a%1Fb"));
}

TEST_F(RunTest, AnswersOfStrangersAreNoTrouble) {
  server_.On("GET /api/v1/tables", "<html>hello</html>");
  EXPECT_EQ(Run({"table", "list"}), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("is it a Moraine server?"));
  for (const char* body : {"[]", "null", "{}", R"({"tables":[1,{}]})", R"({"tables":{"a":1}})"}) {
    FakeServer fresh;
    fresh.On("GET /api/v1/tables", body);
    World world{env_, {}, fresh, console_};
    EXPECT_EQ(RunRemote(world, {"table", "list"}), kExitOk) << body;
  }
  for (const char* command : {"show", "health", "files", "snapshots", "statistics"}) {
    for (const char* body :
         {"[]", "{}", R"({"health":[],"schema":3,"files":[0],"snapshots":[null]})",
          R"({"column-statistics":[1,{"columns":[2,{}]}],"partition-statistics":[null,{}]})"}) {
      FakeServer fresh;
      for (const char* rest : {"", "/files", "/snapshots", "/statistics"})
        fresh.On(std::string("GET ") + kTable + rest, body);
      World world{env_, {}, fresh, console_};
      EXPECT_EQ(RunRemote(world, {"table", command, "db.t"}), kExitOk) << command << " " << body;
    }
  }
}

TEST_F(RunTest, ShowsStatistics) {
  server_.On(
      std::string("GET ") + kTable + "/statistics",
      fmt::format(
          R"({{"column-statistics":[{{"snapshot-id":7,"timestamp-ms":{0},"current":false,"file":"f","bytes":1,
                "columns":[{{"column":"a","distinct-values":1234}},{{"column":"b"}}]}}],
                "partition-statistics":[{{"snapshot-id":8,"timestamp-ms":{0},"current":true,"file":"p","bytes":1048576}}]}})",
          kNow - 5'000));
  server_.On(std::string("GET ") + kTable + "/statistics",
             R"({"column-statistics":[],"partition-statistics":[]})");
  EXPECT_EQ(Run({"table", "statistics", "db.t"}), kExitOk);
  for (const char* part : {"Columns\n", "1,234", "Partitions\n", "8 (current)", "1.0 MiB"})
    EXPECT_THAT(out_, HasSubstr(part));
  EXPECT_EQ(Run({"table", "statistics", "db.t"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("No counts of distinct values."));
  EXPECT_THAT(out_, HasSubstr("No partition statistics."));
}

TEST_F(RunTest, WatchesAProcessToItsEnd) {
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "running", 0));
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "running", 5'242'880));
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "committing"));
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "succeeded"));
  EXPECT_EQ(Run({"process", "show", "p1", "--watch"}), kExitOk);
  EXPECT_EQ(out_,
            "major p1 of default.db.t: many small files\n"
            "[############------------]  50%  1/2 tasks  10.0 MiB / 20.0 MiB  running\n"
            "[##################------]  75%  1/2 tasks  15.0 MiB / 20.0 MiB  running\n"
            "[########################] 100%  2/2 tasks  20.0 MiB / 20.0 MiB  committing\n"
            "succeeded in 4.0 s: 20 files, 20.0 MiB -> 1 file, 10.0 MiB\n");
  EXPECT_EQ(clock_.waits, 3);
}

TEST_F(RunTest, RedrawsInPlaceOnATerminal) {
  console_.terminal = true;
  console_.columns = 40;
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "running"));
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "failed", 0, "disk full"));
  EXPECT_EQ(Run({"process", "show", "p1", "--watch"}), kExitFailed);
  EXPECT_EQ(out_,
            "major p1 of default.db.t: many small files\n"
            "\r\x1b[K[############------------]  50%  1/2 t…\n");
  EXPECT_EQ(err_, "moraine: failed: disk full\n");
}

TEST_F(RunTest, OptimizeWatchFollowsTheProcessThatItMade) {
  server_.On(std::string("GET ") + kTable,
             R"({"id":7,"status":"idle","refreshed-ms":5,"reason":"fine"})");
  server_.On(std::string("GET ") + kTable,
             R"({"id":7,"status":"pending","refreshed-ms":0,"reason":"asked for"})");
  server_.On("GET /api/v1/processes",
             fmt::format(R"({{"processes":[{}]}})", ProcessText("old", "succeeded")));
  server_.On("GET /api/v1/processes",
             fmt::format(R"({{"processes":[{}]}})", ProcessText("old", "succeeded")));
  server_.On("GET /api/v1/processes",
             fmt::format(R"({{"processes":[{}]}})", ProcessText("new", "running")));
  server_.On("GET /api/v1/processes/new", ProcessText("new", "succeeded"));
  server_.On(std::string("POST ") + kTable + "/optimize", "", 204);
  EXPECT_EQ(Run({"table", "optimize", "db.t", "--type", "full", "--watch"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("waiting (pending): asked for\nmajor new of default.db.t"));
  EXPECT_THAT(out_, HasSubstr("succeeded in 4.0 s"));
  EXPECT_THAT(out_, Not(HasSubstr("old")));
}

TEST_F(RunTest, OptimizeWatchFollowsARunThatIsGoingAlready) {
  server_.On(std::string("GET ") + kTable,
             R"({"id":7,"status":"optimizing","refreshed-ms":5,"reason":"major"})");
  for (const char* state : {"running", "running", "succeeded"}) {
    server_.On("GET /api/v1/processes",
               fmt::format(R"({{"processes":[{}]}})", ProcessText("old", state)));
  }
  server_.On("GET /api/v1/processes",
             fmt::format(R"({{"processes":[{}]}})", ProcessText("new", "running")));
  server_.On("GET /api/v1/processes/old", ProcessText("old", "running", 5'242'880));
  server_.On("GET /api/v1/processes/new", ProcessText("new", "succeeded"));
  server_.On(std::string("POST ") + kTable + "/optimize", "", 204);
  EXPECT_EQ(Run({"table", "optimize", "db.t", "--watch"}), kExitOk);
  EXPECT_THAT(out_, testing::StartsWith("a run is going: [##################------]  75%"));
  EXPECT_THAT(out_, HasSubstr("succeeded in 4.0 s"));
}

TEST_F(RunTest, AWatchOutlivesARestartOfTheServerButNotItsEnd) {
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "running"));
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "succeeded"));
  int sent = 0;
  server_.on_send = [&] {
    ++sent;
    server_.unreachable = sent >= 2 && sent < 20;
  };
  EXPECT_EQ(Run({"process", "show", "p1", "--watch"}), kExitOk) << err_;
  EXPECT_EQ(sent, 20);
  server_.on_send = [&] { server_.unreachable = true; };
  EXPECT_EQ(Run({"process", "show", "p1", "--watch"}), kExitUnreachable);
}

TEST_F(RunTest, OptimizeWatchEndsWhenThereIsNothingToDo) {
  server_.On(std::string("GET ") + kTable,
             R"({"id":7,"status":"pending","refreshed-ms":0,"reason":"asked for"})");
  server_.On(std::string("GET ") + kTable,
             R"({"id":7,"status":"pending","refreshed-ms":0,"reason":"asked for"})");
  server_.On(std::string("GET ") + kTable,
             R"({"id":7,"status":"idle","refreshed-ms":9,"reason":"one file a partition"})");
  server_.On("GET /api/v1/processes", R"({"processes":[]})");
  server_.On(std::string("POST ") + kTable + "/optimize", "", 204);
  EXPECT_EQ(Run({"table", "optimize", "db.t", "--watch"}), kExitOk);
  EXPECT_EQ(out_, "waiting (pending): asked for\nnothing to do: one file a partition\n");
  EXPECT_EQ(server_.log[2], std::string("POST ") + kTable + "/optimize");
}

TEST_F(RunTest, AStopEndsTheWatchButNotTheProcess) {
  server_.On("GET /api/v1/processes/p1", ProcessText("p1", "running"));
  server_.on_send = [this] { stop_.request_stop(); };
  EXPECT_EQ(Run({"process", "show", "p1", "--watch"}), kExitInterrupted);
  EXPECT_THAT(err_, HasSubstr("the process goes on: moraine process show p1"));
  EXPECT_EQ(server_.log.size(), 1u);
}

TEST(Progress, NeverLeavesItsBounds) {
  for (
      const char* text :
      {"{}", R"({"tasks":0,"input-bytes":0})",
       R"({"tasks":1,"input-bytes":10,"task-list":[{"state":"acknowledged","input-bytes":99,"bytes-read":99}]})",
       R"({"tasks":-3,"input-bytes":-5,"task-list":[{"input-bytes":-1,"bytes-read":7}]})"}) {
    std::string line = ProgressLine(Json::Parse(text).value());
    EXPECT_EQ(line.find(']'), 25u) << line;
  }
  EXPECT_TRUE(HasEnded(Json::Parse(R"({"state":"cancelled"})").value()));
  EXPECT_FALSE(HasEnded(Json::Parse(R"({"state":"committing"})").value()));
}

TEST_F(RunTest, LifecycleAsksForWhatWasTyped) {
  const std::string ns = "/api/v1/warehouses/default/namespaces/db";
  struct Case {
    std::vector<std::string> line;
    std::string asked;
    std::string body;
    std::string answer;
    std::string shown;
  };
  const std::string restored =
      R"({"id":7,"restored":[{"kind":"table","warehouse":"default","namespace":["a.b"],"name":"t"}],)"
      R"("left":[{"kind":"view","warehouse":"default","namespace":["db"],"name":"v"}]})";
  const std::string rolled =
      R"({"branch":"main","from-snapshot-id":2,"to-snapshot-id":-1,"changes":"remove-snapshot-ref","version":4})";
  const Case cases[] = {
      {{"table", "undrop", "db.t"},
       std::string("POST ") + kTable + "/undrop",
       R"({"dry-run":false})",
       restored,
       "brought back table \"a.b\".t\nleft out, its place is taken: view db.v\n"},
      {{"table", "undrop", "--id", "7", "--view", "--to", "a.\"b.c\".d", "--dry-run"},
       "POST /api/v1/dropped/views/7/undrop",
       R"({"to":{"namespace":["a","b.c"],"name":"d"},"dry-run":true})",
       restored,
       "would bring back table \"a.b\".t\n"},
      {{"catalog", "undrop", "db"}, "POST " + ns + "/undrop", R"({"dry-run":false})", restored, ""},
      {{"catalog", "drop", "db", "--recursive"},
       "POST " + ns + "/drop",
       R"({"recursive":true,"dry-run":false})",
       R"({"dropped":[{"kind":"namespace","warehouse":"default","namespace":["db"]}]})",
       "dropped namespace db\nBring it back: moraine catalog undrop db\n"},
      {{"table", "protect", "db.t", "--reason", "why"},
       std::string("POST ") + kTable + "/protection",
       R"({"protected":true,"reason":"why"})",
       R"({"protected":true})",
       "db.t is protected"},
      {{"table", "unprotect", "db.v", "--view"},
       "POST " + ns + "/views/v/protection",
       R"({"protected":false})",
       R"({"protected":false})",
       "db.v is not protected\n"},
      {{"catalog", "protect", "--warehouse", "default"},
       "POST /api/v1/warehouses/default/protection",
       R"({"protected":true})",
       R"({"protected":true})",
       "The warehouse default is protected: nothing in it can be dropped, and no hold ends\n"},
      {{"table", "rollback", "db.t", "--time", "2026-01-01 00:00", "--branch", "b"},
       std::string("POST ") + kTable + "/rollback",
       fmt::format(R"({{"timestamp-ms":{},"branch":"b","force":false,"dry-run":false}})", kNow),
       rolled,
       "rolled back db.t, branch main: from snapshot 2 to no snapshot (remove-snapshot-ref)\n"},
      {{"table", "rollback", "db.t", "--to-version", "3", "--dry-run"},
       std::string("POST ") + kTable + "/rollback",
       R"({"version":3,"force":false,"dry-run":true})",
       R"({"to-snapshot-id":5,"changes":""})",
       "db.t is there already: snapshot 5\n"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(c.line, " ")));
    server_ = FakeServer();
    server_.On(c.asked, c.answer);
    EXPECT_EQ(Run(c.line), kExitOk) << err_;
    EXPECT_THAT(server_.log, ElementsAre(c.asked));
    EXPECT_EQ(server_.body, c.body);
    EXPECT_THAT(out_, HasSubstr(c.shown));
  }
}

TEST_F(RunTest, PurgeSaysWhatBecomesOfTheFiles) {
  const auto dropped = [](std::string_view more) {
    return fmt::format(R"({{"dropped":[{{"id":7,"kind":"table","warehouse":"default",)"
                       R"("namespace":["db"],"name":"t"{}}}]}})",
                       more);
  };
  const char* const kPurge = "POST /api/v1/dropped/tables/7/purge";
  server_.On(kPurge, "");
  server_.On("GET /api/v1/dropped", dropped(R"(,"purge-requested":true)"));
  EXPECT_EQ(Run({"table", "purge", "--id", "7", "--dry-run"}), kExitOk) << err_;
  EXPECT_THAT(server_.log, ElementsAre("GET /api/v1/dropped?limit=1000"));
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("would end the hold of table db.t\n"),
                                   HasSubstr("maintenance then deletes its files")));
  server_ = FakeServer();
  server_.On(kPurge, "");
  server_.On("GET /api/v1/dropped", dropped(R"(,"purge-requested":false)"));
  EXPECT_EQ(Run({"table", "purge", "--id", "7"}), kExitOk) << err_;
  EXPECT_EQ(server_.log.back(), kPurge);
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("db.t can't be brought back any more.\n"),
                                   HasSubstr("its files stay where they are")));
  EXPECT_EQ(Run({"table", "purge", "--id", "8"}), kExitNotFound);
}

TEST_F(RunTest, ShowsWhatWasDroppedAndTheHistory) {
  server_.On("GET /api/v1/dropped",
             fmt::format(R"({{"dropped":[{{"id":7,"kind":"table","warehouse":"default",)"
                         R"("namespace":["db"],"name":"t","dropped-ms":{},"dropped-by":"alice",)"
                         R"("purge-after-ms":{}}},{{"id":8,"kind":"namespace","warehouse":"w",)"
                         R"("namespace":["a","b"],"dropped-ms":{},"dropped-by":"",)"
                         R"("purge-after-ms":{},"place-taken":"x"}}],"next-page-token":"00"}})",
                         kNow - 60'000, kNow + 7'200'000, kNow, kNow));
  EXPECT_EQ(Run({"catalog", "dropped", "--limit", "2"}), kExitOk) << err_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("db.t"), HasSubstr("alice"), HasSubstr("for 2 h"),
                                   HasSubstr("a.b"), HasSubstr("its place is taken"),
                                   HasSubstr("The last 2; more with --limit")));
  server_.On(std::string("GET ") + kTable + "/history",
             fmt::format(R"({{"history":[{{"version":2,"kind":"commit","changed-ms":{},)"
                         R"("changed-by":"","snapshot-id":5,"operation":"append",)"
                         R"("summary":{{"added-records":"1200","added-data-files":"2"}}}}]}})",
                         kNow));
  EXPECT_EQ(Run({"table", "history", "db.t"}), kExitOk) << err_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("2026-01-01 00:00:00"), HasSubstr("append"),
                                   HasSubstr("+2 files, +1,200 records")));
}

TEST(ParseTimeOrAge, ReadsTimesAndAges) {
  struct Case {
    const char* text;
    int64_t time_ms;  // -1: refused
  };
  const Case cases[] = {{"2026-01-01T00:00:00Z", kNow},
                        {"2026-01-01T00:00:01.250Z", kNow + 1'250},
                        {"2026-01-01 00:02", kNow + 120'000},
                        {"2026-01-02T01:00:00", kNow + 25 * 3'600'000},
                        {"2h", kNow - 7'200'000},
                        {"0s", kNow},
                        {"1767225600000", kNow},
                        {"", -1},
                        {"yesterday", -1},
                        {"2026-13-01T00:00Z", -1},
                        {"2026-02-30T00:00Z", -1},
                        {"2026-01-01T24:00Z", -1},
                        {"2026-01-01T00:00:61Z", -1},
                        {"2026-01-01T00:00+01:00", -1},
                        {"2026-01-01", -1},
                        {"-2h", -1}};
  for (const auto& c : cases)
    EXPECT_EQ(ParseTimeOrAge(c.text, kNow).ok(), c.time_ms >= 0) << c.text;
  for (const auto& c : cases) {
    if (c.time_ms >= 0) {
      EXPECT_EQ(ParseTimeOrAge(c.text, kNow).value(), c.time_ms) << c.text;
    }
  }
}

}  // namespace
}  // namespace moraine::cli
