#pragma once
// Keys deleted by equality delete files that share their columns (table spec, "Equality delete
// files"): a row dies when its key is here with a sequence number above that of the row's file.
// Built once a task, probed column-wise.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/deletes/row_keys.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
}

namespace moraine::iceberg {

using ArrayVector = std::vector<std::shared_ptr<arrow::Array>>;

/// Probe is thread-safe with an own RowKeys a thread; Add is not.
class EqualitySet {
 public:
  /// Errors: Unsupported for a key type that cannot be compared.
  static Result<EqualitySet> Make(std::vector<TypePtr> key_types);
  EqualitySet(EqualitySet&&) noexcept = default;
  EqualitySet& operator=(EqualitySet&&) noexcept = default;

  const std::vector<TypePtr>& key_types() const { return key_types_; }

  /// Adds the rows of key columns under a sequence number; a key keeps its highest. Errors:
  /// Exhausted with the figures when the set would need more than max_bytes.
  Status Add(const ArrayVector& columns, int64_t length, int64_t sequence_number,
             int64_t max_bytes);

  /// keep has one bit for each row: clears those of dead rows of a file with this sequence number.
  /// Returns how many of them were set before.
  int64_t ClearKept(const ArrayVector& columns, int64_t length, int64_t file_sequence_number,
                    RowKeys* scratch, uint8_t* keep) const;
  /// A scratch for ClearKept.
  RowKeys MakeRowKeys() const { return keys_; }

  int64_t size() const { return size_; }
  int64_t memory_bytes() const;
  /// The highest sequence number of any key: files at or above it have no dead rows here.
  int64_t max_sequence_number() const { return max_sequence_number_; }

 private:
  struct Slot {
    uint64_t hash = 0;  // 0: empty
    const char* key = nullptr;
    uint32_t key_size = 0;
    int64_t sequence_number = 0;
  };

  EqualitySet(std::vector<TypePtr> key_types, RowKeys keys)
      : key_types_(std::move(key_types)), keys_(std::move(keys)) {}
  Status Insert(uint64_t hash, std::string_view key, int64_t sequence_number, int64_t max_bytes);
  Status Grow(int64_t max_bytes);
  Result<const char*> Store(std::string_view key, int64_t max_bytes);
  Status TooLarge(int64_t needed, int64_t max_bytes) const;
  const Slot* Find(uint64_t hash, std::string_view key) const;

  std::vector<TypePtr> key_types_;
  RowKeys keys_;
  std::vector<Slot> slots_;  // a power of two, at most 5/8 full
  int64_t size_ = 0;
  std::vector<std::unique_ptr<char[]>> chunks_;
  int64_t chunk_bytes_ = 0;  // of all chunks
  char* chunk_at_ = nullptr;
  size_t chunk_left_ = 0;
  int64_t max_sequence_number_ = -1;
};

}  // namespace moraine::iceberg
