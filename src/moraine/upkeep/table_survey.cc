#include "moraine/upkeep/table_survey.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_set>
#include <utility>

#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/upkeep/bounds_sample.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {
namespace {

using iceberg::AddCapped;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;

/// Longer bounds are cut: their order is enough.
constexpr size_t kMostBoundBytes = 64;
/// Partitions are told apart by hash, so many at most.
constexpr size_t kMostPartitions = 1'000'000;
constexpr int64_t kMostManifestBytes = int64_t{256} << 20;
/// However little may be read: manifests up to this size are.
constexpr int64_t kSmallManifestBytes = int64_t{1} << 20;

/// Whether bounds of it are ordered as its values are, and a layout can sort by it.
bool IsOrdered(const iceberg::Type& type) {
  using enum iceberg::TypeKind;
  switch (type.kind()) {
    case kUnknown:
    case kVariant:
    case kGeometry:
    case kGeography:
      return false;
    default:
      return type.is_primitive();
  }
}

bool IsInList(const iceberg::Schema& schema, int32_t id) {
  for (auto parent = schema.ParentOf(id); parent; parent = schema.ParentOf(*parent)) {
    const iceberg::Field* field = schema.FindField(*parent);
    if (field != nullptr && field->type->kind() != iceberg::TypeKind::kStruct) return true;
  }
  return false;
}

std::vector<SurveyedColumn> ColumnsToSurvey(const iceberg::TableMetadata& metadata,
                                            const std::vector<std::string>& names) {
  const iceberg::Schema& schema = metadata.CurrentSchema();
  std::vector<SurveyedColumn> columns;
  const auto add = [&](const iceberg::Field* field) {
    if (field == nullptr || columns.size() >= kMostSurveyedColumns) return;
    const bool is_known =
        std::any_of(columns.begin(), columns.end(),
                    [&](const SurveyedColumn& column) { return column.field_id == field->id; });
    if (is_known || !IsOrdered(*field->type) || IsInList(schema, field->id)) return;
    columns.push_back({field->id, schema.FullName(field->id), field->type});
  };
  for (const auto& name : names) add(schema.FindField(name));
  for (const auto& field : metadata.DefaultSpec().fields) add(schema.FindField(field.source_id()));
  for (const auto& field : metadata.DefaultSortOrder().fields)
    add(schema.FindField(field.source_id()));
  return columns;
}

/// The same ones each time, spread over the list; none that is larger than all that may be read.
std::vector<const ManifestFile*> Choose(const std::vector<const ManifestFile*>& all,
                                        int64_t budget) {
  std::vector<const ManifestFile*> chosen = all;
  std::erase_if(chosen, [&](const ManifestFile* manifest) {
    return manifest->manifest_length > std::max(budget, kSmallManifestBytes);
  });
  const std::hash<std::string> hash;
  std::sort(chosen.begin(), chosen.end(), [&](const ManifestFile* a, const ManifestFile* b) {
    return hash(a->manifest_path) < hash(b->manifest_path);
  });
  int64_t bytes = 0;
  size_t count = 0;
  while (count < chosen.size() && (count == 0 || bytes < budget)) {
    bytes = AddCapped(bytes, chosen[count++]->manifest_length);
  }
  chosen.resize(count);
  return chosen;
}

/// Live files and rows by the manifest list, if it knows.
struct Claims {
  bool are_known = true;
  int64_t files = 0, rows = 0;
  void Add(const ManifestFile& manifest) {
    are_known = are_known && manifest.added_files_count && manifest.existing_files_count &&
                manifest.added_rows_count && manifest.existing_rows_count;
    files = AddCapped(files, int64_t{manifest.added_files_count.value_or(0)} +
                                 manifest.existing_files_count.value_or(0));
    rows = AddCapped(rows, AddCapped(manifest.added_rows_count.value_or(0),
                                     manifest.existing_rows_count.value_or(0)));
  }
};

int64_t Scaled(int64_t value, double factor) {
  return static_cast<int64_t>(std::llround(static_cast<double>(value) * factor));
}

class Survey {
 public:
  Survey(Call& call, io::FileSystem& files, const iceberg::TableMetadata& metadata,
         const SurveyOptions& options)
      : call_(call),
        files_(files),
        metadata_(metadata),
        options_(options),
        columns_(ColumnsToSurvey(metadata, options.columns)),
        sample_(columns_.size()) {
    for (const auto& column : columns_) column_ids_.push_back(column.field_id);
    std::sort(column_ids_.begin(), column_ids_.end());
  }

  Result<TableSurvey> Run() {
    const iceberg::Snapshot* snapshot = metadata_.CurrentSnapshot();
    if (snapshot == nullptr) return TableSurvey();
    survey_.snapshot_id = snapshot->snapshot_id;
    random_ = static_cast<uint64_t>(snapshot->snapshot_id);
    MORAINE_ASSIGN(const auto manifests,
                   iceberg::LoadManifests(call_, files_, metadata_, *snapshot));
    std::vector<const ManifestFile*> data, deletes;
    for (const auto& manifest : manifests) {
      if (!manifest.has_live()) continue;
      (manifest.content == ManifestContent::kData ? data : deletes).push_back(&manifest);
    }
    MORAINE_TRY(ReadData(data));
    MORAINE_TRY(ReadDeletes(deletes));
    FinishColumns();
    return std::move(survey_);
  }

