#pragma once
// Rows that come out of the sorter in order: those of a buffer in memory, or runs from disk that
// are merged. Internal to the sorter (row_sorter.h).

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/gather_rows.h"
#include "moraine/rewrite/sort_keys.h"
#include "moraine/rewrite/spill_run.h"

namespace moraine::rewrite {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// How batches are put together.
struct TakeOptions {
  int64_t batch_bytes = int64_t{4} << 20;
  int64_t batch_rows = 32 * 1024;  ///< at most
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
  Result<BatchPtr> TakeAll(std::span<const RowPick> picks) const;

  TakeOptions options_;
  std::vector<std::unique_ptr<ColumnGatherer>> columns_;
  std::shared_ptr<arrow::Schema> schema_;
};

/// The rows of the batches in the order of the picks (RowPick values in a buffer).
Result<std::unique_ptr<SortedRows>> MakeMemoryRows(std::vector<BatchPtr> batches,
                                                   std::shared_ptr<arrow::Buffer> picks,
                                                   const TakeOptions& options);

/// The rows of all runs in order. keys: what decides between keys that were cut, or nullptr.
Result<std::unique_ptr<SortedRows>> MakeMergedRows(Call& call,
                                                   std::vector<std::unique_ptr<SpillRun>> runs,
                                                   const SortKeys* keys,
                                                   const TakeOptions& options);

}  // namespace moraine::rewrite
