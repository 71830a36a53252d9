#include "moraine/upkeep/change_validity.h"

#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/branch_history.h"
#include "moraine/iceberg/commit/conflict_check.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::upkeep {
namespace {

/// Errors: Conflict for a file or manifest of the change that is gone.
Status CheckThere(Call& call, io::FileSystem& files, const iceberg::TableMetadata& metadata,
                  const iceberg::Snapshot& head, const iceberg::SnapshotChanges& changes) {
  if (!changes.rewrite_manifests.empty()) {
    MORAINE_ASSIGN(const auto manifests, iceberg::LoadManifests(call, files, metadata, head));
    std::unordered_set<std::string_view> there;
    for (const auto& manifest : manifests) there.insert(manifest.manifest_path);
    for (const auto& path : changes.rewrite_manifests) {
      if (!there.contains(path)) return Conflict(fmt::format("a manifest is gone: {}", path));
    }
  }
  if (changes.removed_data.empty() && changes.removed_deletes.empty()) return {};
  iceberg::BranchHistory history(files, metadata, head, changes.checks.starting_snapshot_id);
  MORAINE_ASSIGN(const iceberg::RemovedSince removed, history.Removed(call));
  for (const auto& file : changes.removed_data) {
    if (removed.data_paths.contains(file.path))
      return Conflict(fmt::format("a data file is gone: {}", file.path));
  }
  for (const auto& file : changes.removed_deletes) {
    const bool is_gone =
        file.content_offset
            ? removed.vectors.contains(fmt::format("{}#{}", file.path, *file.content_offset))
            : removed.delete_paths.contains(file.path);
    if (is_gone) return Conflict(fmt::format("a delete file is gone: {}", file.path));
  }
  return {};
}

}  // namespace

Result<std::string> WhyNoLongerValid(Call& call, io::FileSystem& files,
                                     const iceberg::TableMetadata& metadata,
                                     const iceberg::SnapshotChanges& changes) {
  const iceberg::Snapshot* head = metadata.FindRef(changes.branch);
  if (head == nullptr) return std::string("the branch is gone");
  if (head->snapshot_id == changes.checks.starting_snapshot_id) return std::string();
  Status status = iceberg::ValidateChanges(call, files, metadata, head, changes);
  if (status.ok()) status = CheckThere(call, files, metadata, *head, changes);
  if (status.ok()) return std::string();
  if (status.code() == Code::kConflict) return std::string(status.message());
  return status;
}

}  // namespace moraine::upkeep
