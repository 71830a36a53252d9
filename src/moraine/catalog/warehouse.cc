#include "moraine/catalog/warehouse.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/io/cloud_location.h"
#include "moraine/io/cloud_options.h"
#include "moraine/io/location.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"

namespace moraine::catalog {
namespace {

constexpr char kHidden[] = "(hidden)";
constexpr size_t kMaxProperties = 200;
constexpr size_t kMaxPropertyBytes = 8'192;
constexpr std::string_view kTableDefault = "table-default.";
constexpr std::string_view kTableOverride = "table-override.";

/// What a storage may be told by; s3.region and client.region mean the same.
const std::vector<std::string>& KnownStorage() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = {"s3.endpoint",
                                    "s3.region",
                                    "client.region",
                                    "s3.path-style-access",
                                    "s3.access-key-id",
                                    "s3.anonymous",
                                    "s3.secret-access-key",
                                    "s3.session-token",
                                    "s3.session-token-expires-at-ms",
                                    "s3.ca-file",
                                    "s3.if-none-match-enabled"};
    for (std::string_view key : io::CloudPropertyKeys()) all.emplace_back(key);
    return all;
  }();
  return keys;
}

const std::vector<std::string>& KnownCredentials() {
  static const std::vector<std::string> keys = {"s3.access-key-id", "s3.secret-access-key",
                                                "s3.session-token",
                                                "s3.session-token-expires-at-ms"};
  return keys;
}

/// Names stand in paths before the protocol's own words and must not be taken for one of them.
Status CheckWarehouseName(const std::string& name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  constexpr std::string_view kTaken[] = {"config", "namespaces",   "tables",
                                         "views",  "transactions", "oauth"};
  if (name.empty() || name.size() > 100 || name.find_first_not_of(kAllowed) != name.npos) {
    return InvalidArgument(
        fmt::format("warehouse: expected 1 to 100 of A-Z a-z 0-9 _ -, got '{}'", name));
  }
  for (auto word : kTaken) {
    if (name == word) return InvalidArgument(fmt::format("warehouse: the name {} is taken", name));
  }
  return {};
}

bool IsInStore(std::string_view location) {
  return io::IsS3Location(location) || io::CloudStoreOf(location).has_value();
}

/// Of the server's machine.
bool NamesFile(std::string_view key) {
  return key == "s3.ca-file" || key == "gcs.credentials-file" || key == "hdfs.kerberos_ticket";
}

Status CheckKeys(std::string_view what, const iceberg::StringMap& properties,
                 const std::vector<std::string>& known) {
  for (const auto& [key, value] : properties) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string near = Nearest(key, known);
    return InvalidArgument(fmt::format("{}: unknown property {}{}", what, key,
                                       near.empty() ? "" : ", did you mean " + near + "?"));
  }
  return {};
}

Status CheckSizes(std::string_view what, const iceberg::StringMap& properties) {
  if (properties.size() > kMaxProperties) {
    return InvalidArgument(fmt::format("{}: more than {} properties", what, kMaxProperties));
  }
  for (const auto& [key, value] : properties) {
    if (key.empty()) return InvalidArgument(fmt::format("{}: a property has no name", what));
    if (key.size() + value.size() > kMaxPropertyBytes) {
      return InvalidArgument(fmt::format("{}: {} is larger than {} bytes", what, key.substr(0, 100),
                                         kMaxPropertyBytes));
    }
  }
  return {};
}

/// What every client is told must hold no keys, nor lead requests elsewhere.
Status CheckTold(std::string_view what, const iceberg::StringMap& properties) {
  MORAINE_TRY(CheckSizes(what, properties));
  for (const auto& [key, value] : properties) {
    if (key == "prefix" || key == "uri" || key == "warehouse") {
      return InvalidArgument(fmt::format("{}: {} is the server's own", what, key));
    }
    if (IsSecretProperty(key) || key == "s3.access-key-id") {
      return InvalidArgument(fmt::format("{}: {} would go to every client", what, key));
    }
  }
  return {};
}

