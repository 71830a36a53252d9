#include "moraine/rewrite/arrange.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/data_file_writer.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/batch_queue.h"
#include "moraine/rewrite/curve_keys.h"
#include "moraine/rewrite/partition_router.h"
#include "moraine/rewrite/range_filter.h"
#include "moraine/rewrite/sort_rows.h"
#include "moraine/tasks/layout.h"

namespace moraine::rewrite {
namespace {

using tasks::Layout;

constexpr size_t kQueuedBatches = 2;
constexpr int64_t kMostRowsOfFile = int64_t{1} << 40;  // manifests may say anything
constexpr int64_t kSampleRows = 64 * 1024;
constexpr size_t kSampleFiles = 32;
constexpr int64_t kRowGroupBytes = int64_t{160} << 20;
constexpr size_t kPartitionBytes = sizeof(uint32_t);  // of a key

/// The keys of a task: the partition's number, then the place in the layout.
class TaskKeys {
 public:
  static Result<std::unique_ptr<TaskKeys>> Make(const tasks::RewriteTask& task,
                                                const std::vector<iceberg::Field>& fields,
                                                const std::vector<iceberg::Field>& sample_fields) {
    auto keys = std::make_unique<TaskKeys>();
    MORAINE_TRY(tasks::ValidateLayout(task.layout, *task.schema));
    if (task.target_spec != nullptr) {
      MORAINE_ASSIGN(keys->router, PartitionRouter::Make(fields, task.target_spec));
    }
    if (task.layout.kind == Layout::Kind::kSort || task.layout.is_none()) {
      MORAINE_ASSIGN(keys->sort, SortKeys::Make(fields, task.layout.order.fields));
    } else {
      MORAINE_ASSIGN(keys->curve, CurveKeys::Make(fields, sample_fields, task.layout));
    }
    return keys;
  }

  Result<ArrayPtr> Encode(const arrow::RecordBatch& batch, arrow::MemoryPool* pool) const {
    ArrayPtr keys;
    if (curve) {
      MORAINE_ASSIGN(keys, curve->Encode(batch, pool));
    } else {
      MORAINE_ASSIGN(const auto columns, sort->Extract(batch, pool));
      MORAINE_ASSIGN(keys, sort->Encode(columns, batch.num_rows(), pool));
    }
    if (router == nullptr) return keys;
    MORAINE_ASSIGN(const auto partitions, router->Route(batch, pool));
    return Prefixed(partitions, keys, pool);
  }

  std::unique_ptr<PartitionRouter> router;
  std::optional<SortKeys> sort;
  std::optional<CurveKeys> curve;

 private:
  static Result<ArrayPtr> Prefixed(const std::vector<uint32_t>& partitions, const ArrayPtr& keys,
                                   arrow::MemoryPool* pool) {
    const KeyTable table({keys});
    const auto count = static_cast<uint32_t>(partitions.size());
    int64_t size = 0;
    for (uint32_t row = 0; row < count; ++row)
      size += static_cast<int64_t>(kPartitionBytes + table.at({0, row}).size());
    MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> data, arrow::AllocateBuffer(size, pool));
    MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> offsets,
                   arrow::AllocateBuffer((keys->length() + 1) * 4, pool));
    auto* ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
    *ends++ = 0;
    uint8_t* out = data->mutable_data();
    for (uint32_t row = 0; row < count; ++row) {
      const uint32_t number = __builtin_bswap32(partitions[row]);
      const std::string_view key = table.at({0, row});
      std::memcpy(out, &number, kPartitionBytes);
      std::copy(key.begin(), key.end(), out + kPartitionBytes);
      out += kPartitionBytes + key.size();
      *ends++ = static_cast<int32_t>(out - data->data());
    }
    if (keys->type_id() != arrow::Type::FIXED_SIZE_BINARY) {
      return ArrayPtr(std::make_shared<arrow::BinaryArray>(keys->length(), std::move(offsets),
                                                           std::move(data)));
    }
    const int width = static_cast<const arrow::FixedSizeBinaryArray&>(*keys).byte_width();
    return ArrayPtr(std::make_shared<arrow::FixedSizeBinaryArray>(
        arrow::fixed_size_binary(width + static_cast<int>(kPartitionBytes)), keys->length(),
        std::move(data)));
  }
};

