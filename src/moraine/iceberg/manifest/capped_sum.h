#pragma once
// Sums of sizes and counts that manifests claim. One claim is at most kMaxClaim (the decoders see
// to it), yet a table may claim as many as it has files: their sum stops at the largest number
// instead of wrapping. Used wherever files of others are added up.

#include <cstdint>

namespace moraine::iceberg {

/// The most bytes, rows or values that a file or manifest may claim; beyond it is Corruption.
inline constexpr int64_t kMaxClaim = int64_t{1} << 50;

/// a + b, not beyond -INT64_MAX to INT64_MAX.
constexpr int64_t AddCapped(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? INT64_MAX : -INT64_MAX;
  return sum == INT64_MIN ? -INT64_MAX : sum;
}

/// a * b likewise.
constexpr int64_t MultiplyCapped(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return (a > 0) == (b > 0) ? INT64_MAX : -INT64_MAX;
  return product == INT64_MIN ? -INT64_MAX : product;
}

}  // namespace moraine::iceberg
