// Runs one rewrite task over a folder of Parquet files and prints a line of JSON for each run: wall
// and CPU seconds, rows, bytes, peak memory. With --table it runs nothing: it makes an Iceberg
// table of the same files at that location, as a Hadoop catalog finds it, for others to rewrite.
// bench/bench_rewrite.py makes the files and runs the others.
//   rewrite_folder FOLDER [--equality-percent P --keys a,b | --position-percent P] [--deleted
//                  scattered|clustered] [--layout 'zorder(a,b)'] [--spill-dir FOLDER]
//                  [--way auto|decode] [--target-mib N] [--threads N]
//                  [--memory-mib N] [--runs N] [--keep yes] [--property key=value]
//                  [--table LOCATION]
// Scattered deletes hit every n-th row of every file; clustered ones a run of rows in every fifth
// file, or in every tenth where fewer than 5 % die.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/machine_limits.h"
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/tasks/layout_text.h"

namespace moraine {
namespace {

using namespace iceberg;  // NOLINT: a program, not a library

struct Arguments {
  std::string folder;
  int64_t equality_percent = 0;
  int64_t position_percent = 0;
  bool is_clustered = false;
  std::vector<std::string> keys;
  std::string layout = "none";
  bool keep = false;  // the files of the last run
  rewrite::RewriteOptions options;
  int64_t runs = 3;
  StringMap properties;
  std::string table;
  int64_t target_mib = 512;
};

Arguments ParseArguments(int count, char** values) {
  Arguments arguments;
  MORAINE_CHECK(count >= 2, "which folder?");
  arguments.folder = std::filesystem::absolute(values[1]).string();
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string name = values[i];
    const std::string value = values[i + 1];
    if (name == "--equality-percent") {
      arguments.equality_percent = ParseInt64(value).value();
    }
    if (name == "--position-percent") {
      arguments.position_percent = ParseInt64(value).value();
    }
    if (name == "--deleted") arguments.is_clustered = value == "clustered";
    if (name == "--keep") arguments.keep = true;
    if (name == "--threads") {
      arguments.options.threads = static_cast<int>(ParseInt64(value).value());
    }
    if (name == "--memory-mib") arguments.options.memory_bytes = ParseInt64(value).value() << 20;
    if (name == "--table") arguments.table = value;
    if (name == "--way" && value == "decode") {
      arguments.options.way = rewrite::RewriteWay::kDecode;
    }
    if (name == "--layout") arguments.layout = value;
    if (name == "--target-mib") arguments.target_mib = ParseInt64(value).value();
    if (name == "--spill-dir") arguments.options.spill_folder = value;
    if (name == "--runs") arguments.runs = ParseInt64(value).value();
    if (name == "--keys") {
      for (std::string_view key : Split(value, ',')) arguments.keys.emplace_back(key);
    }
    if (name == "--property") {
      const size_t at = value.find('=');
      arguments.properties[value.substr(0, at)] = value.substr(at + 1);
    }
  }
  return arguments;
}

SchemaPtr SchemaOf(const ParquetReader& reader) {
  std::vector<Field> fields;
  for (const FileColumn& column : reader.columns()) {
    Field field;
    field.id = column.id.value();
    field.name = column.name;
    field.type = FromArrowType(*column.type).value();
    fields.push_back(std::move(field));
  }
  return std::make_shared<const Schema>(0, std::move(fields));
}

// The rows of a file that die, as positions.
class Dying {
 public:
  Dying(const Arguments& arguments, int64_t percent, size_t file, int64_t rows) {
    if (!arguments.is_clustered) {
      step_ = 100 / percent;
      end_ = rows;
      return;
    }
    const int64_t every = percent < 5 ? 10 : 5;
    if (static_cast<int64_t>(file) % every != 0) return;
    begin_ = rows / 4;
    end_ = std::min(rows, begin_ + rows * percent * every / 100);
  }
  bool Contains(int64_t row) const {
    return row >= begin_ && row < end_ && (row - begin_) % step_ == 0;
  }
  bool empty() const { return begin_ >= end_; }

