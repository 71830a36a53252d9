// Which statistics a table has: of columns (counts of distinct values, as the blobs' properties say
// them) and of partitions. From the table's metadata alone; no statistics file is read.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/api/impl_internal.h"
#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::api {
namespace {

using iceberg::TableMetadata;

constexpr char kDistinctValues[] = "ndv";

/// What files of both kinds have.
template <typename File>
void WriteFile(const TableMetadata& metadata, const File& file, JsonWriter* out) {
  out->Field("snapshot-id", file.snapshot_id);
  if (const auto* snapshot = metadata.FindSnapshot(file.snapshot_id))
    out->Field("timestamp-ms", snapshot->timestamp_ms);
  out->Field("current", file.snapshot_id == metadata.current_snapshot_id)
      .Field("file", file.statistics_path)
      .Field("bytes", file.file_size_in_bytes);
}

void WriteBlob(const TableMetadata& metadata, const iceberg::BlobMetadata& blob, JsonWriter* out) {
  out->BeginObject().Field("type", blob.type).Field("snapshot-id", blob.snapshot_id);
  std::string name;
  for (int32_t id : blob.fields) {
    std::string one = metadata.CurrentSchema().FullName(id);
    if (one.empty()) one = "column " + std::to_string(id) + ", which is gone";
    name += (name.empty() ? "" : ", ") + one;
  }
  out->Field("column", name);
  const auto found = blob.properties.find(kDistinctValues);
  if (found != blob.properties.end()) {
    const auto count = ParseInt64(found->second);
    if (count.ok()) out->Field("distinct-values", *count);
  }
  out->EndObject();
}

}  // namespace

std::string StatisticsText(const catalog::LoadedTable& table) {
  const TableMetadata& metadata = *table.metadata;
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("column-statistics").BeginArray();
  for (const auto& file : metadata.statistics) {
    out.BeginObject();
    WriteFile(metadata, file, &out);
    out.Key("columns").BeginArray();
    for (const auto& blob : file.blob_metadata) WriteBlob(metadata, blob, &out);
    out.EndArray().EndObject();
  }
  out.EndArray().Key("partition-statistics").BeginArray();
  for (const auto& file : metadata.partition_statistics) {
    out.BeginObject();
    WriteFile(metadata, file, &out);
    out.EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

}  // namespace moraine::api
