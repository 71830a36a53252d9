// moraine table reports: what engines said of their scans and commits.

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

/// The value of a counter, or the total of a timer; "-" if it was not reported.
std::string MetricText(const Json& report, std::string_view name) {
  const Json& metric = ObjectOf(ObjectOf(report, "metrics"), name);
  if (!metric.is_object()) return "-";
  if (metric.Find("total-duration") == nullptr) return std::to_string(IntOf(metric, "value"));
  std::chrono::nanoseconds total(IntOf(metric, "total-duration"));
  std::string unit = TextOf(metric, "time-unit");
  if (unit == "milliseconds") total = Millis(IntOf(metric, "total-duration"));
  if (unit == "microseconds") total = std::chrono::microseconds(IntOf(metric, "total-duration"));
  if (unit == "seconds") total = std::chrono::seconds(IntOf(metric, "total-duration"));
  return FormatDuration(total);
}

}  // namespace

Status ShowReports(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto table_ref, ParseTableRef(options.table));
  MORAINE_ASSIGN(auto answer,
                 session.client.Get(TablePath(options.warehouse, table_ref) + "/reports",
                                    {{"limit", std::to_string(options.reports)}}));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"AGE", Align::kRight},
                   {"KIND"},
                   {"SNAPSHOT", Align::kRight},
                   {"TOOK", Align::kRight},
                   {"FILES", Align::kRight},
                   {"SKIPPED", Align::kRight},
                   {"DELETES", Align::kRight},
                   {"WHAT"}});
  for (const auto& item : ListOf(answer.json, "reports")) {
    const Json& report = ObjectOf(item, "report");
    bool is_scan = TextOf(report, "report-type") == "scan-report";
    std::string filter = ObjectOf(report, "filter").ToString();
    table.Add({FormatAge(IntOf(item, "reported-ms"), session.client.now_ms()),
               is_scan ? "scan" : "commit", std::to_string(IntOf(report, "snapshot-id")),
               MetricText(report, is_scan ? "total-planning-duration" : "total-duration"),
               MetricText(report, is_scan ? "result-data-files" : "added-data-files"),
               is_scan ? MetricText(report, "skipped-data-files") : "-",
               MetricText(report, is_scan ? "result-delete-files" : "added-delete-files"),
               is_scan ? filter : TextOf(report, "operation")});
  }
  session.console.out(table.empty() ? "No engine has reported anything of the table.\n"
                                    : table.Text(session.console));
  return {};
}

}  // namespace moraine::cli
