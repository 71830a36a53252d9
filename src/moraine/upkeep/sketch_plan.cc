#include "moraine/upkeep/sketch_plan.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/column_sketch.h"
#include "moraine/iceberg/puffin/puffin_metadata.h"

namespace moraine::upkeep {
namespace {

using iceberg::Snapshot;
using iceberg::StatisticsFile;
using iceberg::TableMetadata;

constexpr int64_t kPartBytes = int64_t{1} << 30;
constexpr int64_t kPartFiles = 10'000;
constexpr int64_t kMostParts = 256;
constexpr int64_t kMostCount = int64_t{1} << 50;  ///< of a summary: they are summed up
constexpr std::string_view kNdv = "ndv";

std::optional<int64_t> Count(const Snapshot& snapshot, const std::string& key) {
  auto found = snapshot.summary.find(key);
  if (found == snapshot.summary.end()) return std::nullopt;
  const auto count = ParseInt64(found->second);
  if (!count.ok() || *count < 0) return std::nullopt;
  return std::min(*count, kMostCount);
}

/// Not one that the file carries on from an older snapshot (as Trino does with columns that an
/// ANALYZE leaves out): what came since is not in it.
const iceberg::BlobMetadata* SketchOf(const StatisticsFile& file, int32_t column) {
  for (const auto& blob : file.blob_metadata) {
    if (blob.type == iceberg::kThetaSketchBlobType && blob.fields == std::vector{column} &&
        blob.snapshot_id == file.snapshot_id && blob.properties.contains(std::string(kNdv)))
      return &blob;
  }
  return nullptr;
}

bool HasAll(const StatisticsFile& file, const std::vector<int32_t>& columns) {
  return std::all_of(columns.begin(), columns.end(),
                     [&](int32_t id) { return SketchOf(file, id) != nullptr; });
}

/// Whether values of the column had the bytes then that they have now: ours say which, those of
/// others may have counted before any promotion that the table remembers.
bool HasForm(const TableMetadata& metadata, const StatisticsFile& file, int32_t column) {
  const iceberg::Field* now = metadata.CurrentSchema().FindField(column);
  const auto& properties = SketchOf(file, column)->properties;
  if (auto type = properties.find(kTypeProperty); type != properties.end()) {
    if (type->second != now->type->ToString()) return false;
  } else {
    for (const auto& schema : metadata.schemas) {
      const iceberg::Field* then = schema->FindField(column);
      if (then != nullptr && !(*then->type == *now->type)) return false;
    }
  }
  if (now->type->kind() != iceberg::TypeKind::kUuid) return true;
  auto form = properties.find(kUuidFormProperty);
  return form != properties.end() && form->second == kUuidFormBytes;
}

bool CanBeBase(const TableMetadata& metadata, const StatisticsFile& file,
               const std::vector<int32_t>& columns) {
  if (file.key_metadata || !HasAll(file, columns)) return false;
  return std::all_of(columns.begin(), columns.end(),
                     [&](int32_t id) { return HasForm(metadata, file, id); });
}

/// From the current snapshot back to one with statistics.
struct Way {
  const StatisticsFile* base = nullptr;
  std::vector<const Snapshot*> since;  ///< the newest first
};

Way FindWay(const TableMetadata& metadata, const std::vector<int32_t>& columns) {
  Way way;
  const Snapshot* at = metadata.CurrentSnapshot();
  for (size_t i = 0; at != nullptr && i <= metadata.snapshots.size(); ++i) {
    const StatisticsFile* file = StatisticsOf(metadata, at->snapshot_id);
    if (file != nullptr && CanBeBase(metadata, *file, columns)) {
      way.base = file;
      return way;
    }
    way.since.push_back(at);
    at = at->parent_snapshot_id ? metadata.FindSnapshot(*at->parent_snapshot_id) : nullptr;
  }
  return {};
}

/// Since which no row went.
bool OnlyGrew(const Way& way) {
  return std::all_of(way.since.begin(), way.since.end(), [](const Snapshot* snapshot) {
    if (snapshot->operation() == "replace") return true;
    return snapshot->operation() == "append" &&
           Count(*snapshot, "added-delete-files").value_or(0) == 0;
  });
}

/// Percent of the rows; nothing where a summary does not say it, as of an equality delete, which
/// may take any number of rows.
std::optional<double> ChangedPercent(const Way& way, const Snapshot& current) {
  int64_t changed = 0;
  for (const Snapshot* snapshot : way.since) {
    if (snapshot->operation() == "replace") continue;
    const bool is_known = snapshot->summary.contains("total-records");
    if (!is_known) return std::nullopt;
    for (const char* key : {"added-equality-deletes", "added-equality-delete-files"}) {
      if (Count(*snapshot, key).value_or(0) > 0) return std::nullopt;
    }
    for (const char* key : {"added-records", "deleted-records", "added-position-deletes"})
      changed += Count(*snapshot, key).value_or(0);
  }
  const auto rows = static_cast<double>(Count(current, "total-records").value_or(0));
  return 100.0 * static_cast<double>(changed) / std::max(rows, 1.0);
}

/// Files to be read: of a rewrite only if it may hold rows that were appended before it.
void ReadSince(const Way& way, StatisticsPlan* plan) {
  auto& since = plan->since.emplace();
  bool has_appended = false;
  for (auto at = way.since.rbegin(); at != way.since.rend(); ++at) {
    const Snapshot& snapshot = **at;
    if (snapshot.operation() != "replace") has_appended = true;
    if (!has_appended) continue;
    since.push_back(snapshot.snapshot_id);
    plan->files += Count(snapshot, "added-data-files").value_or(0);
    plan->rows += Count(snapshot, "added-records").value_or(0);
    plan->bytes += Count(snapshot, "added-files-size").value_or(0);
  }
}

void CutIntoParts(StatisticsPlan* plan) {
  if (plan->since && plan->since->empty()) {
    plan->parts = 0;
    return;
  }
  const int64_t parts = std::max(plan->bytes / kPartBytes, plan->files / kPartFiles) + 1;
  plan->parts = std::clamp<int64_t>(parts, 1, kMostParts);
}

/// Whether all must be read, and why.
void DecideFull(const MaintenanceConfig& config, const Way& way, const Snapshot& current,
                StatisticsPlan* plan) {
  plan->files = Count(current, "total-data-files").value_or(0);
  plan->rows = Count(current, "total-records").value_or(0);
  plan->bytes = Count(current, "total-files-size").value_or(0);
  plan->is_due = true;
  plan->reason = "the table has no statistics of these columns";
  if (way.base == nullptr) return;
  const auto changed = ChangedPercent(way, current);
  if (!changed) {
    plan->reason = "it is not known how many rows have changed";
    return;
  }
  plan->reason = fmt::format("{:.1f} % of the rows have changed", *changed);
  if (*changed >= static_cast<double>(config.statistics_min_changed_percent)) return;
  plan->is_due = false;
  plan->reason += fmt::format(" since snapshot {}; statistics.min-changed-percent is {}",
                              way.base->snapshot_id, config.statistics_min_changed_percent);
}

void Decide(const TableMetadata& metadata, const MaintenanceConfig& config, const Snapshot& current,
            bool full, StatisticsPlan* plan) {
  const Way way = full ? Way() : FindWay(metadata, plan->columns);
  if (way.base != nullptr && way.since.empty()) {
    plan->reason = "the current snapshot has statistics of these columns";
    return;
  }
  if (way.base == nullptr || !OnlyGrew(way)) {
    DecideFull(config, way, current, plan);
    if (full) plan->reason = "all is counted anew";
    return;
  }
  plan->is_due = true;
  plan->base = *way.base;
  ReadSince(way, plan);
  plan->reason = plan->since->empty()
                     ? fmt::format("no row was added since snapshot {}", way.base->snapshot_id)
                     : fmt::format("rows were only added since snapshot {}", way.base->snapshot_id);
}

}  // namespace

const StatisticsFile* StatisticsOf(const TableMetadata& metadata, int64_t snapshot_id) {
  for (const auto& file : metadata.statistics) {
    if (file.snapshot_id == snapshot_id) return &file;
  }
  return nullptr;
}

std::vector<int32_t> StatisticsColumns(const iceberg::Schema& schema,
                                       const std::vector<std::string>& names,
                                       std::string* problem) {
  std::vector<int32_t> columns;
  if (names.empty()) {
    for (const auto& field : schema.fields()) {
      if (iceberg::HasSketch(*field.type)) columns.push_back(field.id);
    }
    return columns;
  }
  std::vector<std::string> wrong;
  for (const std::string& name : names) {
    const iceberg::Field* field = schema.FindField(name);
    bool can_be = field != nullptr && iceberg::HasSketch(*field->type);
    for (auto id = can_be ? schema.ParentOf(field->id) : std::nullopt; id;
         id = schema.ParentOf(*id))
      can_be = can_be && schema.FindField(*id)->type->kind() == iceberg::TypeKind::kStruct;
    if (!can_be) {
      wrong.push_back(name.substr(0, 100));
    } else if (std::find(columns.begin(), columns.end(), field->id) == columns.end()) {
      columns.push_back(field->id);
    }
  }
  if (!wrong.empty()) {
    if (wrong.size() > 5) wrong.resize(5);
    *problem = fmt::format("statistics.columns: no column of plain values is named {}",
                           fmt::join(wrong, ", "));
  }
  return columns;
}

StatisticsPlan PlanStatistics(const TableMetadata& metadata, const MaintenanceConfig& config,
                              bool full) {
  StatisticsPlan plan;
  const Snapshot* current = metadata.CurrentSnapshot();
  if (current == nullptr) {
    plan.reason = "the table has no snapshot";
    return plan;
  }
  std::string problem;
  plan.columns = StatisticsColumns(metadata.CurrentSchema(), config.statistics_columns, &problem);
  if (plan.columns.empty()) {
    plan.reason = problem.empty() ? "the table has no column that can be counted" : problem;
    return plan;
  }
  plan.snapshot_id = current->snapshot_id;
  if (const auto* file = StatisticsOf(metadata, current->snapshot_id)) plan.replaced = *file;
  if (plan.replaced && plan.replaced->key_metadata) {
    plan.reason = "the snapshot has encrypted statistics: they are left alone";
    return plan;
  }
  Decide(metadata, config, *current, full, &plan);
  CutIntoParts(&plan);
  if (!problem.empty()) plan.reason += "; " + problem;
  return plan;
}

}  // namespace moraine::upkeep
