#include "moraine/catalog/lifecycle.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/claims.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/paging_internal.h"
#include "moraine/catalog/state_internal.h"
#include "moraine/catalog/warehouse_directory.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using store::Value;

constexpr size_t kPurgeBatch = 200;
constexpr int64_t kMaxTree = 10'000;
constexpr std::string_view kNoDropped = "Nothing that was dropped has this name: ";

/// The row behind it, with the name that it had.
Result<TabularRow> HiddenRow(Transaction& t, const DroppedObject& dropped) {
  MORAINE_ASSIGN(auto row, FindHiddenTabular(t, dropped.object_id));
  if (!row) return NotFound(fmt::format("{}number {}", kNoDropped, dropped.object_id));
  row->name = {dropped.object.ns, dropped.object.name};
  return std::move(*row);
}

Status AddLifeChange(Transaction& t, std::string_view kind, const TabularRow& row,
                     const TableName& name, std::optional<bool> purge_requested, int64_t now_ms,
                     const std::string& principal) {
  ChangeDetail detail = row.detail();
  detail.by = principal;
  detail.name = name;
  if (row.name != name) detail.renamed_from = row.name;
  detail.last_metadata_location = row.metadata_location;
  detail.purge_requested = purge_requested;
  return AddChange(
      t, {.kind = fmt::format("{}{}", row.kind == TabularKind::kView ? "view-" : "", kind),
          .table_id = row.id,
          .version = row.version + 1,
          .snapshot_id = row.current_snapshot_id,
          .changed_ms = now_ms,
          .detail = std::move(detail)});
}

Status CheckNotYielded(const DroppedObject& dropped) {
  if (dropped.yielded_to.empty()) return {};
  return Conflict(fmt::format(
      "the dropped {} can't be brought back: another table or view has its place since, "
      "and may have changed its files: {}",
      ToText(dropped.object), dropped.yielded_to));
}

/// The namespace that it goes to, free of its name.
Result<NamespaceRow> CheckTarget(Transaction& t, int64_t warehouse_id, const TableName& target,
                                 TabularKind kind) {
  MORAINE_ASSIGN(auto ns, FindNamespace(t, warehouse_id, target.ns));
  if (!ns) {
    return Status(
        NotFound(fmt::format("{}{}; make it, or bring it back, first; or give another "
                             "name",
                             kNoNamespace, ToText(target.ns))));
  }
  MORAINE_TRY(CheckNameFree(t, warehouse_id, target, kind));
  return std::move(*ns);
}

struct Who {
  int64_t now_ms = 0;
  std::string principal;
};

/// The warehouse may have been narrowed since the drop: what waits to be purged holds nobody up.
Status CheckStillAllowed(Transaction& t, const DroppedObject& dropped, const TabularRow& row) {
  MORAINE_ASSIGN(auto warehouse, WarehouseInStore(t, row.warehouse_id));
  if (!warehouse) return {};
  MORAINE_ASSIGN(auto places, ClaimsOfTable(t, row.id));
  places.push_back(row.metadata_location);
  for (const auto& place : places) {
    const auto normal = io::NormalizeLocation(place);
    const auto& allowed = warehouse->allowed_locations;
    if (normal.ok() && std::any_of(allowed.begin(), allowed.end(),
                                   [&](const auto& root) { return io::IsInside(*normal, root); })) {
      continue;
    }
    return Conflict(
        fmt::format("the dropped {} can't be brought back: {} is outside the locations that the "
                    "warehouse {} allows now (allowed-locations)",
                    ToText(dropped.object), place, warehouse->name));
  }
  return {};
}

Status BringBack(Transaction& t, const DroppedObject& dropped, const TableName& target,
                 const Who& who) {
  MORAINE_ASSIGN(auto row, HiddenRow(t, dropped));
  MORAINE_TRY(CheckStillAllowed(t, dropped, row));
  MORAINE_TRY(RemoveDroppedRow(t, dropped));
  MORAINE_ASSIGN(auto ns, CheckTarget(t, row.warehouse_id, target, row.kind));
  MORAINE_ASSIGN(auto claims, ClaimsOfTable(t, row.id));
  MORAINE_TRY(CheckUnclaimed(t, claims, row.id));
  MORAINE_TRY(
      t.Execute("UPDATE tabular SET deleted_at = 0, namespace_id = ?, name = ?, version = version "
                "+ 1, updated_ms = ?, updated_by = ? WHERE id = ?",
                {ns.id, target.name, who.now_ms, who.principal, row.id}));
  return AddLifeChange(t, "undrop", row, target, std::nullopt, who.now_ms, who.principal);
}

