#pragma once
// Snapshots, refs, statistics files (table spec, "Snapshots", "Snapshot references", "Table
// statistics").

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::iceberg {

using StringMap = std::map<std::string, std::string>;

inline constexpr char kMainBranch[] = "main";
inline constexpr int64_t kNoSnapshot = -1;

/// Each struct below keeps members of its JSON object that Moraine does not know, to write them
/// back.
struct Snapshot {
  int64_t snapshot_id = 0;
  std::optional<int64_t> parent_snapshot_id = {};
  int64_t sequence_number = 0;
  int64_t timestamp_ms = 0;
  std::string manifest_list = {};           ///< empty: v1 with inline manifests
  std::vector<std::string> manifests = {};  ///< v1 only
  StringMap summary = {};                   ///< with "operation"; may be empty in v1
  std::optional<int32_t> schema_id = {};
  std::optional<int64_t> first_row_id = {};  ///< v3
  std::optional<int64_t> added_rows = {};    ///< v3
  std::optional<std::string> key_id = {};    ///< v3
  Json::Object unknown = {};

  /// summary["operation"], "overwrite" when a summary has none, "" without a summary.
  std::string operation() const;
  bool operator==(const Snapshot&) const = default;
};

struct SnapshotRef {
  enum class Type { kBranch, kTag };
  int64_t snapshot_id = 0;
  Type type = Type::kBranch;
  std::optional<int32_t> min_snapshots_to_keep = {};
  std::optional<int64_t> max_snapshot_age_ms = {};
  std::optional<int64_t> max_ref_age_ms = {};
  Json::Object unknown = {};
  bool operator==(const SnapshotRef&) const = default;
};

struct SnapshotLogEntry {
  int64_t timestamp_ms = 0;
  int64_t snapshot_id = 0;
  bool operator==(const SnapshotLogEntry&) const = default;
};
struct MetadataLogEntry {
  int64_t timestamp_ms = 0;
  std::string metadata_file = {};
  bool operator==(const MetadataLogEntry&) const = default;
};

struct BlobMetadata {
  std::string type = {};
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;
  std::vector<int32_t> fields = {};
  StringMap properties = {};
  Json::Object unknown = {};
  bool operator==(const BlobMetadata&) const = default;
};
struct StatisticsFile {
  int64_t snapshot_id = 0;
  std::string statistics_path = {};
  int64_t file_size_in_bytes = 0;
  int64_t file_footer_size_in_bytes = 0;
  std::optional<std::string> key_metadata = {};
  std::vector<BlobMetadata> blob_metadata = {};
  Json::Object unknown = {};
  bool operator==(const StatisticsFile&) const = default;
};
struct PartitionStatisticsFile {
  int64_t snapshot_id = 0;
  std::string statistics_path = {};
  int64_t file_size_in_bytes = 0;
  Json::Object unknown = {};
  bool operator==(const PartitionStatisticsFile&) const = default;
};
struct EncryptionKey {
  std::string key_id = {};
  std::string encrypted_key_metadata = {};  ///< base64, as in the file
  std::optional<std::string> encrypted_by_id = {};
  StringMap properties = {};
  Json::Object unknown = {};
  bool operator==(const EncryptionKey&) const = default;
};

void WriteSnapshot(const Snapshot& snapshot, int format_version, JsonWriter* out);
Result<Snapshot> SnapshotFromJson(const JsonCursor& json);
void WriteSnapshotRef(const SnapshotRef& ref, JsonWriter* out);
Result<SnapshotRef> SnapshotRefFromJson(const JsonCursor& json);
void WriteStatisticsFile(const StatisticsFile& file, JsonWriter* out);
Result<StatisticsFile> StatisticsFileFromJson(const JsonCursor& json);
void WritePartitionStatisticsFile(const PartitionStatisticsFile& file, JsonWriter* out);
Result<PartitionStatisticsFile> PartitionStatisticsFileFromJson(const JsonCursor& json);
void WriteEncryptionKey(const EncryptionKey& key, JsonWriter* out);
Result<EncryptionKey> EncryptionKeyFromJson(const JsonCursor& json);
void WriteStringMap(const StringMap& map, JsonWriter* out);
Result<StringMap> StringMapFromJson(const JsonCursor& json);

}  // namespace moraine::iceberg
