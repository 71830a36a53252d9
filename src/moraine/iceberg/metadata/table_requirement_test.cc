#include <gtest/gtest.h>

#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::iceberg {
namespace {

TableMetadata Base() {
  TableMetadata base;
  base.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
  base.last_column_id = 3;
  base.current_schema_id = 1;
  base.last_partition_id = 1001;
  base.default_spec_id = 2;
  base.default_sort_order_id = 4;
  base.refs["main"].snapshot_id = 7;
  base.refs["v1"] = {5, SnapshotRef::Type::kTag};
  return base;
}

TEST(CheckRequirements, SpeaksWithJavasWords) {
  struct Case {
    const char* requirement;
    const char* message;  // nullptr: holds
  };
  for (const Case& c : std::vector<Case>{
           {R"j({"type":"assert-create"})j", "table already exists"},
           {R"j({"type":"assert-table-uuid","uuid":"9C12D441-03fe-4693-9a96-a0705ddf69c1"})j",
            nullptr},
           {R"j({"type":"assert-table-uuid","uuid":"x"})j",
            "UUID does not match: expected 9c12d441-03fe-4693-9a96-a0705ddf69c1 != x"},
           {R"j({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":7})j", nullptr},
           {R"j({"type":"assert-ref-snapshot-id","ref":"v1","snapshot-id":5})j", nullptr},
           {R"j({"type":"assert-ref-snapshot-id","ref":"new","snapshot-id":null})j", nullptr},
           {R"j({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":6})j",
            "branch main has changed: expected id 6 != 7"},
           {R"j({"type":"assert-ref-snapshot-id","ref":"v1","snapshot-id":null})j",
            "tag v1 was created concurrently"},
           {R"j({"type":"assert-ref-snapshot-id","ref":"new","snapshot-id":6})j",
            "branch or tag new is missing, expected 6"},
           {R"j({"type":"assert-last-assigned-field-id","last-assigned-field-id":3})j", nullptr},
           {R"j({"type":"assert-last-assigned-field-id","last-assigned-field-id":2})j",
            "last assigned field id changed: expected id 2 != 3"},
           {R"j({"type":"assert-current-schema-id","current-schema-id":1})j", nullptr},
           {R"j({"type":"assert-current-schema-id","current-schema-id":0})j",
            "current schema changed: expected id 0 != 1"},
           {R"j({"type":"assert-last-assigned-partition-id","last-assigned-partition-id":1001})j",
            nullptr},
           {R"j({"type":"assert-last-assigned-partition-id","last-assigned-partition-id":999})j",
            "last assigned partition id changed: expected id 999 != 1001"},
           {R"j({"type":"assert-default-spec-id","default-spec-id":2})j", nullptr},
           {R"j({"type":"assert-default-spec-id","default-spec-id":0})j",
            "default partition spec changed: expected id 0 != 2"},
           {R"j({"type":"assert-default-sort-order-id","default-sort-order-id":4})j", nullptr},
           {R"j({"type":"assert-default-sort-order-id","default-sort-order-id":0})j",
            "default sort order changed: expected id 0 != 4"}}) {
    Json json = *Json::Parse(c.requirement);
    auto requirement = TableRequirementFromJson(JsonCursor(json));
    ASSERT_TRUE(requirement.ok()) << requirement.status().ToString();
    std::string printed;
    JsonWriter out(&printed);
    WriteTableRequirement(*requirement, &out);
    EXPECT_EQ(printed, c.requirement);

    TableMetadata base = Base();
    Status status = CheckRequirements(&base, {*requirement});
    if (c.message == nullptr) {
      EXPECT_TRUE(status.ok()) << status.ToString();
    } else {
      EXPECT_EQ(status.code(), Code::kConflict);
      EXPECT_EQ(status.message(), std::string("Requirement failed: ") + c.message);
    }
    bool create = std::holds_alternative<requirement::AssertCreate>(*requirement);
    EXPECT_EQ(CheckRequirements(nullptr, {*requirement}).ok(), create);
  }
  EXPECT_TRUE(CheckRequirements(nullptr, {}).ok());
}

