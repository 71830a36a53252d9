// Maintenance of the fleet: what is due when, the longest due first.

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"
#include "moraine/maintenance/controls.h"

namespace moraine::api {
namespace {

using maintenance::FleetSchedule;
using maintenance::ScheduleFilter;
using net::PathParams;
using net::Request;

constexpr size_t kDefaultLimit = 100;
constexpr size_t kMaxLimit = 1'000;

/// "DUE.TABLE.ACTION"
std::string TokenOf(const maintenance::Schedule& last) {
  return fmt::format("{}.{}.{}", last.due_ms.value_or(0), last.table_id,
                     upkeep::ActionName(last.action));
}

Result<ScheduleFilter::Place> PlaceOf(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? first : token.find('.', first + 1);
  if (second != token.npos) {
    auto due_ms = ParseInt64(token.substr(0, first));
    auto table_id = ParseInt64(token.substr(first + 1, second - first - 1));
    if (due_ms.ok() && table_id.ok())
      return ScheduleFilter::Place{*due_ms, *table_id, std::string(token.substr(second + 1))};
  }
  return InvalidArgument("page-token: not a token of this listing");
}

Result<ScheduleFilter> FilterOf(const Request& request) {
  ScheduleFilter filter;
  if (auto name = request.Query("action")) {
    MORAINE_ASSIGN(filter.action, upkeep::ActionFromName(*name));
  }
  if (auto text = request.Query("table-id")) {
    auto id = ParseInt64(*text);
    if (!id.ok()) return std::move(id).status().Annotate("table-id");
    filter.table_id = *id;
  }
  if (auto name = request.Query("state")) {
    MORAINE_ASSIGN(filter.state, maintenance::ScheduleStateFromName(*name));
  }
  if (auto token = request.Query("page-token")) {
    MORAINE_ASSIGN(filter.after, PlaceOf(*token));
  }
  return filter;
}

void WriteOne(const FleetSchedule& one, JsonWriter* out) {
  const auto& schedule = one.schedule;
  out->BeginObject()
      .Field("table-id", schedule.table_id)
      .Field("table", schedule.subject.name)
      .Field("action", upkeep::ActionName(schedule.action));
  if (schedule.due_ms) out->Field("due-ms", *schedule.due_ms);
  WriteSchedule(schedule, out);
  out->Field("active-run-id", one.active_run_id).EndObject();
}

Result<std::string> SchedulesText(Call& call, maintenance::Controls& controls,
                                  const Request& request) {
  MORAINE_ASSIGN(const size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
  MORAINE_ASSIGN(const auto filter, FilterOf(request));
  MORAINE_ASSIGN(const auto view, controls.Fleet(call, filter, limit));
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("now-ms", view.now_ms).Key("schedules").BeginArray();
  for (const auto& one : view.schedules) WriteOne(one, &out);
  out.EndArray();
  if (view.schedules.size() == limit)
    out.Field("next-page-token", TokenOf(view.schedules.back().schedule));
  out.EndObject();
  return text;
}

}  // namespace

void Service::Impl::AddMaintenanceSchedules(net::Router& router) {
  router.Add(net::Method::kGet, "/api/v1/maintenance/schedules",
             [this](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&] { return SchedulesText(call, *maintenance, request); });
             });
}

}  // namespace moraine::api
