#pragma once
// Which places a table may use (decision "locations"). Locations come from clients, so all of these
// are checked against the warehouse's allowed prefixes before the server reads or writes there.
// Pure.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::catalog {

/// "<base>/<levels>/<table>-<8 hex of uuid>", unsafe characters percent-encoded, levels and name
/// cut at 200 bytes. base is the warehouse's root or a namespace's location.
std::string DefaultLocation(std::string_view base, const TableName& name, std::string_view uuid);
/// "<root>/<levels>": where the tables of a namespace without a location of its own come to lie.
std::string DefaultLocation(std::string_view root, const NamespaceName& name);

/// OK when location (what = its name in messages) lies below one of the allowed prefixes;
/// InvalidArgument else.
Status CheckAllowed(const Warehouse& warehouse, std::string_view what, std::string_view location);
Status CheckPropertyLocations(const Warehouse& warehouse, const iceberg::StringMap& properties);

/// A file that metadata or an update names, and the field that names it.
struct NamedFile {
  std::string_view what;
  std::string location;
};
/// Manifest lists, manifests and statistics files that the updates bring in.
std::vector<NamedFile> FilesNamedBy(const std::vector<iceberg::TableUpdate>& updates);
/// The same of a whole metadata file.
std::vector<NamedFile> FilesNamedBy(const iceberg::TableMetadata& metadata);
Status CheckFiles(const Warehouse& warehouse, const std::vector<NamedFile>& files);
/// Every location that the updates bring in: files, set-location, write.*.path properties.
Status CheckUpdateLocations(const Warehouse& warehouse,
                            const std::vector<iceberg::TableUpdate>& updates);
/// Every location in a metadata file that comes from outside.
Status CheckMetadataLocations(const Warehouse& warehouse, const iceberg::TableMetadata& metadata);

/// The places that are the table's own, normalised: its location and the write.*.path properties
/// that lead elsewhere. No two tables' overlap.
Result<std::vector<std::string>> ClaimsOf(const iceberg::TableMetadata& metadata);
/// The folders, normalised and each once, of the files that lie outside the claims.
Result<std::vector<std::string>> FoldersOutside(const std::vector<std::string>& claims,
                                                const std::vector<NamedFile>& files);

/// A normalised location and all that hold it, the scheme's root excepted.
std::vector<std::string> SelfAndAncestors(std::string_view location);

}  // namespace moraine::catalog