/// Looks at some rows of some files, for the ranks of a curve. Deleted ones count, too.
Status TakeSamples(Call& call, TaskRun* run, const std::vector<iceberg::Field>& fields,
                   CurveKeys* curve) {
  const auto& inputs = run->task().rewrite;
  const size_t step_files = std::max<size_t>(1, (inputs.size() + kSampleFiles - 1) / kSampleFiles);
  int64_t rows = 0;
  for (size_t i = 0; i < inputs.size(); i += step_files)
    rows = iceberg::AddCapped(rows, inputs[i].file.record_count);
  const int64_t step = std::max<int64_t>(1, rows / kSampleRows) | 1;
  RewriteProgress unwatched;
  RowSource::Options options = run->SourceOptions();
  options.fields = fields;
  options.superseded = nullptr;
  RowSource source = run->MakeSource(std::move(options), &unwatched);
  int64_t next = 0;  // rows until the next one that is taken
  for (size_t i = 0; i < inputs.size(); i += step_files) {
    source.Restrict(i);
    while (true) {
      MORAINE_ASSIGN(const RowBatch batch, source.Next(call));
      if (batch.rows == nullptr) break;
      MORAINE_TRY(curve->AddSample(*batch.rows, next, step, run->pool()));
      const int64_t length = batch.rows->num_rows();
      if (next < length) next += (length - next + step - 1) / step * step;
      next -= length;
    }
  }
  curve->Seal();
  return {};
}

/// Writes sorted rows: one partition after the other, each in files of the target size.
class SortedWriter {
 public:
  SortedWriter(TaskRun* run, const TaskKeys& keys) : run_(run), keys_(keys) {
    const tasks::RewriteTask& task = run->task();
    int64_t bytes = 0;
    for (const tasks::InputFile& input : task.rewrite)
      bytes = iceberg::AddCapped(bytes, input.file.file_size_in_bytes);
    options_.write = run->MakeWriteOptions();
    if (task.layout.kind == Layout::Kind::kSort)
      options_.write.sort_order_id = task.layout.order.order_id;
    for (const auto& field : task.layout.order.fields) {
      if (field.transform.preserves_order()) options_.write.sorted_ids.push_back(field.source_id());
    }
    for (const int32_t id : task.layout.columns) options_.write.sorted_ids.push_back(id);
    options_.target_size_bytes = bytes < task.target_size_bytes ? 0 : task.target_size_bytes;
    options_.spec_id = task.output_spec().spec_id;
    options_.partition = task.partition;
  }

  Status Write(Call& call, const BatchPtr& batch) {
    if (keys_.router == nullptr) return WriteRows(call, batch);
    const KeyTable table({batch->column(batch->num_columns() - 1)});
    for (int64_t from = 0; from < batch->num_rows();) {
      const auto number_at = [&](int64_t row) {
        return static_cast<uint32_t>(
            KeyNumber(table.at({0, static_cast<uint32_t>(row)}).substr(0, kPartitionBytes), 0) >>
            32);
      };
      const uint32_t number = number_at(from);
      int64_t to = from + 1;
      while (to < batch->num_rows() && number_at(to) == number) ++to;
      if (!partition_ || *partition_ != number) {
        MORAINE_TRY(CloseWriter(call));
        partition_ = number;
        options_.partition = keys_.router->partition(number);
      }
      MORAINE_TRY(WriteRows(call, batch->Slice(from, to - from)));
      from = to;
    }
    return {};
  }

  Status Close(Call& call) { return CloseWriter(call); }

