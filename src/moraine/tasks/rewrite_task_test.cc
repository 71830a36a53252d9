#include "moraine/tasks/rewrite_task.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/tasks/position_map_builder.h"

namespace moraine::tasks {
namespace {

using iceberg::DataFile;
using iceberg::Field;
using iceberg::Type;
using iceberg::TypeKind;
using iceberg::Value;

iceberg::SchemaPtr MakeSchema() {
  const std::pair<const char*, iceberg::TypePtr> columns[] = {
      {"b", Type::Primitive(TypeKind::kBoolean)},
      {"i", Type::Primitive(TypeKind::kInt)},
      {"l", Type::Primitive(TypeKind::kLong)},
      {"f", Type::Primitive(TypeKind::kFloat)},
      {"d", Type::Primitive(TypeKind::kDouble)},
      {"dec", Type::Decimal(38, 4)},
      {"day", Type::Primitive(TypeKind::kDate)},
      {"time", Type::Primitive(TypeKind::kTime)},
      {"ts", Type::Primitive(TypeKind::kTimestamp)},
      {"tz", Type::Primitive(TypeKind::kTimestampTz)},
      {"s", Type::Primitive(TypeKind::kString)},
      {"u", Type::Primitive(TypeKind::kUuid)},
      {"fix", Type::Fixed(3)},
      {"bin", Type::Primitive(TypeKind::kBinary)},
  };
  std::vector<Field> fields;
  int32_t id = 0;
  for (const auto& [name, type] : columns) {
    Field field;
    field.id = ++id;
    field.name = name;
    field.type = type;
    fields.push_back(field);
  }
  return std::make_shared<const iceberg::Schema>(7, fields, std::vector<int32_t>());
}

iceberg::PartitionSpecPtr MakeSpec(const iceberg::Schema& schema) {
  auto spec = std::make_shared<iceberg::PartitionSpec>();
  spec->spec_id = 3;
  int32_t id = 1000;
  for (const Field& field : schema.fields()) {
    spec->fields.push_back({{field.id}, id++, field.name, iceberg::Transform::Identity()});
  }
  // A field whose source column was dropped since.
  spec->fields.push_back({{99}, id++, "gone", iceberg::Transform::Identity()});
  return spec;
}

iceberg::PartitionTuple MakeTuple() {
  return {true,
          int32_t{-5},
          std::numeric_limits<int64_t>::min(),
          -std::numeric_limits<float>::quiet_NaN(),
          -0.0,
          -(iceberg::Int128(1) << 100),
          int32_t{17000},
          int64_t{1},
          int64_t{-1},
          int64_t{1700000000000000},
          std::string("a\"b\\ü\n"),
          std::string("0123456789abcdef"),
          std::string("\0\xff\x7f", 3),
          std::string("\xfe\x00", 2),
          int64_t{123456789012345}};
}

DataFile MakeFile(const iceberg::PartitionTuple& tuple) {
  DataFile file;
  file.file_path = "file:///t/data/a=1/ü.parquet";
  file.spec_id = 3;
  file.partition = tuple;
  file.record_count = 1234567890123;
  file.file_size_in_bytes = 987654321;
  file.column_sizes = {{1, 10}, {2, 20}};
  file.value_counts = {{1, 100}};
  file.null_value_counts = {{1, 3}, {5, 0}};
  file.nan_value_counts = {{4, 2}};
  file.lower_bounds = {{1, std::string("\0\x01", 2)}};
  file.upper_bounds = {{1, "\xff\xfe"}, {2, ""}};
  file.key_metadata = std::string("\x01\x02\x00", 3);
  file.split_offsets = {4, 4000000000};
  file.equality_ids = {1, 2};
  file.sort_order_id = 0;
  file.first_row_id = 77;
  file.referenced_data_file = "file:///t/data/x.parquet";
  file.content_offset = 4;
  file.content_size_in_bytes = 40;
  return file;
}

RewriteTask MakeTask() {
  RewriteTask task;
  task.process_id = "0190-p";
  task.task_id = 4;
  task.attempt = 2;
  task.table = "default.db.t";
  task.schema = MakeSchema();
  task.spec = MakeSpec(*task.schema);
  task.partition = MakeTuple();
  task.properties = {{"write.parquet.compression-codec", "zstd"}, {"x", "\"\n"}};
  DataFile deletes = MakeFile(task.partition);
  deletes.content = iceberg::FileContent::kEqualityDeletes;
  deletes.format = iceberg::FileFormat::kAvro;
  task.deletes.push_back({deletes, 12});
  DataFile global = MakeFile({Value(), Value(int32_t{3})});
  global.spec_id = 0;
  global.content = iceberg::FileContent::kPositionDeletes;
  global.format = iceberg::FileFormat::kPuffin;
  task.deletes.push_back({global, 13});
  DataFile unpartitioned;
  unpartitioned.file_path = "file:///t/data/d.orc";
  unpartitioned.format = iceberg::FileFormat::kOrc;
  unpartitioned.content = iceberg::FileContent::kEqualityDeletes;
  task.deletes.push_back({unpartitioned, 14});
  task.rewrite.push_back({MakeFile(task.partition), 5, {0, 2}});
  task.rewrite.push_back({MakeFile(iceberg::PartitionTuple(15)), 6, {}});
  task.rewrite_positions.push_back({MakeFile(task.partition), 7, {1}});
  task.target_size_bytes = 128 << 20;
  task.data_location = "file:///t/data/";
  task.partition_path = "a=1";
  return task;
}

// NaNs are unequal to themselves, so tuples are compared apart from the rest.
void ExpectSameFile(const DataFile& got, const DataFile& want) {
  EXPECT_TRUE(iceberg::SameTuple(got.partition, want.partition));
  DataFile a = got, b = want;
  a.partition.clear();
  b.partition.clear();
  EXPECT_EQ(a, b);
}

void ExpectSameTask(const RewriteTask& got, const RewriteTask& want) {
  EXPECT_EQ(got.kind, want.kind);
  EXPECT_EQ(got.process_id, want.process_id);
  EXPECT_EQ(got.task_id, want.task_id);
  EXPECT_EQ(got.attempt, want.attempt);
  EXPECT_EQ(got.table, want.table);
  EXPECT_EQ(got.format_version, want.format_version);
  EXPECT_EQ(*got.schema, *want.schema);
  EXPECT_EQ(*got.spec, *want.spec);
  EXPECT_TRUE(iceberg::SameTuple(got.partition, want.partition));
  EXPECT_EQ(got.properties, want.properties);
  EXPECT_EQ(got.target_size_bytes, want.target_size_bytes);
  EXPECT_EQ(got.data_location, want.data_location);
  EXPECT_EQ(got.partition_path, want.partition_path);
  ASSERT_EQ(got.deletes.size(), want.deletes.size());
  for (size_t i = 0; i < want.deletes.size(); ++i) {
    ExpectSameFile(got.deletes[i].file, want.deletes[i].file);
    EXPECT_EQ(got.deletes[i].sequence_number, want.deletes[i].sequence_number);
  }
  for (auto inputs : {&RewriteTask::rewrite, &RewriteTask::rewrite_positions}) {
    ASSERT_EQ((got.*inputs).size(), (want.*inputs).size());
    for (size_t i = 0; i < (want.*inputs).size(); ++i) {
      ExpectSameFile((got.*inputs)[i].file, (want.*inputs)[i].file);
      EXPECT_EQ((got.*inputs)[i].sequence_number, (want.*inputs)[i].sequence_number);
      EXPECT_EQ((got.*inputs)[i].deletes, (want.*inputs)[i].deletes);
    }
  }
}

TEST(RewriteTask, SurvivesJson) {
  const RewriteTask task = MakeTask();
  Result<RewriteTask> read = RewriteTaskFromJson(RewriteTaskToJson(task));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ExpectSameTask(*read, task);
}

// Long arrays of files are parsed piece by piece.
TEST(RewriteTask, OfVeryManyFilesSurvivesJson) {
  RewriteTask task = MakeTask();
  for (int i = 0; i < 2000; ++i) {
    task.rewrite.push_back({MakeFile(task.partition), i, {}});
    task.rewrite.back().file.file_path = "file:///t/\"],[{/" + std::to_string(i);
    task.rewrite_positions.push_back(task.rewrite.back());
    task.deletes.push_back({task.deletes[0].file, i});
    task.rewrite.back().deletes = {static_cast<int32_t>(task.deletes.size()) - 1};
  }
  const std::string text = RewriteTaskToJson(task);
  Result<RewriteTask> read = RewriteTaskFromJson(text);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ExpectSameTask(*read, task);
  // What is wrong deep inside is found, and named.
  std::string bad = text;
  const std::string_view name = "\"format\":\"parquet\"";
  bad.replace(bad.rfind(name), name.size(), "\"format\":\"csv\"");
  const Status status = RewriteTaskFromJson(bad).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("rewrite-positions"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("csv"), std::string::npos) << status.ToString();
  for (const size_t at : {text.size() / 4, text.size() / 2, text.size() - 2}) {
    EXPECT_FALSE(RewriteTaskFromJson(std::string_view(text).substr(0, at)).ok()) << at;
  }
}

TEST(RewriteTask, SurvivesPacking) {
  const RewriteTask task = MakeTask();
  Result<std::string> packed = PackTask(task);
  ASSERT_TRUE(packed.ok());
  Result<RewriteTask> read = UnpackTask(*packed);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ExpectSameTask(*read, task);
  EXPECT_EQ(PackTask(task, 100).status().code(), Code::kExhausted);
}

TEST(RewriteTask, OutputSurvivesJson) {
  const RewriteTask task = MakeTask();
  RewriteOutput output;
  output.data_files = {MakeFile(task.partition)};
  output.delete_files = {MakeFile(task.partition), MakeFile(task.partition)};
  output.delete_files[0].content = iceberg::FileContent::kPositionDeletes;
  output.rows_read = 1;
  output.rows_deleted = 2;
  output.rows_written = 3;
  output.bytes_read = 4;
  output.bytes_written = 5;
  output.duration_ms = 6;
  Result<RewriteOutput> read = RewriteOutputFromJson(RewriteOutputToJson(output, task), task);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ(read->data_files.size(), 1u);
  ASSERT_EQ(read->delete_files.size(), 2u);
  ExpectSameFile(read->data_files[0], output.data_files[0]);
  ExpectSameFile(read->delete_files[0], output.delete_files[0]);
  ExpectSameFile(read->delete_files[1], output.delete_files[1]);
  EXPECT_EQ(read->rows_read, 1);
  EXPECT_EQ(read->rows_deleted, 2);
  EXPECT_EQ(read->rows_written, 3);
  EXPECT_EQ(read->bytes_read, 4);
  EXPECT_EQ(read->bytes_written, 5);
  EXPECT_EQ(read->duration_ms, 6);
}

TEST(RewriteTask, PositionMapsSurviveJson) {
  const RewriteTask task = MakeTask();
  RewriteOutput output;
  output.positions.emplace();
  output.positions->bytes = std::string("MPOS\1\0", 6);
  Result<RewriteOutput> read = RewriteOutputFromJson(RewriteOutputToJson(output, task), task);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->positions, output.positions);
  output.positions->bytes.clear();
  output.positions->location = "file:///t/data/a=1/0190-p-4-2-positions.map";
  output.positions->size_bytes = 123;
  read = RewriteOutputFromJson(RewriteOutputToJson(output, task), task);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->positions, output.positions);
}

