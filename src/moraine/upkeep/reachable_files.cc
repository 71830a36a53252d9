#include "moraine/upkeep/reachable_files.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/upkeep/record_block.h"

namespace moraine::upkeep {
namespace {

using iceberg::ManifestFile;
using iceberg::Snapshot;
using iceberg::TableMetadata;

constexpr size_t kVisitAtOnce = 1000;
constexpr size_t kManifestsAtOnce = 256;

/// What reading a manifest's paths needs of its line in the list.
std::string PackManifest(const ManifestFile& manifest) {
  std::string out;
  AppendVarint(static_cast<uint64_t>(manifest.manifest_length), &out);
  AppendVarint(static_cast<uint64_t>(manifest.partition_spec_id), &out);
  AppendVarint(static_cast<uint64_t>(manifest.content), &out);
  AppendVarint(static_cast<uint64_t>(manifest.sequence_number), &out);
  AppendVarint(manifest.key_metadata ? 1 : 0, &out);
  return out;
}

Result<ManifestFile> UnpackManifest(std::string_view path, std::string_view bytes) {
  ManifestFile manifest;
  manifest.manifest_path = path;
  MORAINE_ASSIGN(const uint64_t length, TakeVarint(&bytes));
  MORAINE_ASSIGN(const uint64_t spec, TakeVarint(&bytes));
  MORAINE_ASSIGN(const uint64_t content, TakeVarint(&bytes));
  MORAINE_ASSIGN(const uint64_t sequence, TakeVarint(&bytes));
  MORAINE_ASSIGN(const uint64_t encrypted, TakeVarint(&bytes));
  if (encrypted != 0) return Unsupported(fmt::format("the manifest is encrypted: {}", path));
  manifest.manifest_length = static_cast<int64_t>(length);
  manifest.partition_spec_id = static_cast<int32_t>(spec);
  manifest.content = static_cast<iceberg::ManifestContent>(content);
  manifest.sequence_number = static_cast<int64_t>(sequence);
  return manifest;
}

class Reach {
 public:
  Reach(Call& call, io::FileSystem& files, const TableMetadata& metadata,
        const ReachOptions& options, const VisitReached& visit)
      : call_(call), files_(files), metadata_(metadata), options_(options), visit_(visit) {}

  Result<ReachCounts> Run(const std::string& metadata_location) {
    MORAINE_TRY(visit_(NamedByMetadata(metadata_location)));
    PathSorter manifests(options_.sort);
    for (const auto& snapshot : metadata_.snapshots) {
      if (options_.known != nullptr && SameInKnown(*snapshot)) continue;
      MORAINE_TRY(AddManifests(metadata_, *snapshot, "", &manifests));
      ++counts_.snapshots;
    }
    if (manifests.added() > 0) {
      MORAINE_TRY(AddKnown(&manifests));
      MORAINE_TRY(ReadManifests(&manifests));
    }
    return counts_;
  }

 private:
  std::vector<ReachedFile> NamedByMetadata(const std::string& metadata_location) const {
    std::vector<ReachedFile> named = {{metadata_location, -1, ReachedKind::kMetadata}};
    for (const auto& entry : metadata_.metadata_log) {
      named.push_back({entry.metadata_file, -1, ReachedKind::kMetadata});
    }
    for (const auto& file : metadata_.statistics) {
      named.push_back({file.statistics_path, file.file_size_in_bytes, ReachedKind::kStatistics});
    }
    for (const auto& file : metadata_.partition_statistics) {
      named.push_back({file.statistics_path, file.file_size_in_bytes, ReachedKind::kStatistics});
    }
    for (const auto& snapshot : metadata_.snapshots) {
      if (snapshot->manifest_list.empty()) continue;
      named.push_back({snapshot->manifest_list, -1, ReachedKind::kManifestList});
    }
    return named;
  }

  bool SameInKnown(const Snapshot& snapshot) const {
    const Snapshot* before = options_.known->FindSnapshot(snapshot.snapshot_id);
    return before != nullptr && before->manifest_list == snapshot.manifest_list &&
           before->manifests == snapshot.manifests;
  }

