#include "moraine/rest/service.h"

#include <fmt/format.h>

#include "moraine/rest/errors.h"
#include "moraine/rest/route_internal.h"

namespace moraine::rest {

using net::Method;

const std::vector<Service::Route>& Service::Routes() {
  using S = Service;
  constexpr auto kRead = Effect::kRead;
  constexpr auto kMutation = Effect::kMutation;
  constexpr ReplayAction kNothing = &S::ReplayNothing;
  constexpr ReplayAction kAnew = &S::ReplayAnew;
  constexpr ReplayAction kKept = &S::ReplayKept;
  constexpr ReplayAction kLoad = &S::ReplayLoad;
  constexpr ReplayAction kCommit = &S::ReplayCommit;
  static const std::vector<Route> routes = {
      {Method::kGet, "namespaces", &S::ListNamespaces, kRead},
      {Method::kPost, "namespaces", &S::CreateNamespace, kMutation, &S::ReplayCreateNamespace},
      {Method::kGet, "namespaces/{namespace}", &S::LoadNamespace, kRead},
      {Method::kHead, "namespaces/{namespace}", &S::NamespaceExists, kRead},
      {Method::kDelete, "namespaces/{namespace}", &S::DropNamespace, kMutation, kNothing},
      {Method::kPost, "namespaces/{namespace}/properties", &S::UpdateNamespace, kMutation, kKept},
      {Method::kGet, "namespaces/{namespace}/tables", &S::ListTables, kRead},
      {Method::kPost, "namespaces/{namespace}/tables", &S::CreateTable, kMutation, kLoad},
      {Method::kPost, "namespaces/{namespace}/register", &S::RegisterTable, kMutation, kLoad},
      {Method::kGet, "namespaces/{namespace}/tables/{table}", &S::LoadTable, kRead},
      {Method::kHead, "namespaces/{namespace}/tables/{table}", &S::TableExists, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}", &S::CommitTable, kMutation, kCommit},
      {Method::kDelete, "namespaces/{namespace}/tables/{table}", &S::DropTable, kMutation,
       kNothing},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/metrics", &S::ReportMetrics, kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/unregister", &S::UnregisterTable,
       kMutation, kCommit},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/plan", &S::PlanScan, kRead, kAnew},
      {Method::kGet, "namespaces/{namespace}/tables/{table}/plan/{plan-id}", &S::FetchPlan, kRead},
      {Method::kDelete, "namespaces/{namespace}/tables/{table}/plan/{plan-id}", &S::CancelPlan,
       kRead, kNothing},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/tasks", &S::FetchScanTasks, kRead,
       kAnew},
      {Method::kGet, "namespaces/{namespace}/tables/{table}/credentials", &S::LoadCredentials,
       kRead},
      {Method::kPost, "namespaces/{namespace}/tables/{table}/sign", &S::SignRequest, kRead},
      {Method::kGet, "namespaces/{namespace}/functions", &S::ListFunctions, kRead},
      {Method::kGet, "namespaces/{namespace}/functions/{function}", &S::LoadFunction, kRead},
      {Method::kPost, "tables/rename", &S::RenameTable, kMutation, kNothing},
      {Method::kPost, "transactions/commit", &S::CommitTransaction, kMutation, kNothing},
      {Method::kGet, "namespaces/{namespace}/views", &S::ListViews, kRead},
      {Method::kPost, "namespaces/{namespace}/views", &S::CreateView, kMutation, kLoad},
      {Method::kPost, "namespaces/{namespace}/register-view", &S::RegisterView, kMutation, kLoad},
      {Method::kGet, "namespaces/{namespace}/views/{view}", &S::LoadView, kRead},
      {Method::kHead, "namespaces/{namespace}/views/{view}", &S::ViewExists, kRead},
      {Method::kPost, "namespaces/{namespace}/views/{view}", &S::CommitView, kMutation, kLoad},
      {Method::kDelete, "namespaces/{namespace}/views/{view}", &S::DropView, kMutation, kNothing},
      {Method::kPost, "views/rename", &S::RenameView, kMutation, kNothing},
  };
  return routes;
}

void Service::Register(net::Router& router) {
  auto add = [&](const Route& route, bool with_prefix) {
    std::string pattern =
        fmt::format("{}{}/{}", options_.base_path, with_prefix ? "/{prefix}" : "", route.path);
    router.Add(route.method, std::move(pattern),
               [this, &route, with_prefix](Call& call, const net::Request& request,
                                           const net::PathParams& params) -> net::Answer {
                 return Serve(route,
                              {call, request, params,
                               with_prefix ? params.Get("prefix") : options_.default_warehouse});
               });
  };
  static const Route config = {Method::kGet, "config", &Service::Config, Effect::kRead};
  add(config, false);
  for (const auto& route : Routes()) {
    add(route, false);
    add(route, true);
  }
}

std::optional<net::Answer> Service::Quick(const net::Request& request) {
  if (request.method != Method::kGet) return std::nullopt;
  return loads_.Find(request);
}

std::vector<std::string> Service::Endpoints() {
  std::vector<std::string> endpoints;
  for (const auto& route : Routes()) {
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
  iceberg::WriteStringMap(catalog::ConfigDefaults(warehouse), &out);
  out.Key("overrides");
  iceberg::WriteStringMap(overrides, &out);
  out.Key("endpoints").BeginArray();
  for (const auto& endpoint : Endpoints()) out.String(endpoint);
  out.EndArray();
  if (options_.idempotency_key_lifetime.count() > 0) {
    out.Field("idempotency-key-lifetime", IsoDuration(options_.idempotency_key_lifetime));
  }
  out.EndObject();
  return net::Response::Json(200, std::move(body));
}

Result<catalog::NamespaceName> NamespaceOf(const net::PathParams& params) {
  return NamespaceFromPath(params.Raw("namespace"));
}

Result<catalog::TableName> TableOf(const net::PathParams& params) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(params));
  return catalog::TableName{std::move(ns), params.Get("table")};
}

}  // namespace moraine::rest
