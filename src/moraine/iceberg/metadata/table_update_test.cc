#include "moraine/iceberg/metadata/table_update.h"

#include <limits>

#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

constexpr int64_t kBaseTime = 1'700'000'000'000;

/// A table with a few columns, one partition field and two snapshots on main, a tag and a branch on
/// the first.
TableMetadata Base(int format_version = 2) {
  auto type = [](const char* text) { return *Type::FromString(text); };
  TableCreation creation;
  creation.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
  creation.location = "s3://b/t";
  creation.format_version = format_version;
  creation.now_ms = kBaseTime - 5000;
  creation.schema =
      Schema(0, {Field{1, "id", true, type("long")}, Field{2, "name", false, type("string")},
                 Field{3, "ts", false, type("timestamp")}});
  creation.spec = {0,
                   {PartitionField{{1}, 1000, "id_bucket", *Transform::FromString("bucket[4]")}}};
  auto made = MakeTableMetadata(creation);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  TableMetadata base = *made;
  for (int64_t id : {1, 2}) {
    Snapshot snapshot;
    snapshot.snapshot_id = id;
    if (id > 1) snapshot.parent_snapshot_id = id - 1;
    snapshot.sequence_number = format_version == 1 ? 0 : id;
    snapshot.timestamp_ms = kBaseTime + id;
    snapshot.manifest_list = "s3://b/t/metadata/snap-" + std::to_string(id) + ".avro";
    snapshot.summary = {{"operation", "append"}};
    if (format_version == 3) {
      snapshot.first_row_id = base.next_row_id;
      snapshot.added_rows = 10;
      base.next_row_id += 10;
    }
    base.last_sequence_number = snapshot.sequence_number;
    base.snapshots.push_back(std::make_shared<const Snapshot>(snapshot));
    base.snapshot_log.push_back({snapshot.timestamp_ms, id});
  }
  base.current_snapshot_id = 2;
  base.refs["main"].snapshot_id = 2;
  base.refs["v1"] = {1, SnapshotRef::Type::kTag};
  base.refs["audit"].snapshot_id = 1;
  base.statistics.push_back({1, "s3://b/t/1.puffin", 10, 5});
  base.partition_statistics.push_back({1, "s3://b/t/1.parquet", 10});
  base.last_updated_ms = kBaseTime + 2;
  return base;
}

Result<std::vector<TableUpdate>> Updates(std::string_view array) {
  MORAINE_ASSIGN(Json json, Json::Parse(array));
  JsonCursor cursor(json);
  std::vector<TableUpdate> updates;
  for (size_t i = 0; i < cursor.size(); ++i) {
    JsonCursor item = cursor.At(i);
    MORAINE_ASSIGN(TableUpdate update, TableUpdateFromJson(item));
    updates.push_back(std::move(update));
  }
  return updates;
}

Result<TableMetadata> Apply(const TableMetadata& base, std::string_view updates,
                            int64_t now_ms = kBaseTime + 1000) {
  MORAINE_ASSIGN(auto parsed, Updates(updates));
  return ApplyUpdates(base, parsed, {now_ms, "s3://b/t/metadata/00002-base.metadata.json"});
}

TableMetadata MustApply(const TableMetadata& base, std::string_view updates,
                        int64_t now_ms = kBaseTime + 1000) {
  auto result = Apply(base, updates, now_ms);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  if (!result.ok()) return base;
  // What comes out can always be written and read again.
  auto again = TableMetadataFromJson(TableMetadataToJson(*result));
  EXPECT_TRUE(again.ok()) << again.status().ToString();
  if (again.ok()) {
    EXPECT_TRUE(*again == *result);
  }
  return *result;
}

std::string SnapshotJson(int64_t id, int64_t sequence_number, int64_t time, std::string more = "") {
  return R"j({"snapshot-id":)j" + std::to_string(id) + R"j(,"sequence-number":)j" +
         std::to_string(sequence_number) + R"j(,"timestamp-ms":)j" + std::to_string(time) +
         R"j(,"summary":{"operation":"append"},"manifest-list":"s3://b/t/m.avro")j" + more + "}";
}
std::string AddSnapshotJson(int64_t id, int64_t sequence_number, int64_t time,
                            std::string more = "") {
  return R"j({"action":"add-snapshot","snapshot":)j" +
         SnapshotJson(id, sequence_number, time, more) + "}";
}
std::string SetMainJson(int64_t id) {
  return R"j({"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":)j" +
         std::to_string(id) + "}";
}
std::vector<int64_t> LogIds(const TableMetadata& metadata) {
  std::vector<int64_t> ids;
  for (const SnapshotLogEntry& entry : metadata.snapshot_log) ids.push_back(entry.snapshot_id);
  return ids;
}

