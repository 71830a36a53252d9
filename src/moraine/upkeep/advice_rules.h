#pragma once
// The rules behind Advise (advice.h), and how they write: used by them alone.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/upkeep/advice.h"

namespace moraine::upkeep {

/// Columns that a layout is advised for; other rules leave them alone. partitioned: a column that
/// needs none, as partitions are advised for it.
std::vector<std::string> AdviseLayout(const AdviceFacts& facts, const std::string& partitioned,
                                      AdviceReport* report);
void AdviseUnusedOrder(const AdviceFacts& facts, AdviceReport* report);
/// A column that partitioning is advised for, or "".
std::string AdvisePartitions(const AdviceFacts& facts, AdviceReport* report);
void AdviseFileSizes(const AdviceFacts& facts, AdviceReport* report);
void AdviseBloomFilters(const AdviceFacts& facts, const std::vector<std::string>& arranged,
                        AdviceReport* report);
void AdviseColumnMetrics(const AdviceFacts& facts, AdviceReport* report);
void AdviseStatistics(const AdviceFacts& facts, AdviceReport* report);
void AdviseDeletes(const AdviceFacts& facts, AdviceReport* report);
void AdviseManifests(const AdviceFacts& facts, AdviceReport* report);
void AdviseExpiry(const AdviceFacts& facts, AdviceReport* report);

/// A column that scans filter on often enough to count, with what is known of it.
struct FilteredColumn {
  const SurveyedColumn* column = nullptr;
  iceberg::ColumnUse use;
};
/// Those of the schema that were surveyed, the most filtered first.
std::vector<FilteredColumn> OftenFiltered(const AdviceFacts& facts);
/// Distinct values by the newest statistics file, if it tells.
std::optional<int64_t> DistinctOf(const iceberg::TableMetadata& metadata, int32_t field_id);
/// Why optimizing leaves the table alone, or "".
std::string WhyNotOptimized(const AdviceFacts& facts);

// How advice is written.
std::string Quoted(std::string_view text);  ///< for the shell, where it needs to be
/// As layouts and SQL take it: in backticks where it holds other signs than letters and digits.
std::string ColumnText(std::string_view name);
/// "moraine table <verb> db.t [--warehouse w]<rest>".
std::string TableCommand(const AdviceFacts& facts, std::string_view verb, std::string_view rest);
/// "moraine table set db.t name=value".
std::string SetCommand(const AdviceFacts& facts, std::string_view name, std::string_view value);
/// "ALTER TABLE db.t ...", for engines that speak SQL.
std::string SqlCommand(const AdviceFacts& facts, std::string_view rest);
/// "412 scans in the last 7 days".
std::string ScansText(const AdviceFacts& facts);
std::string PercentText(double part);  ///< "96 %", "<1 %"
int ScoreOf(double part);              ///< 0 to 100 of 0 to 1
double Share(int64_t part, int64_t whole);

}  // namespace moraine::upkeep