 private:
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t step_ = 1;
};

std::vector<std::shared_ptr<arrow::RecordBatch>> DyingKeys(Call& call, io::FileSystem& files,
                                                           const DataFile& file, const Dying& dying,
                                                           const Schema& schema) {
  ReadOptions read;
  read.fields = schema.fields();
  auto reader =
      ParquetReader::Open(call, files, file.file_path, file.file_size_in_bytes, read).value();
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  while (auto batch = reader->Next(call).value()) {
    std::vector<uint8_t> keep(static_cast<size_t>((batch->num_rows() + 7) / 8), 0);
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (!dying.Contains(reader->batch_position() + row)) continue;
      keep[row / 8] = static_cast<uint8_t>(keep[row / 8] | (1 << (row % 8)));
    }
    batches.push_back(KeepRows(batch, keep, nullptr).value());
  }
  return batches;
}

// Keys of rows that are there, as a stream of upserts would have them: a delete file for every ten
// data files, and each applies to all.
void AddEqualityDeletes(Call& call, io::FileSystem& files, const Arguments& arguments,
                        const std::string& out, tasks::RewriteTask* task) {
  constexpr size_t kDataFilesOfOne = 10;
  std::vector<int32_t> ids;
  for (const std::string& key : arguments.keys) ids.push_back(task->schema->FindField(key)->id);
  WriteOptions write;
  write.schema = std::make_shared<const Schema>(0, SelectFields(task->schema->fields(), ids));
  std::vector<std::shared_ptr<arrow::RecordBatch>> keys;
  for (size_t i = 0; i < task->rewrite.size(); ++i) {
    const DataFile& file = task->rewrite[i].file;
    const Dying dying(arguments, arguments.equality_percent, i, file.record_count);
    if (!dying.empty()) {
      for (auto& batch : DyingKeys(call, files, file, dying, *write.schema)) {
        keys.push_back(std::move(batch));
      }
    }
    const bool is_last = i + 1 == task->rewrite.size();
    if (keys.empty() || (!is_last && (i + 1) % kDataFilesOfOne != 0)) continue;
    const std::string location = out + "/equality-" + std::to_string(i) + ".parquet";
    task->deletes.push_back(
        {WriteEqualityDeletes(call, files, location, keys, ids, write).value(), 2});
    keys.clear();
  }
  for (tasks::InputFile& input : task->rewrite) {
    for (size_t i = 0; i < task->deletes.size(); ++i) {
      input.deletes.push_back(static_cast<int32_t>(i));
    }
  }
}

// A position delete file for each data file that has dead rows.
void AddPositionDeletes(Call& call, io::FileSystem& files, const Arguments& arguments,
                        const std::string& out, tasks::RewriteTask* task) {
  for (size_t i = 0; i < task->rewrite.size(); ++i) {
    tasks::InputFile& input = task->rewrite[i];
    const Dying dying(arguments, arguments.position_percent, i, input.file.record_count);
    if (dying.empty()) continue;
    std::map<std::string, PositionSet> positions;
    for (int64_t row = 0; row < input.file.record_count; ++row) {
      if (dying.Contains(row)) positions[input.file.file_path].Add(row);
    }
    const std::string location = out + "/positions-" + std::to_string(i) + ".parquet";
    input.deletes.push_back(static_cast<int32_t>(task->deletes.size()));
    task->deletes.push_back(
        {WritePositionDeletes(call, files, location, positions, WriteOptions()).value(), 2});
  }
}

tasks::RewriteTask MakeTask(Call& call, io::FileSystem& files, const Arguments& arguments,
                            const std::string& out) {
  tasks::RewriteTask task;
  task.process_id = "bench";
  task.attempt = 1;
  task.spec = std::make_shared<const PartitionSpec>();
  task.target_size_bytes = arguments.target_mib << 20;
  task.data_location = out;
  task.properties = arguments.properties;
  const io::FileListing listing = files.List(call, arguments.folder + "/", "", 100000).value();
  for (const io::FileInfo& info : listing.files) {
    tasks::InputFile input;
    input.file.file_path = info.location;
    input.file.file_size_in_bytes = info.size_bytes;
    input.sequence_number = 1;
    const auto reader =
        ParquetReader::Open(call, files, info.location, info.size_bytes, ReadOptions()).value();
    input.file.record_count = reader->num_rows();
    if (task.schema == nullptr) task.schema = SchemaOf(*reader);
    task.rewrite.push_back(std::move(input));
  }
  MORAINE_CHECK(!task.rewrite.empty(), "no files in " + arguments.folder);
  task.layout = tasks::ParseLayout(arguments.layout, *task.schema, {}, 0).value();
  if (arguments.equality_percent > 0) AddEqualityDeletes(call, files, arguments, out, &task);
  if (arguments.position_percent > 0) AddPositionDeletes(call, files, arguments, out, &task);
  return task;
}