TEST(ApplyUpdates, NothingChangedGivesTheBase) {
  TableMetadata base = Base();
  for (
      const char* updates :
      {"[]", R"j([{"action":"assign-uuid","uuid":"9C12D441-03fe-4693-9a96-a0705ddf69c1"}])j",
       R"j([{"action":"upgrade-format-version","format-version":2}])j",
       R"j([{"action":"set-current-schema","schema-id":0},{"action":"set-default-spec","spec-id":0}])j",
       R"j([{"action":"set-default-sort-order","sort-order-id":0},{"action":"set-location","location":"s3://b/t/"}])j",
       R"j([{"action":"set-properties","updates":{}},{"action":"remove-properties","removals":["nope"]}])j",
       R"j([{"action":"set-properties","updates":{"format-version":"3","uuid":"x"}}])j",
       R"j([{"action":"remove-snapshots","snapshot-ids":[77]},{"action":"remove-snapshot-ref","ref-name":"nope"}])j",
       R"j([{"action":"remove-statistics","snapshot-id":7},{"action":"remove-partition-statistics","snapshot-id":7}])j",
       R"j([{"action":"remove-partition-specs","spec-ids":[9]},{"action":"remove-schemas","schema-ids":[9]}])j",
       R"j([{"action":"remove-encryption-key","key-id":"k"}])j",
       R"j([{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":2}])j",
       R"j([{"action":"add-spec","spec":{"fields":[{"name":"id_bucket","transform":"bucket[4]","source-id":1}]}},{"action":"set-default-spec","spec-id":-1}])j"}) {
    TableMetadata result = MustApply(base, updates);
    EXPECT_TRUE(result == base) << updates;
  }
}

TEST(ApplyUpdates, RefusesWhatBreaksARule) {
  struct Case {
    const char* updates;
    Code code;
    const char* message;
  };
  for (
      const Case& c : std::vector<Case>{
          {R"j([{"action":"assign-uuid","uuid":"other"}])j", Code::kInvalidArgument,
           "Cannot change the uuid"},
          {R"j([{"action":"assign-uuid","uuid":""}])j", Code::kInvalidArgument,
           "Cannot set uuid to null"},
          {R"j([{"action":"upgrade-format-version","format-version":1}])j", Code::kInvalidArgument,
           "Cannot downgrade v2 table to v1"},
          {R"j([{"action":"upgrade-format-version","format-version":4}])j", Code::kInvalidArgument,
           "Cannot upgrade table to unsupported format version: v4 (supported: v3)"},
          {R"j([{"action":"add-schema","schema":{"type":"struct","fields":[{"id":1,"name":"v","required":false,"type":"variant"}]}}])j",
           Code::kInvalidArgument, "variant is not supported until v3"},
          {R"j([{"action":"set-current-schema","schema-id":-1}])j", Code::kInvalidArgument,
           "Cannot set last added schema: no schema has been added"},
          {R"j([{"action":"set-current-schema","schema-id":7}])j", Code::kInvalidArgument,
           "Cannot set current schema to unknown schema: 7"},
          {R"j([{"action":"set-default-spec","spec-id":-1}])j", Code::kInvalidArgument,
           "Cannot set last added spec: no spec has been added"},
          {R"j([{"action":"set-default-spec","spec-id":7}])j", Code::kInvalidArgument,
           "unknown spec: 7"},
          {R"j([{"action":"set-default-sort-order","sort-order-id":-1}])j", Code::kInvalidArgument,
           "Cannot set last added sort order: no sort order has been added"},
          {R"j([{"action":"set-default-sort-order","sort-order-id":7}])j", Code::kInvalidArgument,
           "unknown order: 7"},
          {R"j([{"action":"add-spec","spec":{"fields":[{"name":"p","transform":"day","source-id":1}]}}])j",
           Code::kInvalidArgument, "Invalid source type long for transform: day"},
          {R"j([{"action":"add-sort-order","sort-order":{"order-id":1,"fields":[{"transform":"identity","source-id":9,"direction":"asc","null-order":"nulls-first"}]}}])j",
           Code::kInvalidArgument, "Cannot find source column for sort field"},
          // The default spec loses its source.
          {R"j([{"action":"add-schema","schema":{"type":"struct","fields":[{"id":2,"name":"name","required":false,"type":"string"}]}},{"action":"set-current-schema","schema-id":-1}])j",
           Code::kInvalidArgument, "Cannot find source column for partition field: id_bucket"},
          {R"j([{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":9}])j",
           Code::kInvalidArgument, "Cannot set main to unknown snapshot: 9"},
          {R"j([{"action":"set-snapshot-ref","ref-name":"main","type":"tag","snapshot-id":1}])j",
           Code::kInvalidArgument, "must be a branch"},
          {R"j([{"action":"set-snapshot-ref","ref-name":"","type":"tag","snapshot-id":1}])j",
           Code::kInvalidArgument, "without a name"},
          {R"j([{"action":"remove-partition-specs","spec-ids":[0]}])j", Code::kInvalidArgument,
           "Cannot remove the default partition spec"},
          {R"j([{"action":"remove-schemas","schema-ids":[0]}])j", Code::kInvalidArgument,
           "Cannot remove the current schema"},
          {R"j([{"action":"set-location","location":""}])j", Code::kInvalidArgument,
           "empty location"}}) {
    auto result = Apply(Base(), c.updates);
    ASSERT_FALSE(result.ok()) << c.updates;
    EXPECT_EQ(result.status().code(), c.code) << c.updates;
    EXPECT_NE(result.status().message().find(c.message), std::string::npos)
        << result.status().message();
  }
}

