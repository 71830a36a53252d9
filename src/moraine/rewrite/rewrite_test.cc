// RunRewrite against a naive model of rows, with seeded random tables and deletes.

#include "moraine/rewrite/rewrite.h"

#include <map>
#include <random>
#include <set>

#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::rewrite {
namespace {

using iceberg::DataFile;
using iceberg::Field;
using iceberg::MakeRows;
using iceberg::MakeSchema;
using iceberg::Optional;
using iceberg::ReadText;
using iceberg::Required;
using iceberg::Type;
using iceberg::TypeKind;
using iceberg::WriteRows;

iceberg::TypePtr P(TypeKind kind) { return Type::Primitive(kind); }

const std::vector<Field>& TableFields() {
  static const auto* fields = new std::vector<Field>{
      Optional(1, "id", P(TypeKind::kLong)), Optional(2, "name", P(TypeKind::kString)),
      Optional(3, "s", Type::Struct({Optional(4, "a", P(TypeKind::kInt))})),
      Optional(5, "l", Type::List(Optional(6, "element", P(TypeKind::kDouble))))};
  return *fields;
}

// A row as its JSON, and what equality deletes compare.
struct Row {
  std::string id, name, a, l;
  std::string json() const { return "[" + id + "," + name + ",[" + a + "]," + l + "]"; }
};

std::string Pick(std::mt19937_64* random, std::initializer_list<const char*> values) {
  return values.begin()[(*random)() % values.size()];
}

Row RandomRow(std::mt19937_64* random) {
  return {Pick(random, {"null", "1", "2", "3", "4", "5"}),
          Pick(random, {"null", "\"\"", "\"x\"", "\"yy\""}), Pick(random, {"null", "0", "1"}),
          Pick(random, {"null", "[]", "[1.5]", "[null,2]"})};
}

template <typename Rows, typename ToJson>
std::string JsonOf(const Rows& rows, const ToJson& to_json) {
  std::string json = "[";
  for (const auto& row : rows) json += (json.size() > 1 ? "," : "") + to_json(row);
  return json + "]";
}

struct ModelFile {
  std::string path;
  int64_t sequence = 0;
  std::vector<Row> rows;
  std::set<int64_t> dead;
};

// A table of one partition with all that a task says about it, and the same as plain sets.
struct Model {
  io::MemoryFileSystem files;
  std::vector<ModelFile> data;
  tasks::RewriteTask task;
};

iceberg::WriteOptions OptionsFor(const std::vector<Field>& fields) {
  iceberg::WriteOptions options;
  options.schema = MakeSchema(fields);
  return options;
}

void AddDataFiles(int count, std::mt19937_64* random, Model* model) {
  for (int i = 0; i < count; ++i) {
    ModelFile file;
    file.path = "/data/" + std::to_string(i) + ".parquet";
    file.sequence = static_cast<int64_t>((*random)() % 5) + 1;
    const size_t rows = 1 + (*random)() % 60;
    for (size_t row = 0; row < rows; ++row) file.rows.push_back(RandomRow(random));
    iceberg::WriteOptions options = OptionsFor(TableFields());
    options.properties = {{"write.parquet.row-group-size-bytes", i % 2 == 0 ? "1" : "1000000"}};
    const std::string json = JsonOf(file.rows, [](const Row& r) { return r.json(); });
    tasks::InputFile input;
    input.file = WriteRows(model->files, file.path, MakeRows(TableFields(), json), options);
    input.sequence_number = file.sequence;
    model->task.rewrite.push_back(input);
    model->data.push_back(std::move(file));
  }
}

void AddPositionDeletes(int index, std::mt19937_64* random, Model* model) {
  const int64_t sequence = static_cast<int64_t>((*random)() % 6) + 1;
  std::map<std::string, iceberg::PositionSet> positions;
  std::set<size_t> touched;
  for (int i = 0; i < 10; ++i) {
    const size_t at = (*random)() % model->data.size();
    ModelFile& file = model->data[at];
    if (file.sequence > sequence) continue;  // such a file is planned without these deletes
    const auto position = static_cast<int64_t>((*random)() % file.rows.size());
    positions[file.path].Add(position);
    file.dead.insert(position);
    touched.insert(at);
  }
  positions["/data/of another task.parquet"].Add(0);
  Call call = iceberg::TestCall();
  const std::string path = "/deletes/p" + std::to_string(index);
  const DataFile file =
      WritePositionDeletes(call, model->files, path, positions, iceberg::WriteOptions()).value();
  for (size_t at : touched) {
    model->task.rewrite[at].deletes.push_back(static_cast<int32_t>(model->task.deletes.size()));
  }
  model->task.deletes.push_back({file, sequence});
}

void AddEqualityDeletes(int index, std::mt19937_64* random, Model* model) {
  const int64_t sequence = static_cast<int64_t>((*random)() % 7) + 1;
  const int form = static_cast<int>((*random)() % 3);
  const Field& id = TableFields()[0];
  const Field& name = TableFields()[1];
  const Field& s = TableFields()[2];
  const std::vector<Field> fields = form == 0   ? std::vector<Field>{id}
                                    : form == 1 ? std::vector<Field>{name, id}
                                                : std::vector<Field>{s};
  const std::vector<int32_t> ids = form == 0   ? std::vector<int32_t>{1}
                                   : form == 1 ? std::vector<int32_t>{1, 2}
                                               : std::vector<int32_t>{4};
  const auto key = [form](const Row& row) {
    return form == 0   ? "[" + row.id + "]"
           : form == 1 ? "[" + row.name + "," + row.id + "]"
                       : "[[" + row.a + "]]";
  };
  std::set<std::string> keys;
  for (size_t i = 0; i < 1 + (*random)() % 2; ++i) keys.insert(key(RandomRow(random)));
  for (size_t at = 0; at < model->data.size(); ++at) {
    ModelFile& file = model->data[at];
    if (file.sequence >= sequence) continue;
    model->task.rewrite[at].deletes.push_back(static_cast<int32_t>(model->task.deletes.size()));
    for (size_t row = 0; row < file.rows.size(); ++row) {
      if (keys.contains(key(file.rows[row]))) file.dead.insert(static_cast<int64_t>(row));
    }
  }
  Call call = iceberg::TestCall();
  const iceberg::BatchPtr batch =
      MakeRows(fields, JsonOf(keys, [](const std::string& k) { return k; }));
  const DataFile file =
      WriteEqualityDeletes(call, model->files, "/deletes/e" + std::to_string(index), {batch}, ids,
                           OptionsFor(fields))
          .value();
  model->task.deletes.push_back({file, sequence});
}

tasks::RewriteTask EmptyTask() {
  tasks::RewriteTask task;
  task.process_id = "p";
  task.attempt = 1;
  task.schema = MakeSchema(TableFields());
  task.spec = std::make_shared<const iceberg::PartitionSpec>();
  task.target_size_bytes = 1 << 30;
  task.data_location = "/out";
  return task;
}

std::string ReadAll(io::MemoryFileSystem& files, const std::vector<DataFile>& outputs) {
  std::string text;
  for (const DataFile& file : outputs) text += ReadText(files, file.file_path, TableFields());
  return text;
}

std::string AliveText(const Model& model) {
  std::vector<Row> alive;
  for (const ModelFile& file : model.data) {
    for (size_t row = 0; row < file.rows.size(); ++row) {
      if (!file.dead.contains(static_cast<int64_t>(row))) alive.push_back(file.rows[row]);
    }
  }
  return iceberg::RowsText(
      *MakeRows(TableFields(), JsonOf(alive, [](const Row& r) { return r.json(); })));
}

void MakeModel(uint64_t seed, Model* model) {
  std::mt19937_64 random(seed);
  model->task = EmptyTask();
  AddDataFiles(1 + static_cast<int>(random() % 6), &random, model);
  const int deletes = static_cast<int>(random() % 5);
  for (int i = 0; i < deletes; ++i) {
    if (random() % 2 == 0) {
      AddPositionDeletes(i, &random, model);
    } else {
      AddEqualityDeletes(i, &random, model);
    }
  }
}

// "input position output position" for each row, as the position map says.
std::vector<std::string> MappedRows(io::FileSystem& files, const tasks::RewriteTask& task,
                                    const tasks::RewriteOutput& output) {
  std::vector<std::string> rows;
  Call call = iceberg::TestCall();
  const Status status = tasks::VisitPositionMap(
      call, files, *output.positions, MapShapeOf(task, output), [&](const tasks::MappedRun& run) {
        for (int64_t i = 0; i < run.count; ++i) {
          rows.push_back(fmt::format("{} {} {} {}", run.input, run.first_position + i, run.output,
                                     run.first_output_position + i));
        }
        return Status();
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return rows;
}

// The same by the model: rows keep their order, and outputs have as many as they say.
std::vector<std::string> ExpectedRows(const Model& model, const tasks::RewriteOutput& output) {
  std::vector<std::string> rows;
  size_t file = 0;
  int64_t position = 0;
  for (size_t input = 0; input < model.data.size(); ++input) {
    for (size_t row = 0; row < model.data[input].rows.size(); ++row) {
      if (model.data[input].dead.contains(static_cast<int64_t>(row))) continue;
      for (; position == output.data_files.at(file).record_count; position = 0) ++file;
      rows.push_back(fmt::format("{} {} {} {}", input, row, file, position++));
    }
  }
  return rows;
}

TEST(Rewrite, WritesTheRowsThatAreAlive) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Model model;
    MakeModel(seed, &model);
    if (seed % 3 == 0) model.task.target_size_bytes = 1000;  // several outputs
    const tasks::RewriteTask task =
        tasks::RewriteTaskFromJson(tasks::RewriteTaskToJson(model.task)).value();
    RewriteOptions options;
    options.way = seed % 4 == 0 ? RewriteWay::kDecode : RewriteWay::kAuto;
    options.threads = seed % 2 == 0 ? 1 : 3;
    if (seed % 5 == 0) options.memory_bytes = 8 << 20;
    RewriteProgress progress;
    Call call = iceberg::TestCall();
    Result<tasks::RewriteOutput> output = RunRewrite(call, model.files, task, options, &progress);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_EQ(ReadAll(model.files, output->data_files), AliveText(model));
    ASSERT_TRUE(output->positions.has_value());
    EXPECT_EQ(MappedRows(model.files, task, *output), ExpectedRows(model, *output));
    EXPECT_TRUE(CheckOutput(task, *output).ok()) << CheckOutput(task, *output).ToString();
    int64_t all = 0, dead = 0, written = 0;
    for (const ModelFile& file : model.data) {
      all += static_cast<int64_t>(file.rows.size());
      dead += static_cast<int64_t>(file.dead.size());
    }
    for (const DataFile& file : output->data_files) {
      written += file.record_count;
      EXPECT_TRUE(file.file_path.starts_with("/out/p-0-1-")) << file.file_path;
    }
    EXPECT_EQ(output->rows_read, all);
    EXPECT_EQ(output->rows_deleted, dead);
    EXPECT_EQ(output->rows_written, all - dead);
    EXPECT_EQ(written, all - dead);
    EXPECT_EQ(progress.rows_written, all - dead);
    EXPECT_EQ(progress.rows_read, all);
    EXPECT_TRUE(output->delete_files.empty());
    if (task.target_size_bytes > 1000) {
      EXPECT_LE(output->data_files.size(), 1u);
    }
  }
}

TEST(Rewrite, TurnsDeletesIntoOnePositionFileEach) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Model model;
    MakeModel(seed, &model);
    std::swap(model.task.rewrite, model.task.rewrite_positions);
    Call call = iceberg::TestCall();
    Result<tasks::RewriteOutput> output =
        RunRewrite(call, model.files, model.task, RewriteOptions(), nullptr);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_TRUE(output->data_files.empty());
    std::map<std::string, std::string> wanted;  // path to text
    for (const ModelFile& file : model.data) {
      for (int64_t position : file.dead) {
        wanted[file.path] += file.path + ", " + std::to_string(position) + "\n";
      }
    }
    EXPECT_EQ(output->delete_files.size(), wanted.size());
    for (const DataFile& file : output->delete_files) {
      ASSERT_TRUE(file.referenced_data_file.has_value());
      const std::string& path = *file.referenced_data_file;
      EXPECT_EQ(file.content, iceberg::FileContent::kPositionDeletes);
      EXPECT_EQ(*iceberg::FindBound(file.lower_bounds, iceberg::kFilePathFieldId), path);
      EXPECT_EQ(*iceberg::FindBound(file.upper_bounds, iceberg::kFilePathFieldId), path);
      EXPECT_EQ(ReadText(model.files, file.file_path,
                         {Required(iceberg::kFilePathFieldId, "file_path", P(TypeKind::kString)),
                          Required(iceberg::kPositionFieldId, "pos", P(TypeKind::kLong))}),
                wanted[path]);
    }
  }
}

