#include "moraine/rewrite/bin_pack.h"

#include <memory>
#include <string>
#include <utility>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/data_file_writer.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/rewrite/batch_queue.h"

namespace moraine::rewrite {
namespace {

constexpr size_t kQueuedBatches = 3;

int64_t RewriteBytes(const tasks::RewriteTask& task) {
  int64_t bytes = 0;
  for (const tasks::InputFile& input : task.rewrite) {
    bytes = iceberg::AddCapped(bytes, input.file.file_size_in_bytes);
  }
  return bytes;
}

Status WriteBatch(Call& call, TaskRun* run, const RowBatch& batch,
                  iceberg::DataFileWriter* writer) {
  const size_t output = writer->file_index();
  MORAINE_TRY(writer->Write(call, *batch.rows));
  run->output().rows_written += batch.rows->num_rows();
  run->progress().rows_written += batch.rows->num_rows();
  const RowOrigin& from = batch.origin;
  const tasks::MappedRun mapped = {from.input, from.first_position, from.count, output,
                                   run->positions().output_rows(output)};
  return from.keep.empty() ? run->positions().AddRun(call, mapped)
                           : run->positions().AddKept(call, mapped, from.keep.data());
}

Status CopyRows(Call& call, TaskRun* run, RowSource* source, iceberg::DataFileWriter* writer) {
  while (true) {
    MORAINE_ASSIGN(const RowBatch batch, source->Next(call));
    if (batch.rows == nullptr) return {};
    MORAINE_TRY(WriteBatch(call, run, batch, writer));
  }
}

// Reading and decoding run ahead on a thread of their own.
Status CopyRowsOnTwoThreads(Call& call, TaskRun* run, RowSource* source,
                            iceberg::DataFileWriter* writer) {
  BatchQueue queue(kQueuedBatches);
  Call read_call(call);
  Thread reading("rewrite-read", [&](std::stop_token) {
    PushAll(
        read_call, [source](Call& c) { return source->Next(c); }, &queue);
  });
  const BatchQueue::Abandoning abandoning(&queue);  // before the thread is joined, come what may
  Status status;
  while (status.ok()) {
    Result<RowBatch> batch = queue.Pop(call);
    status = batch.status();
    if (!status.ok() || batch->rows == nullptr) break;
    status = WriteBatch(call, run, *batch, writer);
  }
  queue.Abandon();
  reading.Join();
  return status;
}

}  // namespace

Status BinPack(Call& call, TaskRun* run) {
  const tasks::RewriteTask& task = run->task();
  iceberg::DataFileWriterOptions options;
  options.write = run->MakeWriteOptions();
  const bool is_one_file = RewriteBytes(task) < task.target_size_bytes;
  options.target_size_bytes = is_one_file ? 0 : task.target_size_bytes;
  options.spec_id = task.spec->spec_id;
  options.partition = task.partition;
  options.location = [prefix = task.OutputPrefix() + (run->is_lean() ? "l" : ""),
                      marks = tasks::FileMarks(task.layout, task.dedup)](int index) {
    return prefix + fmt::format("d{:05}{}.parquet", index, marks);
  };
  iceberg::DataFileWriter writer(run->files(), std::move(options));
  RowSource source = run->MakeSource();
  const bool reads_ahead = run->options().threads > 1 && !run->is_lean();
  MORAINE_TRY(reads_ahead ? CopyRowsOnTwoThreads(call, run, &source, &writer)
                          : CopyRows(call, run, &source, &writer));
  MORAINE_ASSIGN(run->output().data_files, writer.Close(call));
  run->Count(source);
  return {};
}

}  // namespace moraine::rewrite
