#pragma once
// New manifests of one commit: names, rolling at the target size, and the record of what was
// written, which is needed to remove leftovers. Used by the parts of SnapshotProducer.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Lives as long as the producer: all attempts of one commit.
struct CommitFiles {
  io::FileSystem& files;
  int64_t snapshot_id = 0;
  std::string uuid;
  int next_manifest = 0;
  std::vector<std::string> written;  ///< noted before writing: after a failure the file may exist

  std::string NextManifest(const TableMetadata& metadata);
};

/// write.manifest.compression-codec. Errors: InvalidArgument for an unknown codec.
Result<AvroCodec> ManifestCodec(const TableMetadata& metadata);

/// Entries of one spec and content, in one manifest or more.
class ManifestOutput {
 public:
  enum class Rolling { kAtTargetSize, kNever };
  ManifestOutput(CommitFiles& out, const TableMetadata& metadata, PartitionSpecPtr spec,
                 ManifestContent content, Rolling rolling);

  Status Add(Call& call, const ManifestEntry& entry);
  /// The manifests in the order written; none if nothing was added.
  Result<std::vector<ManifestFile>> Finish(Call& call);

 private:
  Status Roll(Call& call);

  CommitFiles& out_;
  const TableMetadata& metadata_;
  PartitionSpecPtr spec_;
  ManifestContent content_;
  int64_t target_bytes_;
  std::optional<ManifestWriter> writer_;
  std::vector<ManifestFile> finished_;
};

/// The entry as a rewritten manifest has it: kept, or removed by this snapshot.
ManifestEntry AsExisting(ManifestEntry entry);
ManifestEntry AsDeleted(ManifestEntry entry, int64_t snapshot_id);

}  // namespace moraine::iceberg
