#pragma once
// Removes files from the manifests of a snapshot (Java's ManifestFilterManager): manifests that
// hold none of them are reused untouched, others are written again with the files marked DELETED.
// Results are kept for the next attempt.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "moraine/iceberg/commit/manifest_output.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/commit/snapshot_summary.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::iceberg {

using PartitionSet = std::unordered_set<PartitionKey, PartitionKeyHash>;

/// Which files of one content go. Borrowed things live as long as the attempt.
struct Removal {
  ManifestContent content = ManifestContent::kData;
  const std::vector<RemovedFile>* files = nullptr;  ///< or nullptr
  const TableFilter* filter = nullptr;              ///< files whose rows all match, or nullptr
  const PartitionSet* partitions = nullptr;         ///< all files of these, or nullptr
  /// Deletes only: those with 0 < data sequence number < this apply to nothing; 0: do not ask.
  int64_t drop_below_sequence = 0;
  /// Deletes only: those of one data file that is among these paths (of these partitions).
  const std::unordered_set<std::string_view>* gone_data_paths = nullptr;
  const PartitionSet* gone_data_partitions = nullptr;
  bool must_exist = false;  ///< each of files must be found
};

class RemovalDecider;

/// Keeps results by manifest between attempts.
class ManifestFilter {
 public:
  struct Outcome {
    std::vector<ManifestFile> manifests;   ///< of the content, in the order given
    std::vector<const DataFile*> removed;  ///< without counts and bounds; owned by the filter
    int64_t duplicates = 0;
  };
  /// manifests: all of the snapshot; those of other content are passed over.
  /// Errors: Conflict (must_exist), InvalidArgument (a data file of which only some rows may
  /// match).
  Result<Outcome> Apply(Call& call, CommitFiles& out, const TableMetadata& metadata,
                        const std::vector<ManifestFile>& manifests, const Removal& removal);
  /// Forgets all results: the base's format or schema has changed.
  void Reset() { cache_.clear(); }

 private:
  struct Filtered {
    bool rewritten = false;
    ManifestFile manifest;
    std::vector<DataFile> removed;
  };
  Result<const Filtered*> FilterOne(Call& call, CommitFiles& out, const TableMetadata& metadata,
                                    const ManifestFile& manifest, const Removal& removal,
                                    const RemovalDecider& decider);

  std::map<std::pair<std::string, int64_t>, Filtered> cache_;  // by path and drop_below_sequence
};

/// Whether the manifest's summaries allow a file of one of these partitions.
bool MayHoldPartition(const ManifestFile& manifest, const PartitionSpec& spec,
                      const std::vector<TypePtr>& types, const PartitionSet& partitions);

}  // namespace moraine::iceberg
