#pragma once
// Table metadata, format versions 1 to 3 (table spec, "Table metadata"). A plain value; the JSON
// codec loses nothing: members that Moraine does not know are written back.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

inline constexpr int kMaxFormatVersion = 3;
inline constexpr int kDefaultFormatVersion = 2;

struct TableMetadata {
  int format_version = kDefaultFormatVersion;
  std::string table_uuid;
  std::string location;
  int64_t last_sequence_number = 0;
  int64_t last_updated_ms = 0;
  int32_t last_column_id = 0;
  std::vector<SchemaPtr> schemas;
  int32_t current_schema_id = 0;
  std::vector<PartitionSpecPtr> partition_specs;
  int32_t default_spec_id = 0;
  int32_t last_partition_id = kFirstPartitionFieldId - 1;
  std::vector<SortOrder> sort_orders;
  int32_t default_sort_order_id = 0;
  StringMap properties;
  int64_t current_snapshot_id = kNoSnapshot;
  std::vector<std::shared_ptr<const Snapshot>> snapshots;
  std::map<std::string, SnapshotRef> refs;
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;
  std::vector<StatisticsFile> statistics;
  std::vector<PartitionStatisticsFile> partition_statistics;
  int64_t next_row_id = 0;  ///< v3
  std::vector<EncryptionKey> encryption_keys;
  Json::Object unknown;

  /// Deep equality; cheap where two values share their schemas and snapshots.
  bool operator==(const TableMetadata& other) const;

  const Schema& CurrentSchema() const;
  const PartitionSpec& DefaultSpec() const;
  const SortOrder& DefaultSortOrder() const;
  SchemaPtr FindSchema(int32_t schema_id) const;            ///< or nullptr
  PartitionSpecPtr FindSpec(int32_t spec_id) const;         ///< or nullptr
  const Snapshot* FindSnapshot(int64_t snapshot_id) const;  ///< or nullptr
  const Snapshot* CurrentSnapshot() const;                  ///< or nullptr
  /// The head of a branch or the target of a tag, or nullptr.
  const Snapshot* FindRef(const std::string& name) const;
  /// The property, or the default.
  std::string Property(const std::string& key, std::string_view fallback) const;
  /// Numeric properties; a value that does not parse gives the fallback.
  int64_t IntProperty(const std::string& key, int64_t fallback) const;
  bool BoolProperty(const std::string& key, bool fallback) const;
};

/// Metadata read by many threads never changes.
using TablePtr = std::shared_ptr<const TableMetadata>;

std::string TableMetadataToJson(const TableMetadata& metadata);
/// Errors: InvalidArgument with the path of the field; Unsupported for a format version over 3.
Result<TableMetadata> TableMetadataFromJson(std::string_view text);
Result<TableMetadata> TableMetadataFromJson(const JsonCursor& json);

/// What create and replace are given, before ids are assigned.
struct TableCreation {
  std::string table_uuid;
  std::string location;
  int format_version = kDefaultFormatVersion;
  Schema schema{0, {}};
  PartitionSpec spec;
  SortOrder sort_order;
  StringMap properties;  ///< "format-version" in it wins and is not stored
  int64_t now_ms = 0;
};
/// A new table as Java makes it: fresh column ids, spec 0, partition ids from 1000, sort order 0 or
/// 1, write.parquet.compression-codec=zstd stored if the properties do not name a codec. Errors:
/// InvalidArgument naming the field.
Result<TableMetadata> MakeTableMetadata(const TableCreation& creation);

/// "<location>/metadata/<version padded to 5>-<uuid>.metadata.json" (".gz" variants by property).
std::string MetadataFileLocation(const TableMetadata& metadata, int64_t version,
                                 std::string_view uuid);
/// The number before the first dash of a metadata file's name, or -1.
int64_t MetadataFileVersion(std::string_view metadata_location);

}  // namespace moraine::iceberg
