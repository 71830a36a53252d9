#pragma once
// Answers that carry a table (REST spec, "LoadTableResult", "CommitTableResponse"). The metadata
// goes out as the bytes that the catalog holds, shared, without being written again.

#include <string>
#include <string_view>

#include "moraine/catalog/catalog.h"
#include "moraine/catalog/storage_access.h"
#include "moraine/net/http.h"

namespace moraine::rest {

/// Which snapshots a load shows: all, or only those that a branch or tag points at.
enum class Snapshots { kAll, kRefs };

/// The tag (without quotes) of this version of the table in this representation. Keys are part of
/// it: mark is that of their grant.
std::string EtagOf(std::string_view metadata_location, Snapshots snapshots,
                   std::string_view mark = "");

/// {"metadata-location", "metadata", "config"}; a staged table has no location and no tag.
net::Response LoadAnswer(const catalog::LoadedTable& table, Snapshots snapshots);
/// The same with what the client is told of the storage.
net::Response LoadAnswer(const catalog::LoadedTable& table, Snapshots snapshots,
                         const catalog::StorageGrant& grant);
/// [{"prefix", "config"}].
std::string CredentialsText(const catalog::StorageGrant& grant);
/// The same of a view.
net::Response LoadAnswer(const std::string& metadata_location, net::SharedBytes metadata);
/// {"metadata-location", "metadata"}.
net::Response CommitAnswer(const catalog::LoadedTable& table);

}  // namespace moraine::rest
