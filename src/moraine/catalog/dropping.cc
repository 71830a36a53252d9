// What becomes of rows that are dropped: out of sight until the hold ends, or gone at once.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/claims.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/purges.h"
#include "moraine/catalog/scan_usage_rows.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using store::Transaction;
using store::Value;

constexpr Millis kWishLimit{5'000};
constexpr int64_t kLongestHoldMs = int64_t{100} * 366 * 86'400'000;
constexpr int64_t kNoParent = -1;  // of a namespace that was dropped
constexpr std::string_view kKinds[] = {"table", "view", "namespace", "warehouse"};

/// How long, by the property; nothing without one, or one that does not say it.
std::optional<int64_t> WishOf(const iceberg::StringMap& properties) {
  auto found = properties.find(kDropHoldTime);
  if (found == properties.end()) return std::nullopt;
  auto duration = ParseDuration(found->second);
  if (!duration.ok() || duration->count() < 0) return std::nullopt;
  return duration->count();
}

/// A path that no namespace can have: path_key is unique, and the name is free for others.
std::string HiddenPath(int64_t namespace_id) { return fmt::format("\x1e{}", namespace_id); }

Status InsertDropped(Transaction& t, const DroppedObject& dropped, int64_t warehouse_id) {
  return t
      .Execute(
          "INSERT INTO dropped (kind, object_id, warehouse_id, path_key, name, dropped_ms, "
          "dropped_by, purge_after_ms, purge_requested, dropped_with) VALUES (?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?)",
          {std::string(ObjectKindName(dropped.object.kind)), dropped.object_id, warehouse_id,
           PathKey(dropped.object.ns), dropped.object.name, dropped.dropped_ms, dropped.dropped_by,
           dropped.purge_after_ms, int64_t{dropped.purge_requested}, dropped.dropped_with})
      .status();
}

DroppedObject DroppedBy(const Removal& removal, int64_t object_id, ObjectRef object) {
  DroppedObject dropped;
  dropped.object_id = object_id;
  dropped.object = std::move(object);
  dropped.dropped_ms = removal.now_ms;
  dropped.dropped_by = removal.principal;
  dropped.purge_after_ms = removal.now_ms + removal.hold_ms;
  dropped.purge_requested = removal.purge;
  dropped.dropped_with = removal.dropped_with;
  return dropped;
}

Result<DroppedObject> DroppedFromRow(const store::Row& row) {
  DroppedObject dropped;
  MORAINE_ASSIGN(dropped.drop_id, row.Int(0));
  MORAINE_ASSIGN(auto kind, row.Text(1));
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kKinds[i] == kind) dropped.object.kind = static_cast<ObjectKind>(i);
  }
  MORAINE_ASSIGN(dropped.object_id, row.Int(2));
  MORAINE_ASSIGN(dropped.object.warehouse, row.Text(3));
  MORAINE_ASSIGN(auto path_key, row.Text(4));
  dropped.object.ns = FromPathKey(path_key);
  MORAINE_ASSIGN(dropped.object.name, row.Text(5));
  MORAINE_ASSIGN(dropped.dropped_ms, row.Int(6));
  MORAINE_ASSIGN(dropped.dropped_by, row.Text(7));
  MORAINE_ASSIGN(dropped.purge_after_ms, row.Int(8));
  MORAINE_ASSIGN(int64_t purge_requested, row.Int(9));
  dropped.purge_requested = purge_requested != 0;
  MORAINE_ASSIGN(dropped.dropped_with, row.Int(10));
  MORAINE_ASSIGN(auto yielded_to, row.OptText(11));
  dropped.yielded_to = yielded_to.value_or("");
  return dropped;
}

}  // namespace

std::string_view ObjectKindName(ObjectKind kind) { return kKinds[static_cast<size_t>(kind)]; }

std::string ToText(const ObjectRef& object) {
  std::string name = object.kind == ObjectKind::kWarehouse   ? object.warehouse
                     : object.kind == ObjectKind::kNamespace ? ToText(object.ns)
                                                             : ToText({object.ns, object.name});
  return fmt::format("{} {}", ObjectKindName(object.kind), name);
}

ObjectKind ObjectKindOf(TabularKind kind) {
  return kind == TabularKind::kView ? ObjectKind::kView : ObjectKind::kTable;
}

TabularKind TabularKindOf(ObjectKind kind) {
  return kind == ObjectKind::kView ? TabularKind::kView : TabularKind::kTable;
}

Removal Catalog::State::RemovalOf(Call& call, const Warehouse& warehouse, const TabularRow* row) {
  Removal removal;
  removal.now_ms = ToMillis(call.clock().Wall());
  removal.principal = call.principal();
  auto hold = WishOf(warehouse.overrides);
  if (!hold && row != nullptr) {
    // A table that can't be read is dropped all the same.
    Call part(call, kWishLimit);
    if (row->kind == TabularKind::kView) {
      auto view = LoadView(part, *row, Freshness::kCached);
      if (view.ok()) hold = WishOf(view->metadata->properties);
    } else {
      auto table = Load(part, *row, Freshness::kCached);
      if (table.ok()) hold = WishOf((*table)->metadata->properties);
    }
  }
  if (!hold) hold = WishOf(warehouse.defaults);
  removal.hold_ms =
      std::clamp<int64_t>(hold.value_or(options.drop_hold.count()), 0, kLongestHoldMs);
  return removal;
}