TEST(RewriteTask, PositionMapsOfOthersAreRefused) {
  RewriteTask task = MakeTask();
  task.spec = std::make_shared<const iceberg::PartitionSpec>();
  task.partition.clear();
  task.rewrite_positions.clear();
  RewriteOutput output;
  DataFile file;
  file.file_path = task.OutputPrefix() + "00000.parquet";
  file.file_size_in_bytes = 10;
  file.record_count = 5;
  output.data_files = {file};
  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem disk;
  PositionMapBuilder builder(disk, PositionMapLocation(task.OutputPrefix()));
  ASSERT_TRUE(builder.AddRun(call, {0, 0, 5, 0, 0}).ok());
  output.positions = builder.Finish(call, 2, 1).value();
  EXPECT_TRUE(CheckOutput(task, output).ok()) << CheckOutput(task, output).ToString();

  RewriteOutput wrong = output;
  wrong.data_files[0].record_count = 4;
  EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument);
  wrong = output;
  wrong.positions->bytes.pop_back();
  EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument);
  wrong = output;
  wrong.positions->bytes.assign(kMaxInlineMapBytes + 1, '\0');
  EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument);
  wrong.positions = PositionMap{"", task.OutputPrefix() + "other.map", 10};
  EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument);
  wrong.positions->location = PositionMapLocation(task.OutputPrefix());
  EXPECT_TRUE(CheckOutput(task, wrong).ok());
  wrong.positions->size_bytes = 0;
  EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument);
  // Names of files that are removed when the process ends.
  for (const char* name : {"positions.map", "carried-0.parquet"}) {
    wrong = output;
    wrong.data_files[0].file_path = task.OutputPrefix() + name;
    EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument) << name;
  }
  // More deleted than there was, or than nothing.
  for (int64_t deleted : {int64_t{-10}, int64_t{6'000'000'000'000}}) {
    wrong = output;
    wrong.rows_deleted = deleted;
    EXPECT_EQ(CheckOutput(task, wrong).code(), Code::kInvalidArgument) << deleted;
  }
}