TEST(Rewrite, AppliesDeletesOnColumnsThatChangedSince) {
  io::MemoryFileSystem files;
  tasks::RewriteTask task = EmptyTask();
  // Written when id was an int and there was a column "old"; it is a long now, and old is gone.
  const std::vector<Field> then = {Optional(1, "key", P(TypeKind::kInt)),
                                   Optional(9, "old", P(TypeKind::kString))};
  task.rewrite.push_back(
      {WriteRows(files, "/a", then, R"([[1,"x"],[2,"y"],[3,"x"],[null,"z"]])"), 1, {0, 1}});
  Call call = iceberg::TestCall();
  task.deletes.push_back({WriteEqualityDeletes(call, files, "/d1", {MakeRows(then, R"([[2,"-"]])")},
                                               {1}, OptionsFor(then))
                              .value(),
                          2});
  task.deletes.push_back({WriteEqualityDeletes(call, files, "/d2", {MakeRows(then, R"([[0,"z"]])")},
                                               {9}, OptionsFor(then))
                              .value(),
                          2});
  // Written after the drop: its rows have a null there.
  task.rewrite.push_back(
      {WriteRows(files, "/b", {Optional(1, "id", P(TypeKind::kLong))}, "[[2]]"), 2, {}});
  task.schema = MakeSchema({Optional(1, "id", P(TypeKind::kLong))});
  Result<tasks::RewriteOutput> output = RunRewrite(call, files, task, RewriteOptions(), nullptr);
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  ASSERT_EQ(output->data_files.size(), 1u);
  EXPECT_EQ(
      ReadText(files, output->data_files[0].file_path, {Optional(1, "id", P(TypeKind::kLong))}),
      "1\n3\n2\n");
}

