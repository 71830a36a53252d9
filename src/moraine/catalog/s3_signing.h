#pragma once
// Remote signing for S3 (REST spec, "sign"): a client describes the request that it wants to send
// to the store, and gets the headers that sign it with the warehouse's keys. Pure. What is signed
// reads, writes, lists or deletes objects below the table's places and does nothing else: anything
// that is not known to be so is refused. Called by rest.

#include <optional>
#include <string>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/catalog/storage_access.h"
#include "moraine/net/http.h"

namespace moraine::catalog {

/// The request as the client describes it; bytes from outside.
struct SignRequest {
  std::string region;
  std::string uri;  ///< whole, encoded as it will be sent
  std::string method;
  net::Headers headers;
  std::optional<std::string> body;  ///< only where it counts: a deletion of many objects
};

struct SignedRequest {
  std::string uri;
  net::Headers headers;      ///< those to be added
  bool is_reusable = false;  ///< for the same method and URI, for some minutes
};

/// What a method does; rights are asked by it. Errors: InvalidArgument for one that is not signed.
Result<StorageUse> UseOf(const SignRequest& request);

/// places: S3PlacesOf the table. Errors: InvalidArgument for a request that can't be read or is
/// for another region; PermissionDenied for one that is not for this store, leaves the places, or
/// asks for more than objects; Unsupported where the warehouse does not sign.
Result<SignedRequest> SignForTable(WallTime now, const Warehouse& warehouse,
                                   const std::vector<std::string>& places,
                                   const SignRequest& request);

/// A table that is only staged has no row yet, and its writer's requests are signed all the same:
/// its places go along with the endpoint, sealed by the warehouse's own keys.
std::string SealPlaces(const Warehouse& warehouse, const std::vector<std::string>& places,
                       WallTime until);
/// Errors: PermissionDenied for a seal that is not ours, or is over.
Result<std::vector<std::string>> OpenPlaces(const Warehouse& warehouse, std::string_view sealed,
                                            WallTime now);

}  // namespace moraine::catalog
