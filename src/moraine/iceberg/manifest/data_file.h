#pragma once
// Values of manifests and manifest lists (table spec, "Manifests", "Manifest lists"), one struct
// for all format versions. Codecs: manifest_reader.h, manifest_writer.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

enum class FileContent : uint8_t { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };
enum class FileFormat : uint8_t { kParquet, kAvro, kOrc, kPuffin };
enum class EntryStatus : uint8_t { kExisting = 0, kAdded = 1, kDeleted = 2 };
enum class ManifestContent : uint8_t { kData = 0, kDeletes = 1 };

std::string_view FileFormatName(FileFormat format);  ///< "PARQUET", as Java writes it

/// By column id, ascending. Small and flat: a manifest holds a hundred thousand of them.
using CountMap = std::vector<std::pair<int32_t, int64_t>>;
using BoundMap = std::vector<std::pair<int32_t, std::string>>;  ///< binary single-value form

const int64_t* FindCount(const CountMap& map, int32_t column_id);
const std::string* FindBound(const BoundMap& map, int32_t column_id);

/// data_file: a data file, a position or equality delete file, or a deletion vector in a Puffin
/// file.
struct DataFile {
  FileContent content = FileContent::kData;
  FileFormat format = FileFormat::kParquet;
  std::string file_path;
  int32_t spec_id = 0;  ///< of the manifest, not stored in the entry
  PartitionTuple partition;
  int64_t record_count = 0;
  int64_t file_size_in_bytes = 0;
  CountMap column_sizes;
  CountMap value_counts;
  CountMap null_value_counts;
  CountMap nan_value_counts;
  BoundMap lower_bounds;
  BoundMap upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<int64_t> split_offsets;
  std::vector<int32_t> equality_ids;
  std::optional<int32_t> sort_order_id;
  std::optional<int64_t> first_row_id;
  std::optional<std::string> referenced_data_file;
  std::optional<int64_t> content_offset;
  std::optional<int64_t> content_size_in_bytes;

  bool is_deletion_vector() const {
    return content == FileContent::kPositionDeletes && format == FileFormat::kPuffin;
  }
  bool operator==(const DataFile& other) const;
};

/// manifest_entry. After ReadManifest all inherited values are filled in.
struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> sequence_number;  ///< data sequence number
  std::optional<int64_t> file_sequence_number;
  DataFile file;

  bool is_live() const { return status != EntryStatus::kDeleted; }
  bool operator==(const ManifestEntry&) const = default;
};

struct FieldSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;
  bool operator==(const FieldSummary&) const = default;
};

/// manifest_file: one line of a manifest list. Null counts (v1) mean "unknown, assume some".
struct ManifestFile {
  std::string manifest_path;
  int64_t manifest_length = 0;
  int32_t partition_spec_id = 0;
  ManifestContent content = ManifestContent::kData;
  int64_t sequence_number = 0;      ///< kUnassigned until the commit that adds it
  int64_t min_sequence_number = 0;  ///< kUnassigned likewise
  int64_t added_snapshot_id = 0;
  std::optional<int32_t> added_files_count;
  std::optional<int32_t> existing_files_count;
  std::optional<int32_t> deleted_files_count;
  std::optional<int64_t> added_rows_count;
  std::optional<int64_t> existing_rows_count;
  std::optional<int64_t> deleted_rows_count;
  std::optional<std::vector<FieldSummary>> partitions;
  std::optional<std::string> key_metadata;
  std::optional<int64_t> first_row_id;

  bool has_added() const { return !added_files_count || *added_files_count > 0; }
  bool has_existing() const { return !existing_files_count || *existing_files_count > 0; }
  bool has_deleted() const { return !deleted_files_count || *deleted_files_count > 0; }
  bool has_live() const { return has_added() || has_existing(); }
  bool operator==(const ManifestFile&) const = default;
};

inline constexpr int64_t kUnassignedSequenceNumber = -1;

}  // namespace moraine::iceberg