TEST(Rewrite, AppliesDeletesOnADroppedColumnThatWasPromotedBefore) {
  struct Promotion {
    iceberg::TypePtr from, to;
    const char* deleted;
    const char* rows;
  };
  const Promotion promotions[] = {
      {P(TypeKind::kInt), P(TypeKind::kLong), "[[0,7]]", "[[1,7],[2,8],[3,5000000000]]"},
      {P(TypeKind::kFloat), P(TypeKind::kDouble), "[[0,7.5]]", "[[1,7.5],[2,8],[3,0.1]]"},
      {Type::Decimal(4, 2), Type::Decimal(20, 2), R"([[0,"7.50"]])",
       R"([[1,"7.50"],[2,"8.00"],[3,"500000000000.00"]])"},
  };
  for (const Promotion& c : promotions) {
    SCOPED_TRACE(c.from->ToString());
    io::MemoryFileSystem files;
    tasks::RewriteTask task = EmptyTask();
    const Field id = Optional(1, "id", P(TypeKind::kLong));
    const std::vector<Field> before = {id, Optional(9, "old", c.from)};
    const std::vector<Field> after = {id, Optional(9, "old", c.to)};
    task.schema = MakeSchema({id});
    task.rewrite.push_back({WriteRows(files, "/a", before, c.deleted), 1, {0}});
    task.rewrite.push_back({WriteRows(files, "/b", after, c.rows), 1, {0}});
    // No delete reaches it, and what it holds under the old id is another matter.
    task.rewrite.push_back(
        {WriteRows(files, "/c", {id, Optional(9, "old", P(TypeKind::kString))}, R"([[4,"x"]])"),
         3,
         {}});
    Call call = iceberg::TestCall();
    task.deletes.push_back({WriteEqualityDeletes(call, files, "/d", {MakeRows(before, c.deleted)},
                                                 {9}, OptionsFor(before))
                                .value(),
                            2});
    Result<tasks::RewriteOutput> output = RunRewrite(call, files, task, RewriteOptions(), nullptr);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_EQ(ReadText(files, output->data_files[0].file_path, {id}), "2\n3\n4\n");
  }
}

