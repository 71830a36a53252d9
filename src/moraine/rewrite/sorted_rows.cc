#include "moraine/rewrite/sorted_rows.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

namespace moraine::rewrite {
namespace {

// What the offsets of an array can tell.
constexpr int64_t kMostBytes = std::numeric_limits<int32_t>::max();

class MemoryRows final : public SortedRows {
 public:
  MemoryRows(std::vector<BatchPtr> batches, std::shared_ptr<arrow::Buffer> picks, BatchTaker taker,
             int64_t batch_rows)
      : batches_(std::move(batches)),
        buffer_(std::move(picks)),
        taker_(std::move(taker)),
        batch_rows_(batch_rows) {
    int64_t rows = 0;
    for (const BatchPtr& batch : batches_) rows += batch->num_rows();
    picks_ = {reinterpret_cast<const RowPick*>(buffer_->data()), static_cast<size_t>(rows)};
  }

  Result<BatchPtr> Next(Call& call) override {
    if (picks_.empty()) {
      batches_.clear();
      return BatchPtr();
    }
    MORAINE_TRY(call.Check());
    const size_t count = std::min(picks_.size(), static_cast<size_t>(batch_rows_));
    MORAINE_ASSIGN(BatchPtr batch, taker_.Take(picks_.first(count)));
    picks_ = picks_.subspan(static_cast<size_t>(batch->num_rows()));
    return batch;
  }

 private:
  std::vector<BatchPtr> batches_;
  const std::shared_ptr<arrow::Buffer> buffer_;
  const BatchTaker taker_;
  const int64_t batch_rows_;
  std::span<const RowPick> picks_;
};

}  // namespace

Result<BatchTaker> BatchTaker::Make(const std::vector<BatchPtr>& batches,
                                    const TakeOptions& options) {
  BatchTaker taker;
  taker.options_ = options;
  std::vector<std::shared_ptr<arrow::Field>> fields = batches[0]->schema()->fields();
  fields.resize(fields.size() - static_cast<size_t>(options.left_out));
  for (int column = 0; column < static_cast<int>(fields.size()); ++column) {
    std::vector<ArrayPtr> arrays;
    for (const BatchPtr& batch : batches) arrays.push_back(batch->column(column));
    MORAINE_ASSIGN(auto gatherer,
                   MakeColumnGatherer(std::move(arrays), options.dictionaries, options.pool));
    auto& field = fields[static_cast<size_t>(column)];
    field = field->WithType(gatherer->type());
    taker.row_bytes_ += gatherer->row_bytes();
    taker.columns_.push_back(std::move(gatherer));
  }
  taker.schema_ = arrow::schema(std::move(fields), batches[0]->schema()->metadata());
  return taker;
}

Result<BatchPtr> BatchTaker::TakeAll(std::span<const RowPick> picks) const {
  std::vector<ArrayPtr> taken(columns_.size());
  const auto take = [&](size_t i) -> Status {
    MORAINE_ASSIGN(taken[i], columns_[i]->Take(picks, kMostBytes, options_.pool));
    return {};
  };
  if (options_.helpers == nullptr || options_.helper_count == 0) {
    for (size_t i = 0; i < columns_.size(); ++i) MORAINE_TRY(take(i));
  } else {
    MORAINE_TRY(ForEach(*options_.helpers, columns_.size(), options_.helper_count, take));
  }
  if (std::find(taken.begin(), taken.end(), nullptr) != taken.end()) return BatchPtr();
  return arrow::RecordBatch::Make(schema_, static_cast<int64_t>(picks.size()), std::move(taken));
}

size_t BatchTaker::CountThatFits(std::span<const RowPick> picks) const {
  std::vector<int64_t> bytes(picks.size(), row_bytes_);
  for (const auto& column : columns_) column->AddBytes(picks, bytes.data());
  int64_t left = options_.batch_bytes;
  size_t count = 0;
  while (count < picks.size() && (count == 0 || bytes[count] <= left)) left -= bytes[count++];
  return count;
}

Result<std::vector<int64_t>> CutIntoBlocks(const BatchPtr& rows, int64_t block_bytes,
                                           arrow::MemoryPool* pool) {
  std::vector<RowPick> picks(static_cast<size_t>(rows->num_rows()));
  for (uint32_t row = 0; row < picks.size(); ++row) picks[row].row = row;
  int64_t row_bytes = 0;
  std::vector<int64_t> bytes(picks.size(), 0);
  for (const ArrayPtr& column : rows->columns()) {
    MORAINE_ASSIGN(const auto gatherer,
                   MakeColumnGatherer({column}, GatheredDictionaries::kPlain, pool));
    row_bytes += gatherer->row_bytes();
    gatherer->AddBytes(picks, bytes.data());
  }
  std::vector<int64_t> blocks;
  int64_t left = 0;
  for (const int64_t varying : bytes) {
    const int64_t size = row_bytes + varying;
    if (blocks.empty() || size > left) {
      blocks.push_back(0);
      left = block_bytes;
    }
    left -= size;
    ++blocks.back();
  }
  return blocks;
}

Result<BatchPtr> BatchTaker::Take(std::span<const RowPick> picks) const {
  picks = picks.first(CountThatFits(picks));
  while (true) {
    MORAINE_ASSIGN(BatchPtr batch, TakeAll(picks));
    if (batch != nullptr) return batch;
    picks = picks.first(std::max<size_t>(1, picks.size() / 2));
  }
}

Result<std::unique_ptr<SortedRows>> MakeMemoryRows(std::vector<BatchPtr> batches,
                                                   std::shared_ptr<arrow::Buffer> picks,
                                                   const TakeOptions& options) {
  MORAINE_ASSIGN(BatchTaker taker, BatchTaker::Make(batches, options));
  return std::unique_ptr<SortedRows>(std::make_unique<MemoryRows>(
      std::move(batches), std::move(picks), std::move(taker), options.batch_rows));
}

}  // namespace moraine::rewrite
