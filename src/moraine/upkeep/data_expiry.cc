#include "moraine/upkeep/data_expiry.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/io/location.h"
#include "moraine/tasks/rewrite_task.h"
#include "moraine/upkeep/files_with_deletes.h"
#include "moraine/upkeep/row_expiry.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::upkeep {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::PartitionKey;

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
constexpr int64_t kBytesPerPartition = 300;
constexpr size_t kMostNamedPartitions = 200;
constexpr int64_t kMostFilesWithRows = 2'000;  ///< in one commit
constexpr int64_t kShareOfDeletes = 4;         ///< of memory: for which deletes apply to which file

class Search {
 public:
  Search(Call& call, io::FileSystem& files, const OpenedSnapshot& opened, const ExpiryTimes& times,
         const DataExpiryTask& task, std::string prefix, int64_t memory_bytes)
      : call_(call),
        files_(files),
        opened_(opened),
        times_(times),
        task_(task),
        prefix_(std::move(prefix)),
        threshold_us_(task.threshold_ms * 1000),
        memory_bytes_(memory_bytes) {}

  Result<ExpiredData> Run(JobProgress* progress) {
    found_.snapshot_id = opened_.snapshot.snapshot_id;
    found_.threshold_ms = task_.threshold_ms;
    found_.level = task_.level;
    MORAINE_TRY(Tally(progress));
    ChoosePartitions();
    MORAINE_TRY(Collect());
    if (!found_.data.empty()) MORAINE_TRY(CollectDeletes());
    if (task_.level == ExpireLevel::kRow) MORAINE_TRY(DeleteRows());
    NamePartitions();
    return std::move(found_);
  }

 private:
  struct Part {
    int64_t files = 0;
    int64_t expired = 0;
    bool is_chosen = false;
    int64_t removed = 0, rows = 0, bytes = 0;
    int64_t lowest_kept = kNone;  ///< data sequence number of files that stay
  };
  using Parts = std::unordered_map<PartitionKey, Part, iceberg::PartitionKeyHash>;

