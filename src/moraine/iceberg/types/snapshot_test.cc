#include "moraine/iceberg/types/snapshot.h"

#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

/// Reads with one function, writes with the other.
template <typename Read, typename Write>
std::string RoundTrip(std::string_view text, Read read, Write write) {
  auto json = Json::Parse(text);
  if (!json.ok()) return json.status().ToString();
  auto value = read(JsonCursor(*json));
  if (!value.ok()) return value.status().ToString();
  std::string printed;
  JsonWriter out(&printed);
  write(*value, &out);
  return printed;
}

std::string SnapshotRoundTrip(std::string_view text, int version = 3) {
  return RoundTrip(text, SnapshotFromJson, [&](const Snapshot& snapshot, JsonWriter* out) {
    WriteSnapshot(snapshot, version, out);
  });
}

TEST(Snapshot, JsonGoesBothWays) {
  for (
      const char* text :
      {R"({"snapshot-id":1,"timestamp-ms":5,"manifests":["a","b"]})",
       R"({"snapshot-id":1,"timestamp-ms":5,"manifest-list":"x"})",
       R"({"sequence-number":2,"snapshot-id":9223372036854775807,"parent-snapshot-id":1,"timestamp-ms":5,"summary":{"operation":"append","added-records":"2"},"manifest-list":"x","schema-id":0})",
       R"({"sequence-number":2,"snapshot-id":2,"timestamp-ms":5,"summary":{"operation":"append"},"manifest-list":"x","schema-id":0,"first-row-id":0,"added-rows":7,"key-id":"k","future":{"deep":[1.50,null]}})"}) {
    EXPECT_EQ(SnapshotRoundTrip(text), text);
  }
}

TEST(Snapshot, OperationIsOverwriteWhereASummaryHasNone) {
  Snapshot snapshot;
  EXPECT_EQ(snapshot.operation(), "");
  snapshot.summary["a"] = "b";
  EXPECT_EQ(snapshot.operation(), "overwrite");
  snapshot.summary["operation"] = "append";
  EXPECT_EQ(snapshot.operation(), "append");
}

TEST(Snapshot, V1HasNoSequenceNumber) {
  EXPECT_EQ(SnapshotRoundTrip(
                R"({"sequence-number":4,"snapshot-id":1,"timestamp-ms":5,"manifest-list":"x"})", 1),
            R"({"snapshot-id":1,"timestamp-ms":5,"manifest-list":"x"})");
}

TEST(Snapshot, BadJsonNamesThePath) {
  for (const auto& [text, part] : std::vector<std::pair<const char*, const char*>>{
           {"7", "(document)"},
           {R"({"timestamp-ms":5,"manifest-list":"x"})", "snapshot-id"},
           {R"({"snapshot-id":1,"manifest-list":"x"})", "timestamp-ms"},
           {R"({"snapshot-id":1,"timestamp-ms":5})", "manifests"},
           {R"({"snapshot-id":1,"timestamp-ms":5,"manifests":[1]})", "manifests[0]"},
           {R"({"snapshot-id":1.5,"timestamp-ms":5,"manifest-list":"x"})", "snapshot-id"},
           {R"({"snapshot-id":9223372036854775808,"timestamp-ms":5,"manifest-list":"x"})",
            "snapshot-id"},
           {R"({"snapshot-id":1,"timestamp-ms":5,"manifest-list":"x","summary":{"a":1}})",
            "summary.a"},
           {R"({"snapshot-id":1,"timestamp-ms":5,"manifest-list":["x"]})", "manifest-list"}}) {
    std::string result = SnapshotRoundTrip(text);
    EXPECT_TRUE(result.starts_with("InvalidArgument")) << result;
    EXPECT_NE(result.find(part), std::string::npos) << result;
  }
}

TEST(SnapshotRef, JsonGoesBothWays) {
  auto round_trip = [](std::string_view text) {
    return RoundTrip(text, SnapshotRefFromJson, WriteSnapshotRef);
  };
  for (
      const char* text :
      {R"({"snapshot-id":1,"type":"branch"})",
       R"({"snapshot-id":1,"type":"tag","max-ref-age-ms":5,"x":1})",
       R"({"snapshot-id":1,"type":"branch","min-snapshots-to-keep":1,"max-snapshot-age-ms":2,"max-ref-age-ms":3})"}) {
    EXPECT_EQ(round_trip(text), text);
  }
  for (const char* text :
       {R"({"snapshot-id":1})", R"({"type":"tag"})", R"({"snapshot-id":1,"type":"twig"})",
        R"({"snapshot-id":1,"type":"branch","min-snapshots-to-keep":0})",
        R"({"snapshot-id":1,"type":"branch","min-snapshots-to-keep":2147483648})",
        R"({"snapshot-id":1,"type":"branch","max-ref-age-ms":-1})",
        R"({"snapshot-id":1,"type":"tag","min-snapshots-to-keep":1})"}) {
    EXPECT_TRUE(round_trip(text).starts_with("InvalidArgument")) << text;
  }
}

TEST(StatisticsFile, JsonGoesBothWays) {
  const char* text =
      R"({"snapshot-id":1,"statistics-path":"p","file-size-in-bytes":10,"file-footer-size-in-bytes":4,"key-metadata":"aa","blob-metadata":[{"type":"apache-datasketches-theta-v1","snapshot-id":1,"sequence-number":2,"fields":[1,2],"properties":{"ndv":"5"},"q":1},{"type":"t","snapshot-id":1,"sequence-number":2,"fields":[]}],"z":true})";
  EXPECT_EQ(RoundTrip(text, StatisticsFileFromJson, WriteStatisticsFile), text);
  const char* partition =
      R"({"snapshot-id":1,"statistics-path":"p","file-size-in-bytes":10,"z":[]})";
  EXPECT_EQ(RoundTrip(partition, PartitionStatisticsFileFromJson, WritePartitionStatisticsFile),
            partition);
  EXPECT_TRUE(RoundTrip(R"({"snapshot-id":1})", StatisticsFileFromJson, WriteStatisticsFile)
                  .starts_with("InvalidArgument"));
}

TEST(EncryptionKey, JsonGoesBothWays) {
  for (
      const char* text :
      {R"({"key-id":"k","encrypted-key-metadata":"AA=="})",
       R"({"key-id":"k","encrypted-key-metadata":"AA==","encrypted-by-id":"m","properties":{"a":"b"},"n":null})"}) {
    EXPECT_EQ(RoundTrip(text, EncryptionKeyFromJson, WriteEncryptionKey), text);
  }
}

}  // namespace
}  // namespace moraine::iceberg
