#include "moraine/api/service.h"

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/api/openapi.h"
#include "moraine/base/config.h"
#include "moraine/base/text.h"
#include "moraine/net/error_body.h"

namespace moraine::api {

namespace {

constexpr size_t kMaxMessageBytes = 8'192;

net::Response ErrorWith(int http, Code code, std::string_view text) {
  return net::Response::Json(http, net::ErrorBody(http, CodeName(code), text, kMaxMessageBytes));
}

Code CodeOfRefusal(int http) {
  if (auto code = net::CodeOfHttpStatus(http)) return *code;
  switch (http) {
    case 405:
    case 501:
      return Code::kUnsupported;
    case 408:
      return Code::kDeadline;
    case 499:
      return Code::kCancelled;
    default:
      return http >= 500 ? Code::kInternal : Code::kInvalidArgument;
  }
}

}  // namespace

net::Response RefusalOf(const net::Refusal& refusal) {
  auto response = ErrorWith(refusal.status, CodeOfRefusal(refusal.status), refusal.message);
  for (const auto& [name, value] : refusal.headers.all()) response.headers.Add(name, value);
  return response;
}

net::Response ErrorResponse(const Status& status) {
  auto response = ErrorWith(net::HttpStatusOf(status.code()), status.code(), status.message());
  if (status.code() == Code::kExhausted || status.code() == Code::kUnavailable)
    response.headers.Set("Retry-After", "1");
  return response;
}

Result<size_t> LimitOf(const net::Request& request, size_t fallback, size_t max) {
  auto text = request.Query("limit");
  if (!text) return fallback;
  auto value = ParseInt64(*text);
  if (!value.ok() || *value < 1 || *value > static_cast<int64_t>(max)) {
    return InvalidArgument(
        fmt::format("limit: expected a number from 1 to {}, got '{}'", max, *text));
  }
  return static_cast<size_t>(*value);
}

Result<Json> BodyOf(const net::Request& request) {
  auto json = Json::Parse(request.body);
  if (!json.ok()) return std::move(json).status().Annotate("request body");
  if (!json->is_object()) return InvalidArgument("request body: expected a JSON object");
  return json;
}

Service::Service(catalog::Catalog& catalog, io::FileSystem& files, optimizing::Service& optimizing,
                 WallTime started)
    : impl_(std::make_unique<Impl>(catalog, files, optimizing, started)) {}
Service::~Service() = default;

void Service::TellOptimizers(catalog::StorageKeys keys) { impl_->keys = keys; }

void Service::CheckNewWarehouses(WarehouseCheck check) {
  impl_->check_warehouse = std::move(check);
}

void Service::ServeEvents(events::Service& events) { impl_->events = &events; }

void Service::ServeMaintenance(maintenance::Controls& maintenance) {
  impl_->maintenance = &maintenance;
}

void Service::Register(net::Router& router) {
  impl_->AddDescription(router);
  impl_->AddServer(router);
  impl_->AddWarehouses(router);
  impl_->AddReports(router);
  impl_->AddTables(router);
  impl_->AddLifecycle(router);
  impl_->AddProcesses(router);
  impl_->AddOptimizers(router);
  if (impl_->maintenance != nullptr) {
    impl_->AddMaintenance(router);
    impl_->AddMaintenanceSchedules(router);
    impl_->AddAdvice(router);
    impl_->AddBlockers(router);
    impl_->AddHolds(router);
  }
  if (impl_->events == nullptr) return;
  impl_->AddEvents(router);
  impl_->AddWebhooks(router);
}

void Service::WakePolls() {
  std::vector<std::weak_ptr<net::Waiter>> woken;
  {
    std::lock_guard lock(impl_->mutex);
    woken.swap(impl_->parked);
  }
  for (auto& waiter : woken) {
    if (auto alive = waiter.lock()) alive->Wake();
  }
}

void Service::Impl::AddDescription(net::Router& router) {
  router.Add(net::Method::kGet, "/api/v1/openapi.yaml",
             [](Call&, const net::Request&, const net::PathParams&) {
               auto response = net::Response::Text(200, std::string(OpenApiYaml()));
               response.headers.Set("Content-Type", "application/yaml");
               return response;
             });
  router.Add(net::Method::kGet, "/api/v1/openapi.json",
             [](Call&, const net::Request&, const net::PathParams&) {
               return AnswerJson([] { return YamlToJson(OpenApiYaml()); });
             });
}

void Service::Impl::AddServer(net::Router& router) {
  router.Add(net::Method::kGet, "/api/v1/server",
             [this](Call& call, const net::Request&, const net::PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 std::string text;
                 JsonWriter(&text)
                     .BeginObject()
                     .Field("version", MORAINE_VERSION)
                     .Field("started-ms", ToMillis(started))
                     .Field("now-ms", ToMillis(call.clock().Wall()))
                     .EndObject();
                 return text;
               });
             });
}

}  // namespace moraine::api
