#pragma once
// Rows as byte strings that compare as the rows do (table spec, "Sorting"): unsigned bytes of equal
// rank, whatever the types, directions and null orders. Long strings take part with their first
// bytes only; rows whose keys are equal all the same are compared by value. Used by the sorter and
// by the curves.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/key_columns.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::rewrite {

/// Bytes of one string or binary value that a key has at most (bytes that are zero count twice).
inline constexpr size_t kStringKeyBytes = 64;

using ArrayPtr = std::shared_ptr<arrow::Array>;

/// One column's part of a key. Const calls are thread-safe.
class KeyPart {
 public:
  virtual ~KeyPart() = default;
  /// Bytes, always the same; -1: they vary.
  virtual int width() const = 0;
  /// Whether arrays may be dictionaries of the values.
  virtual bool takes_dictionaries() const { return false; }
  /// Fixed width only: row i's bytes to out + i * stride.
  virtual void Fill(const arrow::Array& values, uint8_t* out, size_t stride) const = 0;
  /// False: the value was cut, and so the key ends here.
  virtual bool Append(const arrow::Array& values, int64_t row, std::string* out) const = 0;
  /// By the values themselves: below, equal or above 0.
  virtual int Compare(const arrow::Array& a, int64_t i, const arrow::Array& b, int64_t j) const = 0;
};

/// Whether NaNs of several bits are one value.
enum class NaNs : uint8_t { kByBits, kAllEqual };

/// Const calls are thread-safe.
class SortKeys {
 public:
  /// fields: of the batches that will come. Errors: InvalidArgument for a column that is not there
  /// or has no order, a transform that is not known or does not take it.
  static Result<SortKeys> Make(const std::vector<iceberg::Field>& fields,
                               const std::vector<iceberg::SortField>& order,
                               NaNs nans = NaNs::kByBits);

  /// The columns that keys are made of, one array each; strings may stay dictionaries.
  Result<std::vector<ArrayPtr>> Extract(const arrow::RecordBatch& batch,
                                        arrow::MemoryPool* pool) const;
  /// One key for each row: fixed_size_binary where all keys have one width, else binary, and the
  /// last byte says whether the key was cut. No key is a proper prefix of another one.
  Result<ArrayPtr> Encode(const std::vector<ArrayPtr>& columns, int64_t rows,
                          arrow::MemoryPool* pool) const;
  /// Of rows of two batches, exactly; by the columns that Extract gave.
  int Compare(const std::vector<ArrayPtr>& a, int64_t i, const std::vector<ArrayPtr>& b,
              int64_t j) const;

  /// Whether equal keys may stand for rows that are not.
  bool may_cut() const { return width_ < 0; }
  /// Of all keys; -1: they vary.
  int width() const { return width_; }
  /// The columns of a batch, by their places, that keys are made of.
  std::vector<int> sources() const { return columns_->sources(); }

 private:
  SortKeys() = default;

  std::optional<iceberg::KeyColumns> columns_;
  std::vector<std::unique_ptr<KeyPart>> parts_;
  int width_ = 0;
};

/// Sort fields by these columns, ascending, nulls first.
std::vector<iceberg::SortField> AscendingBy(const std::vector<int32_t>& ids);

}  // namespace moraine::rewrite
