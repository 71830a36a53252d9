#include "moraine/iceberg/commit/snapshot_summary.h"

#include <utility>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"

namespace moraine::iceberg {

void SnapshotSummary::Counts::Count(const DataFile& file, bool added) {
  auto bump = [added](int64_t& on_add, int64_t& on_remove, int64_t by) {
    int64_t& count = added ? on_add : on_remove;
    count = AddCapped(count, by);
  };
  int64_t bytes = file.file_size_in_bytes;
  if (file.is_deletion_vector()) bytes = file.content_size_in_bytes.value_or(0);
  bump(added_bytes, removed_bytes, bytes);
  if (file.content == FileContent::kData) {
    bump(added_data_files, removed_data_files, 1);
    bump(added_records, removed_records, file.record_count);
    return;
  }
  bump(added_delete_files, removed_delete_files, 1);
  if (file.content == FileContent::kEqualityDeletes) {
    bump(added_equality_files, removed_equality_files, 1);
    bump(added_equality_deletes, removed_equality_deletes, file.record_count);
    return;
  }
  if (file.is_deletion_vector()) {
    bump(added_vectors, removed_vectors, 1);
  } else {
    bump(added_position_files, removed_position_files, 1);
  }
  bump(added_position_deletes, removed_position_deletes, file.record_count);
}

StringMap SnapshotSummary::Counts::ToMap() const {
  StringMap map;
  auto set = [&map](const char* key, int64_t value) {
    if (value > 0) map[key] = std::to_string(value);
  };
  set("added-data-files", added_data_files);
  set("deleted-data-files", removed_data_files);
  set("added-delete-files", added_delete_files);
  set("removed-delete-files", removed_delete_files);
  set("added-equality-delete-files", added_equality_files);
  set("removed-equality-delete-files", removed_equality_files);
  set("added-position-delete-files", added_position_files);
  set("removed-position-delete-files", removed_position_files);
  set("added-dvs", added_vectors);
  set("removed-dvs", removed_vectors);
  set("added-records", added_records);
  set("deleted-records", removed_records);
  set("added-files-size", added_bytes);
  set("removed-files-size", removed_bytes);
  set("added-position-deletes", added_position_deletes);
  set("removed-position-deletes", removed_position_deletes);
  set("added-equality-deletes", added_equality_deletes);
  set("removed-equality-deletes", removed_equality_deletes);
  return map;
}

void SnapshotSummary::Add(const DataFile& file) { Count(file, true); }
void SnapshotSummary::Remove(const DataFile& file) { Count(file, false); }

void SnapshotSummary::Count(const DataFile& file, bool added) {
  all_.Count(file, added);
  partitions_[PartitionKey{file.spec_id, file.partition}].Count(file, added);
}

namespace {

/// total + added - removed; left out where the parent's total is missing, unreadable or too small.
void SetTotal(const StringMap* parent, const char* key, int64_t added, int64_t removed,
              StringMap* map) {
  int64_t total = 0;
  if (parent != nullptr) {
    auto found = parent->find(key);
    if (found == parent->end()) return;
    auto parsed = ParseInt64(found->second);
    if (!parsed.ok()) return;
    total = *parsed;
  }
  if (__builtin_add_overflow(total, added - removed, &total) || total < 0) return;
  (*map)[key] = std::to_string(total);
}

}  // namespace

StringMap SnapshotSummary::ToMap(const TableMetadata& metadata, const Snapshot* parent) const {
  StringMap map = all_.ToMap();
  if (duplicates_ > 0) map["deleted-duplicate-files"] = std::to_string(duplicates_);
  map["changed-partition-count"] = std::to_string(partitions_.size());
  int64_t limit = metadata.IntProperty("write.summary.partition-limit", 0);
  if (static_cast<int64_t>(partitions_.size()) <= limit) {
    map["partition-summaries-included"] = "true";
    for (const auto& [key, counts] : partitions_) {
      PartitionSpecPtr spec = metadata.FindSpec(key.spec_id);
      if (!spec || spec->is_unpartitioned()) continue;
      std::string text;
      for (const auto& [name, value] : counts.ToMap()) {
        if (!text.empty()) text += ',';
        text += name + '=' + value;
      }
      map["partitions." + PartitionPath(*spec, metadata.CurrentSchema(), key.tuple)] =
          std::move(text);
    }
  }
  const StringMap* before = parent == nullptr ? nullptr : &parent->summary;
  SetTotal(before, "total-records", all_.added_records, all_.removed_records, &map);
  SetTotal(before, "total-files-size", all_.added_bytes, all_.removed_bytes, &map);
  SetTotal(before, "total-data-files", all_.added_data_files, all_.removed_data_files, &map);
  SetTotal(before, "total-delete-files", all_.added_delete_files, all_.removed_delete_files, &map);
  SetTotal(before, "total-position-deletes", all_.added_position_deletes,
           all_.removed_position_deletes, &map);
  SetTotal(before, "total-equality-deletes", all_.added_equality_deletes,
           all_.removed_equality_deletes, &map);
  return map;
}

}  // namespace moraine::iceberg
