#include "moraine/rest/service.h"

#include <fmt/format.h>

#include "moraine/rest/errors.h"

namespace moraine::rest {

using net::Method;

struct Service::Route {
  Method method;
  std::string_view path;  ///< after /v1/ or /v1/{prefix}/
  Action action;
  Effect effect;
};

const std::vector<Service::Route>& Service::Routes() {
  using S = Service;
  constexpr auto kRead = Effect::kRead;
  constexpr auto kMutation = Effect::kMutation;
  static const std::vector<Route> routes = {
      {Method::kGet, "namespaces", &S::ListNamespaces, kRead},
      {Method::kPost, "namespaces", &S::CreateNamespace, kMutation},
      {Method::kGet, "namespaces/{namespace}", &S::LoadNamespace, kRead},
      {Method::kHead, "namespaces/{namespace}", &S::NamespaceExists, kRead},
      {Method::kDelete, "namespaces/{namespace}", &S::DropNamespace, kMutation},
      {Method::kPost, "namespaces/{namespace}/properties", &S::UpdateNamespace, kMutation},
      {Method::kGet, "namespaces/{namespace}/tables", &S::ListTables, kRead},
      {Method::kPost, "namespaces/{namespace}/tables", &S::CreateTable, kMutation},
      {Method::kPost, "namespaces/{namespace}/register", &S::RegisterTable, kMutation},
      {Method::kGet, "namespaces/{namespace}/tables/{table}", &S::LoadTable, kRead},
      {Method::kHead, "namespaces/{namespace}/tables/{table}", &S::TableExists, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}", &S::CommitTable, kMutation},
      {Method::kDelete, "namespaces/{namespace}/tables/{table}", &S::DropTable, kMutation},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/metrics", &S::ReportMetrics, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/unregister", &S::UnregisterTable,
       kMutation},
      {Method::kPost, "tables/rename", &S::RenameTable, kMutation},
      {Method::kPost, "transactions/commit", &S::CommitTransaction, kMutation},
      {Method::kGet, "namespaces/{namespace}/views", &S::ListViews, kRead},
      {Method::kPost, "namespaces/{namespace}/views", &S::CreateView, kMutation},
      {Method::kPost, "namespaces/{namespace}/register-view", &S::RegisterView, kMutation},
      {Method::kGet, "namespaces/{namespace}/views/{view}", &S::LoadView, kRead},
      {Method::kHead, "namespaces/{namespace}/views/{view}", &S::ViewExists, kRead},
      {Method::kPost, "namespaces/{namespace}/views/{view}", &S::CommitView, kMutation},
      {Method::kDelete, "namespaces/{namespace}/views/{view}", &S::DropView, kMutation},
      {Method::kPost, "views/rename", &S::RenameView, kMutation},
      // Of the protocol, yet not served: answered 406 and left out of the endpoints that config
      // lists.
      {Method::kGet, "namespaces/{namespace}/tables/{table}/credentials", &S::NotServed, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/sign", &S::NotServed, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/plan", &S::NotServed, kRead},
      {Method::kGet, "namespaces/{namespace}/tables/{table}/plan/{plan}", &S::NotServed, kRead},
      {Method::kDelete, "namespaces/{namespace}/tables/{table}/plan/{plan}", &S::NotServed, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/tasks", &S::NotServed, kRead},
      {Method::kGet, "namespaces/{namespace}/functions", &S::NotServed, kRead},
      {Method::kGet, "namespaces/{namespace}/functions/{function}", &S::NotServed, kRead},
  };
  return routes;
}

void Service::Register(net::Router& router) {
  auto add = [&](const Route& route, bool with_prefix) {
    std::string pattern =
        fmt::format("{}{}/{}", options_.base_path, with_prefix ? "/{prefix}" : "", route.path);
    router.Add(
        route.method, std::move(pattern),
        [this, action = route.action, effect = route.effect, with_prefix](
            Call& call, const net::Request& request, const net::PathParams& params) -> net::Answer {
          Context context{call, request, params,
                          with_prefix ? params.Get("prefix") : options_.default_warehouse};
          auto response = (this->*action)(context);
          if (response.ok()) return std::move(*response);
          net::Response error = ErrorOf(response.status(), effect);
          if (request.method == Method::kHead) error.body.clear();
          return error;
        });
  };
  add({Method::kGet, "config", &Service::Config, Effect::kRead}, false);
  for (const auto& route : Routes()) {
    add(route, false);
    add(route, true);
  }
}

std::vector<std::string> Service::Endpoints() {
  std::vector<std::string> endpoints;
  for (const auto& route : Routes()) {
    if (route.action == &Service::NotServed) continue;
    endpoints.push_back(
        fmt::format("{} /v1/{{prefix}}/{}", net::MethodName(route.method), route.path));
  }
  return endpoints;
}

Result<net::Response> Service::Config(const Context& context) {
  auto asked = context.request.Query("warehouse");
  bool named = asked && !asked->empty();
  MORAINE_ASSIGN(auto warehouse,
                 catalog_.FindWarehouse(context.call,
                                        named ? std::string(*asked) : options_.default_warehouse));
  iceberg::StringMap overrides = warehouse.overrides;
  if (named) overrides["prefix"] = warehouse.name;
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Key("defaults");
  iceberg::WriteStringMap(warehouse.defaults, &out);
  out.Key("overrides");
  iceberg::WriteStringMap(overrides, &out);
  out.Key("endpoints").BeginArray();
  for (const auto& endpoint : Endpoints()) out.String(endpoint);
  out.EndArray().EndObject();
  return net::Response::Json(200, std::move(body));
}

Result<net::Response> Service::NotServed(const Context& context) {
  return Unsupported(fmt::format("not served by this catalog: {} {}",
                                 net::MethodName(context.request.method), context.request.path));
}

Result<catalog::NamespaceName> NamespaceOf(const net::PathParams& params) {
  return NamespaceFromPath(params.Raw("namespace"));
}

Result<catalog::TableName> TableOf(const net::PathParams& params) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(params));
  return catalog::TableName{std::move(ns), params.Get("table")};
}

}  // namespace moraine::rest
