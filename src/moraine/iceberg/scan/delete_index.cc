#include "moraine/iceberg/scan/delete_index.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace moraine::iceberg {

namespace {

/// Schemas are searched from the current one backwards: a dropped column still counts.
TypePtr TypeOfColumn(const TableMetadata& metadata, int32_t id) {
  if (SchemaPtr current = metadata.FindSchema(metadata.current_schema_id)) {
    if (const Field* field = current->FindField(id)) return field->type;
  }
  for (auto schema = metadata.schemas.rbegin(); schema != metadata.schemas.rend(); ++schema) {
    if (const Field* field = (*schema)->FindField(id)) return field->type;
  }
  return nullptr;
}

std::optional<Value> ReadBound(const TypePtr& type, const std::string* bytes) {
  if (bytes == nullptr) return std::nullopt;
  auto value = ValueFromBytes(*type, *bytes);
  if (!value.ok() || IsNull(*value) || IsNaN(*value)) return std::nullopt;
  return *std::move(value);
}

struct Counts {
  explicit Counts(const DataFile& file, int32_t column) {
    const int64_t* values = FindCount(file.value_counts, column);
    const int64_t* nulls = FindCount(file.null_value_counts, column);
    const int64_t* nans = FindCount(file.nan_value_counts, column);
    known = nulls != nullptr;
    no_nan = nans && *nans == 0;
    no_null = nulls && *nulls == 0;
    all_null = nulls && values && *values == *nulls;
  }
  bool known;
  bool no_null;
  bool all_null;
  bool no_nan;
};

bool MayBeNaN(const Type& type) {
  return type.kind() == TypeKind::kFloat || type.kind() == TypeKind::kDouble;
}

}  // namespace

std::string_view ReferencedDataFile(const DataFile& deletes) {
  if (deletes.content != FileContent::kPositionDeletes) return "";
  if (deletes.referenced_data_file) return *deletes.referenced_data_file;
  const std::string* lower = FindBound(deletes.lower_bounds, kFilePathFieldId);
  const std::string* upper = FindBound(deletes.upper_bounds, kFilePathFieldId);
  if (lower != nullptr && upper != nullptr && *lower == *upper) return *lower;
  return "";
}

Result<DeleteIndex> DeleteIndex::Make(std::vector<DeleteEntryPtr> entries,
                                      const TableMetadata& metadata) {
  DeleteIndex index;
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a->sequence_number.value_or(0) < b->sequence_number.value_or(0);
  });
  for (DeleteEntryPtr& entry : entries) MORAINE_TRY(index.Add(std::move(entry), metadata));
  std::sort(index.equality_columns_.begin(), index.equality_columns_.end());
  index.equality_columns_.erase(
      std::unique(index.equality_columns_.begin(), index.equality_columns_.end()),
      index.equality_columns_.end());
  return index;
}

Status DeleteIndex::Add(DeleteEntryPtr entry, const TableMetadata& metadata) {
  const DataFile& file = entry->file;
  if (!entry->sequence_number) {
    return Corruption(fmt::format("a delete file has no sequence number: {}", file.file_path));
  }
  PartitionSpecPtr spec = metadata.FindSpec(file.spec_id);
  if (!spec)
    return Corruption(
        fmt::format("a delete file is of an unknown spec {}: {}", file.spec_id, file.file_path));
  entries_.push_back(entry);
  PartitionKey key{file.spec_id, file.partition};
  if (file.content == FileContent::kEqualityDeletes) {
    Equality equality = MakeEquality(std::move(entry), metadata);
    Equalities& home =
        spec->is_unpartitioned() ? global_equality_ : equality_by_partition_[std::move(key)];
    home.push_back(std::move(equality));
    return {};
  }
  std::string_view path = ReferencedDataFile(file);
  if (file.is_deletion_vector()) {
    if (path.empty()) {
      return Corruption(fmt::format("a deletion vector names no data file: {}", file.file_path));
    }
    auto [at, is_new] = vectors_.emplace(path, entry);
    if (!is_new) {
      return Corruption(fmt::format("two deletion vectors for one data file: {}: {} and {}", path,
                                    at->second->file.file_path, file.file_path));
    }
  } else if (!path.empty()) {
    by_path_[path].push_back(std::move(entry));
  } else {
    by_partition_[std::move(key)].push_back(std::move(entry));
  }
  return {};
}

