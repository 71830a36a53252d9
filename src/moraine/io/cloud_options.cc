#include "moraine/io/cloud_options.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/cloud_location.h"
#include "moraine/io/property_values_internal.h"
#include "moraine/io/s3_options.h"
#include "moraine/net/uri.h"

namespace moraine::io {
namespace {

constexpr std::string_view kSasToken = "adls.sas-token";
constexpr std::string_view kSasTokenEnds = "adls.sas-token-expires-at-ms";
/// What signs in, store by store; a '*' stands for what is of one account.
constexpr std::string_view kGcsWays[] = {"gcs.no-auth", "gcs.oauth2.token",
                                         "gcs.oauth2.token-expires-at", "gcs.credentials-file"};
constexpr std::string_view kAdlsWays[] = {"adls.account-key",
                                          "adls.auth.shared-key.account.key",
                                          "adls.sas-token",
                                          "adls.sas-token.*",
                                          "adls.sas-token-expires-at-ms",
                                          "adls.sas-token-expires-at-ms.*",
                                          "adls.tenant-id",
                                          "adls.client-id",
                                          "adls.client-secret"};

constexpr std::string_view kFilesOfTheMachine[] = {"gcs.credentials-file", "hdfs.kerberos_ticket",
                                                   "s3.ca-file"};
constexpr std::string_view kGcsEndpoints[] = {"gcs.service.host"};
constexpr std::string_view kAdlsEndpoints[] = {
    "adls.blob-storage-authority", "adls.blob-storage-scheme", "adls.dfs-storage-authority",
    "adls.dfs-storage-scheme"};

using Ways = std::span<const std::string_view>;

bool IsOneOf(Ways ways, std::string_view key) {
  return std::any_of(ways.begin(), ways.end(), [&](std::string_view way) {
    return way.ends_with('*') ? key.starts_with(way.substr(0, way.size() - 1)) : key == way;
  });
}

bool HasOneOf(Ways ways, const StorageProperties& properties) {
  return std::any_of(properties.begin(), properties.end(),
                     [&](const auto& property) { return IsOneOf(ways, property.first); });
}

void Erase(Ways keys, StorageProperties* properties) {
  std::erase_if(*properties, [&](const auto& property) { return IsOneOf(keys, property.first); });
}

std::string TrimmedOf(const StorageProperties& properties, const std::string& key) {
  return std::string(Trim(TextOf(properties, key)));
}

/// The first of the keys that is set.
std::string FirstOf(const StorageProperties& properties, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    std::string text = TrimmedOf(properties, key);
    if (!text.empty()) return text;
  }
  return "";
}

Status CheckScheme(const std::string& key, const std::string& scheme) {
  if (scheme.empty() || scheme == "http" || scheme == "https") return {};
  return InvalidArgument(fmt::format("{}: expected http or https, got '{}'", key, scheme));
}

/// Line breaks would become headers of their own.
Status CheckSecret(std::string_view key, std::string_view value) {
  if (value.find_first_of("\r\n") == value.npos) return {};
  return InvalidArgument(fmt::format("{}: a line break in a key", key));
}

}  // namespace

