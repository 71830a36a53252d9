#include "moraine/catalog/catalog.h"

#include <fmt/format.h>

#include "moraine/base/gzip.h"
#include "moraine/base/text.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/schema.h"
#include "moraine/catalog/state_internal.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kMaxPage = 10'000;
constexpr int64_t kKeptReports = 100;

Result<Warehouse> WarehouseFromRow(const store::Row& row) {
  Warehouse warehouse;
  MORAINE_ASSIGN(warehouse.id, row.Int(0));
  MORAINE_ASSIGN(warehouse.name, row.Text(1));
  MORAINE_ASSIGN(warehouse.root, row.Text(2));
  MORAINE_ASSIGN(auto storage, row.Text(3));
  MORAINE_ASSIGN(auto json, Json::Parse(storage));
  JsonCursor cursor(json);
  MORAINE_ASSIGN(auto allowed, cursor.Get("allowed-locations"));
  for (size_t i = 0; i < allowed.size(); ++i) {
    MORAINE_ASSIGN(auto location, allowed.At(i).String());
    warehouse.allowed_locations.push_back(std::move(location));
  }
  MORAINE_ASSIGN(auto defaults, row.Text(4));
  MORAINE_ASSIGN(warehouse.defaults, PropertiesFromText(defaults));
  MORAINE_ASSIGN(auto overrides, row.Text(5));
  MORAINE_ASSIGN(warehouse.overrides, PropertiesFromText(overrides));
  return warehouse;
}

Result<std::vector<Warehouse>> SelectWarehouses(Transaction& t) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT id, name, root, storage, defaults, overrides FROM warehouse ORDER BY name",
              {}));
  std::vector<Warehouse> warehouses;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto warehouse, WarehouseFromRow(row));
    warehouses.push_back(std::move(warehouse));
  }
  return warehouses;
}

std::string StorageToText(const Warehouse& warehouse) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("allowed-locations").BeginArray();
  for (const auto& location : warehouse.allowed_locations) out.String(location);
  out.EndArray().EndObject();
  return text;
}

/// One page of names after the token's, asked for with one more to know whether there is a next.
template <typename Select>
Result<Page<std::string>> PageOfNames(std::string_view listing, const PageRequest& request,
                                      Select&& select) {
  MORAINE_ASSIGN(auto after, ReadToken(listing, request.token));
  size_t size = std::min(std::max<size_t>(1, request.size), kMaxPage);
  MORAINE_ASSIGN(auto rows, select(after, static_cast<int64_t>(size + 1)));
  Page<std::string> page;
  for (const auto& row : rows) {
    if (page.items.size() == size) {
      page.next_token = MakeToken(listing, page.items.back());
      break;
    }
    MORAINE_ASSIGN(auto name, row.Text(0));
    page.items.push_back(std::move(name));
  }
  return page;
}

}  // namespace

Catalog::Catalog(store::Database& database, io::FileSystem& files, CatalogOptions options)
    : state_(std::make_unique<State>(database, files, options)) {}
Catalog::~Catalog() = default;

Status Catalog::Open(Call& call) {
  return store::Migrate(call, state_->database, "catalog", Migrations());
}

Status Catalog::PutWarehouse(Call& call, const Warehouse& warehouse) {
  Warehouse put = warehouse;
  MORAINE_ASSIGN(put.root, io::NormalizeLocation(warehouse.root));
  put.allowed_locations = {put.root};
  for (const auto& location : warehouse.allowed_locations) {
    MORAINE_ASSIGN(auto normal, io::NormalizeLocation(location));
    if (normal != put.root) put.allowed_locations.push_back(std::move(normal));
  }
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto rows, t.Query("SELECT id FROM warehouse WHERE name = ?", {put.name}));
    std::vector<store::Value> values = {put.root, StorageToText(put),
                                        PropertiesToText(put.defaults),
                                        PropertiesToText(put.overrides), put.name};
    std::string_view sql = rows.empty() ? "INSERT INTO warehouse (root, storage, defaults, "
                                          "overrides, name) VALUES (?, ?, ?, ?, ?)"
                                        : "UPDATE warehouse SET root = ?, storage = ?, defaults = "
                                          "?, overrides = ? WHERE name = ?";
    return t.Execute(sql, values).status();
  }));
  std::lock_guard lock(state_->mutex);
  state_->warehouses.clear();
  return {};
}

