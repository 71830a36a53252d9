#include "moraine/iceberg/metadata/table_metadata.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

template <typename T>
bool SamePointees(const std::vector<std::shared_ptr<const T>>& a,
                  const std::vector<std::shared_ptr<const T>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x == y || *x == *y; });
}

}  // namespace

bool TableMetadata::operator==(const TableMetadata& other) const {
  return format_version == other.format_version && table_uuid == other.table_uuid &&
         location == other.location && last_sequence_number == other.last_sequence_number &&
         last_updated_ms == other.last_updated_ms && last_column_id == other.last_column_id &&
         SamePointees(schemas, other.schemas) && current_schema_id == other.current_schema_id &&
         SamePointees(partition_specs, other.partition_specs) &&
         default_spec_id == other.default_spec_id && last_partition_id == other.last_partition_id &&
         sort_orders == other.sort_orders && default_sort_order_id == other.default_sort_order_id &&
         properties == other.properties && current_snapshot_id == other.current_snapshot_id &&
         SamePointees(snapshots, other.snapshots) && refs == other.refs &&
         snapshot_log == other.snapshot_log && metadata_log == other.metadata_log &&
         statistics == other.statistics && partition_statistics == other.partition_statistics &&
         next_row_id == other.next_row_id && encryption_keys == other.encryption_keys &&
         unknown == other.unknown;
}

const Schema& TableMetadata::CurrentSchema() const {
  SchemaPtr schema = FindSchema(current_schema_id);
  MORAINE_CHECK(schema != nullptr, "table metadata without its current schema");
  return *schema;  // schemas holds it
}

const PartitionSpec& TableMetadata::DefaultSpec() const {
  PartitionSpecPtr spec = FindSpec(default_spec_id);
  MORAINE_CHECK(spec != nullptr, "table metadata without its default partition spec");
  return *spec;  // partition_specs holds it
}

const SortOrder& TableMetadata::DefaultSortOrder() const {
  auto it = std::find_if(sort_orders.begin(), sort_orders.end(), [this](const SortOrder& order) {
    return order.order_id == default_sort_order_id;
  });
  MORAINE_CHECK(it != sort_orders.end(), "table metadata without its default sort order");
  return *it;
}

SchemaPtr TableMetadata::FindSchema(int32_t schema_id) const {
  for (const SchemaPtr& schema : schemas) {
    if (schema->schema_id() == schema_id) return schema;
  }
  return nullptr;
}

PartitionSpecPtr TableMetadata::FindSpec(int32_t spec_id) const {
  for (const PartitionSpecPtr& spec : partition_specs) {
    if (spec->spec_id == spec_id) return spec;
  }
  return nullptr;
}

const Snapshot* TableMetadata::FindSnapshot(int64_t snapshot_id) const {
  // From the back: most callers ask for a recent one.
  for (auto it = snapshots.rbegin(); it != snapshots.rend(); ++it) {
    if ((*it)->snapshot_id == snapshot_id) return it->get();
  }
  return nullptr;
}

const Snapshot* TableMetadata::CurrentSnapshot() const {
  return current_snapshot_id == kNoSnapshot ? nullptr : FindSnapshot(current_snapshot_id);
}

const Snapshot* TableMetadata::FindRef(const std::string& name) const {
  auto it = refs.find(name);
  return it == refs.end() ? nullptr : FindSnapshot(it->second.snapshot_id);
}

std::string TableMetadata::Property(const std::string& key, std::string_view fallback) const {
  auto it = properties.find(key);
  return it == properties.end() ? std::string(fallback) : it->second;
}

int64_t TableMetadata::IntProperty(const std::string& key, int64_t fallback) const {
  auto it = properties.find(key);
  if (it == properties.end()) return fallback;
  auto value = ParseInt64(Trim(it->second));
  return value.ok() ? *value : fallback;
}

bool TableMetadata::BoolProperty(const std::string& key, bool fallback) const {
  auto it = properties.find(key);
  if (it == properties.end()) return fallback;
  std::string text = ToLowerAscii(Trim(it->second));
  if (text == "true") return true;
  return text == "false" ? false : fallback;
}

std::string MetadataFileLocation(const TableMetadata& metadata, int64_t version,
                                 std::string_view uuid) {
  std::string folder = metadata.Property("write.metadata.path", metadata.location + "/metadata");
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  bool gzip = ToLowerAscii(metadata.Property("write.metadata.compression-codec", "none")) == "gzip";
  return fmt::format("{}/{:05}-{}{}.metadata.json", folder, version, uuid, gzip ? ".gz" : "");
}

int64_t MetadataFileVersion(std::string_view metadata_location) {
  size_t slash = metadata_location.rfind('/');
  if (slash != metadata_location.npos) metadata_location.remove_prefix(slash + 1);
  size_t dash = metadata_location.find('-');
  if (dash == metadata_location.npos) return -1;
  auto version = ParseInt64(metadata_location.substr(0, dash));
  return version.ok() && *version >= 0 ? *version : -1;
}

}  // namespace moraine::iceberg