  Status Read(ManifestContent content, int32_t column,
              const std::function<Status(ManifestEntry&)>& visit) {
    iceberg::ManifestReadOptions options;
    options.columns = {column};
    for (const auto& manifest : opened_.manifests) {
      if (manifest.content != content || !manifest.has_live()) continue;
      MORAINE_TRY(call_.Check());
      MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, manifest));
      MORAINE_TRY(
          iceberg::ReadManifest(call_, files_, manifest, *spec, SchemaOf(opened_), options, visit));
    }
    return {};
  }

  bool IsOld(const DataFile& file) const {
    auto end = times_.EndOf(file);
    return end && *end <= threshold_us_;
  }

  Status Tally(JobProgress* progress) {
    return Read(ManifestContent::kData, times_.column(), [&](ManifestEntry& entry) -> Status {
      auto end = times_.EndOf(entry.file);
      if (!end) ++found_.files_without_time;
      if (progress != nullptr) ++progress->files;
      Part& part = parts_[{entry.file.spec_id, std::move(entry.file.partition)}];
      ++part.files;
      if (end && *end <= threshold_us_) ++part.expired;
      const auto count = static_cast<int64_t>(parts_.size());
      if (count * kBytesPerPartition <= memory_bytes_) return {};
      return Exhausted(fmt::format("{} of memory do not suffice for more than {} partitions",
                                   FormatByteSize(memory_bytes_), count));
    });
  }

  /// Whole partitions, as long as there is room in the result (one there always is).
  void ChoosePartitions() {
    int64_t room = task_.max_files;
    for (auto& [_, part] : parts_) {
      if (task_.level == ExpireLevel::kPartition) {
        if (part.expired < part.files) continue;
        if (part.files > room && room < task_.max_files) {
          found_.more = true;
          continue;
        }
        room -= part.files;
      }
      part.is_chosen = part.expired > 0;
    }
  }

  Status Collect() {
    return Read(ManifestContent::kData, times_.column(), [&](ManifestEntry& entry) -> Status {
      const DataFile& file = entry.file;
      auto at = parts_.find({file.spec_id, file.partition});
      if (at == parts_.end()) return Corruption("a manifest has changed while it was read");
      Part& part = at->second;
      bool goes = part.is_chosen && IsOld(file);
      if (goes && task_.level != ExpireLevel::kPartition &&
          static_cast<int64_t>(found_.data.size()) >= task_.max_files) {
        found_.more = true;
        goes = false;
      }
      if (!goes) {
        part.lowest_kept = std::min(part.lowest_kept, entry.sequence_number.value_or(0));
        lowest_kept_ = std::min(lowest_kept_, entry.sequence_number.value_or(0));
        return {};
      }
      ++part.removed;
      part.rows += file.record_count;
      part.bytes += file.file_size_in_bytes;
      found_.rows += file.record_count;
      found_.bytes += file.file_size_in_bytes;
      gone_.insert(file.file_path);
      found_.data.push_back(iceberg::RemovedFile::Of(file));
      return {};
    });
  }

  Status CollectDeletes() {
    return Read(ManifestContent::kDeletes, iceberg::kFilePathFieldId,
                [&](ManifestEntry& entry) -> Status {
                  if (!IsUnneeded(entry)) return {};
                  found_.deletes.push_back(iceberg::RemovedFile::Of(entry.file));
                  found_.bytes += BytesOf(entry.file);
                  found_.highest_sequence =
                      std::max(found_.highest_sequence, entry.sequence_number.value_or(0));
                  return {};
                });
  }

  bool IsUnneeded(const ManifestEntry& entry) const {
    const DataFile& file = entry.file;
    const std::string_view path = iceberg::ReferencedDataFile(file);
    if (!path.empty()) return gone_.contains(std::string(path));
    if (file.is_deletion_vector()) return false;  // it names no file: nothing can be said of it
    const bool is_equality = file.content == FileContent::kEqualityDeletes;
    int64_t lowest = lowest_kept_;
    auto spec = opened_.metadata.FindSpec(file.spec_id);
    if (!is_equality || (spec && !spec->is_unpartitioned())) {
      auto at = parts_.find({file.spec_id, file.partition});
      // Of partitions that nothing was removed from: clean-dangling-delete-files has those.
      if (at == parts_.end() || at->second.removed == 0) return false;
      lowest = at->second.lowest_kept;
    }
    const int64_t sequence = entry.sequence_number.value_or(0);
    return is_equality ? lowest >= sequence : lowest > sequence;
  }

  /// Of files that stay.
  Status DeleteRows() {
    MORAINE_ASSIGN(RowExpiry rows, RowExpiry::Make(files_, opened_, times_,
                                                   {prefix_, threshold_us_,
                                                    memory_bytes_ - memory_bytes_ / kShareOfDeletes,
                                                    task_.dry_run}));
    MORAINE_TRY(VisitFilesWithDeletes(
        call_, files_, opened_, memory_bytes_ / kShareOfDeletes,
        [&](const DataFile& file) {
          return !gone_.contains(file.file_path) && rows.MayHaveOldRows(file);
        },
        [&](iceberg::FileTask& file) -> Result<bool> {
          if (found_.files_with_deleted_rows >= kMostFilesWithRows) {
            found_.more = true;
            return false;
          }
          MORAINE_ASSIGN(const int64_t count, rows.Delete(call_, file));
          found_.rows_deleted += count;
          if (count == 0) return true;
          ++found_.files_with_deleted_rows;
          Part& part = parts_[{file.file().spec_id, file.file().partition}];
          ++part.removed;
          part.rows += count;
          return true;
        }));
    MORAINE_TRY(rows.Finish(call_));
    found_.new_deletes = rows.added();
    found_.deletes.insert(found_.deletes.end(), rows.replaced().begin(), rows.replaced().end());
    return {};
  }

  void NamePartitions() {
    for (const auto& [key, part] : parts_) {
      if (part.removed == 0) continue;
      ++found_.partitions_count;
      auto spec = opened_.metadata.FindSpec(key.spec_id);
      if (!spec) continue;
      found_.partitions.push_back({iceberg::PartitionPath(*spec, SchemaOf(opened_), key.tuple),
                                   part.removed, part.rows, part.bytes});
    }
    std::sort(found_.partitions.begin(), found_.partitions.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    if (found_.partitions.size() > kMostNamedPartitions)
      found_.partitions.resize(kMostNamedPartitions);
  }

  Call& call_;
  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  const ExpiryTimes& times_;
  const DataExpiryTask& task_;
  const std::string prefix_;
  const int64_t threshold_us_;
  const int64_t memory_bytes_;
  Parts parts_;
  int64_t lowest_kept_ = kNone;  // of the table
  std::unordered_set<std::string> gone_;
  ExpiredData found_;
};

