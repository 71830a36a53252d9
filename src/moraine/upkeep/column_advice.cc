// Single columns: bounds that are missing, bloom filters, counts of distinct values, metrics of
// columns that nobody filters on.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/advice_rules.h"

namespace moraine::upkeep {
namespace {

using iceberg::TypeKind;

constexpr char kBloomProperty[] = "write.parquet.bloom-filter-enabled.column.";
constexpr char kMetricsProperty[] = "write.metadata.metrics.column.";
constexpr char kMetricsDefault[] = "write.metadata.metrics.default";

bool TakesBloomFilter(const iceberg::Type& type) {
  switch (type.kind()) {
    case TypeKind::kInt:
    case TypeKind::kLong:
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kBinary:
    case TypeKind::kFixed:
      return true;
    default:
      return false;
  }
}

/// "about 1200000 distinct values", or "" where they are few or nobody knows.
std::string ManyValues(const AdviceFacts& facts, const SurveyedColumn& column) {
  if (auto distinct = DistinctOf(facts.metadata, column.field_id)) {
    return *distinct >= kBloomDistinct ? fmt::format("about {} distinct values", *distinct) : "";
  }
  const bool is_varied = facts.survey.sampled_files >= kLeastFilesToArrange &&
                         column.distinct * 2 >= facts.survey.sampled_files;
  return is_varied ? fmt::format("{} different lower bounds in {} files, so many values",
                                 column.distinct, facts.survey.sampled_files)
                   : "";
}

void AdviseBloomFilter(const AdviceFacts& facts, const FilteredColumn& filtered,
                       AdviceReport* report) {
  const SurveyedColumn& column = *filtered.column;
  const double spread = column.depth / static_cast<double>(facts.survey.data_files);
  const double share = Share(filtered.use.equality, facts.scans.scans);
  const std::string property = kBloomProperty + column.name;
  if (share < kBloomEquality || spread < kBloomSpread || !TakesBloomFilter(*column.type)) return;
  if (facts.metadata.BoolProperty(property, false)) return;
  const std::string many = ManyValues(facts, column);
  if (many.empty()) return;
  Advice advice{AdviceKind::kBloomFilter, column.name};
  advice.why = fmt::format(
      "of {}, {} asked for `{}` = or in, and bounds rule out little: a value may lie in {:.0f} of "
      "{} files; {}",
      ScansText(facts), filtered.use.equality, column.name, column.depth, facts.survey.data_files,
      many);
  advice.gain = fmt::format(
      "row groups without the value are not read: of up to {} of the files only the footer and the "
      "filter are",
      PercentText(spread));
  advice.score = ScoreOf(share * spread * 0.6);
  advice.commands = {SetCommand(facts, property, "true"),
                     TableCommand(facts, "optimize", "--type full")};
  report->advice.push_back(std::move(advice));
}

/// Leaf columns, which may have metrics.
int64_t LeavesOf(const iceberg::Type& type) {
  if (!type.is_nested()) return 1;
  int64_t leaves = 0;
  for (const auto& field : type.fields()) leaves += LeavesOf(*field.type);
  return leaves;
}

void AdviseMissingBounds(const AdviceFacts& facts, const FilteredColumn& filtered,
                         AdviceReport* report) {
  const SurveyedColumn& column = *filtered.column;
  if (column.bounded >= kUnboundedColumn || column.type->kind() == TypeKind::kUnknown) return;
  const std::string property = kMetricsProperty + column.name;
  const auto found = facts.metadata.properties.find(property);
  const bool is_set = found != facts.metadata.properties.end() && found->second != "none" &&
                      found->second != "counts";
  Advice advice{AdviceKind::kColumnMetrics, column.name};
  advice.why = fmt::format(
      "of {}, {} filtered on `{}`, and {} of the files have no bounds of it, so each of them is "
      "read{}",
      ScansText(facts), filtered.use.scans, column.name, PercentText(1 - column.bounded),
      is_set ? fmt::format("; {} is {}, but they were written before, or by a writer that does not "
                           "follow it",
                           property, found->second)
             : "");
  advice.gain = "files whose bounds rule a filter out are not opened";
  advice.score = ScoreOf(Share(filtered.use.scans, facts.scans.scans) * (1 - column.bounded) * 0.7);
  if (!is_set) advice.commands.push_back(SetCommand(facts, property, "truncate(16)"));
  advice.commands.push_back(TableCommand(facts, "optimize", "--type full"));
  report->advice.push_back(std::move(advice));
}

void AdviseFewerMetrics(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  const int64_t leaves = LeavesOf(*facts.metadata.CurrentSchema().root());
  const int64_t entry = survey.manifest_bytes / std::max<int64_t>(1, survey.data_files);
  if (leaves < kWideTable || entry < kLargeManifestEntry ||
      facts.scans.scans < kLeastScansForUnused || facts.scans.left_out > 0 ||
      facts.metadata.properties.contains(kMetricsDefault)) {
    return;
  }
  int64_t used = 0;
  Advice advice{AdviceKind::kColumnMetrics, kMetricsDefault};
  advice.commands.push_back(SetCommand(facts, kMetricsDefault, "none"));
  for (const auto& [name, use] : facts.scans.columns) {
    if (use.scans == 0) continue;
    ++used;
    advice.commands.push_back(SetCommand(facts, kMetricsProperty + name, "truncate(16)"));
  }
  advice.commands.push_back(TableCommand(facts, "optimize", "--type full"));
  const double spared = 1 - Share(used + 2, leaves);  // paths and partitions stay
  if (spared < kMostlyFiltered) return;
  advice.why = fmt::format(
      "the table has {} columns and {} of manifest for each file; {} filtered on {} of them",
      leaves, FormatByteSize(entry), ScansText(facts), used);
  advice.gain = fmt::format("about {} smaller manifests to read and write", PercentText(spared));
  advice.score = ScoreOf(spared / 5);
  report->advice.push_back(std::move(advice));
}

/// Rows that the table had when its newest statistics were made; nothing: it has none.
std::optional<int64_t> RowsOfStatistics(const iceberg::TableMetadata& metadata) {
  std::optional<int64_t> rows;
  int64_t sequence = -1;
  for (const auto& file : metadata.statistics) {
    const iceberg::Snapshot* snapshot = metadata.FindSnapshot(file.snapshot_id);
    const int64_t number = snapshot == nullptr ? 0 : snapshot->sequence_number;
    if (number < sequence) continue;
    sequence = number;
    rows = 0;
    if (snapshot == nullptr) continue;
    auto total = snapshot->summary.find("total-records");
    if (total == snapshot->summary.end()) continue;
    if (auto value = ParseInt64(total->second); value.ok()) rows = *value;
  }
  return rows;
}

}  // namespace

void AdviseBloomFilters(const AdviceFacts& facts, const std::vector<std::string>& arranged,
                        AdviceReport* report) {
  if (Share(facts.survey.parquet_files, facts.survey.data_files) < kMostlyFiltered) return;
  for (const auto& filtered : OftenFiltered(facts)) {
    const bool is_arranged =
        std::find(arranged.begin(), arranged.end(), filtered.column->name) != arranged.end();
    if (!is_arranged) AdviseBloomFilter(facts, filtered, report);
  }
}

void AdviseColumnMetrics(const AdviceFacts& facts, AdviceReport* report) {
  for (const auto& filtered : OftenFiltered(facts)) AdviseMissingBounds(facts, filtered, report);
  AdviseFewerMetrics(facts, report);
}

void AdviseStatistics(const AdviceFacts& facts, AdviceReport* report) {
  constexpr int kScore = 10;
  const int64_t rows = facts.survey.records;
  if (facts.maintenance.compute_statistics || rows < kLeastRowsForStatistics ||
      facts.scans.scans < kLeastScans || facts.scans.filtered == 0) {
    return;
  }
  const auto then = RowsOfStatistics(facts.metadata);
  const int64_t growth = then ? std::abs(rows - *then) : rows;
  if (then && Share(growth, rows) < kStaleStatistics) return;
  std::vector<std::string> names;
  for (const auto& filtered : OftenFiltered(facts)) names.push_back(filtered.column->name);
  if (names.empty()) return;
  Advice advice{AdviceKind::kStatistics, "statistics.enabled"};
  advice.why = fmt::format(
      "{} on a table of {} rows, most by {}; {}", ScansText(facts), rows, fmt::join(names, ", "),
      then ? fmt::format("its counts of distinct values are of a time when it had {} rows", *then)
           : "nobody has counted distinct values");
  advice.gain =
      "Spark and Trino estimate joins and filters by these counts; how much that saves depends on "
      "the queries";
  advice.score = kScore;
  advice.commands = {
      SetCommand(facts, "statistics.columns", fmt::format("{}", fmt::join(names, ","))),
      SetCommand(facts, "statistics.enabled", "true"),
      TableCommand(facts, "maintain", "--action compute-statistics --wait")};
  report->advice.push_back(std::move(advice));
}

}  // namespace moraine::upkeep
