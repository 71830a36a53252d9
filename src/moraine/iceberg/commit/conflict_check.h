#pragma once
// What happened to a branch since a snapshot, and whether it rules a change out (facts of Java's
// MergingSnapshotProducer and its validations). SnapshotProducer runs these in every attempt; the
// optimizing committer asks CheckGroups which of its groups are still worth committing.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// A part of a rewrite that can be committed alone.
struct RewriteGroup {
  std::vector<DataFile> removed_data;
  std::vector<DataFile> removed_deletes;
  std::vector<AddedFile> added;           ///< data files and deletes
  std::set<std::string> carried_deletes;  ///< as ConflictChecks has them
};

struct GroupVerdict {
  bool valid = true;
  std::string reason;  ///< one sentence, empty when valid
};

/// Says for each group whether it may still be committed on base: its data files and deletes are
/// live, no new position delete or deletion vector that is still live touches a removed data file,
/// but for those that the group carries over, data files that its new deletes refer to are live.
/// New equality deletes do not matter for groups whose new data files all have an explicit data
/// sequence number. Cost: the manifests that were added since the starting snapshot. Errors:
/// Conflict if the branch no longer has the starting snapshot in its history; as io.
Result<std::vector<GroupVerdict>> CheckGroups(Call& call, io::FileSystem& files,
                                              const TableMetadata& base, const std::string& branch,
                                              std::optional<int64_t> starting_snapshot_id,
                                              const std::vector<RewriteGroup>& groups);

/// The groups as one change. Valid ones only: the caller asks CheckGroups first.
SnapshotChanges MergeGroups(const std::vector<const RewriteGroup*>& groups,
                            std::optional<int64_t> starting_snapshot_id);

/// The validations of a change (facts "Conflict validations"). parent is the branch's head or
/// nullptr. Errors: Conflict naming the file and the check.
Status ValidateChanges(Call& call, io::FileSystem& files, const TableMetadata& base,
                       const Snapshot* parent, const SnapshotChanges& changes);

}  // namespace moraine::iceberg