/// The number of the namespace that it goes to, 0 at the top.
Result<int64_t> CheckParent(Transaction& t, int64_t warehouse_id, const NamespaceName& name) {
  MORAINE_ASSIGN(auto taken, FindNamespace(t, warehouse_id, name));
  if (taken) return AlreadyExists(fmt::format("Namespace already exists: {}", ToText(name)));
  if (name.size() == 1) return 0;
  MORAINE_ASSIGN(auto parent,
                 GetNamespace(t, warehouse_id, NamespaceName(name.begin(), name.end() - 1)));
  return parent.id;
}

Status BringNamespaceBack(Transaction& t, int64_t warehouse_id, const DroppedObject& dropped,
                          const Who& who) {
  const NamespaceName& name = dropped.object.ns;
  MORAINE_TRY(RemoveDroppedRow(t, dropped));
  MORAINE_ASSIGN(int64_t parent_id, CheckParent(t, warehouse_id, name));
  MORAINE_TRY(
      t.Execute("UPDATE namespace SET path_key = ?, parent_id = ?, updated_ms = ? WHERE id = ?",
                {PathKey(name), parent_id, who.now_ms, dropped.object_id}));
  return AddNamespaceChange(t, {"undrop", warehouse_id, name, who.now_ms, who.principal});
}

Status RemoveNamespace(Transaction& t, const DroppedObject& dropped, const Who& who) {
  MORAINE_TRY(RemoveDroppedRow(t, dropped));
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT warehouse_id FROM namespace WHERE id = ?", {dropped.object_id}));
  if (rows.empty()) return {};
  MORAINE_ASSIGN(int64_t warehouse_id, rows[0].Int(0));
  MORAINE_TRY(t.Execute("DELETE FROM namespace WHERE id = ?", {dropped.object_id}));
  return AddNamespaceChange(t,
                            {"purge", warehouse_id, dropped.object.ns, who.now_ms, who.principal});
}

/// The end of the hold. *waits: a namespace in which something else still waits, until then.
Status Remove(Transaction& t, const DroppedObject& seen, const Who& who,
              std::optional<int64_t>* waits) {
  waits->reset();
  // As it is now: it may have come back, or given its place away.
  MORAINE_ASSIGN(auto now, FindDroppedRow(t, seen.object.kind, seen.object_id));
  if (!now || now->drop_id != seen.drop_id) return NoneWaits(seen);
  const DroppedObject& dropped = *now;
  if (dropped.object.kind == ObjectKind::kNamespace) {
    MORAINE_ASSIGN(
        auto held,
        t.Query("SELECT MAX(d.purge_after_ms), COUNT(*) FROM tabular t LEFT JOIN dropped "
                "d ON d.object_id = t.id AND d.kind <> ? WHERE t.namespace_id = ?",
                {std::string("namespace"), dropped.object_id}));
    MORAINE_ASSIGN(int64_t count, held.at(0).Int(1));
    MORAINE_ASSIGN(auto until, held[0].OptInt(0));
    if (count > 0) {
      *waits = std::max(until.value_or(0), who.now_ms + 1);
      return t
          .Execute("UPDATE dropped SET purge_after_ms = ? WHERE id = ?", {**waits, dropped.drop_id})
          .status();
    }
    return RemoveNamespace(t, dropped, who);
  }
  MORAINE_ASSIGN(auto row, HiddenRow(t, dropped));
  MORAINE_TRY(RemoveDroppedRow(t, dropped));
  MORAINE_TRY(RemoveTabular(t, row.id));
  // Files in a place that is another's now are not this table's to be purged.
  bool purge_files = dropped.purge_requested && dropped.yielded_to.empty();
  if (purge_files) MORAINE_TRY(RequestPurgeOf(t, row));
  return AddLifeChange(t, "purge", row, row.name, purge_files, who.now_ms, who.principal);
}

