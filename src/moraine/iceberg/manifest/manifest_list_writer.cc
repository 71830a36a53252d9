#include <fmt/format.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/avro/avro_type.h"
#include "moraine/iceberg/manifest/manifest_schema.h"
#include "moraine/iceberg/manifest/manifest_writer.h"

namespace moraine::iceberg {
namespace {

Status Refuse(const ManifestFile& line, std::string_view why) {
  return InvalidArgument(
      fmt::format("cannot add manifest {} to a manifest list: {}", line.manifest_path, why));
}

/// The line as the commit writes it: sequence numbers and row ids filled in.
Result<ManifestFile> Resolve(const ManifestFile& manifest, const ManifestListOptions& options,
                             std::optional<int64_t>* next_row_id) {
  ManifestFile line = manifest;
  if (options.format_version == 1) {
    if (line.content != ManifestContent::kData) {
      return Refuse(line, "format version 1 has no delete files");
    }
    return line;
  }
  for (int64_t* number : {&line.sequence_number, &line.min_sequence_number}) {
    if (*number != kUnassignedSequenceNumber) continue;
    if (line.added_snapshot_id != options.snapshot_id) {
      return Refuse(line, "it has no sequence number and is not of this snapshot");
    }
    *number = options.sequence_number;
  }
  if (!line.added_files_count || !line.existing_files_count || !line.deleted_files_count ||
      !line.added_rows_count || !line.existing_rows_count || !line.deleted_rows_count) {
    return Refuse(line, "its counts are not known");
  }
  if (options.format_version < 3) return line;
  if (line.content == ManifestContent::kDeletes) {
    line.first_row_id.reset();
  } else if (!line.first_row_id && *next_row_id) {
    line.first_row_id = **next_row_id;
    int64_t next = 0;
    if (*line.added_rows_count < 0 || *line.existing_rows_count < 0 ||
        __builtin_add_overflow(*line.added_rows_count, *line.existing_rows_count, &next) ||
        __builtin_add_overflow(next, **next_row_id, &next)) {
      return Refuse(line, "its row counts leave no row ids");
    }
    *next_row_id = next;
  }
  return line;
}

void WriteBytes(const std::optional<std::string>& value, AvroEncoder* out) {
  out->Present(value.has_value());
  if (value) out->Bytes(*value);
}

void WriteSummaries(const std::optional<std::vector<FieldSummary>>& summaries, AvroEncoder* out) {
  out->Present(summaries.has_value());
  if (!summaries) return;
  if (!summaries->empty()) out->Long(static_cast<int64_t>(summaries->size()));
  for (const FieldSummary& summary : *summaries) {
    out->Bool(summary.contains_null);
    out->Present(summary.contains_nan.has_value());
    if (summary.contains_nan) out->Bool(*summary.contains_nan);
    WriteBytes(summary.lower_bound, out);
    WriteBytes(summary.upper_bound, out);
  }
  out->Long(0);
}

/// A count: optional in v1, there from v2 on (Resolve has seen to it).
template <typename T>
void WriteCount(int version, const std::optional<T>& count, AvroEncoder* out) {
  if (version == 1) out->Present(count.has_value());
  if (count) out->Long(*count);
}

/// In the order of ManifestFileType (manifest_schema.cc).
void WriteLine(int version, const ManifestFile& line, AvroEncoder* out) {
  out->Bytes(line.manifest_path);
  out->Long(line.manifest_length);
  out->Int(line.partition_spec_id);
  if (version >= 2) {
    out->Int(static_cast<int32_t>(line.content));
    out->Long(line.sequence_number);
    out->Long(line.min_sequence_number);
  }
  out->Long(line.added_snapshot_id);
  WriteCount(version, line.added_files_count, out);
  WriteCount(version, line.existing_files_count, out);
  WriteCount(version, line.deleted_files_count, out);
  if (version == 1) WriteSummaries(line.partitions, out);
  WriteCount(version, line.added_rows_count, out);
  WriteCount(version, line.existing_rows_count, out);
  WriteCount(version, line.deleted_rows_count, out);
  if (version >= 2) WriteSummaries(line.partitions, out);
  WriteBytes(line.key_metadata, out);
  if (version < 3) return;
  out->Present(line.first_row_id.has_value());
  if (line.first_row_id) out->Long(*line.first_row_id);
}

AvroFileWriter::Metadata Header(const ManifestListOptions& options, const TypePtr& type) {
  AvroFileWriter::Metadata metadata = {
      {"snapshot-id", fmt::to_string(options.snapshot_id)},
      {"parent-snapshot-id",
       options.parent_snapshot_id ? fmt::to_string(*options.parent_snapshot_id) : "null"},
  };
  if (options.format_version >= 2) {
    metadata.emplace_back("sequence-number", fmt::to_string(options.sequence_number));
  }
  if (options.format_version >= 3) {
    metadata.emplace_back("first-row-id",
                          options.first_row_id ? fmt::to_string(*options.first_row_id) : "null");
  }
  metadata.emplace_back("format-version", fmt::to_string(options.format_version));
  metadata.emplace_back("iceberg.schema", SchemaToJson(Schema(0, type->fields())));
  return metadata;
}

}  // namespace

Result<std::pair<std::string, WrittenManifestList>> EncodeManifestList(
    const std::vector<ManifestFile>& manifests, const ManifestListOptions& options) {
  const int version = options.format_version;
  if (version < 1 || version > 3) {
    return InvalidArgument(fmt::format("no such manifest list format version: {}", version));
  }
  AvroFileWriter file(options.codec);
  std::optional<int64_t> next_row_id = options.first_row_id;
  for (const ManifestFile& manifest : manifests) {
    MORAINE_ASSIGN(const ManifestFile line, Resolve(manifest, options, &next_row_id));
    AvroEncoder out = file.record();
    WriteLine(version, line, &out);
    MORAINE_TRY(file.EndRecord());
  }
  const TypePtr type = ManifestFileType(version);
  MORAINE_ASSIGN(std::string bytes,
                 file.Finish(AvroSchemaJson(*type, "manifest_file"), Header(options, type)));
  WrittenManifestList written{.length = static_cast<int64_t>(bytes.size())};
  if (version >= 3) written.next_row_id = next_row_id;
  return std::make_pair(std::move(bytes), written);
}

Result<WrittenManifestList> WriteManifestList(Call& call, io::FileSystem& files,
                                              const std::string& location,
                                              const std::vector<ManifestFile>& manifests,
                                              const ManifestListOptions& options) {
  MORAINE_ASSIGN(auto encoded, EncodeManifestList(manifests, options));
  MORAINE_TRY(io::WriteFile(call, files, location, encoded.first));
  return encoded.second;
}

}  // namespace moraine::iceberg