/// A file that stays, of five rows, two of which are deleted; the task gathers its deletes.
TEST(RewriteTask, DeletesOfAFileThatStaysDoNotGetLost) {
  for (int version : {2, 3}) {
    SCOPED_TRACE(version);
    RewriteTask task = MakeTask();
    task.format_version = version;
    task.spec = std::make_shared<const iceberg::PartitionSpec>();
    task.partition.clear();
    task.rewrite.clear();
    task.rewrite_positions.clear();
    InputFile input{.file = {}, .sequence_number = 1, .deletes = {0}};
    input.file.file_path = "file:///t/data/x.parquet";
    input.file.record_count = 5;
    task.rewrite_positions = {input};
    DataFile before;
    before.content = iceberg::FileContent::kPositionDeletes;
    before.file_path = "file:///t/data/before";
    before.referenced_data_file = input.file.file_path;
    before.record_count = 2;
    before.file_size_in_bytes = 100;
    if (version >= 3) {
      before.format = iceberg::FileFormat::kPuffin;
      before.content_offset = 4;
      before.content_size_in_bytes = 40;
    }
    task.deletes = {{before, 1}};
    RewriteOutput output;
    EXPECT_EQ(CheckOutput(task, output).code(), Code::kInvalidArgument) << "none";
    output.delete_files = {before};
    output.delete_files[0].file_path = task.OutputPrefix() + "deletes";
    EXPECT_TRUE(CheckOutput(task, output).ok()) << CheckOutput(task, output).ToString();
    RewriteOutput fewer = output;
    fewer.delete_files[0].record_count = 1;
    EXPECT_EQ(CheckOutput(task, fewer).ok(), version < 3);
    fewer.delete_files[0].record_count = 0;
    EXPECT_FALSE(CheckOutput(task, fewer).ok());
    // Two vectors of one file, in two Puffin files.
    RewriteOutput two = output;
    two.delete_files.push_back(two.delete_files[0]);
    two.delete_files[1].file_path = task.OutputPrefix() + "more";
    EXPECT_EQ(CheckOutput(task, two).ok(), version < 3);
    // No worker makes so many.
    for (const bool names : {true, false}) {
      RewriteOutput many = output;
      for (int i = 0; i < (names ? 10'000 : 1'001); ++i) {
        iceberg::DataFile more = output.delete_files[0];
        more.file_path = task.OutputPrefix() + "more-" + std::to_string(i);
        if (!names) more.referenced_data_file.reset();
        many.delete_files.push_back(std::move(more));
      }
      const Status status = CheckOutput(task, many);
      EXPECT_EQ(status.code(), Code::kInvalidArgument);
      if (version < 3) {
        EXPECT_NE(status.message().find("too many"), std::string::npos) << status.ToString();
      }
    }
    // Deletes that are not about the file alone, or by key, may have hit none of its rows.
    task.deletes[0].file.referenced_data_file.reset();
    EXPECT_TRUE(CheckOutput(task, RewriteOutput()).ok());
    task.deletes[0].file.content = iceberg::FileContent::kEqualityDeletes;
    EXPECT_TRUE(CheckOutput(task, RewriteOutput()).ok());
  }
}

