#include "moraine/iceberg/testing/manifest_dump.h"

#include "moraine/base/text.h"
#include "moraine/iceberg/avro/avro_file.h"

namespace moraine::iceberg {
namespace {

Json Item(int64_t value) { return value; }
Json Item(const std::string& bytes) { return HexEncode(bytes); }

template <typename Map>
Json DumpMap(const Map& map) {
  Json array = Json::MakeArray();
  for (const auto& [column, value] : map) {
    array.Push(Json(Json::Array{Json(int64_t{column}), Item(value)}));
  }
  return array;
}

template <typename Number>
Json DumpList(const std::vector<Number>& numbers) {
  Json array = Json::MakeArray();
  for (const Number number : numbers) array.Push(Json(int64_t{number}));
  return array;
}

template <typename T>
Json Optional(const std::optional<T>& value) {
  if (!value) return {};
  if constexpr (std::is_same_v<T, bool>) {
    return *value;
  } else {
    return Item(*value);
  }
}

Json DumpTuple(const PartitionTuple& tuple, const std::vector<TypePtr>& types) {
  Json array = Json::MakeArray();
  for (size_t i = 0; i < tuple.size(); ++i) {
    array.Push(IsNull(tuple[i]) ? Json() : Json(HexEncode(ValueToBytes(*types[i], tuple[i]))));
  }
  return array;
}

}  // namespace

Json DumpEntry(const ManifestEntry& entry, const std::vector<TypePtr>& partition_types) {
  const DataFile& file = entry.file;
  return Json(Json::Object{
      {"status", Item(static_cast<int64_t>(entry.status))},
      {"snapshot_id", Optional(entry.snapshot_id)},
      {"sequence_number", Optional(entry.sequence_number)},
      {"file_sequence_number", Optional(entry.file_sequence_number)},
      {"content", Item(static_cast<int64_t>(file.content))},
      {"file_path", Json(file.file_path)},
      {"file_format", Json(FileFormatName(file.format))},
      {"partition", DumpTuple(file.partition, partition_types)},
      {"record_count", Item(file.record_count)},
      {"file_size_in_bytes", Item(file.file_size_in_bytes)},
      {"column_sizes", DumpMap(file.column_sizes)},
      {"value_counts", DumpMap(file.value_counts)},
      {"null_value_counts", DumpMap(file.null_value_counts)},
      {"nan_value_counts", DumpMap(file.nan_value_counts)},
      {"lower_bounds", DumpMap(file.lower_bounds)},
      {"upper_bounds", DumpMap(file.upper_bounds)},
      {"key_metadata", Optional(file.key_metadata)},
      {"split_offsets", DumpList(file.split_offsets)},
      {"equality_ids", DumpList(file.equality_ids)},
      {"sort_order_id", Optional(file.sort_order_id)},
      {"first_row_id", Optional(file.first_row_id)},
      {"referenced_data_file",
       file.referenced_data_file ? Json(*file.referenced_data_file) : Json()},
      {"content_offset", Optional(file.content_offset)},
      {"content_size_in_bytes", Optional(file.content_size_in_bytes)},
  });
}

Json DumpLine(const ManifestFile& line) {
  Json partitions;
  if (line.partitions) {
    partitions = Json::MakeArray();
    for (const FieldSummary& summary : *line.partitions) {
      partitions.Push(
          Json(Json::Array{Json(summary.contains_null), Optional(summary.contains_nan),
                           Optional(summary.lower_bound), Optional(summary.upper_bound)}));
    }
  }
  return Json(Json::Object{
      {"manifest_path", Json(line.manifest_path)},
      {"manifest_length", Item(line.manifest_length)},
      {"partition_spec_id", Item(line.partition_spec_id)},
      {"sequence_number", Item(line.sequence_number)},
      {"min_sequence_number", Item(line.min_sequence_number)},
      {"added_snapshot_id", Item(line.added_snapshot_id)},
      {"added_files_count", Optional(line.added_files_count)},
      {"existing_files_count", Optional(line.existing_files_count)},
      {"deleted_files_count", Optional(line.deleted_files_count)},
      {"added_rows_count", Optional(line.added_rows_count)},
      {"existing_rows_count", Optional(line.existing_rows_count)},
      {"deleted_rows_count", Optional(line.deleted_rows_count)},
      {"content", Item(static_cast<int64_t>(line.content))},
      {"partitions", std::move(partitions)},
      {"key_metadata", Optional(line.key_metadata)},
      {"first_row_id", Optional(line.first_row_id)},
  });
}

Result<ManifestHeader> ReadManifestHeader(std::string_view bytes) {
  MORAINE_ASSIGN(AvroFileReader file, AvroFileReader::Open(bytes));
  MORAINE_ASSIGN(const Json schema, Json::Parse(file.FindMetadata("schema").value_or("")));
  MORAINE_ASSIGN(const Json fields, Json::Parse(file.FindMetadata("partition-spec").value_or("")));
  MORAINE_ASSIGN(Schema table_schema, SchemaFromJson(JsonCursor(schema)));
  PartitionSpec spec;
  MORAINE_ASSIGN(spec.fields, PartitionFieldsFromJson(JsonCursor(fields)));
  MORAINE_ASSIGN(const int64_t spec_id,
                 ParseInt64(file.FindMetadata("partition-spec-id").value_or("0")));
  MORAINE_ASSIGN(const int64_t version,
                 ParseInt64(file.FindMetadata("format-version").value_or("1")));
  spec.spec_id = static_cast<int32_t>(spec_id);
  return ManifestHeader{.schema = std::make_shared<Schema>(std::move(table_schema)),
                        .spec = std::make_shared<PartitionSpec>(std::move(spec)),
                        .format_version = static_cast<int>(version)};
}

}  // namespace moraine::iceberg