Result<std::vector<Warehouse>> Catalog::Warehouses(Call& call) {
  return RunFor(call, state_->database, Access::kRead, SelectWarehouses);
}

Result<Warehouse> Catalog::State::FindWarehouse(Call& call, const std::string& name) {
  {
    std::lock_guard lock(mutex);
    auto found = warehouses.find(name);
    if (found != warehouses.end()) return found->second;
  }
  MORAINE_ASSIGN(auto all, RunFor(call, database, Access::kRead, SelectWarehouses));
  std::lock_guard lock(mutex);
  for (auto& warehouse : all) warehouses[warehouse.name] = warehouse;
  auto found = warehouses.find(name);
  if (found == warehouses.end())
    return NotFound(fmt::format("{}{}", kNoWarehouse, name.substr(0, 200)));
  return found->second;
}

Result<Warehouse> Catalog::FindWarehouse(Call& call, const std::string& name) {
  return state_->FindWarehouse(call, name);
}

Status Catalog::CreateNamespace(Call& call, const std::string& warehouse, const NamespaceName& name,
                                const iceberg::StringMap& properties) {
  MORAINE_TRY(CheckNamespaceName(name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  if (auto location = properties.find("location"); location != properties.end()) {
    MORAINE_TRY(CheckAllowed(home, "location", location->second));
  }
  int64_t now_ms = ToMillis(call.clock().Wall());
  return state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto existing, FindNamespace(t, home.id, name));
    if (existing) return AlreadyExists(fmt::format("Namespace already exists: {}", ToText(name)));
    int64_t parent_id = 0;
    if (name.size() > 1) {
      MORAINE_ASSIGN(auto parent,
                     GetNamespace(t, home.id, NamespaceName(name.begin(), name.end() - 1)));
      parent_id = parent.id;
    }
    return t
        .Execute(
            "INSERT INTO namespace (warehouse_id, parent_id, name, path_key, properties, "
            "created_ms, updated_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            {home.id, parent_id, name.back(), PathKey(name), PropertiesToText(properties), now_ms,
             now_ms})
        .status();
  });
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
  return RunFor(
      call, state_->database, Access::kWrite, [&](Transaction& t) -> Result<PropertyChanges> {
        MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, name));
        PropertyChanges changes;
        for (const auto& key : removals) {
          (row.properties.erase(key) > 0 ? changes.removed : changes.missing).push_back(key);
        }
        for (const auto& [key, value] : updates) {
          row.properties[key] = value;
          changes.updated.push_back(key);
        }
        MORAINE_TRY(t.Execute("UPDATE namespace SET properties = ?, updated_ms = ? WHERE id = ?",
                              {PropertiesToText(row.properties), now_ms, row.id}));
        return changes;
      });
}

Status Catalog::DropNamespace(Call& call, const std::string& warehouse, const NamespaceName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  return state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
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
      return Conflict(fmt::format("{}{}", kNamespaceNotEmpty, ToText(name)));
    return t.Execute("DELETE FROM namespace WHERE id = ?", {row.id}).status();
  });
}

Result<Page<TableName>> Catalog::ListTables(Call& call, const std::string& warehouse,
                                            const NamespaceName& ns, const PageRequest& page) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  return RunFor(
      call, state_->database, Access::kRead, [&](Transaction& t) -> Result<Page<TableName>> {
        MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, ns));
        MORAINE_ASSIGN(auto names,
                       PageOfNames("tables:" + PathKey(ns), page,
                                   [&](const std::string& after, int64_t limit) {
                                     return t.Query(
                                         "SELECT name FROM tabular WHERE namespace_id = ? AND "
                                         "deleted_at = 0 AND kind = 'table' AND name > ?"
                                         " ORDER BY name LIMIT ?",
                                         {row.id, after, limit});
                                   }));
        Page<TableName> result;
        result.next_token = names.next_token;
        for (auto& name : names.items) result.items.push_back({ns, std::move(name)});
        return result;
      });
}

