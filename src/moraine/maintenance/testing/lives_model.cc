#include "moraine/maintenance/testing/lives_model.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 20;

std::string Difference(const LifeRows& expected, const LifeRows& found) {
  std::string text;
  for (const auto& row : expected) {
    if (!found.contains(row)) text += " -" + row;
  }
  for (const auto& row : found) {
    if (!expected.contains(row)) text += " +" + row;
  }
  return text;
}

}  // namespace

int64_t TimeOfRow(const std::string& row) { return std::stoll(row.substr(row.find('@') + 1)); }

std::string RowsToBytes(const LifeRows& rows) {
  std::string bytes;
  for (const auto& row : rows) bytes += (bytes.empty() ? "" : ",") + row;
  return bytes;
}

LifeRows RowsFromBytes(const std::string& bytes) {
  LifeRows rows;
  if (bytes.empty()) return rows;
  for (auto row : Split(bytes, ',')) rows.emplace(row);
  return rows;
}

void LivesModel::Fault(const std::string& what) {
  report_.faults.push_back(what);
  report_.history.push_back("FAULT " + what);
}

LifeTable* LivesModel::Find(const std::string& name) {
  for (auto& table : tables_) {
    if (table.live && table.name == name) return &table;
  }
  return nullptr;
}

const LifeRows* LivesModel::RowsOf(int64_t snapshot_id) const {
  const auto found = snapshots_.find(snapshot_id);
  return found == snapshots_.end() ? nullptr : &found->second.rows;
}

bool LivesModel::Read(Call& call, const iceberg::TableMetadata& metadata,
                      const iceberg::Snapshot& snapshot, LifeSnapshot* out) {
  const auto contents = [&](const std::string& path) -> Result<LifeRows> {
    MORAINE_ASSIGN(auto bytes, io::ReadFile(call, disk_, path, kMaxBytes));
    out->files.push_back(path);
    return RowsFromBytes(bytes);
  };
  const auto visit = [&](iceberg::FileTask& task) -> Status {
    MORAINE_ASSIGN(LifeRows rows, contents(task.file().file_path));
    for (const auto& one : task.deletes) {
      MORAINE_ASSIGN(const LifeRows gone, contents(one->file.file_path));
      for (const auto& row : gone) rows.erase(row);
    }
    out->rows.merge(rows);
    if (!rows.empty()) return Corruption("a row is there twice: " + *rows.begin());
    return {};
  };
  ++report_.snapshots;
  out->files.push_back(snapshot.manifest_list);
  auto manifests = iceberg::ReadManifestList(call, disk_, snapshot.manifest_list);
  Status status = manifests.status();
  if (status.ok()) {
    for (const auto& manifest : *manifests) out->files.push_back(manifest.manifest_path);
    status = iceberg::PlanFiles(call, disk_, metadata, snapshot, nullptr, {}, visit).status();
  }
  std::sort(out->files.begin(), out->files.end());
  out->files.erase(std::unique(out->files.begin(), out->files.end()), out->files.end());
  if (status.ok()) return true;
  Fault(fmt::format("snapshot {} of {} can't be read: {}", snapshot.snapshot_id, metadata.location,
                    status.ToString()));
  return false;
}

void LivesModel::CheckNewSnapshot(Call& call, const LifeTable& table,
                                  const iceberg::TableMetadata& now,
                                  const iceberg::Snapshot& snapshot, const LifeRows* rows) {
  LifeSnapshot found;
  if (Read(call, now, snapshot, &found)) {
    static const LifeRows kNone;
    const LifeRows* before = rows;
    if (before == nullptr && snapshot.parent_snapshot_id)
      before = RowsOf(*snapshot.parent_snapshot_id);
    if (before == nullptr) before = &kNone;
    const auto config = upkeep::MaintenanceConfigOf(table.last->metadata->properties);
    const bool may_expire = config.expire_data || table.asked_to_expire_data;
    const bool takes_old = rows == nullptr && may_expire && config.data_retention.count() > 0;
    const int64_t old_ms = takes_old ? snapshot.timestamp_ms - config.data_retention.count() : 0;
    LifeRows kept;
    for (const auto& row : *before) {
      if (found.rows.contains(row) || TimeOfRow(row) >= old_ms) kept.insert(row);
    }
    if (kept != found.rows) {
      Fault(fmt::format("snapshot {} ({}) of {} has other rows:{}", snapshot.snapshot_id,
                        snapshot.operation(), table.name, Difference(kept, found.rows)));
    }
  }
  snapshots_[snapshot.snapshot_id] = std::move(found);
}

void LivesModel::Changed(Call& call, LifeTable* table, const catalog::LoadedTablePtr& now,
                         const LifeRows* rows) {
  for (const auto& snapshot : now->metadata->snapshots) {
    if (snapshots_.contains(snapshot->snapshot_id)) continue;
    if (rows == nullptr) {
      Fault(fmt::format("{} has got a snapshot from nowhere", table->name));
    }
    if (!table->last) table->last = now;
    CheckNewSnapshot(call, *table, *now->metadata, *snapshot, rows);
  }
  table->last = now;
}