std::string_view LevelName(ExpireLevel level) {
  if (level == ExpireLevel::kRow) return "row";
  return level == ExpireLevel::kPartition ? "partition" : "file";
}

Result<ExpireLevel> LevelFromName(const JsonCursor& json) {
  MORAINE_ASSIGN(const std::string name, json.String());
  if (name == "partition") return ExpireLevel::kPartition;
  if (name == "file") return ExpireLevel::kFile;
  if (name == "row") return ExpireLevel::kRow;
  return json.Expected("partition, file or row");
}

std::string ToResult(const ExpiredData& found, const iceberg::TableMetadata& metadata) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("snapshot-id", found.snapshot_id);
  out.Field("threshold-ms", found.threshold_ms);
  out.Field("level", LevelName(found.level)).Field("rows", found.rows);
  out.Field("bytes", found.bytes).Field("highest-sequence", found.highest_sequence);
  out.Field("partitions-count", found.partitions_count);
  out.Field("files-without-time", found.files_without_time).Field("more", found.more);
  out.Key("partitions").BeginArray();
  for (const auto& part : found.partitions) {
    out.BeginObject().Field("name", part.name).Field("files", part.files);
    out.Field("rows", part.rows).Field("bytes", part.bytes).EndObject();
  }
  out.EndArray().Key("data");
  WriteRemovedFiles(found.data, metadata, &out);
  out.Key("deletes");
  WriteRemovedFiles(found.deletes, metadata, &out);
  out.Field("rows-deleted", found.rows_deleted);
  out.Field("files-with-deleted-rows", found.files_with_deleted_rows)
      .Key("new-deletes")
      .BeginArray();
  for (const auto& file : found.new_deletes) {
    const auto types =
        iceberg::PartitionTypes(*metadata.FindSpec(file.spec_id), metadata.CurrentSchema());
    out.BeginObject().Field("spec", file.spec_id).Key("file");
    tasks::WriteDataFile(file, types, &out);
    out.EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

Result<DataExpiryTask> TaskOf(const JsonCursor& body) {
  DataExpiryTask task;
  MORAINE_ASSIGN(task.threshold_ms, body.Int64("threshold-ms"));
  MORAINE_ASSIGN(task.max_files, body.Int64("max-files"));
  MORAINE_ASSIGN(task.dry_run, body.Bool("dry-run"));
  MORAINE_ASSIGN(const JsonCursor level, body.Get("level"));
  MORAINE_ASSIGN(task.level, LevelFromName(level));
  MORAINE_ASSIGN(task.field.name, body.String("field"));
  MORAINE_ASSIGN(task.field.string_pattern, body.String("string-pattern"));
  MORAINE_ASSIGN(task.field.seconds, body.Bool("seconds"));
  MORAINE_ASSIGN(task.field.zone, body.String("time-zone"));
  constexpr int64_t kMostMs = int64_t{1} << 50;
  if (task.threshold_ms > kMostMs || task.threshold_ms < -kMostMs)
    return body.Error("threshold-ms: out of range");
  return task;
}

constexpr std::string_view kNoRetention = "data-expire.retention-time is not set";

/// Whether the column, at that level, has times to go by.
Status CheckField(const iceberg::TableMetadata& metadata, const MaintenanceConfig& config) {
  MORAINE_ASSIGN(const auto times, ExpiryTimes::Make(metadata, ExpiryFieldOf(config)));
  if (config.data_expire_level != ExpireLevel::kRow) return {};
  if (metadata.format_version < 2)
    return InvalidArgument("data-expire.level is row, but tables of version 1 have no deletes");
  if (metadata.CurrentSchema().ParentOf(times.column()))
    return InvalidArgument("data-expire.level is row, but data-expire.field is a nested column");
  return {};
}

}  // namespace

ExpiryField ExpiryFieldOf(const MaintenanceConfig& config) {
  return {config.data_expire_field, config.data_expire_string_pattern, config.data_expire_seconds,
          config.data_expire_zone};
}

