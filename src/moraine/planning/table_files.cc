#include "moraine/planning/table_files.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/planning/landing.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::FindBound;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;

/// Times of the snapshots that writers made, by sequence number.
std::unordered_map<int64_t, int64_t> WriterTimes(const iceberg::TableMetadata& metadata) {
  std::unordered_map<int64_t, int64_t> times;
  for (const auto& snapshot : metadata.snapshots) {
    const auto producer = snapshot->summary.find(kProducerKey);
    const bool own = producer != snapshot->summary.end() && producer->second == kProducerValue;
    if (snapshot->operation() != "replace" && !own)
      times[snapshot->sequence_number] = snapshot->timestamp_ms;
  }
  return times;
}

/// Whether a position delete file's path bounds leave the data file out.
bool PathIsOutside(const DataFile& deletes, const std::string& path) {
  if (deletes.content != iceberg::FileContent::kPositionDeletes) return false;
  const std::string* low = FindBound(deletes.lower_bounds, iceberg::kFilePathFieldId);
  const std::string* high = FindBound(deletes.upper_bounds, iceberg::kFilePathFieldId);
  return (low != nullptr && path < *low) || (high != nullptr && path > *high);
}

/// Counts and bounds of a data file.
struct Metrics {
  iceberg::CountMap values;
  iceberg::CountMap nulls;
  iceberg::CountMap nans;
  iceberg::BoundMap lower;
  iceberg::BoundMap upper;

  /// A second call puts back what the first one took out.
  void Swap(DataFile* file) {
    values.swap(file->value_counts);
    nulls.swap(file->null_value_counts);
    nans.swap(file->nan_value_counts);
    lower.swap(file->lower_bounds);
    upper.swap(file->upper_bounds);
  }
};

/// Leaves counts and bounds of these columns (ascending) alone.
void KeepMetrics(const std::vector<int32_t>& columns, DataFile* file) {
  const auto drop = [&](auto* map) {
    std::erase_if(*map, [&](const auto& entry) {
      return !std::binary_search(columns.begin(), columns.end(), entry.first);
    });
    map->shrink_to_fit();
  };
  file->column_sizes = {};
  drop(&file->value_counts);
  drop(&file->null_value_counts);
  drop(&file->nan_value_counts);
  drop(&file->lower_bounds);
  drop(&file->upper_bounds);
}

class Loader {
 public:
  Loader(Call& call, io::FileSystem& files, const iceberg::TableMetadata& metadata,
         const HealthSum& sum, const TableFilesRequest& request)
      : call_(call),
        files_(files),
        metadata_(metadata),
        sum_(sum),
        request_(request),
        writer_times_(WriterTimes(metadata)) {}

  Result<LoadedTableFiles> Load() {
    const auto* snapshot = metadata_.CurrentSnapshot();
    if (snapshot == nullptr) return LoadedTableFiles();
    loaded_.files.snapshot_id = snapshot->snapshot_id;
    loaded_.files.sequence_number = snapshot->sequence_number;
    MORAINE_TRY(ChoosePartitions());
    MORAINE_TRY(BindFilter());
    MORAINE_ASSIGN(auto manifests,
                   iceberg::ReadManifestList(call_, files_, snapshot->manifest_list));
    MORAINE_TRY(ReadDeletes(manifests));
    for (const auto& manifest : manifests) {
      if (manifest.content == ManifestContent::kData && manifest.has_live() && Concerns(manifest)) {
        MORAINE_TRY(ReadData(manifest));
      }
    }
    MORAINE_TRY(AttachDeletes());
    return std::move(loaded_);
  }

