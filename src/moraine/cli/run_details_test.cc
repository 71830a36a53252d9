#include "moraine/cli/run_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'767'225'600'000;

struct Shown {
  std::string facts;
  std::string tables;
};

Shown Show(std::string_view details) {
  const Json json = Json::Parse(details).value();
  FactList facts;
  Shown shown;
  shown.tables = DetailsText(json, kNow, {}, &facts);
  shown.facts = facts.Text({});
  return shown;
}

TEST(RunDetails, SnapshotsOfOneReasonStandTogether) {
  const Shown shown =
      Show(R"({"decisions":{"snapshots":[)"
           R"({"snapshot-id":11,"timestamp-ms":1767211200000,"expires":true,"reason":"old"},)"
           R"({"snapshot-id":12,"timestamp-ms":1767214800000,"expires":true,"reason":"old"},)"
           R"({"snapshot-id":13,"timestamp-ms":1767214800000,"expires":true,"reason":"old"},)"
           R"({"snapshot-id":14,"timestamp-ms":1767218400000,"expires":true,"reason":"old"},)"
           R"({"snapshot-id":15,"timestamp-ms":1767225590000,"expires":false,"reason":"head"}],)"
           R"("refs":[{"name":"main","expires":false,"reason":"the main branch stays"}]},)"
           R"("files":{"list":"","data":{"files":6,"bytes":2048},"deletes":{"files":0,"bytes":0},)"
           R"("elsewhere":2,"missing":0,"lists-read":8}})");
  EXPECT_EQ(shown.tables,
            "\n"
            "SNAPSHOT              AGE  FATE   REASON\n"
            "11 and 3 more  2 h to 4 h  goes   old\n"
            "15                   10 s  stays  head\n"
            "\n"
            "REF   FATE   REASON\n"
            "main  stays  the main branch stays\n"
            "\n"
            "FILES OF  FILES      SIZE\n"
            "data          6  2.00 KiB\n");
  EXPECT_EQ(shown.facts, "  elsewhere  2 files\n");
}

TEST(RunDetails, ListsAreTablesAndCountsAreFacts) {
  const Shown shown =
      Show(R"({"rows":1234567,"bytes":2048,"more":false,"delete-files":0,"snapshot-id":1234567,)"
           R"("partitions":[{"partition":"day=1","files":2,"rows":1000,"bytes":2048}]})");
  EXPECT_EQ(shown.facts,
            "  rows         1,234,567\n"
            "  bytes        2.00 KiB\n"
            "  more         no\n"
            "  snapshot-id  1234567\n");
  EXPECT_EQ(shown.tables,
            "\n"
            "PARTITION  FILES   ROWS      SIZE\n"
            "day=1          2  1,000  2.00 KiB\n");
}

TEST(RunDetails, AnythingIsShown) {
  EXPECT_EQ(Show("[]").tables, "");
  const Shown shown = Show(
      R"({"decisions":7,"partitions":{"count":3,"file":"f"},"a":[1,2],"b":[{}],"c":1.5,"d":null,)"
      R"("columns":[{"name":"x","n":1},7,{"n":2}],"files":{"data":5}})");
  EXPECT_THAT(shown.facts, HasSubstr("partitions count"));
  EXPECT_THAT(shown.facts, HasSubstr("1.5"));
  EXPECT_THAT(shown.facts, HasSubstr("[1,2]"));
  EXPECT_THAT(shown.tables, HasSubstr("NAME  N\nx     1\n"));
  EXPECT_THAT(shown.tables, Not(HasSubstr("{")));
}

}  // namespace
}  // namespace moraine::cli