TEST(Rewrite, WritesPartitionValuesThatFilesLack) {
  io::MemoryFileSystem files;
  tasks::RewriteTask task = EmptyTask();
  task.rewrite.push_back(
      {WriteRows(files, "/a", {Optional(1, "id", P(TypeKind::kLong))}, "[[7]]"), 1, {}});
  task.schema =
      MakeSchema({Optional(1, "id", P(TypeKind::kLong)), Optional(2, "p", P(TypeKind::kString)),
                  Optional(3, "q", P(TypeKind::kInt))});
  auto spec = std::make_shared<iceberg::PartitionSpec>();
  spec->spec_id = 4;
  spec->fields = {{{2}, 1000, "p", iceberg::Transform::Identity()},
                  {{3}, 1001, "q_bucket", iceberg::Transform::FromString("bucket[8]").value()}};
  task.spec = spec;
  task.partition = {std::string("here"), int32_t{5}};
  task.partition_path = "p=here/q_bucket=5";
  Call call = iceberg::TestCall();
  const tasks::RewriteOutput output =
      RunRewrite(call, files, task, RewriteOptions(), nullptr).value();
  ASSERT_EQ(output.data_files.size(), 1u);
  const DataFile& file = output.data_files[0];
  EXPECT_EQ(file.spec_id, 4);
  EXPECT_TRUE(iceberg::SameTuple(file.partition, task.partition));
  EXPECT_EQ(file.file_path, "/out/p=here/q_bucket=5/p-0-1-00000.parquet");
  EXPECT_EQ(ReadText(files, file.file_path, task.schema->fields()), "7, here, null\n");
}

