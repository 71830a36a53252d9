#include "moraine/server/s3_settings.h"

#include <map>
#include <string>

#include "moraine/io/s3_options.h"

namespace moraine::server {

std::vector<Setting> S3Settings() {
  return {
      {"s3.endpoint", SettingType::kText, "",
       "URL of the store that s3:// locations lead to; empty: Amazon S3 of the region."},
      {"s3.region", SettingType::kText, "us-east-1", "Region of the store."},
      {"s3.path-style-access", SettingType::kText, "",
       "true: the bucket goes into the path; false: into the host name; empty: into the path of "
       "endpoints that are an address or localhost."},
      {"s3.access-key-id", SettingType::kText, "",
       "Key of the store; without one, requests are anonymous."},
      {"s3.secret-access-key", SettingType::kText, "",
       "Its secret. Better set by MORAINE_S3_SECRET_ACCESS_KEY than on the command line."},
      {"s3.session-token", SettingType::kText, "", "Token of temporary keys."},
      {"s3.ca-file", SettingType::kText, "",
       "PEM file of the authority that signed the store's certificate; empty: the machine's own."},
      {"s3.if-none-match-enabled", SettingType::kSwitch, "true",
       "false for stores that ignore If-None-Match: whether a file exists is then asked before it "
       "is written."},
  };
}

std::vector<Setting> CloudSettings() {
  return {
      {"gcs.no-auth", SettingType::kText, "",
       "Of gs:// locations. true: requests are anonymous. Without it, a token and a file, Google's "
       "usual places are looked into."},
      {"gcs.token", SettingType::kText, "", "Access token."},
      {"gcs.token-expires-at", SettingType::kText, "",
       "When the token ends, in milliseconds since 1970."},
      {"gcs.credentials-file", SettingType::kText, "", "JSON file of a service account."},
      {"gcs.project-id", SettingType::kText, "", "Project of the buckets."},
      {"gcs.endpoint", SettingType::kText, "", "URL of the store, where it is not Google's."},
      {"adls.account-name", SettingType::kText, "",
       "Of abfss:// locations: the account that the keys are for; empty: each location's own."},
      {"adls.account-key", SettingType::kText, "", "Shared key of the account."},
      {"adls.sas-token", SettingType::kText, "", "Shared access signature, instead of a key."},
      {"adls.tenant-id", SettingType::kText, "", "Of a service principal, instead of a key."},
      {"adls.client-id", SettingType::kText, "",
       "Its client; alone: of the machine's managed identity."},
      {"adls.client-secret", SettingType::kText, "", "Its secret."},
      {"adls.blob-storage-authority", SettingType::kText, "",
       "Host and port of blob requests, where they are not Azure's."},
      {"adls.blob-storage-scheme", SettingType::kText, "", "http or https; empty: https."},
      {"adls.dfs-storage-authority", SettingType::kText, "",
       "Host and port of data lake requests, where they are not Azure's."},
      {"adls.dfs-storage-scheme", SettingType::kText, "", "http or https; empty: https."},
      {"hdfs.user", SettingType::kText, "", "Of hdfs:// locations: who asks for files."},
      {"hdfs.kerberos-ticket", SettingType::kText, "", "Path of the Kerberos ticket cache."},
  };
}

namespace {

/// Iceberg's name of a setting: ours are of two parts.
std::string PropertyOf(const std::string& key) {
  static const std::map<std::string, std::string> names = {
      {"gcs.token", "gcs.oauth2.token"},
      {"gcs.token-expires-at", "gcs.oauth2.token-expires-at"},
      {"gcs.endpoint", "gcs.service.host"},
      {"hdfs.kerberos-ticket", "hdfs.kerberos_ticket"}};
  const auto found = names.find(key);
  return found == names.end() ? key : found->second;
}

}  // namespace

iceberg::StringMap StorageAsSet(const Config& config) {
  iceberg::StringMap storage = S3Properties(config);
  for (const Setting& setting : CloudSettings()) {
    const std::string& value = config.Text(setting.key);
    if (!value.empty()) storage[PropertyOf(setting.key)] = value;
  }
  return storage;
}

Result<iceberg::StringMap> StorageOf(const Config& config) {
  iceberg::StringMap storage = StorageAsSet(config);
  MORAINE_TRY(io::S3OptionsOf(storage).status());
  return storage;
}

Result<io::S3Options> S3OptionsOf(const Config& config) {
  return io::S3OptionsOf(S3Properties(config));
}

iceberg::StringMap S3Properties(const Config& config) {
  iceberg::StringMap properties;
  for (const Setting& setting : S3Settings()) {
    const std::string& value = config.Text(setting.key);
    if (value != setting.default_value) properties[setting.key] = value;
  }
  return properties;
}

}  // namespace moraine::server
