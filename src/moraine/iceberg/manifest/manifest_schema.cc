#include "moraine/iceberg/manifest/manifest_schema.h"

#include <utility>

namespace moraine::iceberg {
namespace {

using namespace manifest_id;  // NOLINT: the ids are this file's vocabulary

Field Required(int32_t id, const char* name, TypePtr type) {
  return {.id = id, .name = name, .required = true, .type = std::move(type)};
}
Field Optional(int32_t id, const char* name, TypePtr type) {
  return {.id = id, .name = name, .required = false, .type = std::move(type)};
}
Field Required(int32_t id, const char* name, TypeKind kind) {
  return Required(id, name, Type::Primitive(kind));
}
Field Optional(int32_t id, const char* name, TypeKind kind) {
  return Optional(id, name, Type::Primitive(kind));
}

TypePtr ColumnMap(int32_t key_id, TypeKind value) {
  return Type::Map(Required(key_id, "key", TypeKind::kInt), Required(key_id + 1, "value", value));
}
TypePtr ListOf(int32_t element_id, TypeKind element) {
  return Type::List(Required(element_id, "element", element));
}

TypePtr DataFileType(int version, const TypePtr& partition) {
  std::vector<Field> fields;
  const auto add = [&](Field field) { fields.push_back(std::move(field)); };
  if (version >= 2) add(Required(kContent, "content", TypeKind::kInt));
  add(Required(kFilePath, "file_path", TypeKind::kString));
  add(Required(kFileFormat, "file_format", TypeKind::kString));
  add(Required(kPartition, "partition", partition));
  add(Required(kRecordCount, "record_count", TypeKind::kLong));
  add(Required(kFileSize, "file_size_in_bytes", TypeKind::kLong));
  if (version == 1) add(Required(kBlockSize, "block_size_in_bytes", TypeKind::kLong));
  add(Optional(kColumnSizes, "column_sizes", ColumnMap(117, TypeKind::kLong)));
  add(Optional(kValueCounts, "value_counts", ColumnMap(119, TypeKind::kLong)));
  add(Optional(kNullValueCounts, "null_value_counts", ColumnMap(121, TypeKind::kLong)));
  add(Optional(kNanValueCounts, "nan_value_counts", ColumnMap(138, TypeKind::kLong)));
  add(Optional(kLowerBounds, "lower_bounds", ColumnMap(126, TypeKind::kBinary)));
  add(Optional(kUpperBounds, "upper_bounds", ColumnMap(129, TypeKind::kBinary)));
  add(Optional(kKeyMetadata, "key_metadata", TypeKind::kBinary));
  add(Optional(kSplitOffsets, "split_offsets", ListOf(133, TypeKind::kLong)));
  if (version >= 2) add(Optional(kEqualityIds, "equality_ids", ListOf(136, TypeKind::kInt)));
  add(Optional(kSortOrderId, "sort_order_id", TypeKind::kInt));
  if (version >= 3) add(Optional(kFirstRowId, "first_row_id", TypeKind::kLong));
  if (version >= 2) {
    add(Optional(kReferencedDataFile, "referenced_data_file", TypeKind::kString));
  }
  if (version >= 3) {
    add(Optional(kContentOffset, "content_offset", TypeKind::kLong));
    add(Optional(kContentSize, "content_size_in_bytes", TypeKind::kLong));
  }
  return Type::Struct(std::move(fields));
}

}  // namespace

TypePtr PartitionStruct(const PartitionSpec& spec, const std::vector<TypePtr>& types) {
  std::vector<Field> fields;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    fields.push_back(Optional(field.field_id, field.name.c_str(), types[i]));
  }
  return Type::Struct(std::move(fields));
}

TypePtr ManifestEntryType(int version, const TypePtr& partition) {
  std::vector<Field> fields;
  fields.push_back(Required(kStatus, "status", TypeKind::kInt));
  fields.push_back(Optional(kSnapshotId, "snapshot_id", TypeKind::kLong));
  if (version >= 2) {
    fields.push_back(Optional(kSequenceNumber, "sequence_number", TypeKind::kLong));
    fields.push_back(Optional(kFileSequenceNumber, "file_sequence_number", TypeKind::kLong));
  }
  fields.push_back(Required(kDataFile, "data_file", DataFileType(version, partition)));
  return Type::Struct(std::move(fields));
}

TypePtr ManifestFileType(int version) {
  const TypePtr summary = Type::Struct({
      Required(kContainsNull, "contains_null", TypeKind::kBoolean),
      Optional(kContainsNan, "contains_nan", TypeKind::kBoolean),
      Optional(kLowerBound, "lower_bound", TypeKind::kBinary),
      Optional(kUpperBound, "upper_bound", TypeKind::kBinary),
  });
  const Field partitions =
      Optional(kPartitions, "partitions", Type::List(Required(kSummary, "element", summary)));
  std::vector<Field> fields;
  const auto add = [&](Field field) { fields.push_back(std::move(field)); };
  const auto count = [&](int32_t id, const char* name, TypeKind kind) {
    add(version == 1 ? Optional(id, name, kind) : Required(id, name, kind));
  };
  add(Required(kManifestPath, "manifest_path", TypeKind::kString));
  add(Required(kManifestLength, "manifest_length", TypeKind::kLong));
  add(Required(kPartitionSpecId, "partition_spec_id", TypeKind::kInt));
  if (version >= 2) {
    add(Required(kManifestContent, "content", TypeKind::kInt));
    add(Required(kManifestSequenceNumber, "sequence_number", TypeKind::kLong));
    add(Required(kMinSequenceNumber, "min_sequence_number", TypeKind::kLong));
  }
  add(Required(kAddedSnapshotId, "added_snapshot_id", TypeKind::kLong));
  count(kAddedFilesCount, "added_files_count", TypeKind::kInt);
  count(kExistingFilesCount, "existing_files_count", TypeKind::kInt);
  count(kDeletedFilesCount, "deleted_files_count", TypeKind::kInt);
  if (version == 1) add(partitions);
  count(kAddedRowsCount, "added_rows_count", TypeKind::kLong);
  count(kExistingRowsCount, "existing_rows_count", TypeKind::kLong);
  count(kDeletedRowsCount, "deleted_rows_count", TypeKind::kLong);
  if (version >= 2) add(partitions);
  add(Optional(kManifestKeyMetadata, "key_metadata", TypeKind::kBinary));
  if (version >= 3) add(Optional(kManifestFirstRowId, "first_row_id", TypeKind::kLong));
  return Type::Struct(std::move(fields));
}

}  // namespace moraine::iceberg
