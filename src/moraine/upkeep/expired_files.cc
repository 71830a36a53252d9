#include "moraine/upkeep/expired_files.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/io/file_system.h"
#include "moraine/io/location.h"
#include "moraine/upkeep/candidate_set.h"
#include "moraine/upkeep/path_key.h"

namespace moraine::upkeep {
namespace {

using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::Snapshot;
using iceberg::TableMetadata;

constexpr int64_t kMaxListBytes = int64_t{1} << 30;
constexpr size_t kFewest = 8;  // files that a pass looks for, however little memory there is

/// A manifest as some lists show it.
struct Line {
  ManifestFile manifest;
  int64_t removed_lists = 0;  // how many removed snapshots have it
  bool in_root = false;
  bool is_counted = false;  // among the additions of its snapshot
};

/// Of files that share one (a rare chance) some stay, and become orphans.
uint64_t HashOf(std::string_view key) { return std::hash<std::string_view>()(key); }

/// How many files the snapshot added, if its summary tells.
std::optional<int64_t> AdditionsOf(const Snapshot& snapshot) {
  const auto number = [&](const char* key) -> std::optional<int64_t> {
    auto found = snapshot.summary.find(key);
    if (found == snapshot.summary.end()) return std::nullopt;
    auto value = ParseInt64(found->second);
    return value.ok() ? std::optional<int64_t>(*value) : std::nullopt;
  };
  const auto data = number("added-data-files");
  const auto deletes = number("added-delete-files");
  // Writers that keep totals leave out what is zero.
  if (!data && !deletes && !number("total-data-files")) return std::nullopt;
  return data.value_or(0) + deletes.value_or(0);
}

/// Where the table's own files lie.
class Places {
 public:
  explicit Places(const TableMetadata& metadata) {
    for (const std::string& location : PlacesOfTable(metadata)) {
      auto place = io::NormalizeLocation(location);
      if (place.ok()) places_.push_back(*place + "/");
    }
  }
  bool Hold(const std::string& path) const {
    auto place = io::NormalizeLocation(path);
    if (!place.ok()) return false;
    return std::any_of(places_.begin(), places_.end(),
                       [&](const std::string& one) { return place->starts_with(one); });
  }

 private:
  std::vector<std::string> places_;
};

class Search {
 public:
  Search(Call& call, io::FileSystem& files, const TableMetadata& metadata,
         const ExpiredSnapshots& expired, const ExpiredFilesOptions& options, JobProgress* progress,
         const std::function<Status(const ExpiredFile&)>& visit)
      : call_(call),
        files_(files),
        metadata_(metadata),
        expired_(expired),
        options_(options),
        progress_(progress),
        visit_(visit),
        places_(metadata) {}

  Result<ExpiredFilesCounts> Run() {
    FindRetained();
    MORAINE_TRY(ReadRemovedLists());
    MORAINE_TRY(ReadRoots());
    std::optional<uint64_t> from = 0;
    while (from) {
      MORAINE_ASSIGN(from, FindDeadFiles(*from));
    }
    MORAINE_TRY(EmitStatistics());
    MORAINE_TRY(EmitManifests());
    MORAINE_TRY(EmitLists());
    return counts_;
  }

 private:
  void FindRetained() {
    std::unordered_set<int64_t> removed;
    if (options_.before_commit) {
      for (const auto& snapshot : expired_.snapshots) removed.insert(snapshot.snapshot_id);
    }
    for (const auto& snapshot : metadata_.snapshots) {
      if (removed.contains(snapshot->snapshot_id)) continue;
      retained_.emplace(snapshot->snapshot_id, snapshot.get());
    }
    // Newest first: a newer list shows what older snapshots added.
    for (const auto& [_, snapshot] : retained_) newest_first_.push_back(snapshot);
    std::sort(newest_first_.begin(), newest_first_.end(), [](const Snapshot* a, const Snapshot* b) {
      return std::tuple(a->sequence_number, a->timestamp_ms, a->snapshot_id) >
             std::tuple(b->sequence_number, b->timestamp_ms, b->snapshot_id);
    });
  }

  bool IsRoot(const Snapshot& snapshot) const {
    return has_inline_removed_ || snapshot.manifest_list.empty() || !snapshot.parent_snapshot_id ||
           !retained_.contains(*snapshot.parent_snapshot_id);
  }

