#pragma once
// One file system over the storages of all warehouses: a location leads to the warehouse that
// allows it, with that warehouse's keys, and to no other place. Follows the directory, so that a
// new or changed warehouse is reached without a restart. Made by the server before its catalog.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "moraine/catalog/warehouse.h"
#include "moraine/io/file_system.h"

namespace moraine::catalog {

/// Files of one warehouse alone, fenced by its locations. Errors: InvalidArgument for settings of
/// its storage.
Result<std::unique_ptr<io::FileSystem>> OpenWarehouseFiles(const Warehouse& warehouse);

/// Whether files can be made at the warehouse's root; makes the folder. Errors: InvalidArgument
/// that says what the storage said.
Status ProbeWarehouse(Call& call, io::FileSystem& files, const Warehouse& warehouse);

/// Thread-safe.
class WarehouseFiles {
 public:
  enum class Freshness { kBounded, kNow };
  using Source = std::function<Result<WarehousesPtr>(Call&, Freshness)>;

  WarehouseFiles();
  ~WarehouseFiles();
  /// Where the warehouses are asked for; once, before the first file is touched.
  void Follow(Source source);

  /// PermissionDenied for a location that no warehouse allows.
  io::FileSystem& view() { return *view_; }

 private:
  struct Held {
    Warehouse warehouse;
    std::shared_ptr<io::FileSystem> files;
    Status problem;  ///< of its settings; files is null then
  };
  using HeldPtr = std::shared_ptr<const Held>;

  Result<std::shared_ptr<io::FileSystem>> FilesOf(Call& call, const std::string& location);
  /// The one that allows it, or null.
  HeldPtr Find(const WarehousesPtr& warehouses, const std::string& normal);

  Source source_;
  std::mutex mutex_;
  WarehousesPtr followed_;               // under mutex_
  std::map<std::string, HeldPtr> held_;  // under mutex_; by the warehouse's name
  MonoTime looked_again_;                // under mutex_
  std::unique_ptr<io::FileSystem> view_;
};

}  // namespace moraine::catalog
