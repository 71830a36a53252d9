#pragma once
// The warehouses as the store has them, kept in memory for a moment: a name that is not known is
// looked up again at once, and what is known is read again when it is older than the bound, so that
// a warehouse that another server makes or changes is seen here without a restart. Used by the
// catalog and its file systems.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/catalog/warehouse.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

/// Thread-safe. All calls that may read the store stay outside of transactions.
class WarehouseDirectory {
 public:
  WarehouseDirectory(store::Database& database, Millis max_age)
      : database_(database), max_age_(max_age) {}

  /// NotFound, after a look into the store, if there is none.
  Result<Warehouse> Find(Call& call, const std::string& name);
  /// All by name, about max_age old at most. Errors: those of the store.
  Result<WarehousesPtr> Current(Call& call);
  /// The same from memory; null where the store has to be asked. Does not block. As long as none
  /// changes it is the same object.
  WarehousesPtr Known(MonoTime now);
  /// All by name, as they are now.
  Result<WarehousesPtr> Reread(Call& call);

  enum class Put { kAny, kNew, kExisting };
  /// Checks and writes one. Errors: InvalidArgument; Conflict for places that overlap another's,
  /// for one of the settings that is not written as such, and, of an existing one, where a table
  /// would be left outside of the places; AlreadyExists, NotFound as asked for.
  Status Write(Call& call, const Warehouse& warehouse, Put put);
  /// Errors: NotFound, Conflict while there are namespaces in it, or for one of the settings.
  Status Drop(Call& call, const std::string& name);

 private:
  /// Null for who shall read; others take what is known meanwhile.
  WarehousesPtr KnownOrReadIt(MonoTime now);
  /// With mutex_: whether what is known may be used.
  bool IsFresh(MonoTime now) const;
  /// What was read counts, unless it was written here meanwhile.
  WarehousesPtr Take(Warehouses read, MonoTime at, uint64_t writes);
  void Forget();

  store::Database& database_;
  const Millis max_age_;
  std::mutex mutex_;
  WarehousesPtr known_;                     // under mutex_
  MonoTime read_at_;                        // under mutex_
  uint64_t writes_ = 0;                     // under mutex_; that were made here
  bool is_being_read_ = false;              // under mutex_; because it is old
  std::map<std::string, Warehouse> local_;  // under mutex_; of the settings, with their keys
};

/// As the store has it at this moment, without the keys of the settings; nothing: it is gone.
Result<std::optional<Warehouse>> WarehouseInStore(store::Transaction& t, int64_t warehouse_id);

}  // namespace moraine::catalog