std::optional<int64_t> LastCommitMs(const iceberg::TableMetadata& metadata) {
  std::optional<int64_t> last_replace;
  const iceberg::Snapshot* at = metadata.CurrentSnapshot();
  for (size_t i = 0; at != nullptr && i <= metadata.snapshots.size(); ++i) {
    if (!MadeByTableService(*at)) {
      if (at->operation() != "replace") return at->timestamp_ms;
      // Another engine's compaction: no new rows, but better than nothing where all before it is
      // gone.
      if (!last_replace) last_replace = at->timestamp_ms;
    }
    at = at->parent_snapshot_id ? metadata.FindSnapshot(*at->parent_snapshot_id) : nullptr;
  }
  return last_replace;
}

std::string WhyNothingCanExpire(const iceberg::TableMetadata& metadata,
                                const MaintenanceConfig& config) {
  if (!config.expire_data || config.legal_hold || !config.gc_enabled) return "";
  if (WhatStops(config, Action::kExpireData) != nullptr) return "";
  std::string why(kNoRetention);
  if (config.data_retention.count() > 0) {
    const Status field = CheckField(metadata, config);
    if (field.ok()) return "";
    why = field.message();
  }
  return why + "; expire-data is not done until it is mended";
}

Result<DataExpiryDecision> DecideDataExpiry(const iceberg::TableMetadata& metadata,
                                            const MaintenanceConfig& config, int64_t now_ms) {
  DataExpiryDecision decision;
  auto no = [&](std::string why) {
    decision.reason = std::move(why);
    return decision;
  };
  if (config.legal_hold) return no("data-expire.legal-hold is set");
  if (!config.gc_enabled) return no("gc.enabled is false");
  if (config.data_retention.count() <= 0) return no(std::string(kNoRetention));
  if (metadata.CurrentSnapshot() == nullptr) return no("the table has no snapshot");
  MORAINE_TRY(CheckField(metadata, config));
  int64_t base_ms = now_ms;
  if (config.data_expire_base == ExpireBase::kLastCommitTime) {
    auto last = LastCommitMs(metadata);
    if (!last) return no("the last commit that was not maintenance has expired");
    base_ms = std::min(*last, now_ms);
  }
  decision.is_due = true;
  decision.threshold_ms = base_ms - config.data_retention.count();
  decision.reason = fmt::format("{} before {} expires", config.data_expire_field.substr(0, 100),
                                FormatTime(FromMillis(decision.threshold_ms)));
  return decision;
}

std::string ToBody(const DataExpiryTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteSnapshotPlace(task.place, &out);
  out.Field("field", task.field.name).Field("string-pattern", task.field.string_pattern);
  out.Field("seconds", task.field.seconds).Field("time-zone", task.field.zone);
  out.Field("level", LevelName(task.level)).Field("threshold-ms", task.threshold_ms);
  out.Field("max-files", task.max_files).Field("dry-run", task.dry_run).EndObject();
  return text;
}

