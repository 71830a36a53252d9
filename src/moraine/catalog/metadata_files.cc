// Metadata files: read through the cache, written durable, and deleted by proof.

#include <set>

#include <fmt/format.h>

#include "moraine/base/gzip.h"
#include "moraine/catalog/state_internal.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/io/local_file_system.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using iceberg::TableMetadata;

constexpr int kGzipLevel = 6;
constexpr char kGzipMagic[] = "\x1f\x8b";
constexpr Millis kCleanupLimit{10'000};

Status NoMetadataFile(const std::string& location) {
  return NotFound(fmt::format("{}{}", kNoMetadataFile, location));
}

}  // namespace

Status UnreadableMetadata(Status status, const std::string& location) {
  bool newer = status.code() == Code::kUnsupported;
  return std::move(status)
      .WithCode(newer ? Code::kUnsupported : Code::kCorruption)
      .Annotate("while reading " + location);
}

bool IsLocal(std::string_view location) {
  return location.starts_with('/') || location.starts_with("file:");
}

bool MetadataFileIsThere(const std::string& metadata_location) {
  return !IsLocal(metadata_location) || io::LocalFileExists(metadata_location);
}

LoadedTablePtr MakeLoaded(const TabularRow& row, const CachedMetadata& cached) {
  auto table = std::make_shared<LoadedTable>();
  table->table_id = row.id;
  table->version = row.version;
  table->warehouse_id = row.warehouse_id;
  table->warehouse = row.warehouse;
  table->name = row.name;
  table->origin = row.origin;
  table->metadata_location = row.metadata_location;
  table->metadata_json = cached.json;
  table->metadata = cached.metadata;
  table->current = row.current;
  return table;
}

Result<std::string> Catalog::State::ReadMetadataText(Call& call, const std::string& location) {
  auto bytes = io::ReadFile(call, files, location, options.max_metadata_bytes);
  if (bytes.status().code() == Code::kNotFound) return NoMetadataFile(location);
  MORAINE_TRY(bytes.status());
  if (!bytes->starts_with(kGzipMagic)) return bytes;
  return GzipDecompress(*bytes, static_cast<size_t>(options.max_metadata_bytes));
}

Result<CachedMetadata> Catalog::State::ReadMetadata(Call& call, const std::string& location) {
  MORAINE_ASSIGN(auto text, ReadMetadataText(call, location));
  auto metadata = iceberg::TableMetadataFromJson(text);
  if (!metadata.ok()) return UnreadableMetadata(std::move(metadata).status(), location);
  return CachedMetadata{std::make_shared<const std::string>(std::move(text)),
                        std::make_shared<const TableMetadata>(std::move(*metadata))};
}

template <typename Cached>
Result<Cached> Catalog::State::ThroughCache(Call& call, const TabularRow& row, Freshness freshness,
                                            const std::function<Cached()>& find,
                                            const std::function<Result<Cached>()>& read) {
  Cached cached = find();
  cached.metadata == nullptr ? metrics.CacheMiss() : metrics.CacheHit();
  if (cached.metadata == nullptr) {
    MORAINE_ASSIGN(auto turn, reads.Take(call, row.id));
    if (turn.waited()) cached = find();
    if (cached.metadata == nullptr) return read();
    // Asking for the file again is cheap here; on object stores it is done when the cache is
    // filled.
  } else if (freshness == Freshness::kFilePresent && IsLocal(row.metadata_location)) {
    Status present = files.Stat(call, row.metadata_location).status();
    if (present.code() == Code::kNotFound) return NoMetadataFile(row.metadata_location);
    MORAINE_TRY(present);
  }
  return cached;
}

Result<LoadedTablePtr> Catalog::State::Load(Call& call, const TabularRow& row,
                                            Freshness freshness) {
  const std::string& location = row.metadata_location;
  auto read = [&]() -> Result<CachedMetadata> {
    MORAINE_ASSIGN(auto fresh, ReadMetadata(call, location));
    cache.Put(location, fresh);
    return fresh;
  };
  MORAINE_ASSIGN(auto cached,
                 ThroughCache<CachedMetadata>(
                     call, row, freshness, [&] { return cache.Find(location); }, read));
  return MakeLoaded(row, cached);
}