TEST(CommitRequest, EveryUpdateGoesBothWays) {
  for (
      const char* text :
      {R"j({"action":"assign-uuid","uuid":"u"})j",
       R"j({"action":"upgrade-format-version","format-version":2})j",
       R"j({"action":"add-schema","schema":{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"a","required":true,"type":"int"}]},"last-column-id":5})j",
       R"j({"action":"set-current-schema","schema-id":-1})j",
       R"j({"action":"add-spec","spec":{"spec-id":0,"fields":[{"name":"a","transform":"identity","source-id":1}]}})j",
       R"j({"action":"add-spec","spec":{"spec-id":0,"fields":[{"name":"a","transform":"identity","source-id":1,"field-id":1000}]}})j",
       R"j({"action":"set-default-spec","spec-id":-1})j",
       R"j({"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}})j",
       R"j({"action":"set-default-sort-order","sort-order-id":-1})j",
       R"j({"action":"add-snapshot","snapshot":{"sequence-number":1,"snapshot-id":2,"timestamp-ms":3,"manifest-list":"m"}})j",
       R"j({"action":"set-snapshot-ref","ref-name":"b","snapshot-id":2,"type":"branch","min-snapshots-to-keep":1,"max-snapshot-age-ms":2,"max-ref-age-ms":3})j",
       R"j({"action":"remove-snapshot-ref","ref-name":"b"})j",
       R"j({"action":"remove-snapshots","snapshot-ids":[9223372036854775807,2]})j",
       R"j({"action":"set-location","location":"l"})j",
       R"j({"action":"set-properties","updates":{"a":"b"}})j",
       R"j({"action":"remove-properties","removals":["a"]})j",
       R"j({"action":"set-statistics","snapshot-id":1,"statistics":{"snapshot-id":1,"statistics-path":"p","file-size-in-bytes":1,"file-footer-size-in-bytes":1,"blob-metadata":[]}})j",
       R"j({"action":"remove-statistics","snapshot-id":1})j",
       R"j({"action":"set-partition-statistics","partition-statistics":{"snapshot-id":1,"statistics-path":"p","file-size-in-bytes":1}})j",
       R"j({"action":"remove-partition-statistics","snapshot-id":1})j",
       R"j({"action":"remove-partition-specs","spec-ids":[1,2]})j",
       R"j({"action":"remove-schemas","schema-ids":[1]})j",
       R"j({"action":"add-encryption-key","encryption-key":{"key-id":"k","encrypted-key-metadata":"AA=="}})j",
       R"j({"action":"remove-encryption-key","key-id":"k"})j"}) {
    Json json = *Json::Parse(text);
    auto update = TableUpdateFromJson(JsonCursor(json));
    ASSERT_TRUE(update.ok()) << text << update.status().ToString();
    std::string printed;
    JsonWriter out(&printed);
    WriteTableUpdate(*update, &out);
    EXPECT_EQ(printed, text);
  }
}

TEST(CommitRequest, BadBodiesNameThePath) {
  struct Case {
    const char* body;
    const char* message;
  };
  for (
      const Case& c : std::vector<Case>{
          {"[]", "(document)"},
          {R"j({"updates":{}})j", "updates"},
          {R"j({"updates":[{}]})j", "updates[0]"},
          {R"j({"updates":[{"action":"fly"}]})j", "updates[0].action: unknown update action 'fly'"},
          {R"j({"updates":[{"action":"assign-uuid"}]})j", "updates[0]"},
          {R"j({"updates":[{"action":"set-location","location":"l"},{"action":"remove-snapshots","snapshot-ids":[1.5]}]})j",
           "updates[1].snapshot-ids[0]"},
          {R"j({"updates":[{"action":"set-properties","updates":{"a":null}}]})j",
           "updates[0].updates.a"},
          {R"j({"updates":[{"action":"set-snapshot-ref","ref-name":"x","type":"branch","snapshot-id":1,"max-ref-age-ms":0}]})j",
           "updates[0].max-ref-age-ms"},
          {R"j({"updates":[{"action":"add-schema","schema":{"type":"struct","fields":[{"id":1}]}}]})j",
           "updates[0].schema.fields[0]"},
          {R"j({"requirements":[{"type":"assert-luck"}]})j",
           "requirements[0].type: unknown requirement type 'assert-luck'"},
          {R"j({"requirements":[{"type":"assert-ref-snapshot-id","snapshot-id":1}]})j", "ref"},
          {R"j({"requirements":[{"type":"assert-default-spec-id"}]})j", "default-spec-id"}}) {
    Json json = *Json::Parse(c.body);
    auto request = CommitRequestFromJson(JsonCursor(json));
    ASSERT_FALSE(request.ok()) << c.body;
    EXPECT_EQ(request.status().code(), Code::kInvalidArgument);
    EXPECT_NE(request.status().message().find(c.message), std::string::npos)
        << request.status().message();
  }
}

TEST(CommitRequest, ReadsBothListsAndMayLackThem) {
  Json json = *Json::Parse(
      R"j({"identifier":{"namespace":["a"],"name":"t"},"requirements":[{"type":"assert-create"}],"updates":[{"action":"set-location","location":"l"}]})j");
  auto request = CommitRequestFromJson(JsonCursor(json));
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->requirements.size(), 1u);
  EXPECT_EQ(request->updates.size(), 1u);
  Json no_id = *Json::Parse(R"j({"type":"assert-ref-snapshot-id","ref":"main"})j");
  auto requirement = TableRequirementFromJson(JsonCursor(no_id));
  ASSERT_TRUE(requirement.ok());
  EXPECT_FALSE(std::get<requirement::AssertRefSnapshotId>(*requirement).snapshot_id);
  Json empty = Json::MakeObject();
  EXPECT_TRUE(CommitRequestFromJson(JsonCursor(empty))->updates.empty());
}

}  // namespace
}  // namespace moraine::iceberg
