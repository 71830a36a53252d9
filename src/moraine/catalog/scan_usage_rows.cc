#include "moraine/catalog/scan_usage_rows.h"

namespace moraine::catalog {
namespace {

constexpr size_t kMostDays = 1'000;

}  // namespace

const std::vector<store::Migration>& ScanUsageMigrations() {
  static const std::vector<store::Migration> migrations = {{1, "scan usage", R"(
CREATE TABLE scan_usage (
  table_id {bigint} NOT NULL,
  day_number {bigint} NOT NULL,
  uses {text} NOT NULL,
  PRIMARY KEY (table_id, day_number)
);
CREATE INDEX scan_usage_day ON scan_usage (day_number);
)"}};
  return migrations;
}

int64_t ScanDay(int64_t at_ms) { return at_ms / 86'400'000; }

Status AddScanUsage(store::Transaction& t, int64_t table_id, const iceberg::ScanUsage& usage,
                    int64_t now_ms) {
  MORAINE_ASSIGN(const auto table, t.Query("SELECT id FROM tabular WHERE id = ?", {table_id}));
  if (table.empty()) return {};
  const int64_t day = ScanDay(now_ms);
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT uses FROM scan_usage WHERE table_id = ? AND day_number = ?",
                         {table_id, day}));
  if (rows.empty()) {
    return t
        .Execute("INSERT INTO scan_usage (table_id, day_number, uses) VALUES (?, ?, ?)",
                 {table_id, day, iceberg::ScanUsageToJson(usage)})
        .status();
  }
  MORAINE_ASSIGN(const std::string text, rows[0].Text(0));
  auto sum = iceberg::ScanUsageFromJson(text);
  if (!sum.ok()) sum = iceberg::ScanUsage();
  sum->Add(usage);
  return t
      .Execute("UPDATE scan_usage SET uses = ? WHERE table_id = ? AND day_number = ?",
               {iceberg::ScanUsageToJson(*sum), table_id, day})
      .status();
}

Result<std::vector<std::string>> ScanUsageTexts(store::Transaction& t, int64_t table_id,
                                                int64_t since_ms) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT uses FROM scan_usage WHERE table_id = ? AND day_number >= ? "
                         "ORDER BY day_number DESC LIMIT ?",
                         {table_id, ScanDay(since_ms), static_cast<int64_t>(kMostDays)}));
  std::vector<std::string> texts;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(texts.emplace_back(), row.Text(0));
  }
  return texts;
}

iceberg::ScanUsage SumScanUsage(const std::vector<std::string>& texts) {
  iceberg::ScanUsage sum;
  for (const std::string& text : texts) {
    auto day = iceberg::ScanUsageFromJson(text);
    if (day.ok()) sum.Add(*day);
  }
  return sum;
}

Status DeleteScanUsage(store::Transaction& t, int64_t table_id) {
  return t.Execute("DELETE FROM scan_usage WHERE table_id = ?", {table_id}).status();
}

Status DeleteScanUsageBefore(store::Transaction& t, int64_t before_ms) {
  return t.Execute("DELETE FROM scan_usage WHERE day_number < ?", {ScanDay(before_ms)}).status();
}

}  // namespace moraine::catalog
