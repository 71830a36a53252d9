#pragma once
// A Theta sketch as it is stored: the blob "apache-datasketches-theta-v1" (Puffin spec), the
// compact form of Apache DataSketches, serial version 3. It holds all hashes of the values seen
// that are below theta; the part of all values that those are gives how many there were. Made by
// theta_sketch.h, written and read by whoever keeps table statistics.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::iceberg {

/// Of a sketch that has all hashes there are.
inline constexpr uint64_t kAllHashes = INT64_MAX;

struct CompactSketch {
  uint64_t theta = kAllHashes;
  std::vector<uint64_t> hashes;  ///< ascending, in [1, theta)

  bool is_exact() const { return theta == kAllHashes; }
  double Estimate() const;
  /// Without its fraction, as Spark writes it ("ndv").
  int64_t distinct_values() const { return static_cast<int64_t>(Estimate()); }
  bool operator==(const CompactSketch&) const = default;
};

/// As the Java library has it, byte for byte.
std::string SketchToBytes(const CompactSketch& sketch);
/// Errors: Corruption; Unsupported for another serial version or form, or another seed.
Result<CompactSketch> SketchFromBytes(std::string_view bytes);

}  // namespace moraine::iceberg
