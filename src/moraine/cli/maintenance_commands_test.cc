#include "moraine/cli/maintenance_commands.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/cli/testing/remote_fixture.h"

namespace moraine::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTable[] = "/api/v1/warehouses/default/namespaces/db/tables/t";
constexpr char kRun[] = "/api/v1/maintenance/runs/r1";

class MaintenanceCommandsTest : public RemoteFixture {
 protected:
  static std::string RunText(const std::string& state, const std::string& reason) {
    return fmt::format(
        R"({{"id":"r1","run":{{"id":"r1","action":"expire-snapshots","table":"default.db.t",)"
        R"("state":"{}","reason":"{}","error":"{}","tasks":2,"created-ms":1767225600000,)"
        R"("finished-ms":1767225604000,"files-removed":340,"bytes-removed":1048576}}}})",
        state, reason, reason);
  }
};

TEST_F(MaintenanceCommandsTest, MaintainAsksAndWaits) {
  const std::string run =
      std::string("POST ") + kTable + "/maintenance/actions/expire-snapshots/run";
  server_.On(run, R"({"run-id":"r1"})");
  EXPECT_EQ(Run({"table", "maintain", "db.t", "--action", "expire-snapshots", "--dry-run"}), 0);
  EXPECT_EQ(server_.body, R"({"dry-run":true})");
  EXPECT_THAT(out_, HasSubstr("Asked for a dry run of expire-snapshots of db.t: run r1"));

  const std::string get = std::string("GET ") + kRun;
  server_.On(get, R"({"id":"r1","waits":"blocked by load (all) until later"})");
  EXPECT_EQ(Run({"table", "maintain", "db.t", "--action", "expire-snapshots"}), 0);
  EXPECT_THAT(out_, HasSubstr("It waits: blocked by load (all) until later"));
  server_.On(get, R"({"id":"r1","waits":""})");
  const auto running = [](const std::string& progress) {
    std::string text = RunText("running", "lists files");
    return text.insert(text.size() - 1, R"(,"progress":)" + progress);
  };
  server_.On(get, running(R"({"tasks-running":1,"files":1234,"bytes-read":3145728})"));
  server_.On(get, running(R"({"tasks-waiting":1,"tasks-running":1,"tasks-ended":2,"files":3000,)"
                          R"("files-expected":12000})"));
  server_.On(get, RunText("succeeded", "12 snapshots expired"));
  const std::vector<std::string> wait = {"table",    "maintain",         "db.t",
                                         "--action", "expire-snapshots", "--wait"};
  EXPECT_EQ(Run(wait), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("waits"));
  EXPECT_THAT(out_, HasSubstr("running  0 of 1 task  1,234 files  3.0 MiB read"));
  EXPECT_THAT(out_, HasSubstr("  25%  2 of 4 tasks  3,000 of 12,000 files"));
  EXPECT_THAT(out_, HasSubstr("lists files"));
  EXPECT_THAT(out_, HasSubstr("succeeded in 4.0 s: 12 snapshots expired (removed 340 files, "));
  server_.On("GET /api/v1/maintenance/runs/r2", RunText("failed", "the store is gone"));
  EXPECT_EQ(Run({"maintenance", "show", "r2", "--wait"}), 1);
  EXPECT_THAT(err_, HasSubstr("failed in 4.0 s: the store is gone"));
}

TEST_F(MaintenanceCommandsTest, ShowsATable) {
  server_.On(
      std::string("GET ") + kTable + "/maintenance",
      R"({"now-ms":1767225600000,"actions":[{"action":"expire-snapshots","enabled":true,)"
      R"("schedule":"every 2h","schedule-origin":"namespace","window":"","due-ms":1767229200000,)"
      R"("last-run-ms":1767222000000,"last-state":"succeeded","last-reason":"4 expired"},)"
      R"({"action":"expire-data","enabled":false,"disabled-reason":"data-expire.enabled is false",)"
      R"("schedule":"every 1d","schedule-origin":"default"}],)"
      R"("properties":[{"name":"snapshot.keep.duration","value":"1h","origin":"namespace",)"
      R"("where":"db"}],"problems":["maintenance.window can't be read"],)"
      R"("holds":[{"name":"flink","snapshot-id":7,"and-later":true,"warning":"'flink' is old"}],)"
      R"("blockers":[{"id":"b1","owner":"load","operations":["all"],"exclusive":false}]})");
  EXPECT_EQ(Run({"table", "maintenance", "db.t"}), 0) << err_;
  for (const char* text : {"every 2h (namespace)", "in 1 h", "succeeded", "4 expired", "off",
                           "data-expire.enabled is false", "Problem: maintenance.window",
                           "Warning: 'flink' is old", "7 on", "load"}) {
    EXPECT_THAT(out_, HasSubstr(text));
  }
  EXPECT_THAT(out_, Not(HasSubstr("every 1d (default)")));
  EXPECT_EQ(Run({"table", "maintenance", "db.t", "--settings"}), 0);
  EXPECT_THAT(out_, HasSubstr("namespace db"));
}

