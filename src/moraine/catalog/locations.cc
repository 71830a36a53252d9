#include "moraine/catalog/locations.h"

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

constexpr size_t kMaxPathBytes = 200;
constexpr size_t kUuidCharacters = 8;
constexpr const char* kPathProperties[] = {"write.data.path", "write.metadata.path",
                                           "write.folder-storage.path",
                                           "write.object-storage.path"};

/// One path part: no slash, no dot-dot, nothing that a shell or URI reads in its own way.
std::string SafePart(std::string_view name) {
  std::string part = PercentEncode(name);
  if (part == "." || part == "..") part = fmt::format("%2E{}", part.substr(1));
  return part;
}

}  // namespace

std::string DefaultLocation(std::string_view base, const TableName& name, std::string_view uuid) {
  std::string path;
  for (const auto& level : name.ns) path += SafePart(level) + "/";
  path += SafePart(name.name);
  if (path.size() > kMaxPathBytes) {
    path.resize(kMaxPathBytes);
    // Not in the middle of an escape, and not with an empty last part.
    while (!path.empty() && (path.back() == '/' ||
                             path.find('%', path.size() < 2 ? 0 : path.size() - 2) != path.npos)) {
      path.pop_back();
    }
  }
  return io::JoinLocation(base, path + "-" + std::string(uuid.substr(0, kUuidCharacters)));
}

Status CheckAllowed(const Warehouse& warehouse, std::string_view what, std::string_view location) {
  for (const auto& allowed : warehouse.allowed_locations) {
    if (io::IsInside(location, allowed)) return {};
  }
  return InvalidArgument(fmt::format("{}: {} is outside the locations that the warehouse {} allows",
                                     what, location.substr(0, 500), warehouse.name));
}

Status CheckPropertyLocations(const Warehouse& warehouse, const iceberg::StringMap& properties) {
  for (const char* key : kPathProperties) {
    auto found = properties.find(key);
    if (found != properties.end()) MORAINE_TRY(CheckAllowed(warehouse, key, found->second));
  }
  return {};
}

namespace {

Status CheckSnapshot(const Warehouse& warehouse, const iceberg::Snapshot& snapshot) {
  if (!snapshot.manifest_list.empty()) {
    MORAINE_TRY(CheckAllowed(warehouse, "manifest-list", snapshot.manifest_list));
  }
  for (const auto& manifest : snapshot.manifests)
    MORAINE_TRY(CheckAllowed(warehouse, "manifests", manifest));
  return {};
}

}  // namespace

Status CheckUpdateLocations(const Warehouse& warehouse,
                            const std::vector<iceberg::TableUpdate>& updates) {
  namespace update = iceberg::update;
  for (const auto& change : updates) {
    if (auto* u = std::get_if<update::AddSnapshot>(&change))
      MORAINE_TRY(CheckSnapshot(warehouse, u->snapshot));
    if (auto* u = std::get_if<update::SetLocation>(&change)) {
      MORAINE_TRY(CheckAllowed(warehouse, "location", u->location));
    }
    if (auto* u = std::get_if<update::SetProperties>(&change)) {
      MORAINE_TRY(CheckPropertyLocations(warehouse, u->properties));
    }
    if (auto* u = std::get_if<update::SetStatistics>(&change)) {
      MORAINE_TRY(CheckAllowed(warehouse, "statistics-path", u->statistics.statistics_path));
    }
    if (auto* u = std::get_if<update::SetPartitionStatistics>(&change)) {
      MORAINE_TRY(CheckAllowed(warehouse, "statistics-path", u->statistics.statistics_path));
    }
  }
  return {};
}

Status CheckMetadataLocations(const Warehouse& warehouse, const iceberg::TableMetadata& metadata) {
  MORAINE_TRY(CheckAllowed(warehouse, "location", metadata.location));
  MORAINE_TRY(CheckPropertyLocations(warehouse, metadata.properties));
  for (const auto& snapshot : metadata.snapshots) MORAINE_TRY(CheckSnapshot(warehouse, *snapshot));
  for (const auto& entry : metadata.metadata_log) {
    MORAINE_TRY(CheckAllowed(warehouse, "metadata-log", entry.metadata_file));
  }
  for (const auto& file : metadata.statistics) {
    MORAINE_TRY(CheckAllowed(warehouse, "statistics-path", file.statistics_path));
  }
  for (const auto& file : metadata.partition_statistics) {
    MORAINE_TRY(CheckAllowed(warehouse, "statistics-path", file.statistics_path));
  }
  return {};
}

std::vector<std::string> Ancestors(std::string_view location) {
  std::vector<std::string> ancestors;
  size_t scheme_end = location.find("://");
  size_t first = scheme_end == location.npos ? 0 : scheme_end + 3;
  for (size_t at = location.rfind('/'); at != location.npos && at > first;
       at = location.rfind('/', at - 1)) {
    ancestors.emplace_back(location.substr(0, at));
  }
  return ancestors;
}

}  // namespace moraine::catalog
