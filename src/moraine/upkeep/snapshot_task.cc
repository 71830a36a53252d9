#include "moraine/upkeep/snapshot_task.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/tasks/partition_json.h"
#include "moraine/upkeep/metadata_file.h"

namespace moraine::upkeep {
namespace {

/// The types of a spec's values, if all are known.
std::optional<std::vector<iceberg::TypePtr>> KnownTypes(const iceberg::TableMetadata& metadata,
                                                        int32_t spec_id) {
  auto spec = metadata.FindSpec(spec_id);
  if (!spec) return std::nullopt;
  auto types = iceberg::PartitionTypes(*spec, metadata.CurrentSchema());
  const bool is_known = std::none_of(types.begin(), types.end(), [](const auto& type) {
    return type->kind() == iceberg::TypeKind::kUnknown;
  });
  if (!is_known) return std::nullopt;
  return types;
}

Result<iceberg::RemovedFile> ReadRemovedFile(const JsonCursor& json,
                                             const iceberg::TableMetadata& metadata) {
  iceberg::RemovedFile file;
  MORAINE_ASSIGN(file.path, json.String("path"));
  MORAINE_ASSIGN(file.content_offset, json.OptInt64("offset"));
  MORAINE_ASSIGN(auto spec_id, json.OptInt32("spec"));
  if (!spec_id) return file;
  MORAINE_ASSIGN(auto values, json.Get("partition"));
  auto types = KnownTypes(metadata, *spec_id);
  if (!types) return file;
  auto tuple = tasks::ReadPartition(values, *types);
  if (tuple.ok()) file.partition = iceberg::PartitionKey{*spec_id, *std::move(tuple)};
  return file;
}

}  // namespace

void WriteSnapshotPlace(const SnapshotPlace& place, JsonWriter* out) {
  out->Field("metadata-location", place.metadata_location).Field("snapshot-id", place.snapshot_id);
}

Result<OpenedSnapshot> OpenSnapshot(Call& call, io::FileSystem& files,
                                    const tasks::MaintenanceTask& task, const JsonCursor& body) {
  MORAINE_ASSIGN(std::string location, body.String("metadata-location"));
  MORAINE_ASSIGN(int64_t snapshot_id, body.Int64("snapshot-id"));
  OpenedSnapshot opened;
  MORAINE_ASSIGN(opened.metadata, ReadMetadataOf(call, files, task.table_uuid, location));
  const iceberg::Snapshot* snapshot = opened.metadata.FindSnapshot(snapshot_id);
  if (snapshot == nullptr) {
    return InvalidArgument(
        fmt::format("the metadata file has no snapshot {}: {}", snapshot_id, location));
  }
  opened.snapshot = *snapshot;
  MORAINE_ASSIGN(opened.manifests,
                 iceberg::LoadManifests(call, files, opened.metadata, opened.snapshot));
  return opened;
}

const iceberg::Schema& SchemaOf(const OpenedSnapshot& opened) {
  return opened.metadata.CurrentSchema();
}

void WriteRemovedFiles(const std::vector<iceberg::RemovedFile>& removed,
                       const iceberg::TableMetadata& metadata, JsonWriter* out) {
  out->BeginArray();
  for (const auto& file : removed) {
    out->BeginObject().Field("path", file.path);
    if (file.content_offset) out->Field("offset", *file.content_offset);
    auto types = file.partition ? KnownTypes(metadata, file.partition->spec_id) : std::nullopt;
    if (types && types->size() == file.partition->tuple.size()) {
      out->Field("spec", file.partition->spec_id).Key("partition");
      tasks::WritePartition(file.partition->tuple, *types, out);
    }
    out->EndObject();
  }
  out->EndArray();
}

Result<std::vector<iceberg::RemovedFile>> ReadRemovedFiles(const JsonCursor& json,
                                                           const iceberg::TableMetadata& metadata) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<iceberg::RemovedFile> removed;
  for (size_t i = 0; i < json.size(); ++i) {
    MORAINE_ASSIGN(auto file, ReadRemovedFile(json.At(i), metadata));
    removed.push_back(std::move(file));
  }
  return removed;
}

int64_t BytesOf(const iceberg::DataFile& file) {
  if (file.is_deletion_vector()) return file.content_size_in_bytes.value_or(0);
  return file.file_size_in_bytes;
}

}  // namespace moraine::upkeep
