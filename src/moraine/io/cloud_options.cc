#include "moraine/io/cloud_options.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::io {
namespace {

std::string TextOf(const StorageProperties& properties, const std::string& key) {
  const auto found = properties.find(key);
  return found == properties.end() ? "" : std::string(Trim(found->second));
}

/// The first of the keys that is set.
std::string FirstOf(const StorageProperties& properties, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    std::string text = TextOf(properties, key);
    if (!text.empty()) return text;
  }
  return "";
}

Result<bool> SwitchOf(const StorageProperties& properties, const std::string& key) {
  const std::string text = ToLowerAscii(TextOf(properties, key));
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  return InvalidArgument(fmt::format("{}: expected true or false, got '{}'", key, text));
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
  MORAINE_ASSIGN(options.anonymous, SwitchOf(properties, "gcs.no-auth"));
  options.token = TextOf(properties, "gcs.oauth2.token");
  MORAINE_TRY(CheckSecret("gcs.oauth2.token", options.token));
  const std::string expires = TextOf(properties, "gcs.oauth2.token-expires-at");
  if (!expires.empty()) {
    const Result<int64_t> ms = ParseInt64(expires);
    if (!ms.ok() || *ms < 0) {
      return InvalidArgument(fmt::format(
          "gcs.oauth2.token-expires-at: expected milliseconds since 1970, got '{}'", expires));
    }
    options.token_expires_ms = *ms;
  }
  options.credentials_file = TextOf(properties, "gcs.credentials-file");
  options.project = TextOf(properties, "gcs.project-id");
  options.endpoint = TextOf(properties, "gcs.service.host");
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
  options.sas_token = TextOf(properties, "adls.sas-token");
  options.tenant_id = TextOf(properties, "adls.tenant-id");
  options.client_id = TextOf(properties, "adls.client-id");
  options.client_secret = TextOf(properties, "adls.client-secret");
  options.blob_authority = TextOf(properties, "adls.blob-storage-authority");
  options.blob_scheme = TextOf(properties, "adls.blob-storage-scheme");
  options.dfs_authority = TextOf(properties, "adls.dfs-storage-authority");
  options.dfs_scheme = TextOf(properties, "adls.dfs-storage-scheme");
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
  return HdfsOptions{TextOf(properties, "hdfs.user"), TextOf(properties, "hdfs.kerberos_ticket")};
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
