#include "moraine/cli/catalog_uri.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/config.h"
#include "moraine/io/cloud_options.h"
#include "moraine/net/uri.h"
#include "moraine/server/s3_settings.h"

namespace moraine::cli {

Status AddProperties(const std::vector<std::string>& pairs, iceberg::StringMap* properties) {
  for (const auto& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) {
      return InvalidArgument("--property: expected KEY=VALUE");  // may hold a secret
    }
    (*properties)[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return {};
}

namespace {

constexpr const char* kKeyId = "s3.access-key-id";
constexpr const char* kSecretKey = "s3.secret-access-key";
constexpr const char* kSessionToken = "s3.session-token";

/// Half of S3's keys may stand here and half there: both are the caller's own. Of other stores one
/// way to sign in counts.
void CompleteS3Keys(const iceberg::StringMap& storage, iceberg::StringMap* properties) {
  const bool some = properties->contains(kKeyId) || properties->contains(kSecretKey) ||
                    properties->contains(kSessionToken);
  const bool all = properties->contains(kKeyId) && properties->contains(kSecretKey);
  if (!some || all) return;
  for (const char* key : {kKeyId, kSecretKey, kSessionToken}) {
    const auto found = storage.find(key);
    if (found != storage.end()) properties->emplace(key, found->second);
  }
}

}  // namespace

Status AddStorageEnvironment(iceberg::StringMap* properties) {
  std::vector<Setting> settings = server::S3Settings();
  for (Setting& setting : server::CloudSettings()) settings.push_back(std::move(setting));
  Config config(std::move(settings));
  MORAINE_TRY(config.LoadEnvironment());
  iceberg::StringMap storage = server::StorageAsSet(config);
  CompleteS3Keys(storage, properties);
  io::OverlayStorageProperties(*properties, &storage);
  *properties = std::move(storage);
  return {};
}

Result<std::string> ReadCatalogUri(const std::string& text, iceberg::StringMap* properties) {
  size_t question = text.find('?');
  std::string uri = text.substr(0, question);
  if (uri.find("://") == uri.npos) {
    return InvalidArgument(
        fmt::format("URI: expected http://HOST:PORT/PATH of an Iceberg REST catalog, got {}", uri));
  }
  if (auto parsed = net::ParseUrl(uri); !parsed.ok()) {
    return std::move(parsed).status().Annotate("URI");
  }
  if (question == text.npos) return uri;
  auto query = net::ParseQuery(text.substr(question + 1));
  if (!query.ok()) return std::move(query).status().Annotate("URI");
  for (auto& [key, value] : *query) (*properties)[key] = std::move(value);
  return uri;
}

}  // namespace moraine::cli