void WriteMap(std::string_view key, const iceberg::StringMap& map, JsonWriter* out) {
  out->Key(key);
  iceberg::WriteStringMap(map, out);
}

Result<iceberg::StringMap> MapOf(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto member, json.Find(key));
  if (!member) return iceberg::StringMap();
  return iceberg::StringMapFromJson(*member);
}

}  // namespace

Result<std::string> CheckedLocation(std::string_view what, const std::string& location) {
  auto normal = io::NormalizeLocation(location);
  if (normal.ok() && (normal->starts_with("file:///") || IsInStore(*normal))) return normal;
  return InvalidArgument(fmt::format(
      "{}: no files can be kept at '{}': expected file:///absolute/path, /absolute/path or "
      "s3://bucket/prefix{}",
      what, location, normal.ok() ? "" : fmt::format(" ({})", normal.status().message())));
}

bool IsSecretProperty(std::string_view key) {
  std::string lower = ToLowerAscii(key);
  if (io::IsSecretCloudProperty(lower)) return true;
  if (lower.ends_with("-expires-at-ms") || lower.ends_with("-expires-at")) return false;
  static constexpr std::string_view kMarks[] = {"secret",        "password",  "credential",
                                                "session-token", "sas-token", "connection-string",
                                                "private-key"};
  return lower == "token" || std::any_of(std::begin(kMarks), std::end(kMarks),
                                         [&](auto mark) { return lower.find(mark) != lower.npos; });
}

iceberg::StringMap RedactStorage(const iceberg::StringMap& properties) {
  iceberg::StringMap shown = properties;
  for (auto& [key, value] : shown) {
    if (IsSecretProperty(key)) value = kHidden;
  }
  return shown;
}

Result<Warehouse> CheckedWarehouse(Warehouse warehouse) {
  MORAINE_TRY(CheckWarehouseName(warehouse.name));
  MORAINE_ASSIGN(warehouse.root, CheckedLocation("root", warehouse.root));
  std::vector<std::string> allowed = {warehouse.root};
  for (const auto& location : warehouse.allowed_locations) {
    MORAINE_ASSIGN(auto normal, CheckedLocation("allowed-locations", location));
    if (std::find(allowed.begin(), allowed.end(), normal) == allowed.end())
      allowed.push_back(std::move(normal));
  }
  warehouse.allowed_locations = std::move(allowed);
  MORAINE_TRY(CheckSizes("storage", warehouse.storage));
  MORAINE_TRY(CheckKeys("storage", warehouse.storage, KnownStorage()));
  auto options = io::S3OptionsOf(warehouse.storage);
  if (!options.ok()) return std::move(options).status().Annotate("storage");
  MORAINE_TRY(io::GcsOptionsOf(warehouse.storage).status());
  MORAINE_TRY(io::AdlsOptionsOf(warehouse.storage).status());
  MORAINE_TRY(io::HdfsOptionsOf(warehouse.storage).status());
  MORAINE_TRY(CheckSizes("client-credentials", warehouse.clients.credentials));
  MORAINE_TRY(CheckKeys("client-credentials", warehouse.clients.credentials, KnownCredentials()));
  auto sent = io::S3OptionsOf(warehouse.clients.credentials);
  if (!sent.ok()) return std::move(sent).status().Annotate("client-credentials");
  if (warehouse.clients.remote_signing && options->anonymous()) {
    return InvalidArgument(
        "remote-signing: the server has no keys to sign with: set s3.access-key-id and "
        "s3.secret-access-key");
  }
  MORAINE_TRY(CheckTold("defaults", warehouse.defaults));
  MORAINE_TRY(CheckTold("overrides", warehouse.overrides));
  return warehouse;
}

bool Overlap(const Warehouse& a, const Warehouse& b) {
  for (const auto& one : a.allowed_locations) {
    for (const auto& other : b.allowed_locations) {
      if (io::IsInside(one, other) || io::IsInside(other, one)) return true;
    }
  }
  return false;
}

