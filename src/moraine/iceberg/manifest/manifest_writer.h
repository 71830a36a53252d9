#pragma once
// Writes manifests and manifest lists, versions 1 to 3, with the Avro schema, names and file
// metadata that Java and PyIceberg expect (table spec, "Manifests"; record names r2, r102,
// k117_v118, r508).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/avro/avro_codec.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

struct ManifestWriterOptions {
  int format_version = 2;
  ManifestContent content = ManifestContent::kData;
  AvroCodec codec = AvroCodec::kDeflate;
  int64_t snapshot_id = 0;  ///< the commit's
};

/// Collects entries of one spec in memory (compressed blocks), then writes one durable file. The
/// schema should hold the spec's source columns; a field whose source is gone is written in the
/// values' own form. Used by one thread.
class ManifestWriter {
 public:
  ManifestWriter(SchemaPtr schema, PartitionSpecPtr spec, ManifestWriterOptions options);
  ~ManifestWriter();
  ManifestWriter(ManifestWriter&&) noexcept;

  /// Writes sequence numbers and snapshot_id as given; null inherits (only with status ADDED; v1
  /// always writes a snapshot_id). A first_row_id is written for existing and deleted files only.
  /// Errors: InvalidArgument if the entry does not fit the content, version or spec.
  Status Add(const ManifestEntry& entry);
  int64_t entry_count() const;
  int64_t size_bytes() const;  ///< so far, roughly: for rolling at the target size
  /// Creates the file and returns its manifest list line (sequence numbers kUnassigned unless
  /// explicit).
  Result<ManifestFile> Finish(Call& call, io::FileSystem& files, const std::string& location);
  /// The bytes instead of a file; the location in the line stays empty.
  Result<std::pair<std::string, ManifestFile>> FinishToBytes();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct ManifestListOptions {
  int format_version = 2;
  AvroCodec codec = AvroCodec::kDeflate;
  int64_t snapshot_id = 0;
  std::optional<int64_t> parent_snapshot_id;
  int64_t sequence_number = 0;          ///< replaces kUnassigned in the lines
  std::optional<int64_t> first_row_id;  ///< v3: data manifests without one are given ids from here
};
struct WrittenManifestList {
  int64_t length = 0;
  std::optional<int64_t> next_row_id;  ///< v3
};
/// Errors: InvalidArgument for a line that the version cannot hold, whose counts are not known (v2,
/// v3), or that has no sequence number and is not of this snapshot; as FileSystem::Create.
Result<WrittenManifestList> WriteManifestList(Call& call, io::FileSystem& files,
                                              const std::string& location,
                                              const std::vector<ManifestFile>& manifests,
                                              const ManifestListOptions& options);

/// The bytes instead of a file.
Result<std::pair<std::string, WrittenManifestList>> EncodeManifestList(
    const std::vector<ManifestFile>& manifests, const ManifestListOptions& options);

}  // namespace moraine::iceberg
