#include "moraine/rewrite/task_run.h"

#include <utility>
#include <vector>

#include "moraine/rewrite/written_fields.h"

namespace moraine::rewrite {
namespace {

Budget Divide(int64_t bytes) { return {bytes / 4, bytes / 8, bytes / 2}; }

}  // namespace

TaskRun::TaskRun(io::FileSystem& files, const tasks::RewriteTask& task,
                 const RewriteOptions& options, RewriteProgress* progress)
    : files_(files),
      task_(task),
      options_(options),
      progress_(progress),
      budget_(Divide(options.memory_bytes)),
      counted_pool_(arrow::default_memory_pool()),
      pool_(&counted_pool_, options.memory_bytes - budget_.deletes),
      lean_pool_(&counted_pool_, options.memory_bytes) {
  StartOver();
}

void TaskRun::StartOver() {
  progress_->rows_read = 0;
  progress_->bytes_read = 0;
  progress_->rows_written = 0;
  output_ = tasks::RewriteOutput();
  for (const tasks::DeleteInput& input : task_.deletes) {
    output_.bytes_read += input.file.content_size_in_bytes.value_or(input.file.file_size_in_bytes);
  }
  positions_.emplace(files_, tasks::PositionMapLocation(task_.OutputPrefix()));
}

void TaskRun::StartOverLean() {
  is_lean_ = true;
  StartOver();
}

Status TaskRun::Prepare(Call& call) {
  if (options_.threads > 1) {
    helpers_.emplace(ThreadPool::Options{"rewrite-encode",
                                         static_cast<size_t>(options_.threads - 1),
                                         /*queue_limit=*/64});
  }
  MORAINE_ASSIGN(mapping_, iceberg::NameMapping::OfTable(task_.properties));
  return LoadDeletes(call);
}

Status TaskRun::LoadDeletes(Call& call) {
  std::vector<iceberg::DeleteSource> deletes;
  for (const tasks::DeleteInput& input : task_.deletes) {
    deletes.push_back({&input.file, input.sequence_number});
  }
  iceberg::DeleteFilterOptions options;
  options.schema = task_.schema;
  options.mapping = mapping_ ? &*mapping_ : nullptr;
  options.memory_bytes = budget_.deletes;
  options.pool = &pool_;
  if (!deletes.empty()) {  // inputs can be very many
    for (const tasks::InputFile& input : task_.rewrite)
      options.data_files.insert(input.file.file_path);
    for (const tasks::InputFile& input : task_.rewrite_positions)
      options.data_files.insert(input.file.file_path);
  }
  MORAINE_ASSIGN(filter_, iceberg::DeleteFilter::Load(call, files_, deletes, options));
  return {};
}

iceberg::WriteOptions TaskRun::MakeWriteOptions() {
  iceberg::WriteOptions write;
  write.schema = WrittenSchema(task_);
  write.properties = task_.properties;
  write.sort_order_id = 0;
  write.memory_bytes = budget_.writer;
  write.pool = pool();
  write.pool_bytes = (options_.memory_bytes - budget_.deletes) / 4 * 3;
  if (is_lean_) write.memory_bytes = budget_.writer / 4;
  if (helpers_ && !is_lean_) {
    write.executor = &*helpers_;
    write.helpers = static_cast<size_t>(options_.threads - 1);
  }
  return write;
}

RowSource::Options TaskRun::SourceOptions() {
  RowSource::Options options;
  options.fields = WrittenFields(task_);
  options.mapping = mapping_ ? &*mapping_ : nullptr;
  options.memory_bytes = budget_.reader;
  options.dictionaries = iceberg::Dictionaries::kKeep;
  options.pool = pool();
  options.superseded = superseded();
  return options;
}

RowSource TaskRun::MakeSource() { return MakeSource(SourceOptions(), progress_); }

RowSource TaskRun::MakeSource(RowSource::Options options, RewriteProgress* progress) {
  return RowSource(files_, task_, *filter_, std::move(options), progress);
}

void TaskRun::Count(const RowSource& source) {
  output_.rows_read += source.rows_read();
  output_.rows_deleted += source.rows_deleted();
  output_.rows_deduplicated += source.rows_superseded();
  output_.rows_elsewhere += source.rows_elsewhere();
  output_.bytes_read += source.bytes_read();
}

}  // namespace moraine::rewrite