Status HideTabular(Transaction& t, const TabularRow& row, const Removal& removal) {
  // Several of one name may wait; no two were dropped at the same time.
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT COALESCE(MAX(o.deleted_at), 0) FROM tabular o JOIN tabular t ON "
                         "t.namespace_id = o.namespace_id AND t.name = o.name WHERE t.id = ?",
                         {row.id}));
  MORAINE_ASSIGN(int64_t last, rows.at(0).Int(0));
  int64_t deleted_at = std::max({removal.now_ms, last + 1, int64_t{1}});
  MORAINE_TRY(
      t.Execute("UPDATE tabular SET deleted_at = ?, version = version + 1, updated_ms = ?, "
                "updated_by = ? WHERE id = ?",
                {deleted_at, removal.now_ms, removal.principal, row.id}));
  return InsertDropped(
      t,
      DroppedBy(removal, row.id,
                {ObjectKindOf(row.kind), row.warehouse, row.name.ns, row.name.name}),
      row.warehouse_id);
}

Status RemoveTabular(Transaction& t, int64_t id) {
  MORAINE_TRY(RemoveClaims(t, id));
  MORAINE_TRY(t.Execute("DELETE FROM metrics_report WHERE table_id = ?", {id}));
  MORAINE_TRY(DeleteScanUsage(t, id));
  return t.Execute("DELETE FROM tabular WHERE id = ?", {id}).status();
}

Status RequestPurgeOf(Transaction& t, const TabularRow& row) {
  if (row.kind != TabularKind::kTable || row.metadata_location.empty()) return {};
  return RequestPurge(t,
                      {row.id, row.warehouse, ToText(row.name), row.uuid, row.metadata_location});
}

Status DropNamespaceRow(Transaction& t, int64_t warehouse_id, const NamespaceRow& row,
                        const Removal& removal) {
  MORAINE_TRY(CheckUnprotected(t, warehouse_id, row));
  NamespaceChange change{"drop", warehouse_id, row.name, removal.now_ms, removal.principal};
  MORAINE_TRY(AddNamespaceChange(t, change));
  MORAINE_ASSIGN(auto held,
                 t.Query("SELECT id FROM tabular WHERE namespace_id = ? LIMIT 1", {row.id}));
  if (removal.hold_ms == 0 && held.empty()) {
    MORAINE_TRY(t.Execute("DELETE FROM namespace WHERE id = ?", {row.id}));
    change.what = "purge";
    return AddNamespaceChange(t, change);
  }
  MORAINE_TRY(
      t.Execute("UPDATE namespace SET path_key = ?, parent_id = ?, updated_ms = ? WHERE id = ?",
                {HiddenPath(row.id), kNoParent, removal.now_ms, row.id}));
  return InsertDropped(
      t, DroppedBy(removal, row.id, {ObjectKind::kNamespace, "", row.name, row.name.back()}),
      warehouse_id);
}

Result<std::vector<DroppedObject>> SelectDropped(Transaction& t, std::string_view where,
                                                 const std::vector<Value>& values) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query(fmt::format("SELECT d.id, d.kind, d.object_id, w.name, d.path_key, d.name, "
                          "d.dropped_ms, d.dropped_by, d.purge_after_ms, d.purge_requested, "
                          "d.dropped_with, d.yielded_to FROM dropped d JOIN warehouse w ON w.id = "
                          "d.warehouse_id {}",
                          where),
              values));
  std::vector<DroppedObject> all;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto dropped, DroppedFromRow(row));
    all.push_back(std::move(dropped));
  }
  return all;
}

Result<std::optional<DroppedObject>> FindDroppedRow(Transaction& t, ObjectKind kind,
                                                    int64_t object_id) {
  MORAINE_ASSIGN(auto found, SelectDropped(t, "WHERE d.object_id = ? AND d.kind = ?",
                                           {object_id, std::string(ObjectKindName(kind))}));
  if (found.empty()) return std::optional<DroppedObject>();
  return std::optional<DroppedObject>(std::move(found[0]));
}

Status NoneWaits(const DroppedObject& dropped) {
  return NotFound(fmt::format("Dropped {} does not exist any more: it was purged or brought back",
                              ToText(dropped.object)));
}

Status RemoveDroppedRow(Transaction& t, const DroppedObject& dropped) {
  MORAINE_ASSIGN(int64_t removed, t.Execute("DELETE FROM dropped WHERE id = ?", {dropped.drop_id}));
  return removed > 0 ? Status() : NoneWaits(dropped);
}

}  // namespace moraine::catalog
