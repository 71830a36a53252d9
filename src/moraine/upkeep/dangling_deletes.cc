#include "moraine/upkeep/dangling_deletes.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::upkeep {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

enum class Reach : uint8_t { kTable, kPartition, kFile };

/// A delete file, as small as can be.
struct Known {
  int64_t sequence = 0;
  size_t place = 0;  ///< index of its partition, or hash of the data file's path
  Reach reach = Reach::kPartition;
  bool is_equality = false;
};
/// For the map's node, too.
constexpr int64_t kBytesPerDelete = 160;

class Search {
 public:
  Search(Call& call, io::FileSystem& files, const OpenedSnapshot& opened, int64_t memory_bytes)
      : call_(call), files_(files), opened_(opened), memory_bytes_(memory_bytes) {}

  Result<DanglingDeletes> Run(int64_t max_files, JobProgress* progress) {
    found_.snapshot_id = opened_.snapshot.snapshot_id;
    MORAINE_TRY(ReadDeletes());
    if (!deletes_.empty()) MORAINE_TRY(ReadData(progress));
    MORAINE_TRY(Collect(max_files));
    return std::move(found_);
  }

 private:
  Status Read(const ManifestFile& manifest, bool with_paths,
              const std::function<Status(ManifestEntry&)>& visit) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, manifest));
    iceberg::ManifestReadOptions options;
    options.counts = false;
    options.bounds = with_paths;
    if (with_paths) options.columns = {iceberg::kFilePathFieldId};
    return iceberg::ReadManifest(call_, files_, manifest, *spec, SchemaOf(opened_), options, visit);
  }

  Status ReadDeletes() {
    for (const ManifestFile& manifest : opened_.manifests) {
      if (manifest.content != ManifestContent::kDeletes || !manifest.has_live()) continue;
      const size_t before = deletes_.size();
      MORAINE_TRY(Read(manifest, true, [&](ManifestEntry& entry) -> Status {
        if (!entry.sequence_number) {
          return Corruption(
              fmt::format("a delete file has no sequence number: {}", entry.file.file_path));
        }
        deletes_.push_back(Know(entry));
        highest_ = std::max(highest_, *entry.sequence_number);
        const auto count = static_cast<int64_t>(deletes_.size());
        if (count * kBytesPerDelete <= memory_bytes_) return {};
        return Exhausted(fmt::format("{} of memory do not suffice for more than {} delete files",
                                     FormatByteSize(memory_bytes_), count));
      }));
      counts_.push_back(deletes_.size() - before);
    }
    found_.delete_files = static_cast<int64_t>(deletes_.size());
    return {};
  }

  Known Know(const ManifestEntry& entry) {
    const DataFile& file = entry.file;
    Known known;
    known.sequence = *entry.sequence_number;
    known.is_equality = file.content == FileContent::kEqualityDeletes;
    const std::string_view path = iceberg::ReferencedDataFile(file);
    if (!path.empty()) {
      known.reach = Reach::kFile;
      known.place = std::hash<std::string_view>()(path);
      lowest_of_file_.emplace(known.place, kNone);
    } else if (file.is_deletion_vector()) {
      known.reach = Reach::kTable;  // it names no file: nothing can be said of it
      known.sequence = kNone;
    } else if (known.is_equality && IsGlobal(file.spec_id)) {
      known.reach = Reach::kTable;
    } else {
      known.place = PartitionIndex({file.spec_id, file.partition});
    }
    return known;
  }

  bool IsGlobal(int32_t spec_id) const {
    auto spec = opened_.metadata.FindSpec(spec_id);
    return !spec || spec->is_unpartitioned();
  }

  size_t PartitionIndex(iceberg::PartitionKey key) {
    auto [at, is_new] = partitions_.emplace(std::move(key), lowest_of_partition_.size());
    if (is_new) lowest_of_partition_.push_back(kNone);
    return at->second;
  }

  Status ReadData(JobProgress* progress) {
    for (const ManifestFile& manifest : opened_.manifests) {
      if (manifest.content != ManifestContent::kData || !manifest.has_live()) continue;
      // All of its files are newer than every delete.
      if (manifest.min_sequence_number > highest_) continue;
      MORAINE_TRY(Read(manifest, false, [&](ManifestEntry& entry) -> Status {
        Note(entry.file, entry.sequence_number.value_or(0));
        ++found_.data_files;
        if (progress != nullptr) ++progress->files;
        return {};
      }));
    }
    return {};
  }

  void Note(const DataFile& file, int64_t sequence) {
    lowest_ = std::min(lowest_, sequence);
    if (!lowest_of_partition_.empty()) {
      auto at = partitions_.find({file.spec_id, file.partition});
      if (at != partitions_.end()) {
        int64_t& lowest = lowest_of_partition_[at->second];
        lowest = std::min(lowest, sequence);
      }
    }
    if (lowest_of_file_.empty()) return;
    // Two paths of one hash count as one: a delete too many stays then.
    auto at = lowest_of_file_.find(std::hash<std::string_view>()(file.file_path));
    if (at != lowest_of_file_.end()) at->second = std::min(at->second, sequence);
  }

  bool IsDangling(const Known& known) const {
    int64_t lowest = lowest_;
    if (known.reach == Reach::kPartition) lowest = lowest_of_partition_[known.place];
    if (known.reach == Reach::kFile) lowest = lowest_of_file_.at(known.place);
    if (lowest == kNone) return known.sequence != kNone;
    return known.is_equality ? lowest >= known.sequence : lowest > known.sequence;
  }

  /// Manifests and their files come in the same order as they did in ReadDeletes.
  Status Collect(int64_t max_files) {
    size_t next = 0;
    auto count = counts_.begin();
    for (const ManifestFile& manifest : opened_.manifests) {
      if (manifest.content != ManifestContent::kDeletes || !manifest.has_live()) continue;
      const size_t end = next + *count++;
      const bool has_dangling = std::any_of(deletes_.begin() + static_cast<ptrdiff_t>(next),
                                            deletes_.begin() + static_cast<ptrdiff_t>(end),
                                            [&](const Known& known) { return IsDangling(known); });
      if (has_dangling) {
        MORAINE_TRY(Read(manifest, true, [&](ManifestEntry& entry) -> Status {
          if (next >= end) return Corruption("a manifest has changed while it was read");
          if (IsDangling(deletes_[next++])) Take(entry, max_files);
          return {};
        }));
      }
      next = end;
    }
    return {};
  }

  void Take(const ManifestEntry& entry, int64_t max_files) {
    if (static_cast<int64_t>(found_.files.size()) >= max_files) {
      found_.more = true;
      return;
    }
    found_.files.push_back(iceberg::RemovedFile::Of(entry.file));
    found_.bytes += BytesOf(entry.file);
    found_.highest_sequence = std::max(found_.highest_sequence, entry.sequence_number.value_or(0));
  }

  Call& call_;
  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  int64_t memory_bytes_;
  std::vector<Known> deletes_;  // in the order of the manifests
  std::vector<size_t> counts_;  // of deletes_, by manifest
  int64_t highest_ = 0;
  int64_t lowest_ = kNone;  // of all data files
  std::unordered_map<iceberg::PartitionKey, size_t, iceberg::PartitionKeyHash> partitions_;
  std::vector<int64_t> lowest_of_partition_;
  std::unordered_map<size_t, int64_t> lowest_of_file_;
  DanglingDeletes found_;
};

