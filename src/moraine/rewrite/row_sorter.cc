#include "moraine/rewrite/row_sorter.h"

#include <algorithm>
#include <functional>
#include <optional>
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
// Times the memory that rows have to be expected to take before it is believed.
constexpr double kSurelyMore = 1.1;
// Rows that are gathered from a buffer at a time, column by column: the more there are, the more of
// them lie side by side in the cache.
constexpr int64_t kGatheredRows = 256 * 1024;

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

/// What exact comparisons look at stays as it comes.
RowPackerOptions PackerOptions(const RowSorterOptions& options) {
  RowPackerOptions packer;
  if (options.keys != nullptr && options.keys->may_cut()) packer.kept = options.keys->sources();
  packer.dictionary_bytes = options.memory_bytes / 32;
  packer.pool = options.pool;
  return packer;
}

int64_t PerRow(int64_t bytes, int64_t rows) {
  return rows == 0 ? 1 : std::max<int64_t>(1, bytes / rows);
}

/// Compares rows whose keys were cut, by the columns of their batches; those are looked at when
/// they are first needed. Errors are kept for later.
class ExactOrder {
 public:
  ExactOrder(const SortKeys& keys, const RowPacker& packer, const std::vector<BatchPtr>& batches,
             arrow::MemoryPool* pool)
      : keys_(keys), packer_(packer), batches_(batches), pool_(pool), columns_(batches.size()) {}

  int Compare(RowPick a, RowPick b) {
    for (const uint32_t batch : {a.batch, b.batch}) {
      if (!status_.ok()) return 0;
      if (columns_[batch].empty()) status_ = Extract(batch);
    }
    if (!status_.ok()) return 0;
    return keys_.Compare(columns_[a.batch], a.row, columns_[b.batch], b.row);
  }
  Status Done() { return std::move(status_); }

 private:
  Status Extract(uint32_t batch) {
    MORAINE_ASSIGN(const BatchPtr rows, packer_.UnpackSome(batches_[batch], keys_.sources()));
    MORAINE_ASSIGN(columns_[batch], keys_.Extract(*rows, pool_));
    return {};
  }

  const SortKeys& keys_;
  const RowPacker& packer_;
  const std::vector<BatchPtr>& batches_;
  arrow::MemoryPool* pool_;
  std::vector<std::vector<ArrayPtr>> columns_;
  Status status_;
};

}  // namespace

RowSorter::RowSorter(RowSorterOptions options)
    : options_(std::move(options)), packer_(PackerOptions(options_)) {}
RowSorter::~RowSorter() = default;

TakeOptions RowSorter::OutputOptions() const {
  TakeOptions take;
  take.batch_bytes = options_.batch_bytes;
  take.batch_rows = std::clamp<int64_t>(take.batch_bytes / PerRow(bytes_, rows_), 1, kMaxBatchRows);
  take.left_out = options_.sorted_keys == SortedKeys::kDrop ? 1 : 0;
  take.pool = options_.pool;
  return take;
}

int64_t RowSorter::BlockBytes() const {
  return std::clamp<int64_t>(options_.memory_bytes / 256, int64_t{64} << 10, int64_t{1} << 20);
}

TakeOptions RowSorter::SpillOptions() const {
  TakeOptions take;
  take.batch_bytes = BlockBytes();
  take.batch_rows =
      std::clamp<int64_t>(take.batch_bytes / PerRow(packed_bytes_, rows_), 1, kMaxBatchRows);
  take.dictionaries = GatheredDictionaries::kPlain;
  take.pool = options_.pool;
  take.helpers = options_.helpers;
  take.helper_count = options_.helper_count;
  return take;
}

TakeOptions RowSorter::GatherOptions(TakeOptions take) const {
  take.batch_bytes = std::max(take.batch_bytes, options_.memory_bytes / 24);
  take.batch_rows =
      std::clamp<int64_t>(take.batch_bytes / PerRow(packed_bytes_, rows_), 1, kGatheredRows);
  return take;
}

MergeContext RowSorter::Context() const { return {file_.get(), &packer_, options_.keys, shape_}; }

/// Whether not all rows fit: there is a run, or those to come are many, if they are like the ones
/// that are there.
bool RowSorter::WillSpill() const {
  if (runs_ > 0) return true;
  const int64_t of_row = PerRow(buffer_.bytes, buffer_.rows) + kSortBytesOfRow;
  return static_cast<double>(options_.expected_rows) * static_cast<double>(of_row) >
         kSurelyMore * static_cast<double>(options_.memory_bytes);
}

bool RowSorter::IsFull() const {
  // Then one buffer is filled while another is written.
  const int64_t limit = WillSpill() ? options_.memory_bytes / 2 : options_.memory_bytes;
  return buffer_.bytes + buffer_.rows * kSortBytesOfRow > limit;
}

Result<RowSorter::Packed> RowSorter::Pack(const RowBatch& batch, ArrayPtr keys) {
  Packed packed;
  MORAINE_ASSIGN(packed.rows, WithOrigin(batch, std::move(keys), options_.pool));
  MORAINE_ASSIGN(packed.rows, packer_.Pack(packed.rows));
  packed.input = batch.origin.input;
  packed.position = batch.origin.first_position;
  return packed;
}