 private:
  Status Read(const ManifestFile& manifest, const std::vector<int32_t>& columns,
              const std::function<Status(ManifestEntry&)>& visit) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(metadata_, manifest));
    iceberg::ManifestReadOptions options;
    options.counts = options.bounds = !columns.empty();
    options.columns = columns;
    options.max_bytes = kMostManifestBytes;
    return iceberg::ReadManifest(call_, files_, manifest, *spec, metadata_.CurrentSchema(), options,
                                 visit);
  }

  Status ReadData(const std::vector<const ManifestFile*>& manifests) {
    Claims claims;
    for (const auto* manifest : manifests) {
      claims.Add(*manifest);
      survey_.manifest_bytes = AddCapped(survey_.manifest_bytes, manifest->manifest_length);
    }
    survey_.manifests = static_cast<int64_t>(manifests.size());
    for (const auto* manifest : Choose(manifests, options_.manifest_bytes)) {
      MORAINE_TRY(Read(*manifest, column_ids_, [&](ManifestEntry& entry) -> Status {
        NoteData(entry.file);
        return {};
      }));
      ++survey_.manifests_read;
    }
    Scale(claims);
    return {};
  }

  void NoteData(const DataFile& file) {
    ++survey_.data_files;
    survey_.data_bytes = AddCapped(survey_.data_bytes, file.file_size_in_bytes);
    survey_.records = AddCapped(survey_.records, file.record_count);
    survey_.sizes.Add(file.file_size_in_bytes);
    if (file.spec_id != metadata_.default_spec_id) ++survey_.old_spec_files;
    if (file.format == iceberg::FileFormat::kParquet) ++survey_.parquet_files;
    if (metadata_.default_sort_order_id != 0 &&
        file.sort_order_id.value_or(0) != metadata_.default_sort_order_id) {
      ++survey_.unsorted_files;
    }
    if (partitions_.size() < kMostPartitions) {
      const auto spec = static_cast<size_t>(file.spec_id);
      partitions_.insert(iceberg::HashTuple(file.partition) * 31 + spec);
    }
    Sample(file);
  }

  /// Each file with the same chance, however many come (algorithm R).
  void Sample(const DataFile& file) {
    if (columns_.empty()) return;
    const auto limit = static_cast<size_t>(options_.sampled_files);
    size_t place = sample_[0].size();
    if (place >= limit) {
      place = static_cast<size_t>(NextRandom() % static_cast<uint64_t>(survey_.data_files));
      if (place >= limit) return;
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (place == sample_[i].size()) sample_[i].emplace_back();
      sample_[i][place] = BoundsOf(file, columns_[i]);
    }
  }

  SampledBounds BoundsOf(const DataFile& file, const SurveyedColumn& column) const {
    SampledBounds bounds;
    bounds.manifest = static_cast<uint32_t>(survey_.manifests_read);
    const std::string* lower = iceberg::FindBound(file.lower_bounds, column.field_id);
    const std::string* upper = iceberg::FindBound(file.upper_bounds, column.field_id);
    if (lower == nullptr || upper == nullptr) {
      const int64_t* nulls = iceberg::FindCount(file.null_value_counts, column.field_id);
      if (nulls != nullptr && *nulls >= file.record_count)
        bounds.state = SampledBounds::State::kNoValues;
      return bounds;
    }
    auto low = ValueOf(*column.type, *lower);
    auto high = ValueOf(*column.type, *upper);
    if (!low.ok() || !high.ok()) return bounds;
    bounds.lower = *std::move(low);
    bounds.upper = *std::move(high);
    if (iceberg::CompareValues(bounds.upper, bounds.lower) >= 0)
      bounds.state = SampledBounds::State::kBounds;
    return bounds;
  }

  static Result<iceberg::Value> ValueOf(const iceberg::Type& type, const std::string& bytes) {
    using enum iceberg::TypeKind;
    const bool is_text = type.kind() == kString || type.kind() == kBinary;
    if (is_text && bytes.size() > kMostBoundBytes)
      return iceberg::Value(bytes.substr(0, kMostBoundBytes));
    return iceberg::ValueFromBytes(type, bytes);
  }

  uint64_t NextRandom() {  // splitmix64
    uint64_t z = (random_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  /// What was counted stands for the whole table.
  void Scale(const Claims& claims) {
    survey_.partitions = std::max<int64_t>(1, static_cast<int64_t>(partitions_.size()));
    survey_.sampled_files = columns_.empty() ? 0 : static_cast<int64_t>(sample_[0].size());
    if (survey_.is_complete() || survey_.data_files == 0) return;
    double factor =
        static_cast<double>(survey_.manifests) / static_cast<double>(survey_.manifests_read);
    if (claims.are_known)
      factor = static_cast<double>(claims.files) / static_cast<double>(survey_.data_files);
    for (int64_t* value :
         {&survey_.data_files, &survey_.data_bytes, &survey_.records, &survey_.old_spec_files,
          &survey_.unsorted_files, &survey_.parquet_files}) {
      *value = Scaled(*value, factor);
    }
    if (claims.are_known) survey_.records = claims.rows;
    for (double& count : survey_.sizes.files) count *= factor;
    for (double& bytes : survey_.sizes.bytes) bytes *= factor;
    ScalePartitions(factor);
  }

  /// Where nearly each file looked at is of a partition of its own there are more of them; where
  /// partitions come again and again all were seen.
  void ScalePartitions(double factor) {
    const double read = static_cast<double>(survey_.data_files) / factor;
    const double fresh = static_cast<double>(survey_.partitions) / std::max(read, 1.0);
    survey_.partitions = Scaled(survey_.partitions, 1 + (factor - 1) * std::min(fresh, 1.0));
  }

  Status ReadDeletes(const std::vector<const ManifestFile*>& manifests) {
    survey_.delete_manifests = static_cast<int64_t>(manifests.size());
    Claims claims;
    for (const auto* manifest : manifests) claims.Add(*manifest);
    int64_t files = 0;
    for (const auto* manifest : Choose(manifests, options_.manifest_bytes)) {
      MORAINE_TRY(Read(*manifest, {}, [&](ManifestEntry& entry) -> Status {
        ++files;
        NoteDelete(entry);
        return {};
      }));
    }
    if (!claims.are_known || files == 0) return {};
    const double factor = static_cast<double>(claims.files) / static_cast<double>(files);
    for (int64_t* value :
         {&survey_.position_delete_files, &survey_.deletion_vectors, &survey_.equality_delete_files,
          &survey_.position_deletes, &survey_.equality_deletes}) {
      *value = Scaled(*value, factor);
    }
    return {};
  }

  void NoteDelete(const ManifestEntry& entry) {
    const DataFile& file = entry.file;
    if (file.content == FileContent::kEqualityDeletes) {
      ++survey_.equality_delete_files;
      survey_.equality_deletes = AddCapped(survey_.equality_deletes, file.record_count);
      auto& oldest = survey_.oldest_equality_sequence;
      const int64_t sequence = entry.sequence_number.value_or(0);
      oldest = std::min(oldest.value_or(sequence), sequence);
      return;
    }
    ++(file.is_deletion_vector() ? survey_.deletion_vectors : survey_.position_delete_files);
    survey_.position_deletes = AddCapped(survey_.position_deletes, file.record_count);
  }

  void FinishColumns() {
    for (size_t i = 0; i < columns_.size(); ++i) {
      SurveyedColumn& column = columns_[i];
      const auto& sample = sample_[i];
      const Overlap overlap = EstimateOverlap(sample, survey_.manifests_read, survey_.manifests);
      const auto known = std::count_if(sample.begin(), sample.end(), [](const auto& bounds) {
        return bounds.state != SampledBounds::State::kUnknown;
      });
      if (!sample.empty())
        column.bounded = static_cast<double>(known) / static_cast<double>(sample.size());
      const auto others = static_cast<double>(std::max<int64_t>(0, survey_.data_files - 1));
      column.depth = survey_.data_files == 0 ? 0 : 1 + others * overlap.fraction;
      column.distinct = overlap.distinct;
      column.least = overlap.least;
      column.greatest = overlap.greatest;
    }
    survey_.columns = std::move(columns_);
  }

  Call& call_;
  io::FileSystem& files_;
  const iceberg::TableMetadata& metadata_;
  const SurveyOptions& options_;
  std::vector<SurveyedColumn> columns_;
  std::vector<int32_t> column_ids_;
  std::vector<std::vector<SampledBounds>> sample_;  // by column, then by file
  std::unordered_set<size_t> partitions_;           // hashes
  uint64_t random_ = 0;
  TableSurvey survey_;
};

}  // namespace

void SizeHistogram::Add(int64_t size) {
  size_t place = 0;
  while (place + 1 < kPlaces && (int64_t{2} << place) <= size) ++place;
  files[place] += 1;
  bytes[place] += static_cast<double>(size);
}

double SizeHistogram::FilesBelow(int64_t size) const {
  double below = 0;
  for (size_t i = 0; i < kPlaces; ++i) {
    const int64_t low = int64_t{1} << i;
    if (size >= 2 * low) {
      below += files[i];
    } else if (size > low) {
      below += files[i] * static_cast<double>(size - low) / static_cast<double>(low);
    }
  }
  return below;
}

const SurveyedColumn* TableSurvey::Find(const std::string& name) const {
  for (const auto& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

Result<TableSurvey> SurveyTable(Call& call, io::FileSystem& files,
                                const iceberg::TableMetadata& metadata,
                                const SurveyOptions& options) {
  return Survey(call, files, metadata, options).Run();
}

}  // namespace moraine::upkeep
