#include "moraine/iceberg/manifest/manifest_writer.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/avro/avro_type.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/field_summary.h"
#include "moraine/iceberg/manifest/manifest_schema.h"
#include "moraine/iceberg/manifest/partition_value.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kBlockSizeOfV1 = 64
                                   << 20;  // a field that means nothing any more; what Java writes

Status Refuse(const DataFile& file, std::string_view why) {
  return InvalidArgument(fmt::format("cannot add file {} to a manifest: {}", file.file_path, why));
}

/// A sequence number that is really known.
std::optional<int64_t> Assigned(std::optional<int64_t> sequence_number) {
  if (sequence_number == kUnassignedSequenceNumber) return std::nullopt;
  return sequence_number;
}

Status CheckFile(const DataFile& file, const ManifestWriterOptions& options) {
  const bool is_data = file.content == FileContent::kData;
  if (is_data != (options.content == ManifestContent::kData)) {
    return Refuse(file, is_data ? "data file in a manifest of deletes"
                                : "delete file in a manifest of data files");
  }
  if (file.file_path.empty()) return Refuse(file, "it has no path");
  if (file.record_count < 0 || file.file_size_in_bytes < 0) return Refuse(file, "negative size");
  if (file.content == FileContent::kEqualityDeletes && file.equality_ids.empty()) {
    return Refuse(file, "equality deletes without equality ids");
  }
  if (!file.is_deletion_vector()) return {};
  if (options.format_version < 3) return Refuse(file, "deletion vectors need format version 3");
  if (!file.referenced_data_file || !file.content_offset || !file.content_size_in_bytes) {
    return Refuse(file, "a deletion vector needs its data file, offset and size");
  }
  return {};
}

Status CheckEntry(const ManifestEntry& entry, const ManifestWriterOptions& options) {
  if (entry.status == EntryStatus::kAdded) return {};
  if (!entry.snapshot_id) return Refuse(entry.file, "only added files may inherit a snapshot id");
  if (options.format_version >= 2 && !Assigned(entry.sequence_number)) {
    return Refuse(entry.file, "only added files may inherit a sequence number");
  }
  return {};
}

void WriteOptionalLong(std::optional<int64_t> value, AvroEncoder* out) {
  out->Present(value.has_value());
  if (value) out->Long(*value);
}
void WriteOptionalBytes(const std::optional<std::string>& value, AvroEncoder* out) {
  out->Present(value.has_value());
  if (value) out->Bytes(*value);
}
void WriteItem(const std::pair<int32_t, int64_t>& item, AvroEncoder* out) {
  out->Int(item.first);
  out->Long(item.second);
}
void WriteItem(const std::pair<int32_t, std::string>& item, AvroEncoder* out) {
  out->Int(item.first);
  out->Bytes(item.second);
}
void WriteItem(int64_t item, AvroEncoder* out) { out->Long(item); }

/// An optional array; an empty one is written as null.
template <typename Items>
void WriteItems(const Items& items, AvroEncoder* out) {
  out->Present(!items.empty());
  if (items.empty()) return;
  out->Long(static_cast<int64_t>(items.size()));
  for (const auto& item : items) WriteItem(item, out);
  out->Long(0);
}

}  // namespace

struct ManifestWriter::State {
  SchemaPtr schema;
  PartitionSpecPtr spec;
  ManifestWriterOptions options;
  std::vector<TypePtr> types;
  AvroFileWriter file;
  std::vector<FieldSummaryBuilder> summaries;
  ManifestFile line;
  int64_t entries = 0;
  int64_t min_sequence_number = kUnassignedSequenceNumber;
  bool finished = false;

  State(SchemaPtr s, PartitionSpecPtr p, ManifestWriterOptions o)
      : schema(std::move(s)), spec(std::move(p)), options(o), file(o.codec) {
    types = PartitionTypes(*spec, *schema);
    summaries.resize(types.size());
  }

  Status CheckTuple(const DataFile& data_file);
  Status WriteTuple(const PartitionTuple& tuple, AvroEncoder* out);
  Status WriteEntry(const ManifestEntry& entry);
  Status WriteDataFile(const DataFile& data_file, EntryStatus status, AvroEncoder* out);
  void WriteMetrics(const DataFile& data_file, AvroEncoder* out);
  void Tally(const ManifestEntry& entry);
  AvroFileWriter::Metadata Header(const TypePtr& entry_type) const;
};

