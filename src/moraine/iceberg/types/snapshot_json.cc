// JSON of snapshots, refs, statistics files and encryption keys (table spec, appendix C), keys in
// the order that Java writes them.

#include <limits>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {
namespace {

constexpr char kOperation[] = "operation";

template <typename T>
void WriteOptional(std::string_view key, const std::optional<T>& value, JsonWriter* out) {
  if (value) out->Field(key, *value);
}

void WriteSummary(const StringMap& summary, JsonWriter* out) {
  out->Key("summary").BeginObject();
  auto operation = summary.find(kOperation);
  if (operation != summary.end()) out->Field(kOperation, operation->second);
  for (const auto& [key, value] : summary) {
    if (key != kOperation) out->Field(key, value);
  }
  out->EndObject();
}

Result<std::vector<std::string>> ReadStrings(const JsonCursor& array) {
  MORAINE_TRY(array.ExpectArray());
  std::vector<std::string> strings;
  for (size_t i = 0; i < array.size(); ++i) {
    MORAINE_ASSIGN(std::string text, array.At(i).String());
    strings.push_back(std::move(text));
  }
  return strings;
}

/// A retention setting: positive, or absent.
template <typename T>
Result<std::optional<T>> ReadPositive(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto found, json.Find(key));
  if (!found) return std::optional<T>();
  MORAINE_ASSIGN(int64_t value, found->Int64());
  if (value < 1 || value > std::numeric_limits<T>::max()) {
    return found->Error(fmt::format("expected a positive number, got {}", value));
  }
  return std::optional<T>(static_cast<T>(value));
}

Result<BlobMetadata> ReadBlob(const JsonCursor& json) {
  BlobMetadata blob;
  MORAINE_ASSIGN(blob.type, json.String("type"));
  MORAINE_ASSIGN(blob.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(blob.sequence_number, json.Int64("sequence-number"));
  MORAINE_ASSIGN(auto fields, json.Get("fields"));
  MORAINE_TRY(fields.ExpectArray());
  for (size_t i = 0; i < fields.size(); ++i) {
    MORAINE_ASSIGN(int32_t id, fields.At(i).Int32());
    blob.fields.push_back(id);
  }
  MORAINE_ASSIGN(auto properties, json.Find("properties"));
  if (properties) {
    MORAINE_ASSIGN(blob.properties, StringMapFromJson(*properties));
  }
  blob.unknown =
      UnknownMembers(json, {"type", "snapshot-id", "sequence-number", "fields", "properties"});
  return blob;
}

void WriteBlob(const BlobMetadata& blob, JsonWriter* out) {
  out->BeginObject();
  out->Field("type", blob.type).Field("snapshot-id", blob.snapshot_id);
  out->Field("sequence-number", blob.sequence_number).Key("fields").BeginArray();
  for (int32_t id : blob.fields) out->Int(id);
  out->EndArray();
  if (!blob.properties.empty()) {
    out->Key("properties");
    WriteStringMap(blob.properties, out);
  }
  WriteUnknownMembers(blob.unknown, out);
  out->EndObject();
}

Status ReadSnapshotFiles(const JsonCursor& json, Snapshot* snapshot) {
  MORAINE_ASSIGN(auto list, json.OptString("manifest-list"));
  if (list) {
    snapshot->manifest_list = std::move(*list);
    return Status();
  }
  MORAINE_ASSIGN(auto manifests, json.Get("manifests"));
  MORAINE_ASSIGN(snapshot->manifests, ReadStrings(manifests));
  return Status();
}

}  // namespace

std::string Snapshot::operation() const {
  if (summary.empty()) return "";
  auto it = summary.find(kOperation);
  return it == summary.end() ? "overwrite" : it->second;
}

void WriteSnapshot(const Snapshot& snapshot, int format_version, JsonWriter* out) {
  out->BeginObject();
  if (format_version >= 2 && snapshot.sequence_number != 0) {
    out->Field("sequence-number", snapshot.sequence_number);
  }
  out->Field("snapshot-id", snapshot.snapshot_id);
  WriteOptional("parent-snapshot-id", snapshot.parent_snapshot_id, out);
  out->Field("timestamp-ms", snapshot.timestamp_ms);
  if (!snapshot.summary.empty()) WriteSummary(snapshot.summary, out);
  if (!snapshot.manifest_list.empty()) {
    out->Field("manifest-list", snapshot.manifest_list);
  } else {
    out->Key("manifests").BeginArray();
    for (const std::string& manifest : snapshot.manifests) out->String(manifest);
    out->EndArray();
  }
  WriteOptional("schema-id", snapshot.schema_id, out);
  WriteOptional("first-row-id", snapshot.first_row_id, out);
  WriteOptional("added-rows", snapshot.added_rows, out);
  WriteOptional("key-id", snapshot.key_id, out);
  WriteUnknownMembers(snapshot.unknown, out);
  out->EndObject();
}

