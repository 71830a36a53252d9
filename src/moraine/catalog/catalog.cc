// The catalog's life and its warehouses.

#include "moraine/catalog/catalog.h"

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/schema.h"
#include "moraine/catalog/state_internal.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

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

/// Names stand in paths before the protocol's own words and must not be taken for one of them.
Status CheckWarehouseName(const std::string& name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  constexpr std::string_view kTaken[] = {"config", "namespaces",   "tables",
                                         "views",  "transactions", "oauth"};
  if (name.empty() || name.size() > 100 || name.find_first_not_of(kAllowed) != name.npos) {
    return InvalidArgument(
        fmt::format("warehouse: expected 1 to 100 of A-Z a-z 0-9 _ -, got '{}'", name));
  }
  for (auto word : kTaken) {
    if (name == word) return InvalidArgument(fmt::format("warehouse: the name {} is taken", name));
  }
  return {};
}

std::string StorageToText(const Warehouse& warehouse) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("allowed-locations").BeginArray();
  for (const auto& location : warehouse.allowed_locations) out.String(location);
  out.EndArray().EndObject();
  return text;
}

}  // namespace

Catalog::Catalog(store::Database& database, io::FileSystem& files, CatalogOptions options)
    : state_(std::make_unique<State>(database, files, options)) {}
Catalog::~Catalog() = default;

Status Catalog::Open(Call& call) {
  MORAINE_TRY(store::Migrate(call, state_->database, "catalog", Migrations()));
  MORAINE_ASSIGN(bool alone, state_->database.Observe(call, state_->live));
  if (alone) state_->live->Begin();
  state_->checks.Begin(call.env());
  return state_->keys.Open(call);
}

Status Catalog::PutWarehouse(Call& call, const Warehouse& warehouse) {
  MORAINE_TRY(CheckWarehouseName(warehouse.name));
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

void Catalog::OnChange(std::function<void()> listener) {
  std::lock_guard lock(state_->mutex);
  state_->listeners.push_back(std::move(listener));
}

Status Catalog::State::Mutate(Call& call, const Receipt& receipt, const Note& body) {
  Status done = database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(body(t));
    return keys.Seal(call, t, receipt);
  });
  if (!done.ok() && done.code() != Code::kCommitUnknown) keys.Unseal(call);
  return done;
}

RequestKeys& Catalog::request_keys() { return state_->keys; }

Result<Catalog::MetadataText> Catalog::MetadataOf(Call& call, const Receipt& receipt) {
  auto text = state_->ReadMetadataText(call, receipt.metadata_location);
  if (text.ok()) {
    return MetadataText{receipt.metadata_location,
                        std::make_shared<const std::string>(std::move(*text))};
  }
  if (text.status().code() != Code::kNotFound) return text.status();
  MORAINE_ASSIGN(auto location, RunFor(call, state_->database, Access::kRead, [&](Transaction& t) {
                   return MetadataLocationById(t, receipt.tabular_id);
                 }));
  MORAINE_ASSIGN(auto newer, state_->ReadMetadataText(call, location));
  return MetadataText{location, std::make_shared<const std::string>(std::move(newer))};
}

void Catalog::State::Announce() {
  std::vector<std::function<void()>> called;
  {
    std::lock_guard lock(mutex);
    called = listeners;
  }
  for (const auto& listener : called) listener();
}

}  // namespace moraine::catalog
