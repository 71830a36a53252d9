#pragma once
// Rows of many batches put together in a new order: for each output row the batch and the row it
// comes from. Columns of any type; dictionary-encoded ones of different dictionaries get a common
// one, or become plain where that would not pay. Used by the sorter, in memory and when runs are
// merged.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"

namespace moraine::rewrite {

/// A row of the batches that a gatherer was made for.
struct RowPick {
  uint32_t batch = 0;
  uint32_t row = 0;
};

/// One column of several batches. Const calls are thread-safe. Keeps the arrays alive.
class ColumnGatherer {
 public:
  virtual ~ColumnGatherer() = default;
  /// Bytes of a row, but for those that vary.
  virtual int64_t row_bytes() const = 0;
  /// Adds those that vary: of strings, list elements.
  virtual void AddBytes(std::span<const RowPick> /*picks*/, int64_t* /*bytes*/) const {}
  /// nullptr: more than max_bytes of strings or list elements; one row alone may have more. Errors:
  /// Exhausted (the pool; more than 2 GiB in one row).
  virtual Result<std::shared_ptr<arrow::Array>> Take(std::span<const RowPick> picks,
                                                     int64_t max_bytes,
                                                     arrow::MemoryPool* pool) const = 0;
  virtual std::shared_ptr<arrow::DataType> type() const = 0;
};

/// Distinct values of a column above which it is not dictionary-encoded: the writer gains nothing
/// then.
inline constexpr int64_t kMaxDictionaryValues = 16 * 1024;

/// What becomes of dictionaries.
enum class GatheredDictionaries : uint8_t {
  kKeep,   ///< they stay if all arrays are such and have few values together
  kPlain,  ///< strings become plain
};

/// The arrays are of one type, or dictionaries of it. Errors: Unsupported for a type that no reader
/// gives; Exhausted.
Result<std::unique_ptr<ColumnGatherer>> MakeColumnGatherer(
    std::vector<std::shared_ptr<arrow::Array>> arrays, GatheredDictionaries dictionaries,
    arrow::MemoryPool* pool);

}  // namespace moraine::rewrite
