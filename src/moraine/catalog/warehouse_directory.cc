#include "moraine/catalog/warehouse_directory.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/catalog/rows_internal.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kMaxWarehouses = 10'000;

Result<Warehouse> WarehouseFromRow(const store::Row& row) {
  Warehouse warehouse;
  MORAINE_ASSIGN(warehouse.id, row.Int(0));
  MORAINE_ASSIGN(warehouse.name, row.Text(1));
  MORAINE_ASSIGN(warehouse.root, row.Text(2));
  MORAINE_ASSIGN(auto storage, row.Text(3));
  MORAINE_TRY(StorageFromText(storage, &warehouse));
  MORAINE_ASSIGN(auto defaults, row.Text(4));
  MORAINE_ASSIGN(warehouse.defaults, PropertiesFromText(defaults));
  MORAINE_ASSIGN(auto overrides, row.Text(5));
  MORAINE_ASSIGN(warehouse.overrides, PropertiesFromText(overrides));
  return warehouse;
}

Result<Warehouses> SelectWarehouses(Transaction& t) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT id, name, root, storage, defaults, overrides FROM warehouse ORDER BY name",
              {}, kMaxWarehouses));
  Warehouses warehouses;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto warehouse, WarehouseFromRow(row));
    warehouses.push_back(std::move(warehouse));
  }
  return warehouses;
}

const Warehouse* FindIn(const Warehouses& warehouses, const std::string& name) {
  auto found = std::find_if(warehouses.begin(), warehouses.end(),
                            [&](const Warehouse& each) { return each.name == name; });
  return found == warehouses.end() ? nullptr : &*found;
}

Status NoWarehouse(const std::string& name) {
  return NotFound(fmt::format("{}{}", kNoWarehouse, name.substr(0, 200)));
}

Status OfSettings(const std::string& name) {
  return Conflict(fmt::format(
      "the warehouse {} is kept by the server's settings (warehouse.*, s3.*): change it there",
      name));
}

Status CheckPut(const Warehouses& all, const Warehouse& warehouse, WarehouseDirectory::Put put) {
  using Put = WarehouseDirectory::Put;
  const Warehouse* existing = FindIn(all, warehouse.name);
  if (put == Put::kNew && existing != nullptr)
    return AlreadyExists(fmt::format("Warehouse already exists: {}", warehouse.name));
  if (put == Put::kExisting && existing == nullptr) return NoWarehouse(warehouse.name);
  if (put != Put::kAny && existing != nullptr && existing->from_settings)
    return OfSettings(warehouse.name);
  for (const auto& other : all) {
    if (other.name == warehouse.name || !Overlap(other, warehouse)) continue;
    return Conflict(fmt::format("the locations of the warehouse {} overlap those of {} ({})",
                                warehouse.name, other.name, other.root));
  }
  return {};
}

Status WriteRow(Transaction& t, const Warehouse& warehouse, bool is_new) {
  std::string_view sql = is_new ? "INSERT INTO warehouse (root, storage, defaults, overrides, "
                                  "name) VALUES (?, ?, ?, ?, ?)"
                                : "UPDATE warehouse SET root = ?, storage = ?, defaults = ?, "
                                  "overrides = ? WHERE name = ?";
  return t
      .Execute(sql, {warehouse.root, StorageToText(warehouse), PropertiesToText(warehouse.defaults),
                     PropertiesToText(warehouse.overrides), warehouse.name})
      .status();
}

}  // namespace

WarehousesPtr WarehouseDirectory::KnownOrReadIt(MonoTime now) {
  std::lock_guard lock(mutex_);
  if (known_ == nullptr) return nullptr;
  auto age = now - read_at_;
  if (age <= max_age_ || (is_being_read_ && age <= 2 * max_age_)) return known_;
  is_being_read_ = true;
  return nullptr;
}

WarehousesPtr WarehouseDirectory::Take(Warehouses read, MonoTime at, uint64_t writes) {
  std::lock_guard lock(mutex_);
  for (auto& warehouse : read) {
    auto local = local_.find(warehouse.name);
    if (!warehouse.from_settings || local == local_.end()) continue;
    warehouse.storage = local->second.storage;
    warehouse.clients = local->second.clients;
  }
  // The same again keeps its place in memory: who follows sees that nothing changed.
  bool is_same = known_ != nullptr && *known_ == read;
  auto taken = is_same ? known_ : std::make_shared<const Warehouses>(std::move(read));
  if (writes != writes_ || (known_ != nullptr && at < read_at_)) return taken;
  known_ = taken;
  read_at_ = at;
  return taken;
}

void WarehouseDirectory::Forget() {
  std::lock_guard lock(mutex_);
  ++writes_;
  known_ = nullptr;
}

Result<WarehousesPtr> WarehouseDirectory::Reread(Call& call) {
  MonoTime at = call.clock().Mono();
  uint64_t writes = 0;
  {
    std::lock_guard lock(mutex_);
    writes = writes_;
  }
  MORAINE_ASSIGN(auto read, RunFor(call, database_, Access::kRead, SelectWarehouses));
  return Take(std::move(read), at, writes);
}

Result<WarehousesPtr> WarehouseDirectory::Current(Call& call) {
  if (auto known = KnownOrReadIt(call.clock().Mono())) return known;
  auto read = Reread(call);
  std::lock_guard lock(mutex_);
  is_being_read_ = false;
  return read;
}

Result<Warehouse> WarehouseDirectory::Find(Call& call, const std::string& name) {
  MORAINE_ASSIGN(auto known, Current(call));
  if (const Warehouse* found = FindIn(*known, name)) return *found;
  MORAINE_ASSIGN(known, Reread(call));
  if (const Warehouse* found = FindIn(*known, name)) return *found;
  return NoWarehouse(name);
}

Status WarehouseDirectory::Write(Call& call, const Warehouse& warehouse, Put put) {
  MORAINE_ASSIGN(auto checked, CheckedWarehouse(warehouse));
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto all, SelectWarehouses(t));
    MORAINE_TRY(CheckPut(all, checked, put));
    return WriteRow(t, checked, FindIn(all, checked.name) == nullptr);
  }));
  if (checked.from_settings) {
    std::lock_guard lock(mutex_);
    local_[checked.name] = checked;
  }
  Forget();
  return {};
}

Status WarehouseDirectory::Drop(Call& call, const std::string& name) {
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto all, SelectWarehouses(t));
    const Warehouse* found = FindIn(all, name);
    if (found == nullptr) return NoWarehouse(name);
    if (found->from_settings) return OfSettings(name);
    MORAINE_ASSIGN(auto inside,
                   t.Query("SELECT id FROM namespace WHERE warehouse_id = ? LIMIT 1", {found->id}));
    if (!inside.empty())
      return Conflict(fmt::format("Warehouse {}: there are namespaces in it", name));
    return t.Execute("DELETE FROM warehouse WHERE id = ?", {found->id}).status();
  }));
  Forget();
  return {};
}

}  // namespace moraine::catalog
