#include "moraine/upkeep/manifest_writing.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/commit/manifest_output.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::upkeep {
namespace {

using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::ManifestWriter;

constexpr int64_t kBytesPerPartition = 320;  ///< of the map's node, for a tuple of a few values
/// What a writer holds beside its compressed blocks, in multiples of what it will write.
constexpr int64_t kBytesPerWrittenByte = 2;
constexpr int64_t kBytesPerWriter = 256 * 1024;

constexpr int64_t kEntriesSampled = 2'000;

}  // namespace

Result<int64_t> ManifestWriting::BytesPerEntry(
    const std::vector<const ManifestFile*>& manifests) const {
  MORAINE_ASSIGN(ManifestWriter empty, NewWriter(*manifests[0]));
  MORAINE_ASSIGN(ManifestWriter sample, NewWriter(*manifests[0]));
  int64_t entries = 0;
  for (const auto* manifest : manifests) {
    if (entries >= kEntriesSampled) break;
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, *manifest));
    MORAINE_TRY(iceberg::ReadManifest(call_, files_, *manifest, *spec, SchemaOf(opened_), {},
                                      [&](ManifestEntry& entry) -> Status {
                                        if (entries++ >= kEntriesSampled) return {};
                                        return sample.Add(iceberg::AsExisting(std::move(entry)));
                                      }));
  }
  MORAINE_ASSIGN(const auto without, empty.FinishToBytes());
  MORAINE_ASSIGN(const auto with, sample.FinishToBytes());
  const int64_t bytes = static_cast<int64_t>(with.first.size() - without.first.size());
  return std::max<int64_t>(8, bytes / std::max<int64_t>(1, std::min(entries, kEntriesSampled)));
}

Result<ManifestWriting::Clusters> ManifestWriting::Plan(
    const std::vector<const ManifestFile*>& manifests) {
  Clusters clusters;
  for (const auto* manifest : manifests) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, *manifest));
    iceberg::ManifestReadOptions options;
    options.counts = options.bounds = false;
    MORAINE_TRY(iceberg::ReadManifest(
        call_, files_, *manifest, *spec, SchemaOf(opened_), options,
        [&](ManifestEntry& entry) -> Status {
          ++clusters.shares[std::move(entry.file.partition)].files;
          ++clusters.files;
          const auto count = static_cast<int64_t>(clusters.shares.size());
          if (count * kBytesPerPartition <= memory_bytes_ / 2) return {};
          return Exhausted(fmt::format("{} of memory do not suffice for more than {} partitions",
                                       FormatByteSize(memory_bytes_), count));
        }));
  }
  MORAINE_ASSIGN(const int64_t bytes_per_entry, BytesPerEntry(manifests));
  const int64_t target = TargetManifestBytes(opened_.metadata);
  for (auto& [_, share] : clusters.shares) {
    const int64_t bytes = share.files * bytes_per_entry;
    auto& all = clusters.clusters;
    const bool is_full =
        !all.empty() && all.back().bytes >= target / 2 && all.back().bytes + bytes > target;
    if (all.empty() || is_full) all.emplace_back();
    all.back().bytes += bytes;
    all.back().files += share.files;
    share.cluster = all.size() - 1;
  }
  return clusters;
}

int64_t ManifestWriting::Pieces(const Cluster& cluster) const {
  const int64_t target = TargetManifestBytes(opened_.metadata);
  return std::max<int64_t>(1, (cluster.bytes + target / 2) / target);
}

size_t ManifestWriting::EndOfWave(const Clusters& clusters, size_t begin) const {
  int64_t bytes = 0;
  size_t end = begin;
  while (end < clusters.clusters.size()) {
    const Cluster& cluster = clusters.clusters[end];
    bytes += cluster.bytes / Pieces(cluster) * kBytesPerWrittenByte + kBytesPerWriter;
    if (end > begin && bytes > memory_bytes_ / 2) break;
    ++end;
  }
  return end;
}

Result<ManifestWriter> ManifestWriting::NewWriter(const ManifestFile& like) const {
  iceberg::ManifestWriterOptions options;
  options.format_version = opened_.metadata.format_version;
  options.content = like.content;
  MORAINE_ASSIGN(options.codec, iceberg::ManifestCodec(opened_.metadata));
  options.snapshot_id = opened_.snapshot.snapshot_id;  // the commit gives the line its own
  MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, like));
  return ManifestWriter(opened_.metadata.FindSchema(opened_.metadata.current_schema_id),
                        std::move(spec), options);
}

Status ManifestWriting::Finish(ManifestWriter writer, std::vector<ManifestFile>* written) {
  tasks::MaintenanceTask place = task_;
  place.output_folder = iceberg::MetadataFolder(opened_.metadata);
  const std::string location = fmt::format("{}m{}.avro", place.OutputPrefix(), next_++);
  MORAINE_ASSIGN(ManifestFile line, writer.Finish(call_, files_, location));
  written->push_back(std::move(line));
  return {};
}

Result<int64_t> ManifestWriting::WriteWave(const std::vector<const ManifestFile*>& manifests,
                                           const Clusters& clusters, size_t begin, size_t end,
                                           std::vector<ManifestFile>* written) {
  std::vector<std::optional<ManifestWriter>> writers(end - begin);
  int64_t added = 0;
  for (const auto* manifest : manifests) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, *manifest));
    MORAINE_TRY(iceberg::ReadManifest(
        call_, files_, *manifest, *spec, SchemaOf(opened_), {},
        [&](ManifestEntry& entry) -> Status {
          auto share = clusters.shares.find(entry.file.partition);
          if (share == clusters.shares.end())
            return Corruption("a manifest has changed while it was read");
          const size_t cluster = share->second.cluster;
          if (cluster < begin || cluster >= end) return {};
          auto& writer = writers[cluster - begin];
          const Cluster& whole = clusters.clusters[cluster];
          if (writer &&
              writer->entry_count() >= (whole.files + Pieces(whole) - 1) / Pieces(whole)) {
            MORAINE_TRY(Finish(std::move(*writer), written));
            writer.reset();
          }
          if (!writer) {
            MORAINE_ASSIGN(ManifestWriter made, NewWriter(*manifest));
            writer.emplace(std::move(made));
          }
          ++added;
          return writer->Add(iceberg::AsExisting(std::move(entry)));
        }));
  }
  for (auto& writer : writers) {
    if (writer) MORAINE_TRY(Finish(std::move(*writer), written));
  }
  return added;
}

Result<std::vector<ManifestFile>> ManifestWriting::WriteInOrder(
    const std::vector<const ManifestFile*>& manifests, JobProgress* progress) {
  MORAINE_ASSIGN(const Clusters clusters, Plan(manifests));
  std::vector<ManifestFile> written;
  int64_t added = 0;
  for (size_t begin = 0; begin < clusters.clusters.size();) {
    const size_t end = EndOfWave(clusters, begin);
    MORAINE_ASSIGN(const int64_t more, WriteWave(manifests, clusters, begin, end, &written));
    added += more;
    if (progress != nullptr) progress->files += more;
    begin = end;
  }
  if (added != clusters.files) {
    return Internal(
        fmt::format("manifests have {} files, {} were written again", clusters.files, added));
  }
  return written;
}

}  // namespace moraine::upkeep
