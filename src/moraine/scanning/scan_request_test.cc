#include "moraine/scanning/scan_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/scanning/testing/scan_world.h"

namespace moraine::scanning {
namespace {

using ::testing::HasSubstr;

Result<ScanRequest> Read(const std::string& text) {
  Json json = Json::Parse(text).value();
  return ScanRequestFromJson(JsonCursor(json));
}

TEST(ScanRequest, ReadsEveryMember) {
  ScanRequest request =
      Read(
          R"({"snapshot-id":9007199254740993,"select":["a","_pos"],"filter":{"type":"is-null","term":"a"},
          "min-rows-requested":5,"case-sensitive":false,"use-snapshot-schema":true,
          "stats-fields":["b"],"future":{}})")
          .value();
  EXPECT_EQ(request.snapshot_id, 9007199254740993);
  EXPECT_EQ(request.filter.ToString(), R"({"type":"is-null","term":"a"})");
  EXPECT_EQ(request.min_rows, 5);
  EXPECT_FALSE(request.case_sensitive);
  EXPECT_TRUE(request.use_snapshot_schema);
  EXPECT_EQ(request.stats_fields, std::vector<std::string>{"b"});
  ScanRequest plain = Read("{}").value();
  EXPECT_TRUE(plain.case_sensitive);
  EXPECT_TRUE(plain.filter.is_null());
}

TEST(ScanRequest, RefusesWhatContradictsItself) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"[]", "object"},
           Case{R"({"snapshot-id":"7"})", "snapshot-id"},
           Case{R"({"start-snapshot-id":1})", "together"},
           Case{R"({"end-snapshot-id":1})", "together"},
           Case{R"({"snapshot-id":1,"start-snapshot-id":1,"end-snapshot-id":2})", "beside"},
           Case{R"({"min-rows-requested":-1})", "negative"},
           Case{R"({"select":"a"})", "select"},
           Case{R"({"stats-fields":[1]})", "stats-fields"},
           Case{R"({"case-sensitive":1})", "case-sensitive"},
       }) {
    auto read = Read(c.text);
    EXPECT_EQ(read.status().code(), Code::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.message));
  }
}

TEST(ResolveScan, FixesTheSnapshotAndTheSchema) {
  ScanWorld world;
  auto resolve = [&](const std::string& text) {
    return ResolveScan(*world.table().metadata(), Read(text).value());
  };
  EXPECT_EQ(resolve("{}").value(), std::nullopt);
  EXPECT_EQ(resolve(R"({"filter":{"type":"eq","term":"no","value":1}})").status().code(),
            Code::kInvalidArgument);
  ASSERT_TRUE(world.table().Append(world.call(), {"a"}).ok());
  const int64_t first = world.table().current().snapshot_id;
  iceberg::Schema wider(0, {{1, "id", false, *iceberg::Type::FromString("long")},
                            {2, "day", false, *iceberg::Type::FromString("int")},
                            {3, "name", false, *iceberg::Type::FromString("string")},
                            {4, "more", false, *iceberg::Type::FromString("int")}});
  ASSERT_TRUE(world.table()
                  .Apply({{},
                          {iceberg::update::AddSchema{wider, 4},
                           iceberg::update::SetCurrentSchema{iceberg::kLastAdded}}})
                  .ok());
  ASSERT_TRUE(world.table().Append(world.call(), {"b"}).ok());
  const int64_t second = world.table().current().snapshot_id;
  const std::string filter = R"("filter":{"type":"eq","term":"more","value":1})";
  EXPECT_EQ(resolve("{" + filter + "}").value()->snapshot_id, second);
  EXPECT_EQ(resolve("{" + filter + "}").value()->schema_id, 1);
  std::string old = R"({"snapshot-id":)" + std::to_string(first);
  EXPECT_EQ(resolve(old + "," + filter + "}").value()->snapshot_id, first);
  EXPECT_EQ(resolve(old + R"(,"use-snapshot-schema":true})").value()->schema_id, 0);
  for (const std::string& wrong :
       {old + R"(,"use-snapshot-schema":true,)" + filter + "}",
        std::string(R"({"snapshot-id":12345})"), std::string(R"({"stats-fields":["ID"]})"),
        std::string(R"({"filter":{"type":"lt","term":"id","value":"x"}})"),
        std::string(R"({"start-snapshot-id":5,"end-snapshot-id":)") + std::to_string(second) + "}",
        R"({"start-snapshot-id":)" + std::to_string(second) + R"(,"end-snapshot-id":)" +
            std::to_string(first) + "}"}) {
    EXPECT_EQ(resolve(wrong).status().code(), Code::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(resolve(R"({"stats-fields":["ID","day","Id"],"case-sensitive":false})")
                .value()
                ->stats_columns,
            (std::vector<int32_t>{1, 2}));
}

}  // namespace
}  // namespace moraine::scanning
