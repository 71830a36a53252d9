#pragma once
// Merging of small manifests (Java's ManifestMergeManager; properties
// commit.manifest-merge.enabled, commit.manifest.target-size-bytes,
// commit.manifest.min-count-to-merge).

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "moraine/iceberg/commit/manifest_output.h"

namespace moraine::iceberg {

struct MergePolicy {
  bool enabled = true;
  int64_t target_bytes = 8388608;
  int64_t min_count = 100;
  static MergePolicy Of(const TableMetadata& metadata);
};

/// One manifest to be, as indices into the manifests given; one index: kept as it is.
using MergeBin = std::vector<size_t>;

/// Decides what to merge: per spec, highest id first, packed from the end so that the newest bin is
/// the one that is not full. manifests: of one content, the newest first.
std::vector<MergeBin> PlanMerge(const std::vector<ManifestFile>& manifests,
                                const MergePolicy& policy);

/// Writes the merged manifests; keeps them for the next attempt.
class ManifestMerger {
 public:
  /// manifests as for PlanMerge; returns what the list gets.
  Result<std::vector<ManifestFile>> Apply(Call& call, CommitFiles& out,
                                          const TableMetadata& metadata,
                                          const std::vector<ManifestFile>& manifests);
  void Reset() { cache_.clear(); }

 private:
  Result<ManifestFile> Merge(Call& call, CommitFiles& out, const TableMetadata& metadata,
                             const std::vector<ManifestFile>& manifests, const MergeBin& bin);

  std::map<std::vector<std::string>, ManifestFile> cache_;  // by the paths merged
};

}  // namespace moraine::iceberg
