#pragma once
// Counts distinct values in bounded memory: keeps the 4,096 smallest hashes (nominal entries of
// Apache DataSketches with lgK 12, the default of Spark and Trino), from which the number of all is
// estimated with a standard error of 1.6 %; fewer values are counted exactly. What comes out
// depends on the set of values alone: not on their order, nor on how they were parted and merged.
// Used by iceberg/data (column_sketch.h) and by whoever merges statistics.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "moraine/iceberg/sketches/compact_sketch.h"

namespace moraine::iceberg {

/// Used by one thread. At most 64 KiB.
class ThetaSketch {
 public:
  static constexpr size_t kNominal = 4'096;
  static constexpr int64_t kMostBytes = 64 << 10;

  /// Hashes from here on change nothing.
  uint64_t theta() const { return theta_; }
  /// As ThetaHash gives it; 0 counts as no value, as everywhere.
  void Add(uint64_t hash) {
    if (hash < theta_ && hash != 0) Insert(hash);
  }
  void Merge(const CompactSketch& other);
  CompactSketch Compact() const;

 private:
  void Insert(uint64_t hash);
  std::vector<uint64_t> Hashes() const;  // of the slots, in no order
  /// Leaves the smallest kNominal; theta becomes the next one.
  static void Trim(std::vector<uint64_t>* hashes, uint64_t* theta);
  void Refill(const std::vector<uint64_t>& hashes);

  uint64_t theta_ = kAllHashes;
  size_t count_ = 0;
  std::vector<uint64_t> slots_;  // open addressing by the lowest bits; 0: empty
};

}  // namespace moraine::iceberg