TEST(ApplyUpdates, AddsASnapshotToMain) {
  TableMetadata result = MustApply(
      Base(), "[" +
                  AddSnapshotJson(3, 3, kBaseTime + 500,
                                  R"j(,"parent-snapshot-id":2,"schema-id":0,"future":1)j") +
                  "," + SetMainJson(3) + "]");
  EXPECT_EQ(result.current_snapshot_id, 3);
  EXPECT_EQ(result.refs.at("main").snapshot_id, 3);
  EXPECT_EQ(result.last_sequence_number, 3);
  EXPECT_EQ(result.last_updated_ms, kBaseTime + 500);  // the snapshot's time, not the server's
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(result.snapshot_log.back().timestamp_ms, kBaseTime + 500);
  ASSERT_EQ(result.metadata_log.size(), 1u);
  EXPECT_EQ(result.metadata_log[0].timestamp_ms, kBaseTime + 2);
  EXPECT_EQ(result.metadata_log[0].metadata_file, "s3://b/t/metadata/00002-base.metadata.json");
  EXPECT_EQ(result.snapshots.back()->unknown.size(), 1u);
}

TEST(ApplyUpdates, AddingASnapshotMovesNoRef) {
  TableMetadata result = MustApply(Base(), "[" + AddSnapshotJson(3, 3, kBaseTime + 500) + "]");
  EXPECT_EQ(result.current_snapshot_id, 2);
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(result.snapshots.size(), 3u);
}

TEST(ApplyUpdates, SnapshotsAreCheckedAgainstTheTable) {
  const std::string kParent = R"j(,"parent-snapshot-id":2)j";
  struct Case {
    int version;
    std::string snapshot;
    Code code;  // kOk: accepted
    const char* message;
  };
  for (
      const Case& c : std::vector<Case>{
          {2, AddSnapshotJson(2, 3, kBaseTime), Code::kInvalidArgument,
           "Snapshot already exists for id: 2"},
          {2, AddSnapshotJson(3, 2, kBaseTime, kParent), Code::kConflict,
           "Cannot add snapshot with sequence number 2 older than last sequence number 2"},
          {2, AddSnapshotJson(3, 2, kBaseTime), Code::kOk, ""},  // no parent: a replaced table
          {2, AddSnapshotJson(3, 9, kBaseTime, kParent), Code::kOk, ""},
          {2, AddSnapshotJson(3, -1, kBaseTime), Code::kInvalidArgument,
           "negative sequence number"},
          {2, AddSnapshotJson(-3, 3, kBaseTime), Code::kInvalidArgument, "Invalid snapshot id"},
          {1, AddSnapshotJson(3, 0, kBaseTime, kParent), Code::kOk, ""},
          {1, AddSnapshotJson(3, 1, kBaseTime, kParent), Code::kInvalidArgument,
           "Sequence number must be 0 in v1: 1"},
          {3, AddSnapshotJson(3, 3, kBaseTime, kParent), Code::kInvalidArgument,
           "first-row-id is null"},
          {3, AddSnapshotJson(3, 3, kBaseTime, kParent + R"j(,"first-row-id":20)j"),
           Code::kInvalidArgument, "Invalid added-rows (null)"},
          {3, AddSnapshotJson(3, 3, kBaseTime, kParent + R"j(,"first-row-id":19,"added-rows":1)j"),
           Code::kConflict, "first-row-id is behind table next-row-id: 19 < 20"},
          {3, AddSnapshotJson(3, 3, kBaseTime, kParent + R"j(,"first-row-id":20,"added-rows":-1)j"),
           Code::kInvalidArgument, "Invalid added-rows"},
          {3,
           AddSnapshotJson(3, 3, kBaseTime,
                           kParent + R"j(,"first-row-id":20,"added-rows":9223372036854775807)j"),
           Code::kInvalidArgument, "Invalid added-rows"},
          {3, AddSnapshotJson(3, 3, kBaseTime, kParent + R"j(,"first-row-id":20,"added-rows":0)j"),
           Code::kOk, ""},
          {2,
           R"j({"action":"add-snapshot","snapshot":{"snapshot-id":3,"sequence-number":3,"timestamp-ms":5,"manifests":[]}})j",
           Code::kInvalidArgument, "without a manifest list"}}) {
    auto result = Apply(Base(c.version), "[" + c.snapshot + "]");
    EXPECT_EQ(result.status().code(), c.code) << c.snapshot << result.status().ToString();
    if (!result.ok()) {
      EXPECT_NE(result.status().message().find(c.message), std::string::npos)
          << result.status().message();
    }
  }
}

