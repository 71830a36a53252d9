#include "moraine/catalog/locations.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

namespace update = iceberg::update;

constexpr size_t kMaxPathBytes = 200;
constexpr size_t kUuidCharacters = 8;
constexpr size_t kShownBytes = 500;
constexpr const char* kPathProperties[] = {"write.data.path", "write.metadata.path",
                                           "write.folder-storage.path",
                                           "write.object-storage.path"};

/// One path part: no slash, no dot segment, nothing that a shell or URI reads in its own way.
std::string SafePart(std::string_view name) {
  bool dots = name.find_first_not_of('.') == name.npos;
  return PercentEncode(name) + (dots ? "_" : "");
}

/// At most limit bytes, not ending in a slash or within an escape.
std::string CutPath(std::string path, size_t limit) {
  if (path.size() <= limit) return path;
  path.resize(limit);
  size_t escape = path.rfind('%');
  if (escape != path.npos && escape + 3 > path.size()) path.resize(escape);
  while (path.ends_with('/')) path.pop_back();
  return path;
}

void AddFiles(const iceberg::Snapshot& snapshot, std::vector<NamedFile>* files) {
  if (!snapshot.manifest_list.empty()) files->push_back({"manifest-list", snapshot.manifest_list});
  for (const auto& manifest : snapshot.manifests) files->push_back({"manifests", manifest});
}

}  // namespace

std::string DefaultLocation(std::string_view base, const TableName& name, std::string_view uuid) {
  std::string path;
  for (const auto& level : name.ns) path += SafePart(level) + "/";
  path = CutPath(path + SafePart(name.name), kMaxPathBytes);
  return io::JoinLocation(base, path + "-" + std::string(uuid.substr(0, kUuidCharacters)));
}

std::string DefaultLocation(std::string_view root, const NamespaceName& name) {
  std::string path;
  for (const auto& level : name) path += (path.empty() ? "" : "/") + SafePart(level);
  return io::JoinLocation(root, CutPath(std::move(path), kMaxPathBytes));
}

Status CheckAllowed(const Warehouse& warehouse, std::string_view what, std::string_view location) {
  auto normal = io::NormalizeLocation(location);
  if (!normal.ok()) {
    return InvalidArgument(fmt::format("{}: {}", what, normal.status().message()));
  }
  for (const auto& allowed : warehouse.allowed_locations) {
    if (*normal != allowed && io::IsInside(*normal, allowed)) return {};
  }
  return InvalidArgument(fmt::format("{}: {} is outside the locations that the warehouse {} allows",
                                     what, location.substr(0, kShownBytes), warehouse.name));
}

Status CheckPropertyLocations(const Warehouse& warehouse, const iceberg::StringMap& properties) {
  for (const char* key : kPathProperties) {
    auto found = properties.find(key);
    if (found != properties.end()) MORAINE_TRY(CheckAllowed(warehouse, key, found->second));
  }
  return {};
}

std::vector<NamedFile> FilesNamedBy(const std::vector<iceberg::TableUpdate>& updates) {
  std::vector<NamedFile> files;
  for (const auto& change : updates) {
    if (auto* u = std::get_if<update::AddSnapshot>(&change)) AddFiles(u->snapshot, &files);
    if (auto* u = std::get_if<update::SetStatistics>(&change)) {
      files.push_back({"statistics-path", u->statistics.statistics_path});
    }
    if (auto* u = std::get_if<update::SetPartitionStatistics>(&change)) {
      files.push_back({"statistics-path", u->statistics.statistics_path});
    }
  }
  return files;
}

std::vector<NamedFile> FilesNamedBy(const iceberg::TableMetadata& metadata) {
  std::vector<NamedFile> files;
  for (const auto& snapshot : metadata.snapshots) AddFiles(*snapshot, &files);
  for (const auto& file : metadata.statistics) {
    files.push_back({"statistics-path", file.statistics_path});
  }
  for (const auto& file : metadata.partition_statistics) {
    files.push_back({"statistics-path", file.statistics_path});
  }
  return files;
}

Status CheckFiles(const Warehouse& warehouse, const std::vector<NamedFile>& files) {
  for (const auto& file : files) MORAINE_TRY(CheckAllowed(warehouse, file.what, file.location));
  return {};
}

Status CheckUpdateLocations(const Warehouse& warehouse,
                            const std::vector<iceberg::TableUpdate>& updates) {
  MORAINE_TRY(CheckFiles(warehouse, FilesNamedBy(updates)));
  for (const auto& change : updates) {
    if (auto* u = std::get_if<update::SetLocation>(&change)) {
      MORAINE_TRY(CheckAllowed(warehouse, "location", u->location));
    }
    if (auto* u = std::get_if<update::SetProperties>(&change)) {
      MORAINE_TRY(CheckPropertyLocations(warehouse, u->properties));
    }
  }
  return {};
}

Status CheckMetadataLocations(const Warehouse& warehouse, const iceberg::TableMetadata& metadata) {
  MORAINE_TRY(CheckAllowed(warehouse, "location", metadata.location));
  MORAINE_TRY(CheckPropertyLocations(warehouse, metadata.properties));
  MORAINE_TRY(CheckFiles(warehouse, FilesNamedBy(metadata)));
  for (const auto& entry : metadata.metadata_log) {
    MORAINE_TRY(CheckAllowed(warehouse, "metadata-log", entry.metadata_file));
  }
  return {};
}

Result<std::vector<std::string>> ClaimsOf(const iceberg::TableMetadata& metadata) {
  MORAINE_ASSIGN(auto location, io::NormalizeLocation(metadata.location));
  std::vector<std::string> claims = {location};
  for (const char* key : kPathProperties) {
    auto found = metadata.properties.find(key);
    if (found == metadata.properties.end()) continue;
    MORAINE_ASSIGN(auto place, io::NormalizeLocation(found->second));
    bool held = std::any_of(claims.begin(), claims.end(),
                            [&](const auto& claim) { return io::IsInside(place, claim); });
    if (!held) claims.push_back(std::move(place));
  }
  return claims;
}

Result<std::vector<std::string>> FoldersOutside(const std::vector<std::string>& claims,
                                                const std::vector<NamedFile>& files) {
  std::set<std::string> folders;
  for (const auto& file : files) {
    MORAINE_ASSIGN(auto place, io::NormalizeLocation(file.location));
    bool held = std::any_of(claims.begin(), claims.end(),
                            [&](const auto& claim) { return io::IsInside(place, claim); });
    if (!held) folders.insert(place.substr(0, place.rfind('/')));
  }
  return std::vector<std::string>(folders.begin(), folders.end());
}

std::vector<std::string> SelfAndAncestors(std::string_view location) {
  std::vector<std::string> all = {std::string(location)};
  size_t scheme_end = location.find("://");
  size_t first = scheme_end == location.npos ? 0 : scheme_end + 3;
  for (size_t at = location.rfind('/'); at != location.npos && at > first;
       at = location.rfind('/', at - 1)) {
    all.emplace_back(location.substr(0, at));
  }
  return all;
}

}  // namespace moraine::catalog
