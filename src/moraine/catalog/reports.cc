// Reports of engines about their scans and commits: the newest of each table are kept, and none for
// longer than the retention.

#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

constexpr int64_t kKeptReports = 100;  // of one table
constexpr int64_t kTrimmedAtOnce = 500;

}  // namespace

using store::Access;
using store::RunFor;
using store::Transaction;

Status Catalog::ReportMetrics(Call& call, const std::string& warehouse, const TableName& name,
                              const std::string& report) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  return state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, GetTabular(t, home.id, name, TabularKind::kTable));
    MORAINE_TRY(
        t.Execute("INSERT INTO metrics_report (table_id, reported_ms, report) VALUES (?, ?, ?)",
                  {row.id, now_ms, report}));
    MORAINE_ASSIGN(auto old, t.Query("SELECT id FROM metrics_report WHERE table_id = ? ORDER BY id "
                                     "DESC LIMIT 1 OFFSET ?",
                                     {row.id, kKeptReports}));
    if (old.empty()) return {};
    MORAINE_ASSIGN(int64_t last, old[0].Int(0));
    return t.Execute("DELETE FROM metrics_report WHERE table_id = ? AND id <= ?", {row.id, last})
        .status();
  });
}

Result<std::vector<Catalog::Report>> Catalog::Reports(Call& call, const std::string& warehouse,
                                                      const TableName& name, size_t limit) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  return RunFor(
      call, state_->database, Access::kRead, [&](Transaction& t) -> Result<std::vector<Report>> {
        MORAINE_ASSIGN(auto row, GetTabular(t, home.id, name, TabularKind::kTable));
        MORAINE_ASSIGN(auto rows, t.Query("SELECT reported_ms, report FROM metrics_report WHERE "
                                          "table_id = ? ORDER BY id DESC LIMIT ?",
                                          {row.id, static_cast<int64_t>(limit)}));
        std::vector<Report> reports;
        for (const auto& each : rows) {
          Report& report = reports.emplace_back();
          MORAINE_ASSIGN(report.reported_ms, each.Int(0));
          MORAINE_ASSIGN(report.report, each.Text(1));
        }
        return reports;
      });
}

Status Catalog::TrimReports(Call& call, int64_t before_ms) {
  // Numbers grow with time, so the oldest stand first, and no index by time is needed.
  for (bool more = true; more;) {
    MORAINE_TRY(call.Check());
    MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      more = false;
      MORAINE_ASSIGN(auto rows, t.Query("SELECT id, reported_ms FROM metrics_report ORDER BY id "
                                        "LIMIT ?",
                                        {kTrimmedAtOnce}));
      int64_t last = 0;
      size_t old = 0;
      for (const auto& row : rows) {
        MORAINE_ASSIGN(int64_t reported_ms, row.Int(1));
        if (reported_ms >= before_ms) break;
        MORAINE_ASSIGN(last, row.Int(0));
        ++old;
      }
      if (old == 0) return {};
      more = old == static_cast<size_t>(kTrimmedAtOnce);
      return t.Execute("DELETE FROM metrics_report WHERE id <= ?", {last}).status();
    }));
  }
  return {};
}

}  // namespace moraine::catalog