TEST(ApplyUpdates, RowIdsGoOnAboveEveryAssignedOne) {
  auto add = [](int64_t id, int64_t first, int64_t rows) {
    return AddSnapshotJson(id, id, kBaseTime + id,
                           R"j(,"first-row-id":)j" + std::to_string(first) + R"j(,"added-rows":)j" +
                               std::to_string(rows));
  };
  EXPECT_EQ(MustApply(Base(3), "[" + add(3, 20, 5) + "]").next_row_id, 25);
  EXPECT_EQ(MustApply(Base(3), "[" + add(3, 20, 5) + "," + add(4, 25, 1) + "]").next_row_id, 26);
  EXPECT_EQ(MustApply(Base(3), "[" + add(3, 30, 5) + "]").next_row_id, 35);  // after a gap
  EXPECT_EQ(Apply(Base(3), "[" + add(3, 20, 5) + "," + add(4, 20, 5) + "]").status().code(),
            Code::kConflict);
}

TEST(ApplyUpdates, SnapshotsThatWereCurrentOnlyInPassingLeaveNoLogEntry) {
  TableMetadata result =
      MustApply(Base(), "[" + AddSnapshotJson(3, 3, kBaseTime + 10) + "," + SetMainJson(3) + "," +
                            AddSnapshotJson(4, 4, kBaseTime + 20) + "," + SetMainJson(4) + "]");
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2, 4}));
  EXPECT_EQ(result.snapshots.size(), 4u);
  EXPECT_EQ(result.last_updated_ms, kBaseTime + 20);
}

TEST(ApplyUpdates, RollbackIsLoggedAtTheServersTime) {
  TableMetadata result = MustApply(Base(), "[" + SetMainJson(1) + "]", kBaseTime + 7000);
  EXPECT_EQ(result.current_snapshot_id, 1);
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(result.snapshot_log.back().timestamp_ms, kBaseTime + 7000);
  EXPECT_EQ(result.last_updated_ms, kBaseTime + 7000);
}

TEST(ApplyUpdates, RefsCarryTheirRetention) {
  TableMetadata result = MustApply(
      Base(),
      R"j([{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":2,"min-snapshots-to-keep":5,"max-snapshot-age-ms":6,"max-ref-age-ms":7},)j"
      R"j({"action":"set-snapshot-ref","ref-name":"v2","type":"tag","snapshot-id":2,"max-ref-age-ms":9}])j");
  EXPECT_EQ(result.refs.at("main").min_snapshots_to_keep, 5);
  EXPECT_EQ(result.refs.at("main").max_snapshot_age_ms, 6);
  EXPECT_EQ(result.refs.at("main").max_ref_age_ms, 7);
  EXPECT_EQ(result.refs.at("v2").max_ref_age_ms, 9);
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2}));  // main did not move
  EXPECT_TRUE(result.refs.at("main").unknown.empty());
}

