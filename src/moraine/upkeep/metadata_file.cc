#include "moraine/upkeep/metadata_file.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/gzip.h"
#include "moraine/base/text.h"

namespace moraine::upkeep {
namespace {

constexpr int64_t kMaxMetadataBytes = int64_t{1} << 30;
constexpr std::string_view kGzipMagic = "\x1f\x8b";

}  // namespace

Result<iceberg::TableMetadata> ReadTableMetadata(Call& call, io::FileSystem& files,
                                                 const std::string& location) {
  MORAINE_ASSIGN(std::string text, io::ReadFile(call, files, location, kMaxMetadataBytes));
  if (text.starts_with(kGzipMagic)) {
    MORAINE_ASSIGN(text, GzipDecompress(text, static_cast<size_t>(kMaxMetadataBytes)));
  }
  auto metadata = iceberg::TableMetadataFromJson(text);
  if (metadata.ok()) return metadata;
  const bool newer = metadata.status().code() == Code::kUnsupported;
  return std::move(metadata)
      .status()
      .WithCode(newer ? Code::kUnsupported : Code::kCorruption)
      .Annotate("while reading " + location);
}

Result<iceberg::TableMetadata> ReadMetadataOf(Call& call, io::FileSystem& files,
                                              const std::string& table_uuid,
                                              const std::string& location) {
  MORAINE_ASSIGN(auto metadata, ReadTableMetadata(call, files, location));
  if (ToLowerAscii(metadata.table_uuid) == ToLowerAscii(table_uuid)) return metadata;
  return Conflict(fmt::format("expected metadata of the table {}, {} is of {}", table_uuid,
                              location, metadata.table_uuid));
}

bool IsEncrypted(const iceberg::TableMetadata& metadata) {
  return !metadata.encryption_keys.empty() || metadata.properties.contains("encryption.key-id");
}

}  // namespace moraine::upkeep
