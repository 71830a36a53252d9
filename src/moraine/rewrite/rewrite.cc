#include "moraine/rewrite/rewrite.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/data_file_writer.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/rewrite/batch_queue.h"
#include "moraine/rewrite/row_source.h"

namespace moraine::rewrite {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kMinMemoryBytes = int64_t{8} << 20;
constexpr size_t kQueuedBatches = 3;
constexpr char kMappingProperty[] = "schema.name-mapping.default";

// The parts of a task's memory. What deletes do not use stays free as a reserve.
struct Budget {
  int64_t deletes;
  int64_t reader;
  int64_t writer;
};
Budget Divide(int64_t bytes) { return {bytes / 4, bytes / 8, bytes / 2}; }

Status CheckTask(const tasks::RewriteTask& task, const RewriteOptions& options) {
  if (task.kind != "rewrite") return Unsupported("a task of kind " + task.kind);
  if (task.format_version > 2) {
    return Unsupported("rewriting a table of format version " +
                       std::to_string(task.format_version) + ": its rows have ids to keep");
  }
  if (options.memory_bytes < kMinMemoryBytes) {
    return Exhausted("a rewrite needs at least " + FormatByteSize(kMinMemoryBytes) +
                     " of memory, it was given " + FormatByteSize(options.memory_bytes));
  }
  return {};
}

int64_t RewriteBytes(const tasks::RewriteTask& task) {
  int64_t bytes = 0;
  for (const tasks::InputFile& input : task.rewrite) {
    bytes = iceberg::AddCapped(bytes, input.file.file_size_in_bytes);
  }
  return bytes;
}

std::string PathsOf(const std::vector<iceberg::DataFile>& files) {
  constexpr size_t kMostPaths = 5;
  std::string paths;
  for (size_t i = 0; i < std::min(files.size(), kMostPaths); ++i) {
    paths += (i > 0 ? ", " : "") + files[i].file_path;
  }
  return files.size() > kMostPaths ? paths + ", ..." : paths;
}

// Every row that the inputs have is in an output, or deleted. Inputs were compared with their
// metadata one by one when they were opened.
Status CheckRows(const tasks::RewriteTask& task, const tasks::RewriteOutput& output) {
  int64_t claimed = 0;
  for (const tasks::InputFile& input : task.rewrite)
    claimed = iceberg::AddCapped(claimed, input.file.record_count);
  if (output.rows_read != claimed) {
    return Corruption(fmt::format("the {} files of the task have {} rows, {} were read",
                                  task.rewrite.size(), claimed, output.rows_read));
  }
  const int64_t alive = output.rows_read - output.rows_deleted;
  int64_t stored = 0;
  for (const iceberg::DataFile& file : output.data_files) stored += file.record_count;
  if (alive == output.rows_written && alive == stored) return {};
  return Corruption(
      fmt::format("{} of {} rows are alive, {} were written, the new files have {}: {}", alive,
                  output.rows_read, output.rows_written, stored, PathsOf(output.data_files)));
}

class Rewrite {
 public:
  Rewrite(io::FileSystem& files, const tasks::RewriteTask& task, const RewriteOptions& options,
          RewriteProgress* progress)
      : files_(files),
        task_(task),
        options_(options),
        progress_(progress),
        budget_(Divide(options.memory_bytes)),
        counted_pool_(arrow::default_memory_pool()) {}

  Result<tasks::RewriteOutput> Run(Call& call);

 private:
  Status LoadDeletes(Call& call);
  iceberg::WriteOptions MakeWriteOptions();
  RowSource MakeSource();
  Status RewriteRows(Call& call);
  Status CopyRows(Call& call, RowSource* source, iceberg::DataFileWriter* writer);
  Status CopyRowsOnTwoThreads(Call& call, RowSource* source, iceberg::DataFileWriter* writer);
  Status WriteBatch(Call& call, const arrow::RecordBatch& batch, iceberg::DataFileWriter* writer);
  Status RewritePositions(Call& call);
  Status WritePositionFile(Call& call, const tasks::InputFile& input, iceberg::PositionSet dead);
  void Count(const RowSource& source);