std::string ToResult(const DanglingDeletes& found, const iceberg::TableMetadata& metadata) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("snapshot-id", found.snapshot_id);
  out.Field("delete-files", found.delete_files).Field("data-files", found.data_files);
  out.Field("bytes", found.bytes).Field("highest-sequence", found.highest_sequence);
  out.Field("more", found.more).Key("files");
  WriteRemovedFiles(found.files, metadata, &out);
  out.EndObject();
  return text;
}

}  // namespace

Result<std::string> NoDeletesReason(Call& call, io::FileSystem& files,
                                    const iceberg::TableMetadata& metadata) {
  const iceberg::Snapshot* snapshot = metadata.CurrentSnapshot();
  if (snapshot == nullptr) return std::string("the table has no snapshot");
  if (metadata.format_version < 2) return std::string("tables of version 1 have no delete files");
  auto total = snapshot->summary.find("total-delete-files");
  if (total != snapshot->summary.end() && total->second == "0")
    return std::string("the table has no delete files");
  MORAINE_ASSIGN(auto manifests, iceberg::LoadManifests(call, files, metadata, *snapshot));
  const bool has_deletes =
      std::any_of(manifests.begin(), manifests.end(), [](const ManifestFile& manifest) {
        return manifest.content == ManifestContent::kDeletes && manifest.has_live();
      });
  return std::string(has_deletes ? "" : "the table has no delete files");
}

std::string ToBody(const DanglingDeletesTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteSnapshotPlace(task.place, &out);
  out.Field("max-files", task.max_files).EndObject();
  return text;
}

Result<DanglingDeletes> DanglingDeletesOf(const tasks::MaintenanceOutput& output,
                                          const iceberg::TableMetadata& metadata) {
  MORAINE_ASSIGN(const Json document, Json::Parse(output.result));
  const JsonCursor json(document);
  DanglingDeletes found;
  MORAINE_ASSIGN(found.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(found.delete_files, json.Int64("delete-files"));
  MORAINE_ASSIGN(found.data_files, json.Int64("data-files"));
  MORAINE_ASSIGN(found.bytes, json.Int64("bytes"));
  MORAINE_ASSIGN(found.highest_sequence, json.Int64("highest-sequence"));
  MORAINE_ASSIGN(found.more, json.Bool("more"));
  MORAINE_ASSIGN(const JsonCursor list, json.Get("files"));
  MORAINE_ASSIGN(found.files, ReadRemovedFiles(list, metadata));
  return found;
}

iceberg::SnapshotChanges RemoveDanglingDeletes(const DanglingDeletes& found) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kRewriteFiles;
  changes.removed_deletes = found.files;
  changes.removed_must_exist = true;
  changes.checks.starting_snapshot_id = found.snapshot_id;
  changes.checks.unused_deletes_up_to = found.highest_sequence;
  changes.summary["snapshot.producer"] = "CLEAN_DANGLING_DELETE";
  return changes;
}

Result<tasks::MaintenanceOutput> RunFindDanglingDeletes(Call& call, io::FileSystem& files,
                                                        const tasks::MaintenanceTask& task,
                                                        const JobOptions& options,
                                                        JobProgress* progress) {
  MORAINE_ASSIGN(const Json document, Json::Parse(task.body));
  const JsonCursor body(document);
  MORAINE_ASSIGN(const int64_t max_files, body.Int64("max-files"));
  MORAINE_ASSIGN(const OpenedSnapshot opened, OpenSnapshot(call, files, task, body));
  MORAINE_ASSIGN(const DanglingDeletes found,
                 Search(call, files, opened, options.memory_bytes).Run(max_files, progress));
  tasks::MaintenanceOutput output;
  output.files = found.delete_files + found.data_files;
  output.result = ToResult(found, opened.metadata);
  return output;
}

}  // namespace moraine::upkeep
