#pragma once
// Rows as places on a space-filling curve over several columns: rows that are near in all of them
// get keys that are near. Each column first becomes its rank among a sample of its values, so that
// types may be mixed and skew does not matter; ranks are then interleaved (z-order) or walked along
// (Hilbert). Used by the layouts.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/rewrite/sort_keys.h"
#include "moraine/tasks/layout.h"

namespace moraine::rewrite {

/// The place of a point with coordinates of bits each on the Hilbert curve. Destroys the point.
uint64_t HilbertIndex(std::vector<uint32_t>* point, int bits);
/// Bit i of the coordinate at bit i * dimensions + (dimensions - 1 - dimension).
uint64_t SpreadBits(uint32_t coordinate, int bits, int dimension, int dimensions);

/// First samples are added by one thread; after Seal, const calls are thread-safe.
class CurveKeys {
 public:
  /// fields: of the batches that are encoded; sample_fields: of those that samples are taken of.
  /// Errors: as SortKeys::Make.
  static Result<CurveKeys> Make(const std::vector<iceberg::Field>& fields,
                                const std::vector<iceberg::Field>& sample_fields,
                                const tasks::Layout& layout);

  /// Every step-th row of the batch, from first on.
  Status AddSample(const arrow::RecordBatch& batch, int64_t first, int64_t step,
                   arrow::MemoryPool* pool);
  /// Ranks are decided.
  void Seal();
  /// One key of eight bytes for each row.
  Result<ArrayPtr> Encode(const arrow::RecordBatch& batch, arrow::MemoryPool* pool) const;

 private:
  struct Column {
    explicit Column(SortKeys k, SortKeys s) : keys(std::move(k)), sample_keys(std::move(s)) {}
    SortKeys keys;
    SortKeys sample_keys;
    std::vector<std::string> sample;
    // Where ranks begin: keys have these bytes in front, then those of a number.
    std::string prefix;
    std::vector<uint64_t> bounds;
    std::vector<uint64_t> spread;  // z-order: what a rank adds to the key
  };

  static size_t RankOf(const Column& column, std::string_view key);
  Status AddRanks(size_t column, const arrow::RecordBatch& batch, arrow::MemoryPool* pool,
                  std::vector<uint64_t>* keys, std::vector<uint32_t>* ranks) const;

  tasks::Layout::Kind kind_ = tasks::Layout::Kind::kZOrder;
  int bits_ = 0;
  std::vector<Column> columns_;
};

}  // namespace moraine::rewrite
