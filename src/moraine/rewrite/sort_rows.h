#pragma once
// The order of the rows of a buffer by their keys: radix sort by eight bytes at a time, comparison
// where few rows are left. Pure. Used by the sorter.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/rewrite/gather_rows.h"

namespace moraine::rewrite {

/// The keys of several batches: fixed_size_binary or binary without nulls. Keeps them alive.
class KeyTable {
 public:
  explicit KeyTable(std::vector<std::shared_ptr<arrow::Array>> keys);

  std::string_view at(RowPick pick) const {
    const Keys& keys = keys_[pick.batch];
    if (keys.offsets == nullptr) {
      return {keys.bytes + static_cast<size_t>(pick.row) * width_, width_};
    }
    return {keys.bytes + keys.offsets[pick.row],
            static_cast<size_t>(keys.offsets[pick.row + 1] - keys.offsets[pick.row])};
  }
  int64_t rows() const { return rows_; }
  const std::vector<uint32_t>& rows_of_batches() const { return counts_; }

 private:
  struct Keys {
    const char* bytes;
    const int32_t* offsets;
  };
  std::vector<std::shared_ptr<arrow::Array>> arrays_;
  size_t width_ = 0;
  int64_t rows_ = 0;
  std::vector<Keys> keys_;
  std::vector<uint32_t> counts_;
};

/// The first eight bytes of a key from depth on as a number; zeros behind its end.
uint64_t KeyNumber(std::string_view key, size_t depth);

/// Memory that SortRows takes for a row while it works, and that its result has.
inline constexpr int64_t kSortBytesOfRow = 32;

/// All rows by their keys; rows with equal keys by exact (if there is one), then as they come.
/// Errors: Exhausted (the pool).
Result<std::shared_ptr<arrow::Buffer>> SortRows(const KeyTable& keys,
                                                const std::function<int(RowPick, RowPick)>& exact,
                                                arrow::MemoryPool* pool);

}  // namespace moraine::rewrite
