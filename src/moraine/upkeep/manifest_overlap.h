#pragma once
// How much the partitions of manifests overlap, by their summaries in the manifest list. Used by
// manifest_rewrite alone.

#include <cstdint>
#include <vector>

#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::upkeep {

/// An order of partition tuples; values of different forms (an old schema's) have one, too.
bool TupleLess(const iceberg::PartitionTuple& a, const iceberg::PartitionTuple& b);

/// Manifests of one spec.
class ManifestOverlap {
 public:
  ManifestOverlap(const std::vector<const iceberg::ManifestFile*>& manifests,
                  const std::vector<iceberg::TypePtr>& types);

  /// How many manifests may hold a partition, on average over the points looked at.
  double mean() const { return points_ == 0 ? 0 : static_cast<double>(sum_) / points_; }
  int64_t points() const { return static_cast<int64_t>(points_); }
  /// By manifest: whether it is one of more than limit that may hold one of the points.
  std::vector<bool> Crowded(double limit) const;

 private:
  struct Side {
    bool is_known = false;  ///< else the manifest may hold any value
    bool has_null = true;
    iceberg::Value lower, upper;
    bool MayHold(const iceberg::Value& value) const;
  };
  using Box = std::vector<Side>;
  static bool MayHold(const Box& box, const iceberg::PartitionTuple& point);

  std::vector<Box> boxes_;
  std::vector<iceberg::PartitionTuple> sample_;
  std::vector<int64_t> depths_;  // by point
  int64_t sum_ = 0;
  double points_ = 0;
};

}  // namespace moraine::upkeep