  /// Key: the path; payload: a mark, and what reading needs.
  Status AddManifests(const TableMetadata& metadata, const Snapshot& snapshot,
                      std::string_view mark, PathSorter* manifests) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto list, iceberg::LoadManifests(call_, files_, metadata, snapshot));
    for (const ManifestFile& manifest : list) {
      const std::string about = mark.empty() ? PackManifest(manifest) : std::string();
      MORAINE_TRY(manifests->Add(manifest.manifest_path, about));
    }
    return {};
  }

  /// Marks what the known version lists, by an empty payload, which sorts first. It is enough to
  /// look where new snapshots come from and at the heads; others are read once more.
  Status AddKnown(PathSorter* manifests) {
    if (options_.known == nullptr) return {};
    std::set<int64_t> heads;
    for (const auto& snapshot : metadata_.snapshots) {
      if (SameInKnown(*snapshot)) continue;
      if (snapshot->parent_snapshot_id) heads.insert(*snapshot->parent_snapshot_id);
    }
    for (const auto& [name, ref] : options_.known->refs) heads.insert(ref.snapshot_id);
    for (int64_t id : heads) {
      const Snapshot* snapshot = options_.known->FindSnapshot(id);
      // One that has been expired since has perhaps lost its list: only what is still there counts.
      if (snapshot == nullptr || metadata_.FindSnapshot(id) == nullptr) continue;
      MORAINE_TRY(AddManifests(*options_.known, *snapshot, "known", manifests));
    }
    return {};
  }

  Status ReadManifests(PathSorter* manifests) {
    MORAINE_ASSIGN(PathCursor at, manifests->Sort());
    ThreadPool pool({.name = "manifests", .threads = std::max<size_t>(options_.threads, 1)});
    std::string last_known, last_path;
    std::vector<ManifestFile> some;
    for (;;) {
      MORAINE_ASSIGN(const bool more, at.Next());
      if (more && at.payload().empty()) {
        last_known = at.key();
      } else if (more && at.key() != last_known && at.key() != last_path) {
        last_path = at.key();
        MORAINE_ASSIGN(auto manifest, UnpackManifest(at.key(), at.payload()));
        some.push_back(std::move(manifest));
      }
      if (some.size() == kManifestsAtOnce || (!more && !some.empty())) {
        MORAINE_TRY(ReadSome(&pool, some));
        some.clear();
      }
      if (!more) return {};
    }
  }

  Status ReadSome(ThreadPool* pool, const std::vector<ManifestFile>& some) {
    std::vector<ReachedFile> named;
    for (const ManifestFile& manifest : some) {
      named.push_back({manifest.manifest_path, manifest.manifest_length, ReachedKind::kManifest});
      counts_.bytes_read += manifest.manifest_length;
    }
    counts_.manifests += static_cast<int64_t>(some.size());
    MORAINE_TRY(Visit(&named));
    return ForEach(*pool, some.size(), options_.threads, [&](size_t i) {
      Call own(call_);
      return ReadOne(own, some[i]);
    });
  }

  Status ReadOne(Call& call, const ManifestFile& manifest) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(metadata_, manifest));
    iceberg::ManifestReadOptions read{.counts = false, .bounds = false, .deleted_entries = true};
    std::vector<ReachedFile> found;
    MORAINE_TRY(iceberg::ReadManifest(
        call, files_, manifest, *spec, metadata_.CurrentSchema(), read,
        [&](iceberg::ManifestEntry& entry) -> Status {
          found.push_back({std::move(entry.file.file_path), entry.file.file_size_in_bytes,
                           ReachedKind::kContent});
          return found.size() < kVisitAtOnce ? Status() : Visit(&found);
        }));
    return Visit(&found);
  }

  Status Visit(std::vector<ReachedFile>* found) {
    if (found->empty()) return {};
    std::lock_guard lock(mutex_);
    Status visited = visit_(*found);
    found->clear();
    return visited;
  }

  Call& call_;
  io::FileSystem& files_;
  const TableMetadata& metadata_;
  const ReachOptions& options_;
  const VisitReached& visit_;
  std::mutex mutex_;
  ReachCounts counts_;
};

}  // namespace

Result<ReachCounts> VisitReachable(Call& call, io::FileSystem& files, const TableMetadata& metadata,
                                   const std::string& metadata_location,
                                   const ReachOptions& options, const VisitReached& visit) {
  return Reach(call, files, metadata, options, visit).Run(metadata_location);
}

}  // namespace moraine::upkeep