 private:
  /// Worst partitions come first in the request only as a set; smaller ones are kept before larger
  /// ones when not all fit, so that one huge partition never keeps the rest waiting.
  Status ChoosePartitions() {
    std::vector<std::pair<int64_t, std::string>> wanted;
    for (const auto& key : request_.partitions) {
      auto found = sum_.partitions().find(key);
      if (found == sum_.partitions().end()) continue;
      wanted.emplace_back(found->second.data_files, key);
    }
    std::sort(wanted.begin(), wanted.end());
    int64_t total = 0;
    for (auto& [count, key] : wanted) {
      total += count;
      if (total > request_.max_files) {
        ++loaded_.partitions_left_out;
      } else {
        chosen_.insert(std::move(key));
      }
    }
    if (chosen_.empty() && !wanted.empty()) {
      return Exhausted(fmt::format(
          "the smallest partition that needs work holds {} files; a plan takes at most {}",
          wanted[0].first, request_.max_files));
    }
    for (const auto& key : chosen_) {
      MORAINE_ASSIGN(const PartitionId id, PartitionIdFromKey(key));
      chosen_specs_.insert(id.spec_id);
    }
    loaded_.files.current_spec_id = metadata_.default_spec_id;
    loaded_.files.format_version = metadata_.format_version;
    loaded_.files.unpartitioned_specs = UnpartitionedSpecs(metadata_);
    auto reached = sum_.ReachedByGlobalDeletes(loaded_.files.unpartitioned_specs);
    loaded_.files.whole_table = std::all_of(reached.begin(), reached.end(),
                                            [&](const auto& key) { return chosen_.contains(key); });
    return {};
  }

  Status BindFilter() {
    if (request_.filter.empty()) return {};
    MORAINE_ASSIGN(auto parsed, iceberg::ParseFilter(request_.filter));
    MORAINE_ASSIGN(filter_, iceberg::Bind(parsed, metadata_.CurrentSchema()));
    return {};
  }

  bool Concerns(const ManifestFile& manifest) const {
    const auto* digest = sum_.Find(manifest.manifest_path);
    if (digest == nullptr) return true;
    const bool deletes = manifest.content == ManifestContent::kDeletes;
    return std::any_of(digest->begin(), digest->end(), [&](const auto& entry) {
      return deletes ? WantsDeletesOf(entry.first) : chosen_.contains(entry.first);
    });
  }

  /// Whether it may hold deletes that are about a chosen data file by its path, though they are of
  /// another spec: readers apply those. Within a spec, writers keep to the partition.
  bool MayCross(const ManifestFile& manifest) const {
    if (chosen_specs_.empty() ||
        (chosen_specs_.size() == 1 && chosen_specs_.contains(manifest.partition_spec_id))) {
      return false;
    }
    const auto* digest = sum_.Find(manifest.manifest_path);
    return digest == nullptr || std::any_of(digest->begin(), digest->end(), [](const auto& entry) {
             return entry.second.position_delete_files > 0;
           });
  }

  bool WantsDeletesOf(const std::string& key) const {
    return chosen_.contains(key) || request_.delete_partitions.contains(key);
  }

  Result<iceberg::PartitionSpecPtr> SpecOf(const ManifestFile& manifest) const {
    auto spec = metadata_.FindSpec(manifest.partition_spec_id);
    if (spec != nullptr) return spec;
    return Corruption(
        fmt::format("manifest {} names the partition spec {}, which the table does not have",
                    manifest.manifest_path, manifest.partition_spec_id));
  }

  Status ReadDeletes(const std::vector<ManifestFile>& manifests) {
    std::vector<iceberg::DeleteEntryPtr> entries;
    iceberg::ManifestReadOptions options;
    options.counts = false;
    options.columns = {iceberg::kFilePathFieldId};
    for (const auto& manifest : manifests) {
      if (manifest.content != ManifestContent::kDeletes || !manifest.has_live()) continue;
      MORAINE_ASSIGN(auto spec, SpecOf(manifest));
      bool global = spec->is_unpartitioned();
      const bool crosses = MayCross(manifest);
      if (!global && !crosses && !Concerns(manifest)) continue;
      MORAINE_TRY(iceberg::ReadManifest(
          call_, files_, manifest, *spec, metadata_.CurrentSchema(), options,
          [&](ManifestEntry& entry) {
            if (!entry.is_live()) return Status();
            auto key = PartitionKey(entry.file.spec_id, entry.file.partition);
            const bool by_path = crosses && !iceberg::ReferencedDataFile(entry.file).empty();
            if (global || by_path || WantsDeletesOf(key)) {
              entries.push_back(std::make_shared<const ManifestEntry>(std::move(entry)));
            }
            return Status();
          }));
    }
    MORAINE_ASSIGN(index_, iceberg::DeleteIndex::Make(std::move(entries), metadata_));
    for (const auto& entry : index_.entries()) {
      delete_numbers_[entry.get()] = static_cast<int32_t>(loaded_.files.deletes.size());
      loaded_.files.deletes.push_back({entry->file, entry->sequence_number.value_or(0)});
    }
    return {};
  }

