#include "moraine/iceberg/commit/manifest_output.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/io/location.h"

namespace moraine::iceberg {

namespace {
constexpr int64_t kDefaultTargetBytes = 8388608;
}

std::string MetadataFolder(const TableMetadata& metadata) {
  std::string folder = metadata.Property("write.metadata.path", "");
  return folder.empty() ? io::JoinLocation(metadata.location, "metadata") : folder;
}

std::string CommitFiles::NextManifest(const TableMetadata& metadata) {
  return io::JoinLocation(MetadataFolder(metadata),
                          fmt::format("{}-m{}.avro", uuid, next_manifest++));
}

Result<AvroCodec> ManifestCodec(const TableMetadata& metadata) {
  std::string name = metadata.Property("write.manifest.compression-codec", "gzip");
  if (name == "gzip" || name == "deflate") return AvroCodec::kDeflate;
  if (name == "zstd") return AvroCodec::kZstd;
  if (name == "snappy") return AvroCodec::kSnappy;
  if (name == "uncompressed" || name == "none" || name == "null") return AvroCodec::kNull;
  return InvalidArgument(
      fmt::format("unknown codec in write.manifest.compression-codec: {}", name));
}

ManifestOutput::ManifestOutput(CommitFiles& out, const TableMetadata& metadata,
                               PartitionSpecPtr spec, ManifestContent content, Rolling rolling)
    : out_(out), metadata_(metadata), spec_(std::move(spec)), content_(content) {
  target_bytes_ =
      rolling == Rolling::kNever
          ? std::numeric_limits<int64_t>::max()
          : metadata.IntProperty("commit.manifest.target-size-bytes", kDefaultTargetBytes);
}

Status ManifestOutput::Add(Call& call, const ManifestEntry& entry) {
  if (writer_ && writer_->size_bytes() >= target_bytes_) MORAINE_TRY(Roll(call));
  if (!writer_) {
    ManifestWriterOptions options;
    options.format_version = metadata_.format_version;
    options.content = content_;
    MORAINE_ASSIGN(options.codec, ManifestCodec(metadata_));
    options.snapshot_id = out_.snapshot_id;
    writer_.emplace(metadata_.FindSchema(metadata_.current_schema_id), spec_, options);
  }
  return writer_->Add(entry);
}

Status ManifestOutput::Roll(Call& call) {
  std::string location = out_.NextManifest(metadata_);
  out_.written.push_back(location);
  MORAINE_ASSIGN(ManifestFile manifest, writer_->Finish(call, out_.files, location));
  writer_.reset();
  // Version 1 has no sequence numbers: there is nothing to inherit later.
  if (metadata_.format_version < 2) manifest.sequence_number = manifest.min_sequence_number = 0;
  finished_.push_back(std::move(manifest));
  return {};
}

Result<std::vector<ManifestFile>> ManifestOutput::Finish(Call& call) {
  if (writer_) MORAINE_TRY(Roll(call));
  return std::move(finished_);
}

ManifestEntry AsExisting(ManifestEntry entry) {
  entry.status = EntryStatus::kExisting;
  return entry;
}

ManifestEntry AsDeleted(ManifestEntry entry, int64_t snapshot_id) {
  entry.status = EntryStatus::kDeleted;
  entry.snapshot_id = snapshot_id;
  return entry;
}

}  // namespace moraine::iceberg