TEST_F(MaintenanceCommandsTest, HoldsAndBlockers) {
  server_.On(std::string("PUT ") + kTable + "/holds/flink",
             R"({"snapshot-id":7,"and-later":true,"expires-ms":1767229200000})");
  EXPECT_EQ(Run({"table", "hold", "db.t", "flink", "--snapshot", "7", "--for", "2d"}), 0) << err_;
  EXPECT_EQ(server_.body, R"({"snapshot-id":7,"length-ms":172800000})");
  EXPECT_THAT(out_, HasSubstr("flink holds snapshot 7 and all after it of db.t"));
  EXPECT_EQ(Run({"table", "hold", "db.t", "flink", "--for", "soon"}), 2);
  EXPECT_EQ(Run({"table", "release", "db.t", "other"}), 3);
  server_.On(std::string("POST ") + kTable + "/blockers",
             R"({"id":"b1","operations":["all"],"expires-ms":1767229200000})");
  EXPECT_EQ(Run({"table", "block", "db.t", "--owner", "load"}), 0) << err_;
  EXPECT_EQ(server_.body, R"({"owner":"load","operations":["all"]})");
  EXPECT_EQ(Run({"table", "block", "db.t", "--owner", "x", "--operations", "optimize,write"}), 0);
  EXPECT_EQ(server_.body, R"({"owner":"x","operations":["optimize","write"]})");
  server_.On(std::string("DELETE ") + kTable + "/blockers/b1", "");
  EXPECT_EQ(Run({"table", "unblock", "db.t", "b1"}), 0) << err_;
}

TEST_F(MaintenanceCommandsTest, PausesAndLists) {
  server_.On(std::string("POST ") + kTable + "/maintenance/pause", "");
  EXPECT_EQ(Run({"maintenance", "pause", "db.t", "--action", "expire-data"}), 0) << err_;
  EXPECT_EQ(server_.body, R"({"action":"expire-data"})");
  server_.On("GET /api/v1/maintenance/runs",
             R"({"runs":[{"id":"r1","table":"default.db.t","action":"expire-data",)"
             R"("state":"running"},{"id":"r0","table":"default.db.u","action":"expire-data",)"
             R"("state":"failed","error":"why not"}]})");
  server_.On("GET /api/v1/maintenance/schedules",
             R"({"schedules":[{"asked-run-id":"r2","table":"default.db.v",)"
             R"("action":"expire-data","reason":"blocked by etl"}]})");
  EXPECT_EQ(Run({"maintenance", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("default.db.t"));
  EXPECT_THAT(out_, ContainsRegex("r2 +default.db.v +expire-data +waiting .* blocked by etl"));
  EXPECT_THAT(out_, Not(HasSubstr("default.db.u")));
  EXPECT_EQ(Run({"maintenance", "runs"}), 0);
  EXPECT_THAT(out_, HasSubstr("why not"));
}

TEST_F(MaintenanceCommandsTest, SchedulesOfAllPagesAreOneAnswer) {
  const std::string get = "GET /api/v1/maintenance/schedules";
  const auto serve = [&] {
    server_.On(get, R"({"now-ms":5,"schedules":[{"table":"a"}],"next-page-token":"x"})");
    server_.On(get, R"({"now-ms":6,"schedules":[{"table":"b"}]})");
  };
  serve();
  EXPECT_EQ(Run({"maintenance", "schedules", "--json"}), 0) << err_;
  EXPECT_EQ(out_, "{\"now-ms\":6,\"schedules\":[{\"table\":\"a\"},{\"table\":\"b\"}]}\n");
  FakeServer fresh;
  std::swap(server_, fresh);
  serve();
  EXPECT_EQ(Run({"maintenance", "schedules", "--json", "--limit", "1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("\"next-page-token\":\"x\""));
  EXPECT_THAT(out_, Not(HasSubstr("\"b\"")));
}

TEST_F(MaintenanceCommandsTest, ShowsARunAndWhatBecameOfItsDecisions) {
  server_.On(std::string("GET ") + kRun, R"({"id":"r1","waits":""})");
  EXPECT_EQ(Run({"maintenance", "show", "r1"}), 0) << err_;
  EXPECT_EQ(out_, "It has not begun: it waits for its turn\n");
  FakeServer fresh;
  std::swap(server_, fresh);
  server_.On(
      std::string("GET ") + kRun,
      R"({"id":"r1","run":{"id":"r1","state":"succeeded"},"details":{},"deletions":[)"
      R"({"proof":"orphan","files":3,"state":"done","files-removed":3,"list-location":"l1"},)"
      R"({"proof":"orphan","files":9,"state":"done","files-removed":4,"files-failed":5,)"
      R"("problem":"x: denied","list-location":"l2"},)"
      R"({"proof":"orphan","files":2,"state":"done","files-kept":2,"list-location":"l3"},)"
      R"({"proof":"orphan","files":8,"state":"done","given-again":true,"list-location":"l4"},)"
      R"({"proof":"orphan","files":7,"state":"failed","problem":"lost","list-location":"l5"}]})");
  EXPECT_EQ(Run({"maintenance", "show", "r1"}), 0) << err_;
  for (const char* row :
       {"3 +[0-9. A-Za-z]+ +done +3 +l1", "9 +[0-9. A-Za-z]+ +5 failed +4 +x: denied +l2",
        "2 +[0-9. A-Za-z]+ +done +0 +2 files are needed again +l3",
        "8 +[0-9. A-Za-z]+ +given again +0 +l4", "7 +[0-9. A-Za-z]+ +failed +0 +lost +l5"}) {
    EXPECT_THAT(out_, ContainsRegex(row));
  }
}

}  // namespace
}  // namespace moraine::cli
