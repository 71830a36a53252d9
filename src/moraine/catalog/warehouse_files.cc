#include "moraine/catalog/warehouse_files.h"

#include <span>
#include <utility>

#include <fmt/format.h>

#include "moraine/io/allowed.h"
#include "moraine/io/cloud_location.h"
#include "moraine/io/current_files.h"
#include "moraine/io/location.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/io/s3_location.h"

namespace moraine::catalog {
namespace {

constexpr std::chrono::seconds kProbeLimit{30};
/// A location that nobody allows makes us look into the store at most this often.
constexpr std::chrono::milliseconds kLookAgainAfter{200};

/// A store is asked nothing before a file is closed.
Status WriteAndDelete(Call& call, io::FileSystem& files, const std::string& probe) {
  Call part(call, kProbeLimit);
  MORAINE_TRY(io::WriteFile(part, files, probe, "moraine"));
  return files.DeleteMany(part, std::span(&probe, 1)).front();
}

bool Allows(const Warehouse& warehouse, const std::string& normal) {
  for (const auto& allowed : warehouse.allowed_locations) {
    if (io::IsInside(normal, allowed)) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<io::FileSystem>> OpenWarehouseFiles(const Warehouse& warehouse) {
  MORAINE_ASSIGN(auto files, io::MakeFileSystemFor(warehouse.allowed_locations, warehouse.storage));
  return io::MakeRestrictedFileSystem(std::move(files), warehouse.allowed_locations);
}

Status ProbeWarehouse(Call& call, io::FileSystem& files, const Warehouse& warehouse) {
  std::string probe = io::JoinLocation(warehouse.root, "moraine-probe-" + MakeUuid(call.random()));
  // On this machine a file that is begun and never closed leaves nothing but its folder.
  bool in_store = io::IsS3Location(warehouse.root) || io::CloudStoreOf(warehouse.root);
  Status made = in_store ? WriteAndDelete(call, files, probe) : files.Create(call, probe).status();
  if (made.ok()) return {};
  return InvalidArgument(fmt::format("warehouse.root: no files can be kept at '{}': {}",
                                     warehouse.root, made.message()));
}

WarehouseFiles::WarehouseFiles()
    : view_(io::MakeCurrentFileSystem(
          [this](Call& call, const std::string& location) { return FilesOf(call, location); })) {}
WarehouseFiles::~WarehouseFiles() = default;

void WarehouseFiles::Follow(Source source) { source_ = std::move(source); }

WarehouseFiles::HeldPtr WarehouseFiles::Find(const WarehousesPtr& warehouses,
                                             const std::string& normal) {
  std::map<std::string, HeldPtr> old;  // ends after the lock
  std::lock_guard lock(mutex_);
  if (followed_ != warehouses) {
    old.swap(held_);
    for (const auto& warehouse : *warehouses) {
      auto before = old.find(warehouse.name);
      if (before != old.end() && before->second->warehouse == warehouse) {
        held_[warehouse.name] = before->second;
        continue;
      }
      auto files = OpenWarehouseFiles(warehouse);
      Held held{warehouse, nullptr, files.status()};
      if (files.ok()) held.files = std::move(*files);
      held_[warehouse.name] = std::make_shared<const Held>(std::move(held));
    }
    followed_ = warehouses;
  }
  for (const auto& [name, held] : held_) {
    if (Allows(held->warehouse, normal)) return held;
  }
  return nullptr;
}

Result<std::shared_ptr<io::FileSystem>> WarehouseFiles::FilesOf(Call& call,
                                                                const std::string& location) {
  MORAINE_ASSIGN(auto normal, io::NormalizeLocation(location));
  auto warehouses = source_(call, Freshness::kBounded);
  if (!warehouses.ok()) {
    // Files are there without the store, too.
    std::lock_guard lock(mutex_);
    if (followed_ != nullptr) warehouses = followed_;
  }
  MORAINE_TRY(warehouses.status());
  HeldPtr held = Find(*warehouses, normal);
  if (held == nullptr) {
    MonoTime now = call.clock().Mono();
    bool look_again = false;
    {
      std::lock_guard lock(mutex_);
      look_again = now - looked_again_ >= kLookAgainAfter;
      if (look_again) looked_again_ = now;
    }
    if (look_again) {
      MORAINE_ASSIGN(auto fresh, source_(call, Freshness::kNow));
      held = Find(fresh, normal);
    }
  }
  if (held == nullptr)
    return PermissionDenied(fmt::format("location is outside the allowed roots: {}", location));
  MORAINE_TRY(held->problem);
  return held->files;
}

}  // namespace moraine::catalog