DeleteIndex::Equality DeleteIndex::MakeEquality(DeleteEntryPtr entry,
                                                const TableMetadata& metadata) {
  Equality equality;
  const DataFile& file = entry->file;
  for (int32_t id : file.equality_ids) {
    TypePtr type = TypeOfColumn(metadata, id);
    if (!type || !type->is_primitive()) continue;
    if (metadata.CurrentSchema().ParentOf(id)) continue;
    Known known;
    known.column = id;
    known.type = type;
    Counts counts(file, id);
    known.has_counts = counts.known;
    known.all_null = counts.all_null;
    known.no_null = counts.no_null;
    known.no_nan = counts.no_nan || !MayBeNaN(*type);
    known.lower = ReadBound(type, FindBound(file.lower_bounds, id));
    known.upper = ReadBound(type, FindBound(file.upper_bounds, id));
    equality_columns_.push_back(id);
    equality.columns.push_back(std::move(known));
  }
  equality.entry = std::move(entry);
  return equality;
}

bool DeleteIndex::MayApply(const Equality& equality, const DataFile& file) {
  for (const Known& known : equality.columns) {
    Counts counts(file, known.column);
    if (counts.all_null && known.no_null) return false;
    if (known.all_null && counts.no_null) return false;
    // A null on both sides is equal, whatever the bounds say.
    if (!counts.no_null && !known.no_null) continue;
    // So is NaN, which bounds never cover.
    if (!counts.no_nan && !known.no_nan) continue;
    if (!known.lower || !known.upper) continue;
    auto lower = ReadBound(known.type, FindBound(file.lower_bounds, known.column));
    auto upper = ReadBound(known.type, FindBound(file.upper_bounds, known.column));
    if (!lower || !upper) continue;
    if (CompareValues(*upper, *known.lower) < 0 || CompareValues(*known.upper, *lower) < 0)
      return false;
  }
  return true;
}

void DeleteIndex::Match(const Positions& positions, int64_t sequence_number,
                        std::vector<DeleteEntryPtr>* found) {
  auto from = std::lower_bound(
      positions.begin(), positions.end(), sequence_number,
      [](const DeleteEntryPtr& one, int64_t at) { return *one->sequence_number < at; });
  found->insert(found->end(), from, positions.end());
}

void DeleteIndex::Match(const Equalities& equalities, int64_t sequence_number, const DataFile& file,
                        std::vector<DeleteEntryPtr>* found) {
  auto from = std::upper_bound(
      equalities.begin(), equalities.end(), sequence_number,
      [](int64_t at, const Equality& one) { return at < *one.entry->sequence_number; });
  for (; from != equalities.end(); ++from) {
    if (MayApply(*from, file)) found->push_back(from->entry);
  }
}

Result<std::vector<DeleteEntryPtr>> DeleteIndex::ForDataFile(int64_t sequence_number,
                                                             const DataFile& file) const {
  std::vector<DeleteEntryPtr> found;
  if (entries_.empty()) return found;
  Match(global_equality_, sequence_number, file, &found);
  PartitionKey key;
  if (!equality_by_partition_.empty() || !by_partition_.empty())
    key = {file.spec_id, file.partition};
  if (!equality_by_partition_.empty()) {
    auto at = equality_by_partition_.find(key);
    if (at != equality_by_partition_.end()) Match(at->second, sequence_number, file, &found);
  }
  if (auto at = vectors_.find(file.file_path); at != vectors_.end()) {
    const ManifestEntry& vector = *at->second;
    if (*vector.sequence_number < sequence_number) {
      return Corruption(fmt::format("a deletion vector is older than its data file: {} for {}",
                                    vector.file.file_path, file.file_path));
    }
    if (vector.file.spec_id != file.spec_id || !SameTuple(vector.file.partition, file.partition)) {
      return Corruption(
          fmt::format("a deletion vector is of another partition than its data file: {} for {}",
                      vector.file.file_path, file.file_path));
    }
    found.push_back(at->second);
    return found;  // a vector holds all position deletes of its file
  }
  if (!by_partition_.empty()) {
    auto at = by_partition_.find(key);
    if (at != by_partition_.end()) Match(at->second, sequence_number, &found);
  }
  if (!by_path_.empty()) {
    auto at = by_path_.find(file.file_path);
    if (at != by_path_.end()) Match(at->second, sequence_number, &found);
  }
  return found;
}

}  // namespace moraine::iceberg
