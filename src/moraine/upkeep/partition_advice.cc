// The partition spec: a large table that scans filter by time is cut by it; partitions that hold
// next to nothing are made coarser, very large ones finer.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/calendar.h"
#include "moraine/upkeep/advice_rules.h"

namespace moraine::upkeep {
namespace {

using iceberg::Transform;
using iceberg::TypeKind;

/// What each unit of time is, the finest first.
struct Unit {
  Transform::Kind kind;
  std::string_view name;  ///< as SQL and the table spec have it
  double days;
};
constexpr Unit kUnits[] = {{Transform::Kind::kHour, "hour", 1.0 / 24},
                           {Transform::Kind::kDay, "day", 1},
                           {Transform::Kind::kMonth, "month", 30},
                           {Transform::Kind::kYear, "year", 365}};

const Unit* UnitOf(Transform::Kind kind) {
  for (const auto& unit : kUnits) {
    if (unit.kind == kind) return &unit;
  }
  return nullptr;
}

std::optional<double> DaysOf(const iceberg::Type& type, const iceberg::Value& value) {
  constexpr auto kMicrosPerDay = static_cast<double>(iceberg::kMicrosPerDay);
  if (const auto* days = std::get_if<int32_t>(&value); days && type.kind() == TypeKind::kDate)
    return *days;
  const auto* units = std::get_if<int64_t>(&value);
  if (units == nullptr) return std::nullopt;
  switch (type.kind()) {
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      return static_cast<double>(*units) / kMicrosPerDay;
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return static_cast<double>(*units) / kMicrosPerDay / 1'000;
    default:
      return std::nullopt;
  }
}

/// How many days the column's values span, if it is one of time.
std::optional<double> SpanOf(const SurveyedColumn& column) {
  auto from = DaysOf(*column.type, column.least);
  auto to = DaysOf(*column.type, column.greatest);
  if (!from || !to) return std::nullopt;
  return std::max(1.0 / 24, *to - *from);
}

/// The finest unit whose partitions are worth it.
const Unit* UnitFor(const SurveyedColumn& column, int64_t table_bytes) {
  const auto span = SpanOf(column);
  if (!span) return nullptr;
  for (const auto& unit : kUnits) {
    if (unit.kind == Transform::Kind::kHour && column.type->kind() == TypeKind::kDate) continue;
    if (unit.days * 2 > *span) return nullptr;
    const double bytes = static_cast<double>(table_bytes) / *span * unit.days;
    if (bytes >= static_cast<double>(kLeastPartitionBytes)) return &unit;
  }
  return nullptr;
}

std::vector<std::string> Commands(const AdviceFacts& facts, std::string change) {
  return {SqlCommand(facts, change) + ";   -- in an engine",
          SetCommand(facts, "self-optimizing.full.move-to-current-spec", "true"),
          TableCommand(facts, "optimize", "--type full")};
}

std::string FilteredText(const AdviceFacts& facts, const FilteredColumn& filtered) {
  return fmt::format("of {}, {} filtered on `{}`", ScansText(facts), filtered.use.scans,
                     filtered.column->name);
}

std::string AdviseFirstSpec(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  if (!facts.metadata.DefaultSpec().is_unpartitioned()) return "";
  if (survey.data_bytes < kLeastBytesToPartition) return "";
  for (const auto& filtered : OftenFiltered(facts)) {
    const SurveyedColumn& column = *filtered.column;
    if (Share(filtered.use.scans, facts.scans.scans) < kMostlyFiltered) continue;
    const Unit* unit = UnitFor(column, survey.data_bytes);
    if (unit == nullptr) continue;
    const double then = unit->days / SpanOf(column).value_or(1);
    const double now = column.depth / static_cast<double>(survey.data_files);
    if (now - then < kLeastSparing) continue;
    Advice advice{AdviceKind::kPartitionSpec, column.name};
    advice.why = fmt::format(
        "the table has no partitions and {}; {}. A value of it may lie in {:.0f} of {} files",
        FormatByteSize(survey.data_bytes), FilteredText(facts, filtered), column.depth,
        survey.data_files);
    advice.gain = fmt::format(
        "a filter on one {} would read {} of the table, and planning opens only its manifests; "
        "old {}s can be removed without a rewrite",
        unit->name, PercentText(then), unit->name);
    advice.score =
        ScoreOf(Share(filtered.use.scans, facts.scans.scans) * std::max(0.0, now - then));
    advice.commands = Commands(
        facts, fmt::format("ADD PARTITION FIELD {}({})", unit->name, ColumnText(column.name)));
    report->advice.push_back(std::move(advice));
    return column.name;
  }
  return "";
}

/// The same field with partitions so many times as large.
std::string Coarser(const iceberg::PartitionField& field, const std::string& column,
                    double factor) {
  if (const Unit* unit = UnitOf(field.transform.kind())) {
    for (const auto& each : kUnits) {
      if (each.days > unit->days && each.days >= unit->days * std::min(factor, 30.0))
        return fmt::format("{}({})", each.name, column);
    }
    return unit->kind == Transform::Kind::kYear ? "" : fmt::format("year({})", column);
  }
  if (field.transform.kind() == Transform::Kind::kBucket) {
    const auto buckets =
        static_cast<int32_t>(std::floor(field.transform.width() / std::max(1.0, factor)));
    return buckets < 2 ? "" : fmt::format("bucket({}, {})", buckets, column);
  }
  return "";
}

/// The field whose partitions are the finest: time before buckets before plain columns.
const iceberg::PartitionField* FinestField(const iceberg::PartitionSpec& spec) {
  const iceberg::PartitionField* best = nullptr;
  int best_rank = 0;
  for (const auto& field : spec.fields) {
    int rank = 0;
    if (UnitOf(field.transform.kind()) != nullptr) rank = 3;
    if (field.transform.kind() == Transform::Kind::kBucket) rank = 2;
    if (field.transform.kind() == Transform::Kind::kIdentity) rank = 1;
    if (rank > best_rank) {
      best = &field;
      best_rank = rank;
    }
  }
  return best;
}

void AdviseCoarser(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  const int64_t average = survey.data_bytes / survey.partitions;
  if (survey.partitions < kManyPartitions || average >= kTooSmallPartition) return;
  const auto* field = FinestField(facts.metadata.DefaultSpec());
  if (field == nullptr) return;
  const std::string column =
      ColumnText(facts.metadata.CurrentSchema().FullName(field->source_id()));
  const double factor = static_cast<double>(facts.optimizing.target_size) /
                        static_cast<double>(std::max<int64_t>(1, average));
  const std::string coarser = Coarser(*field, column, factor);
  const auto least_files =
      std::max<int64_t>(1, survey.data_bytes / std::max<int64_t>(1, facts.optimizing.target_size));
  Advice advice{AdviceKind::kPartitionSpec, field->name};
  advice.why = fmt::format(
      "{} partitions hold {} each on average, and a partition has a file at least: {} files where "
      "{} of {} would do",
      survey.partitions, FormatByteSize(average), survey.data_files, least_files,
      FormatByteSize(facts.optimizing.target_size));
  const double spared = 1 - Share(least_files, std::max(survey.data_files, least_files));
  advice.gain = fmt::format("up to {} fewer files to plan and to open", PercentText(spared));
  advice.score = ScoreOf(spared / 2);
  advice.commands = Commands(
      facts, coarser.empty()
                 ? fmt::format("DROP PARTITION FIELD {}", ColumnText(field->name))
                 : fmt::format("REPLACE PARTITION FIELD {} WITH {}", field->name, coarser));
  report->advice.push_back(std::move(advice));
}

/// The column, or "".
std::string AdviseFiner(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  const int64_t average = survey.data_bytes / survey.partitions;
  if (average < kTooLargePartition) return "";
  for (const auto& field : facts.metadata.DefaultSpec().fields) {
    const Unit* unit = UnitOf(field.transform.kind());
    if (unit == nullptr || unit == &kUnits[0]) continue;
    for (const auto& filtered : OftenFiltered(facts)) {
      const SurveyedColumn& column = *filtered.column;
      const bool is_its = column.field_id == field.source_id();
      if (!is_its || Share(filtered.use.scans, facts.scans.scans) < kMostlyFiltered) continue;
      // In order within the partition: bounds leave out the rest already.
      const auto in_partition =
          static_cast<double>(survey.data_files) / static_cast<double>(survey.partitions);
      const Unit* finer = unit - 1;
      const bool is_hour_of_date =
          finer->kind == Transform::Kind::kHour && column.type->kind() == TypeKind::kDate;
      if (column.depth < in_partition * kMostlyFiltered || is_hour_of_date) continue;
      Advice advice{AdviceKind::kPartitionSpec, field.name};
      advice.why = fmt::format(
          "partitions hold {} on average; {}, and a value of it may lie in {:.0f} files",
          FormatByteSize(average), FilteredText(facts, filtered), column.depth);
      const double then = finer->days / unit->days;
      advice.gain = fmt::format("a filter on one {} would read {} of what it reads now",
                                finer->name, PercentText(then));
      advice.score = ScoreOf(Share(filtered.use.scans, facts.scans.scans) * (1 - then) *
                             column.depth / static_cast<double>(survey.data_files));
      advice.commands =
          Commands(facts, fmt::format("REPLACE PARTITION FIELD {} WITH {}({})", field.name,
                                      finer->name, ColumnText(column.name)));
      report->advice.push_back(std::move(advice));
      return column.name;
    }
  }
  return "";
}

}  // namespace

std::string AdvisePartitions(const AdviceFacts& facts, AdviceReport* report) {
  std::string column = AdviseFirstSpec(facts, report);
  if (facts.metadata.DefaultSpec().is_unpartitioned()) return column;
  AdviseCoarser(facts, report);
  return AdviseFiner(facts, report);
}

}  // namespace moraine::upkeep