/// A namespace and those below it, parents first.
Result<std::vector<NamespaceRow>> TreeOf(Transaction& t, int64_t warehouse_id,
                                         const NamespaceName& name) {
  MORAINE_ASSIGN(auto root, GetNamespace(t, warehouse_id, name));
  std::vector<NamespaceRow> tree = {std::move(root)};
  // All that begins with the path and a level separator (0x1F).
  std::string below = PathKey(name) + "\x1f";
  std::string end = PathKey(name) + "\x20";
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT id, path_key FROM namespace WHERE warehouse_id = ? AND path_key > "
                         "? AND path_key < ? ORDER BY path_key LIMIT ?",
                         {warehouse_id, below, end, kMaxTree + 1}));
  for (const auto& row : rows) {
    NamespaceRow found;
    MORAINE_ASSIGN(found.id, row.Int(0));
    MORAINE_ASSIGN(auto path_key, row.Text(1));
    found.name = FromPathKey(path_key);
    tree.push_back(std::move(found));
  }
  return tree;
}

struct Tree {
  std::vector<NamespaceRow> namespaces;  ///< parents first
  std::vector<TabularRow> tabulars;
};

Result<Tree> ReadTree(Transaction& t, int64_t warehouse_id, const NamespaceName& name) {
  Tree tree;
  MORAINE_ASSIGN(tree.namespaces, TreeOf(t, warehouse_id, name));
  for (const auto& ns : tree.namespaces) {
    MORAINE_ASSIGN(auto rows, TabularsIn(t, ns.id, kMaxTree + 1));
    tree.tabulars.insert(tree.tabulars.end(), rows.begin(), rows.end());
    if (static_cast<int64_t>(tree.tabulars.size() + tree.namespaces.size()) > kMaxTree) {
      return Exhausted(
          fmt::format("more than {} tables, views and namespaces are in {}: drop parts "
                      "of it first",
                      kMaxTree, ToText(name)));
    }
  }
  return tree;
}

std::vector<ObjectRef> NamesIn(const Tree& tree, const std::string& warehouse) {
  std::vector<ObjectRef> names;
  for (const auto& ns : tree.namespaces) {
    names.push_back({ObjectKind::kNamespace, warehouse, ns.name, ""});
  }
  for (const auto& row : tree.tabulars) {
    names.push_back({ObjectKindOf(row.kind), warehouse, row.name.ns, row.name.name});
  }
  return names;
}

}  // namespace

Result<Page<DroppedObject>> Lifecycle::Dropped(Call& call, const std::string& warehouse,
                                               const PageRequest& page) {
  int64_t warehouse_id = 0;
  if (!warehouse.empty()) {
    MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
    warehouse_id = home.id;
  }
  std::string listing = "dropped:" + warehouse;
  MORAINE_ASSIGN(int64_t before, ReadNumberToken(listing, page.token, INT64_MAX));
  auto size = static_cast<int64_t>(std::clamp<size_t>(page.size, 1, kMaxPage));
  MORAINE_ASSIGN(auto rows, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
                   return SelectDropped(t,
                                        fmt::format("WHERE d.id < ? {} ORDER BY d.id DESC LIMIT ?",
                                                    warehouse_id == 0 ? "AND d.warehouse_id <> ?"
                                                                      : "AND d.warehouse_id = ?"),
                                        {before, warehouse_id, size + 1});
                 }));
  Page<DroppedObject> result;
  result.items = std::move(rows);
  if (static_cast<int64_t>(result.items.size()) > size) {
    result.items.pop_back();
    result.next_token = MakeToken(listing, std::to_string(result.items.back().drop_id));
  }
  return result;
}

Result<DroppedObject> Lifecycle::FindDropped(Call& call, ObjectKind kind, int64_t object_id) {
  MORAINE_ASSIGN(auto found, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
                   return FindDroppedRow(t, kind, object_id);
                 }));
  if (!found) {
    return NotFound(
        fmt::format("No dropped {} has the number {}", ObjectKindName(kind), object_id));
  }
  return std::move(*found);
}

