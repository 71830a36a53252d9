#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/catalog/claims.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/swap_internal.h"
#include "moraine/store/insert_for_id.h"

namespace moraine::catalog {
namespace {

using store::Transaction;
using store::Value;

constexpr size_t kMaxPlacesAtOnce = 8;

/// Kinds of changes to views say so; those to tables do not.
std::string ChangeKind(TabularKind kind, std::string_view what) {
  return fmt::format("{}{}", kind == TabularKind::kView ? "view-" : "", what);
}

Status LostRace(const TabularRow& row, bool* lost_race) {
  *lost_race = true;
  return Conflict(
      fmt::format("Commit lost the race: {} was changed by another commit", ToText(row.name)));
}

/// The row, in its namespace, if that is there and the condition holds (of namespace n).
Result<std::optional<int64_t>> InsertWhere(Transaction& t, int64_t warehouse_id,
                                           const TableName& name, const NewRow& row,
                                           const std::string& principal, std::string_view condition,
                                           std::vector<Value> values) {
  std::vector<Value> all = {std::string(TabularKindName(row.kind)),
                            name.name,
                            row.uuid,
                            row.metadata_location,
                            row.claims.front(),
                            row.format_version,
                            row.snapshot_id,
                            std::string(row.origin),
                            row.now_ms,
                            row.now_ms,
                            principal,
                            principal,
                            warehouse_id,
                            PathKey(name.ns)};
  std::move(values.begin(), values.end(), std::back_inserter(all));
  return store::InsertForId(
      t,
      fmt::format(
          "INSERT INTO tabular (warehouse_id, namespace_id, kind, name, table_uuid, version, "
          "metadata_location, previous, location, format_version, current_snapshot_id, origin, "
          "deleted_at, protected, created_ms, updated_ms, created_by, updated_by) "
          "SELECT n.warehouse_id, n.id, ?, ?, ?, 1, ?, '', ?, ?, ?, ?, 0, 0, ?, ?, ?, ? FROM "
          "namespace n WHERE n.warehouse_id = ? AND n.path_key = ? AND n.parent_id >= 0{}",
          condition),
      all);
}

/// All that InsertTabular asks, and the row if the answers are what they mostly are, as one
/// statement: a server is waited for once.
Result<std::optional<int64_t>> InsertIfFree(Transaction& t, int64_t warehouse_id,
                                            const TableName& name, const NewRow& row,
                                            const std::string& principal) {
  std::string condition =
      " AND NOT EXISTS (SELECT t.id FROM tabular t WHERE t.namespace_id = n.id AND t.name = ? AND "
      "t.deleted_at = 0)";
  std::vector<Value> values = {name.name};
  // The files of a registered table may lie in many folders.
  if (row.claims.size() + row.foreign_folders.size() > kMaxPlacesAtOnce) {
    return std::optional<int64_t>();
  }
  UnclaimedCondition unclaimed = WhereUnclaimed(row.claims, row.foreign_folders);
  condition += unclaimed.sql;
  std::move(unclaimed.values.begin(), unclaimed.values.end(), std::back_inserter(values));
  return InsertWhere(t, warehouse_id, name, row, principal, condition, std::move(values));
}

}  // namespace

Status DoSwap(Transaction& t, const TabularRow& row, const Swap& swap, const std::string& principal,
              bool* lost_race) {
  if (swap.claims_changed) MORAINE_TRY(CheckUnclaimed(t, swap.claims, row.id));
  MORAINE_TRY(CheckFoldersFree(t, swap.foreign_folders, row.id));
  MORAINE_ASSIGN(
      int64_t changed,
      t.Execute(
          "UPDATE tabular SET version = version + 1, metadata_location = ?, previous = ?, "
          "location = ?, table_uuid = ?, format_version = ?, current_snapshot_id = ?, "
          "updated_ms = ?, updated_by = ? WHERE id = ? AND version = ? AND deleted_at = 0",
          {swap.metadata_location, row.metadata_location, swap.claims.front(), swap.uuid,
           swap.format_version, swap.snapshot_id, swap.now_ms, principal, row.id, row.version}));
  if (changed == 0) return LostRace(row, lost_race);
  if (swap.claims_changed) MORAINE_TRY(PutClaims(t, swap.claims, row.id));
  ChangeDetail detail = row.detail();
  detail.uuid = swap.uuid;
  detail.operation = swap.operation;
  detail.updates = swap.updates;
  detail.summary = swap.summary;
  detail.by = principal;
  return AddChange(t, {.kind = std::string(swap.change_kind),
                       .table_id = row.id,
                       .version = row.version + 1,
                       .snapshot_id = swap.snapshot_id,
                       .changed_ms = swap.now_ms,
                       .metadata_location = swap.metadata_location,
                       .detail = std::move(detail)});
}

Status CheckUnchanged(Transaction& t, const TabularRow& row, bool* lost_race) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT id FROM tabular WHERE id = ? AND version = ? AND deleted_at = 0",
                         {row.id, row.version}));
  return rows.empty() ? LostRace(row, lost_race) : Status();
}

