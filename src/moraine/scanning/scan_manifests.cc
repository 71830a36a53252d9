#include "moraine/scanning/scan_manifests.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::scanning {

using iceberg::ManifestContent;
using iceberg::ManifestFile;
using iceberg::Snapshot;
using iceberg::TableMetadata;

namespace {

int64_t BytesOf(const ManifestFile& manifest) {
  size_t bytes = sizeof(ManifestFile) + manifest.manifest_path.capacity();
  if (manifest.partitions) {
    for (const auto& summary : *manifest.partitions) {
      bytes += sizeof(summary);
      if (summary.lower_bound) bytes += summary.lower_bound->capacity();
      if (summary.upper_bound) bytes += summary.upper_bound->capacity();
    }
  }
  return static_cast<int64_t>(bytes);
}

/// The snapshots whose manifest lists a scan needs, newest first. NotFound: one has expired.
Result<std::vector<const Snapshot*>> SnapshotsOf(const TableMetadata& metadata,
                                                 const ScanSpec& scan) {
  const Snapshot* last = metadata.FindSnapshot(scan.snapshot_id);
  if (last == nullptr) {
    return NotFound(fmt::format("The snapshot of the scan has expired: {}", scan.snapshot_id));
  }
  if (!scan.after_snapshot_id) return std::vector<const Snapshot*>{last};
  auto between = SnapshotsBetween(metadata, *scan.after_snapshot_id, scan.snapshot_id);
  // It held when the plan was made, so what is missing has expired since.
  if (!between.ok()) return std::move(between).status().WithCode(Code::kNotFound);
  std::erase_if(*between, [](const Snapshot* one) { return one->operation() != "append"; });
  return between;
}

/// A table's uuid and snapshot ids would do, but for tables whose metadata was replaced.
std::string KeyOf(const TableMetadata& metadata, const ScanSpec& scan, const Snapshot* last) {
  return fmt::format("{} {} {} {}", metadata.table_uuid, last->snapshot_id, last->manifest_list,
                     scan.after_snapshot_id ? fmt::to_string(*scan.after_snapshot_id) : "");
}

}  // namespace

ScanManifestsPtr ManifestLists::Find(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto at = by_key_.find(key);
  if (at == by_key_.end()) return nullptr;
  newest_first_.splice(newest_first_.begin(), newest_first_, at->second);
  return at->second->manifests;
}

void ManifestLists::Keep(const std::string& key, const ScanManifestsPtr& manifests) {
  if (manifests->bytes > max_bytes_) return;
  std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;
  newest_first_.push_front({key, manifests});
  by_key_[key] = newest_first_.begin();
  bytes_ += manifests->bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= newest_first_.back().manifests->bytes;
    by_key_.erase(newest_first_.back().key);
    newest_first_.pop_back();
  }
}

Result<ScanManifestsPtr> ManifestLists::Get(Call& call, const TableMetadata& metadata,
                                            const ScanSpec& scan) {
  MORAINE_ASSIGN(auto snapshots, SnapshotsOf(metadata, scan));
  std::string key = KeyOf(metadata, scan, metadata.FindSnapshot(scan.snapshot_id));
  if (ScanManifestsPtr kept = Find(key)) return kept;
  auto manifests = std::make_shared<ScanManifests>();
  for (const Snapshot* snapshot : snapshots) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(auto listed, LoadManifests(call, files_, metadata, *snapshot));
    for (ManifestFile& manifest : listed) {
      const bool is_data = manifest.content == ManifestContent::kData;
      if (scan.after_snapshot_id &&
          (!is_data || manifest.added_snapshot_id != snapshot->snapshot_id)) {
        continue;
      }
      manifests->bytes += BytesOf(manifest);
      (is_data ? manifests->data : manifests->deletes).push_back(std::move(manifest));
    }
  }
  Keep(key, manifests);
  return ScanManifestsPtr(std::move(manifests));
}

Result<int64_t> ManifestLists::CostOf(Call& call, const TableMetadata& metadata,
                                      const ScanSpec& scan) {
  MORAINE_ASSIGN(auto snapshots, SnapshotsOf(metadata, scan));
  if (Find(KeyOf(metadata, scan, metadata.FindSnapshot(scan.snapshot_id)))) return int64_t{0};
  constexpr size_t kProbes = 16;
  int64_t bytes = 0;
  size_t probed = 0;
  for (const Snapshot* snapshot : snapshots) {
    if (snapshot->manifest_list.empty()) continue;
    if (probed++ == kProbes) break;
    MORAINE_ASSIGN(auto info, files_.Stat(call, snapshot->manifest_list));
    bytes += info.size_bytes;
  }
  // The lists of neighbours are about as long as each other.
  if (probed > kProbes)
    bytes = bytes / static_cast<int64_t>(kProbes) * static_cast<int64_t>(snapshots.size());
  return bytes;
}

}  // namespace moraine::scanning
