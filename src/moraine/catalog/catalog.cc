// The catalog's life and its warehouses.

#include "moraine/catalog/catalog.h"

#include "moraine/catalog/blockers.h"
#include "moraine/catalog/lifecycle_schema.h"
#include "moraine/catalog/purges.h"
#include "moraine/catalog/scan_usage_rows.h"
#include "moraine/catalog/schema.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {

using store::Access;
using store::RunFor;
using store::Transaction;

Catalog::Catalog(store::Database& database, io::FileSystem& files, CatalogOptions options)
    : state_(std::make_unique<State>(database, files, options)) {}
Catalog::~Catalog() = default;

Status Catalog::Open(Call& call) {
  MORAINE_TRY(store::Migrate(call, state_->database, "catalog", Migrations()));
  MORAINE_TRY(store::Migrate(call, state_->database, "lifecycle", LifecycleMigrations()));
  MORAINE_TRY(store::Migrate(call, state_->database, "scan usage", ScanUsageMigrations()));
  MORAINE_TRY(store::Migrate(call, state_->database, "purges", PurgeMigrations()));
  MORAINE_ASSIGN(bool alone, state_->database.Observe(call, state_->live));
  if (alone) state_->live->Begin();
  state_->checks.Begin(call.env());
  MORAINE_TRY(Blockers(state_->database).Open(call));
  state_->clock = &call.clock();
  return state_->keys.Open(call);
}

Status Catalog::PutWarehouse(Call& call, const Warehouse& warehouse) {
  return state_->warehouses.Write(call, warehouse, WarehouseDirectory::Put::kAny);
}
Status Catalog::CreateWarehouse(Call& call, const Warehouse& warehouse) {
  return state_->warehouses.Write(call, warehouse, WarehouseDirectory::Put::kNew);
}
Status Catalog::UpdateWarehouse(Call& call, const Warehouse& warehouse) {
  return state_->warehouses.Write(call, warehouse, WarehouseDirectory::Put::kExisting);
}
Status Catalog::DropWarehouse(Call& call, const std::string& name) {
  return state_->warehouses.Drop(call, name);
}

Result<std::vector<Warehouse>> Catalog::Warehouses(Call& call) {
  MORAINE_ASSIGN(auto all, state_->warehouses.Reread(call));
  return *all;
}

Result<WarehousesPtr> Catalog::CurrentWarehouses(Call& call) {
  return state_->warehouses.Current(call);
}

Catalog::WarehousesNow Catalog::KnownWarehouses() {
  if (state_->clock == nullptr) return {};
  return {state_->warehouses.Known(state_->clock->Mono()), ToMillis(state_->clock->Wall())};
}

Result<Warehouse> Catalog::State::FindWarehouse(Call& call, const std::string& name) {
  return warehouses.Find(call, name);
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
