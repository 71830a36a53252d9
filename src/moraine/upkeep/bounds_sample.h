#pragma once
// How much the files of a table overlap in a column, from the bounds of some of them. A point
// filter on the column reads every file whose bounds hold the value; if rows lie in the column's
// order that is one file or two, if they lie in any order it is nearly all of them. Used by
// table_survey.

#include <cstdint>
#include <vector>

#include "moraine/iceberg/types/value.h"

namespace moraine::upkeep {

/// One column of one file.
struct SampledBounds {
  enum class State : uint8_t {
    kUnknown,  ///< without bounds: may hold any value
    kBounds,
    kNoValues,  ///< only nulls
  };
  State state = State::kUnknown;
  iceberg::Value lower, upper;
  uint32_t manifest = 0;  ///< index of the file's manifest
};

struct Overlap {
  /// Part of the other files that may hold a value of a file, 0 to 1.
  double fraction = 0;
  int64_t distinct = 0;  ///< different lower bounds
  iceberg::Value least, greatest;
};
/// manifests_read of manifests: files of one manifest are often alike, so where only some were read
/// pairs of one manifest count as much as they do among all. Cost: n log n, and n for each of some
/// hundred points.
Overlap EstimateOverlap(const std::vector<SampledBounds>& sample, int64_t manifests_read,
                        int64_t manifests);

}  // namespace moraine::upkeep
