#pragma once
// The one door through which clients are told how to reach a table's files: given who asks (in the
// Call), the warehouse, the table and what it shall be used for, what the answer carries. Called
// for create, register, load, plan and credentials (REST spec, "Access delegation"). Nothing secret
// is told unless the client asked, and the warehouse says so; rights will be asked here, too.

#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/catalog/warehouse.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::catalog {

/// What the client asks for, in the order in which it likes it; a hint.
struct StorageWish {
  bool credentials = false;  ///< "vended-credentials"
  bool signing = false;      ///< "remote-signing"
  bool any() const { return credentials || signing; }
};

enum class StorageUse { kRead, kWrite };

/// Keys for the files below a prefix.
struct StorageCredential {
  std::string prefix;
  iceberg::StringMap config;
};

struct StorageGrant {
  iceberg::StringMap config;                   ///< for clients that know no storage-credentials
  std::vector<StorageCredential> credentials;  ///< the longest prefix of a file holds
  bool signing = false;                        ///< requests for the table's files may be signed
  std::optional<int64_t> expires_ms;           ///< of the keys, where known

  bool has_secrets() const { return !credentials.empty(); }
  /// Two grants of one mark say the same; "" for one without secrets.
  std::string Mark() const;
};

/// The places of a table in an S3 store, as its metadata names them: its location, and the
/// write.*.path properties that lead elsewhere. Without slashes at the end; those that the
/// warehouse does not allow, byte for byte, are left out.
std::vector<std::string> S3PlacesOf(const Warehouse& warehouse,
                                    const iceberg::TableMetadata& metadata);

/// Never fails: where nothing may be told, the grant is empty.
StorageGrant GrantStorage(const Call& call, const Warehouse& warehouse,
                          const iceberg::TableMetadata& metadata, StorageUse use, StorageWish wish);

/// Whether the warehouse's own requests may be signed for its clients. Errors: Unsupported.
Status CheckSigning(const Warehouse& warehouse);

}  // namespace moraine::catalog
