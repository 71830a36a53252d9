#include "moraine/iceberg/commit/branch_history.h"

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::iceberg {

namespace {

std::string VectorKey(const DataFile& file) {
  return fmt::format("{}#{}", file.file_path, file.content_offset.value_or(-1));
}

bool Matches(const std::vector<std::string_view>& operations, const Snapshot& snapshot) {
  if (operations.empty()) return true;
  std::string operation = snapshot.operation();
  // A snapshot without a summary may have done anything.
  if (operation.empty()) return true;
  return std::find(operations.begin(), operations.end(), operation) != operations.end();
}

}  // namespace

bool RemovedSince::Contains(const DataFile& file) const {
  if (file.content == FileContent::kData) return data_paths.contains(file.file_path);
  if (file.is_deletion_vector()) return vectors.contains(VectorKey(file));
  return delete_paths.contains(file.file_path);
}

int64_t BranchHistory::starting_sequence_number() const {
  const Snapshot* start = start_ ? base_.FindSnapshot(*start_) : nullptr;
  return start == nullptr ? 0 : start->sequence_number;
}

Result<const std::vector<const Snapshot*>*> BranchHistory::Newer() {
  if (newer_) return &*newer_;
  std::vector<const Snapshot*> newer;
  std::unordered_set<int64_t> seen;
  const Snapshot* at = &head_;
  while (at != nullptr && at->snapshot_id != start_) {
    if (!seen.insert(at->snapshot_id).second)
      return Corruption(fmt::format("snapshots form a circle: {}", at->snapshot_id));
    newer.push_back(at);
    if (!at->parent_snapshot_id) break;
    const Snapshot* parent = base_.FindSnapshot(*at->parent_snapshot_id);
    if (parent == nullptr && at->parent_snapshot_id != start_) {
      return Conflict(fmt::format(
          "Cannot determine history between starting snapshot {} and the last known ancestor {}",
          start_.value_or(kNoSnapshot), at->snapshot_id));
    }
    at = parent;
  }
  if (start_ && !newer.empty() && newer.back()->parent_snapshot_id != start_) {
    return Conflict(fmt::format(
        "Cannot determine history between starting snapshot {} and the last known ancestor {}",
        *start_, newer.back()->snapshot_id));
  }
  newer_ = std::move(newer);
  return &*newer_;
}

Result<const std::vector<ManifestFile>*> BranchHistory::ManifestsAddedBy(Call& call,
                                                                         const Snapshot& snapshot) {
  auto at = added_manifests_.find(snapshot.snapshot_id);
  if (at == added_manifests_.end()) {
    MORAINE_ASSIGN(std::vector<ManifestFile> manifests,
                   LoadManifests(call, files_, base_, snapshot));
    std::erase_if(manifests, [&](const ManifestFile& one) {
      return one.added_snapshot_id != snapshot.snapshot_id;
    });
    at = added_manifests_.emplace(snapshot.snapshot_id, std::move(manifests)).first;
  }
  return &at->second;
}

Status BranchHistory::Visit(Call& call, const std::vector<std::string_view>& operations,
                            ManifestContent content, Decode decode,
                            const std::function<Status(ManifestEntry&)>& visit) {
  MORAINE_ASSIGN(const auto* newer, Newer());
  std::unordered_set<int64_t> ids;
  for (const Snapshot* snapshot : *newer) {
    if (Matches(operations, *snapshot)) ids.insert(snapshot->snapshot_id);
  }
  ManifestReadOptions options;
  options.counts = options.bounds = decode == Decode::kAll;
  options.deleted_entries = true;
  for (const Snapshot* snapshot : *newer) {
    if (!ids.contains(snapshot->snapshot_id)) continue;
    MORAINE_ASSIGN(const auto* manifests, ManifestsAddedBy(call, *snapshot));
    for (const ManifestFile& manifest : *manifests) {
      if (manifest.content != content) continue;
      MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(base_, manifest));
      MORAINE_TRY(ReadManifest(call, files_, manifest, *spec, base_.CurrentSchema(), options,
                               [&](ManifestEntry& entry) -> Status {
                                 if (!entry.snapshot_id || !ids.contains(*entry.snapshot_id))
                                   return {};
                                 return visit(entry);
                               }));
    }
  }
  return {};
}

Result<const DeleteIndex*> BranchHistory::NewDeletes(Call& call) {
  if (new_deletes_) return &*new_deletes_;
  std::vector<DeleteEntryPtr> entries;
  const int64_t start = starting_sequence_number();
  std::unordered_set<std::string> seen;
  MORAINE_TRY(
      Visit(call, {"overwrite", "delete"}, ManifestContent::kDeletes,
            [&](ManifestEntry& entry) -> Status {
              if (!entry.is_live() || entry.sequence_number.value_or(0) <= start) return {};
              // A deletion vector that a later one replaced, or a manifest written again, shows a
              // file twice.
              if (!seen.insert(VectorKey(entry.file)).second) return {};
              if (entry.file.is_deletion_vector() &&
                  !seen.insert("dv:" + std::string(ReferencedDataFile(entry.file))).second) {
                return {};
              }
              entries.push_back(std::make_shared<const ManifestEntry>(std::move(entry)));
              return {};
            }));
  MORAINE_ASSIGN(new_deletes_, DeleteIndex::Make(std::move(entries), base_));
  return &*new_deletes_;
}

Result<RemovedSince> BranchHistory::Removed(Call& call) {
  RemovedSince removed;
  for (ManifestContent content : {ManifestContent::kData, ManifestContent::kDeletes}) {
    MORAINE_TRY(Visit(call, {}, content, Decode::kNoMetrics, [&](ManifestEntry& entry) -> Status {
      if (entry.status != EntryStatus::kDeleted) return {};
      if (entry.file.content == FileContent::kData) {
        removed.data_paths.insert(entry.file.file_path);
      } else if (entry.file.is_deletion_vector()) {
        removed.vectors.insert(VectorKey(entry.file));
      } else {
        removed.delete_paths.insert(entry.file.file_path);
      }
      return {};
    }));
  }
  return removed;
}

}  // namespace moraine::iceberg