Result<LoadedTablePtr> Catalog::State::Load(Call& call, const TableRow& row) {
  CachedMetadata cached = cache.Find(row.metadata_location);
  if (cached.metadata == nullptr) {
    auto bytes = io::ReadFile(call, files, row.metadata_location, options.max_metadata_bytes);
    if (bytes.status().code() == Code::kNotFound) {
      return NotFound(fmt::format("{}{}", kNoMetadataFile, row.metadata_location));
    }
    MORAINE_TRY(bytes.status());
    if (bytes->starts_with("\x1f\x8b")) {
      MORAINE_ASSIGN(bytes,
                     GzipDecompress(*bytes, static_cast<size_t>(options.max_metadata_bytes)));
    }
    auto metadata = iceberg::TableMetadataFromJson(*bytes);
    if (!metadata.ok()) {
      Code code =
          metadata.status().code() == Code::kUnsupported ? Code::kUnsupported : Code::kCorruption;
      return std::move(metadata).status().WithCode(code).Annotate("while reading " +
                                                                  row.metadata_location);
    }
    cached.json = std::make_shared<const std::string>(std::move(*bytes));
    cached.metadata = std::make_shared<const iceberg::TableMetadata>(std::move(*metadata));
    cache.Put(row.metadata_location, cached);
  }
  auto table = std::make_shared<LoadedTable>();
  table->table_id = row.id;
  table->version = row.version;
  table->warehouse = row.warehouse;
  table->name = row.name;
  table->origin = row.origin;
  table->metadata_location = row.metadata_location;
  table->metadata_json = cached.json;
  table->metadata = cached.metadata;
  return LoadedTablePtr(std::move(table));
}

Result<LoadedTablePtr> Catalog::Load(Call& call, const std::string& warehouse,
                                     const TableName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto row, RunFor(call, state_->database, Access::kRead,
                                  [&](Transaction& t) { return FindTable(t, home.id, name); }));
  if (!row) return NoTable(name);
  return state_->Load(call, *row);
}

Result<LoadedTablePtr> Catalog::LoadById(Call& call, int64_t table_id) {
  MORAINE_ASSIGN(auto row, RunFor(call, state_->database, Access::kRead,
                                  [&](Transaction& t) { return FindTableById(t, table_id); }));
  if (!row) return NotFound(fmt::format("{}number {}", kNoTable, table_id));
  return state_->Load(call, *row);
}

Status Catalog::Rename(Call& call, const std::string& warehouse, const TableName& from,
                       const TableName& to) {
  MORAINE_TRY(CheckName("destination.name", to.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, FindTable(t, home.id, from));
    if (!row) return NoTable(from);
    MORAINE_ASSIGN(auto target, GetNamespace(t, home.id, to.ns));
    MORAINE_ASSIGN(auto taken, FindTable(t, home.id, to));
    if (taken && taken->id != row->id)
      return AlreadyExists(fmt::format("Table already exists: {}", ToText(to)));
    MORAINE_TRY(
        t.Execute("UPDATE tabular SET namespace_id = ?, name = ?, version = version + 1, "
                  "updated_ms = ?, updated_by = ? WHERE id = ?",
                  {target.id, to.name, now_ms, call.principal(), row->id}));
    return AddChange(t, "rename", row->id, row->version + 1, row->current_snapshot_id, now_ms,
                     "{}");
  }));
  return state_->Announce();
}