Result<int64_t> InsertTabular(Transaction& t, int64_t warehouse_id, const TableName& name,
                              const NewRow& row, const std::string& principal) {
  MORAINE_ASSIGN(auto made, InsertIfFree(t, warehouse_id, name, row, principal));
  if (!made) {
    // Something is in the way, or was dropped and goes out of it.
    MORAINE_TRY(GetFreeHome(t, warehouse_id, name, row.kind));
    MORAINE_TRY(CheckUnclaimed(t, row.claims, 0));
    MORAINE_TRY(CheckFoldersFree(t, row.foreign_folders, 0));
    MORAINE_ASSIGN(made, InsertWhere(t, warehouse_id, name, row, principal, "", {}));
    if (!made) return NoNamespace(name.ns);
  }
  const int64_t id = *made;
  MORAINE_TRY(AddClaims(t, row.claims, id));
  MORAINE_TRY(AddChange(t, {.kind = std::string(row.change_kind),
                            .table_id = id,
                            .version = 1,
                            .snapshot_id = row.snapshot_id,
                            .changed_ms = row.now_ms,
                            .metadata_location = row.metadata_location,
                            .detail = {.warehouse_id = warehouse_id,
                                       .name = name,
                                       .uuid = row.uuid,
                                       .operation = row.operation,
                                       .summary = row.summary,
                                       .by = principal}}));
  return id;
}

Status RenameTabular(Transaction& t, int64_t warehouse_id, const TableName& from,
                     const TableName& to, TabularKind kind, int64_t now_ms,
                     const std::string& principal) {
  MORAINE_ASSIGN(auto row, GetTabular(t, warehouse_id, from, kind));
  MORAINE_ASSIGN(auto target, GetNamespace(t, warehouse_id, to.ns));
  MORAINE_ASSIGN(auto taken, FindTabular(t, warehouse_id, to));
  if (taken && taken->id != row.id) {
    return AlreadyExists(fmt::format("Cannot rename {} to {}. {} already exists", ToText(from),
                                     ToText(to),
                                     taken->kind == TabularKind::kView ? "View" : "Table"));
  }
  MORAINE_TRY(
      t.Execute("UPDATE tabular SET namespace_id = ?, name = ?, version = version + 1, "
                "updated_ms = ?, updated_by = ? WHERE id = ?",
                {target.id, to.name, now_ms, principal, row.id}));
  ChangeDetail detail = row.detail();
  detail.name = to;
  detail.renamed_from = from;
  detail.by = principal;
  return AddChange(t, {.kind = ChangeKind(kind, "rename"),
                       .table_id = row.id,
                       .version = row.version + 1,
                       .snapshot_id = row.current_snapshot_id,
                       .changed_ms = now_ms,
                       .detail = std::move(detail)});
}

Status DropTabular(Transaction& t, const TabularRow& row, const Removal& removal) {
  MORAINE_TRY(CheckUnprotected(t, row));
  if (removal.hold_ms > 0) {
    MORAINE_TRY(HideTabular(t, row, removal));
  } else {
    MORAINE_TRY(RemoveTabular(t, row.id));
    if (removal.purge) MORAINE_TRY(RequestPurgeOf(t, row));
  }
  ChangeDetail detail = row.detail();
  detail.last_metadata_location = row.metadata_location;
  detail.by = removal.principal;
  detail.purge_requested = removal.purge;
  return AddChange(t, {.kind = ChangeKind(row.kind, "drop"),
                       .table_id = row.id,
                       .version = row.version + 1,
                       .snapshot_id = row.current_snapshot_id,
                       .changed_ms = removal.now_ms,
                       .detail = std::move(detail)});
}

}  // namespace moraine::catalog