TEST(ApplyUpdates, RemovingMainLeavesNoCurrentSnapshot) {
  TableMetadata result =
      MustApply(Base(), R"j([{"action":"remove-snapshot-ref","ref-name":"main"}])j");
  EXPECT_EQ(result.current_snapshot_id, kNoSnapshot);
  EXPECT_EQ(result.refs.count("main"), 0u);
  EXPECT_EQ(result.snapshots.size(), 2u);
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2}));
}

TEST(ApplyUpdates, RemovedSnapshotsTakeTheirRefsStatisticsAndHistoryAlong) {
  TableMetadata result =
      MustApply(Base(), R"j([{"action":"remove-snapshots","snapshot-ids":[1]}])j");
  EXPECT_EQ(result.snapshots.size(), 1u);
  EXPECT_EQ(result.refs.size(), 1u);
  EXPECT_TRUE(result.statistics.empty());
  EXPECT_TRUE(result.partition_statistics.empty());
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{2}));
  EXPECT_EQ(result.last_sequence_number, 2);

  result = MustApply(Base(), R"j([{"action":"remove-snapshots","snapshot-ids":[2]}])j");
  EXPECT_EQ(result.current_snapshot_id, kNoSnapshot);
  EXPECT_TRUE(result.snapshot_log.empty());  // a gap would make time travel wrong
  EXPECT_EQ(result.refs.size(), 2u);

  // In the middle of the history: what stood before goes too.
  TableMetadata base =
      MustApply(Base(), "[" + AddSnapshotJson(3, 3, kBaseTime + 10) + "," + SetMainJson(3) + "]");
  result = MustApply(base, R"j([{"action":"remove-snapshots","snapshot-ids":[2]}])j");
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{3}));
}

TEST(ApplyUpdates, EqualSchemasAreReused) {
  const std::string kAdd =
      R"j({"action":"add-schema","schema":{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"id","required":true,"type":"long"},)j"
      R"j({"id":2,"name":"name","required":false,"type":"string"},{"id":3,"name":"ts","required":false,"type":"timestamp"},)j"
      R"j({"id":9,"name":"more","required":false,"type":"int"}]},"last-column-id":9})j";
  TableMetadata result =
      MustApply(Base(), "[" + kAdd + R"j(,{"action":"set-current-schema","schema-id":-1}])j");
  EXPECT_EQ(result.current_schema_id, 1);
  EXPECT_EQ(result.last_column_id, 9);
  ASSERT_EQ(result.schemas.size(), 2u);
  EXPECT_EQ(result.CurrentSchema().FindField("more")->id, 9);
  EXPECT_EQ(result.last_updated_ms, kBaseTime + 1000);

  // The same again, and the way back to the first: no third schema.
  TableMetadata again =
      MustApply(result, "[" + kAdd + R"j(,{"action":"set-current-schema","schema-id":-1}])j");
  EXPECT_TRUE(again == result);
  TableMetadata back = MustApply(result, R"j([{"action":"set-current-schema","schema-id":0}])j");
  EXPECT_EQ(back.current_schema_id, 0);
  EXPECT_EQ(back.last_column_id, 9);
  TableMetadata pruned = MustApply(back, R"j([{"action":"remove-schemas","schema-ids":[1]}])j");
  EXPECT_EQ(pruned.schemas.size(), 1u);
}

TEST(ApplyUpdates, SpecsReuseIdsOfEqualSpecsAndFields) {
  TableMetadata result = MustApply(
      Base(),
      R"j([{"action":"add-spec","spec":{"spec-id":77,"fields":[{"name":"day","transform":"day","source-id":3},{"name":"id_bucket","transform":"bucket[4]","source-id":1}]}},)j"
      R"j({"action":"set-default-spec","spec-id":-1}])j");
  EXPECT_EQ(result.default_spec_id, 1);
  EXPECT_EQ(result.DefaultSpec().fields[0].field_id, 1001);
  EXPECT_EQ(result.DefaultSpec().fields[1].field_id, 1000);  // the same field as in spec 0
  EXPECT_EQ(result.last_partition_id, 1001);

  // Given ids are kept; an equal spec with other ids is the old one.
  result = MustApply(
      result,
      R"j([{"action":"add-spec","spec":{"fields":[{"name":"n","transform":"truncate[2]","source-id":2,"field-id":1005}]}}])j");
  EXPECT_EQ(result.partition_specs.back()->spec_id, 2);
  EXPECT_EQ(result.last_partition_id, 1005);
  TableMetadata again = MustApply(
      result,
      R"j([{"action":"add-spec","spec":{"fields":[{"name":"n","transform":"truncate[2]","source-id":2,"field-id":1099}]}}])j");
  EXPECT_TRUE(again == result);
  TableMetadata pruned =
      MustApply(result, R"j([{"action":"remove-partition-specs","spec-ids":[0,2,55]}])j");
  EXPECT_EQ(pruned.partition_specs.size(), 1u);
  EXPECT_EQ(pruned.last_partition_id, 1005);
}

