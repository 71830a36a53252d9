#include "moraine/cli/advise_commands.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/cli/testing/remote_fixture.h"

namespace moraine::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTables[] = "GET /api/v1/tables";

std::string AdvicePath(const std::string& table) {
  return "GET /api/v1/warehouses/default/namespaces/db/tables/" + table + "/advice";
}

std::string AdviceText(const std::string& subject, int score) {
  return fmt::format(
      R"j({{"kind":"layout","subject":"{}","why":"of 412 scans, 388 filtered on it","gain":"less",)j"
      R"j("score":{},"commands":["moraine table optimize db.t --layout 'sort(a)'"]}})j",
      subject, score);
}

std::string Answer(const std::string& advice, const std::string& notes = "") {
  return fmt::format(R"({{"advice":[{}],"notes":[{}],"scans":{{"scans":412}},)"
                     R"("files":{{"data-files":320,"data-bytes":1048576}}}})",
                     advice, notes);
}

using AdviseCommandsTest = RemoteFixture;

TEST_F(AdviseCommandsTest, SaysWhyAndHow) {
  server_.Only(AdvicePath("t"), Answer(AdviceText("a", 91), R"("a note")"));
  EXPECT_EQ(Run({"table", "advise", "db.t", "--days", "30"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("db.t: 320 files in 1.0 MiB, 412 scans in 30 days"));
  EXPECT_THAT(out_, HasSubstr("1. layout: a  (score 91)"));
  EXPECT_THAT(out_, HasSubstr("388 filtered on it"));
  EXPECT_THAT(out_, HasSubstr("\n      moraine table optimize db.t --layout 'sort(a)'\n"));
  EXPECT_THAT(out_, HasSubstr("   a note\n"));
  EXPECT_EQ(Run({"table", "advise", "db.t", "--json"}), 0);
  EXPECT_THAT(out_, HasSubstr(R"("notes":["a note"])"));
  EXPECT_EQ(Run({"table", "advise", "db.x"}), 3);
  EXPECT_EQ(Run({"table", "advise", "db.t", "--days", "0"}), 2);
}

TEST_F(AdviseCommandsTest, RanksTheAdviceForManyTables) {
  const auto table = [](const char* ns, const char* name, const char* warehouse) {
    return fmt::format(R"({{"warehouse":"{}","namespace":["{}"],"name":"{}"}})", warehouse, ns,
                       name);
  };
  server_.Only(kTables,
               fmt::format(R"({{"tables":[{},{},{},{},{}]}})", table("db", "low", "default"),
                           table("db", "high", "default"), table("db", "gone", "default"),
                           table("x", "t", "default"), table("db", "low", "another")));
  server_.Only(AdvicePath("low"), Answer(AdviceText("b", 12)));
  server_.Only(AdvicePath("high"), Answer(AdviceText("c", 80) + "," + AdviceText("d", 5)));
  EXPECT_EQ(Run({"table", "advise", "--namespace", "db", "--limit", "2"}), 0) << err_;
  EXPECT_LT(out_.find("db.high"), out_.find("db.low")) << out_;
  EXPECT_THAT(out_, Not(HasSubstr(" d ")));
  EXPECT_THAT(err_, HasSubstr("db.gone: no route"));
  EXPECT_THAT(err_, Not(HasSubstr("x.t")));
  server_.Only(AdvicePath("low"), Answer(""));
  server_.Only(AdvicePath("high"), Answer(""));
  EXPECT_EQ(Run({"table", "advise", "--namespace", "db"}), 0);
  EXPECT_THAT(out_, HasSubstr("Nothing to advise for 2 tables."));
}

TEST_F(AdviseCommandsTest, SetsAndRemovesProperties) {
  server_.Only("POST /iceberg/v1/default/namespaces/db/tables/t", "{}");
  EXPECT_EQ(Run({"table", "set", "db.t", "a=1", "b=x=y", "format-version=3", "--remove", "c"}), 0)
      << err_;
  EXPECT_EQ(server_.body, R"({"requirements":[],"updates":[)"
                          R"({"action":"upgrade-format-version","format-version":3},)"
                          R"({"action":"set-properties","updates":{"a":"1","b":"x=y"}},)"
                          R"({"action":"remove-properties","removals":["c"]}]})");
  EXPECT_THAT(out_, HasSubstr("set b=x=y\n"));
  EXPECT_THAT(out_, HasSubstr("removed c\n"));
  EXPECT_EQ(Run({"table", "set", "db.t"}), 2);
  EXPECT_EQ(Run({"table", "set", "db.t", "nothing"}), 2);
  EXPECT_EQ(Run({"table", "set", "db.t", "format-version=x"}), 2);
}

}  // namespace
}  // namespace moraine::cli
