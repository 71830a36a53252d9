#include "moraine/iceberg/commit/manifest_merge.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::iceberg {

namespace {

/// Bins of one spec in order, filled from the end.
std::vector<MergeBin> PackFromEnd(const std::vector<ManifestFile>& manifests,
                                  const std::vector<size_t>& group, int64_t target_bytes) {
  std::vector<MergeBin> bins;
  int64_t bytes = 0;
  for (auto at = group.rbegin(); at != group.rend(); ++at) {
    int64_t length = manifests[*at].manifest_length;
    if (bins.empty() || AddCapped(bytes, length) > target_bytes) {
      bins.emplace_back();
      bytes = 0;
    }
    bins.back().push_back(*at);
    bytes = AddCapped(bytes, length);
  }
  std::reverse(bins.begin(), bins.end());
  for (MergeBin& bin : bins) std::reverse(bin.begin(), bin.end());
  return bins;
}

}  // namespace

MergePolicy MergePolicy::Of(const TableMetadata& metadata) {
  MergePolicy policy;
  policy.enabled = metadata.BoolProperty("commit.manifest-merge.enabled", policy.enabled);
  policy.target_bytes =
      metadata.IntProperty("commit.manifest.target-size-bytes", policy.target_bytes);
  policy.min_count = metadata.IntProperty("commit.manifest.min-count-to-merge", policy.min_count);
  return policy;
}

std::vector<MergeBin> PlanMerge(const std::vector<ManifestFile>& manifests,
                                const MergePolicy& policy) {
  std::vector<MergeBin> plan;
  if (!policy.enabled) {
    for (size_t i = 0; i < manifests.size(); ++i) plan.push_back({i});
    return plan;
  }
  std::map<int32_t, std::vector<size_t>, std::greater<>> groups;
  for (size_t i = 0; i < manifests.size(); ++i) groups[manifests[i].partition_spec_id].push_back(i);
  for (const auto& [spec_id, group] : groups) {
    for (MergeBin& bin : PackFromEnd(manifests, group, policy.target_bytes)) {
      bool holds_newest = bin.front() == 0;
      if (holds_newest && static_cast<int64_t>(bin.size()) < policy.min_count) {
        for (size_t i : bin) plan.push_back({i});
      } else {
        plan.push_back(std::move(bin));
      }
    }
  }
  return plan;
}

Result<std::vector<ManifestFile>> ManifestMerger::Apply(
    Call& call, CommitFiles& out, const TableMetadata& metadata,
    const std::vector<ManifestFile>& manifests) {
  std::vector<ManifestFile> result;
  for (const MergeBin& bin : PlanMerge(manifests, MergePolicy::Of(metadata))) {
    if (bin.size() == 1) {
      result.push_back(manifests[bin[0]]);
      continue;
    }
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(ManifestFile merged, Merge(call, out, metadata, manifests, bin));
    result.push_back(std::move(merged));
  }
  return result;
}

Result<ManifestFile> ManifestMerger::Merge(Call& call, CommitFiles& out,
                                           const TableMetadata& metadata,
                                           const std::vector<ManifestFile>& manifests,
                                           const MergeBin& bin) {
  std::vector<std::string> key;
  for (size_t i : bin) key.push_back(manifests[i].manifest_path);
  if (auto at = cache_.find(key); at != cache_.end()) return at->second;
  MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(metadata, manifests[bin[0]]));
  ManifestOutput output(out, metadata, spec, manifests[bin[0]].content,
                        ManifestOutput::Rolling::kNever);
  ManifestReadOptions options;
  options.deleted_entries = true;
  for (size_t i : bin) {
    auto copy = [&](ManifestEntry& entry) -> Status {
      bool is_ours = entry.snapshot_id == out.snapshot_id;
      if (entry.status == EntryStatus::kDeleted)
        return is_ours ? output.Add(call, entry) : Status();
      if (entry.status == EntryStatus::kAdded && is_ours) {
        // Not committed yet: what is to be inherited stays unset.
        if (entry.sequence_number == kUnassignedSequenceNumber) entry.sequence_number.reset();
        entry.file_sequence_number.reset();
        entry.file.first_row_id.reset();
        return output.Add(call, entry);
      }
      return output.Add(call, AsExisting(std::move(entry)));
    };
    MORAINE_TRY(ReadManifest(call, out.files, manifests[i], *spec, metadata.CurrentSchema(),
                             options, copy));
  }
  MORAINE_ASSIGN(std::vector<ManifestFile> written, output.Finish(call));
  if (written.empty()) {
    // Nothing but removals of older snapshots: the first one stands for all.
    return manifests[bin[0]];
  }
  return cache_.emplace(std::move(key), std::move(written[0])).first->second;
}

}  // namespace moraine::iceberg