TEST(ApplyUpdates, V1SpecsNeedSequentialIds) {
  auto spec = [](const char* ids) {
    return R"j([{"action":"add-spec","spec":{"fields":[{"name":"id_bucket","transform":"void","source-id":1,"field-id":1000},{"name":"d","transform":"day","source-id":3)j" +
           std::string(ids) + "}]}}]";
  };
  EXPECT_EQ(MustApply(Base(1), spec("")).last_partition_id, 1001);
  EXPECT_EQ(MustApply(Base(1), spec(R"j(,"field-id":1001)j")).last_partition_id, 1001);
  auto result = Apply(Base(1), spec(R"j(,"field-id":1002)j"));
  EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
  EXPECT_NE(result.status().message().find("sequential IDs"), std::string::npos);
}

TEST(ApplyUpdates, SortOrdersStartAt1AndUnsortedIs0) {
  auto order = [](const char* direction) {
    return std::string(
               R"j({"action":"add-sort-order","sort-order":{"order-id":44,"fields":[{"transform":"identity","source-id":1,"direction":")j") +
           direction + R"j(","null-order":"nulls-first"}]}})j";
  };
  const std::string kSet = R"j({"action":"set-default-sort-order","sort-order-id":-1})j";
  TableMetadata result = MustApply(Base(), "[" + order("asc") + "," + kSet + "]");
  EXPECT_EQ(result.default_sort_order_id, 1);
  result = MustApply(result, "[" + order("desc") + "," + kSet + "]");
  EXPECT_EQ(result.default_sort_order_id, 2);
  result = MustApply(result, "[" + order("asc") + "," + kSet + "]");
  EXPECT_EQ(result.default_sort_order_id, 1);
  EXPECT_EQ(result.sort_orders.size(), 3u);
  result = MustApply(
      result,
      R"j([{"action":"add-sort-order","sort-order":{"order-id":9,"fields":[]}},)j" + kSet + "]");
  EXPECT_EQ(result.default_sort_order_id, 0);
  EXPECT_EQ(result.sort_orders.size(), 3u);
}

TEST(ApplyUpdates, UpgradesTheFormat) {
  TableMetadata v2 =
      MustApply(Base(1), R"j([{"action":"upgrade-format-version","format-version":2}])j");
  EXPECT_EQ(v2.format_version, 2);
  EXPECT_EQ(v2.last_sequence_number, 0);
  TableMetadata v3 = MustApply(v2, R"j([{"action":"upgrade-format-version","format-version":3}])j");
  EXPECT_EQ(v3.next_row_id, 0);
  EXPECT_FALSE(v3.snapshots[0]->first_row_id);
  EXPECT_EQ(MustApply(Base(1), R"j([{"action":"upgrade-format-version","format-version":3}])j")
                .format_version,
            3);
  TableMetadata without_uuid = Base(1);
  without_uuid.table_uuid = "";
  EXPECT_EQ(Apply(without_uuid, R"j([{"action":"upgrade-format-version","format-version":2}])j")
                .status()
                .code(),
            Code::kInvalidArgument);
  EXPECT_EQ(
      MustApply(
          without_uuid,
          R"j([{"action":"assign-uuid","uuid":"u"},{"action":"upgrade-format-version","format-version":2}])j")
          .table_uuid,
      "u");
}