TablePtr Commit(Call& call, io::FileSystem& files, const TablePtr& base,
                SnapshotOperation operation, std::vector<AddedFile> added) {
  SnapshotChanges changes;
  changes.operation = operation;
  changes.added = std::move(added);
  SnapshotProducer producer(files, std::move(changes));
  const PreparedCommit prepared = producer.Prepare(call, base).value();
  return std::make_shared<const TableMetadata>(
      ApplyUpdates(*base, prepared.request.updates, {.now_ms = ToMillis(call.clock().Wall())})
          .value());
}

// An append of the data files, then a commit of the deletes.
void MakeTable(Call& call, io::FileSystem& files, const tasks::RewriteTask& task,
               const std::string& location) {
  TableCreation creation;
  creation.table_uuid = "b4b0c2a3-5d0e-4c4f-8f63-0f3d5c1e7a90";
  creation.location = location;
  creation.schema = *task.schema;
  creation.now_ms = ToMillis(call.clock().Wall());
  auto table = std::make_shared<const TableMetadata>(MakeTableMetadata(creation).value());
  std::vector<AddedFile> data;
  for (const tasks::InputFile& input : task.rewrite) data.push_back({input.file, std::nullopt});
  table = Commit(call, files, table, SnapshotOperation::kFastAppend, std::move(data));
  std::vector<AddedFile> deletes;
  for (const tasks::DeleteInput& input : task.deletes)
    deletes.push_back({input.file, std::nullopt});
  if (!deletes.empty()) {
    table = Commit(call, files, table, SnapshotOperation::kRowDelta, std::move(deletes));
  }
  const std::string folder = location + "/metadata/";
  Status status =
      io::WriteFile(call, files, folder + "v1.metadata.json", TableMetadataToJson(*table));
  if (status.ok()) status = io::WriteFile(call, files, folder + "version-hint.text", "1");
  MORAINE_CHECK(status.ok(), status.ToString());
}

int Main(int count, char** values) {
  const Arguments arguments = ParseArguments(count, values);
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(10));
  const auto files = io::MakeLocalFileSystem();
  const bool makes_table = !arguments.table.empty();
  const std::string out = makes_table ? arguments.table + "/data" : arguments.folder + "-out";
  std::filesystem::remove_all(out);
  const tasks::RewriteTask task = MakeTask(call, *files, arguments, out);
  if (makes_table) {
    MakeTable(call, *files, task, arguments.table);
    return 0;
  }
  for (int64_t run = 0; run < arguments.runs; ++run) {
    bench::ResetPeakMemory();
    const double cpu = bench::CpuSeconds();
    Result<tasks::RewriteOutput> output =
        RunRewrite(call, *files, task, arguments.options, nullptr);
    MORAINE_CHECK(output.ok(), output.status().ToString());
    std::printf(
        "{\"wall_s\": %.3f, \"cpu_s\": %.3f, \"rows\": %lld, \"deleted\": %lld, "
        "\"files\": %zu, \"bytes\": %lld, \"peak_mib\": %.0f}\n",
        static_cast<double>(output->duration_ms) / 1000, bench::CpuSeconds() - cpu,
        static_cast<long long>(output->rows_written), static_cast<long long>(output->rows_deleted),
        output->data_files.size(), static_cast<long long>(output->bytes_written),
        bench::PeakMebibytes());
    std::fflush(stdout);
    if (run + 1 == arguments.runs && arguments.keep) break;
    for (const DataFile& file : output->data_files) std::filesystem::remove(file.file_path);
  }
  return 0;
}

}  // namespace
}  // namespace moraine

int main(int count, char** values) { return moraine::Main(count, values); }
