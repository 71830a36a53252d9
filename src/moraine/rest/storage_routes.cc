// What clients are told of a table's storage (REST spec, "credentials" and "sign" routes, and the
// config of load answers). What may be told is decided in catalog/storage_access.h.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/catalog/s3_signing.h"
#include "moraine/net/uri.h"
#include "moraine/rest/service.h"
#include "moraine/rest/table_answers.h"

namespace moraine::rest {
namespace {

constexpr size_t kMaxSignBodyBytes = 4 << 20;
/// How long the writer of a staged table may take until it commits.
constexpr std::chrono::hours kStagedTime{24};

/// "v1/w/namespaces/a%1Fb/tables/t": behind the catalog's URI.
std::string PathOf(const std::string& warehouse, const catalog::TableName& name) {
  std::string ns;
  for (const auto& level : name.ns) ns += (ns.empty() ? "" : "%1F") + net::EncodePart(level);
  return fmt::format("v1/{}/namespaces/{}/tables/{}", net::EncodePart(warehouse), ns,
                     net::EncodePart(name.name));
}

/// Keys that clients look for, old and new.
void AddEndpoints(const std::string& path, catalog::StorageGrant* grant) {
  if (grant->signing) {
    grant->config["signer.endpoint"] = path + "/sign";
    grant->config["s3.signer.endpoint"] = path + "/sign";
    grant->config["s3.signer"] = "S3V4RestSigner";
    grant->config["py-io-impl"] = "pyiceberg.io.fsspec.FsspecFileIO";
  }
  if (grant->expires_ms) {
    grant->config["client.refresh-credentials-enabled"] = "true";
    grant->config["client.refresh-credentials-endpoint"] = path + "/credentials";
  }
}

Result<catalog::SignRequest> SignRequestFromBody(const net::Request& request) {
  if (request.body.size() > kMaxSignBodyBytes) return InvalidArgument("body: larger than 4 MiB");
  MORAINE_ASSIGN(auto json, ObjectFromBody(request));
  JsonCursor body(json);
  catalog::SignRequest sign;
  MORAINE_ASSIGN(sign.region, body.String("region"));
  MORAINE_ASSIGN(sign.uri, body.String("uri"));
  MORAINE_ASSIGN(sign.method, body.String("method"));
  MORAINE_ASSIGN(sign.body, body.OptString("body"));
  MORAINE_ASSIGN(auto provider, body.OptString("provider"));
  if (provider && *provider != "s3") {
    return InvalidArgument(fmt::format("provider: expected s3, got '{}'", *provider));
  }
  MORAINE_ASSIGN(auto headers, body.Get("headers"));
  MORAINE_TRY(headers.ExpectObject());
  for (size_t i = 0; i < headers.member_count(); ++i) {
    JsonCursor values = headers.Member(i);
    MORAINE_TRY(values.ExpectArray());
    for (size_t k = 0; k < values.size(); ++k) {
      MORAINE_ASSIGN(auto value, values.At(k).String());
      sign.headers.Add(headers.member_key(i), std::move(value));
    }
  }
  return sign;
}

net::Response SignAnswer(const catalog::SignedRequest& signed_request) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("uri", signed_request.uri).Key("headers").BeginObject();
  for (const auto& [name, value] : signed_request.headers.all()) {
    out.Key(name).BeginArray().String(value).EndArray();
  }
  out.EndObject().EndObject();
  net::Response response = net::Response::Json(200, std::move(text));
  response.headers.Set("Cache-Control", signed_request.is_reusable ? "private" : "no-cache");
  return response;
}

}  // namespace

Service::Granted Service::GrantOf(const Context& context, const catalog::LoadedTable& table,
                                  catalog::StorageUse use) {
  catalog::StorageWish wish = WishOf(context.request);
  if (!wish.any()) return {};
  // The table may have been made just now: that stands, whatever becomes of the grant.
  auto all = catalog_.CurrentWarehouses(context.call);
  if (!all.ok()) return {};
  auto found = std::find_if((*all)->begin(), (*all)->end(), [&](const catalog::Warehouse& each) {
    return each.name == context.warehouse;
  });
  if (found == (*all)->end()) return {};
  const catalog::Warehouse& warehouse = *found;
  auto grant = catalog::GrantStorage(context.call, warehouse, *table.metadata, use, wish);
  std::string path = PathOf(context.warehouse, table.name);
  AddEndpoints(path, &grant);
  if (grant.signing && table.metadata_location.empty()) {
    std::string sealed =
        catalog::SealPlaces(warehouse, catalog::S3PlacesOf(warehouse, *table.metadata),
                            context.call.clock().Wall() + kStagedTime);
    for (const char* key : {"signer.endpoint", "s3.signer.endpoint"})
      grant.config[key] = fmt::format("{}/sign?staged={}", path, sealed);
  }
  return {std::move(grant), std::move(*all)};
}

std::optional<net::Response> Service::GrantedReplay(const Context& context,
                                                    const catalog::Catalog::MetadataText& text) {
  if (!WishOf(context.request).any()) return std::nullopt;
  auto metadata = iceberg::TableMetadataFromJson(*text.metadata_json);
  auto ns = NamespaceOf(context.params);
  auto body = ObjectFromBody(context.request);
  if (!metadata.ok() || !ns.ok() || !body.ok()) return std::nullopt;
  auto name = JsonCursor(*body).String("name");
  if (!name.ok()) return std::nullopt;
  catalog::LoadedTable table;
  table.name = {std::move(*ns), std::move(*name)};
  table.metadata_location = text.metadata_location;
  table.metadata_json = text.metadata_json;
  table.metadata = std::make_shared<const iceberg::TableMetadata>(std::move(*metadata));
  return LoadAnswer(table, Snapshots::kAll,
                    GrantOf(context, table, catalog::StorageUse::kWrite).told);
}

Result<net::Response> Service::LoadCredentials(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto warehouse, catalog_.FindWarehouse(context.call, context.warehouse));
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  auto grant = catalog::GrantStorage(context.call, warehouse, *table->metadata,
                                     catalog::StorageUse::kWrite, {.credentials = true});
  AddEndpoints(PathOf(context.warehouse, name), &grant);
  auto response =
      net::Response::Json(200, "{\"storage-credentials\":" + CredentialsText(grant) + "}");
  response.headers.Set("Cache-Control", "no-store");
  return response;
}

Result<net::Response> Service::SignRequest(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto request, SignRequestFromBody(context.request));
  MORAINE_ASSIGN(auto warehouse, catalog_.FindWarehouse(context.call, context.warehouse));
  MORAINE_TRY(catalog::CheckSigning(warehouse));
  WallTime now = context.call.clock().Wall();
  auto table = catalog_.Load(context.call, context.warehouse, name);
  auto staged = context.request.Query("staged");
  std::vector<std::string> places;
  if (table.ok()) {
    places = catalog::S3PlacesOf(warehouse, *(*table)->metadata);
  } else if (table.status().code() == Code::kNotFound && staged) {
    MORAINE_ASSIGN(places, catalog::OpenPlaces(warehouse, *staged, now));
  } else {
    return table.status();
  }
  MORAINE_ASSIGN(auto done, catalog::SignForTable(now, warehouse, places, request));
  return SignAnswer(done);
}

}  // namespace moraine::rest