TEST(ApplyUpdates, PropertiesMergeAndLocationsMove) {
  TableMetadata result = MustApply(
      Base(),
      R"j([{"action":"set-properties","updates":{"a":"1","b":"2"}},{"action":"set-properties","updated":{"b":"3"}},)j"
      R"j({"action":"remove-properties","removals":["a"]},{"action":"remove-properties","removed":["write.parquet.compression-codec"]},)j"
      R"j({"action":"set-location","location":"s3://c/u//"}])j");
  EXPECT_EQ(result.properties, (StringMap{{"b", "3"}}));
  EXPECT_EQ(result.location, "s3://c/u");
}

TEST(ApplyUpdates, StatisticsHaveOneFileForEachSnapshot) {
  TableMetadata result = MustApply(
      Base(),
      R"j([{"action":"set-statistics","snapshot-id":1,"statistics":{"snapshot-id":1,"statistics-path":"new","file-size-in-bytes":1,"file-footer-size-in-bytes":1,"blob-metadata":[]}},)j"
      R"j({"action":"set-statistics","statistics":{"snapshot-id":2,"statistics-path":"second","file-size-in-bytes":1,"file-footer-size-in-bytes":1,"blob-metadata":[]}},)j"
      R"j({"action":"set-partition-statistics","partition-statistics":{"snapshot-id":1,"statistics-path":"new","file-size-in-bytes":1}}])j");
  ASSERT_EQ(result.statistics.size(), 2u);
  EXPECT_EQ(result.statistics[0].statistics_path, "new");
  EXPECT_EQ(result.statistics[1].statistics_path, "second");
  ASSERT_EQ(result.partition_statistics.size(), 1u);
  EXPECT_EQ(result.partition_statistics[0].statistics_path, "new");
  result = MustApply(
      result,
      R"j([{"action":"remove-statistics","snapshot-id":1},{"action":"remove-partition-statistics","snapshot-id":1}])j");
  EXPECT_EQ(result.statistics.size(), 1u);
  EXPECT_TRUE(result.partition_statistics.empty());
}

TEST(ApplyUpdates, EncryptionKeysAreAddedOnce) {
  const char* add =
      R"j([{"action":"add-encryption-key","encryption-key":{"key-id":"k","encrypted-key-metadata":"AA=="}}])j";
  TableMetadata result = MustApply(Base(3), add);
  EXPECT_EQ(result.encryption_keys.size(), 1u);
  EXPECT_TRUE(MustApply(result, add) == result);
  EXPECT_TRUE(MustApply(result, R"j([{"action":"remove-encryption-key","key-id":"k"}])j")
                  .encryption_keys.empty());
}

TEST(ApplyUpdates, TheMetadataLogIsTrimmed) {
  TableMetadata metadata = MustApply(
      Base(),
      R"j([{"action":"set-properties","updates":{"write.metadata.previous-versions-max":"2"}}])j");
  for (int i = 0; i < 5; ++i) {
    auto updates = Updates(R"j([{"action":"set-properties","updates":{"i":")j" + std::to_string(i) +
                           R"j("}}])j");
    metadata =
        *ApplyUpdates(metadata, *updates, {kBaseTime + 2000 + i, "file-" + std::to_string(i)});
    EXPECT_LE(metadata.metadata_log.size(), 2u);
  }
  EXPECT_EQ(metadata.metadata_log[0].metadata_file, "file-3");
  EXPECT_EQ(metadata.metadata_log[1].metadata_file, "file-4");
  metadata = MustApply(
      metadata,
      R"j([{"action":"set-properties","updates":{"write.metadata.previous-versions-max":"0"}}])j",
      kBaseTime + 9000);
  EXPECT_EQ(metadata.metadata_log.size(), 1u);
  metadata = MustApply(
      metadata,
      R"j([{"action":"set-properties","updates":{"write.metadata.previous-versions-max":"4"}}])j",
      kBaseTime + 9001);
  EXPECT_EQ(metadata.metadata_log.size(), 2u);  // the log grows again
}