  Line& Remember(ManifestFile&& manifest) {
    auto name = PathKey(manifest.manifest_path);
    std::string key = name.ok() ? std::move(*name) : manifest.manifest_path;
    auto found = lines_.find(key);
    if (found == lines_.end()) {
      manifest.partitions.reset();
      found = lines_.emplace(std::move(key), Line{std::move(manifest)}).first;
    }
    Line& line = found->second;
    if (!line.is_counted) {
      line.is_counted = true;
      Additions& additions = additions_[line.manifest.added_snapshot_id];
      if (line.manifest.added_files_count) {
        additions.files += *line.manifest.added_files_count;
      } else {
        additions.is_known = false;
      }
      if (line.manifest.has_added()) additions.lines.push_back(&line);
    }
    return line;
  }

  Result<std::vector<ManifestFile>> ManifestsOf(const Snapshot& snapshot) {
    MORAINE_TRY(call_.Check());
    ++counts_.lists_read;
    return iceberg::LoadManifests(call_, files_, metadata_, snapshot);
  }

  Status ReadRemovedLists() {
    std::unordered_set<std::string_view> read;
    for (const auto& removed : expired_.snapshots) {
      if (retained_.contains(removed.snapshot_id)) continue;
      if (!removed.manifest_list.empty() && !read.insert(removed.manifest_list).second) continue;
      has_inline_removed_ |= removed.manifest_list.empty();
      Snapshot snapshot;
      snapshot.snapshot_id = removed.snapshot_id;
      snapshot.manifest_list = removed.manifest_list;
      snapshot.manifests = removed.manifests;
      auto manifests = removed.manifest_list.empty() ? ManifestsOf(snapshot)
                                                     : ReadRemovedList(removed.manifest_list);
      if (manifests.status().code() == Code::kNotFound) {
        ++counts_.missing;
        continue;
      }
      MORAINE_TRY(manifests.status());
      ++removed_lists_;
      for (ManifestFile& manifest : *manifests) ++Remember(std::move(manifest)).removed_lists;
    }
    return {};
  }

  /// Nothing but the file says how large it is.
  Result<std::vector<ManifestFile>> ReadRemovedList(const std::string& location) {
    MORAINE_TRY(call_.Check());
    ++counts_.lists_read;
    MORAINE_ASSIGN(const std::string bytes, io::ReadFile(call_, files_, location, kMaxListBytes));
    list_bytes_[location] = static_cast<int64_t>(bytes.size());
    return iceberg::DecodeManifestList(bytes, location);
  }

  Status ReadRoots() {
    for (const Snapshot* snapshot : newest_first_) {
      if (!IsRoot(*snapshot)) continue;
      auto manifests = ManifestsOf(*snapshot);
      if (!manifests.ok()) return NeededBy(*snapshot, manifests.status());
      for (ManifestFile& manifest : *manifests) Remember(std::move(manifest)).in_root = true;
    }
    for (auto& [_, line] : lines_) {
      if (IsDead(line)) dead_.push_back(&line);
    }
    std::sort(dead_.begin(), dead_.end(), ByPath);
    return {};
  }

  static bool ByPath(const Line* a, const Line* b) {
    return a->manifest.manifest_path < b->manifest.manifest_path;
  }
  static Status NeededBy(const Snapshot& snapshot, Status status) {
    return std::move(status).Annotate(fmt::format("of snapshot {}", snapshot.snapshot_id));
  }

  bool IsDead(const Line& line) const {
    return line.removed_lists > 0 && !line.in_root &&
           !retained_.contains(line.manifest.added_snapshot_id);
  }

  /// Every removed snapshot has it, so that none of them has its files in another manifest, too.
  bool HasNoCandidates(const Line& line) const {
    const bool may_share =
        line.manifest.content == ManifestContent::kDeletes && metadata_.format_version >= 3;
    return !may_share && removed_lists_ > 0 && line.removed_lists == removed_lists_;
  }