TEST(RewriteTask, TextsOfTheFormatBeforeAreRead) {
  const RewriteTask task = MakeTask();
  std::string text = RewriteTaskToJson(task);
  const std::string now = "\"task-format\":2";
  text.replace(text.find(now), now.size(), "\"task-format\":1");
  Result<RewriteTask> read = RewriteTaskFromJson(text);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ExpectSameTask(*read, task);
  std::string output = RewriteOutputToJson(RewriteOutput(), task);
  output.replace(output.find(now), now.size(), "\"task-format\":1");
  Result<RewriteOutput> made = RewriteOutputFromJson(output, task);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_FALSE(made->positions);
}

TEST(RewriteTask, PrefixNamesTheAttempt) {
  RewriteTask task = MakeTask();
  EXPECT_EQ(task.OutputPrefix(), "file:///t/data/a=1/0190-p-4-2-");
  task.partition_path = "";
  task.data_location = "s3://b/t/data";
  EXPECT_EQ(task.OutputPrefix(), "s3://b/t/data/0190-p-4-2-");
  EXPECT_EQ(task.input_bytes(), 3 * int64_t{987654321} + 2 * 40);
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(RewriteTask, RefusesWhatItCannotRead) {
  const std::string text = RewriteTaskToJson(MakeTask());
  struct {
    const char* from;
    const char* to;
    Code code;
  } cases[] = {
      {"\"task-format\":2", "\"task-format\":3", Code::kUnsupported},
      {"\"task-format\":2", "\"task-format\":0", Code::kUnsupported},
      {"\"kind\":\"rewrite\"", "\"kind\":\"expire\"", Code::kUnsupported},
      {"\"deletes\":[0,2]", "\"deletes\":[0,3]", Code::kInvalidArgument},
      {"\"deletes\":[0,2]", "\"deletes\":[-1]", Code::kInvalidArgument},
      {"\"format\":\"parquet\"", "\"format\":\"csv\"", Code::kInvalidArgument},
      {"\"attempt\":2", "\"attempt\":\"2\"", Code::kInvalidArgument},
      {"\"partition\":[true", "\"partition\":[1", Code::kInvalidArgument},
      {"\"partition\":[true,", "\"partition\":[", Code::kInvalidArgument},
      {"\"column-sizes\":[1,10", "\"column-sizes\":[10", Code::kInvalidArgument},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(RewriteTaskFromJson(Replaced(text, c.from, c.to)).status().code(), c.code) << c.to;
  }
  EXPECT_FALSE(UnpackTask("AAAA").ok());
  EXPECT_FALSE(UnpackTask("###").ok());
  std::string packed = PackTask(MakeTask()).value();
  packed.resize(packed.size() / 2 / 4 * 4);
  EXPECT_EQ(UnpackTask(packed).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::tasks
