#include <functional>

#include <gtest/gtest.h>

#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::iceberg {
namespace {

TypePtr T(std::string_view text) { return *Type::FromString(text); }

/// A request whose ids are nothing like those of the table that comes of it.
TableCreation Request() {
  TableCreation creation;
  creation.table_uuid = "u";
  creation.location = "s3://b/t/";
  creation.now_ms = 1000;
  creation.schema = Schema(
      9,
      {Field{70, "id", true, T("long")},
       Field{50, "point", true,
             Type::Struct({Field{40, "x", true, T("double")}, Field{30, "y", true, T("int")}})},
       Field{20, "ts", false, T("timestamp")}},
      {70, 30});
  creation.spec = {5,
                   {PartitionField{{20}, 0, "ts_day", *Transform::FromString("day")},
                    PartitionField{{30}, 7, "y_bucket", *Transform::FromString("bucket[4]")}}};
  creation.sort_order = {8, {SortField{{40}, Transform::Identity(), SortDirection::kDescending}}};
  return creation;
}

TEST(MakeTableMetadata, AssignsIdsAsJavaDoes) {
  auto made = MakeTableMetadata(Request());
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(
      TableMetadataToJson(*made),
      R"j({"format-version":2,"table-uuid":"u","location":"s3://b/t","last-sequence-number":0,"last-updated-ms":1000,)j"
      R"j("last-column-id":5,"current-schema-id":0,"schemas":[{"type":"struct","schema-id":0,"identifier-field-ids":[1,5],"fields":[)j"
      R"j({"id":1,"name":"id","required":true,"type":"long"},{"id":2,"name":"point","required":true,"type":{"type":"struct","fields":[)j"
      R"j({"id":4,"name":"x","required":true,"type":"double"},{"id":5,"name":"y","required":true,"type":"int"}]}},)j"
      R"j({"id":3,"name":"ts","required":false,"type":"timestamp"}]}],"default-spec-id":0,"partition-specs":[{"spec-id":0,"fields":[)j"
      R"j({"name":"ts_day","transform":"day","source-id":3,"field-id":1000},{"name":"y_bucket","transform":"bucket[4]","source-id":5,"field-id":1001}]}],)j"
      R"j("last-partition-id":1001,"default-sort-order-id":1,"sort-orders":[{"order-id":1,"fields":[)j"
      R"j({"transform":"identity","source-id":4,"direction":"desc","null-order":"nulls-first"}]}],)j"
      R"j("properties":{"write.parquet.compression-codec":"zstd"},"current-snapshot-id":-1,"refs":{},"snapshots":[],)j"
      R"j("statistics":[],"partition-statistics":[],"snapshot-log":[],"metadata-log":[]})j");
  EXPECT_TRUE(*TableMetadataFromJson(TableMetadataToJson(*made)) == *made);
}

TEST(MakeTableMetadata, UnpartitionedAndUnsortedHaveId0) {
  TableCreation creation = Request();
  creation.spec = {};
  creation.sort_order = {};
  auto made = MakeTableMetadata(creation);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->last_partition_id, 999);
  EXPECT_EQ(made->default_sort_order_id, 0);
  EXPECT_TRUE(made->DefaultSpec().is_unpartitioned());
}

TEST(MakeTableMetadata, PropertiesDecideTheVersionAndReservedOnesAreNotStored) {
  TableCreation creation = Request();
  creation.properties = {{"format-version", "3"},
                         {"uuid", "x"},
                         {"current-schema", "y"},
                         {"a", "b"},
                         {"write.parquet.compression-codec", "snappy"},
                         {"write.metadata.metrics.column.point.x", "full"},
                         {"commit.retry.num-retries", "0"}};
  auto made = MakeTableMetadata(creation);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->format_version, 3);
  EXPECT_EQ(made->properties, (StringMap{{"a", "b"},
                                         {"commit.retry.num-retries", "0"},
                                         {"write.metadata.metrics.column.point.x", "full"},
                                         {"write.parquet.compression-codec", "snappy"}}));
}

TEST(MakeTableMetadata, RefusesBadRequests) {
  struct Case {
    std::function<void(TableCreation*)> spoil;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {[](auto* r) { r->properties["format-version"] = "two"; }, "format-version"},
           {[](auto* r) { r->properties["format-version"] = "4"; },
            "Unsupported format version: v4"},
           {[](auto* r) { r->format_version = 0; }, "Unsupported format version: v0"},
           {[](auto* r) { r->properties["write.metadata.metrics.column.nope"] = "full"; },
            "could not find column nope"},
           {[](auto* r) { r->properties["commit.retry.num-retries"] = "-1"; }, "non negative"},
           {[](auto* r) { r->properties["commit.retry.min-wait-ms"] = "x"; }, "integer value"},
           {[](auto* r) { r->spec.fields[0].source_ids = {99}; },
            "Cannot find source column for partition field: ts_day"},
           {[](auto* r) { r->sort_order.fields[0].source_ids = {99}; },
            "Cannot find source column for sort field"},
           {[](auto* r) { r->spec.fields[0].transform = *Transform::FromString("zorder"); },
            "Unknown transform"},
           {[](auto* r) { r->spec.fields[1].transform = *Transform::FromString("hour"); },
            "Invalid source type int"},
           {[](auto* r) {
              r->schema = Schema(0, {Field{1, "a", true, T("int")}, Field{1, "b", true, T("int")}});
            },
            "same id 1"},
           {[](auto* r) {
              r->schema = Schema(0, {Field{1, "v", false, T("variant")}});
            },
            "Invalid schema for v2:\n- Invalid type for v: variant is not supported until v3"}}) {
    TableCreation creation = Request();
    c.spoil(&creation);
    auto made = MakeTableMetadata(creation);
    ASSERT_FALSE(made.ok()) << c.message;
    EXPECT_EQ(made.status().code(), Code::kInvalidArgument);
    EXPECT_NE(made.status().message().find(c.message), std::string::npos)
        << made.status().message();
  }
}

}  // namespace
}  // namespace moraine::iceberg