 private:
  Status WriteRows(Call& call, const BatchPtr& batch) {
    if (writer_ == nullptr) OpenWriter();
    const int columns = batch->num_columns() - kSorterColumns + (keys_.router == nullptr ? 1 : 0);
    std::vector<int> own(static_cast<size_t>(columns));
    for (int i = 0; i < columns; ++i) own[static_cast<size_t>(i)] = i;
    MORAINE_ASSIGN(const BatchPtr rows, batch->SelectColumns(own));
    const size_t output = run_->output().data_files.size() + writer_->file_index();
    MORAINE_TRY(writer_->Write(call, *rows));
    run_->output().rows_written += rows->num_rows();
    run_->progress().rows_written += rows->num_rows();
    const auto& inputs = static_cast<const arrow::Int32Array&>(*batch->column(columns));
    const auto& positions = static_cast<const arrow::Int64Array&>(*batch->column(columns + 1));
    const auto count = static_cast<size_t>(batch->num_rows());
    return run_->positions().AddRows(call, output, run_->positions().output_rows(output),
                                     {inputs.raw_values(), count}, {positions.raw_values(), count});
  }

  void OpenWriter() {
    iceberg::DataFileWriterOptions options = options_;
    options.location = [prefix = run_->task().OutputPrefix() + (run_->is_lean() ? "l" : ""),
                        marks = tasks::FileMarks(run_->task().layout, run_->task().dedup),
                        first = run_->output().data_files.size()](int index) {
      return prefix + fmt::format("{:05}{}.parquet", first + static_cast<size_t>(index), marks);
    };
    writer_ = std::make_unique<iceberg::DataFileWriter>(run_->files(), std::move(options));
  }

  Status CloseWriter(Call& call) {
    if (writer_ == nullptr) return {};
    MORAINE_ASSIGN(auto closed, writer_->Close(call));
    writer_.reset();
    auto& files = run_->output().data_files;
    for (iceberg::DataFile& file : closed) files.push_back(std::move(file));
    return {};
  }

  TaskRun* run_;
  const TaskKeys& keys_;
  iceberg::DataFileWriterOptions options_;
  std::unique_ptr<iceberg::DataFileWriter> writer_;
  std::optional<uint32_t> partition_;  // of writer_
};

/// Rows are put together on a thread of their own while others encode.
Status WriteSorted(Call& call, TaskRun* run, RowSorter* sorter, SortedWriter* writer) {
  if (run->options().threads < 2 || run->is_lean()) {
    while (true) {
      MORAINE_ASSIGN(const BatchPtr batch, sorter->Next(call));
      if (batch == nullptr) return writer->Close(call);
      MORAINE_TRY(writer->Write(call, batch));
    }
  }
  BatchQueue queue(kQueuedBatches);
  Call merge_call(call);
  Thread merging("rewrite-merge", [&](std::stop_token) {
    const auto next = [&](Call& c) -> Result<RowBatch> {
      MORAINE_ASSIGN(BatchPtr batch, sorter->Next(c));
      return RowBatch{std::move(batch), {}};
    };
    PushAll(merge_call, next, &queue);
  });
  const BatchQueue::Abandoning abandoning(&queue);  // before the thread is joined, come what may
  Status status;
  while (status.ok()) {
    Result<RowBatch> batch = queue.Pop(call);
    status = batch.status();
    if (!status.ok() || batch->rows == nullptr) break;
    status = writer->Write(call, batch->rows);
  }
  queue.Abandon();
  merging.Join();
  MORAINE_TRY(status);
  return writer->Close(call);
}

}  // namespace

RowSorterOptions SorterOptionsOf(TaskRun* run, const SortKeys* keys) {
  RowSorterOptions options;
  options.keys = keys;
  options.spill_folder = run->options().spill_folder;
  // The rows stay while they are written, and row groups end early where there is no room for them.
  const int64_t bytes = run->options().memory_bytes - run->budget().deletes;
  options.memory_bytes = std::max(bytes / 2, bytes / 4 * 3 - kRowGroupBytes);
  options.batch_bytes = std::clamp<int64_t>(options.memory_bytes / 64, 64 << 10, 4 << 20);
  options.pool = run->pool();
  if (run->is_lean()) {
    options.memory_bytes = bytes / 8;
    options.batch_bytes = 64 << 10;
    return options;
  }
  options.helpers = run->helpers();
  options.helper_count = static_cast<size_t>(std::max(0, run->options().threads - 1));
  return options;
}