Status Catalog::Drop(Call& call, const std::string& warehouse, const TableName& name, Purge purge) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, FindTable(t, home.id, name));
    if (!row) return NoTable(name);
    std::string detail;
    JsonWriter(&detail)
        .BeginObject()
        .Field("name", ToText(name))
        .Field("metadata-location", row->metadata_location)
        .Field("purge-requested", purge == Purge::kRequested)
        .EndObject();
    MORAINE_TRY(t.Execute("DELETE FROM tabular WHERE id = ?", {row->id}));
    MORAINE_TRY(t.Execute("DELETE FROM metrics_report WHERE table_id = ?", {row->id}));
    return AddChange(t, "drop", row->id, row->version + 1, row->current_snapshot_id, now_ms,
                     detail);
  }));
  return state_->Announce();
}

Status Catalog::ReportMetrics(Call& call, const std::string& warehouse, const TableName& name,
                              const std::string& report) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  return state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, FindTable(t, home.id, name));
    if (!row) return NoTable(name);
    MORAINE_TRY(
        t.Execute("INSERT INTO metrics_report (table_id, reported_ms, report) VALUES (?, ?, ?)",
                  {row->id, now_ms, report}));
    return t
        .Execute(
            "DELETE FROM metrics_report WHERE table_id = ? AND id <= (SELECT id FROM metrics_report"
            " WHERE table_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            {row->id, row->id, kKeptReports})
        .status();
  });
}

Result<Page<TableSummary>> Catalog::AllTables(Call& call, const PageRequest& page) {
  constexpr std::string_view kListing = "all-tables";
  MORAINE_ASSIGN(auto after, ReadToken(kListing, page.token));
  int64_t after_id = 0;
  if (!after.empty()) {
    auto parsed = ParseInt64(after);
    if (!parsed.ok()) return InvalidArgument("pageToken: not a token of this listing");
    after_id = *parsed;
  }
  size_t size = std::min(std::max<size_t>(1, page.size), kMaxPage);
  MORAINE_ASSIGN(auto rows, RunFor(call, state_->database, Access::kRead, [&](Transaction& t) {
                   return TablesAfter(t, after_id, size + 1);
                 }));
  Page<TableSummary> result;
  for (const auto& row : rows) {
    if (result.items.size() == size) {
      result.next_token = MakeToken(kListing, std::to_string(result.items.back().table_id));
      break;
    }
    result.items.push_back({row.id, row.warehouse, row.name, row.version,
                            static_cast<int>(row.format_version), row.current_snapshot_id,
                            row.metadata_location, row.origin});
  }
  return result;
}

Result<std::vector<TableChange>> Catalog::Changes(Call& call, int64_t after_feed_seq,
                                                  size_t limit) {
  return RunFor(call, state_->database, Access::kRead,
                [&](Transaction& t) -> Result<std::vector<TableChange>> {
                  MORAINE_ASSIGN(auto rows,
                                 t.Query("SELECT feed_seq, table_id, kind, version, snapshot_id, "
                                         "changed_ms FROM table_change WHERE feed_seq > ?"
                                         " ORDER BY feed_seq LIMIT ?",
                                         {after_feed_seq, static_cast<int64_t>(limit)}));
                  std::vector<TableChange> changes;
                  for (const auto& row : rows) {
                    TableChange change;
                    MORAINE_ASSIGN(change.feed_seq, row.Int(0));
                    MORAINE_ASSIGN(change.table_id, row.Int(1));
                    MORAINE_ASSIGN(change.kind, row.Text(2));
                    MORAINE_ASSIGN(change.version, row.Int(3));
                    MORAINE_ASSIGN(change.snapshot_id, row.Int(4));
                    MORAINE_ASSIGN(change.changed_ms, row.Int(5));
                    changes.push_back(std::move(change));
                  }
                  return changes;
                });
}

void Catalog::OnChange(std::function<void()> listener) {
  std::lock_guard lock(state_->mutex);
  state_->listeners.push_back(std::move(listener));
}

Status Catalog::State::Announce() {
  std::vector<std::function<void()>> called;
  {
    std::lock_guard lock(mutex);
    called = listeners;
  }
  for (const auto& listener : called) listener();
  return {};
}

}  // namespace moraine::catalog
