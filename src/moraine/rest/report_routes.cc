// Metrics reports (REST spec, "ReportMetricsRequest"): checked for what the spec asks of the two
// kinds, kept whole with what else they hold. Kinds that are not known are taken and not kept.

#include "moraine/base/json.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/rest/service.h"

namespace moraine::rest {
namespace {

/// Larger reports are taken, but not kept.
constexpr size_t kMaxReportBytes = 256 << 10;

Status CheckNumbers(const JsonCursor& report, std::initializer_list<std::string_view> names) {
  for (auto name : names) MORAINE_TRY(report.Int64(name).status());
  return {};
}

Status CheckList(const JsonCursor& report, std::string_view name) {
  MORAINE_ASSIGN(auto list, report.Get(name));
  return list.ExpectArray();
}

/// A counter {"unit", "value"} or a timer {"time-unit", "count", "total-duration"}; null is none.
Status CheckMetric(const JsonCursor& metric) {
  if (metric.json().is_null()) return {};
  MORAINE_TRY(metric.ExpectObject());
  MORAINE_ASSIGN(auto timer, metric.Find("time-unit"));
  if (timer) {
    MORAINE_TRY(timer->String().status());
    return CheckNumbers(metric, {"count", "total-duration"});
  }
  MORAINE_TRY(metric.String("unit").status());
  return CheckNumbers(metric, {"value"});
}

Status CheckMetrics(const JsonCursor& report) {
  MORAINE_ASSIGN(auto metrics, report.Get("metrics"));
  MORAINE_TRY(metrics.ExpectObject());
  for (size_t i = 0; i < metrics.member_count(); ++i) MORAINE_TRY(CheckMetric(metrics.Member(i)));
  MORAINE_ASSIGN(auto metadata, report.Find("metadata"));
  return metadata ? iceberg::StringMapFromJson(*metadata).status() : Status();
}

Status CheckScan(const JsonCursor& report) {
  MORAINE_TRY(report.String("table-name").status());
  MORAINE_TRY(CheckNumbers(report, {"snapshot-id", "schema-id"}));
  MORAINE_TRY(report.Get("filter").status());
  MORAINE_TRY(CheckList(report, "projected-field-ids"));
  MORAINE_TRY(CheckList(report, "projected-field-names"));
  return CheckMetrics(report);
}

Status CheckCommit(const JsonCursor& report) {
  MORAINE_TRY(report.String("table-name").status());
  MORAINE_TRY(CheckNumbers(report, {"snapshot-id", "sequence-number"}));
  MORAINE_TRY(report.String("operation").status());
  return CheckMetrics(report);
}

}  // namespace

Result<net::Response> Service::ReportMetrics(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor report(json);
  MORAINE_ASSIGN(auto type, report.String("report-type"));
  bool is_scan = type == "scan-report";
  if (!is_scan && type != "commit-report") {
    MORAINE_TRY(catalog_.TableExists(context.call, context.warehouse, name));
    return net::Response::Empty(204);
  }
  MORAINE_TRY(is_scan ? CheckScan(report) : CheckCommit(report));
  if (context.request.body.size() > kMaxReportBytes) return net::Response::Empty(204);
  MORAINE_TRY(catalog_.ReportMetrics(context.call, context.warehouse, name, context.request.body));
  return net::Response::Empty(204);
}

}  // namespace moraine::rest
