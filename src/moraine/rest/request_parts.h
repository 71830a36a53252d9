#pragma once
// What requests of the protocol carry, decoded: namespaces in paths and queries, pages, bodies.
// Each error is InvalidArgument naming the field. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/catalog/storage_access.h"
#include "moraine/net/http.h"

namespace moraine::rest {

/// A namespace as it stands in a path, still encoded: split at %1F first, then each level is
/// decoded, so that nothing inside a level can split it.
Result<catalog::NamespaceName> NamespaceFromPath(std::string_view raw);
/// A namespace in the "parent" query, decoded already: split at U+001F. Empty text is the root.
Result<catalog::NamespaceName> NamespaceFromQuery(std::string_view text);
/// ["a", "b"].
Result<catalog::NamespaceName> NamespaceFromJson(const JsonCursor& json);
/// {"namespace": [..], "name": ".."}.
Result<catalog::TableName> TableNameFromJson(const JsonCursor& json);

/// {"source", "destination"} of a body.
struct RenameNames {
  catalog::TableName source;
  catalog::TableName destination;
};
Result<RenameNames> RenameFromBody(const net::Request& request);

/// The "identifier" of a commit's body, where there is one, must be what the path names; what:
/// "table" or "view".
Status CheckIdentifier(const JsonCursor& body, const catalog::TableName& named,
                       std::string_view what);

/// Reads the body as one JSON object; unknown members are for the caller to ignore.
Result<Json> ObjectFromBody(const net::Request& request);

/// pageToken and pageSize. Without a pageToken everything is asked for in one answer, whatever the
/// size.
struct PageWish {
  bool everything = true;
  catalog::PageRequest page;
};
Result<PageWish> PageFromQuery(const net::Request& request);
/// InvalidArgument once a list in one answer is longer than a server should hold.
Status CheckListing(const std::string& body);

/// What X-Iceberg-Access-Delegation asks for; what it names beside that is not known here.
catalog::StorageWish WishOf(const net::Request& request);

/// The tags that If-None-Match lists, without W/ and quotes ("*" stays).
bool MatchesEtag(std::string_view if_none_match, std::string_view tag);

}  // namespace moraine::rest
