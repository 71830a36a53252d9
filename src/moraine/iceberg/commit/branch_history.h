#pragma once
// The snapshots of a branch between a starting snapshot and the head, and what they added and
// removed. Read on demand; manifests of older snapshots are never read. Used by conflict checks.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Paths that DELETED entries since the start name.
struct RemovedSince {
  std::unordered_set<std::string> data_paths;
  std::unordered_set<std::string> delete_paths;  ///< delete files
  std::unordered_set<std::string> vectors;       ///< "path#offset" of deletion vectors
  bool Contains(const DataFile& file) const;
};

/// Used by one thread; borrows everything.
class BranchHistory {
 public:
  enum class Decode { kAll, kNoMetrics };

  BranchHistory(io::FileSystem& files, const TableMetadata& base, const Snapshot& head,
                std::optional<int64_t> starting_snapshot_id)
      : files_(files), base_(base), head_(head), start_(starting_snapshot_id) {}

  /// The starting snapshot's, or 0.
  int64_t starting_sequence_number() const;

  /// Entries of all statuses that snapshots with one of these operations made (empty: any
  /// operation). Errors: Conflict if the head does not descend from the start; what visit returns;
  /// as io.
  Status Visit(Call& call, const std::vector<std::string_view>& operations, ManifestContent content,
               Decode decode, const std::function<Status(ManifestEntry&)>& visit);
  Status Visit(Call& call, const std::vector<std::string_view>& operations, ManifestContent content,
               const std::function<Status(ManifestEntry&)>& visit) {
    return Visit(call, operations, content, Decode::kAll, visit);
  }

  /// Live deletes that overwrite and delete operations added since the start. Read once.
  Result<const DeleteIndex*> NewDeletes(Call& call);
  Result<RemovedSince> Removed(Call& call);

 private:
  Result<const std::vector<const Snapshot*>*> Newer();
  Result<const std::vector<ManifestFile>*> ManifestsAddedBy(Call& call, const Snapshot& snapshot);

  io::FileSystem& files_;
  const TableMetadata& base_;
  const Snapshot& head_;
  std::optional<int64_t> start_;
  std::optional<std::vector<const Snapshot*>> newer_;  // head first
  std::map<int64_t, std::vector<ManifestFile>> added_manifests_;
  std::optional<DeleteIndex> new_deletes_;
};

}  // namespace moraine::iceberg
