#pragma once
// How the stores that Arrow reaches are reached, from the properties by which Iceberg's and
// PyIceberg's FileIO name that: Google's (gcs.*), Azure's Data Lake Storage (adls.*), Hadoop's
// (hdfs.*). Called by whoever opens a warehouse.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::io {

/// Without a token and a file, and not anonymous: what Google's libraries find by themselves
/// (GOOGLE_APPLICATION_CREDENTIALS, the machine's own account).
struct GcsOptions {
  bool anonymous = false;                   ///< gcs.no-auth
  std::string token;                        ///< gcs.oauth2.token
  std::optional<int64_t> token_expires_ms;  ///< gcs.oauth2.token-expires-at
  std::string credentials_file;             ///< gcs.credentials-file: JSON of a service account
  std::string project;                      ///< gcs.project-id
  std::string endpoint;                     ///< gcs.service.host: "http://127.0.0.1:9023"
};

/// Without any key: what Azure's libraries find by themselves (AZURE_CLIENT_ID ..., the machine's
/// own identity).
struct AdlsOptions {
  std::string account;    ///< adls.account-name; empty: that of the location
  std::string key;        ///< adls.account-key, adls.auth.shared-key.account.key
  std::string sas_token;  ///< adls.sas-token
  std::string tenant_id, client_id, client_secret;  ///< adls.tenant-id, ...: all or none
  /// adls.blob-storage-authority and -scheme, adls.dfs-storage-authority and -scheme: other clouds,
  /// and emulators.
  std::string blob_authority, blob_scheme, dfs_authority, dfs_scheme;
};

struct HdfsOptions {
  std::string user;             ///< hdfs.user
  std::string kerberos_ticket;  ///< hdfs.kerberos_ticket: path of the ticket cache
};

using StorageProperties = std::map<std::string, std::string>;

/// Keys of others are left alone. Errors: InvalidArgument that names the key, never its value if it
/// is secret.
Result<GcsOptions> GcsOptionsOf(const StorageProperties& properties);
Result<AdlsOptions> AdlsOptionsOf(const StorageProperties& properties);
Result<HdfsOptions> HdfsOptionsOf(const StorageProperties& properties);

/// Puts properties over others. Credentials are never mixed: those of one store count as a whole,
/// however they sign in (S3's as OverlayS3Properties has it).
void OverlayStorageProperties(const StorageProperties& over, StorageProperties* properties);

/// What a catalog's answer may say of storage to a reader that has properties of its own: no file
/// of the reader's machine, and no endpoint (of Google's and Azure's stores, where tokens are sent
/// as they are) unless what signs in there comes with it. own_keys_win: the reader's keys will
/// count, and not the answer's.
StorageProperties LentProperties(StorageProperties answer, const StorageProperties& own,
                                 bool own_keys_win);

/// What a catalog lends for one account ("adls.sas-token.ACCOUNT", with or without the rest of the
/// host's name), as the token of all: the location's account is the only one that is asked.
void ChooseSasToken(std::string_view location, StorageProperties* properties);
/// When the credentials of the location's store end, as they say themselves.
std::optional<int64_t> StorageKeysEndMs(std::string_view location,
                                        const StorageProperties& properties);

/// The keys that these know, and those among them whose values are secret.
const std::vector<std::string_view>& CloudPropertyKeys();
bool IsSecretCloudProperty(std::string_view key);

}  // namespace moraine::io
