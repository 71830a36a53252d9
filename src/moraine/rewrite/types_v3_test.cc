// Every type of format version 3 through a rewrite: the same values, and columns of the same
// physical and logical types.

#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/arrow_file.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/rewrite/written_fields.h"

namespace moraine::rewrite {
namespace {

using iceberg::Field;
using iceberg::Optional;
using iceberg::Type;
using iceberg::TypeKind;

constexpr char kInput[] = "file:///data/a.parquet";

iceberg::TypePtr P(TypeKind kind) { return Type::Primitive(kind); }

class TypesV3 : public testing::Test {
 protected:
  std::shared_ptr<const parquet::SchemaDescriptor> SchemaOf(const std::string& path) {
    auto file = files_.Open(call_, path, std::nullopt);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    auto reader = parquet::ParquetFileReader::Open(io::ToArrowFile(call_, std::move(*file)));
    metadata_.push_back(reader->metadata());
    return {metadata_.back(), metadata_.back()->schema()};
  }

  Result<tasks::RewriteOutput> Run(const std::vector<Field>& fields, iceberg::DataFile file) {
    task_.format_version = 3;
    ++task_.attempt;
    task_.schema = iceberg::MakeSchema(fields);
    task_.spec = std::make_shared<const iceberg::PartitionSpec>();
    task_.target_size_bytes = 1 << 30;
    task_.data_location = "file:///out";
    file.first_row_id = 100;
    task_.rewrite = {{std::move(file), 1, {}}};
    return RunRewrite(call_, files_, task_, {}, nullptr);
  }

  io::MemoryFileSystem files_;
  Call call_ = iceberg::TestCall();
  tasks::RewriteTask task_;
  std::vector<std::shared_ptr<parquet::FileMetaData>> metadata_;
};

TEST_F(TypesV3, AreKeptAsTheyAre) {
  const std::vector<Field> fields = {
      Optional(1, "ns", P(TypeKind::kTimestampNs)),
      Optional(2, "nstz", P(TypeKind::kTimestampTzNs)),
      Optional(3, "planar", Type::Geometry("EPSG:3857")),
      Optional(4, "round", Type::Geography("OGC:CRS84", "karney")),
      Optional(5, "plain", Type::Geometry("OGC:CRS84")),
      Optional(6, "v", P(TypeKind::kVariant)),
      Optional(7, "nothing", P(TypeKind::kUnknown)),
      Optional(8, "s",
               Type::Struct({Optional(9, "inner", P(TypeKind::kVariant)),
                             Optional(10, "none", P(TypeKind::kUnknown))})),
      Optional(11, "l", Type::List(Optional(12, "element", P(TypeKind::kTimestampNs))))};
  const auto rows =
      iceberg::MakeRows(fields, R"([[1700000000123456789, -1, "wkb", "b", "", ["m", "v"], null,
                   [["m2", "v2"], null], [5, null]],
                  [null, 5, null, "", "x", null, null, null, []],
                  [-7, null, "", null, null, ["", ""], null, [null, null], null]])");
  iceberg::WriteOptions options;
  options.schema = iceberg::MakeSchema(fields);
  const auto output = Run(fields, WriteRows(files_, kInput, rows, options));
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  ASSERT_EQ(output->data_files.size(), 1u);
  const std::string& path = output->data_files[0].file_path;
  EXPECT_EQ(iceberg::ReadText(files_, path, fields), iceberg::ReadText(files_, kInput, fields));

  const auto before = SchemaOf(kInput);
  const auto after = SchemaOf(path);
  const auto& old_columns = *before->group_node();
  const auto& new_columns = *after->group_node();
  ASSERT_EQ(new_columns.field_count(), old_columns.field_count() + 2);
  for (int i = 0; i < old_columns.field_count(); ++i) {
    EXPECT_TRUE(new_columns.field(i)->Equals(old_columns.field(i).get())) << i;
    EXPECT_TRUE(new_columns.field(i)->logical_type()->Equals(*old_columns.field(i)->logical_type()))
        << new_columns.field(i)->logical_type()->ToString();
    EXPECT_EQ(new_columns.field(i)->field_id(), old_columns.field(i)->field_id());
  }
  EXPECT_TRUE(old_columns.field(2)->logical_type()->is_geometry());
  EXPECT_TRUE(old_columns.field(3)->logical_type()->is_geography());
  for (int i = 0; i < 2; ++i) {
    const auto& column = new_columns.field(old_columns.field_count() + i);
    EXPECT_EQ(column->field_id(), 2147483540 - i);
    EXPECT_TRUE(column->is_optional());
  }
}

TEST_F(TypesV3, DefaultsOfStructsAreThoseOfTheirFields) {
  const Field id = Optional(1, "id", P(TypeKind::kLong));
  Field number = Optional(3, "n", P(TypeKind::kInt));
  number.initial_default = iceberg::Value(int32_t{7});
  Field added = Optional(2, "s", Type::Struct({number, Optional(4, "t", P(TypeKind::kString))}));
  added.unknown = {{"initial-default", Json::MakeObject()}};
  const Field list = Optional(5, "l", Type::List(Optional(6, "element", P(TypeKind::kInt))));
  iceberg::WriteOptions options;
  options.schema = iceberg::MakeSchema({id});
  const iceberg::DataFile file =
      WriteRows(files_, kInput, iceberg::MakeRows({id}, "[[1],[2]]"), options);
  auto output = Run({id, added, list}, file);
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  const std::string text =
      iceberg::ReadText(files_, output->data_files[0].file_path, WrittenFields(task_));
  Field full = list;
  full.unknown = {{"initial-default", Json::MakeArray()}};
  EXPECT_EQ(Run({id, full}, file).status().code(), Code::kUnsupported);
  EXPECT_NE(text.find("7"), text.npos) << text;
  EXPECT_EQ(output->rows_written, 2);
}

TEST_F(TypesV3, ShreddedVariantsAreRefused) {
  const Field shredded = Optional(1, "v",
                                  Type::Struct({Optional(2, "metadata", P(TypeKind::kBinary)),
                                                Optional(3, "value", P(TypeKind::kBinary)),
                                                Optional(4, "typed_value", P(TypeKind::kLong))}));
  iceberg::WriteOptions options;
  options.schema = iceberg::MakeSchema({shredded});
  const auto file =
      WriteRows(files_, kInput, iceberg::MakeRows({shredded}, R"([[["m", null, 5]]])"), options);
  const Status status = Run({Optional(1, "v", P(TypeKind::kVariant))}, file).status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_NE(status.message().find("shredded"), std::string_view::npos) << status.ToString();
}

}  // namespace
}  // namespace moraine::rewrite
