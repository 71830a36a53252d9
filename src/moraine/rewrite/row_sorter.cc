#include "moraine/rewrite/row_sorter.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/sort_rows.h"

namespace moraine::rewrite {
namespace {

constexpr int64_t kMaxBatchRows = 32 * 1024;

Result<std::shared_ptr<arrow::Buffer>> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, pool));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

Result<ArrayPtr> InputColumn(const RowOrigin& origin, int64_t rows, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(auto values, Allocate(rows * 4, pool));
  auto* out = reinterpret_cast<int32_t*>(values->mutable_data());
  std::fill(out, out + rows, static_cast<int32_t>(origin.input));
  return ArrayPtr(std::make_shared<arrow::Int32Array>(rows, std::move(values)));
}

Result<ArrayPtr> PositionColumn(const RowOrigin& origin, int64_t rows, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(auto values, Allocate(rows * 8, pool));
  auto* out = reinterpret_cast<int64_t*>(values->mutable_data());
  for (int64_t i = 0; i < origin.count; ++i) {
    if (origin.keep.empty() || (origin.keep[static_cast<size_t>(i / 8)] >> (i % 8) & 1) != 0)
      *out++ = origin.first_position + i;
  }
  return ArrayPtr(std::make_shared<arrow::Int64Array>(rows, std::move(values)));
}

/// The rows with the sorter's columns.
Result<BatchPtr> WithOrigin(const RowBatch& batch, ArrayPtr keys, arrow::MemoryPool* pool) {
  const int64_t rows = batch.rows->num_rows();
  MORAINE_ASSIGN(ArrayPtr inputs, InputColumn(batch.origin, rows, pool));
  MORAINE_ASSIGN(ArrayPtr positions, PositionColumn(batch.origin, rows, pool));
  auto fields = batch.rows->schema()->fields();
  auto columns = batch.rows->columns();
  fields.push_back(arrow::field("input", arrow::int32(), false));
  fields.push_back(arrow::field("position", arrow::int64(), false));
  fields.push_back(arrow::field("key", keys->type(), false));
  columns.push_back(std::move(inputs));
  columns.push_back(std::move(positions));
  columns.push_back(std::move(keys));
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

Result<int64_t> BytesOf(const arrow::RecordBatch& batch) {
  MORAINE_ASSIGN(const int64_t bytes, arrow::util::ReferencedBufferSize(batch));
  return bytes;
}

/// By file and position, as rows with equal keys are to come.
bool ComesBefore(const BatchPtr& a, const BatchPtr& b) {
  const auto first = [](const BatchPtr& batch) {
    const int columns = batch->num_columns();
    return std::pair(static_cast<const arrow::Int32Array&>(*batch->column(columns - 3)).Value(0),
                     static_cast<const arrow::Int64Array&>(*batch->column(columns - 2)).Value(0));
  };
  return first(a) < first(b);
}

}  // namespace

RowSorter::RowSorter(RowSorterOptions options) : options_(std::move(options)) {}
RowSorter::~RowSorter() = default;

int64_t RowSorter::RowBytes() const {
  return rows_ == 0 ? 1 : std::max<int64_t>(1, bytes_ / rows_);
}

TakeOptions RowSorter::OutputOptions() const {
  TakeOptions take;
  take.batch_bytes = options_.batch_bytes;
  take.batch_rows = std::clamp<int64_t>(take.batch_bytes / RowBytes(), 1, kMaxBatchRows);
  take.pool = options_.pool;
  return take;
}

TakeOptions RowSorter::SpillOptions() const {
  TakeOptions take = OutputOptions();
  take.batch_bytes =
      std::clamp<int64_t>(options_.memory_bytes / 256, int64_t{64} << 10, int64_t{1} << 20);
  take.batch_rows = std::clamp<int64_t>(take.batch_bytes / RowBytes(), 1, kMaxBatchRows);
  take.helpers = options_.helpers;
  take.helper_count = options_.helper_count;
  return take;
}

bool RowSorter::IsFull() const {
  // Once it is known that not all fits, one buffer is filled while another is written.
  const int64_t limit = runs_ > 0 ? options_.memory_bytes / 2 : options_.memory_bytes;
  return buffer_.bytes + buffer_.rows * kSortBytesOfRow > limit;
}

Status RowSorter::Add(Call& call, const RowBatch& batch, ArrayPtr keys) {
  MORAINE_ASSIGN(BatchPtr rows, WithOrigin(batch, std::move(keys), options_.pool));
  MORAINE_ASSIGN(const int64_t bytes, BytesOf(*rows));
  Buffer full;
  {
    std::unique_lock lock(mutex_);
    // Two buffers at most: the one that is written has its memory until it is on disk.
    const auto must_wait = [this] {
      return spilling_bytes_ > 0 &&
             (IsFull() || spilling_bytes_ + buffer_.bytes > options_.memory_bytes);
    };
    while (must_wait()) {
      MORAINE_TRY(call.Check());
      call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
    }
    buffer_.rows += rows->num_rows();
    buffer_.bytes += bytes;
    rows_ += rows->num_rows();
    bytes_ += bytes;
    buffer_.batches.push_back(std::move(rows));
    if (!IsFull() || spilling_bytes_ > 0) return {};
    full = std::exchange(buffer_, Buffer());
    spilling_bytes_ = full.bytes;
    ++runs_;
  }
  Status status = Spill(call, std::move(full));
  const std::lock_guard lock(mutex_);
  spilling_bytes_ = 0;
  changed_.notify_all();
  return status;
}

