#include "moraine/catalog/warehouse_directory.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/catalog/rows_internal.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using store::Value;

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

/// "(c.location = P OR ...)": whether what the column has is P or lies below it.
std::string BelowCondition(const char* column, const std::string& location,
                           std::vector<Value>* values) {
  std::string place = location;
  while (place.ends_with('/')) place.pop_back();  // the root of a scheme
  values->insert(values->end(), {place, place + "/", place + "0"});
  return fmt::format("({0} = ? OR ({0} > ? AND {0} < ?))", column);
}

/// Rows of a table (its namespace, its name, a place of its own) that has something in the location
/// and not in those that are kept. from: with "n", "t" and the column.
Result<std::vector<store::Row>> FindLeftOutside(Transaction& t, const Warehouse& existing,
                                                const Warehouse& next, const std::string& location,
                                                const char* from, const char* column) {
  std::vector<Value> values = {existing.id};
  std::string where = BelowCondition(column, location, &values);
  for (const auto& kept : next.allowed_locations) {
    if (io::IsInside(kept, location)) where += " AND NOT " + BelowCondition(column, kept, &values);
  }
  return t.Query(fmt::format("SELECT n.path_key, t.name, {} FROM {} JOIN namespace n ON n.id = "
                             "t.namespace_id WHERE t.warehouse_id = ? AND t.deleted_at = 0 AND {} "
                             "LIMIT 1",
                             column, from, where),
                 values);
}

/// No table may be left outside: the server would neither read nor keep its files.
Status CheckTablesStayInside(Transaction& t, const Warehouse& existing, const Warehouse& next) {
  for (const auto& location : existing.allowed_locations) {
    bool stays = std::any_of(next.allowed_locations.begin(), next.allowed_locations.end(),
                             [&](const auto& root) { return io::IsInside(location, root); });
    if (stays) continue;
    MORAINE_ASSIGN(auto rows, FindLeftOutside(t, existing, next, location,
                                              "tabular_claim c JOIN tabular t ON t.id = c.table_id",
                                              "c.location"));
    if (rows.empty()) {
      // What was registered may have its metadata elsewhere than its files.
      MORAINE_ASSIGN(
          rows, FindLeftOutside(t, existing, next, location, "tabular t", "t.metadata_location"));
    }
    if (rows.empty()) continue;
    MORAINE_ASSIGN(auto path_key, rows[0].Text(0));
    MORAINE_ASSIGN(auto name, rows[0].Text(1));
    MORAINE_ASSIGN(auto place, rows[0].Text(2));
    return Conflict(fmt::format("allowed-locations: {} must stay, the table {} lies in {}",
                                location, ToText(TableName{FromPathKey(path_key), name}), place));
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

Result<std::optional<Warehouse>> WarehouseInStore(Transaction& t, int64_t warehouse_id) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT id, name, root, storage, defaults, overrides FROM "
                                    "warehouse WHERE id = ?",
                                    {warehouse_id}));
  if (rows.empty()) return std::optional<Warehouse>();
  MORAINE_ASSIGN(auto warehouse, WarehouseFromRow(rows[0]));
  return std::optional<Warehouse>(std::move(warehouse));
}

bool WarehouseDirectory::IsFresh(MonoTime now) const {
  if (known_ == nullptr) return false;
  auto age = now - read_at_;
  return age <= max_age_ || (is_being_read_ && age <= 2 * max_age_);
}

WarehousesPtr WarehouseDirectory::Known(MonoTime now) {
  std::lock_guard lock(mutex_);
  return IsFresh(now) ? known_ : nullptr;
}

WarehousesPtr WarehouseDirectory::KnownOrReadIt(MonoTime now) {
  std::lock_guard lock(mutex_);
  if (IsFresh(now)) return known_;
  if (known_ != nullptr) is_being_read_ = true;
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
    const Warehouse* existing = FindIn(all, checked.name);
    if (existing != nullptr && put == Put::kExisting) {
      MORAINE_TRY(CheckTablesStayInside(t, *existing, checked));
    }
    return WriteRow(t, checked, existing == nullptr);
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
