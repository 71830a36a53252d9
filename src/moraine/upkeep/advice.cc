#include "moraine/upkeep/advice.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/advice_rules.h"

namespace moraine::upkeep {
namespace {

constexpr std::string_view kTheta = "apache-datasketches-theta-v1";

void AddNotes(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  if (!survey.is_complete()) {
    report->notes.push_back(
        fmt::format("{} of {} manifests were read: what is said of files is estimated from them",
                    survey.manifests_read, survey.manifests));
  }
  if (facts.scans.scans < kLeastScans) {
    report->notes.push_back(fmt::format(
        "{} reported: what helps scans is not known before there are {}. Engines report scans by "
        "themselves, unless rest-metrics-reporting-enabled is false in their catalog's settings",
        ScansText(facts), kLeastScans));
  }
  if (facts.scans.left_out > 0) {
    report->notes.push_back("scans filter on more columns than are counted: rare ones are missing");
  }
}

/// What was looked at and found to be good.
void SayWhyNothing(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  report->notes.insert(
      report->notes.begin(),
      fmt::format(
          "nothing to advise: {} files of {} on average, {} delete files, {} snapshots",
          survey.data_files,
          FormatByteSize(survey.data_bytes / std::max<int64_t>(1, survey.data_files)),
          survey.position_delete_files + survey.deletion_vectors + survey.equality_delete_files,
          facts.metadata.snapshots.size()));
}

}  // namespace

std::string_view AdviceKindName(AdviceKind kind) {
  switch (kind) {
    case AdviceKind::kLayout:
      return "layout";
    case AdviceKind::kPartitionSpec:
      return "partition-spec";
    case AdviceKind::kSmallFiles:
      return "small-files";
    case AdviceKind::kFileSize:
      return "file-size";
    case AdviceKind::kBloomFilter:
      return "bloom-filter";
    case AdviceKind::kColumnMetrics:
      return "column-metrics";
    case AdviceKind::kStatistics:
      return "statistics";
    case AdviceKind::kDeletes:
      return "deletes";
    case AdviceKind::kFormatVersion:
      return "format-version";
    case AdviceKind::kManifests:
      return "manifests";
    case AdviceKind::kExpiry:
      return "expiry";
    case AdviceKind::kSortOrder:
      return "sort-order";
  }
  return "?";
}

AdviceReport Advise(const AdviceFacts& facts) {
  AdviceReport report;
  if (facts.survey.manifests > 0 && facts.survey.manifests_read == 0) {
    report.notes.emplace_back(
        "nothing is said of files: each of the table's manifests is too large to be read for "
        "advice; rewrite-manifests makes smaller ones");
    AdviseExpiry(facts, &report);
    return report;
  }
  if (facts.metadata.CurrentSnapshot() == nullptr || facts.survey.data_files == 0) {
    report.notes.emplace_back("nothing to advise: the table has no files yet");
    AdviseExpiry(facts, &report);
    return report;
  }
  AddNotes(facts, &report);
  std::string partitioned = AdvisePartitions(facts, &report);
  auto arranged = AdviseLayout(facts, partitioned, &report);
  if (!partitioned.empty()) arranged.push_back(std::move(partitioned));
  AdviseUnusedOrder(facts, &report);
  AdviseFileSizes(facts, &report);
  AdviseBloomFilters(facts, arranged, &report);
  AdviseColumnMetrics(facts, &report);
  AdviseStatistics(facts, &report);
  AdviseDeletes(facts, &report);
  AdviseManifests(facts, &report);
  AdviseExpiry(facts, &report);
  std::stable_sort(report.advice.begin(), report.advice.end(),
                   [](const Advice& a, const Advice& b) { return a.score > b.score; });
  if (report.advice.empty()) SayWhyNothing(facts, &report);
  return report;
}

std::vector<std::string> ColumnsForSurvey(const iceberg::ScanUsage& scans) {
  std::vector<std::string> names;
  for (const auto& [name, use] : scans.columns) {
    if (use.scans > 0) names.push_back(name);
  }
  std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return scans.columns.at(a).scans > scans.columns.at(b).scans;
  });
  if (names.size() > kMostSurveyedColumns) names.resize(kMostSurveyedColumns);
  return names;
}

std::vector<FilteredColumn> OftenFiltered(const AdviceFacts& facts) {
  std::vector<FilteredColumn> found;
  if (facts.scans.scans < kLeastScans) return found;
  for (const auto& column : facts.survey.columns) {
    auto use = facts.scans.columns.find(column.name);
    if (use == facts.scans.columns.end() || use->second.scans < kLeastScans) continue;
    if (Share(use->second.scans, facts.scans.scans) >= kOftenFiltered)
      found.push_back({&column, use->second});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.use.scans > b.use.scans; });
  return found;
}

std::optional<int64_t> DistinctOf(const iceberg::TableMetadata& metadata, int32_t field_id) {
  std::optional<int64_t> distinct;
  int64_t sequence = -1;
  for (const auto& file : metadata.statistics) {
    for (const auto& blob : file.blob_metadata) {
      if (blob.type != kTheta || blob.fields.size() != 1 || blob.fields[0] != field_id) continue;
      auto text = blob.properties.find("ndv");
      if (text == blob.properties.end() || blob.sequence_number < sequence) continue;
      auto value = ParseInt64(text->second);
      if (!value.ok() || *value < 0) continue;
      distinct = *value;
      sequence = blob.sequence_number;
    }
  }
  return distinct;
}

std::string WhyNotOptimized(const AdviceFacts& facts) {
  return planning::Obstacle(facts.metadata, facts.optimizing, facts.is_registered);
}

std::string Quoted(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=/+:@";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(text);
  std::string quoted = "'";
  for (char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string ColumnText(std::string_view name) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  if (name.find_first_not_of(kPlain) == std::string_view::npos) return std::string(name);
  std::string quoted = "`";
  for (char c : name) quoted += c == '`' ? std::string("``") : std::string(1, c);
  return quoted + "`";
}

std::string TableCommand(const AdviceFacts& facts, std::string_view verb, std::string_view rest) {
  std::string command = fmt::format("moraine table {} {}", verb, Quoted(facts.name));
  if (!facts.warehouse.empty() && facts.warehouse != "default")
    command += " --warehouse " + Quoted(facts.warehouse);
  if (!rest.empty()) command += " " + std::string(rest);
  return command;
}

std::string SetCommand(const AdviceFacts& facts, std::string_view name, std::string_view value) {
  return TableCommand(facts, "set", Quoted(fmt::format("{}={}", name, value)));
}

std::string SqlCommand(const AdviceFacts& facts, std::string_view rest) {
  return fmt::format("ALTER TABLE {} {}", facts.name, rest);
}

std::string ScansText(const AdviceFacts& facts) {
  return fmt::format("{} scan{} in the last {}", facts.scans.scans,
                     facts.scans.scans == 1 ? "" : "s",
                     facts.days == 1 ? "day" : fmt::format("{} days", facts.days));
}

std::string PercentText(double part) {
  const double percent = part * 100;
  if (percent > 0 && percent < 1) return "<1 %";
  return fmt::format("{} %", static_cast<int64_t>(std::floor(percent + 0.5)));
}

int ScoreOf(double part) {
  return static_cast<int>(std::clamp(std::floor(part * 100 + 0.5), 0.0, 100.0));
}

double Share(int64_t part, int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace moraine::upkeep
