// Tasks whose inputs and deletes are of several formats.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/iceberg/testing/other_formats.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine::rewrite {
namespace {

using iceberg::DataFile;
using iceberg::Field;
using iceberg::FileFormat;
using iceberg::Optional;
using iceberg::Required;
using iceberg::Type;
using iceberg::TypeKind;

constexpr int64_t kDataSequence = 3;

const std::vector<Field>& TableFields() {
  static const auto* fields = new std::vector<Field>{
      Optional(1, "id", Type::Primitive(TypeKind::kLong)),
      Optional(2, "name", Type::Primitive(TypeKind::kString)),
      Optional(3, "s", Type::Struct({Optional(4, "a", Type::Primitive(TypeKind::kInt))}))};
  return *fields;
}

std::string DataJson(int file) {
  std::string json = "[";
  for (int i = 0; i < 6; ++i) {
    const std::string id = std::to_string(file * 10 + i);
    json += (i > 0 ? "," : "") + ("[" + id + ", \"n" + id + "\", [" + id + "]]");
  }
  return json + "]";
}

class MixedFormats : public testing::Test {
 protected:
  MixedFormats() {
    task_.process_id = "p";
    task_.attempt = 1;
    task_.schema = iceberg::MakeSchema(TableFields());
    task_.spec = std::make_shared<const iceberg::PartitionSpec>();
    task_.target_size_bytes = 1 << 30;
    task_.data_location = "/out";
  }

  void AddData(FileFormat format) {
    const auto at = static_cast<int>(task_.rewrite.size());
    const std::string path = folder_ + std::to_string(at);
    tasks::InputFile input;
    input.file = format == FileFormat::kParquet
                     ? WriteRows(files_, path, TableFields(), DataJson(at))
                     : WriteRowsAs(format, files_, path, TableFields(), DataJson(at));
    input.sequence_number = kDataSequence;
    task_.rewrite.push_back(std::move(input));
  }

  void AddDeletes(FileFormat format, const std::vector<Field>& fields, const std::string& json,
                  std::vector<int32_t> equality_ids) {
    const std::string path = folder_ + "deletes-" + std::to_string(task_.deletes.size());
    DataFile file = WriteRowsAs(format, files_, path, fields, json);
    file.content = equality_ids.empty() ? iceberg::FileContent::kPositionDeletes
                                        : iceberg::FileContent::kEqualityDeletes;
    file.equality_ids = std::move(equality_ids);
    for (tasks::InputFile& input : task_.rewrite) {
      input.deletes.push_back(static_cast<int32_t>(task_.deletes.size()));
    }
    task_.deletes.push_back({std::move(file), kDataSequence + 1});
  }

  void AddPositionDeletes(FileFormat format, const std::string& json) {
    AddDeletes(
        format,
        {Required(iceberg::kFilePathFieldId, "file_path", Type::Primitive(TypeKind::kString)),
         Required(iceberg::kPositionFieldId, "pos", Type::Primitive(TypeKind::kLong))},
        json, {});
  }

  Result<tasks::RewriteOutput> Run(RewriteWay way) {
    Call call = iceberg::TestCall();
    RewriteOptions options;
    options.way = way;
    return RunRewrite(call, files_, task_, options, nullptr);
  }

  // Another task, whose files have other names.
  void StartOver() {
    task_.rewrite.clear();
    task_.deletes.clear();
    ++task_.attempt;
    folder_ = "/data/of " + std::to_string(task_.attempt) + "/";
  }

  io::MemoryFileSystem files_;
  std::string folder_ = "/data/";
  tasks::RewriteTask task_;
};

TEST_F(MixedFormats, BecomeOneParquetFile) {
  AddData(FileFormat::kOrc);
  AddData(FileFormat::kParquet);
  AddData(FileFormat::kAvro);
  AddPositionDeletes(FileFormat::kAvro, R"([["/data/0", 0], ["/data/1", 1]])");
  AddPositionDeletes(FileFormat::kOrc, R"([["/data/1", 2], ["/data/2", 3]])");
  AddDeletes(FileFormat::kOrc, {TableFields()[0]}, "[[4], [14]]", {1});
  AddDeletes(FileFormat::kAvro, {TableFields()[2]}, "[[[25]], [[5]]]", {4});
  const Result<tasks::RewriteOutput> output = Run(RewriteWay::kAuto);
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  ASSERT_EQ(output->data_files.size(), 1u);
  EXPECT_EQ(output->data_files[0].format, FileFormat::kParquet);
  EXPECT_EQ(output->data_files[0].record_count, 10);
  EXPECT_EQ(output->rows_deleted, 8);
  std::string expected;
  for (int id : {1, 2, 3, 10, 13, 15, 20, 21, 22, 24}) {
    const std::string text = std::to_string(id);
    expected += text + ", n" + text + ", {a:int32 = " + text + "}\n";
  }
  EXPECT_EQ(ReadText(files_, output->data_files[0].file_path, TableFields()), expected);
  ASSERT_TRUE(output->positions);
}

TEST_F(MixedFormats, GiveTheSamePositionsAsParquet) {
  std::string expected;
  for (FileFormat format : {FileFormat::kParquet, FileFormat::kOrc, FileFormat::kAvro}) {
    StartOver();
    AddData(format);
    AddData(format);
    AddPositionDeletes(FileFormat::kOrc, "[[\"" + task_.rewrite[1].file.file_path + "\", 2]]");
    const Result<tasks::RewriteOutput> output = Run(RewriteWay::kDecode);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    ASSERT_TRUE(output->positions);
    if (format == FileFormat::kParquet) {
      expected = output->positions->bytes;
    } else {
      EXPECT_EQ(output->positions->bytes, expected) << iceberg::FileFormatName(format);
    }
  }
}

TEST_F(MixedFormats, AreNotSpliced) {
  AddData(FileFormat::kOrc);
  EXPECT_EQ(Run(RewriteWay::kSplice).status().code(), Code::kUnsupported);
}

TEST_F(MixedFormats, NameTheFileWhoseRowsAreNotAsManyAsTheTableSays) {
  for (FileFormat format : {FileFormat::kOrc, FileFormat::kAvro}) {
    StartOver();
    AddData(format);
    ++task_.rewrite[0].file.record_count;
    const Status status = Run(RewriteWay::kAuto).status();
    EXPECT_EQ(status.code(), Code::kCorruption);
    EXPECT_NE(
        status.ToString().find(folder_ + "0: the table's metadata says 7 rows, the file has 6"),
        std::string::npos)
        << status.ToString();
  }
}

}  // namespace
}  // namespace moraine::rewrite
