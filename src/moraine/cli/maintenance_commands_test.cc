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
  server_.On(get, R"({"id":"r1","waits":"waits for its turn"})");
  server_.On(get, RunText("running", "lists files"));
  server_.On(get, RunText("succeeded", "12 snapshots expired"));
  const std::vector<std::string> wait = {"table",    "maintain",         "db.t",
                                         "--action", "expire-snapshots", "--wait"};
  EXPECT_EQ(Run(wait), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("waits"));
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

}  // namespace
}  // namespace moraine::cli
