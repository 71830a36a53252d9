// Reports of engines about their scans and commits: the newest of each table are kept, and none for
// longer than the retention. What scans filtered on is summed by day, and kept for longer.

#include "moraine/catalog/scan_usage_rows.h"
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
  auto json = Json::Parse(report);
  const auto usage = json.ok() ? iceberg::UsageOfReport(*json, now_ms) : iceberg::ScanUsage();
  int64_t table_id = 0;
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, GetTabular(t, home.id, name, TabularKind::kTable));
    table_id = row.id;
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
  }));
  if (usage.scans > 0) state_->pending_usage.Add(table_id, usage, now_ms, now_ms);
  state_->KeepUsage(call, state_->pending_usage.TakeDue(now_ms));
  return {};
}

void Catalog::State::KeepUsage(Call& call, const std::vector<PendingScanUsage::Sum>& sums) {
  bool is_store_well = true;
  for (const auto& sum : sums) {
    const auto wait = [&] {
      pending_usage.Add(sum.table_id, sum.usage, sum.at_ms, ToMillis(call.clock().Wall()));
    };
    if (!is_store_well) {
      wait();
      continue;
    }
    const auto keep = [&](Transaction& t) {
      return AddScanUsage(t, sum.table_id, sum.usage, sum.at_ms);
    };
    Status kept = database.Run(call, Access::kWrite, keep);
    // Another server has begun the day's sum meanwhile: now there is one to add to.
    if (kept.code() == Code::kAlreadyExists) kept = database.Run(call, Access::kWrite, keep);
    if (kept.ok()) continue;
    is_store_well = false;
    call.log().Warn("what scans asked for is not stored yet",
                    {{"table_id", sum.table_id}, {"error", kept.ToString()}});
    if (kept.code() != Code::kCommitUnknown) wait();  // rather lost than counted twice
  }
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

Result<iceberg::ScanUsage> Catalog::ScanUsageSince(Call& call, int64_t table_id, int64_t since_ms) {
  state_->KeepUsage(call, state_->pending_usage.TakeOf(table_id));
  MORAINE_ASSIGN(const auto texts,
                 RunFor(call, state_->database, Access::kRead,
                        [&](Transaction& t) { return ScanUsageTexts(t, table_id, since_ms); }));
  return SumScanUsage(texts);
}

Status Catalog::TrimScanUsage(Call& call, int64_t before_ms) {
  state_->KeepUsage(call, state_->pending_usage.TakeAll());
  return state_->database.Run(call, Access::kWrite,
                              [&](Transaction& t) { return DeleteScanUsageBefore(t, before_ms); });
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
