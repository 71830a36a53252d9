#include "moraine/server/s3_settings.h"

#include <map>
#include <string>

namespace moraine::server {
namespace {

/// Settings that are properties of Iceberg's file systems, by the same names.
constexpr const char* kProperties[] = {
    "s3.endpoint",          "s3.region",        "s3.path-style-access", "s3.access-key-id",
    "s3.secret-access-key", "s3.session-token", "s3.ca-file",           "s3.if-none-match-enabled"};

}  // namespace

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

Result<io::S3Options> S3OptionsOf(const Config& config) {
  std::map<std::string, std::string> properties;
  for (const char* key : kProperties) properties[key] = config.Text(key);
  return io::S3OptionsOf(properties);
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

iceberg::StringMap S3ClientDefaults(const Config& config) {
  iceberg::StringMap defaults;
  if (config.Text("s3.endpoint").empty()) return defaults;
  defaults["s3.endpoint"] = config.Text("s3.endpoint");
  defaults["s3.region"] = config.Text("s3.region");
  defaults["client.region"] = config.Text("s3.region");
  const std::string& path_style = config.Text("s3.path-style-access");
  if (!path_style.empty()) defaults["s3.path-style-access"] = path_style;
  return defaults;
}

}  // namespace moraine::server