Status RowSorter::Add(Call& call, const RowBatch& batch, ArrayPtr keys) {
  if (batch.rows->num_rows() == 0) return {};
  const KeyShape shape(*keys);
  MORAINE_ASSIGN(const int64_t raw_bytes, BytesOf(*batch.rows));
  MORAINE_ASSIGN(Packed packed, Pack(batch, std::move(keys)));
  MORAINE_ASSIGN(const int64_t bytes, BytesOf(*packed.rows));
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
    buffer_.rows += packed.rows->num_rows();
    buffer_.bytes += bytes;
    buffer_.shape.Merge(shape);
    rows_ += packed.rows->num_rows();
    bytes_ += raw_bytes;
    packed_bytes_ += bytes;
    buffer_.batches.push_back(std::move(packed));
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
  // As rows with equal keys are to come.
  std::sort(buffer.batches.begin(), buffer.batches.end(), [](const Packed& a, const Packed& b) {
    return std::pair(a.input, a.position) < std::pair(b.input, b.position);
  });
  std::vector<std::shared_ptr<arrow::Schema>> schemas;
  for (const Packed& packed : buffer.batches) schemas.push_back(packed.rows->schema());
  MORAINE_ASSIGN(const auto types, packer_.CommonTypes(schemas));
  std::vector<BatchPtr> batches;
  std::vector<ArrayPtr> keys;
  for (Packed& packed : buffer.batches) {
    MORAINE_ASSIGN(BatchPtr rows, packer_.Align(std::exchange(packed.rows, nullptr), types));
    keys.push_back(rows->column(rows->num_columns() - 1));
    batches.push_back(std::move(rows));
  }
  std::optional<ExactOrder> order;
  std::function<int(RowPick, RowPick)> exact;
  if (options_.keys != nullptr && options_.keys->may_cut()) {
    order.emplace(*options_.keys, packer_, batches, options_.pool);
    exact = [&](RowPick a, RowPick b) { return order->Compare(a, b); };
  }
  MORAINE_ASSIGN(auto picks,
                 SortRows(KeyTable(std::move(keys)), buffer.shape, exact, options_.pool));
  if (order) MORAINE_TRY(order->Done());
  return MakeMemoryRows(std::move(batches), std::move(picks), options);
}

Result<SpillRun> RowSorter::WriteRun(Call& call, SortedRows* rows) {
  SpillRun run;
  while (true) {
    MORAINE_ASSIGN(const BatchPtr batch, rows->Next(call));
    if (batch == nullptr) return run;
    MORAINE_ASSIGN(const auto blocks, CutIntoBlocks(batch, BlockBytes(), options_.pool));
    int64_t first = 0;
    for (const int64_t rows_of_block : blocks) {
      MORAINE_TRY(file_->Write(*batch->Slice(first, rows_of_block), kSorterColumns, &run));
      first += rows_of_block;
      if (rows_of_block == 1)
        largest_row_bytes_ = std::max(largest_row_bytes_, run.blocks.back().values.bytes);
    }
  }
}

Status RowSorter::Spill(Call& call, Buffer buffer) {
  TakeOptions take;
  {
    const std::lock_guard lock(mutex_);
    take = GatherOptions(SpillOptions());
  }
  if (file_ == nullptr) {
    MORAINE_ASSIGN(file_, SpillFile::Make(options_.spill_folder, options_.pool));
  }
  shape_.Merge(buffer.shape);
  MORAINE_ASSIGN(auto rows, SortBuffer(std::move(buffer), take));
  MORAINE_ASSIGN(SpillRun run, WriteRun(call, rows.get()));
  spilled_.push_back(std::move(run));
  return {};
}

/// A merge holds a block of each run: with too many runs, some are merged first.
Status RowSorter::MergeUntilFew(Call& call) {
  int64_t of_run = 2 * BlockBytes();
  // Else only rows that are written now are read at all.
  if (options_.keys != nullptr && options_.keys->may_cut())
    of_run = std::max(of_run, largest_row_bytes_);
  const auto most =
      static_cast<size_t>(std::clamp<int64_t>(options_.memory_bytes / 2 / of_run, 2, 512));
  while (spilled_.size() > most) {
    const size_t count = std::min(most, spilled_.size() - most + 1);
    std::vector<SpillRun> some;
    for (size_t i = 0; i < count; ++i) some.push_back(std::move(spilled_[i]));
    spilled_.erase(spilled_.begin(), spilled_.begin() + static_cast<int64_t>(count));
    MORAINE_ASSIGN(auto rows, MakeMergedRows(call, std::move(some), Context(), SpillOptions()));
    MORAINE_ASSIGN(SpillRun run, WriteRun(call, rows.get()));
    spilled_.push_back(std::move(run));
    ++runs_;
  }
  return {};
}

Status RowSorter::Finish(Call& call) {
  Buffer rest = std::exchange(buffer_, Buffer());
  if (spilled_.empty()) {
    if (rest.batches.empty()) return {};
    MORAINE_ASSIGN(output_, SortBuffer(std::move(rest), GatherOptions(OutputOptions())));
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
  MORAINE_ASSIGN(output_, MakeMergedRows(call, std::move(spilled_), Context(), take));
  return {};
}

Result<BatchPtr> RowSorter::Next(Call& call) {
  if (output_ == nullptr) return BatchPtr();
  if (next_row_ == gathered_rows_) {
    gathered_.reset();
    MORAINE_ASSIGN(gathered_, output_->Next(call));
    next_row_ = 0;
    gathered_rows_ = gathered_ == nullptr ? 0 : gathered_->num_rows();
    if (gathered_ == nullptr) {
      output_.reset();
      return BatchPtr();
    }
  }
  const int64_t count = std::min(OutputOptions().batch_rows, gathered_rows_ - next_row_);
  const BatchPtr batch = gathered_->Slice(next_row_, count);
  next_row_ += count;
  if (next_row_ == gathered_rows_) gathered_.reset();
  return packer_.Unpack(batch);
}

}  // namespace moraine::rewrite
