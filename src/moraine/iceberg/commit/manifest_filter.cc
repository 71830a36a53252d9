#include "moraine/iceberg/commit/manifest_filter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/expression/literal.h"
#include "moraine/iceberg/manifest/manifest_reader.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;
using PathMap = std::unordered_map<std::string_view, std::vector<const RemovedFile*>>;

/// A field's summary, decoded once for all partitions asked about.
struct Summary {
  bool contains_null = true;
  bool may_contain_nan = true;
  bool known = false;      ///< the bounds below can be relied on
  bool has_values = true;  ///< any value but null and NaN
  Value lower, upper;

  static Summary Of(const FieldSummary& field, const TypePtr& type) {
    Summary summary;
    summary.contains_null = field.contains_null;
    summary.may_contain_nan = field.contains_nan.value_or(true);
    if (type->kind() == TypeKind::kUnknown) return summary;
    summary.has_values = field.lower_bound && field.upper_bound;
    if (!summary.has_values) return summary;
    auto lower = ValueFromBytes(*type, *field.lower_bound);
    auto upper = ValueFromBytes(*type, *field.upper_bound);
    if (!lower.ok() || !upper.ok()) return summary;
    if (IsNaN(*lower) || IsNaN(*upper)) {
      // Against the spec, but DuckDB does it, and says that there is no NaN.
      summary.may_contain_nan = true;
      return summary;
    }
    summary.known = true;
    summary.lower = *std::move(lower);
    summary.upper = *std::move(upper);
    return summary;
  }

  bool MayHold(const Value& value) const {
    if (IsNull(value)) return contains_null;
    if (IsNaN(value)) return may_contain_nan;
    if (!known) return has_values;
    return CompareForFilter(lower, value) <= 0 && CompareForFilter(value, upper) <= 0;
  }
};

}  // namespace

/// Decides entry by entry, for one attempt.
class RemovalDecider {
 public:
  RemovalDecider(const TableMetadata& metadata, const Removal& removal)
      : metadata_(metadata), removal_(removal) {
    if (removal.files == nullptr) return;
    for (const RemovedFile& file : *removal.files) {
      by_path_[file.path].push_back(&file);
      if (file.partition) {
        file_partitions_.insert(*file.partition);
      } else {
        any_partition_ = true;
      }
    }
  }

  bool MayHold(const ManifestFile& manifest) const {
    if (!manifest.has_live()) return false;
    PartitionSpecPtr spec = metadata_.FindSpec(manifest.partition_spec_id);
    if (!spec) return true;
    std::vector<TypePtr> types = PartitionTypes(*spec, metadata_.CurrentSchema());
    auto holds = [&](const PartitionSet* set) {
      return set != nullptr && MayHoldPartition(manifest, *spec, types, *set);
    };
    if (any_partition_ || holds(&file_partitions_) || holds(removal_.partitions)) return true;
    if (removal_.filter != nullptr && removal_.filter->MayMatch(manifest)) return true;
    if (removal_.gone_data_paths != nullptr && holds(removal_.gone_data_partitions)) return true;
    return manifest.min_sequence_number < removal_.drop_below_sequence;
  }

  /// Errors: InvalidArgument for a data file that the filter matches in part.
  Result<bool> Removes(const ManifestEntry& entry) const {
    const DataFile& file = entry.file;
    if (Named(file)) return true;
    if (removal_.partitions != nullptr &&
        removal_.partitions->contains({file.spec_id, file.partition}))
      return true;
    if (removal_.content == ManifestContent::kDeletes) {
      int64_t sequence = entry.sequence_number.value_or(0);
      if (sequence > 0 && sequence < removal_.drop_below_sequence) return true;
      if (removal_.gone_data_paths != nullptr) {
        std::string_view path = ReferencedDataFile(file);
        if (!path.empty() && removal_.gone_data_paths->contains(path)) return true;
      }
    }
    return removal_.filter != nullptr ? MatchesFilter(file) : Result<bool>(false);
  }

  /// The named files that none of the removed ones is.
  std::vector<std::string> Missing(const std::vector<const DataFile*>& removed) const {
    std::unordered_set<const RemovedFile*> found;
    for (const DataFile* file : removed) {
      if (const RemovedFile* named = Named(*file)) found.insert(named);
    }
    std::vector<std::string> missing;
    if (removal_.files == nullptr) return missing;
    std::unordered_set<std::string_view> reported;
    for (const RemovedFile& file : *removal_.files) {
      bool is_found = std::any_of(
          by_path_.at(file.path).begin(), by_path_.at(file.path).end(), [&](const auto* one) {
            return found.contains(one) && one->content_offset == file.content_offset;
          });
      if (!is_found && reported.insert(file.path).second) missing.push_back(file.path);
    }
    return missing;
  }

  /// Files named more than once, or found more than once.
  int64_t Duplicates(const std::vector<const DataFile*>& removed) const {
    std::unordered_map<std::string_view, int64_t> times;
    int64_t duplicates = 0;
    for (const DataFile* file : removed) {
      if (!file->is_deletion_vector() && ++times[file->file_path] > 1) ++duplicates;
    }
    return duplicates;
  }

 private:
  const RemovedFile* Named(const DataFile& file) const {
    auto at = by_path_.find(file.file_path);
    if (at == by_path_.end()) return nullptr;
    for (const RemovedFile* one : at->second) {
      if (!one->content_offset || one->content_offset == file.content_offset) return one;
    }
    return nullptr;
  }

