#pragma once
// The order of a column's values and the statistics of plain-encoded ones (parquet-format,
// "ColumnOrder", "Statistics"). Booleans are a byte each here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/format.h"

namespace moraine::splice {

enum class Order {
  kNone,         ///< no statistics
  kType,         ///< that of the physical type: numbers signed, bytes unsigned
  kSignedBytes,  ///< big-endian two's complement of a fixed length: decimals
};

/// What the values of an output column look like.
struct ValueType {
  Physical physical = Physical::kInt32;
  int32_t length = 0;  ///< of kFixed
  Order order = Order::kType;

  /// Bytes of a plain value; 0 for kByteArray.
  size_t width() const;
};

/// < 0, 0 or > 0. Both are values of the type (or of no use: of another length).
int CompareValues(const ValueType& type, std::string_view a, std::string_view b);
/// Of a float or double.
bool IsNaN(const ValueType& type, std::string_view value);

/// Longer bounds are left out, as Arrow does.
inline constexpr size_t kMaxBoundBytes = 4096;

struct ValueRange {
  bool is_known = true;  ///< false: there are values with longer bounds, min and max say nothing
  std::optional<std::string> min;
  std::optional<std::string> max;
  int64_t nans = 0;

  void Add(const ValueType& type, const ValueRange& other);
};

/// Of count plain values.
ValueRange RangeOf(const ValueType& type, std::string_view plain, size_t count);

/// Where each value of a byte array column begins, and the end. Errors: Corruption.
Result<std::vector<uint32_t>> ValueOffsets(std::string_view plain, size_t count);

/// A dictionary's values by number, with their ranks in the column's order.
class DictionaryValues {
 public:
  DictionaryValues() = default;
  /// Errors: Corruption for bytes that are not count values.
  static Result<DictionaryValues> Make(const ValueType& type, std::string plain, size_t count);

  size_t size() const { return count_; }
  /// Of the largest value, as it is encoded.
  size_t largest_bytes() const { return largest_bytes_; }
  std::string_view plain() const { return plain_; }
  /// The value without the length of a byte array.
  std::string_view Value(uint32_t index) const;
  /// As it is encoded.
  std::string_view Encoded(uint32_t index) const;
  /// Ranks for RangeOf; not thread-safe.
  void Rank();
  /// Of the values with these numbers, all below size(). After Rank.
  ValueRange RangeOf(const std::vector<uint32_t>& indices) const;

 private:
  template <typename T>
  void RankNumbers();

  ValueType type_;
  std::string plain_;
  size_t count_ = 0;
  size_t largest_bytes_ = 0;
  std::vector<uint32_t> offsets_;  // of byte arrays
  std::vector<uint32_t> ranks_;    // by number; kNaN for NaN
  std::vector<uint32_t> by_rank_;
};

}  // namespace moraine::splice
