#include "moraine/server/s3_settings.h"

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

Result<iceberg::StringMap> S3StorageOf(const Config& config) {
  iceberg::StringMap storage = S3Properties(config, S3Keys::kWith);
  const std::string& ca_file = config.Text("s3.ca-file");
  if (!ca_file.empty()) storage["s3.ca-file"] = ca_file;
  MORAINE_TRY(io::S3OptionsOf(storage).status());
  return storage;
}

Result<io::S3Options> S3OptionsOf(const Config& config) {
  MORAINE_ASSIGN(auto storage, S3StorageOf(config));
  return io::S3OptionsOf(storage);
}

iceberg::StringMap S3Properties(const Config& config, S3Keys keys) {
  iceberg::StringMap properties;
  for (const Setting& setting : S3Settings()) {
    const std::string& value = config.Text(setting.key);
    bool is_key = setting.key == "s3.access-key-id" || setting.key == "s3.secret-access-key" ||
                  setting.key == "s3.session-token";
    if (value == setting.default_value || setting.key == "s3.ca-file") continue;
    if (is_key && keys == S3Keys::kWithout) continue;
    properties[setting.key] = value;
  }
  return properties;
}

}  // namespace moraine::server