TEST(Rewrite, SaysWhatIsWrong) {
  const auto run = [](const auto& change, RewriteOptions options = RewriteOptions()) {
    Model model;
    MakeModel(3, &model);
    change(&model);
    Call call = iceberg::TestCall();
    return RunRewrite(call, model.files, model.task, options, nullptr).status().code();
  };
  EXPECT_EQ(run([](Model*) {}), Code::kOk);
  EXPECT_EQ(run([](Model* m) { m->task.format_version = 4; }), Code::kUnsupported);
  EXPECT_EQ(run([](Model* m) { m->task.rewrite[0].file.format = iceberg::FileFormat::kOrc; }),
            Code::kCorruption);
  EXPECT_EQ(run([](Model* m) { m->task.rewrite[0].file.format = iceberg::FileFormat::kPuffin; }),
            Code::kUnsupported);
  EXPECT_EQ(run([](Model* m) { m->task.rewrite[0].file.file_path = "/none"; }), Code::kNotFound);
  EXPECT_EQ(run([](Model* m) { ++m->task.rewrite[0].file.record_count; }), Code::kCorruption);
  EXPECT_EQ(run([](Model* m) { --m->task.rewrite[0].file.record_count; }), Code::kCorruption);
  EXPECT_EQ(run([](Model* m) { m->files.Put("/data/0.parquet", "PAR1 and no more", 0); }),
            Code::kCorruption);
  EXPECT_EQ(run([](Model* m) { m->files.Put("/out/p-0-1-00000.parquet", "there", 0); }),
            Code::kAlreadyExists);
  EXPECT_EQ(run([](Model*) {}, {.memory_bytes = 1 << 20}), Code::kExhausted);
}

