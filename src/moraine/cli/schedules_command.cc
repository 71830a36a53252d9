// moraine maintenance schedules: what is due when on all tables, the longest due first.

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "moraine/cli/maintenance_commands.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;
using Cell = TextTable::Cell;

constexpr int64_t kPageSize = 1'000;
/// What is due is begun with the next round.
constexpr int64_t kLateMs = 60'000;

constexpr char kSchedulesPath[] = "/api/v1/maintenance/schedules";

Cell StateCell(const Json& schedule) {
  if (!TextOf(schedule, "active-run-id").empty()) return {"running", Colour::kCyan};
  if (!TextOf(schedule, "asked-run-id").empty()) return {"asked for", Colour::kCyan};
  if (BoolOf(schedule, "paused")) return {"paused", Colour::kYellow};
  if (IntOf(schedule, "failures") > 0) return {"failed", Colour::kRed};
  return "on";
}

Cell DueCell(const Json& schedule, int64_t now_ms) {
  const int64_t due_ms = IntOf(schedule, "due-ms");
  if (due_ms <= 0) return "-";
  if (due_ms > now_ms) return FormatIn(due_ms, now_ms);
  if (now_ms - due_ms < kLateMs || !TextOf(schedule, "active-run-id").empty()) return "now";
  return {FormatAge(due_ms, now_ms) + " late", Colour::kRed};
}

std::string WhyOf(const Json& schedule) {
  if (IntOf(schedule, "failures") > 0) return TextOf(schedule, "last-failure");
  std::string by = TextOf(schedule, "paused-by");
  if (BoolOf(schedule, "paused")) return by.empty() ? "paused" : "paused by " + by;
  std::string reason = TextOf(schedule, "reason");
  return reason.empty() ? TextOf(schedule, "last-reason") : reason;
}

void AddRow(const Json& schedule, int64_t now_ms, TextTable* table) {
  const std::string last = TextOf(schedule, "last-state");
  table->Add({DueCell(schedule, now_ms), TextOf(schedule, "table"), TextOf(schedule, "action"),
              StateCell(schedule), FormatAge(IntOf(schedule, "last-run-ms"), now_ms),
              last.empty() ? "-" : last, WhyOf(schedule)});
}

Result<net::QueryParams> QueryOf(Session& session, const MaintenanceOptions& options) {
  net::QueryParams query;
  if (!options.action.empty()) query.emplace_back("action", options.action);
  if (!options.state.empty()) query.emplace_back("state", options.state);
  if (options.table.empty()) return query;
  MORAINE_ASSIGN(auto name, ParseTableRef(options.table));
  MORAINE_ASSIGN(auto table, session.client.Get(TablePath(options.warehouse, name)));
  query.emplace_back("table-id", std::to_string(IntOf(table.json, "id")));
  return query;
}

}  // namespace

Result<Answer> AskedRuns(Session& session, MaintenanceOptions options) {
  options.state = "asked";
  MORAINE_ASSIGN(auto query, QueryOf(session, options));
  query.emplace_back("limit", std::to_string(kPageSize));
  return session.client.Get(kSchedulesPath, query);
}

Status ListMaintenanceSchedules(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(const auto filter, QueryOf(session, options));
  TextTable table({{"DUE", Align::kRight},
                   {"TABLE", Align::kLeft, TextTable::Cut::kYes},
                   {"ACTION"},
                   {"STATE"},
                   {"LAST RUN", Align::kRight},
                   {"RESULT"},
                   {"WHY"}});
  Json all = Json::MakeArray();
  int64_t now_ms = 0;
  std::string token;
  for (int64_t left = options.limit; left > 0;) {
    net::QueryParams query = filter;
    query.emplace_back("limit", std::to_string(std::min(left, kPageSize)));
    if (!token.empty()) query.emplace_back("page-token", token);
    MORAINE_ASSIGN(auto answer, session.client.Get(kSchedulesPath, query));
    const auto& schedules = ListOf(answer.json, "schedules");
    now_ms = IntOf(answer.json, "now-ms");
    for (const auto& schedule : schedules) {
      if (session.json) {
        all.Push(schedule);
      } else {
        AddRow(schedule, now_ms, &table);
      }
    }
    left -= static_cast<int64_t>(schedules.size());
    token = TextOf(answer.json, "next-page-token");
    if (token.empty() || schedules.empty()) break;
  }
  if (session.json) {
    Json listing = Json::MakeObject();
    listing.Set("now-ms", now_ms).Set("schedules", std::move(all));
    if (!token.empty()) listing.Set("next-page-token", token);
    session.console.out(listing.ToString() + "\n");
    return {};
  }
  session.console.out(table.empty() ? "Nothing is due that is so\n" : table.Text(session.console));
  if (!token.empty() && !table.empty()) session.console.err("More with --limit\n");
  return {};
}

}  // namespace moraine::cli
