#include "moraine/scanning/page_deletes.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "moraine/iceberg/manifest/manifest_reader.h"

namespace moraine::scanning {

using iceberg::DataFile;
using iceberg::DeleteEntryPtr;
using iceberg::DeleteIndex;
using iceberg::FieldSummary;
using iceberg::FileContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionKey;
using iceberg::PartitionKeyHash;
using iceberg::PartitionSpec;
using iceberg::PartitionSpecPtr;
using iceberg::Schema;
using iceberg::TableFilter;
using iceberg::TableMetadata;
using iceberg::TypePtr;
using iceberg::Value;

namespace {

/// A manifest is looked for in the summaries of at most so many partitions of a page.
constexpr size_t kMaxPartitions = 64;

/// The values that a summary allows.
class ValueRange {
 public:
  ValueRange(const TypePtr& type, const FieldSummary& summary)
      : summary_(summary),
        lower_(Read(type, summary.lower_bound)),
        upper_(Read(type, summary.upper_bound)) {}

  bool MayHold(const Value& value) const {
    if (iceberg::IsNull(value)) return summary_.contains_null;
    if (iceberg::IsNaN(value)) return summary_.contains_nan.value_or(true);
    if (lower_ && lower_->index() == value.index() && iceberg::CompareValues(value, *lower_) < 0) {
      return false;
    }
    return !upper_ || upper_->index() != value.index() ||
           iceberg::CompareValues(value, *upper_) <= 0;
  }

 private:
  static std::optional<Value> Read(const TypePtr& type, const std::optional<std::string>& bytes) {
    if (!bytes || type->kind() == iceberg::TypeKind::kUnknown) return std::nullopt;
    auto value = iceberg::ValueFromBytes(*type, *bytes);
    if (!value.ok() || iceberg::IsNaN(*value)) return std::nullopt;
    return std::move(*value);
  }

  const FieldSummary& summary_;
  const std::optional<Value> lower_;
  const std::optional<Value> upper_;
};

/// What the data files of a page have in common with the deletes that apply to them.
class PageNeeds {
 public:
  PageNeeds(const Schema& schema, const std::vector<const ManifestEntry*>& page) : schema_(schema) {
    for (const ManifestEntry* entry : page) {
      oldest_ = std::min(oldest_, entry->sequence_number.value_or(0));
      paths_.insert(entry->file.file_path);
      partitions_.insert({entry->file.spec_id, entry->file.partition});
    }
  }

  bool MayNeed(const ManifestFile& manifest, const PartitionSpec& spec) const {
    if (manifest.sequence_number < oldest_) return false;
    // Equality deletes of an unpartitioned spec apply everywhere.
    if (spec.is_unpartitioned()) return true;
    std::vector<const PartitionKey*> keys;
    for (const PartitionKey& key : partitions_) {
      if (key.spec_id != spec.spec_id) continue;
      if (keys.size() == kMaxPartitions) return true;
      keys.push_back(&key);
    }
    if (keys.empty() || !manifest.partitions) return !keys.empty();
    std::vector<TypePtr> types = PartitionTypes(spec, schema_);
    std::vector<ValueRange> ranges;
    for (size_t i = 0; i < types.size() && i < manifest.partitions->size(); ++i) {
      ranges.emplace_back(types[i], (*manifest.partitions)[i]);
    }
    return std::any_of(keys.begin(), keys.end(), [&](const PartitionKey* key) {
      for (size_t i = 0; i < ranges.size() && i < key->tuple.size(); ++i) {
        if (!ranges[i].MayHold(key->tuple[i])) return false;
      }
      return true;
    });
  }

  bool Needs(const ManifestEntry& entry, const PartitionSpec& spec) const {
    const DataFile& file = entry.file;
    const int64_t sequence_number = entry.sequence_number.value_or(oldest_);
    if (file.content == FileContent::kEqualityDeletes) {
      if (sequence_number <= oldest_) return false;
      return spec.is_unpartitioned() || HasPartition(file);
    }
    if (sequence_number < oldest_ && !file.is_deletion_vector()) return false;
    std::string_view path = ReferencedDataFile(file);
    if (path.empty()) return file.is_deletion_vector() || HasPartition(file);
    return paths_.contains(path);
  }

 private:
  bool HasPartition(const DataFile& file) const {
    return partitions_.contains({file.spec_id, file.partition});
  }

  const Schema& schema_;
  int64_t oldest_ = std::numeric_limits<int64_t>::max();
  std::unordered_set<std::string_view> paths_;
  std::unordered_set<PartitionKey, PartitionKeyHash> partitions_;
};

}  // namespace

Result<DeleteIndex> LoadDeletesFor(Call& call, io::FileSystem& files, const TableMetadata& metadata,
                                   const Schema& schema, const TableFilter& filter,
                                   const std::vector<ManifestFile>& delete_manifests,
                                   const std::vector<const ManifestEntry*>& page) {
  std::vector<DeleteEntryPtr> kept;
  if (page.empty() || delete_manifests.empty()) return DeleteIndex();
  PageNeeds needs(schema, page);
  for (const ManifestFile& manifest : delete_manifests) {
    MORAINE_TRY(call.Check());
    if (!manifest.has_live() || !filter.MayMatch(manifest)) continue;
    MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(metadata, manifest));
    if (!needs.MayNeed(manifest, *spec)) continue;
    MORAINE_TRY(
        ReadManifest(call, files, manifest, *spec, schema, {}, [&](ManifestEntry& entry) -> Status {
          if (needs.Needs(entry, *spec) && filter.MayMatch(entry.file)) {
            kept.push_back(std::make_shared<const ManifestEntry>(std::move(entry)));
          }
          return {};
        }));
  }
  return DeleteIndex::Make(std::move(kept), metadata);
}

}  // namespace moraine::scanning
