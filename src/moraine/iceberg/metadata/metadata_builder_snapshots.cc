// The updates of snapshots, refs, statistics and the snapshot log.

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "moraine/iceberg/metadata/metadata_builder.h"

namespace moraine::iceberg {
namespace {

/// Puts the file in the place of the one for the same snapshot, or at the end.
template <typename File>
bool ReplaceOrAppend(const File& file, std::vector<File>* files) {
  auto it = std::find_if(files->begin(), files->end(),
                         [&](const File& old) { return old.snapshot_id == file.snapshot_id; });
  if (it == files->end()) {
    files->push_back(file);
    return true;
  }
  bool changed = !(*it == file);
  *it = file;
  auto same_id = [&](const File& other) { return other.snapshot_id == file.snapshot_id; };
  files->erase(std::remove_if(it + 1, files->end(), same_id), files->end());
  return changed;
}

template <typename File>
bool EraseFor(int64_t snapshot_id, std::vector<File>* files) {
  return std::erase_if(*files, [&](const File& file) { return file.snapshot_id == snapshot_id; }) >
         0;
}

}  // namespace

Status MetadataBuilder::CheckSequenceNumber(const Snapshot& snapshot) const {
  if (snapshot.sequence_number < 0) {
    return InvalidArgument(fmt::format("Cannot add snapshot with negative sequence number {}",
                                       snapshot.sequence_number));
  }
  if (m_.format_version == 1) {
    if (snapshot.sequence_number == 0) return Status();
    return InvalidArgument(
        fmt::format("Sequence number must be 0 in v1: {}", snapshot.sequence_number));
  }
  if (snapshot.sequence_number > m_.last_sequence_number || !snapshot.parent_snapshot_id) {
    return Status();
  }
  return Conflict(
      fmt::format("Cannot add snapshot with sequence number {} older than last sequence number {}",
                  snapshot.sequence_number, m_.last_sequence_number));
}

Status MetadataBuilder::CheckRowIds(const Snapshot& snapshot) const {
  if (m_.format_version < 3) return Status();
  if (!snapshot.first_row_id) return InvalidArgument("Cannot add a snapshot: first-row-id is null");
  if (!snapshot.added_rows) {
    return InvalidArgument("Invalid added-rows (null) when first-row-id is set");
  }
  if (*snapshot.added_rows < 0 ||
      *snapshot.added_rows >
          std::numeric_limits<int64_t>::max() - std::max<int64_t>(0, *snapshot.first_row_id)) {
    return InvalidArgument(fmt::format("Invalid added-rows: {} from first-row-id {}",
                                       *snapshot.added_rows, *snapshot.first_row_id));
  }
  if (*snapshot.first_row_id >= m_.next_row_id) return Status();
  return Conflict(
      fmt::format("Cannot add a snapshot, first-row-id is behind table next-row-id: {} < {}",
                  *snapshot.first_row_id, m_.next_row_id));
}

Status MetadataBuilder::Do(const update::AddSnapshot& u) {
  const Snapshot& snapshot = u.snapshot;
  if (m_.schemas.empty()) {
    return InvalidArgument("Attempting to add a snapshot before a schema is added");
  }
  if (m_.partition_specs.empty()) {
    return InvalidArgument("Attempting to add a snapshot before a partition spec is added");
  }
  if (m_.sort_orders.empty()) {
    return InvalidArgument("Attempting to add a snapshot before a sort order is added");
  }
  if (snapshot.snapshot_id < 0) {
    return InvalidArgument(fmt::format("Invalid snapshot id: {}", snapshot.snapshot_id));
  }
  if (m_.FindSnapshot(snapshot.snapshot_id) != nullptr) {
    return InvalidArgument(fmt::format("Snapshot already exists for id: {}", snapshot.snapshot_id));
  }
  if (m_.format_version >= 2 && snapshot.manifest_list.empty()) {
    return InvalidArgument(
        fmt::format("Cannot add snapshot {} without a manifest list in format v{}",
                    snapshot.snapshot_id, m_.format_version));
  }
  MORAINE_TRY(CheckSequenceNumber(snapshot));
  MORAINE_TRY(CheckRowIds(snapshot));
  updated_ms_ = snapshot.timestamp_ms;
  m_.last_sequence_number = std::max(m_.last_sequence_number, snapshot.sequence_number);
  // The spec wants next-row-id above every assigned id, also when the snapshot left a gap.
  if (m_.format_version >= 3) m_.next_row_id = *snapshot.first_row_id + *snapshot.added_rows;
  m_.snapshots.push_back(std::make_shared<const Snapshot>(snapshot));
  added_snapshots_.insert(snapshot.snapshot_id);
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::SetSnapshotRef& u) {
  if (u.name.empty()) return InvalidArgument("Cannot set a ref without a name");
  if (u.name == kMainBranch && u.ref.type == SnapshotRef::Type::kTag) {
    return InvalidArgument("Cannot set main to a tag: it must be a branch");
  }
  auto existing = m_.refs.find(u.name);
  if (existing != m_.refs.end() && existing->second == u.ref) return Status();
  const Snapshot* snapshot = m_.FindSnapshot(u.ref.snapshot_id);
  if (snapshot == nullptr) {
    return InvalidArgument(
        fmt::format("Cannot set {} to unknown snapshot: {}", u.name, u.ref.snapshot_id));
  }
  bool added = added_snapshots_.count(u.ref.snapshot_id) > 0;
  if (added) updated_ms_ = snapshot->timestamp_ms;
  if (u.name == kMainBranch) {
    bool moves = m_.current_snapshot_id != u.ref.snapshot_id;
    m_.current_snapshot_id = u.ref.snapshot_id;
    if (!updated_ms_) {
      updated_ms_ =
          base_ == nullptr ? context_.now_ms : std::max(context_.now_ms, base_->last_updated_ms);
    }
    if (added) added_main_snapshots_.push_back(u.ref.snapshot_id);
    if (moves) m_.snapshot_log.push_back({*updated_ms_, u.ref.snapshot_id});
  }
  m_.refs[u.name] = u.ref;
  changed_ = true;
  return Status();
}

void MetadataBuilder::RemoveRef(const std::string& name) {
  if (m_.refs.erase(name) == 0) return;
  if (name == kMainBranch) m_.current_snapshot_id = kNoSnapshot;
  changed_ = true;
}

Status MetadataBuilder::Do(const update::RemoveSnapshotRef& u) {
  RemoveRef(u.name);
  return Status();
}

Status MetadataBuilder::Do(const update::RemoveSnapshots& u) {
  std::unordered_set<int64_t> ids(u.snapshot_ids.begin(), u.snapshot_ids.end());
  auto is_removed = [&](int64_t id) { return ids.count(id) > 0; };
  size_t removed =
      std::erase_if(m_.snapshots, [&](const std::shared_ptr<const Snapshot>& snapshot) {
        return is_removed(snapshot->snapshot_id);
      });
  if (removed == 0) return Status();
  std::erase_if(m_.statistics, [&](const StatisticsFile& f) { return is_removed(f.snapshot_id); });
  std::erase_if(m_.partition_statistics,
                [&](const PartitionStatisticsFile& f) { return is_removed(f.snapshot_id); });
  std::vector<std::string> dangling;
  for (const auto& [name, ref] : m_.refs) {
    if (is_removed(ref.snapshot_id)) dangling.push_back(name);
  }
  for (const std::string& name : dangling) RemoveRef(name);
  snapshots_removed_ = true;
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::SetStatistics& u) {
  changed_ |= ReplaceOrAppend(u.statistics, &m_.statistics);
  return Status();
}

Status MetadataBuilder::Do(const update::RemoveStatistics& u) {
  changed_ |= EraseFor(u.snapshot_id, &m_.statistics);
  return Status();
}

Status MetadataBuilder::Do(const update::SetPartitionStatistics& u) {
  changed_ |= ReplaceOrAppend(u.statistics, &m_.partition_statistics);
  return Status();
}

Status MetadataBuilder::Do(const update::RemovePartitionStatistics& u) {
  changed_ |= EraseFor(u.snapshot_id, &m_.partition_statistics);
  return Status();
}

// Snapshots that were current only between two updates of this commit never were for anybody else.
// A removed snapshot takes the history before it along: a gap would make time travel wrong.
void MetadataBuilder::CleanSnapshotLog() {
  std::unordered_set<int64_t> passing;
  for (int64_t id : added_main_snapshots_) {
    if (id != m_.current_snapshot_id) passing.insert(id);
  }
  if (passing.empty() && !snapshots_removed_) return;
  std::unordered_set<int64_t> known;
  for (const auto& snapshot : m_.snapshots) known.insert(snapshot->snapshot_id);
  std::vector<SnapshotLogEntry> log;
  for (const SnapshotLogEntry& entry : m_.snapshot_log) {
    if (passing.count(entry.snapshot_id) > 0) continue;
    if (known.count(entry.snapshot_id) > 0) {
      log.push_back(entry);
    } else if (snapshots_removed_) {
      log.clear();
    }
  }
  const Snapshot* current = m_.CurrentSnapshot();
  if (current != nullptr && (log.empty() || log.back().snapshot_id != current->snapshot_id)) {
    // Writers exist that keep no log; the current snapshot is always its last entry.
    int64_t at = log.empty() ? current->timestamp_ms
                             : std::max(current->timestamp_ms, log.back().timestamp_ms);
    log.push_back({at, current->snapshot_id});
  }
  m_.snapshot_log = std::move(log);
}

}  // namespace moraine::iceberg
