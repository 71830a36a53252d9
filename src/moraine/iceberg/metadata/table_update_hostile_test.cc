// Commit bodies of hostile clients: whatever stands in them, the answer is an error or metadata
// that can be written and read again.

#include <fstream>
#include <functional>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>

#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::iceberg {
namespace {

TableMetadata GoldenBase(const char* name) {
  std::ifstream file(std::string(MORAINE_TEST_DATA_DIR) + "/golden/metadata/" + name);
  std::stringstream text;
  text << file.rdbuf();
  auto metadata = TableMetadataFromJson(text.str());
  EXPECT_TRUE(metadata.ok()) << metadata.status().ToString();
  return *metadata;
}

constexpr char kBody[] =
    R"j({"requirements":[{"type":"assert-table-uuid","uuid":"u"},{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":5}],"updates":[)j"
    R"j({"action":"upgrade-format-version","format-version":3},)j"
    R"j({"action":"add-schema","schema":{"type":"struct","schema-id":2,"identifier-field-ids":[1],"fields":[)j"
    R"j({"id":1,"name":"id","required":true,"type":"long"},{"id":3,"name":"day","required":false,"type":"date","write-default":"2017-11-16"},)j"
    R"j({"id":5,"name":"l","required":false,"type":{"type":"list","element-id":6,"element":"decimal(9, 2)","element-required":true}}]},"last-column-id":6},)j"
    R"j({"action":"set-current-schema","schema-id":-1},)j"
    R"j({"action":"add-spec","spec":{"spec-id":1,"fields":[{"name":"m","transform":"month","source-id":3,"field-id":1009},{"name":"b","transform":"bucket[8]","source-id":1}]}},)j"
    R"j({"action":"set-default-spec","spec-id":-1},)j"
    R"j({"action":"add-sort-order","sort-order":{"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"asc","null-order":"nulls-last"}]}},)j"
    R"j({"action":"set-default-sort-order","sort-order-id":-1},)j"
    R"j({"action":"add-snapshot","snapshot":{"snapshot-id":9,"sequence-number":9,"timestamp-ms":4000000000000,"summary":{"operation":"append"},"manifest-list":"m","schema-id":2,"first-row-id":0,"added-rows":4}},)j"
    R"j({"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":9,"max-ref-age-ms":5},)j"
    R"j({"action":"remove-snapshots","snapshot-ids":[1,2]},{"action":"set-properties","updates":{"write.metadata.previous-versions-max":"2"}},)j"
    R"j({"action":"set-statistics","statistics":{"snapshot-id":9,"statistics-path":"p","file-size-in-bytes":1,"file-footer-size-in-bytes":1,"blob-metadata":[{"type":"t","snapshot-id":9,"sequence-number":9,"fields":[1]}]}},)j"
    R"j({"action":"add-encryption-key","encryption-key":{"key-id":"k","encrypted-key-metadata":"AA=="}}]})j";

void ForEachNode(Json* json, const std::function<void(Json*)>& visit) {
  visit(json);
  if (json->is_array()) {
    for (Json& item : json->as_array()) ForEachNode(&item, visit);
  } else if (json->is_object()) {
    for (auto& [key, value] : json->as_object()) ForEachNode(&value, visit);
  }
}

/// Reads and applies the body; true if it was accepted.
bool Try(const TableMetadata& base, const Json& body) {
  auto request = CommitRequestFromJson(JsonCursor(body));
  if (!request.ok()) {
    EXPECT_EQ(request.status().code(), Code::kInvalidArgument) << request.status().ToString();
    return false;
  }
  EXPECT_FALSE(CheckRequirements(&base, request->requirements).code() == Code::kInternal);
  auto result = ApplyUpdates(base, request->updates, {4000000000000, "base"});
  if (!result.ok()) {
    Code code = result.status().code();
    EXPECT_TRUE(code == Code::kInvalidArgument || code == Code::kConflict)
        << result.status().ToString();
    return false;
  }
  auto again = TableMetadataFromJson(TableMetadataToJson(*result));
  EXPECT_TRUE(again.ok()) << again.status().ToString() << "\n" << body.ToString();
  return again.ok();
}

TEST(HostileCommit, IsRefusedOrLeavesReadableMetadata) {
  const std::vector<Json> kHostile = {Json(),
                                      Json(true),
                                      Json(-1),
                                      Json(0),
                                      Json(std::numeric_limits<int64_t>::max()),
                                      Json(std::numeric_limits<int64_t>::min()),
                                      Json(std::numeric_limits<int32_t>::max()),
                                      *Json::Parse("1.5"),
                                      Json("x"),
                                      Json(""),
                                      Json::MakeArray(),
                                      Json::MakeObject()};
  for (const char* name :
       {"pyiceberg-v2-evolved.metadata.json", "pyiceberg-v1-evolved.metadata.json"}) {
    TableMetadata base = GoldenBase(name);
    Json body = *Json::Parse(kBody);
    EXPECT_TRUE(Try(base, body));
    std::vector<Json*> nodes;
    ForEachNode(&body, [&](Json* node) { nodes.push_back(node); });
    int accepted = 0;
    int refused = 0;
    for (Json* node : nodes) {
      for (const Json& hostile : kHostile) {
        Json saved = std::exchange(*node, hostile);
        ++(Try(base, body) ? accepted : refused);
        *node = std::move(saved);
      }
    }
    EXPECT_GT(accepted, 50);
    EXPECT_GT(refused, 500);
  }
}

TEST(HostileCommit, UpdatesInAnyOrderAreRefusedOrLeaveReadableMetadata) {
  TableMetadata base = GoldenBase("pyiceberg-v2-evolved.metadata.json");
  Json body = *Json::Parse(kBody);
  Json::Array& updates = body.Find("updates")->as_array();
  for (size_t i = 0; i < updates.size(); ++i) {
    for (size_t j = 0; j < updates.size(); ++j) {
      std::swap(updates[i], updates[j]);
      Try(base, body);
      std::swap(updates[i], updates[j]);
    }
  }
}

}  // namespace
}  // namespace moraine::iceberg
