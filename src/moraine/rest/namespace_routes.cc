// Namespaces (REST spec, "namespaces" routes).

#include "moraine/base/json.h"
#include "moraine/catalog/locations.h"
#include "moraine/rest/service.h"

namespace moraine::rest {
namespace {

void WriteNamespace(const catalog::NamespaceName& name, JsonWriter* out) {
  out->BeginArray();
  for (const auto& level : name) out->String(level);
  out->EndArray();
}

net::Response NamespaceAnswer(const catalog::NamespaceName& name,
                              const iceberg::StringMap& properties) {
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Key("namespace");
  WriteNamespace(name, &out);
  out.Key("properties");
  iceberg::WriteStringMap(properties, &out);
  out.EndObject();
  return net::Response::Json(200, std::move(body));
}

Result<iceberg::StringMap> OptionalMap(const JsonCursor& body, std::string_view key) {
  MORAINE_ASSIGN(auto member, body.Find(key));
  if (!member) return iceberg::StringMap();
  return iceberg::StringMapFromJson(*member);
}

struct NewNamespace {
  catalog::NamespaceName name;
  iceberg::StringMap properties;
};

Result<NewNamespace> NewNamespaceFromBody(const net::Request& request) {
  MORAINE_ASSIGN(auto json, ObjectFromBody(request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto levels, body.Get("namespace"));
  NewNamespace made;
  MORAINE_ASSIGN(made.name, NamespaceFromJson(levels));
  MORAINE_ASSIGN(made.properties, OptionalMap(body, "properties"));
  return made;
}

}  // namespace

Result<net::Response> Service::ListNamespaces(const Context& context) {
  MORAINE_ASSIGN(auto parent, NamespaceFromQuery(context.request.Query("parent").value_or("")));
  MORAINE_ASSIGN(auto wish, PageFromQuery(context.request));
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Key("namespaces").BeginArray();
  do {
    MORAINE_ASSIGN(auto page,
                   catalog_.ListNamespaces(context.call, context.warehouse, parent, wish.page));
    for (const auto& name : page.items) WriteNamespace(name, &out);
    MORAINE_TRY(CheckListing(body));
    wish.page.token = std::move(page.next_token);
  } while (wish.everything && !wish.page.token.empty());
  out.EndArray().Key("next-page-token");
  wish.page.token.empty() ? out.Null() : out.String(wish.page.token);
  out.EndObject();
  return net::Response::Json(200, std::move(body));
}

Result<net::Response> Service::CreateNamespace(const Context& context) {
  MORAINE_ASSIGN(auto made, NewNamespaceFromBody(context.request));
  MORAINE_TRY(
      catalog_.CreateNamespace(context.call, context.warehouse, made.name, made.properties));
  return NamespaceAnswer(made.name, made.properties);
}

Result<net::Response> Service::ReplayCreateNamespace(const Context& context,
                                                     const catalog::Receipt&) {
  MORAINE_ASSIGN(auto made, NewNamespaceFromBody(context.request));
  return NamespaceAnswer(made.name, made.properties);
}

Result<net::Response> Service::LoadNamespace(const Context& context) {
  MORAINE_ASSIGN(auto name, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto properties, catalog_.LoadNamespace(context.call, context.warehouse, name));
  // Trino chooses where a table lies itself, and asks here below what.
  MORAINE_ASSIGN(auto warehouse, catalog_.FindWarehouse(context.call, context.warehouse));
  properties.try_emplace("location", catalog::DefaultLocation(warehouse.root, name));
  return NamespaceAnswer(name, properties);
}

Result<net::Response> Service::NamespaceExists(const Context& context) {
  MORAINE_ASSIGN(auto name, NamespaceOf(context.params));
  MORAINE_TRY(catalog_.LoadNamespace(context.call, context.warehouse, name));
  return net::Response::Empty(204);
}

Result<net::Response> Service::DropNamespace(const Context& context) {
  MORAINE_ASSIGN(auto name, NamespaceOf(context.params));
  MORAINE_TRY(catalog_.DropNamespace(context.call, context.warehouse, name));
  return net::Response::Empty(204);
}

Result<net::Response> Service::UpdateNamespace(const Context& context) {
  MORAINE_ASSIGN(auto name, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto updates, OptionalMap(body, "updates"));
  std::vector<std::string> removals;
  MORAINE_ASSIGN(auto listed, body.Find("removals"));
  if (listed) {
    MORAINE_TRY(listed->ExpectArray());
    for (size_t i = 0; i < listed->size(); ++i) {
      MORAINE_ASSIGN(auto key, listed->At(i).String());
      removals.push_back(std::move(key));
    }
  }
  MORAINE_ASSIGN(auto changes, catalog_.UpdateNamespace(context.call, context.warehouse, name,
                                                        updates, removals));
  return net::Response::Json(200, catalog::ToJson(changes));
}

}  // namespace moraine::rest
