#pragma once
// Rows that come out of the sorter in order: those of a buffer in memory, or runs from disk that
// are merged. They are packed still. Internal to the sorter (row_sorter.h).

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/gather_rows.h"
#include "moraine/rewrite/row_packer.h"
#include "moraine/rewrite/sort_keys.h"
#include "moraine/rewrite/sort_rows.h"
#include "moraine/rewrite/spill_file.h"

namespace moraine::rewrite {

/// How batches are put together.
struct TakeOptions {
  int64_t batch_bytes = int64_t{4} << 20;  ///< at most, but for one row that is larger
  int64_t batch_rows = 32 * 1024;          ///< at most
  GatheredDictionaries dictionaries = GatheredDictionaries::kKeep;
  int left_out = 0;  ///< columns at the end that are not put together
  arrow::MemoryPool* pool = nullptr;
  Executor* helpers = nullptr;  ///< columns are taken by the caller and these
  size_t helper_count = 0;
};

/// Used by one thread at a time.
class SortedRows {
 public:
  virtual ~SortedRows() = default;
  /// nullptr at the end.
  virtual Result<BatchPtr> Next(Call& call) = 0;
};

/// A batch of picked rows of other batches, all of the same columns.
class BatchTaker {
 public:
  static Result<BatchTaker> Make(const std::vector<BatchPtr>& batches, const TakeOptions& options);
  /// Those of the picks that fit in one batch, from the first on, at least one.
  Result<BatchPtr> Take(std::span<const RowPick> picks) const;

 private:
  size_t CountThatFits(std::span<const RowPick> picks) const;
  Result<BatchPtr> TakeAll(std::span<const RowPick> picks) const;

  TakeOptions options_;
  int64_t row_bytes_ = 0;
  std::vector<std::unique_ptr<ColumnGatherer>> columns_;
  std::shared_ptr<arrow::Schema> schema_;
};

/// How many rows each block has if the rows of a batch become blocks that are no larger than that,
/// but for single rows that are.
Result<std::vector<int64_t>> CutIntoBlocks(const BatchPtr& rows, int64_t block_bytes,
                                           arrow::MemoryPool* pool);

/// The rows of the batches in the order of the picks (RowPick values in a buffer).
Result<std::unique_ptr<SortedRows>> MakeMemoryRows(std::vector<BatchPtr> batches,
                                                   std::shared_ptr<arrow::Buffer> picks,
                                                   const TakeOptions& options);

/// What a merge needs to know of the rows; outlives it.
struct MergeContext {
  SpillFile* file;
  const RowPacker* packer;
  const SortKeys* keys;  ///< what decides between keys that were cut, or nullptr
  KeyShape shape;        ///< of all keys
};

/// The rows of all runs in order. What was read is discarded from the file.
Result<std::unique_ptr<SortedRows>> MakeMergedRows(Call& call, std::vector<SpillRun> runs,
                                                   const MergeContext& context,
                                                   const TakeOptions& options);

}  // namespace moraine::rewrite
