// The order of rows. A filter on one value reads the files whose bounds hold it: depth of them now
// (table_survey.h), of the files of the target size that there would be
//   sorted:   one of each partition, or all that one value of a column of few values fills;
//   on a curve of k columns: n^((k-1)/k) of the n files of each partition.
// What scans are spared is the part of the bytes read now less that then, times the scans.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/advice_rules.h"

namespace moraine::upkeep {
namespace {

using iceberg::TypeKind;

struct Candidate {
  FilteredColumn filtered;
  double now = 0;     ///< part of the bytes that a filter on one value reads
  double sorted = 0;  ///< the same, once sorted by it
  double worth() const {
    return static_cast<double>(filtered.use.scans) * std::max(0.0, now - sorted);
  }
};

struct Files {
  double count = 1;       ///< of the target size
  double partitions = 1;  ///< no more than count
};

Files FilesOnceMerged(const AdviceFacts& facts) {
  Files files;
  const auto target = static_cast<double>(std::max<int64_t>(1, facts.optimizing.target_size));
  files.partitions = static_cast<double>(facts.survey.partitions);
  files.count = std::max(
      {1.0, std::ceil(static_cast<double>(facts.survey.data_bytes) / target), files.partitions});
  return files;
}

/// The most values that there are between the bounds of whole numbers, or nothing.
std::optional<double> ValuesBetween(const SurveyedColumn& column) {
  if (column.type->kind() == TypeKind::kBoolean) return 2;
  const auto* low = std::get_if<int64_t>(&column.least);
  const auto* high = std::get_if<int64_t>(&column.greatest);
  if (low != nullptr && high != nullptr && column.type->kind() == TypeKind::kLong)
    return static_cast<double>(*high) - static_cast<double>(*low) + 1;
  const auto* low_int = std::get_if<int32_t>(&column.least);
  const auto* high_int = std::get_if<int32_t>(&column.greatest);
  if (low_int == nullptr || high_int == nullptr) return std::nullopt;
  return static_cast<double>(*high_int) - static_cast<double>(*low_int) + 1;
}

/// Files of a column with few values hold one of them whole.
double SortedPart(const AdviceFacts& facts, const SurveyedColumn& column, const Files& files) {
  double values = ValuesBetween(column).value_or(std::numeric_limits<double>::infinity());
  if (auto distinct = DistinctOf(facts.metadata, column.field_id))
    values = std::min(values, static_cast<double>(std::max<int64_t>(1, *distinct)));
  return std::max(files.partitions / files.count, 1 / values);
}

/// Bounds that are alike in all files may be those of many values or of few.
bool MayHaveFewValues(const AdviceFacts& facts, const SurveyedColumn& column) {
  return !DistinctOf(facts.metadata, column.field_id) && !ValuesBetween(column) &&
         column.distinct * kAlikeBounds < facts.survey.sampled_files;
}

double CurvePart(const Files& files, size_t columns) {
  const double each = files.count / files.partitions;
  return std::pow(each, -1.0 / static_cast<double>(columns));
}

bool IsArranged(const AdviceFacts& facts, int32_t field_id) {
  const tasks::Layout& layout = facts.optimizing.layout;
  if (layout.kind == tasks::Layout::Kind::kSort)
    return !layout.order.fields.empty() && layout.order.fields[0].source_id() == field_id;
  return std::find(layout.columns.begin(), layout.columns.end(), field_id) != layout.columns.end();
}

/// A partition field of the column lets a filter on it leave out files by itself.
bool IsPartitioned(const AdviceFacts& facts, int32_t field_id) {
  const auto& fields = facts.metadata.DefaultSpec().fields;
  return std::any_of(fields.begin(), fields.end(), [&](const iceberg::PartitionField& field) {
    return field.source_id() == field_id &&
           field.transform.kind() == iceberg::Transform::Kind::kIdentity;
  });
}

std::vector<Candidate> CandidatesOf(const AdviceFacts& facts, const std::string& partitioned,
                                    const Files& files) {
  std::vector<Candidate> candidates;
  const auto now_files = static_cast<double>(std::max<int64_t>(1, facts.survey.data_files));
  for (const auto& filtered : OftenFiltered(facts)) {
    const SurveyedColumn& column = *filtered.column;
    if (column.name == partitioned || IsPartitioned(facts, column.field_id)) continue;
    Candidate candidate{filtered, std::min(1.0, column.depth / now_files),
                        SortedPart(facts, column, files)};
    if (candidate.now - candidate.sorted >= kLeastSparing) candidates.push_back(candidate);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.worth() > b.worth(); });
  return candidates;
}

/// Scans that filter on the one and not on the other.
int64_t ScansWithout(const AdviceFacts& facts, const std::string& column,
                     const std::string& without) {
  int64_t scans = 0;
  for (const auto& [combination, count] : facts.scans.combinations) {
    const auto names = Split(combination, ',');
    const auto has = [&](const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (has(column) && !has(without)) scans += count;
  }
  return scans;
}

struct Choice {
  std::vector<Candidate> columns;
  std::string layout;
  double then = 0;   ///< part of the bytes that a filter on one of the columns reads
  double worth = 0;  ///< in scans of the whole table
};

/// A curve where others are filtered on alone often enough to gain more than the first one loses.
Choice Choose(const AdviceFacts& facts, const std::vector<Candidate>& candidates,
              const Files& files) {
  const Candidate& first = candidates[0];
  const std::string& name = first.filtered.column->name;
  Choice sorted{{first}, fmt::format("sort({})", ColumnText(name)), first.sorted, first.worth()};
  Choice curve{{first}, "", 0, 0};
  for (size_t i = 1; i < candidates.size() && curve.columns.size() < kMostCurveColumns; ++i) {
    const auto& use = first.filtered.use;
    const int64_t alone = ScansWithout(facts, candidates[i].filtered.column->name, name);
    if (Share(alone, use.scans) >= kSecondColumn) curve.columns.push_back(candidates[i]);
  }
  if (curve.columns.size() == 1) return sorted;
  curve.then = CurvePart(files, curve.columns.size());
  std::vector<std::string> names;
  for (const auto& column : curve.columns) {
    names.push_back(ColumnText(column.filtered.column->name));
    const double spared = std::max(0.0, column.now - std::max(curve.then, column.sorted));
    curve.worth += static_cast<double>(column.filtered.use.scans) * spared;
  }
  curve.layout = fmt::format("zorder({})", fmt::join(names, ", "));
  return curve.worth > sorted.worth ? curve : sorted;
}

std::string WhyOf(const AdviceFacts& facts, const Choice& choice) {
  std::string why = fmt::format("of {}", ScansText(facts));
  for (size_t i = 0; i < choice.columns.size(); ++i) {
    const auto& filtered = choice.columns[i].filtered;
    why += fmt::format("{} {} filtered on `{}`", i == 0 ? "," : " and", filtered.use.scans,
                       filtered.column->name);
    const int64_t seen = filtered.use.result_files + filtered.use.skipped_files;
    if (seen > 0) {
      why += fmt::format(" and read {} of the files of the manifests they opened",
                         PercentText(Share(filtered.use.result_files, seen)));
    }
  }
  const auto& first = *choice.columns[0].filtered.column;
  why += fmt::format("; files overlap: a value of `{}` may lie in {:.0f} of {}", first.name,
                     first.depth, facts.survey.data_files);
  if (MayHaveFewValues(facts, first)) {
    why +=
        ". Its bounds are alike in most files, and nobody has counted its distinct values: if "
        "they are few, less is gained";
  }
  return why;
}

/// The layout is set already, and the files don't have it yet.
bool NoteSetLayout(const AdviceFacts& facts, const Candidate& first, AdviceReport* report) {
  if (!IsArranged(facts, first.filtered.column->field_id)) return false;
  const std::string why = WhyNotOptimized(facts);
  if (why.empty()) {
    report->notes.push_back(fmt::format(
        "self-optimizing.layout is {} and files overlap in `{}` still: optimizing arranges them by "
        "and by; at once with: {}",
        facts.optimizing.layout_text, first.filtered.column->name,
        TableCommand(facts, "optimize", "--type full")));
    return true;
  }
  Advice advice{AdviceKind::kLayout, first.filtered.column->name};
  advice.why = fmt::format(
      "self-optimizing.layout is {}, but the table is not optimized: {}. A value of `{}` may lie "
      "in {:.0f} of {} files, and {} scans filtered on it",
      facts.optimizing.layout_text, why, first.filtered.column->name, first.filtered.column->depth,
      facts.survey.data_files, first.filtered.use.scans);
  advice.gain = fmt::format("they would read about {} of the table's bytes instead of {}",
                            PercentText(first.sorted), PercentText(first.now));
  advice.score = ScoreOf(first.worth() / static_cast<double>(facts.scans.scans));
  advice.commands = {SetCommand(facts, "self-optimizing.enabled", "true")};
  report->advice.push_back(std::move(advice));
  return true;
}

}  // namespace

std::vector<std::string> AdviseLayout(const AdviceFacts& facts, const std::string& partitioned,
                                      AdviceReport* report) {
  if (facts.survey.data_files < kLeastFilesToArrange) return {};
  const Files files = FilesOnceMerged(facts);
  const auto candidates = CandidatesOf(facts, partitioned, files);
  if (candidates.empty()) return {};
  if (NoteSetLayout(facts, candidates[0], report)) return {candidates[0].filtered.column->name};
  const Choice choice = Choose(facts, candidates, files);
  std::vector<std::string> names;
  for (const auto& column : choice.columns) names.push_back(column.filtered.column->name);
  Advice advice{AdviceKind::kLayout, fmt::format("{}", fmt::join(names, ", "))};
  advice.why = WhyOf(facts, choice);
  const auto bytes = static_cast<int64_t>(
      std::min(choice.worth * static_cast<double>(facts.survey.data_bytes), 9e18));
  advice.gain = fmt::format(
      "a filter on one value would read about {} of the table's bytes instead of {}: {} less in "
      "the same time",
      PercentText(choice.then), PercentText(choice.columns[0].now), FormatByteSize(bytes));
  advice.score = ScoreOf(choice.worth / static_cast<double>(facts.scans.scans));
  advice.commands = {
      TableCommand(facts, "optimize", "--layout " + Quoted(choice.layout)),
      SetCommand(facts, "self-optimizing.layout", choice.layout) + "   # and keep it so",
  };
  report->advice.push_back(std::move(advice));
  return names;
}

void AdviseUnusedOrder(const AdviceFacts& facts, AdviceReport* report) {
  constexpr int kScore = 5;
  const tasks::Layout& layout = facts.optimizing.layout;
  if (layout.is_none() || facts.scans.scans < kLeastScansForUnused || facts.scans.left_out > 0)
    return;
  std::vector<int32_t> columns = layout.columns;
  for (const auto& field : layout.order.fields) columns.push_back(field.source_id());
  for (int32_t id : columns) {
    auto use = facts.scans.columns.find(facts.metadata.CurrentSchema().FullName(id));
    if (use != facts.scans.columns.end() && use->second.scans > 0) return;
  }
  Advice advice{AdviceKind::kSortOrder, "self-optimizing.layout"};
  advice.why = fmt::format("self-optimizing.layout is {}, and none of {} filtered on its columns",
                           facts.optimizing.layout_text, ScansText(facts));
  advice.gain =
      "rewrites copy pages instead of sorting rows; keep the order where it is there for "
      "compression or for readers that need it";
  advice.score = kScore;
  advice.commands = {SetCommand(facts, "self-optimizing.layout", "none")};
  report->advice.push_back(std::move(advice));
}

}  // namespace moraine::upkeep
