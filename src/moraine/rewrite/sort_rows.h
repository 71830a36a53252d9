#pragma once
// The order of the rows of a buffer by their keys: radix sort by eight bytes at a time, comparison
// where few rows are left. Pure. Used by the sorter.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
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

/// Whether rows with this key, of varying width, may differ (SortKeys::Encode).
bool IsCutKey(std::string_view key);

/// Which bytes of keys differ at all: keys of one width begin and go on with many that are the same
/// in all rows. Eight of those that differ compare like more of the key than its first eight.
class KeyShape {
 public:
  KeyShape() = default;
  /// Of all keys of an array. Keys of varying width have no shape.
  explicit KeyShape(const arrow::Array& keys);
  /// Of the keys of both.
  void Merge(const KeyShape& other);

  /// Numbers compare as the keys do, but that they may be equal where keys are not.
  uint64_t NumberOf(std::string_view key) const;
  /// Keys with equal numbers are equal.
  bool is_exact() const { return is_fixed_ && differing_ <= places_.size(); }
  bool is_fixed() const { return is_fixed_; }
  /// Bytes from the front that keys with equal numbers share; 0 for keys of varying width.
  size_t depth() const;

 private:
  void FindPlaces();

  bool is_fixed_ = false;
  bool is_empty_ = true;
  std::string first_;
  std::string differs_;  // a byte for each of a key: which bits of it differ from first_
  size_t differing_ = 0;
  std::array<uint32_t, sizeof(uint64_t)> places_{};
};

/// Memory that SortRows takes for a row while it works, and that its result has.
inline constexpr int64_t kSortBytesOfRow = 32;

/// All rows by their keys; rows with equal keys that were cut by exact (if there is one), then as
/// they come. shape: of these keys, or more. Errors: Exhausted (the pool).
Result<std::shared_ptr<arrow::Buffer>> SortRows(const KeyTable& keys, const KeyShape& shape,
                                                const std::function<int(RowPick, RowPick)>& exact,
                                                arrow::MemoryPool* pool);

}  // namespace moraine::rewrite