  Status ReadEntries(const ManifestFile& manifest,
                     const std::function<Status(ManifestEntry&)>& visit) {
    MORAINE_TRY(call_.Check());
    static const iceberg::ManifestReadOptions options = {
        .counts = false, .bounds = false, .deleted_entries = false, .columns = {}};
    // Partitions don't matter here, and the spec may be gone from the metadata.
    iceberg::PartitionSpec spec;
    spec.spec_id = manifest.partition_spec_id;
    ++counts_.manifests_read;
    return iceberg::ReadManifest(call_, files_, manifest, spec, metadata_.CurrentSchema(), options,
                                 [&](ManifestEntry& entry) {
                                   ++counts_.entries_read;
                                   return visit(entry);
                                 });
  }

  /// Of those whose hashes are from this one on as many as there is room for. Returns where the
  /// next pass begins.
  Result<std::optional<uint64_t>> FindDeadFiles(uint64_t from) {
    const auto room = static_cast<size_t>(std::max<int64_t>(0, options_.memory_bytes / 2));
    CandidateSet candidates;
    uint64_t to = UINT64_MAX;
    std::string buffer;
    for (const Line* line : dead_) {
      if (!line->manifest.has_live()) continue;
      Status read = ReadEntries(line->manifest, [&](ManifestEntry& entry) -> Status {
        const iceberg::DataFile& file = entry.file;
        const auto key = PathKeyIn(file.file_path, &buffer);
        if (!key.ok()) return {};
        const uint64_t hash = HashOf(*key);
        if (hash < from || hash > to) return {};
        const auto kind =
            file.content == FileContent::kData ? ExpiredKind::kData : ExpiredKind::kDeletes;
        candidates.Add(hash, file.file_path, file.file_size_in_bytes, static_cast<uint8_t>(kind));
        while (candidates.held_bytes() > room && candidates.size() > kFewest && to > from) {
          to = from + (to - from) / 2;
          candidates.KeepUpTo(to);
        }
        return {};
      });
      if (read.code() == Code::kNotFound) {
        ++counts_.missing;
      } else {
        MORAINE_TRY(std::move(read));
      }
    }
    MORAINE_TRY(DropReachable(&candidates));
    MORAINE_TRY(candidates.Visit([&](const CandidateSet::Candidate& one) {
      return Emit(one.path, one.bytes, static_cast<ExpiredKind>(one.kind));
    }));
    return to == UINT64_MAX ? std::nullopt : std::optional(to + 1);
  }

  Status Drop(const Line& line, CandidateSet* candidates) {
    std::string buffer;
    return ReadEntries(line.manifest, [&](ManifestEntry& entry) -> Status {
      const auto key = PathKeyIn(entry.file.file_path, &buffer);
      if (key.ok()) candidates->Erase(HashOf(*key));
      return {};
    });
  }

  /// Takes out what a retained snapshot reaches.
  Status DropReachable(CandidateSet* candidates) {
    std::vector<const Line*> of_roots;
    for (const auto& [_, line] : lines_) {
      if (line.in_root && line.manifest.has_live() && !HasNoCandidates(line))
        of_roots.push_back(&line);
    }
    std::sort(of_roots.begin(), of_roots.end(), ByPath);
    for (const Line* line : of_roots) {
      if (candidates->empty()) return {};
      MORAINE_TRY(Drop(*line, candidates));
    }
    if (candidates->empty()) return {};
    MORAINE_TRY(FindAdditions());
    for (const Line* line : additions_of_retained_) {
      if (candidates->empty()) return {};
      MORAINE_TRY(Drop(*line, candidates));
    }
    return {};
  }

  /// The manifests, beside those of the roots, in which retained snapshots added files. Done once.
  Status FindAdditions() {
    if (std::exchange(has_additions_, true)) return {};
    for (const Snapshot* snapshot : newest_first_) {
      if (IsRoot(*snapshot)) continue;
      const auto expected = AdditionsOf(*snapshot);
      const Additions& known = additions_[snapshot->snapshot_id];
      if (expected && known.is_known && known.files == *expected) continue;
      auto manifests = ManifestsOf(*snapshot);
      if (!manifests.ok()) return NeededBy(*snapshot, manifests.status());
      for (ManifestFile& manifest : *manifests) Remember(std::move(manifest));
    }
    for (const auto& [id, snapshot] : retained_) {
      for (const Line* line : additions_[id].lines) {
        if (!line->in_root && !HasNoCandidates(*line)) additions_of_retained_.push_back(line);
      }
    }
    std::sort(additions_of_retained_.begin(), additions_of_retained_.end(), ByPath);
    return {};
  }

