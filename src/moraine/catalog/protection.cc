// The protection of tables, views, namespaces and warehouses against being dropped.

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kMaxReasonBytes = 1'000;

Result<std::optional<Protection>> Find(Transaction& t, ObjectKind kind, int64_t object_id) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT set_ms, set_by, reason FROM protection WHERE object_id = ? AND "
                         "kind = ?",
                         {object_id, std::string(ObjectKindName(kind))}));
  if (rows.empty()) return std::optional<Protection>();
  Protection protection;
  MORAINE_ASSIGN(protection.set_ms, rows[0].Int(0));
  MORAINE_ASSIGN(protection.set_by, rows[0].Text(1));
  MORAINE_ASSIGN(protection.reason, rows[0].Text(2));
  return std::optional<Protection>(std::move(protection));
}

/// The command that ends it.
std::string LiftedBy(const ObjectRef& object) {
  std::string of =
      object.warehouse == "default" ? "" : fmt::format(" --warehouse {}", object.warehouse);
  switch (object.kind) {
    case ObjectKind::kWarehouse:
      return "moraine catalog unprotect --warehouse " + object.warehouse;
    case ObjectKind::kNamespace:
      return fmt::format("moraine catalog unprotect {}{}", ToText(object.ns), of);
    case ObjectKind::kView:
      of += " --view";
      [[fallthrough]];
    case ObjectKind::kTable:
      break;
  }
  return fmt::format("moraine table unprotect {}{}", ToText({object.ns, object.name}), of);
}

Status Refuse(const ObjectRef& object, const Protection& protection) {
  return PermissionDenied(
      fmt::format("the {} is protected (by {}, since {}{}{}); lift it first: {}", ToText(object),
                  protection.set_by.empty() ? "an unnamed caller" : protection.set_by,
                  FormatTime(FromMillis(protection.set_ms)), protection.reason.empty() ? "" : ": ",
                  protection.reason, LiftedBy(object)));
}

Status CheckWarehouse(Transaction& t, int64_t warehouse_id, const std::string& name) {
  MORAINE_ASSIGN(auto whole, Find(t, ObjectKind::kWarehouse, warehouse_id));
  return whole ? Refuse({ObjectKind::kWarehouse, name, {}, ""}, *whole) : Status();
}

Status CheckBoth(Transaction& t, const ObjectRef& object, int64_t object_id, int64_t warehouse_id) {
  MORAINE_ASSIGN(auto own, Find(t, object.kind, object_id));
  if (own) return Refuse(object, *own);
  return CheckWarehouse(t, warehouse_id, object.warehouse);
}

/// The number of what is in sight under this name.
Result<int64_t> IdOf(Transaction& t, int64_t warehouse_id, const ObjectRef& object) {
  if (object.kind == ObjectKind::kWarehouse) return warehouse_id;
  if (object.kind == ObjectKind::kNamespace) {
    MORAINE_ASSIGN(auto row, GetNamespace(t, warehouse_id, object.ns));
    return row.id;
  }
  MORAINE_ASSIGN(auto row,
                 GetTabular(t, warehouse_id, {object.ns, object.name}, TabularKindOf(object.kind)));
  return row.id;
}

Status Remove(Transaction& t, ObjectKind kind, int64_t id) {
  return t
      .Execute("DELETE FROM protection WHERE object_id = ? AND kind = ?",
               {id, std::string(ObjectKindName(kind))})
      .status();
}

/// The column of tabular says it, too.
Status MarkTabular(Transaction& t, ObjectKind kind, int64_t id, int64_t is_protected) {
  if (kind != ObjectKind::kTable && kind != ObjectKind::kView) return {};
  return t.Execute("UPDATE tabular SET protected = ? WHERE id = ?", {is_protected, id}).status();
}

}  // namespace

Status CheckUnprotected(Transaction& t, const TabularRow& row) {
  return CheckBoth(t, {ObjectKindOf(row.kind), row.warehouse, row.name.ns, row.name.name}, row.id,
                   row.warehouse_id);
}

Status CheckUnprotected(Transaction& t, const Warehouse& warehouse) {
  return CheckWarehouse(t, warehouse.id, warehouse.name);
}

Status CheckUnprotected(Transaction& t, int64_t warehouse_id, const NamespaceRow& row) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT name FROM warehouse WHERE id = ?", {warehouse_id}));
  MORAINE_ASSIGN(auto warehouse, rows.at(0).Text(0));
  return CheckBoth(t, {ObjectKind::kNamespace, warehouse, row.name, ""}, row.id, warehouse_id);
}

Status Lifecycle::Protect(Call& call, const ObjectRef& object, const std::string& reason) {
  if (reason.size() > kMaxReasonBytes || !IsValidUtf8(reason)) {
    return InvalidArgument(
        fmt::format("reason: expected at most {} bytes of UTF-8", kMaxReasonBytes));
  }
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, object.warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  return state_.database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t id, IdOf(t, home.id, object));
    MORAINE_TRY(Remove(t, object.kind, id));
    MORAINE_TRY(t.Execute(
        "INSERT INTO protection (kind, object_id, set_ms, set_by, reason) VALUES (?, ?, ?, ?, ?)",
        {std::string(ObjectKindName(object.kind)), id, now_ms, call.principal(), reason}));
    return MarkTabular(t, object.kind, id, 1);
  });
}

Status Lifecycle::Unprotect(Call& call, const ObjectRef& object) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, object.warehouse));
  return state_.database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t id, IdOf(t, home.id, object));
    MORAINE_TRY(Remove(t, object.kind, id));
    return MarkTabular(t, object.kind, id, 0);
  });
}

Result<std::optional<Protection>> Lifecycle::ProtectionOf(Call& call, const ObjectRef& object) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, object.warehouse));
  return RunFor(call, state_.database, Access::kRead,
                [&](Transaction& t) -> Result<std::optional<Protection>> {
                  MORAINE_ASSIGN(int64_t id, IdOf(t, home.id, object));
                  return Find(t, object.kind, id);
                });
}

}  // namespace moraine::catalog