void LivesModel::CheckGone(const LifeTable& table, const iceberg::TableMetadata& now, int64_t held,
                           int64_t now_ms) {
  const iceberg::TableMetadata& before = *table.last->metadata;
  const auto config = upkeep::MaintenanceConfigOf(before.properties);
  for (const auto& snapshot : before.snapshots) {
    if (now.FindSnapshot(snapshot->snapshot_id) != nullptr) continue;
    ++report_.expired;
    if (snapshot->timestamp_ms > now_ms - config.snapshot_keep.count())
      Fault(fmt::format("snapshot {} of {} went too young", snapshot->snapshot_id, table.name));
    if (snapshot->snapshot_id == held)
      Fault(fmt::format("snapshot {} of {} is held and went", held, table.name));
  }
  for (const auto& [name, ref] : before.refs) {
    const auto found = now.refs.find(name);
    if (found == now.refs.end()) {
      const auto* snapshot = before.FindSnapshot(ref.snapshot_id);
      const bool is_old = config.ref_max_age.count() > 0 && snapshot != nullptr &&
                          snapshot->timestamp_ms <= now_ms - config.ref_max_age.count();
      if (!is_old || name == iceberg::kMainBranch)
        Fault(fmt::format("{} of {} went", name, table.name));
    } else if (found->second.snapshot_id != ref.snapshot_id && name != iceberg::kMainBranch) {
      Fault(fmt::format("{} of {} was moved", name, table.name));
    }
  }
}

void LivesModel::Maintained(Call& call, LifeTable* table, const catalog::LoadedTablePtr& now,
                            int64_t held) {
  if (now->metadata_location == table->last->metadata_location) return;
  for (const auto& snapshot : now->metadata->snapshots) {
    if (!snapshots_.contains(snapshot->snapshot_id))
      CheckNewSnapshot(call, *table, *now->metadata, *snapshot, nullptr);
  }
  CheckGone(*table, *now->metadata, held, ToMillis(call.clock().Wall()));
  table->last = now;
}

bool LivesModel::IsKept(const LifeTable& table, int64_t now_ms) {
  return table.live || (!table.shared && (!table.purge || now_ms < table.hold_ends_ms));
}

std::vector<std::string> LivesModel::FilesOf(const LifeTable& table) const {
  std::vector<std::string> out = {table.last->metadata_location};
  for (const auto& snapshot : table.last->metadata->snapshots) {
    const auto& files = snapshots_.at(snapshot->snapshot_id).files;
    out.insert(out.end(), files.begin(), files.end());
  }
  for (const auto& statistics : table.last->metadata->statistics)
    out.push_back(statistics.statistics_path);
  for (const auto& statistics : table.last->metadata->partition_statistics)
    out.push_back(statistics.statistics_path);
  return out;
}

std::unordered_set<std::string> LivesModel::Needed(int64_t now_ms) const {
  std::unordered_set<std::string> needed;
  for (const auto& table : tables_) {
    if (!IsKept(table, now_ms)) continue;
    const auto files = FilesOf(table);
    needed.insert(files.begin(), files.end());
  }
  return needed;
}

std::unordered_set<std::string> LivesModel::Named(Call& call, int64_t now_ms) const {
  auto named = Needed(now_ms);
  iceberg::ManifestReadOptions options;
  options.deleted_entries = true;
  for (const auto& table : tables_) {
    if (!IsKept(table, now_ms)) continue;
    const auto& metadata = *table.last->metadata;
    for (const auto& entry : metadata.metadata_log) named.insert(entry.metadata_file);
    for (const auto& snapshot : metadata.snapshots) {
      auto manifests = iceberg::ReadManifestList(call, disk_, snapshot->manifest_list);
      if (!manifests.ok()) continue;
      for (const auto& manifest : *manifests) {
        static_cast<void>(iceberg::ReadManifest(
            call, disk_, manifest, *metadata.FindSpec(manifest.partition_spec_id),
            metadata.CurrentSchema(), options, [&](iceberg::ManifestEntry& entry) -> Status {
              named.insert(entry.file.file_path);
              return {};
            }));
      }
    }
  }
  return named;
}

void LivesModel::CheckDeleted(const std::vector<std::string>& deleted,
                              const std::vector<std::string>& others, int64_t now_ms) {
  if (deleted.empty()) return;
  report_.deleted += static_cast<int64_t>(deleted.size());
  const auto needed = Needed(now_ms);
  for (const auto& path : deleted) {
    if (disk_.Has(path)) continue;  // it is there again
    if (needed.contains(path)) Fault("deleted, and a table needs it: " + path);
    if (std::find(others.begin(), others.end(), path) != others.end())
      Fault("deleted, and a writer is going to commit it: " + path);
  }
}

void LivesModel::CheckAll(Call& call, int64_t now_ms) {
  for (const auto& table : tables_) {
    if (!IsKept(table, now_ms)) continue;
    if (!disk_.Has(table.last->metadata_location))
      Fault("a table's metadata file is gone: " + table.last->metadata_location);
    for (const auto& snapshot : table.last->metadata->snapshots) {
      LifeSnapshot again;
      if (!Read(call, *table.last->metadata, *snapshot, &again)) continue;
      const auto& rows = snapshots_.at(snapshot->snapshot_id).rows;
      if (again.rows != rows) {
        Fault(fmt::format("snapshot {} of {} has changed:{}", snapshot->snapshot_id, table.name,
                          Difference(rows, again.rows)));
      }
    }
  }
}

}  // namespace moraine::maintenance
