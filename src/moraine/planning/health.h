#pragma once
// Health of a table: sums of digests, a score from 0 to 100 with its parts, and the partitions that
// may need work. A cheap, pessimistic filter: the exact rules are in evaluator.h and run on the
// candidates only.

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "moraine/planning/config.h"
#include "moraine/planning/digest.h"

namespace moraine::planning {

/// The sum of digests of a set of manifests; kept in memory between refreshes, rebuilt from the
/// store else.
class HealthSum {
 public:
  using DigestPtr = std::shared_ptr<const ManifestDigest>;

  /// Makes the set of manifests equal to this one: takes away what is gone, adds what is new. load
  /// is called for each manifest not held yet. Cost: the manifests that changed.
  Status Update(const std::vector<iceberg::ManifestFile>& manifests,
                const std::function<Result<DigestPtr>(const iceberg::ManifestFile&)>& load);

  const std::unordered_map<std::string, PartitionCounts>& partitions() const { return partitions_; }
  const PartitionCounts& total() const { return total_; }
  /// The digest of a manifest held, or nullptr.
  const ManifestDigest* Find(const std::string& manifest_path) const;
  size_t manifest_count() const { return manifests_.size(); }
  /// Keys of the partitions that equality deletes of an unpartitioned spec (they apply to the whole
  /// table) may reach: those with a data manifest that is older than the newest such deletes. Empty
  /// without such deletes. Cost: all digests, when there are some.
  std::set<std::string> ReachedByGlobalDeletes(const std::set<int32_t>& unpartitioned_specs) const;
  /// Paths held, in no order.
  std::vector<std::string> ManifestPaths() const;

 private:
  struct Held {
    DigestPtr digest;
    int32_t spec_id = 0;
    int64_t sequence_number = 0;      ///< no entry's is greater
    int64_t min_sequence_number = 0;  ///< no live entry's is smaller
  };
  void Merge(const ManifestDigest& digest, int64_t sign);

  std::unordered_map<std::string, Held> manifests_;
  std::unordered_map<std::string, PartitionCounts> partitions_;
  PartitionCounts total_;
};

/// 100 = nothing to do. Parts add up: small files to 40, equality deletes to 40, position deletes
/// to 20.
struct HealthScore {
  int total = 100;
  int small_files = 40;
  int equality_deletes = 40;
  int position_deletes = 20;
};
HealthScore ScorePartition(const PartitionCounts& counts, const OptimizingConfig& config);

struct Health {
  HealthScore score;
  PartitionCounts total;
  int64_t partitions = 0;
  int64_t manifests = 0;
  int64_t small_files = 0;  ///< at most self-optimizing's undersized size
  int64_t small_bytes = 0;
  std::vector<std::string> candidates;  ///< partition keys, worst first, at most max_candidates
  int64_t candidate_count = 0;          ///< before that limit
  /// One sentence for a person: what is wrong, or that nothing is.
  std::string explanation;
};
/// Pure. reached: partitions that global equality deletes may reach. full_due: every partition is a
/// candidate because the full interval has passed.
Health DecideHealth(const HealthSum& sum, const std::set<std::string>& reached,
                    const OptimizingConfig& config, bool full_due, size_t max_candidates);

}  // namespace moraine::planning
