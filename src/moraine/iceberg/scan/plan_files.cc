#include "moraine/iceberg/scan/plan_files.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::iceberg {

namespace {

class Planner {
 public:
  Planner(io::FileSystem& files, const TableMetadata& metadata, const Schema& schema,
          const ScanOptions& options)
      : files_(files), metadata_(metadata), schema_(schema), options_(options) {}

  Result<ScanCounts> Run(Call& call, const Snapshot& snapshot, const ExpressionPtr& filter,
                         const std::function<Status(FileTask&)>& visit) {
    MORAINE_ASSIGN(filter_, TableFilter::Make(filter, metadata_, schema_));
    MORAINE_ASSIGN(std::vector<ManifestFile> manifests,
                   LoadManifests(call, files_, metadata_, snapshot));
    MORAINE_ASSIGN(deletes_, IndexDeletes(call, manifests));
    std::vector<const ManifestFile*> data;
    for (const ManifestFile& manifest : manifests) {
      if (manifest.content != ManifestContent::kData) continue;
      ++counts_.data_manifests;
      if (manifest.has_live() && filter_.MayMatch(manifest)) data.push_back(&manifest);
    }
    counts_.data_manifests_read = static_cast<int64_t>(data.size());
    if (options_.executor == nullptr || options_.helpers == 0) {
      for (const ManifestFile* manifest : data)
        MORAINE_TRY(ReadOne(call, *manifest, &counts_, visit));
      return counts_;
    }
    for (size_t at = 0; at < data.size();) MORAINE_TRY(ReadWave(call, data, &at, visit));
    return counts_;
  }

  Result<DeleteIndex> IndexDeletes(Call& call, const std::vector<ManifestFile>& manifests) {
    std::vector<const ManifestFile*> chosen;
    for (const ManifestFile& manifest : manifests) {
      if (manifest.content != ManifestContent::kDeletes) continue;
      ++counts_.delete_manifests;
      if (manifest.has_live() && filter_.MayMatch(manifest)) chosen.push_back(&manifest);
    }
    counts_.delete_manifests_read = static_cast<int64_t>(chosen.size());
    std::vector<std::vector<DeleteEntryPtr>> found(chosen.size());
    auto read = [&](Call& reading, size_t i) -> Status {
      MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(metadata_, *chosen[i]));
      return ReadManifest(
          reading, files_, *chosen[i], *spec, schema_, {}, [&](ManifestEntry& entry) -> Status {
            if (filter_.MayMatch(entry.file)) {
              found[i].push_back(std::make_shared<const ManifestEntry>(std::move(entry)));
            }
            return {};
          });
    };
    if (options_.executor != nullptr && options_.helpers > 0) {
      MORAINE_TRY(
          ForEach(*options_.executor, chosen.size(), options_.helpers, [&](size_t i) -> Status {
            Call own(call);
            return read(own, i);
          }));
    } else {
      for (size_t i = 0; i < chosen.size(); ++i) MORAINE_TRY(read(call, i));
    }
    std::vector<DeleteEntryPtr> entries;
    for (auto& some : found) entries.insert(entries.end(), some.begin(), some.end());
    counts_.delete_files = static_cast<int64_t>(entries.size());
    return DeleteIndex::Make(std::move(entries), metadata_);
  }

  void KeepAll() { filter_ = *TableFilter::Make(nullptr, metadata_, schema_); }

 private:
  ManifestReadOptions ReadOptions() const {
    ManifestReadOptions read;
    if (options_.metrics == ScanOptions::Metrics::kAll) return read;
    std::set_union(filter_.metrics_columns().begin(), filter_.metrics_columns().end(),
                   deletes_.equality_columns().begin(), deletes_.equality_columns().end(),
                   std::back_inserter(read.columns));
    read.counts = read.bounds = !read.columns.empty();
    return read;
  }

  Status ReadOne(Call& call, const ManifestFile& manifest, ScanCounts* counts,
                 const std::function<Status(FileTask&)>& visit) const {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(metadata_, manifest));
    const bool keeps_all = filter_.keeps_all();
    const bool own_residual = filter_.residual_depends_on_partition(manifest.partition_spec_id);
    FileTask task;
    return ReadManifest(
        call, files_, manifest, *spec, schema_, ReadOptions(), [&](ManifestEntry& entry) -> Status {
          if (!keeps_all && !filter_.MayMatch(entry.file)) {
            ++counts->data_files_left_out;
            return {};
          }
          ++counts->data_files;
          // Swapped, so that strings of the last entry are used again by the reader.
          std::swap(task.entry, entry);
          task.residual = own_residual ? filter_.ResidualOf(task.entry.file) : filter_.bound();
          if (deletes_.empty()) {
            task.deletes.clear();
          } else {
            MORAINE_ASSIGN(task.deletes,
                           deletes_.ForDataFile(task.sequence_number(), task.entry.file));
          }
          MORAINE_TRY(visit(task));
          std::swap(task.entry, entry);
          return {};
        });
  }

  /// Reads the next few manifests at once, then visits their files in order.
  Status ReadWave(Call& call, const std::vector<const ManifestFile*>& data, size_t* at,
                  const std::function<Status(FileTask&)>& visit) {
    const size_t begin = *at;
    int64_t bytes = 0;
    while (*at < data.size() && *at - begin < 4 * (options_.helpers + 1)) {
      bytes += data[*at]->manifest_length;
      if (*at > begin && bytes > options_.bytes_in_flight) break;
      ++*at;
    }
    const size_t count = *at - begin;
    if (count == 1) return ReadOne(call, *data[begin], &counts_, visit);
    std::vector<std::vector<FileTask>> tasks(count);
    std::vector<ScanCounts> counts(count);
    MORAINE_TRY(ForEach(*options_.executor, count, options_.helpers, [&](size_t i) -> Status {
      Call own(call);
      return ReadOne(own, *data[begin + i], &counts[i], [&](FileTask& task) -> Status {
        tasks[i].push_back(std::move(task));
        return {};
      });
    }));
    for (size_t i = 0; i < count; ++i) {
      counts_.data_files += counts[i].data_files;
      counts_.data_files_left_out += counts[i].data_files_left_out;
      for (FileTask& task : tasks[i]) MORAINE_TRY(visit(task));
      std::vector<FileTask>().swap(tasks[i]);
    }
    return {};
  }

  io::FileSystem& files_;
  const TableMetadata& metadata_;
  const Schema& schema_;
  const ScanOptions& options_;
  TableFilter filter_;
  DeleteIndex deletes_;
  ScanCounts counts_;
};

}  // namespace

Result<ScanCounts> PlanFiles(Call& call, io::FileSystem& files, const TableMetadata& metadata,
                             const Snapshot& snapshot, const ExpressionPtr& filter,
                             const ScanOptions& options,
                             const std::function<Status(FileTask&)>& visit) {
  const Schema& schema = options.schema ? *options.schema : metadata.CurrentSchema();
  return Planner(files, metadata, schema, options).Run(call, snapshot, filter, visit);
}

Result<DeleteIndex> LoadDeleteIndex(Call& call, io::FileSystem& files,
                                    const TableMetadata& metadata,
                                    const std::vector<ManifestFile>& manifests) {
  ScanOptions options;
  Planner planner(files, metadata, metadata.CurrentSchema(), options);
  planner.KeepAll();
  return planner.IndexDeletes(call, manifests);
}

}  // namespace moraine::iceberg