  Status ReadData(const ManifestFile& manifest) {
    MORAINE_ASSIGN(auto spec, SpecOf(manifest));
    iceberg::ManifestReadOptions options;
    options.counts = filter_ != nullptr || !request_.metrics_of.empty();
    options.bounds = options.counts;
    if (filter_ == nullptr) options.columns = request_.metrics_of;
    iceberg::ExpressionPtr projected;
    if (filter_) projected = iceberg::ProjectInclusive(filter_, *spec, metadata_.CurrentSchema());
    return iceberg::ReadManifest(
        call_, files_, manifest, *spec, metadata_.CurrentSchema(), options,
        [&](ManifestEntry& entry) {
          if (!entry.is_live()) return Status();
          auto key = PartitionKey(entry.file.spec_id, entry.file.partition);
          if (!chosen_.contains(key)) return Status();
          bool left_out =
              filter_ && !(iceberg::EvaluateOnPartition(projected, *spec, entry.file.partition) &&
                           iceberg::MetricsMayMatch(filter_, entry.file));
          AddFile(std::move(key), *spec, std::move(entry), left_out);
          return Status();
        });
  }

  void AddFile(std::string key, const iceberg::PartitionSpec& spec, ManifestEntry entry,
               bool left_out) {
    auto [place, is_new] = places_.emplace(std::move(key), loaded_.files.partitions.size());
    if (is_new) {
      auto& partition = loaded_.files.partitions.emplace_back();
      partition.spec_id = entry.file.spec_id;
      partition.partition = entry.file.partition;
      partition.path = iceberg::PartitionPath(spec, metadata_.CurrentSchema(), partition.partition);
      loaded_.filtered_out.emplace_back();
    }
    auto& partition = loaded_.files.partitions[place->second];
    if (auto time = writer_times_.find(entry.file_sequence_number.value_or(0));
        time != writer_times_.end()) {
      partition.last_write_ms = std::max(partition.last_write_ms, time->second);
    }
    // Others were for the filter; a task needs none of its inputs.
    KeepMetrics(request_.metrics_of, &entry.file);
    partition.files.push_back({std::move(entry.file), entry.sequence_number.value_or(0), {}});
    loaded_.filtered_out[place->second].push_back(left_out);
  }

  Status AttachDeletes() {
    if (index_.empty()) return {};
    for (auto& partition : loaded_.files.partitions) {
      MORAINE_TRY(call_.Check());
      for (auto& input : partition.files) {
        // All deletes that apply to the file by its place: a commit finds them so, too.
        Metrics metrics;
        metrics.Swap(&input.file);
        auto found = index_.ForDataFile(input.sequence_number, input.file);
        metrics.Swap(&input.file);
        MORAINE_ASSIGN(auto deletes, std::move(found));
        for (const auto& entry : deletes) {
          if (PathIsOutside(entry->file, input.file.file_path)) continue;
          input.deletes.push_back(delete_numbers_.at(entry.get()));
          if (auto time = writer_times_.find(entry->file_sequence_number.value_or(0));
              time != writer_times_.end()) {
            partition.last_write_ms = std::max(partition.last_write_ms, time->second);
          }
        }
      }
    }
    return {};
  }

  Call& call_;
  io::FileSystem& files_;
  const iceberg::TableMetadata& metadata_;
  const HealthSum& sum_;
  const TableFilesRequest& request_;
  std::unordered_map<int64_t, int64_t> writer_times_;
  std::set<std::string> chosen_;
  std::set<int32_t> chosen_specs_;
  iceberg::ExpressionPtr filter_;
  iceberg::DeleteIndex index_;
  std::unordered_map<const ManifestEntry*, int32_t> delete_numbers_;
  std::unordered_map<std::string, size_t> places_;
  LoadedTableFiles loaded_;
};

}  // namespace

std::set<int32_t> UnpartitionedSpecs(const iceberg::TableMetadata& metadata) {
  std::set<int32_t> specs;
  for (const auto& spec : metadata.partition_specs) {
    if (spec->is_unpartitioned()) specs.insert(spec->spec_id);
  }
  return specs;
}

Result<LoadedTableFiles> LoadTableFiles(Call& call, io::FileSystem& files,
                                        const iceberg::TableMetadata& metadata,
                                        const HealthSum& sum, const TableFilesRequest& request) {
  return Loader(call, files, metadata, sum, request).Load();
}

}  // namespace moraine::planning