Result<GcsOptions> GcsOptionsOf(const StorageProperties& properties) {
  GcsOptions options;
  MORAINE_ASSIGN(const std::optional<bool> no_auth, SwitchOf(properties, "gcs.no-auth"));
  options.anonymous = no_auth.value_or(false);
  options.token = TrimmedOf(properties, "gcs.oauth2.token");
  MORAINE_TRY(CheckSecret("gcs.oauth2.token", options.token));
  const std::string expires = TrimmedOf(properties, "gcs.oauth2.token-expires-at");
  if (!expires.empty()) {
    const Result<int64_t> ms = ParseInt64(expires);
    if (!ms.ok() || *ms < 0) {
      return InvalidArgument(fmt::format(
          "gcs.oauth2.token-expires-at: expected milliseconds since 1970, got '{}'", expires));
    }
    options.token_expires_ms = *ms;
  }
  options.credentials_file = TrimmedOf(properties, "gcs.credentials-file");
  options.project = TrimmedOf(properties, "gcs.project-id");
  options.endpoint = TrimmedOf(properties, "gcs.service.host");
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (!options.endpoint.empty()) {
    MORAINE_TRY(net::ParseUrl(options.endpoint).status().Annotate("gcs.service.host"));
  }
  const int ways = (options.anonymous ? 1 : 0) + (options.token.empty() ? 0 : 1) +
                   (options.credentials_file.empty() ? 0 : 1);
  if (ways <= 1) return options;
  return InvalidArgument(
      "gcs.no-auth, gcs.oauth2.token and gcs.credentials-file are three ways to sign in: set one");
}

Result<AdlsOptions> AdlsOptionsOf(const StorageProperties& properties) {
  AdlsOptions options;
  options.account = FirstOf(properties, {"adls.account-name", "adls.auth.shared-key.account.name"});
  options.key = FirstOf(properties, {"adls.account-key", "adls.auth.shared-key.account.key"});
  options.sas_token = TrimmedOf(properties, "adls.sas-token");
  options.tenant_id = TrimmedOf(properties, "adls.tenant-id");
  options.client_id = TrimmedOf(properties, "adls.client-id");
  options.client_secret = TrimmedOf(properties, "adls.client-secret");
  options.blob_authority = TrimmedOf(properties, "adls.blob-storage-authority");
  options.blob_scheme = TrimmedOf(properties, "adls.blob-storage-scheme");
  options.dfs_authority = TrimmedOf(properties, "adls.dfs-storage-authority");
  options.dfs_scheme = TrimmedOf(properties, "adls.dfs-storage-scheme");
  MORAINE_TRY(CheckScheme("adls.blob-storage-scheme", options.blob_scheme));
  MORAINE_TRY(CheckScheme("adls.dfs-storage-scheme", options.dfs_scheme));
  MORAINE_TRY(CheckSecret("adls.account-key", options.key));
  MORAINE_TRY(CheckSecret("adls.sas-token", options.sas_token));
  MORAINE_TRY(CheckSecret("adls.client-secret", options.client_secret));
  const bool some = !options.tenant_id.empty() || !options.client_secret.empty();
  const bool all =
      !options.tenant_id.empty() && !options.client_id.empty() && !options.client_secret.empty();
  if (some && !all) {
    return InvalidArgument(
        "adls.tenant-id, adls.client-id and adls.client-secret belong together: set all, or none");
  }
  const int ways =
      (options.key.empty() ? 0 : 1) + (options.sas_token.empty() ? 0 : 1) + (all ? 1 : 0);
  if (ways <= 1) return options;
  return InvalidArgument(
      "adls.account-key, adls.sas-token and adls.client-secret are three ways to sign in: set one");
}

Result<HdfsOptions> HdfsOptionsOf(const StorageProperties& properties) {
  return HdfsOptions{TrimmedOf(properties, "hdfs.user"),
                     TrimmedOf(properties, "hdfs.kerberos_ticket")};
}

void OverlayStorageProperties(const StorageProperties& over, StorageProperties* properties) {
  for (Ways ways : {Ways(kGcsWays), Ways(kAdlsWays)}) {
    if (HasOneOf(ways, over)) Erase(ways, properties);
  }
  OverlayS3Properties(over, properties);
}

namespace {

bool IsAnonymousAtGcs(const StorageProperties& properties) {
  const auto no_auth = SwitchOf(properties, "gcs.no-auth");
  return no_auth.ok() && no_auth->value_or(false);
}

/// Whether the machine's own keys would not be looked for.
bool SignsInAtGcs(const StorageProperties& properties) {
  return IsAnonymousAtGcs(properties) || !TrimmedOf(properties, "gcs.oauth2.token").empty();
}

bool SignsInAtAdls(const StorageProperties& properties) {
  return !FirstOf(properties, {"adls.account-key", "adls.auth.shared-key.account.key",
                               "adls.sas-token", "adls.client-secret"})
              .empty();
}

}  // namespace