  Result<bool> MatchesFilter(const DataFile& file) const {
    ExpressionPtr residual = removal_.filter->ResidualOf(file);
    if (residual->op() == Op::kTrue) return true;
    if (!MetricsMayMatch(residual, file)) return false;
    if (MetricsMustMatch(residual, metadata_.CurrentSchema(), file)) return true;
    if (removal_.content == ManifestContent::kDeletes) return false;
    return InvalidArgument(
        fmt::format("Cannot delete file where some, but not all, rows match filter {}: {}",
                    residual->ToString(), file.file_path));
  }

  const TableMetadata& metadata_;
  const Removal& removal_;
  PathMap by_path_;
  PartitionSet file_partitions_;
  bool any_partition_ = false;
};

namespace {

/// What the summary and later checks need of a removed file.
DataFile Slim(const DataFile& file) {
  DataFile slim;
  slim.content = file.content;
  slim.format = file.format;
  slim.file_path = file.file_path;
  slim.spec_id = file.spec_id;
  slim.partition = file.partition;
  slim.record_count = file.record_count;
  slim.file_size_in_bytes = file.file_size_in_bytes;
  slim.referenced_data_file = file.referenced_data_file;
  slim.content_offset = file.content_offset;
  slim.content_size_in_bytes = file.content_size_in_bytes;
  return slim;
}

/// What a first look at a manifest has to decode.
ManifestReadOptions LookOptions(const Removal& removal) {
  ManifestReadOptions options;
  options.counts = options.bounds = false;
  if (removal.filter != nullptr && !removal.filter->metrics_columns().empty()) {
    options.counts = options.bounds = true;
    options.columns = removal.filter->metrics_columns();
  }
  if (removal.gone_data_paths != nullptr) {
    options.bounds = true;
    options.columns.push_back(kFilePathFieldId);
  }
  return options;
}

}  // namespace

bool MayHoldPartition(const ManifestFile& manifest, const PartitionSpec& spec,
                      const std::vector<TypePtr>& types, const PartitionSet& partitions) {
  std::vector<Summary> summaries;
  if (manifest.partitions && manifest.partitions->size() == types.size()) {
    for (size_t i = 0; i < types.size(); ++i) {
      summaries.push_back(Summary::Of((*manifest.partitions)[i], types[i]));
    }
  }
  for (const PartitionKey& key : partitions) {
    if (key.spec_id != manifest.partition_spec_id) continue;
    if (key.tuple.size() != spec.fields.size()) return true;
    bool may = true;
    for (size_t i = 0; may && i < summaries.size(); ++i) may = summaries[i].MayHold(key.tuple[i]);
    if (may) return true;
  }
  return false;
}

Result<const ManifestFilter::Filtered*> ManifestFilter::FilterOne(Call& call, CommitFiles& out,
                                                                  const TableMetadata& metadata,
                                                                  const ManifestFile& manifest,
                                                                  const Removal& removal,
                                                                  const RemovalDecider& decider) {
  std::pair<std::string, int64_t> key(manifest.manifest_path, removal.drop_below_sequence);
  if (auto at = cache_.find(key); at != cache_.end()) return &at->second;
  MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(metadata, manifest));
  Filtered filtered;
  MORAINE_TRY(ReadManifest(call, out.files, manifest, *spec, metadata.CurrentSchema(),
                           LookOptions(removal), [&](ManifestEntry& entry) -> Status {
                             MORAINE_ASSIGN(bool removes, decider.Removes(entry));
                             if (removes) filtered.removed.push_back(Slim(entry.file));
                             return {};
                           }));
  if (!filtered.removed.empty()) {
    filtered.rewritten = true;
    ManifestOutput output(out, metadata, spec, removal.content, ManifestOutput::Rolling::kNever);
    MORAINE_TRY(ReadManifest(call, out.files, manifest, *spec, metadata.CurrentSchema(), {},
                             [&](ManifestEntry& entry) -> Status {
                               MORAINE_ASSIGN(bool removes, decider.Removes(entry));
                               return output.Add(
                                   call, removes ? AsDeleted(std::move(entry), out.snapshot_id)
                                                 : AsExisting(std::move(entry)));
                             }));
    MORAINE_ASSIGN(std::vector<ManifestFile> written, output.Finish(call));
    filtered.manifest = std::move(written.at(0));
  }
  return &cache_.emplace(std::move(key), std::move(filtered)).first->second;
}

Result<ManifestFilter::Outcome> ManifestFilter::Apply(Call& call, CommitFiles& out,
                                                      const TableMetadata& metadata,
                                                      const std::vector<ManifestFile>& manifests,
                                                      const Removal& removal) {
  Outcome outcome;
  RemovalDecider decider(metadata, removal);
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content != removal.content) continue;
    MORAINE_TRY(call.Check());
    if (!decider.MayHold(manifest)) {
      outcome.manifests.push_back(manifest);
      continue;
    }
    MORAINE_ASSIGN(const Filtered* filtered,
                   FilterOne(call, out, metadata, manifest, removal, decider));
    outcome.manifests.push_back(filtered->rewritten ? filtered->manifest : manifest);
    for (const DataFile& file : filtered->removed) outcome.removed.push_back(&file);
  }
  outcome.duplicates = decider.Duplicates(outcome.removed);
  if (removal.must_exist) {
    std::vector<std::string> missing = decider.Missing(outcome.removed);
    if (!missing.empty()) {
      return Conflict(
          fmt::format("Missing required files to delete: {}{}", missing[0],
                      missing.size() > 1 ? fmt::format(" and {} more", missing.size() - 1) : ""));
    }
  }
  return outcome;
}

}  // namespace moraine::iceberg