  io::FileSystem& files_;
  const tasks::RewriteTask& task_;
  const RewriteOptions options_;
  RewriteProgress* progress_;
  const Budget budget_;
  arrow::ProxyMemoryPool counted_pool_;
  std::optional<arrow::CappedMemoryPool> pool_;
  std::optional<ThreadPool> helpers_;
  std::optional<iceberg::NameMapping> mapping_;
  std::optional<iceberg::DeleteFilter> filter_;
  tasks::RewriteOutput output_;
};

Status Rewrite::LoadDeletes(Call& call) {
  std::vector<iceberg::DeleteSource> deletes;
  for (const tasks::DeleteInput& input : task_.deletes) {
    deletes.push_back({&input.file, input.sequence_number});
    output_.bytes_read += input.file.file_size_in_bytes;
  }
  iceberg::DeleteFilterOptions options;
  options.schema = task_.schema;
  options.mapping = mapping_ ? &*mapping_ : nullptr;
  options.memory_bytes = budget_.deletes;
  options.pool = &*pool_;
  for (const tasks::InputFile& input : task_.rewrite)
    options.data_files.insert(input.file.file_path);
  for (const tasks::InputFile& input : task_.rewrite_positions) {
    options.data_files.insert(input.file.file_path);
  }
  MORAINE_ASSIGN(filter_, iceberg::DeleteFilter::Load(call, files_, deletes, options));
  return {};
}

iceberg::WriteOptions Rewrite::MakeWriteOptions() {
  iceberg::WriteOptions write;
  write.schema = task_.schema;
  write.properties = task_.properties;
  write.sort_order_id = 0;
  write.memory_bytes = budget_.writer;
  write.pool = &*pool_;
  write.pool_bytes = (options_.memory_bytes - budget_.deletes) / 4 * 3;
  if (helpers_) {
    write.executor = &*helpers_;
    write.helpers = static_cast<size_t>(options_.threads - 1);
  }
  return write;
}

RowSource Rewrite::MakeSource() {
  RowSource::Options options;
  options.fields = task_.schema->fields();
  options.mapping = mapping_ ? &*mapping_ : nullptr;
  options.memory_bytes = budget_.reader;
  options.dictionaries = iceberg::Dictionaries::kKeep;
  options.pool = &*pool_;
  return RowSource(files_, task_, *filter_, std::move(options), progress_);
}

void Rewrite::Count(const RowSource& source) {
  output_.rows_read += source.rows_read();
  output_.rows_deleted += source.rows_deleted();
  output_.bytes_read += source.bytes_read();
}

Status Rewrite::WriteBatch(Call& call, const arrow::RecordBatch& batch,
                           iceberg::DataFileWriter* writer) {
  MORAINE_TRY(writer->Write(call, batch));
  output_.rows_written += batch.num_rows();
  progress_->rows_written += batch.num_rows();
  return {};
}

Status Rewrite::CopyRows(Call& call, RowSource* source, iceberg::DataFileWriter* writer) {
  while (true) {
    MORAINE_ASSIGN(BatchPtr batch, source->Next(call));
    if (batch == nullptr) return {};
    MORAINE_TRY(WriteBatch(call, *batch, writer));
  }
}

// Reading and decoding run ahead on a thread of their own.
Status Rewrite::CopyRowsOnTwoThreads(Call& call, RowSource* source,
                                     iceberg::DataFileWriter* writer) {
  BatchQueue queue(kQueuedBatches);
  Call read_call(call);
  Thread reading("rewrite-read", [&](std::stop_token) {
    PushAll(
        read_call, [source](Call& c) { return source->Next(c); }, &queue);
  });
  Status status;
  while (status.ok()) {
    Result<BatchPtr> batch = queue.Pop(call);
    status = batch.status();
    if (!status.ok() || *batch == nullptr) break;
    status = WriteBatch(call, **batch, writer);
  }
  queue.Abandon();
  reading.Join();
  return status;
}

Status Rewrite::RewriteRows(Call& call) {
  if (task_.rewrite.empty()) return {};
  iceberg::DataFileWriterOptions options;
  options.write = MakeWriteOptions();
  const bool is_one_file = RewriteBytes(task_) < task_.target_size_bytes;
  options.target_size_bytes = is_one_file ? 0 : task_.target_size_bytes;
  options.spec_id = task_.spec->spec_id;
  options.partition = task_.partition;
  options.location = [prefix = task_.OutputPrefix()](int index) {
    return prefix + fmt::format("{:05}.parquet", index);
  };
  iceberg::DataFileWriter writer(files_, std::move(options));
  RowSource source = MakeSource();
  MORAINE_TRY(options_.threads > 1 ? CopyRowsOnTwoThreads(call, &source, &writer)
                                   : CopyRows(call, &source, &writer));
  MORAINE_ASSIGN(output_.data_files, writer.Close(call));
  Count(source);
  return CheckRows(task_, output_);
}

Status Rewrite::WritePositionFile(Call& call, const tasks::InputFile& input,
                                  iceberg::PositionSet dead) {
  const std::string location =
      task_.OutputPrefix() + fmt::format("{:05}-deletes.parquet", output_.delete_files.size());
  std::map<std::string, iceberg::PositionSet> positions;
  positions.emplace(input.file.file_path, std::move(dead));
  MORAINE_ASSIGN(
      iceberg::DataFile file,
      iceberg::WritePositionDeletes(call, files_, location, positions, MakeWriteOptions()));
  file.spec_id = task_.spec->spec_id;
  file.partition = task_.partition;
  output_.delete_files.push_back(std::move(file));
  return {};
}

Status Rewrite::RewritePositions(Call& call) {
  if (task_.rewrite_positions.empty()) return {};
  RowSource source = MakeSource();
  for (const tasks::InputFile& input : task_.rewrite_positions) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(iceberg::PositionSet dead, source.DeletedPositions(call, input));
    if (!dead.empty()) MORAINE_TRY(WritePositionFile(call, input, std::move(dead)));
  }
  Count(source);
  return {};
}