Status ReadAll(Call& call, TaskRun* run, const RowSource::Options& options,
               RewriteProgress* progress, const std::function<Status(Call&, RowBatch)>& take,
               const std::function<void(const RowSource&)>& count) {
  const size_t inputs = run->task().rewrite.size();
  const auto readers =
      run->is_lean()
          ? 1
          : std::min<size_t>(inputs, static_cast<size_t>(std::max(1, run->options().threads)));
  RowSource::Options of_reader = options;
  of_reader.memory_bytes = options.memory_bytes / static_cast<int64_t>(readers);
  std::atomic<size_t> next = 0;
  std::atomic<bool> has_failed = false;  // one of them: the others stop
  std::mutex mutex;
  const auto read_some = [&]() -> Status {
    Call own(call);
    RowSource source = run->MakeSource(of_reader, progress);
    for (size_t input = next++; input < inputs; input = next++) {
      source.Restrict(input);
      while (true) {
        if (has_failed) return {};
        MORAINE_ASSIGN(RowBatch batch, source.Next(own));
        if (batch.rows == nullptr) break;
        MORAINE_TRY(take(own, std::move(batch)));
      }
    }
    const std::lock_guard lock(mutex);
    count(source);
    return {};
  };
  const auto read = [&](size_t) {
    Status status = read_some();
    if (!status.ok()) has_failed = true;
    return status;
  };
  if (run->helpers() == nullptr || readers == 1) return read(0);
  return ForEach(*run->helpers(), readers, readers - 1, read);
}

std::vector<iceberg::Field> FieldsWith(const TaskRun& run, std::vector<int32_t> ids) {
  for (const iceberg::Field& field : run.filter().key_fields()) ids.push_back(field.id);
  return iceberg::SelectFields(run.task().schema->fields(), ids);
}

Status Arrange(Call& call, TaskRun* run) {
  const RowSource::Options source = run->SourceOptions();
  const auto sample_fields = FieldsWith(*run, run->task().layout.columns);
  MORAINE_ASSIGN(const auto keys, TaskKeys::Make(run->task(), source.fields, sample_fields));
  if (keys->curve) MORAINE_TRY(TakeSamples(call, run, sample_fields, &*keys->curve));
  std::optional<RangeFilter> range;
  if (run->task().range) {
    MORAINE_ASSIGN(range, RangeFilter::Make(run->task(), source.fields, run->pool()));
  }
  std::atomic<int64_t> elsewhere = 0;
  RowSorterOptions options = SorterOptionsOf(run, keys->sort ? &*keys->sort : nullptr);
  if (keys->router != nullptr) options.sorted_keys = SortedKeys::kKeep;
  for (const tasks::InputFile& input : run->task().rewrite) {
    if (!range) options.expected_rows += std::min(input.file.record_count, kMostRowsOfFile);
  }
  RowSorter sorter(std::move(options));
  MORAINE_TRY(ReadAll(
      call, run, source, &run->progress(),
      [&](Call& c, RowBatch batch) -> Status {
        if (range) {
          MORAINE_ASSIGN(const int64_t others, range->Apply(&batch, run->pool()));
          elsewhere += others;
          if (batch.rows == nullptr) return {};
        }
        MORAINE_ASSIGN(ArrayPtr encoded, keys->Encode(*batch.rows, run->pool()));
        return sorter.Add(c, batch, std::move(encoded));
      },
      [&](const RowSource& read) { run->Count(read); }));
  run->output().rows_elsewhere += elsewhere;
  MORAINE_TRY(sorter.Finish(call));
  SortedWriter writer(run, *keys);
  return WriteSorted(call, run, &sorter, &writer);
}

}  // namespace moraine::rewrite