Result<std::unique_ptr<SortedRows>> RowSorter::SortBuffer(Buffer buffer,
                                                          const TakeOptions& options) const {
  std::sort(buffer.batches.begin(), buffer.batches.end(), ComesBefore);
  std::vector<ArrayPtr> keys;
  for (const BatchPtr& batch : buffer.batches)
    keys.push_back(batch->column(batch->num_columns() - 1));
  std::function<int(RowPick, RowPick)> exact;
  std::vector<std::vector<ArrayPtr>> columns(buffer.batches.size());
  if (options_.keys != nullptr && options_.keys->may_cut()) {
    for (size_t i = 0; i < columns.size(); ++i) {
      MORAINE_ASSIGN(columns[i], options_.keys->Extract(*buffer.batches[i], options_.pool));
    }
    exact = [&](RowPick a, RowPick b) {
      return options_.keys->Compare(columns[a.batch], a.row, columns[b.batch], b.row);
    };
  }
  MORAINE_ASSIGN(auto picks, SortRows(KeyTable(keys), exact, options_.pool));
  return MakeMemoryRows(std::move(buffer.batches), std::move(picks), options);
}

Result<std::unique_ptr<SpillRun>> RowSorter::WriteRun(Call& call, SortedRows* rows) {
  MORAINE_ASSIGN(auto run, SpillRun::Make(options_.spill_folder, options_.pool));
  int64_t largest = 0;
  while (true) {
    MORAINE_ASSIGN(const BatchPtr batch, rows->Next(call));
    if (batch == nullptr) break;
    MORAINE_ASSIGN(const int64_t bytes, BytesOf(*batch));
    largest = std::max(largest, bytes);
    MORAINE_TRY(run->Write(*batch));
  }
  MORAINE_TRY(run->Finish());
  const std::lock_guard lock(mutex_);
  largest_batch_bytes_ = std::max(largest_batch_bytes_, largest);
  spilled_bytes_ += run->bytes();
  return run;
}

Status RowSorter::Spill(Call& call, Buffer buffer) {
  TakeOptions take;
  {
    const std::lock_guard lock(mutex_);
    take = SpillOptions();
  }
  MORAINE_ASSIGN(auto rows, SortBuffer(std::move(buffer), take));
  MORAINE_ASSIGN(auto run, WriteRun(call, rows.get()));
  const std::lock_guard lock(mutex_);
  spilled_.push_back(std::move(run));
  return {};
}

/// A merge holds a few batches of each run: with too many runs, some are merged first.
Status RowSorter::MergeUntilFew(Call& call) {
  const int64_t of_run = 4 * std::max<int64_t>(1, largest_batch_bytes_);
  const auto most =
      static_cast<size_t>(std::clamp<int64_t>(options_.memory_bytes / of_run, 2, 512));
  while (spilled_.size() > most) {
    const size_t count = std::min(most, spilled_.size() - most + 1);
    std::vector<std::unique_ptr<SpillRun>> some;
    for (size_t i = 0; i < count; ++i) some.push_back(std::move(spilled_[i]));
    spilled_.erase(spilled_.begin(), spilled_.begin() + static_cast<int64_t>(count));
    MORAINE_ASSIGN(auto rows, MakeMergedRows(call, std::move(some), options_.keys, SpillOptions()));
    MORAINE_ASSIGN(auto run, WriteRun(call, rows.get()));
    spilled_.push_back(std::move(run));
    ++runs_;
  }
  return {};
}

Status RowSorter::Finish(Call& call) {
  Buffer rest = std::exchange(buffer_, Buffer());
  if (spilled_.empty()) {
    if (rest.batches.empty()) return {};
    MORAINE_ASSIGN(output_, SortBuffer(std::move(rest), OutputOptions()));
    return {};
  }
  if (!rest.batches.empty()) {
    ++runs_;
    MORAINE_TRY(Spill(call, std::move(rest)));
  }
  MORAINE_TRY(MergeUntilFew(call));
  TakeOptions take = OutputOptions();
  take.helpers = options_.helpers;
  take.helper_count = options_.helper_count;
  MORAINE_ASSIGN(output_, MakeMergedRows(call, std::move(spilled_), options_.keys, take));
  return {};
}

Result<BatchPtr> RowSorter::Next(Call& call) {
  if (output_ == nullptr) return BatchPtr();
  MORAINE_ASSIGN(BatchPtr batch, output_->Next(call));
  if (batch == nullptr) output_.reset();
  return batch;
}

}  // namespace moraine::rewrite
