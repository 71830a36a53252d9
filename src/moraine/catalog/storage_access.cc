#include "moraine/catalog/storage_access.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"
#include "moraine/net/digest.h"

namespace moraine::catalog {
namespace {

constexpr const char* kPathProperties[] = {"write.data.path", "write.metadata.path",
                                           "write.folder-storage.path",
                                           "write.object-storage.path"};
constexpr size_t kMarkCharacters = 16;

std::string WithoutSlashes(std::string location) {
  while (location.ends_with('/')) location.pop_back();
  return location;
}

/// A store takes keys byte for byte, while locations are compared in their normal form.
bool IsAllowedKey(const Warehouse& warehouse, const std::string& place) {
  auto at = io::ParseS3Location(place);
  if (!at.ok() || at->key.empty()) return false;
  const auto& allowed = warehouse.allowed_locations;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& root) {
    auto top = io::ParseS3Prefix(root);
    return top.ok() && at->bucket == top->bucket &&
           (top->key.empty() || at->key.starts_with(top->key + "/"));
  });
}

/// Keys as properties, with where the store is; nothing if there are none to be sent.
std::optional<iceberg::StringMap> KeysToSend(const Warehouse& warehouse) {
  iceberg::StringMap properties = warehouse.storage;
  io::OverlayS3Properties(warehouse.clients.credentials, &properties);
  auto options = io::S3OptionsOf(properties);
  if (!options.ok() || options->anonymous()) return std::nullopt;
  iceberg::StringMap config = StorageHints(warehouse);
  config["s3.access-key-id"] = options->access_key_id;
  config["s3.secret-access-key"] = options->secret_access_key;
  config["s3.region"] = options->region;
  config["client.region"] = options->region;
  if (!options->session_token.empty()) {
    config["s3.session-token"] = options->session_token;
    auto until = properties.find("s3.session-token-expires-at-ms");
    if (until != properties.end()) config[until->first] = until->second;
  }
  return config;
}

void GrantKeys(const iceberg::StringMap& config, const std::vector<std::string>& places,
               StorageGrant* grant) {
  grant->config = config;
  for (const auto& place : places) grant->credentials.push_back({place + "/", config});
  auto until = config.find("s3.session-token-expires-at-ms");
  if (until == config.end()) return;
  auto millis = ParseInt64(until->second);
  if (millis.ok()) grant->expires_ms = *millis;
}

}  // namespace

std::string StorageGrant::Mark() const {
  if (config.empty() && credentials.empty()) return "";
  std::string all;
  for (const auto& [key, value] : config) all += fmt::format("{}={}\n", key, value);
  for (const auto& each : credentials) all += each.prefix + "\n";
  return HexEncode(net::Sha256(all)).substr(0, kMarkCharacters);
}

std::vector<std::string> S3PlacesOf(const Warehouse& warehouse,
                                    const iceberg::TableMetadata& metadata) {
  std::vector<std::string> places;
  auto add = [&](const std::string& location) {
    std::string place = WithoutSlashes(location);
    bool held = std::any_of(places.begin(), places.end(), [&](const auto& each) {
      return place == each || place.starts_with(each + "/");
    });
    if (!held && IsAllowedKey(warehouse, place)) places.push_back(std::move(place));
  };
  add(metadata.location);
  for (const char* key : kPathProperties) {
    auto found = metadata.properties.find(key);
    if (found != metadata.properties.end()) add(found->second);
  }
  return places;
}

Status CheckSigning(const Warehouse& warehouse) {
  if (!warehouse.clients.remote_signing) {
    return Unsupported(fmt::format("the warehouse {} signs no requests: set remote-signing for it",
                                   warehouse.name));
  }
  auto options = io::S3OptionsOf(warehouse.storage);
  if (!options.ok() || options->anonymous())
    return Unsupported(fmt::format("the warehouse {} has no keys to sign with", warehouse.name));
  return {};
}

StorageGrant GrantStorage(const Call&, const Warehouse& warehouse,
                          const iceberg::TableMetadata& metadata, StorageUse, StorageWish wish) {
  StorageGrant grant;
  if (!wish.any() || !io::IsS3Location(metadata.location)) return grant;
  std::vector<std::string> places = S3PlacesOf(warehouse, metadata);
  if (places.empty()) return grant;
  if (wish.credentials && warehouse.clients.send_credentials) {
    if (auto config = KeysToSend(warehouse)) {
      GrantKeys(*config, places, &grant);
      return grant;
    }
  }
  if (wish.signing && CheckSigning(warehouse).ok()) {
    grant.signing = true;
    grant.config = StorageHints(warehouse);
    auto options = io::S3OptionsOf(warehouse.storage);
    if (options.ok()) {
      grant.config["s3.region"] = options->region;
      grant.config["client.region"] = options->region;
    }
    grant.config["s3.remote-signing-enabled"] = "true";
  }
  return grant;
}

}  // namespace moraine::catalog