Result<tasks::RewriteOutput> Rewrite::Run(Call& call) {
  const MonoTime begin = call.clock().Mono();
  MORAINE_TRY(CheckTask(task_, options_));
  pool_.emplace(&counted_pool_, options_.memory_bytes - budget_.deletes);
  if (options_.threads > 1) {
    helpers_.emplace(ThreadPool::Options{"rewrite-encode",
                                         static_cast<size_t>(options_.threads - 1),
                                         /*queue_limit=*/64});
  }
  const auto mapping = task_.properties.find(kMappingProperty);
  if (mapping != task_.properties.end()) {
    MORAINE_ASSIGN(mapping_, iceberg::NameMapping::FromJson(mapping->second));
  }
  MORAINE_TRY(LoadDeletes(call));
  MORAINE_TRY(RewriteRows(call));
  MORAINE_TRY(RewritePositions(call));
  for (const auto& file : output_.data_files) output_.bytes_written += file.file_size_in_bytes;
  for (const auto& file : output_.delete_files) output_.bytes_written += file.file_size_in_bytes;
  output_.duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begin).count();
  return std::move(output_);
}

}  // namespace

Result<tasks::RewriteOutput> RunRewrite(Call& call, io::FileSystem& files,
                                        const tasks::RewriteTask& task,
                                        const RewriteOptions& options, RewriteProgress* progress) {
  RewriteProgress unwatched;
  Rewrite rewrite(files, task, options, progress != nullptr ? progress : &unwatched);
  return rewrite.Run(call);
}

}  // namespace moraine::rewrite