Result<ExpiredData> ExpiredDataOf(const tasks::MaintenanceOutput& output,
                                  const iceberg::TableMetadata& metadata) {
  MORAINE_ASSIGN(const Json document, Json::Parse(output.result));
  const JsonCursor json(document);
  ExpiredData found;
  MORAINE_ASSIGN(found.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(found.threshold_ms, json.Int64("threshold-ms"));
  MORAINE_ASSIGN(const JsonCursor level, json.Get("level"));
  MORAINE_ASSIGN(found.level, LevelFromName(level));
  MORAINE_ASSIGN(found.rows, json.Int64("rows"));
  MORAINE_ASSIGN(found.bytes, json.Int64("bytes"));
  MORAINE_ASSIGN(found.highest_sequence, json.Int64("highest-sequence"));
  MORAINE_ASSIGN(found.partitions_count, json.Int64("partitions-count"));
  MORAINE_ASSIGN(found.files_without_time, json.Int64("files-without-time"));
  MORAINE_ASSIGN(found.more, json.Bool("more"));
  MORAINE_ASSIGN(const JsonCursor partitions, json.Get("partitions"));
  MORAINE_TRY(partitions.ExpectArray());
  for (size_t i = 0; i < partitions.size(); ++i) {
    const JsonCursor one = partitions.At(i);
    ExpiredPartition part;
    MORAINE_ASSIGN(part.name, one.String("name"));
    MORAINE_ASSIGN(part.files, one.Int64("files"));
    MORAINE_ASSIGN(part.rows, one.Int64("rows"));
    MORAINE_ASSIGN(part.bytes, one.Int64("bytes"));
    found.partitions.push_back(std::move(part));
  }
  MORAINE_ASSIGN(const JsonCursor data, json.Get("data"));
  MORAINE_ASSIGN(found.data, ReadRemovedFiles(data, metadata));
  MORAINE_ASSIGN(const JsonCursor deletes, json.Get("deletes"));
  MORAINE_ASSIGN(found.deletes, ReadRemovedFiles(deletes, metadata));
  MORAINE_ASSIGN(found.rows_deleted, json.Int64("rows-deleted"));
  MORAINE_ASSIGN(found.files_with_deleted_rows, json.Int64("files-with-deleted-rows"));
  MORAINE_ASSIGN(const JsonCursor added, json.Get("new-deletes"));
  MORAINE_TRY(added.ExpectArray());
  for (size_t i = 0; i < added.size(); ++i) {
    const JsonCursor one = added.At(i);
    MORAINE_ASSIGN(const int32_t spec_id, one.Int32("spec"));
    auto spec = metadata.FindSpec(spec_id);
    if (!spec) return one.Error("spec: the table has none of this id");
    MORAINE_ASSIGN(const JsonCursor file, one.Get("file"));
    MORAINE_ASSIGN(auto read, tasks::DataFileFromJson(
                                  file, iceberg::PartitionTypes(*spec, metadata.CurrentSchema())));
    found.new_deletes.push_back(std::move(read));
  }
  return found;
}

iceberg::SnapshotChanges RemoveExpiredData(const ExpiredData& expired) {
  iceberg::SnapshotChanges changes;
  changes.operation = expired.new_deletes.empty() ? iceberg::SnapshotOperation::kDelete
                                                  : iceberg::SnapshotOperation::kRowDelta;
  for (const auto& file : expired.new_deletes) changes.added.push_back({file, std::nullopt});
  changes.removed_data = expired.data;
  changes.removed_deletes = expired.deletes;
  changes.removed_must_exist = true;
  changes.checks.starting_snapshot_id = expired.snapshot_id;
  if (expired.highest_sequence > 0) changes.checks.unused_deletes_up_to = expired.highest_sequence;
  if (expired.level == ExpireLevel::kPartition) {
    std::unordered_set<PartitionKey, iceberg::PartitionKeyHash> seen;
    for (const auto& file : expired.data) {
      if (file.partition && seen.insert(*file.partition).second)
        changes.checks.closed_partitions.push_back(*file.partition);
    }
  }
  changes.summary["snapshot.producer"] = kDataExpirationProducer;
  return changes;
}

std::string RowDeletesFolder(const iceberg::TableMetadata& metadata) {
  return metadata.Property("write.data.path", io::JoinLocation(metadata.location, "data"));
}

Result<tasks::MaintenanceOutput> RunFindExpiredData(Call& call, io::FileSystem& files,
                                                    const tasks::MaintenanceTask& task,
                                                    const JobOptions& options,
                                                    JobProgress* progress) {
  MORAINE_ASSIGN(const Json document, Json::Parse(task.body));
  const JsonCursor body(document);
  MORAINE_ASSIGN(const DataExpiryTask wanted, TaskOf(body));
  MORAINE_ASSIGN(const OpenedSnapshot opened, OpenSnapshot(call, files, task, body));
  MORAINE_ASSIGN(const ExpiryTimes times, ExpiryTimes::Make(opened.metadata, wanted.field));
  tasks::MaintenanceTask place = task;
  place.output_folder = RowDeletesFolder(opened.metadata);
  Search search(call, files, opened, times, wanted, place.OutputPrefix(), options.memory_bytes);
  MORAINE_ASSIGN(const ExpiredData found, search.Run(progress));
  tasks::MaintenanceOutput output;
  output.files = static_cast<int64_t>(found.data.size() + found.deletes.size());
  output.result = ToResult(found, opened.metadata);
  return output;
}

}  // namespace moraine::upkeep