Status ManifestWriter::State::CheckTuple(const DataFile& data_file) {
  const PartitionTuple& tuple = data_file.partition;
  if (tuple.size() != types.size()) {
    return Refuse(data_file, fmt::format("its partition has {} values, the spec has {} fields",
                                         tuple.size(), types.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    // The source column is gone: the first value that is there says what to write.
    if (types[i]->kind() == TypeKind::kUnknown) types[i] = TypeOfForm(tuple[i]);
    if (!FitsType(*types[i], tuple[i])) {
      return Refuse(data_file, fmt::format("partition field {} has a value that is not {}",
                                           spec->fields[i].name, types[i]->ToString()));
    }
  }
  return {};
}

Status ManifestWriter::State::WriteTuple(const PartitionTuple& tuple, AvroEncoder* out) {
  for (size_t i = 0; i < tuple.size(); ++i) {
    out->Present(!IsNull(tuple[i]));
    if (!IsNull(tuple[i])) MORAINE_TRY(WritePartitionValue(*types[i], tuple[i], out));
  }
  return {};
}

void ManifestWriter::State::WriteMetrics(const DataFile& data_file, AvroEncoder* out) {
  WriteItems(data_file.column_sizes, out);
  WriteItems(data_file.value_counts, out);
  WriteItems(data_file.null_value_counts, out);
  WriteItems(data_file.nan_value_counts, out);
  WriteItems(data_file.lower_bounds, out);
  WriteItems(data_file.upper_bounds, out);
}

/// In the order of ManifestEntryType (manifest_schema.cc).
Status ManifestWriter::State::WriteDataFile(const DataFile& data_file, EntryStatus status,
                                            AvroEncoder* out) {
  const int version = options.format_version;
  if (version >= 2) out->Int(static_cast<int32_t>(data_file.content));
  out->Bytes(data_file.file_path);
  out->Bytes(FileFormatName(data_file.format));
  MORAINE_TRY(WriteTuple(data_file.partition, out));
  out->Long(data_file.record_count);
  out->Long(data_file.file_size_in_bytes);
  if (version == 1) out->Long(kBlockSizeOfV1);
  WriteMetrics(data_file, out);
  WriteOptionalBytes(data_file.key_metadata, out);
  WriteItems(data_file.split_offsets, out);
  if (version >= 2) WriteItems(data_file.equality_ids, out);
  WriteOptionalLong(data_file.sort_order_id, out);
  if (version >= 3) {
    const bool inherits = status == EntryStatus::kAdded;
    WriteOptionalLong(inherits ? std::nullopt : data_file.first_row_id, out);
  }
  if (version >= 2) WriteOptionalBytes(data_file.referenced_data_file, out);
  if (version >= 3) {
    WriteOptionalLong(data_file.content_offset, out);
    WriteOptionalLong(data_file.content_size_in_bytes, out);
  }
  return {};
}

Status ManifestWriter::State::WriteEntry(const ManifestEntry& entry) {
  AvroEncoder out = file.record();
  out.Int(static_cast<int32_t>(entry.status));
  std::optional<int64_t> snapshot_id = entry.snapshot_id;
  if (options.format_version == 1 && !snapshot_id) snapshot_id = options.snapshot_id;
  WriteOptionalLong(snapshot_id, &out);
  if (options.format_version >= 2) {
    WriteOptionalLong(Assigned(entry.sequence_number), &out);
    WriteOptionalLong(Assigned(entry.file_sequence_number), &out);
  }
  return WriteDataFile(entry.file, entry.status, &out);
}

void ManifestWriter::State::Tally(const ManifestEntry& entry) {
  ++entries;
  const auto add = [&](std::optional<int32_t>* files, std::optional<int64_t>* rows) {
    *files = files->value_or(0) + 1;
    *rows = AddCapped(rows->value_or(0), entry.file.record_count);
  };
  switch (entry.status) {
    case EntryStatus::kAdded:
      add(&line.added_files_count, &line.added_rows_count);
      break;
    case EntryStatus::kExisting:
      add(&line.existing_files_count, &line.existing_rows_count);
      break;
    case EntryStatus::kDeleted:
      add(&line.deleted_files_count, &line.deleted_rows_count);
      break;
  }
  if (const auto sequence_number = Assigned(entry.sequence_number);
      entry.is_live() && sequence_number) {
    min_sequence_number = min_sequence_number == kUnassignedSequenceNumber
                              ? *sequence_number
                              : std::min(min_sequence_number, *sequence_number);
  }
  for (size_t i = 0; i < summaries.size(); ++i) summaries[i].Add(entry.file.partition[i]);
}

AvroFileWriter::Metadata ManifestWriter::State::Header(const TypePtr& entry_type) const {
  std::string partition_fields;
  JsonWriter json(&partition_fields);
  WritePartitionFields(*spec, &json);
  AvroFileWriter::Metadata metadata = {
      {"schema", SchemaToJson(*schema)},
      {"schema-id", fmt::to_string(schema->schema_id())},
      {"partition-spec", std::move(partition_fields)},
      {"partition-spec-id", fmt::to_string(spec->spec_id)},
      {"format-version", fmt::to_string(options.format_version)},
  };
  if (options.format_version >= 2) {
    const bool is_data = options.content == ManifestContent::kData;
    metadata.emplace_back("content", is_data ? "data" : "deletes");
  }
  metadata.emplace_back("iceberg.schema", SchemaToJson(Schema(0, entry_type->fields())));
  return metadata;
}

ManifestWriter::ManifestWriter(SchemaPtr schema, PartitionSpecPtr spec,
                               ManifestWriterOptions options)
    : state_(std::make_unique<State>(std::move(schema), std::move(spec), options)) {}
ManifestWriter::~ManifestWriter() = default;
ManifestWriter::ManifestWriter(ManifestWriter&&) noexcept = default;

Status ManifestWriter::Add(const ManifestEntry& entry) {
  State& state = *state_;
  if (state.finished) return InvalidArgument("the manifest is finished");
  const int version = state.options.format_version;
  if (version < 1 || version > 3) {
    return InvalidArgument(fmt::format("no such manifest format version: {}", version));
  }
  if (version == 1 && state.options.content != ManifestContent::kData) {
    return InvalidArgument("format version 1 has no delete files");
  }
  MORAINE_TRY(CheckFile(entry.file, state.options));
  MORAINE_TRY(CheckEntry(entry, state.options));
  MORAINE_TRY(state.CheckTuple(entry.file));
  if (Status status = state.WriteEntry(entry); !status.ok()) {
    state.file.DropRecord();
    return status;
  }
  state.Tally(entry);
  return state.file.EndRecord();
}

int64_t ManifestWriter::entry_count() const { return state_->entries; }
int64_t ManifestWriter::size_bytes() const { return state_->file.size_bytes(); }

Result<std::pair<std::string, ManifestFile>> ManifestWriter::FinishToBytes() {
  State& state = *state_;
  if (state.finished) return InvalidArgument("the manifest is finished");
  state.finished = true;
  for (TypePtr& type : state.types) {
    // Never a value: any type will do for a field of nulls, and all readers know int.
    if (type->kind() == TypeKind::kUnknown) type = Type::Primitive(TypeKind::kInt);
  }
  const int version = state.options.format_version;
  std::vector<TypePtr> stored_types;
  for (const TypePtr& type : state.types) stored_types.push_back(StoredPartitionType(type));
  const TypePtr stored = ManifestEntryType(version, PartitionStruct(*state.spec, stored_types));
  const TypePtr entry_type = ManifestEntryType(version, PartitionStruct(*state.spec, state.types));
  MORAINE_ASSIGN(std::string bytes, state.file.Finish(AvroSchemaJson(*stored, "manifest_entry"),
                                                      state.Header(entry_type)));
  ManifestFile line = state.line;
  line.manifest_length = static_cast<int64_t>(bytes.size());
  line.partition_spec_id = state.spec->spec_id;
  line.content = state.options.content;
  line.sequence_number = kUnassignedSequenceNumber;
  line.min_sequence_number = state.min_sequence_number;
  line.added_snapshot_id = state.options.snapshot_id;
  for (auto* count :
       {&line.added_files_count, &line.existing_files_count, &line.deleted_files_count}) {
    *count = count->value_or(0);
  }
  for (auto* count :
       {&line.added_rows_count, &line.existing_rows_count, &line.deleted_rows_count}) {
    *count = count->value_or(0);
  }
  std::vector<FieldSummary>& summaries = line.partitions.emplace();
  for (size_t i = 0; i < state.summaries.size(); ++i) {
    summaries.push_back(state.summaries[i].Finish(*state.types[i]));
  }
  return std::make_pair(std::move(bytes), std::move(line));
}

Result<ManifestFile> ManifestWriter::Finish(Call& call, io::FileSystem& files,
                                            const std::string& location) {
  MORAINE_ASSIGN(auto finished, FinishToBytes());
  MORAINE_TRY(io::WriteFile(call, files, location, finished.first));
  finished.second.manifest_path = location;
  return std::move(finished.second);
}

}  // namespace moraine::iceberg
