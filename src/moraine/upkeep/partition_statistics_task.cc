#include "moraine/upkeep/partition_statistics_task.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/partition_statistics.h"

namespace moraine::upkeep {
namespace {

/// Of the task's memory; the rest is for the file and the manifest at hand.
constexpr int64_t kTableShare = 4;  // of 5
constexpr int64_t kMostWriterBytes = int64_t{64} << 20;

}  // namespace

std::string PartitionStatisticsBody(const SnapshotPlace& place, bool full) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteSnapshotPlace(place, &out);
  if (full) out.Field("full", true);
  out.EndObject();
  return text;
}

std::string ToResult(const ComputedPartitionStatistics& computed) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("file");
  iceberg::WritePartitionStatisticsFile(computed.file, &out);
  out.Field("partitions", computed.partitions).Field("data-files", computed.data_files);
  out.Field("delete-files", computed.delete_files).Field("incremental", computed.incremental);
  out.Field("reason", computed.reason).Field("manifests", computed.manifests).EndObject();
  return text;
}

Result<ComputedPartitionStatistics> PartitionStatisticsOf(const tasks::MaintenanceOutput& output) {
  MORAINE_ASSIGN(const Json document, Json::Parse(output.result));
  const JsonCursor json(document);
  ComputedPartitionStatistics computed;
  MORAINE_ASSIGN(const JsonCursor file, json.Get("file"));
  MORAINE_ASSIGN(computed.file, iceberg::PartitionStatisticsFileFromJson(file));
  MORAINE_ASSIGN(computed.partitions, CountOf(json, "partitions"));
  MORAINE_ASSIGN(computed.data_files, CountOf(json, "data-files"));
  MORAINE_ASSIGN(computed.delete_files, CountOf(json, "delete-files"));
  MORAINE_ASSIGN(computed.incremental, SwitchOf(json, "incremental"));
  MORAINE_ASSIGN(computed.reason, TextOf(json, "reason"));
  MORAINE_ASSIGN(computed.manifests, CountOf(json, "manifests"));
  return computed;
}

std::string PartitionStatisticsLocation(const iceberg::TableMetadata& metadata, int64_t snapshot_id,
                                        const tasks::MaintenanceTask& task) {
  tasks::MaintenanceTask place = task;
  place.output_folder = iceberg::MetadataFolder(metadata);
  return fmt::format("{}partition-stats-{}.parquet", place.OutputPrefix(), snapshot_id);
}

Result<tasks::MaintenanceOutput> RunComputePartitionStatistics(Call& call, io::FileSystem& files,
                                                               const tasks::MaintenanceTask& task,
                                                               const JobOptions& options,
                                                               JobProgress* progress) {
  MORAINE_ASSIGN(const Json document, Json::Parse(task.body));
  const JsonCursor body(document);
  MORAINE_ASSIGN(const bool full, SwitchOf(body, "full"));
  MORAINE_ASSIGN(const OpenedSnapshot opened, OpenSnapshot(call, files, task, body));
  if (auto why = WhyNoPartitionStatistics(opened.metadata); !why.empty())
    return InvalidArgument(std::move(why));
  MORAINE_ASSIGN(auto table,
                 PartitionTable::Make(opened.metadata, options.memory_bytes / 5 * kTableShare));
  MORAINE_ASSIGN(StatisticsReport report,
                 ComputePartitionStatistics(call, files, opened, &table, progress, full));
  const auto rows = table.Sorted();
  iceberg::PartitionStatisticsOutput target;
  target.location = PartitionStatisticsLocation(opened.metadata, opened.snapshot.snapshot_id, task);
  target.partition_fields = table.partition_fields();
  target.format_version = opened.metadata.format_version;
  target.properties = opened.metadata.properties;
  target.memory_bytes = std::min(kMostWriterBytes, options.memory_bytes / 10);
  ComputedPartitionStatistics computed;
  computed.file.snapshot_id = opened.snapshot.snapshot_id;
  computed.file.statistics_path = target.location;
  MORAINE_ASSIGN(computed.file.file_size_in_bytes,
                 iceberg::WritePartitionStatistics(call, files, target, rows.size(),
                                                   [&](size_t i) { return rows[i]; }));
  computed.partitions = static_cast<int64_t>(rows.size());
  for (const auto& row : rows) {
    computed.data_files += row.counts->data_files;
    computed.delete_files += row.counts->position_delete_files + row.counts->equality_delete_files +
                             row.counts->deletion_vectors;
  }
  computed.incremental = report.incremental;
  computed.reason = std::move(report.reason);
  computed.manifests = report.manifests;
  tasks::MaintenanceOutput output;
  output.files = report.entries;
  output.result = ToResult(computed);
  return output;
}

}  // namespace moraine::upkeep