Result<DroppedObject> Lifecycle::LastDropped(Call& call, const ObjectRef& object) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, object.warehouse));
  std::string name = object.name;
  if (object.kind == ObjectKind::kNamespace) name = object.ns.empty() ? "" : object.ns.back();
  MORAINE_ASSIGN(
      auto found, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
        return SelectDropped(
            t,
            "WHERE d.warehouse_id = ? AND d.name = ? AND d.path_key = ? AND d.kind = ? "
            "ORDER BY d.id DESC LIMIT 1",
            {home.id, name, PathKey(object.ns), std::string(ObjectKindName(object.kind))});
      }));
  if (found.empty()) return NotFound(fmt::format("{}{}", kNoDropped, ToText(object)));
  return std::move(found[0]);
}

Result<std::vector<ObjectRef>> Lifecycle::Undrop(Call& call, const DroppedObject& dropped,
                                                 const std::optional<TableName>& to, DryRun dry_run,
                                                 std::vector<ObjectRef>* left) {
  left->clear();
  if (dropped.object.kind == ObjectKind::kNamespace) {
    if (to) return InvalidArgument("a namespace comes back under its own name");
    return UndropNamespace(call, dropped, dry_run, left);
  }
  const TableName target = to.value_or(TableName{dropped.object.ns, dropped.object.name});
  MORAINE_TRY(CheckName("name", target.name));
  MORAINE_TRY(CheckNotYielded(dropped));
  MORAINE_ASSIGN(
      auto row,
      RunFor(call, state_.database, Access::kRead, [&](Transaction& t) -> Result<TabularRow> {
        MORAINE_ASSIGN(auto hidden, HiddenRow(t, dropped));
        MORAINE_TRY(CheckTarget(t, hidden.warehouse_id, target, hidden.kind));
        MORAINE_TRY(CheckStillAllowed(t, dropped, hidden));
        return hidden;
      }));
  Status present = state_.files.Stat(call, row.metadata_location).status();
  if (present.code() == Code::kNotFound) {
    return Conflict(
        fmt::format("the dropped {} can't be brought back: its metadata file is gone: "
                    "{}",
                    ToText(dropped.object), row.metadata_location));
  }
  MORAINE_TRY(present);
  ObjectRef back{dropped.object.kind, dropped.object.warehouse, target.ns, target.name};
  if (dry_run == DryRun::kYes) return std::vector<ObjectRef>{std::move(back)};
  const Who who{ToMillis(call.clock().Wall()), call.principal()};
  MORAINE_TRY(state_.database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    // It may have given its place away just now.
    MORAINE_ASSIGN(auto now, FindDroppedRow(t, dropped.object.kind, dropped.object_id));
    if (now) MORAINE_TRY(CheckNotYielded(*now));
    return BringBack(t, dropped, target, who);
  }));
  state_.Announce();
  return std::vector<ObjectRef>{std::move(back)};
}

Result<std::vector<ObjectRef>> Lifecycle::UndropNamespace(Call& call, const DroppedObject& dropped,
                                                          DryRun dry_run,
                                                          std::vector<ObjectRef>* left) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, dropped.object.warehouse));
  const Who who{ToMillis(call.clock().Wall()), call.principal()};
  std::vector<ObjectRef> back;
  auto together = [&](Transaction& t) -> Result<std::vector<DroppedObject>> {
    MORAINE_ASSIGN(auto all, SelectDropped(t, "WHERE d.dropped_with = ? AND d.warehouse_id = ?",
                                           {dropped.object_id, home.id}));
    // Namespaces before what is in them, parents before children.
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      auto rank = [](const DroppedObject& o) {
        return std::pair(o.object.kind != ObjectKind::kNamespace, o.object.ns.size());
      };
      return rank(a) < rank(b);
    });
    all.insert(all.begin(), dropped);
    back.clear();
    left->clear();
    for (const auto& one : all) (one.yielded_to.empty() ? back : *left).push_back(one.object);
    return all;
  };
  if (dry_run == DryRun::kYes) {
    MORAINE_TRY(
        RunFor(call, state_.database, Access::kRead, [&](Transaction& t) -> Result<int64_t> {
          MORAINE_TRY(together(t));
          return CheckParent(t, home.id, dropped.object.ns);
        }));
    return back;
  }
  MORAINE_TRY(state_.database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto all, together(t));
    for (const auto& one : all) {
      if (!one.yielded_to.empty()) continue;
      MORAINE_TRY(one.object.kind == ObjectKind::kNamespace
                      ? BringNamespaceBack(t, home.id, one, who)
                      : BringBack(t, one, {one.object.ns, one.object.name}, who));
    }
    return {};
  }));
  state_.Announce();
  return back;
}