StorageProperties LentProperties(StorageProperties answer, const StorageProperties& own,
                                 bool own_keys_win) {
  Erase(kFilesOfTheMachine, &answer);
  if (own_keys_win && HasOneOf(kGcsWays, own)) Erase(kGcsWays, &answer);
  if (own_keys_win && HasOneOf(kAdlsWays, own)) Erase(kAdlsWays, &answer);
  const bool keeps_own = !HasOneOf(kGcsWays, answer);
  if (!SignsInAtGcs(answer) && !(keeps_own && IsAnonymousAtGcs(own))) {
    Erase(kGcsEndpoints, &answer);
  }
  if (!SignsInAtAdls(answer)) Erase(kAdlsEndpoints, &answer);
  return answer;
}

void ChooseSasToken(std::string_view location, StorageProperties* properties) {
  if (CloudStoreOf(location) != CloudStore::kAdls) return;
  const auto parsed = ParseCloudPrefix(location);
  if (!parsed.ok()) return;
  for (const std::string& account :
       {parsed->host, parsed->host.substr(0, parsed->host.find('.'))}) {
    const auto lent = properties->find(std::string(kSasToken) + "." + account);
    if (lent == properties->end()) continue;
    StorageProperties chosen{{std::string(kSasToken), lent->second}};
    const auto ends = properties->find(std::string(kSasTokenEnds) + "." + account);
    if (ends != properties->end()) chosen[std::string(kSasTokenEnds)] = ends->second;
    OverlayStorageProperties(chosen, properties);
    return;
  }
}

std::optional<int64_t> StorageKeysEndMs(std::string_view location,
                                        const StorageProperties& properties) {
  const auto store = CloudStoreOf(location);
  if (store == CloudStore::kHdfs) return std::nullopt;
  const char* token = !store                      ? "s3.session-token"
                      : store == CloudStore::kGcs ? "gcs.oauth2.token"
                                                  : "adls.sas-token";
  const char* ends = !store                      ? "s3.session-token-expires-at-ms"
                     : store == CloudStore::kGcs ? "gcs.oauth2.token-expires-at"
                                                 : "adls.sas-token-expires-at-ms";
  if (TrimmedOf(properties, token).empty()) return std::nullopt;
  const auto ms = ParseInt64(TrimmedOf(properties, ends));
  if (!ms.ok() || *ms <= 0) return std::nullopt;
  return *ms;
}

const std::vector<std::string_view>& CloudPropertyKeys() {
  static const std::vector<std::string_view> keys = {
      "gcs.no-auth",
      "gcs.oauth2.token",
      "gcs.oauth2.token-expires-at",
      "gcs.credentials-file",
      "gcs.project-id",
      "gcs.service.host",
      "adls.account-name",
      "adls.auth.shared-key.account.name",
      "adls.account-key",
      "adls.auth.shared-key.account.key",
      "adls.sas-token",
      "adls.tenant-id",
      "adls.client-id",
      "adls.client-secret",
      "adls.blob-storage-authority",
      "adls.blob-storage-scheme",
      "adls.dfs-storage-authority",
      "adls.dfs-storage-scheme",
      "hdfs.user",
      "hdfs.kerberos_ticket",
  };
  return keys;
}

bool IsSecretCloudProperty(std::string_view key) {
  static constexpr std::string_view kSecret[] = {"gcs.oauth2.token", "adls.account-key",
                                                 "adls.auth.shared-key.account.key",
                                                 "adls.sas-token", "adls.client-secret"};
  return std::find(std::begin(kSecret), std::end(kSecret), key) != std::end(kSecret);
}

}  // namespace moraine::io
