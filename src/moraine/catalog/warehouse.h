#pragma once
// A warehouse: where its tables lie, how that place is reached, what its clients are told. A row of
// the store (column storage holds all but defaults and overrides), or the one that the server's own
// settings describe, whose keys stay out of the store. Keys never go into logs or answers other
// than those of storage_access.h; RedactStorage hides them.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::catalog {

/// What clients that ask for access get (REST spec, X-Iceberg-Access-Delegation).
struct ClientAccess {
  bool send_credentials = false;   ///< keys of the store
  iceberg::StringMap credentials;  ///< these, where set, instead of the server's own
  bool remote_signing = false;     ///< their requests to the store are signed by the server
  bool operator==(const ClientAccess&) const = default;
};

struct Warehouse {
  int64_t id = 0;
  std::string name;
  std::string root;                            ///< normalised location
  std::vector<std::string> allowed_locations;  ///< root and what the config adds
  iceberg::StringMap defaults;   ///< sent by config; "table-default.X" goes into new tables
  iceberg::StringMap overrides;  ///< likewise, with "table-override.X"
  /// How the server reaches the files: "s3.endpoint", "s3.secret-access-key", ... Empty for local
  /// ones.
  iceberg::StringMap storage = {};
  ClientAccess clients = {};
  /// Described by the server's settings: storage and clients are not in the store then, and the
  /// management API does not change it.
  bool from_settings = false;

  bool operator==(const Warehouse&) const = default;
};

using Warehouses = std::vector<Warehouse>;
using WarehousesPtr = std::shared_ptr<const Warehouses>;

/// The location, normalised: on this machine, on what is mounted there, or in a store. Errors:
/// InvalidArgument that begins with `what`, for a place where no files can be kept.
Result<std::string> CheckedLocation(std::string_view what, const std::string& location);

/// The warehouse with its locations normalised, the root first among the allowed ones. Errors:
/// InvalidArgument naming the field, for a name that can't stand in a path, a location where no
/// files can be kept, a storage setting that is unknown or wrong, keys among what every client is
/// told.
Result<Warehouse> CheckedWarehouse(Warehouse warehouse);

/// Whether some place of the two is the same, or one inside the other: then nobody could tell
/// whose keys lead there.
bool Overlap(const Warehouse& a, const Warehouse& b);

/// Column "storage" of the store.
std::string StorageToText(const Warehouse& warehouse);
Status StorageFromText(const std::string& text, Warehouse* warehouse);

/// Whether a property's value must not be shown.
bool IsSecretProperty(std::string_view key);
/// The properties with "(hidden)" for every secret.
iceberg::StringMap RedactStorage(const iceberg::StringMap& properties);

/// Where the store is, as any client may know: endpoint, region, addressing. No keys.
iceberg::StringMap StorageHints(const Warehouse& warehouse);
/// What config tells clients as defaults: the hints, and the warehouse's own over them.
iceberg::StringMap ConfigDefaults(const Warehouse& warehouse);

/// What an optimizer process is told to reach the warehouse's files: nothing for local ones,
/// nothing that names a file of this machine.
enum class StorageKeys { kWith, kWithout };
iceberg::StringMap StorageForOptimizers(const Warehouse& warehouse, StorageKeys keys);

/// Puts "table-default.X" under, and "table-override.X" over, the properties of a new table.
void ApplyTableProperties(const Warehouse& warehouse, iceberg::StringMap* properties);

}  // namespace moraine::catalog
