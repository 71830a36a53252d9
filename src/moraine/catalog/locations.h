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
/// cut at 200 bytes. base is the warehouse's root.
std::string DefaultLocation(std::string_view base, const TableName& name, std::string_view uuid);

/// OK when location (what = its name in messages) lies inside one of the allowed prefixes;
/// InvalidArgument else.
Status CheckAllowed(const Warehouse& warehouse, std::string_view what, std::string_view location);
/// Every location that the updates bring in: snapshots, statistics, set-location, write.*.path
/// properties.
Status CheckUpdateLocations(const Warehouse& warehouse,
                            const std::vector<iceberg::TableUpdate>& updates);
/// Every location in a metadata file that is being registered.
Status CheckMetadataLocations(const Warehouse& warehouse, const iceberg::TableMetadata& metadata);
Status CheckPropertyLocations(const Warehouse& warehouse, const iceberg::StringMap& properties);

/// All proper ancestors of a normalised location: for the overlap check.
std::vector<std::string> Ancestors(std::string_view location);

}  // namespace moraine::catalog
