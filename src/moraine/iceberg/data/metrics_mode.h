#pragma once
// Which metrics a column gets (table properties write.metadata.metrics.*) and how bounds are cut
// (table spec, "Truncate" of bounds; facts of Java's writers where the spec leaves it open). Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

struct MetricsMode {
  enum class Kind { kNone, kCounts, kTruncate, kFull };
  Kind kind = Kind::kTruncate;
  int32_t length = 16;  ///< kTruncate: code points of a string, bytes of a binary

  static MetricsMode None() { return {Kind::kNone, 0}; }
  static MetricsMode Full() { return {Kind::kFull, 0}; }
  bool has_counts() const { return kind != Kind::kNone; }
  bool has_bounds() const { return kind == Kind::kTruncate || kind == Kind::kFull; }
  bool operator==(const MetricsMode&) const = default;
};

/// "none", "counts", "truncate(N)", "full", in any case; nothing for other texts.
std::optional<MetricsMode> MetricsModeFromString(std::string_view text);

/// The mode of every leaf column (primitive or variant) by id. sorted_ids: sources of an
/// order-keeping sort; they get bounds. A value that does not parse counts as the default,
/// truncate(16).
std::unordered_map<int32_t, MetricsMode> MetricsModes(
    const Schema& schema, const std::map<std::string, std::string>& properties,
    const std::vector<int32_t>& sorted_ids);

/// The lower bound to store; a prefix.
std::string TruncateLowerBound(const Type& type, std::string bytes, const MetricsMode& mode);
/// The upper bound to store, or nothing when no longer value of that length exists.
std::optional<std::string> TruncateUpperBound(const Type& type, std::string bytes,
                                              const MetricsMode& mode);

}  // namespace moraine::iceberg