Status Lifecycle::Purge(Call& call, const DroppedObject& dropped) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, dropped.object.warehouse));
  const Who who{ToMillis(call.clock().Wall()), call.principal()};
  std::optional<int64_t> waits;
  MORAINE_TRY(state_.database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(CheckUnprotected(t, home));
    return Remove(t, dropped, who, &waits);
  }));
  state_.Announce();
  if (!waits) return {};
  return Conflict(
      fmt::format("in the dropped {} tables or views still wait for the end of their "
                  "hold: purge them first",
                  ToText(dropped.object)));
}

Result<size_t> Lifecycle::PurgeTick(Call& call) {
  const Who who{ToMillis(call.clock().Wall()), call.principal()};
  MORAINE_ASSIGN(auto due, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
                   return SelectDropped(
                       t,
                       "WHERE d.purge_after_ms <= ? AND NOT EXISTS (SELECT 1 FROM "
                       "protection p WHERE p.object_id = d.warehouse_id AND p.kind = ?) "
                       "ORDER BY d.purge_after_ms, CASE WHEN d.kind = ? THEN 1 ELSE 0 END LIMIT ?",
                       {who.now_ms, std::string(ObjectKindName(ObjectKind::kWarehouse)),
                        std::string(ObjectKindName(ObjectKind::kNamespace)),
                        static_cast<int64_t>(kPurgeBatch)});
                 }));
  size_t gone = 0;
  for (const auto& dropped : due) {
    MORAINE_TRY(call.Check());
    std::optional<int64_t> waits;
    Status removed = state_.database.Run(
        call, Access::kWrite, [&](Transaction& t) { return Remove(t, dropped, who, &waits); });
    // Another server did it, or somebody brought it back.
    if (removed.code() == Code::kNotFound) continue;
    MORAINE_TRY(removed);
    gone += waits ? 0 : 1;
  }
  if (gone > 0) state_.Announce();
  return gone;
}

Result<std::vector<ObjectRef>> Lifecycle::DropTree(Call& call, const std::string& warehouse,
                                                   const NamespaceName& name, DryRun dry_run) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto seen, RunFor(call, state_.database, Access::kRead,
                                   [&](Transaction& t) { return ReadTree(t, home.id, name); }));
  std::vector<ObjectRef> names = NamesIn(seen, warehouse);
  // Each has its own wish how long it can be brought back.
  std::map<int64_t, Removal> removals;
  for (const auto& row : seen.tabulars) {
    MORAINE_TRY(call.Check());
    removals[row.id] = state_.RemovalOf(call, home, &row);
  }
  const Removal plain = state_.RemovalOf(call, home, nullptr);
  auto drop = [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto tree, ReadTree(t, home.id, name));
    const int64_t root_id = tree.namespaces.front().id;
    for (const auto& row : tree.tabulars) {
      auto removal = removals.find(row.id);
      if (removal == removals.end()) {
        return Conflict(fmt::format("{} was changed meanwhile: {} is new in it", ToText(name),
                                    ToText(row.name)));
      }
      removal->second.dropped_with = root_id;
      MORAINE_TRY(DropTabular(t, row, removal->second));
    }
    for (size_t i = tree.namespaces.size(); i-- > 0;) {
      Removal removal = plain;
      removal.dropped_with = i == 0 ? 0 : root_id;
      MORAINE_TRY(DropNamespaceRow(t, home.id, tree.namespaces[i], removal));
    }
    return {};
  };
  if (dry_run == DryRun::kYes) {
    MORAINE_TRY(RunFor(call, state_.database, Access::kRead, [&](Transaction& t) -> Result<bool> {
      for (const auto& row : seen.tabulars) MORAINE_TRY(CheckUnprotected(t, row));
      for (const auto& ns : seen.namespaces) MORAINE_TRY(CheckUnprotected(t, home.id, ns));
      return true;
    }));
    return names;
  }
  MORAINE_TRY(state_.database.Run(call, Access::kWrite, drop));
  state_.Announce();
  return names;
}

}  // namespace moraine::catalog
