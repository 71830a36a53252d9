#include "moraine/rewrite/curve_keys.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/sort_rows.h"

namespace moraine::rewrite {
namespace {

// Ranks of a column: their bounds stay in the first-level cache, and a cell of two columns holds
// less than a row of a task.
constexpr int kMostBits = 12;

}  // namespace

uint64_t SpreadBits(uint32_t coordinate, int bits, int dimension, int dimensions) {
  uint64_t spread = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const uint64_t value = coordinate >> bit & 1;
    spread |= value << (bit * dimensions + dimensions - 1 - dimension);
  }
  return spread;
}

// J. Skilling, "Programming the Hilbert curve" (2004): axes to transposed index.
uint64_t HilbertIndex(std::vector<uint32_t>* point, int bits) {
  std::vector<uint32_t>& x = *point;
  const size_t n = x.size();
  const uint32_t top = uint32_t{1} << (bits - 1);
  for (uint32_t q = top; q > 1; q >>= 1) {
    const uint32_t p = q - 1;
    for (uint32_t& coordinate : x) {
      if ((coordinate & q) != 0) {
        x[0] ^= p;
      } else {
        const uint32_t t = (x[0] ^ coordinate) & p;
        x[0] ^= t;
        coordinate ^= t;
      }
    }
  }
  for (size_t i = 1; i < n; ++i) x[i] ^= x[i - 1];
  uint32_t t = 0;
  for (uint32_t q = top; q > 1; q >>= 1) {
    if ((x[n - 1] & q) != 0) t ^= q - 1;
  }
  for (uint32_t& coordinate : x) coordinate ^= t;
  uint64_t index = 0;
  for (int bit = bits - 1; bit >= 0; --bit) {
    for (const uint32_t coordinate : x) index = index << 1 | (coordinate >> bit & 1);
  }
  return index;
}

Result<CurveKeys> CurveKeys::Make(const std::vector<iceberg::Field>& fields,
                                  const std::vector<iceberg::Field>& sample_fields,
                                  const tasks::Layout& layout) {
  CurveKeys curve;
  curve.kind_ = layout.kind;
  curve.bits_ = std::min(kMostBits, 64 / static_cast<int>(layout.columns.size()));
  for (const int32_t id : layout.columns) {
    MORAINE_ASSIGN(SortKeys keys, SortKeys::Make(fields, AscendingBy({id})));
    MORAINE_ASSIGN(SortKeys sample_keys, SortKeys::Make(sample_fields, AscendingBy({id})));
    curve.columns_.emplace_back(std::move(keys), std::move(sample_keys));
  }
  return curve;
}

Status CurveKeys::AddSample(const arrow::RecordBatch& batch, int64_t first, int64_t step,
                            arrow::MemoryPool* pool) {
  for (Column& column : columns_) {
    MORAINE_ASSIGN(const auto values, column.sample_keys.Extract(batch, pool));
    MORAINE_ASSIGN(const ArrayPtr keys, column.sample_keys.Encode(values, batch.num_rows(), pool));
    const KeyTable table({keys});
    for (int64_t row = first; row < batch.num_rows(); row += step)
      column.sample.emplace_back(table.at({0, static_cast<uint32_t>(row)}));
  }
  return {};
}

