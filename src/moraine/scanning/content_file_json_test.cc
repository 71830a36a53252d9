#include "moraine/scanning/content_file_json.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::scanning {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::FileFormat;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypePtr;
using iceberg::Value;

Schema MakeSchema() {
  auto type = [](const char* text) { return *Type::FromString(text); };
  return Schema(0, {{1, "id", true, type("long")},
                    {2, "day", false, type("date")},
                    {3, "price", false, type("decimal(9, 2)")},
                    {4, "name", false, type("string")},
                    {5, "real", false, type("double")},
                    {6, "short", false, type("float")}});
}

DataFile MakeFile() {
  DataFile file;
  file.file_path = "s3://b/t/data/a\"b.parquet";
  file.spec_id = 3;
  file.partition = {Value(int32_t{19000}), Value(), Value(int32_t{7})};
  file.record_count = 10;
  file.file_size_in_bytes = 1'000;
  file.split_offsets = {4, 500};
  file.sort_order_id = 0;
  file.first_row_id = 40;
  file.key_metadata = std::string("\x01\xab");
  file.column_sizes = {{1, 100}, {4, 7}};
  file.value_counts = {{1, 10}, {4, 10}};
  file.null_value_counts = {{1, 0}, {4, 2}};
  Schema schema = MakeSchema();
  auto bytes = [&](int32_t id, const Value& value) {
    return std::pair(id, ValueToBytes(*schema.FindField(id)->type, value));
  };
  file.lower_bounds = {
      bytes(1, int64_t{5}), bytes(3, iceberg::Int128{1420}), bytes(4, std::string("ab")), {9, "x"}};
  file.upper_bounds = {bytes(1, int64_t{-5}), {2, "bad"}};
  return file;
}

std::string Write(const DataFile& file, const std::vector<int32_t>& columns, BoundsForm form) {
  Schema schema = MakeSchema();
  std::vector<TypePtr> types = {*Type::FromString("date"), *Type::FromString("string"),
                                *Type::FromString("int")};
  std::string text;
  JsonWriter out(&text);
  WriteContentFile(file, types, {schema, columns, form}, &out);
  return text;
}

constexpr char kPlain[] =
    R"({"content":"data","file-path":"s3://b/t/data/a\"b.parquet","file-format":"parquet","spec-id":3,)"
    R"("partition":["2022-01-08",null,7],"file-size-in-bytes":1000,"record-count":10,"key-metadata":"01AB",)"
    R"("split-offsets":[4,500],"sort-order-id":0,"first-row-id":40)";

TEST(ContentFileJson, LeavesStatsOutUnlessAsked) {
  EXPECT_EQ(Write(MakeFile(), {}, BoundsForm::kTyped), std::string(kPlain) + "}");
}

TEST(ContentFileJson, GivesTheStatsOfTheColumnsAsked) {
  EXPECT_EQ(
      Write(MakeFile(), {1, 2, 3, 9}, BoundsForm::kTyped),
      std::string(kPlain) +
          R"(,"column-sizes":{"keys":[1],"values":[100]},"value-counts":{"keys":[1],"values":[10]},)"
          R"("null-value-counts":{"keys":[1],"values":[0]},)"
          R"("lower-bounds":{"keys":[1,3],"values":[5,"14.20"]},"upper-bounds":{"keys":[1],"values":[-5]}})");
  EXPECT_EQ(
      Write(MakeFile(), {4}, BoundsForm::kBinary),
      std::string(kPlain) +
          R"(,"column-sizes":{"keys":[4],"values":[7]},"value-counts":{"keys":[4],"values":[10]},)"
          R"("null-value-counts":{"keys":[4],"values":[2]},"lower-bounds":{"keys":[4],"values":["6162"]}})");
}

TEST(ContentFileJson, RealNumbersAreAsShortAsTheyCanBe) {
  DataFile file;
  file.file_path = "f";
  Schema schema = MakeSchema();
  auto bound = [&](int32_t id, const Value& value) {
    return std::pair(id, ValueToBytes(*schema.FindField(id)->type, value));
  };
  file.lower_bounds = {bound(5, 0.1), bound(6, 0.1f)};
  file.upper_bounds = {bound(5, 1e300), bound(6, HUGE_VALF)};
  std::string text = Write(file, {5, 6}, BoundsForm::kTyped);
  EXPECT_THAT(text, testing::HasSubstr(R"("lower-bounds":{"keys":[5,6],"values":[0.1,0.1]})"));
  EXPECT_THAT(text,
              testing::HasSubstr(R"("upper-bounds":{"keys":[5,6],"values":[1e+300,"Infinity"]})"));
}

TEST(ContentFileJson, DeleteFilesOfEachKind) {
  DataFile file;
  file.file_path = "s3://b/d";
  file.format = FileFormat::kPuffin;
  file.content = FileContent::kPositionDeletes;
  file.referenced_data_file = "s3://b/a";
  file.content_offset = 4;
  file.content_size_in_bytes = 60;
  file.record_count = 3;
  file.file_size_in_bytes = 120;
  EXPECT_EQ(
      Write(file, {1}, BoundsForm::kTyped),
      R"({"content":"position-deletes","file-path":"s3://b/d","file-format":"puffin","spec-id":0,"partition":[],)"
      R"("file-size-in-bytes":120,"record-count":3,"referenced-data-file":"s3://b/a","content-offset":4,)"
      R"("content-size-in-bytes":60})");
  DataFile equality;
  equality.file_path = "s3://b/e";
  equality.format = FileFormat::kAvro;
  equality.content = FileContent::kEqualityDeletes;
  equality.equality_ids = {1, 4};
  EXPECT_EQ(
      Write(equality, {}, BoundsForm::kTyped),
      R"({"content":"equality-deletes","file-path":"s3://b/e","file-format":"avro","spec-id":0,"partition":[],)"
      R"("file-size-in-bytes":0,"record-count":0,"equality-ids":[1,4]})");
}

}  // namespace
}  // namespace moraine::scanning