TEST(ApplyUpdates, TimesMayNotGoBackMoreThanAMinute) {
  auto add = [](int64_t time) {
    return "[" + AddSnapshotJson(3, 3, time) + "," + SetMainJson(3) + "]";
  };
  EXPECT_TRUE(Apply(Base(), add(kBaseTime - 30'000)).ok());
  auto result = Apply(Base(), add(kBaseTime - 90'000));
  EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
  EXPECT_NE(result.status().message().find("timestamp"), std::string::npos);
  EXPECT_EQ(Apply(Base(), add(std::numeric_limits<int64_t>::min())).status().code(),
            Code::kInvalidArgument);
  // The server's own clock being behind is no reason to refuse.
  TableMetadata late =
      MustApply(Base(), R"j([{"action":"set-properties","updates":{"a":"b"}}])j", 5);
  EXPECT_EQ(late.last_updated_ms, kBaseTime + 2);
}

TEST(ApplyUpdates, ReplacingATableKeepsItsHistory) {
  TableMetadata result = MustApply(
      Base(),
      R"j([{"action":"remove-snapshot-ref","ref-name":"main"},)j"
      R"j({"action":"add-schema","schema":{"type":"struct","fields":[{"id":4,"name":"other","required":true,"type":"date"}]}},{"action":"set-current-schema","schema-id":-1},)j"
      R"j({"action":"add-spec","spec":{"fields":[{"name":"other_month","transform":"month","source-id":4,"field-id":1001}]}},{"action":"set-default-spec","spec-id":-1},)j"
      R"j({"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}},{"action":"set-default-sort-order","sort-order-id":-1},)j" +
          AddSnapshotJson(3, 3, kBaseTime + 10) + "," + SetMainJson(3) + "]");
  EXPECT_EQ(result.current_snapshot_id, 3);
  EXPECT_EQ(result.snapshots.size(), 3u);
  EXPECT_EQ(LogIds(result), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(result.CurrentSchema().fields().size(), 1u);
  EXPECT_EQ(result.last_column_id, 4);
  EXPECT_EQ(result.default_spec_id, 1);
}

TEST(ApplyUpdates, TheBaseIsNeverChanged) {
  TableMetadata base = Base();
  std::string before = TableMetadataToJson(base);
  MustApply(base, "[" + AddSnapshotJson(3, 3, kBaseTime + 10) + "," + SetMainJson(3) +
                      R"j(,{"action":"remove-snapshots","snapshot-ids":[1]}])j");
  EXPECT_EQ(TableMetadataToJson(base), before);
}

constexpr char kCreate[] =
    R"j([{"action":"assign-uuid","uuid":"u"},{"action":"upgrade-format-version","format-version":3},)j"
    R"j({"action":"add-schema","schema":{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"a","required":true,"type":"int"}]},"last-column-id":1},)j"
    R"j({"action":"set-current-schema","schema-id":-1},{"action":"add-spec","spec":{"spec-id":0,"fields":[]}},{"action":"set-default-spec","spec-id":-1},)j"
    R"j({"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}},{"action":"set-default-sort-order","sort-order-id":-1},)j"
    R"j({"action":"set-location","location":"s3://b/t"},{"action":"set-properties","updates":{"format-version":"3","a":"b"}})j";

TEST(ApplyCreateUpdates, BuildsAStagedTableFromUpdatesAlone) {
  std::string text = std::string(kCreate) + "," +
                     AddSnapshotJson(5, 1, 900, R"j(,"first-row-id":0,"added-rows":3)j") + "," +
                     SetMainJson(5) + "]";
  auto made = ApplyCreateUpdates(*Updates(text), {1000, ""});
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->format_version, 3);
  EXPECT_EQ(made->table_uuid, "u");
  EXPECT_EQ(made->current_schema_id, 0);
  EXPECT_EQ(made->default_sort_order_id, 0);
  EXPECT_EQ(made->current_snapshot_id, 5);
  EXPECT_EQ(made->next_row_id, 3);
  EXPECT_EQ(made->last_sequence_number, 1);
  EXPECT_EQ(made->last_updated_ms, 900);
  EXPECT_EQ(made->properties, (StringMap{{"a", "b"}}));
  EXPECT_TRUE(made->metadata_log.empty());
  EXPECT_TRUE(*TableMetadataFromJson(TableMetadataToJson(*made)) == *made);
}

TEST(ApplyCreateUpdates, RefusesWhatIsNoTable) {
  struct Case {
    std::string updates;
    const char* message;
  };
  const std::string kSchema =
      R"j({"action":"add-schema","schema":{"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"int"}]}})j";
  for (const Case& c : std::vector<Case>{
           {"[]", "Partition specs cannot be null or empty"},
           {"[" + kSchema + "]", "Partition specs cannot be null or empty"},
           {"[" + kSchema + R"j(,{"action":"add-spec","spec":{"fields":[]}}])j",
            "Sort orders cannot be null or empty"},
           {R"j([{"action":"add-spec","spec":{"fields":[]}}])j", "before a schema is set"},
           {"[" + AddSnapshotJson(1, 1, 5) + "]", "before a schema is added"},
           {"[" + kSchema + "," + AddSnapshotJson(1, 1, 5) + "]",
            "before a partition spec is added"},
           {R"j([{"action":"upgrade-format-version","format-version":9}])j",
            "Unsupported format version: v9"}}) {
    auto made = ApplyCreateUpdates(*Updates(c.updates), {1000, ""});
    ASSERT_FALSE(made.ok()) << c.updates;
    EXPECT_EQ(made.status().code(), Code::kInvalidArgument);
    EXPECT_NE(made.status().message().find(c.message), std::string::npos)
        << made.status().message();
  }
}

}  // namespace
}  // namespace moraine::iceberg