void CurveKeys::Seal() {
  const auto dimensions = static_cast<int>(columns_.size());
  for (int dimension = 0; dimension < dimensions; ++dimension) {
    Column& column = columns_[static_cast<size_t>(dimension)];
    std::vector<std::string> sample = std::exchange(column.sample, {});
    std::sort(sample.begin(), sample.end());
    // A value that is common takes as much room among the ranks as among the rows: bounds repeat.
    const size_t count = std::min(sample.size(), (size_t{1} << bits_) - 1);
    if (count > 0) {
      const std::string& low = sample.front();
      const std::string& high = sample.back();
      const size_t both = std::min(low.size(), high.size());
      const auto at =
          std::mismatch(low.begin(), low.begin() + static_cast<int64_t>(both), high.begin());
      column.prefix.assign(low.begin(), at.first);
    }
    for (size_t i = 0; i < count; ++i) {
      const size_t quantile = (2 * i + 1) * sample.size() / (2 * count);
      column.bounds.push_back(KeyNumber(sample[quantile], column.prefix.size()));
    }
    // With few values, ranks use the upper bits.
    const int used = std::bit_width(count);
    for (uint32_t rank = 0; rank <= count; ++rank) {
      const uint32_t coordinate = rank << (bits_ - used);
      column.spread.push_back(kind_ == tasks::Layout::Kind::kZOrder
                                  ? SpreadBits(coordinate, bits_, dimension, dimensions)
                                  : coordinate);
    }
  }
}

size_t CurveKeys::RankOf(const Column& column, std::string_view key) {
  const size_t shared = column.prefix.size();
  if (shared > 0) {
    const int order = key.substr(0, shared).compare(column.prefix);
    if (order != 0) return order < 0 ? 0 : column.bounds.size();
  }
  // Without a branch on each step: bounds below the number.
  const uint64_t number = KeyNumber(key, shared);
  const uint64_t* low = column.bounds.data();
  size_t left = column.bounds.size();
  while (left > 1) {
    const size_t half = left / 2;
    low += low[half - 1] < number ? half : 0;
    left -= half;
  }
  const auto below = static_cast<size_t>(low - column.bounds.data());
  return below + (left == 1 && *low < number ? 1 : 0);
}

Status CurveKeys::AddRanks(size_t index, const arrow::RecordBatch& batch, arrow::MemoryPool* pool,
                           std::vector<uint64_t>* keys, std::vector<uint32_t>* ranks) const {
  const Column& column = columns_[index];
  MORAINE_ASSIGN(const auto values, column.keys.Extract(batch, pool));
  MORAINE_ASSIGN(const ArrayPtr encoded, column.keys.Encode(values, batch.num_rows(), pool));
  const KeyTable table({encoded});
  const size_t dimensions = columns_.size();
  for (uint32_t row = 0; row < keys->size(); ++row) {
    const uint64_t place = column.spread[RankOf(column, table.at({0, row}))];
    (*keys)[row] |= place;
    if (!ranks->empty()) (*ranks)[row * dimensions + index] = static_cast<uint32_t>(place);
  }
  return {};
}

Result<ArrayPtr> CurveKeys::Encode(const arrow::RecordBatch& batch, arrow::MemoryPool* pool) const {
  const auto rows = static_cast<size_t>(batch.num_rows());
  const bool is_hilbert = kind_ == tasks::Layout::Kind::kHilbert;
  std::vector<uint64_t> keys(rows, 0);
  std::vector<uint32_t> ranks(is_hilbert ? rows * columns_.size() : 0);
  for (size_t i = 0; i < columns_.size(); ++i) MORAINE_TRY(AddRanks(i, batch, pool, &keys, &ranks));
  MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> bytes,
                 arrow::AllocateBuffer(static_cast<int64_t>(rows * sizeof(uint64_t)), pool));
  uint8_t* out = bytes->mutable_data();
  std::vector<uint32_t> point;
  for (size_t row = 0; row < rows; ++row) {
    uint64_t key = keys[row];
    if (is_hilbert) {
      const auto begin = ranks.begin() + static_cast<int64_t>(row * columns_.size());
      point.assign(begin, begin + static_cast<int64_t>(columns_.size()));
      key = HilbertIndex(&point, bits_);
    }
    key = __builtin_bswap64(key);
    std::memcpy(out + row * sizeof(key), &key, sizeof(key));
  }
  return ArrayPtr(std::make_shared<arrow::FixedSizeBinaryArray>(
      arrow::fixed_size_binary(8), static_cast<int64_t>(rows), std::move(bytes)));
}

}  // namespace moraine::rewrite
