// Where a table pointed before, and the way back.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/catalog/change_detail.h"
#include "moraine/catalog/change_summary.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/lifecycle.h"
#include "moraine/catalog/paging_internal.h"
#include "moraine/catalog/rollback.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using iceberg::CommitRequest;
using store::Access;
using store::RunFor;
using store::Transaction;

Result<HistoryEntry> EntryFromRow(const store::Row& row) {
  HistoryEntry entry;
  MORAINE_ASSIGN(entry.version, row.Int(1));
  MORAINE_ASSIGN(entry.kind, row.Text(2));
  MORAINE_ASSIGN(entry.snapshot_id, row.Int(3));
  MORAINE_ASSIGN(entry.changed_ms, row.Int(4));
  MORAINE_ASSIGN(entry.metadata_location, row.Text(5));
  MORAINE_ASSIGN(auto text, row.Text(6));
  MORAINE_ASSIGN(auto detail, ChangeDetailFromText(text));
  entry.changed_by = std::move(detail.by);
  entry.operation =
      detail.updates.empty() ? std::move(detail.operation) : std::move(detail.updates);
  entry.summary = std::move(detail.summary);
  if (!detail.name.ns.empty()) entry.name = ToText(detail.name);
  if (detail.renamed_from) entry.old_name = ToText(*detail.renamed_from);
  return entry;
}

/// Where the table pointed with this version: the last pointer that was moved up to it.
Result<std::string> MetadataOfVersion(Transaction& t, const LoadedTable& table, int64_t version) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT metadata_location FROM table_change WHERE table_id = ? AND version <= ? AND "
              "metadata_location <> ? ORDER BY id DESC LIMIT 1",
              {table.table_id, version, std::string()}));
  if (rows.empty() || version > table.version) {
    return NotFound(
        fmt::format("the history of {} has no version {} (any more)", ToText(table.name), version));
  }
  return rows[0].Text(0);
}

int64_t SnapshotOf(const iceberg::TableMetadata& metadata, const std::string& branch) {
  const auto* snapshot = metadata.FindRef(branch);
  return snapshot == nullptr ? iceberg::kNoSnapshot : snapshot->snapshot_id;
}

Status CheckTarget(const RollbackTarget& target) {
  int given = int{target.snapshot_id.has_value()} + int{target.timestamp_ms.has_value()} +
              int{target.version.has_value()};
  if (given != 1) return InvalidArgument("expected one of snapshot-id, timestamp-ms and version");
  if (target.version && !target.branch.empty() && target.branch != iceberg::kMainBranch) {
    return InvalidArgument("branch: a version is of main alone");
  }
  return {};
}

}  // namespace

Result<Page<HistoryEntry>> Lifecycle::History(Call& call, const ObjectRef& object,
                                              const PageRequest& page) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, object.warehouse));
  MORAINE_ASSIGN(auto tabular, state_.GetRow(call, home.id, {object.ns, object.name},
                                             TabularKindOf(object.kind)));
  std::string listing = fmt::format("history:{}", tabular.id);
  MORAINE_ASSIGN(int64_t before, ReadNumberToken(listing, page.token, INT64_MAX));
  auto size = std::clamp<size_t>(page.size, 1, kMaxPage);
  MORAINE_ASSIGN(
      auto rows, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
        return t.Query(
            "SELECT id, version, kind, snapshot_id, changed_ms, metadata_location, detail "
            "FROM table_change WHERE table_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
            {tabular.id, before, static_cast<int64_t>(size + 1)});
      }));
  Page<HistoryEntry> result;
  int64_t last = 0;
  for (const auto& row : rows) {
    if (result.items.size() == size) {
      result.next_token = MakeToken(listing, std::to_string(last));
      break;
    }
    MORAINE_ASSIGN(last, row.Int(0));
    MORAINE_ASSIGN(auto entry, EntryFromRow(row));
    result.items.push_back(std::move(entry));
  }
  return result;
}

Result<CommitRequest> Lifecycle::PlanRollback(Call& call, const LoadedTable& table,
                                              const RollbackTarget& target) {
  if (!target.version) return PlanSnapshotRollback(*table.metadata, target);
  MORAINE_ASSIGN(auto location, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
                   return MetadataOfVersion(t, table, *target.version);
                 }));
  auto then = state_.ReadMetadata(call, location);
  if (then.status().code() == Code::kNotFound) {
    return Conflict(
        fmt::format("the metadata file of version {} is gone: {}", *target.version, location));
  }
  MORAINE_TRY(then.status());
  return PlanVersionRollback(*table.metadata, *then->metadata);
}

Result<Rollback> Lifecycle::RollBack(Call& call, const std::string& warehouse,
                                     const TableName& name, const RollbackTarget& target,
                                     DryRun dry_run) {
  MORAINE_TRY(CheckTarget(target));
  MORAINE_ASSIGN(auto table, catalog_.Load(call, warehouse, name));
  MORAINE_ASSIGN(auto request, PlanRollback(call, *table, target));
  Rollback result;
  result.branch = target.branch.empty() ? iceberg::kMainBranch : target.branch;
  result.from_snapshot_id = SnapshotOf(*table->metadata, result.branch);
  result.operation = ActionsOf(request.updates);
  if (dry_run == DryRun::kNo && !request.updates.empty()) {
    MORAINE_ASSIGN(table, catalog_.Commit(call, warehouse, name, request, nullptr));
    result.to_snapshot_id = SnapshotOf(*table->metadata, result.branch);
  } else {
    MORAINE_ASSIGN(auto next, iceberg::ApplyUpdates(*table->metadata, request.updates,
                                                    {ToMillis(call.clock().Wall()), ""}));
    result.to_snapshot_id = SnapshotOf(next, result.branch);
  }
  result.version = table->version;
  return result;
}

}  // namespace moraine::catalog
