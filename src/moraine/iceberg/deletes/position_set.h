#pragma once
// Deleted row positions of one data file (table spec, "Position delete files", "Deletion vectors"):
// a compressed bitmap of 63-bit positions.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::iceberg {

/// Const calls are thread-safe.
class PositionSet {
 public:
  PositionSet();
  ~PositionSet();
  PositionSet(PositionSet&&) noexcept;
  PositionSet& operator=(PositionSet&&) noexcept;

  /// Positions are at least 0.
  void Add(int64_t position);
  void AddMany(std::span<const int64_t> positions);
  void Merge(const PositionSet& other);
  /// Takes out what is not below end.
  void CutAt(int64_t end);

  bool Contains(int64_t position) const;
  bool empty() const;
  int64_t cardinality() const;
  int64_t memory_bytes() const;
  /// All positions, ascending.
  std::vector<int64_t> ToVector() const;
  /// Those of the rows first .. first + length - 1, ascending.
  void AppendWithin(int64_t first, int64_t length, std::vector<int64_t>* to) const;

  /// Those from first on, ascending; at most limit.
  void AppendFrom(int64_t first, size_t limit, std::vector<int64_t>* to) const;
  bool ContainsAll(const PositionSet& other) const;

  /// keep has one bit for each row, least significant first: clears those of the rows first ..
  /// first + length - 1 that are in the set. Returns how many of them were set before.
  int64_t ClearKept(int64_t first, int64_t length, uint8_t* keep) const;

  /// The portable 64-bit form of Roaring: the count of bitmaps, then each with its upper 32 bits.
  /// Runs are made where they are smaller.
  std::string ToPortable() const;
  /// Of all the bytes. Errors: Corruption for anything that is not well formed, which Roaring
  /// itself would take; Exhausted without memory.
  static Result<PositionSet> FromPortable(std::string_view bytes);

 private:
  struct Bitmaps;
  std::unique_ptr<Bitmaps> bitmaps_;
};

}  // namespace moraine::iceberg