  Status Emit(const std::string& path, int64_t bytes, ExpiredKind kind) {
    if (!places_.Hold(path)) {
      ++counts_.elsewhere;
      return {};
    }
    bytes = std::max<int64_t>(0, bytes);
    counts_.files[static_cast<size_t>(kind)] += 1;
    counts_.bytes[static_cast<size_t>(kind)] += bytes;
    if (progress_ != nullptr) ++progress_->files;
    return visit_({path, bytes, kind});
  }

  Status EmitStatistics() {
    std::unordered_set<std::string_view> named;
    const auto name = [&](const auto& all) {
      for (const auto& file : all) {
        if (retained_.contains(file.snapshot_id)) named.insert(file.statistics_path);
      }
    };
    name(metadata_.statistics);
    name(metadata_.partition_statistics);
    for (const auto& file : expired_.statistics) {
      if (!named.insert(file.path).second) continue;
      MORAINE_TRY(Emit(file.path, file.bytes, ExpiredKind::kStatistics));
    }
    return {};
  }

  Status EmitManifests() {
    for (const Line* line : dead_) {
      MORAINE_TRY(Emit(line->manifest.manifest_path, line->manifest.manifest_length,
                       ExpiredKind::kManifest));
    }
    return {};
  }

  Status EmitLists() {
    std::unordered_set<std::string_view> named;
    for (const auto& [_, snapshot] : retained_) named.insert(snapshot->manifest_list);
    for (const auto& removed : expired_.snapshots) {
      if (removed.manifest_list.empty() || retained_.contains(removed.snapshot_id)) continue;
      if (!named.insert(removed.manifest_list).second) continue;
      const auto bytes = list_bytes_.find(removed.manifest_list);  // none: it is gone already
      MORAINE_TRY(Emit(removed.manifest_list, bytes == list_bytes_.end() ? 0 : bytes->second,
                       ExpiredKind::kManifestList));
    }
    return {};
  }

  struct Additions {
    int64_t files = 0;
    bool is_known = true;
    std::vector<const Line*> lines;
  };

  Call& call_;
  io::FileSystem& files_;
  const TableMetadata& metadata_;
  const ExpiredSnapshots& expired_;
  const ExpiredFilesOptions& options_;
  JobProgress* progress_;
  const std::function<Status(const ExpiredFile&)>& visit_;
  const Places places_;
  std::unordered_map<int64_t, const Snapshot*> retained_;
  std::vector<const Snapshot*> newest_first_;
  std::unordered_map<std::string, Line> lines_;  // by PathKey; values stay where they are
  std::unordered_map<int64_t, Additions> additions_;
  int64_t removed_lists_ = 0;
  std::unordered_map<std::string_view, int64_t> list_bytes_;  // of removed snapshots
  /// Of version 1: nothing says who wrote its manifests, so that the list of each retained snapshot
  /// is asked.
  bool has_inline_removed_ = false;
  std::vector<const Line*> dead_;
  bool has_additions_ = false;
  std::vector<const Line*> additions_of_retained_;
  ExpiredFilesCounts counts_;
};

}  // namespace

int64_t ExpiredFilesCounts::all_files() const {
  int64_t sum = 0;
  for (int64_t count : files) sum += count;
  return sum;
}

int64_t ExpiredFilesCounts::all_bytes() const {
  int64_t sum = 0;
  for (int64_t count : bytes) sum += count;
  return sum;
}

std::vector<std::string> PlacesOfTable(const TableMetadata& metadata) {
  std::vector<std::string> places = {metadata.location};
  for (const char* key : {"write.data.path", "write.metadata.path", "write.object-storage.path",
                          "write.folder-storage.path"}) {
    std::string place = metadata.Property(key, "");
    if (!place.empty() && std::find(places.begin(), places.end(), place) == places.end())
      places.push_back(std::move(place));
  }
  return places;
}

Result<ExpiredFilesCounts> FindExpiredFiles(
    Call& call, io::FileSystem& files, const TableMetadata& metadata,
    const ExpiredSnapshots& expired, const ExpiredFilesOptions& options, JobProgress* progress,
    const std::function<Status(const ExpiredFile&)>& visit) {
  return Search(call, files, metadata, expired, options, progress, visit).Run();
}

}  // namespace moraine::upkeep