Result<Snapshot> SnapshotFromJson(const JsonCursor& json) {
  Snapshot snapshot;
  MORAINE_TRY(json.ExpectObject());
  MORAINE_ASSIGN(snapshot.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(snapshot.parent_snapshot_id, json.OptInt64("parent-snapshot-id"));
  MORAINE_ASSIGN(auto sequence_number, json.OptInt64("sequence-number"));
  snapshot.sequence_number = sequence_number.value_or(0);
  MORAINE_ASSIGN(snapshot.timestamp_ms, json.Int64("timestamp-ms"));
  MORAINE_ASSIGN(auto summary, json.Find("summary"));
  if (summary) {
    MORAINE_ASSIGN(snapshot.summary, StringMapFromJson(*summary));
  }
  MORAINE_TRY(ReadSnapshotFiles(json, &snapshot));
  MORAINE_ASSIGN(snapshot.schema_id, json.OptInt32("schema-id"));
  MORAINE_ASSIGN(snapshot.first_row_id, json.OptInt64("first-row-id"));
  MORAINE_ASSIGN(snapshot.added_rows, json.OptInt64("added-rows"));
  MORAINE_ASSIGN(snapshot.key_id, json.OptString("key-id"));
  snapshot.unknown = UnknownMembers(
      json, {"snapshot-id", "parent-snapshot-id", "sequence-number", "timestamp-ms", "summary",
             "manifest-list", "manifests", "schema-id", "first-row-id", "added-rows", "key-id"});
  return snapshot;
}

void WriteSnapshotRef(const SnapshotRef& ref, JsonWriter* out) {
  out->BeginObject().Field("snapshot-id", ref.snapshot_id);
  out->Field("type", ref.type == SnapshotRef::Type::kBranch ? "branch" : "tag");
  WriteOptional("min-snapshots-to-keep", ref.min_snapshots_to_keep, out);
  WriteOptional("max-snapshot-age-ms", ref.max_snapshot_age_ms, out);
  WriteOptional("max-ref-age-ms", ref.max_ref_age_ms, out);
  WriteUnknownMembers(ref.unknown, out);
  out->EndObject();
}

Result<SnapshotRef> SnapshotRefFromJson(const JsonCursor& json) {
  SnapshotRef ref;
  MORAINE_ASSIGN(ref.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(auto type, json.Get("type"));
  MORAINE_ASSIGN(std::string name, type.String());
  name = ToLowerAscii(name);
  if (name != "branch" && name != "tag") {
    return type.Error(fmt::format("expected 'branch' or 'tag', got '{}'", name.substr(0, 40)));
  }
  ref.type = name == "tag" ? SnapshotRef::Type::kTag : SnapshotRef::Type::kBranch;
  MORAINE_ASSIGN(ref.min_snapshots_to_keep, ReadPositive<int32_t>(json, "min-snapshots-to-keep"));
  MORAINE_ASSIGN(ref.max_snapshot_age_ms, ReadPositive<int64_t>(json, "max-snapshot-age-ms"));
  MORAINE_ASSIGN(ref.max_ref_age_ms, ReadPositive<int64_t>(json, "max-ref-age-ms"));
  if (ref.type == SnapshotRef::Type::kTag &&
      (ref.min_snapshots_to_keep || ref.max_snapshot_age_ms)) {
    return json.Error("a tag has no min-snapshots-to-keep and no max-snapshot-age-ms");
  }
  ref.unknown = UnknownMembers(json, {"snapshot-id", "type", "min-snapshots-to-keep",
                                      "max-snapshot-age-ms", "max-ref-age-ms"});
  return ref;
}

void WriteStatisticsFile(const StatisticsFile& file, JsonWriter* out) {
  out->BeginObject().Field("snapshot-id", file.snapshot_id);
  out->Field("statistics-path", file.statistics_path);
  out->Field("file-size-in-bytes", file.file_size_in_bytes);
  out->Field("file-footer-size-in-bytes", file.file_footer_size_in_bytes);
  WriteOptional("key-metadata", file.key_metadata, out);
  out->Key("blob-metadata").BeginArray();
  for (const BlobMetadata& blob : file.blob_metadata) WriteBlob(blob, out);
  out->EndArray();
  WriteUnknownMembers(file.unknown, out);
  out->EndObject();
}

Result<StatisticsFile> StatisticsFileFromJson(const JsonCursor& json) {
  StatisticsFile file;
  MORAINE_ASSIGN(file.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(file.statistics_path, json.String("statistics-path"));
  MORAINE_ASSIGN(file.file_size_in_bytes, json.Int64("file-size-in-bytes"));
  MORAINE_ASSIGN(file.file_footer_size_in_bytes, json.Int64("file-footer-size-in-bytes"));
  MORAINE_ASSIGN(file.key_metadata, json.OptString("key-metadata"));
  MORAINE_ASSIGN(auto blobs, json.Get("blob-metadata"));
  MORAINE_TRY(blobs.ExpectArray());
  for (size_t i = 0; i < blobs.size(); ++i) {
    JsonCursor item = blobs.At(i);
    MORAINE_ASSIGN(BlobMetadata blob, ReadBlob(item));
    file.blob_metadata.push_back(std::move(blob));
  }
  file.unknown =
      UnknownMembers(json, {"snapshot-id", "statistics-path", "file-size-in-bytes",
                            "file-footer-size-in-bytes", "key-metadata", "blob-metadata"});
  return file;
}

void WritePartitionStatisticsFile(const PartitionStatisticsFile& file, JsonWriter* out) {
  out->BeginObject().Field("snapshot-id", file.snapshot_id);
  out->Field("statistics-path", file.statistics_path);
  out->Field("file-size-in-bytes", file.file_size_in_bytes);
  WriteUnknownMembers(file.unknown, out);
  out->EndObject();
}

Result<PartitionStatisticsFile> PartitionStatisticsFileFromJson(const JsonCursor& json) {
  PartitionStatisticsFile file;
  MORAINE_ASSIGN(file.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(file.statistics_path, json.String("statistics-path"));
  MORAINE_ASSIGN(file.file_size_in_bytes, json.Int64("file-size-in-bytes"));
  file.unknown = UnknownMembers(json, {"snapshot-id", "statistics-path", "file-size-in-bytes"});
  return file;
}

void WriteEncryptionKey(const EncryptionKey& key, JsonWriter* out) {
  out->BeginObject().Field("key-id", key.key_id);
  out->Field("encrypted-key-metadata", key.encrypted_key_metadata);
  WriteOptional("encrypted-by-id", key.encrypted_by_id, out);
  if (!key.properties.empty()) {
    out->Key("properties");
    WriteStringMap(key.properties, out);
  }
  WriteUnknownMembers(key.unknown, out);
  out->EndObject();
}

Result<EncryptionKey> EncryptionKeyFromJson(const JsonCursor& json) {
  EncryptionKey key;
  MORAINE_ASSIGN(key.key_id, json.String("key-id"));
  MORAINE_ASSIGN(key.encrypted_key_metadata, json.String("encrypted-key-metadata"));
  MORAINE_ASSIGN(key.encrypted_by_id, json.OptString("encrypted-by-id"));
  MORAINE_ASSIGN(auto properties, json.Find("properties"));
  if (properties) {
    MORAINE_ASSIGN(key.properties, StringMapFromJson(*properties));
  }
  key.unknown =
      UnknownMembers(json, {"key-id", "encrypted-key-metadata", "encrypted-by-id", "properties"});
  return key;
}

void WriteStringMap(const StringMap& map, JsonWriter* out) {
  out->BeginObject();
  for (const auto& [key, value] : map) out->Field(key, value);
  out->EndObject();
}

Result<StringMap> StringMapFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectObject());
  StringMap map;
  for (size_t i = 0; i < json.member_count(); ++i) {
    MORAINE_ASSIGN(std::string value, json.Member(i).String());
    map.emplace(json.member_key(i), std::move(value));
  }
  return map;
}

}  // namespace moraine::iceberg