Result<CachedView> Catalog::State::ReadView(Call& call, const std::string& location) {
  MORAINE_ASSIGN(auto text, ReadMetadataText(call, location));
  auto metadata = iceberg::ViewMetadataFromJson(text);
  if (!metadata.ok()) return UnreadableMetadata(std::move(metadata).status(), location);
  return CachedView{std::make_shared<const std::string>(std::move(text)),
                    std::make_shared<const iceberg::ViewMetadata>(std::move(*metadata))};
}

Result<CachedView> Catalog::State::LoadView(Call& call, const TabularRow& row,
                                            Freshness freshness) {
  const std::string& location = row.metadata_location;
  auto read = [&]() -> Result<CachedView> {
    MORAINE_ASSIGN(auto fresh, ReadView(call, location));
    cache.PutView(location, fresh);
    return fresh;
  };
  return ThroughCache<CachedView>(
      call, row, freshness, [&] { return cache.FindView(location); }, read);
}

Result<CachedMetadata> Catalog::State::WriteMetadata(Call& call, TableMetadata metadata,
                                                     const std::string& location) {
  CachedMetadata written;
  written.json = std::make_shared<const std::string>(iceberg::TableMetadataToJson(metadata));
  written.metadata = std::make_shared<const TableMetadata>(std::move(metadata));
  MORAINE_TRY(WriteMetadataText(call, *written.json, location));
  return written;
}

Status Catalog::State::WriteMetadataText(Call& call, const std::string& text,
                                         const std::string& location) {
  if (static_cast<int64_t>(text.size()) > options.max_metadata_bytes) {
    return InvalidArgument(fmt::format("the metadata is too large: {} bytes, at most {}",
                                       text.size(), options.max_metadata_bytes));
  }
  if (!location.ends_with(".gz.metadata.json")) return io::WriteFile(call, files, location, text);
  std::string_view whole = text;
  return io::WriteFile(call, files, location, GzipCompress({&whole, 1}, kGzipLevel));
}

void Catalog::State::DiscardMetadata(Call& call, const Status& refusal,
                                     const std::string& metadata_location) {
  auto proof = iceberg::DeletionProof::CommitRefused(refusal);
  if (!proof.ok()) return;
  // The call may be over by now, which is no reason to leave the file.
  Call cleanup(call.env(), kCleanupLimit);
  auto deleted =
      iceberg::DeleteFiles(cleanup, files, *proof, std::vector<std::string>{metadata_location});
  if (deleted.ok() && deleted->failed.empty()) return;
  call.log().Warn("the metadata file of a refused commit stays", {{"file", metadata_location}});
}

void Catalog::State::TrimMetadata(Call& call, const TableMetadata& base,
                                  const LoadedTable& committed) {
  const TableMetadata& now = *committed.metadata;
  if (!now.BoolProperty("write.metadata.delete-after-commit.enabled", false)) return;
  std::set<std::string_view> kept = {committed.metadata_location};
  for (const auto& entry : now.metadata_log) kept.insert(entry.metadata_file);
  std::string folder = now.Property("write.metadata.path", now.location);
  std::vector<std::string> trimmed;
  for (const auto& entry : base.metadata_log) {
    bool ours = io::IsInside(entry.metadata_file, now.location) ||
                io::IsInside(entry.metadata_file, folder);
    if (ours && !kept.contains(entry.metadata_file)) trimmed.push_back(entry.metadata_file);
  }
  if (trimmed.empty()) return;
  auto proof =
      iceberg::DeletionProof::MetadataLogTrimmed(committed.metadata, committed.metadata_location);
  auto deleted = iceberg::DeleteFiles(call, files, proof, trimmed);
  if (deleted.ok() && deleted->failed.empty()) return;
  call.log().Warn("old metadata files stay", {{"table", ToText(committed.name)}});
}

}  // namespace moraine::catalog
