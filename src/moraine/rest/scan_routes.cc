// Scan planning (REST spec, "planTableScan", "fetchPlanningResult", "cancelPlanning",
// "fetchScanTasks").

#include "moraine/base/json.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"
#include "moraine/rest/table_answers.h"
#include "moraine/scanning/scans.h"

namespace moraine::rest {
namespace {

/// Filters nest as deep as they have conjuncts.
constexpr int kMaxBodyDepth = 500;

/// Java's library reads bounds in their binary form.
scanning::BoundsForm BoundsFor(const net::Request& request) {
  auto client = request.headers.Get("X-Client-Version");
  return client && client->starts_with("Apache Iceberg") ? scanning::BoundsForm::kBinary
                                                         : scanning::BoundsForm::kTyped;
}

Result<Json> DeepObjectFromBody(const net::Request& request) {
  auto json = Json::Parse(request.body, kMaxBodyDepth);
  if (!json.ok()) return std::move(json).status().Annotate("body");
  return json;
}

/// A table that is there, yet not the plan or task that was asked for.
net::Response Missing(const Status& status, std::string_view type) {
  return ErrorResponse(404, type, status.message());
}
net::Response MissingPlan(const Status& status) { return Missing(status, "NoSuchPlanIdException"); }

Status NoPlanning() { return Unsupported("not served by this catalog: scan planning"); }

/// Keys are not to be kept on the way.
net::Response PlanAnswer(std::string answer, const std::string& credentials) {
  net::Response response = net::Response::Json(200, std::move(answer));
  if (!credentials.empty()) response.headers.Set("Cache-Control", "no-store");
  return response;
}

}  // namespace

std::string Service::CredentialsFor(const Context& context, const catalog::LoadedTable& table) {
  auto granted = GrantOf(context, table, catalog::StorageUse::kRead);
  return granted.told.has_secrets() ? CredentialsText(granted.told) : std::string();
}

Result<net::Response> Service::PlanScan(const Context& context) {
  if (options_.scans == nullptr) return NoPlanning();
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto json, DeepObjectFromBody(context.request));
  MORAINE_ASSIGN(auto request, scanning::ScanRequestFromJson(JsonCursor(json)));
  request.bounds = BoundsFor(context.request);
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  auto told = CredentialsFor(context, *table);
  MORAINE_ASSIGN(auto answer, options_.scans->Plan(context.call, *table, request, told));
  return PlanAnswer(std::move(answer), told);
}

Result<net::Response> Service::FetchPlan(const Context& context) {
  if (options_.scans == nullptr) return NoPlanning();
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  auto told = CredentialsFor(context, *table);
  auto answer = options_.scans->Fetch(context.call, *table, context.params.Get("plan-id"), told);
  if (answer.status().code() == Code::kNotFound) return MissingPlan(answer.status());
  MORAINE_TRY(answer.status());
  return PlanAnswer(std::move(*answer), told);
}

Result<net::Response> Service::CancelPlan(const Context& context) {
  if (options_.scans == nullptr) return NoPlanning();
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  Status status = options_.scans->Cancel(context.call, *table, context.params.Get("plan-id"));
  if (status.code() == Code::kNotFound) return MissingPlan(status);
  MORAINE_TRY(std::move(status));
  return net::Response::Empty(204);
}

Result<net::Response> Service::FetchScanTasks(const Context& context) {
  if (options_.scans == nullptr) return NoPlanning();
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  MORAINE_ASSIGN(auto plan_task, JsonCursor(json).String("plan-task"));
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  auto answer = options_.scans->Tasks(context.call, *table, plan_task);
  if (answer.status().code() == Code::kNotFound) {
    return Missing(answer.status(), "NoSuchPlanTaskException");
  }
  MORAINE_TRY(answer.status());
  return net::Response::Json(200, std::move(*answer));
}

}  // namespace moraine::rest
