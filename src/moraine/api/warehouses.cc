// Warehouses: list, show, make, change, drop. Secrets come in and never go out: answers have
// "(hidden)" in their place.

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/maintenance/controls.h"

namespace moraine::api {
namespace {

using net::Answer;
using net::PathParams;
using net::Request;

void WriteWarehouse(const catalog::Warehouse& warehouse, JsonWriter* out) {
  auto map = [&](std::string_view key, const iceberg::StringMap& properties) {
    out->Key(key);
    iceberg::WriteStringMap(properties, out);
  };
  out->BeginObject()
      .Field("name", warehouse.name)
      .Field("root", warehouse.root)
      .Key("allowed-locations")
      .BeginArray();
  for (const auto& location : warehouse.allowed_locations) out->String(location);
  out->EndArray().Field("from-settings", warehouse.from_settings);
  map("storage", catalog::RedactStorage(warehouse.storage));
  out->Field("send-credentials", warehouse.clients.send_credentials)
      .Field("remote-signing", warehouse.clients.remote_signing);
  map("client-credentials", catalog::RedactStorage(warehouse.clients.credentials));
  map("defaults", warehouse.defaults);
  map("overrides", warehouse.overrides);
  out->EndObject();
}

Result<std::string> WarehouseText(Call& call, catalog::Catalog& catalog, const std::string& name) {
  MORAINE_ASSIGN(auto warehouse, catalog.FindWarehouse(call, name));
  std::string text;
  JsonWriter out(&text);
  WriteWarehouse(warehouse, &out);
  return text;
}

/// Members of the object over the map; null takes one out.
Status Merge(const JsonCursor& body, std::string_view key, iceberg::StringMap* map) {
  MORAINE_ASSIGN(auto changes, body.Find(key));
  if (!changes) return {};
  MORAINE_TRY(changes->ExpectObject());
  for (size_t i = 0; i < changes->member_count(); ++i) {
    const std::string& name = changes->member_key(i);
    JsonCursor member = changes->Member(i);
    if (member.json().is_null()) {
      map->erase(name);
      continue;
    }
    MORAINE_ASSIGN((*map)[name], member.String());
  }
  return {};
}

Status ReadLocations(const JsonCursor& body, catalog::Warehouse* warehouse) {
  MORAINE_ASSIGN(auto root, body.OptString("root"));
  if (root) warehouse->root = *root;
  MORAINE_ASSIGN(auto allowed, body.Find("allowed-locations"));
  if (!allowed) return {};
  MORAINE_TRY(allowed->ExpectArray());
  warehouse->allowed_locations.clear();
  for (size_t i = 0; i < allowed->size(); ++i) {
    MORAINE_ASSIGN(warehouse->allowed_locations.emplace_back(), allowed->At(i).String());
  }
  return {};
}

/// What the body says goes over what the warehouse has; the rest stays.
Status Change(const JsonCursor& body, catalog::Warehouse* warehouse) {
  MORAINE_TRY(ReadLocations(body, warehouse));
  MORAINE_TRY(Merge(body, "storage", &warehouse->storage));
  MORAINE_TRY(Merge(body, "client-credentials", &warehouse->clients.credentials));
  MORAINE_TRY(Merge(body, "defaults", &warehouse->defaults));
  MORAINE_TRY(Merge(body, "overrides", &warehouse->overrides));
  MORAINE_ASSIGN(auto sends, body.OptBool("send-credentials"));
  warehouse->clients.send_credentials = sends.value_or(warehouse->clients.send_credentials);
  MORAINE_ASSIGN(auto signs, body.OptBool("remote-signing"));
  warehouse->clients.remote_signing = signs.value_or(warehouse->clients.remote_signing);
  return {};
}

Result<catalog::Warehouse> Checked(Call& call, const Service::WarehouseCheck& check,
                                   catalog::Warehouse warehouse) {
  MORAINE_ASSIGN(auto checked, catalog::CheckedWarehouse(std::move(warehouse)));
  if (check != nullptr) MORAINE_TRY(check(call, checked));
  return checked;
}

}  // namespace

void Service::Impl::AddWarehouses(net::Router& router) {
  using net::Method;
  router.Add(Method::kGet, "/api/v1/warehouses",
             [this](Call& call, const Request&, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto warehouses, catalog.Warehouses(call));
                 std::string text;
                 JsonWriter out(&text);
                 out.BeginObject().Key("warehouses").BeginArray();
                 for (const auto& warehouse : warehouses) WriteWarehouse(warehouse, &out);
                 out.EndArray().EndObject();
                 return text;
               });
             });
  router.Add(Method::kPost, "/api/v1/warehouses",
             [this](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto json, BodyOf(request));
                 JsonCursor body(json);
                 catalog::Warehouse warehouse;
                 MORAINE_ASSIGN(warehouse.name, body.String("name"));
                 MORAINE_TRY(body.Get("root").status());
                 MORAINE_TRY(Change(body, &warehouse));
                 MORAINE_ASSIGN(warehouse, Checked(call, check_warehouse, std::move(warehouse)));
                 MORAINE_TRY(catalog.CreateWarehouse(call, warehouse));
                 return WarehouseText(call, catalog, warehouse.name);
               });
             });
  router.Add(
      Method::kGet, "/api/v1/warehouses/{warehouse}",
      [this](Call& call, const Request&, const PathParams& params) {
        return AnswerJson([&] { return WarehouseText(call, catalog, params.Get("warehouse")); });
      });
  router.Add(Method::kPost, "/api/v1/warehouses/{warehouse}",
             [this](Call& call, const Request& request, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto json, BodyOf(request));
                 MORAINE_ASSIGN(auto warehouse,
                                catalog.FindWarehouse(call, params.Get("warehouse")));
                 JsonCursor body(json);
                 // Tables may still lie in a root that was: it stays among the allowed locations.
                 MORAINE_TRY(Change(body, &warehouse));
                 MORAINE_ASSIGN(warehouse, Checked(call, check_warehouse, std::move(warehouse)));
                 MORAINE_TRY(catalog.UpdateWarehouse(call, warehouse));
                 // Its tables inherit its properties.
                 if (maintenance) MORAINE_TRY(maintenance->LookAgain(call, warehouse.name));
                 return WarehouseText(call, catalog, warehouse.name);
               });
             });
  router.Add(
      Method::kDelete, "/api/v1/warehouses/{warehouse}",
      [this](Call& call, const Request&, const PathParams& params) {
        return AnswerEmpty([&] { return catalog.DropWarehouse(call, params.Get("warehouse")); });
      });
}

}  // namespace moraine::api
