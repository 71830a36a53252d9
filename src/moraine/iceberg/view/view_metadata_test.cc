#include "moraine/iceberg/view/view_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

using testing::HasSubstr;

constexpr char kView[] = R"({
  "view-uuid": "fa6506c3-7681-40c8-86dc-e36561f83385", "format-version": 1,
  "location": "s3://bucket/warehouse/default.db/event_agg",
  "properties": {"comment": "Daily event counts"}, "current-version-id": 2,
  "schemas": [{"schema-id": 1, "type": "struct", "fields": [
    {"id": 1, "name": "event_count", "required": false, "type": "int", "doc": "Count of events"}]}],
  "versions": [
    {"version-id": 1, "timestamp-ms": 1573518431292, "schema-id": 1, "default-catalog": "prod",
     "default-namespace": ["default"], "summary": {"engine-name": "Spark"},
     "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "spark"}]},
    {"version-id": 2, "timestamp-ms": 1573518981593, "schema-id": 1, "default-namespace": [],
     "summary": {}, "later": [1, 2],
     "representations": [{"type": "sql", "sql": "SELECT 2", "dialect": "spark", "x": null},
                         {"type": "plan", "bytes": "AA=="}]}],
  "version-log": [{"timestamp-ms": 1573518431292, "version-id": 1},
                  {"timestamp-ms": 1573518981593, "version-id": 2}],
  "owner-of-the-future": {"a": 1}})";

TEST(ViewMetadata, KeepsAllThatItReads) {
  auto metadata = ViewMetadataFromJson(kView).value();
  EXPECT_EQ(metadata.view_uuid, "fa6506c3-7681-40c8-86dc-e36561f83385");
  EXPECT_EQ(metadata.CurrentVersion().representations[0].sql, "SELECT 2");
  EXPECT_EQ(metadata.versions[0].default_catalog, "prod");
  EXPECT_EQ(metadata.versions[1].default_catalog, std::nullopt);
  EXPECT_EQ(metadata.FindSchema(1)->fields()[0].name, "event_count");
  EXPECT_EQ(metadata.FindSchema(7), nullptr);
  EXPECT_EQ(metadata.version_log.size(), 2u);
  std::string written = ViewMetadataToJson(metadata);
  EXPECT_EQ(Json::Parse(written).value(), Json::Parse(kView).value()) << written;
  EXPECT_EQ(ViewMetadataFromJson(written).value(), metadata);
}

TEST(ViewMetadata, SaysWhichFieldIsWrong) {
  struct Case {
    std::string_view from, to, message;
  };
  const Case cases[] = {
      {R"("view-uuid": "fa6506c3-7681-40c8-86dc-e36561f83385")", R"("view-uuid": 1)", "view-uuid"},
      {R"("current-version-id": 2)", R"("current-version-id": 9)",
       "current-version-id 9 is not among versions"},
      {R"("format-version": 1)", R"("format-version": 0)", "format-version: expected 1"},
      {R"("format-version": 1)", R"("format-version": 2)", "view format version 2"},
      {R"("version-id": 2, "timestamp-ms": 1573518981593)", R"("version-id": 1, "timestamp-ms": 1)",
       "versions[1]: version-id 1 is there twice"},
      {R"("schema-id": 1, "default-catalog")", R"("schema-id": 4, "default-catalog")",
       "schema-id 4 of version 1"},
      {R"("sql": "SELECT 1", )", "", "versions[0].representations[0]: missing required field: sql"},
      {R"("default-namespace": [])", R"("default-namespace": [1])", "default-namespace[0]"},
      {R"("properties": {"comment": "Daily event counts"})", R"("properties": {"comment": 1})",
       "properties.comment"},
  };
  for (const auto& c : cases) {
    std::string text = kView;
    size_t at = text.find(c.from);
    ASSERT_NE(at, text.npos) << c.from;
    text.replace(at, c.from.size(), c.to);
    auto read = ViewMetadataFromJson(text);
    ASSERT_FALSE(read.ok()) << c.to;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(std::string(c.message)));
  }
}

TEST(ViewMetadata, FilesAreZippedUnlessToldOtherwise) {
  ViewMetadata metadata;
  metadata.location = "s3://b/v";
  EXPECT_EQ(ViewMetadataFileLocation(metadata, 3, "u"),
            "s3://b/v/metadata/00003-u.gz.metadata.json");
  metadata.properties = {{"write.metadata.path", "s3://b/m/"},
                         {"write.metadata.compression-codec", "NONE"}};
  EXPECT_EQ(ViewMetadataFileLocation(metadata, 0, "u"), "s3://b/m/00000-u.metadata.json");
}

}  // namespace
}  // namespace moraine::iceberg