std::string StorageToText(const Warehouse& warehouse) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("allowed-locations").BeginArray();
  for (const auto& location : warehouse.allowed_locations) out.String(location);
  out.EndArray().Field("from-settings", warehouse.from_settings);
  if (!warehouse.from_settings) {
    WriteMap("properties", warehouse.storage, &out);
    out.Key("clients")
        .BeginObject()
        .Field("send-credentials", warehouse.clients.send_credentials)
        .Field("remote-signing", warehouse.clients.remote_signing);
    WriteMap("credentials", warehouse.clients.credentials, &out);
    out.EndObject();
  }
  out.EndObject();
  return text;
}

Status StorageFromText(const std::string& text, Warehouse* warehouse) {
  MORAINE_ASSIGN(auto json, Json::Parse(text));
  JsonCursor cursor(json);
  MORAINE_ASSIGN(auto allowed, cursor.Get("allowed-locations"));
  for (size_t i = 0; i < allowed.size(); ++i) {
    MORAINE_ASSIGN(auto location, allowed.At(i).String());
    warehouse->allowed_locations.push_back(std::move(location));
  }
  // Rows that an older server wrote are of the one warehouse there was, and say no more.
  MORAINE_ASSIGN(auto from_settings, cursor.OptBool("from-settings"));
  warehouse->from_settings = from_settings.value_or(true);
  MORAINE_ASSIGN(warehouse->storage, MapOf(cursor, "properties"));
  MORAINE_ASSIGN(auto clients, cursor.Find("clients"));
  if (!clients) return {};
  MORAINE_ASSIGN(warehouse->clients.send_credentials, clients->Bool("send-credentials"));
  MORAINE_ASSIGN(warehouse->clients.remote_signing, clients->Bool("remote-signing"));
  MORAINE_ASSIGN(warehouse->clients.credentials, MapOf(*clients, "credentials"));
  return {};
}

iceberg::StringMap StorageHints(const Warehouse& warehouse) {
  iceberg::StringMap hints;
  auto options = io::S3OptionsOf(warehouse.storage);
  if (!options.ok()) return hints;
  bool names_region =
      warehouse.storage.contains("s3.region") || warehouse.storage.contains("client.region");
  if (options->endpoint.empty() && !names_region) return hints;
  hints["s3.region"] = options->region;
  hints["client.region"] = options->region;
  if (!options->endpoint.empty()) hints["s3.endpoint"] = options->endpoint;
  using Addressing = io::S3Options::Addressing;
  if (options->addressing != Addressing::kAuto) {
    hints["s3.path-style-access"] = options->addressing == Addressing::kPath ? "true" : "false";
  }
  return hints;
}

iceberg::StringMap ConfigDefaults(const Warehouse& warehouse) {
  iceberg::StringMap defaults = warehouse.defaults;
  for (auto& [key, value] : StorageHints(warehouse)) defaults.emplace(key, std::move(value));
  return defaults;
}

iceberg::StringMap StorageForOptimizers(const Warehouse& warehouse, StorageKeys keys) {
  iceberg::StringMap sent;
  const auto& locations = warehouse.allowed_locations;
  bool has_store = std::any_of(locations.begin(), locations.end(),
                               [](const auto& each) { return IsInStore(each); });
  if (!has_store) return sent;
  const auto& secret = KnownCredentials();
  for (const auto& [key, value] : warehouse.storage) {
    bool is_key = std::find(secret.begin(), secret.end(), key) != secret.end() ||
                  io::IsSecretCloudProperty(key);
    if (NamesFile(key) || (is_key && keys == StorageKeys::kWithout)) continue;
    sent[key] = value;
  }
  return sent;
}

void ApplyTableProperties(const Warehouse& warehouse, iceberg::StringMap* properties) {
  for (const auto& [key, value] : warehouse.defaults) {
    if (key.starts_with(kTableDefault))
      properties->emplace(key.substr(kTableDefault.size()), value);
  }
  for (const auto& [key, value] : warehouse.overrides) {
    if (key.starts_with(kTableOverride)) (*properties)[key.substr(kTableOverride.size())] = value;
  }
}

}  // namespace moraine::catalog
