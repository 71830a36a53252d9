// Namespaces: a tree of names, each with properties.

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/paging_internal.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {

using store::Access;
using store::RunFor;
using store::Transaction;

namespace {

void WriteStrings(std::string_view key, const std::vector<std::string>& values, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (const auto& value : values) out->String(value);
  out->EndArray();
}

}  // namespace

Status AddNamespaceChange(Transaction& t, const NamespaceChange& change) {
  ChangeDetail detail;
  detail.warehouse_id = change.warehouse_id;
  detail.name = {change.name, ""};
  detail.by = change.by;
  return AddChange(t, {.kind = fmt::format("namespace-{}", change.what),
                       .changed_ms = change.now_ms,
                       .detail = std::move(detail)});
}

std::string ToJson(const Catalog::PropertyChanges& changes) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteStrings("updated", changes.updated, &out);
  WriteStrings("removed", changes.removed, &out);
  WriteStrings("missing", changes.missing, &out);
  out.EndObject();
  return text;
}

Status Catalog::CreateNamespace(Call& call, const std::string& warehouse, const NamespaceName& name,
                                const iceberg::StringMap& properties) {
  MORAINE_TRY(CheckNamespaceName(name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  if (auto location = properties.find("location"); location != properties.end()) {
    MORAINE_TRY(CheckAllowed(home, "location", location->second));
  }
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(state_->Mutate(call, {}, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto existing, FindNamespace(t, home.id, name));
    if (existing) return AlreadyExists(fmt::format("Namespace already exists: {}", ToText(name)));
    int64_t parent_id = 0;
    if (name.size() > 1) {
      MORAINE_ASSIGN(auto parent,
                     GetNamespace(t, home.id, NamespaceName(name.begin(), name.end() - 1)));
      parent_id = parent.id;
    }
    MORAINE_TRY(
        t.Execute("INSERT INTO namespace (warehouse_id, parent_id, name, path_key, properties, "
                  "created_ms, updated_ms)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?)",
                  {home.id, parent_id, name.back(), PathKey(name), PropertiesToText(properties),
                   now_ms, now_ms}));
    return AddNamespaceChange(t, {"create", home.id, name, now_ms, call.principal()});
  }));
  state_->Announce();
  return {};
}

Result<iceberg::StringMap> Catalog::LoadNamespace(Call& call, const std::string& warehouse,
                                                  const NamespaceName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto row, RunFor(call, state_->database, Access::kRead,
                                  [&](Transaction& t) { return GetNamespace(t, home.id, name); }));
  return std::move(row.properties);
}

Result<Page<NamespaceName>> Catalog::ListNamespaces(Call& call, const std::string& warehouse,
                                                    const NamespaceName& parent,
                                                    const PageRequest& page) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  return RunFor(
      call, state_->database, Access::kRead, [&](Transaction& t) -> Result<Page<NamespaceName>> {
        int64_t parent_id = 0;
        if (!parent.empty()) {
          MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, parent));
          parent_id = row.id;
        }
        MORAINE_ASSIGN(auto names,
                       PageOfNames("namespaces:" + PathKey(parent), page,
                                   [&](const std::string& after, int64_t limit) {
                                     return t.Query(
                                         "SELECT name FROM namespace WHERE warehouse_id = ? AND "
                                         "parent_id = ? AND name > ? ORDER BY name LIMIT ?",
                                         {home.id, parent_id, after, limit});
                                   }));
        Page<NamespaceName> result;
        result.next_token = names.next_token;
        for (auto& name : names.items) {
          result.items.push_back(parent);
          result.items.back().push_back(std::move(name));
        }
        return result;
      });
}

Result<Catalog::PropertyChanges> Catalog::UpdateNamespace(
    Call& call, const std::string& warehouse, const NamespaceName& name,
    const iceberg::StringMap& updates, const std::vector<std::string>& removals) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  for (const auto& key : removals) {
    if (updates.contains(key)) return InvalidArgument(fmt::format("{}{}", kUnprocessable, key));
  }
  if (auto location = updates.find("location"); location != updates.end()) {
    MORAINE_TRY(CheckAllowed(home, "location", location->second));
  }
  int64_t now_ms = ToMillis(call.clock().Wall());
  PropertyChanges changes;
  Receipt receipt;
  MORAINE_TRY(state_->Mutate(call, receipt, [&](Transaction& t) -> Status {
    changes = {};
    MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, name));
    for (const auto& key : removals) {
      (row.properties.erase(key) > 0 ? changes.removed : changes.missing).push_back(key);
    }
    for (const auto& [key, value] : updates) {
      row.properties[key] = value;
      changes.updated.push_back(key);
    }
    receipt.answer = ToJson(changes);
    MORAINE_TRY(t.Execute("UPDATE namespace SET properties = ?, updated_ms = ? WHERE id = ?",
                          {PropertiesToText(row.properties), now_ms, row.id}));
    return AddNamespaceChange(t, {"update", home.id, name, now_ms, call.principal()});
  }));
  state_->Announce();
  return changes;
}

Status Catalog::DropNamespace(Call& call, const std::string& warehouse, const NamespaceName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  const Removal removal = state_->RemovalOf(call, home, nullptr);
  MORAINE_TRY(state_->Mutate(call, {}, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, name));
    MORAINE_ASSIGN(
        auto tables,
        t.Query("SELECT id FROM tabular WHERE namespace_id = ? AND deleted_at = 0 LIMIT 1",
                {row.id}));
    MORAINE_ASSIGN(
        auto children,
        t.Query("SELECT id FROM namespace WHERE warehouse_id = ? AND parent_id = ? LIMIT 1",
                {home.id, row.id}));
    if (!tables.empty() || !children.empty())
      return Conflict(fmt::format("Namespace {}{}", ToText(name), kNamespaceNotEmpty));
    return DropNamespaceRow(t, home.id, row, removal);
  }));
  state_->Announce();
  return {};
}

}  // namespace moraine::catalog