TEST(Rewrite, NamesTheFileWhoseRowsAreNotAsManyAsTheTableSays) {
  Model model;
  MakeModel(3, &model);
  DataFile& file = model.task.rewrite.back().file;
  const std::string has = "the file has " + std::to_string(file.record_count);
  file.record_count = 1'000'000;
  Call call = iceberg::TestCall();
  const std::string error =
      RunRewrite(call, model.files, model.task, RewriteOptions(), nullptr).status().ToString();
  EXPECT_NE(error.find(file.file_path + ": "), std::string::npos) << error;
  EXPECT_NE(error.find("says 1000000 rows, " + has), std::string::npos) << error;
}

TEST(Rewrite, AnyFailingCallFailsItAndTheNextAttemptIsWhole) {
  testing::EveryFaultOptions every;
  every.kinds = {testing::FaultKind::kBefore, testing::FaultKind::kAfter,
                 testing::FaultKind::kTorn};
  every.samples = 60;
  const testing::EveryFaultReport report = testing::EveryFault(
      [](testing::FaultInjector& faults) {
        Model model;
        MakeModel(3, &model);
        model.task.target_size_bytes = 1000;
        model.task.rewrite_positions = {model.task.rewrite.back()};
        model.task.rewrite.pop_back();
        model.data.pop_back();
        io::FaultyFileSystem files(model.files, faults);
        Call call = iceberg::TestCall();
        const RewriteOptions options{.threads = 1};
        const Status first = RunRewrite(call, files, model.task, options, nullptr).status();
        EXPECT_EQ(first.code(), faults.fired() > 0 ? Code::kUnavailable : Code::kOk);
        faults.Stop();
        model.task.attempt = 2;
        Result<tasks::RewriteOutput> second = RunRewrite(call, files, model.task, options, nullptr);
        ASSERT_TRUE(second.ok()) << second.status().ToString();
        EXPECT_EQ(ReadAll(model.files, second->data_files), AliveText(model));
      },
      every);
  EXPECT_GT(report.calls, 20u);
  EXPECT_EQ(report.fired, report.runs);
}

TEST(Rewrite, EndsWhenItIsCancelled) {
  for (int threads : {1, 2}) {
    Model model;
    MakeModel(3, &model);
    std::stop_source stop;
    Call call(SystemEnv(NullLogger()), std::chrono::minutes(1), stop.get_token());
    stop.request_stop();
    EXPECT_EQ(
        RunRewrite(call, model.files, model.task, {.threads = threads}, nullptr).status().code(),
        Code::kCancelled);
  }
}

TEST(Rewrite, StaysWithinItsMemoryOrSaysSo) {
  io::MemoryFileSystem files;
  tasks::RewriteTask task = EmptyTask();
  const std::vector<Field> fields = {Optional(1, "s", P(TypeKind::kString))};
  task.schema = MakeSchema(fields);
  task.properties = {{"write.parquet.compression-codec", "uncompressed"}};
  // One value that no part of 8 MiB can hold.
  const std::string json = "[[\"" + std::string(7 << 20, 'x') + "\"]]";
  iceberg::WriteOptions options = OptionsFor(fields);
  task.rewrite.push_back({WriteRows(files, "/a", MakeRows(fields, json), options), 1, {}});
  Call call = iceberg::TestCall();
  const Status status = RunRewrite(call, files, task, {.memory_bytes = 8 << 20}, nullptr).status();
  EXPECT_EQ(status.code(), Code::kExhausted) << status.ToString();
  EXPECT_TRUE(RunRewrite(call, files, task, RewriteOptions(), nullptr).ok());
}

}  // namespace
}  // namespace moraine::rewrite
