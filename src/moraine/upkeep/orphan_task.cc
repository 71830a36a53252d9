#include "moraine/upkeep/orphan_task.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/io/location.h"
#include "moraine/io/name_listing.h"
#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/listing_ahead.h"
#include "moraine/upkeep/metadata_file.h"
#include "moraine/upkeep/orphan_rules.h"
#include "moraine/upkeep/path_key.h"
#include "moraine/upkeep/path_sort.h"
#include "moraine/upkeep/reachable_files.h"

namespace moraine::upkeep {
namespace {

constexpr size_t kExamples = 20;
constexpr size_t kMaxForeign = 1000;
constexpr size_t kStrangersRead = 3;
/// Folders by which tables of other formats are known; one may share its data files with this one.
constexpr std::string_view kLogsOfOthers[] = {"/_delta_log/", "/.hoodie/"};
// What a listed file takes while a page of a listing is made and held.
constexpr int64_t kBytesPerListed = 600;
constexpr int64_t kPagesHeld = 3;

/// Walks the sorted set of what is reached, in step with keys that rise.
class Reached {
 public:
  explicit Reached(PathCursor cursor) : cursor_(std::move(cursor)) {}

  Result<bool> Has(std::string_view key) {
    while (more_ && (!begun_ || cursor_.key() < key)) {
      MORAINE_ASSIGN(more_, cursor_.Next());
      begun_ = true;
    }
    return more_ && cursor_.key() == key;
  }

 private:
  PathCursor cursor_;
  bool begun_ = false;
  bool more_ = true;
};

std::string PackFile(const io::FileInfo& file) {
  std::string out;
  AppendVarint(static_cast<uint64_t>(file.size_bytes), &out);
  AppendVarint(static_cast<uint64_t>(file.modified_ms), &out);
  return out + file.location;
}

Result<io::FileInfo> UnpackFile(std::string_view bytes) {
  io::FileInfo file;
  MORAINE_ASSIGN(const uint64_t size, TakeVarint(&bytes));
  MORAINE_ASSIGN(const uint64_t modified, TakeVarint(&bytes));
  file.size_bytes = static_cast<int64_t>(size);
  file.modified_ms = static_cast<int64_t>(modified);
  file.location = bytes;
  return file;
}

/// One root and what it is called.
struct Root {
  std::string folder;  // with a slash at its end
  std::string key;
};

/// The roots that lie in no other one, in the order of their keys.
Result<std::vector<Root>> OuterRoots(const std::vector<std::string>& folders) {
  MORAINE_ASSIGN(const auto outer, FolderKeys(folders));
  std::vector<Root> roots;
  for (const std::string& key : outer) {
    for (const std::string& folder : folders) {
      MORAINE_ASSIGN(const std::string own, PathKey(folder));
      if (own != key) continue;
      roots.push_back({folder.ends_with('/') ? folder : folder + "/", key});
      break;
    }
  }
  return roots;
}

class OrphanSearch {
 public:
  OrphanSearch(Call& call, io::FileSystem& files, const tasks::MaintenanceTask& task,
               const OrphanBody& body, const JobOptions& options, JobProgress* progress)
      : call_(call),
        files_(files),
        task_(task),
        body_(body),
        options_(options),
        progress_(progress),
        reached_(Share(4)),
        outside_(Share(16)),
        stragglers_(Share(8)),
        candidates_(Share(8)) {}

  Result<OrphanResult> Run() {
    result_.listed_at_ms = ToMillis(call_.clock().Wall());
    MORAINE_ASSIGN(metadata_,
                   ReadMetadataOf(call_, files_, task_.table_uuid, body_.metadata_location));
    MORAINE_ASSIGN(roots_, OuterRoots(body_.roots));
    if (roots_.empty()) return InvalidArgument("a search for orphans names no folders");
    rules_.emplace(body_, metadata_);
    MORAINE_TRY(FindOwnMetadataFolders());
    ListingAhead listing(call_, files_, Folders(), PageSize());
    MORAINE_TRY(Reach());
    MORAINE_TRY(List(listing));
    MORAINE_TRY(LookAtStragglers());
    MORAINE_TRY(LookAtStrangers());
    MORAINE_TRY(WriteList());
    result_.spilled_bytes = reached_.spilled_bytes() + outside_.spilled_bytes() +
                            stragglers_.spilled_bytes() + candidates_.spilled_bytes();
    return std::move(result_);
  }
  int64_t bytes_read() const { return bytes_read_; }

 private:
  PathSortOptions Share(int64_t part) const {
    return {.memory_bytes = options_.memory_bytes / part, .spill_folder = options_.spill_folder};
  }

  Status FindOwnMetadataFolders() {
    std::vector<std::string> own = {body_.metadata_location};
    for (const auto& entry : metadata_.metadata_log) own.push_back(entry.metadata_file);
    own.push_back(io::JoinLocation(metadata_.location, "metadata/x"));
    own.push_back(io::JoinLocation(metadata_.Property("write.metadata.path", own.back()), "x"));
    for (const std::string& file : own) {
      MORAINE_ASSIGN(const std::string key, PathKey(file));
      metadata_folders_.insert(FolderOf(key));
    }
    return {};
  }

  static std::string FolderOf(std::string_view key) {
    return std::string(key.substr(0, key.size() - io::BaseName(key).size()));
  }

  /// A metadata file that lies elsewhere belongs to another table, whose folder is above it.
  Status NoteForeign(const io::FileInfo& file, std::string_view key) {
    const std::string folder = FolderOf(key);
    if (metadata_folders_.contains(folder)) return NoteStranger(file);
    std::string_view table = std::string_view(folder).substr(0, folder.size() - 1);
    if (io::BaseName(table) == "metadata") table = table.substr(0, table.rfind('/'));
    return AddForeign(table);
  }

  Status AddForeign(std::string_view table) {
    foreign_.insert(std::string(table));
    if (foreign_.size() <= kMaxForeign) return {};
    return InvalidArgument(fmt::format(
        "more than {} tables of others lie in the table's folders: {}", kMaxForeign, table));
  }

  /// The newest metadata files in the table's own folder that it does not name.
  Status NoteStranger(const io::FileInfo& file) {
    strangers_.push_back(file);
    std::sort(strangers_.begin(), strangers_.end(), [](const auto& a, const auto& b) {
      return a.modified_ms != b.modified_ms ? a.modified_ms > b.modified_ms
                                            : a.location < b.location;
    });
    if (strangers_.size() > kStrangersRead) strangers_.pop_back();
    return {};
  }

  /// Another table that shares the folder lives, if it was changed after this one began. One that
  /// ended before is what the table came after: what it left are orphans.
  Status LookAtStrangers() {
    int64_t begun_ms = metadata_.last_updated_ms;
    for (const auto& entry : metadata_.metadata_log) {
      begun_ms = std::min(begun_ms, entry.timestamp_ms);
    }
    for (const auto& snapshot : metadata_.snapshots) {
      begun_ms = std::min(begun_ms, snapshot->timestamp_ms);
    }
    for (const io::FileInfo& file : strangers_) {
      auto other = ReadTableMetadata(call_, files_, file.location);
      // What can't be read leads nowhere; a failing store is another matter.
      if (!other.ok() && other.status().code() != Code::kCorruption &&
          other.status().code() != Code::kNotFound) {
        return std::move(other).status();
      }
      if (!other.ok() || other->table_uuid == metadata_.table_uuid) continue;
      if (other->last_updated_ms >= begun_ms) shared_with_.insert(file.location);
    }
    return {};
  }

  Status Reach() {
    auto visit = [this](const std::vector<ReachedFile>& found) -> Status {
      for (const ReachedFile& file : found) MORAINE_TRY(AddReached(file.location));
      return {};
    };
    const ReachOptions reach{.sort = Share(16)};
    MORAINE_ASSIGN(const auto counts,
                   VisitReachable(call_, files_, metadata_, body_.metadata_location, reach, visit));
    bytes_read_ = counts.bytes_read;
    result_.reached = reached_.added();
    return {};
  }

  Status AddReached(const std::string& location) {
    MORAINE_ASSIGN(const std::string key, PathKey(location));
    const bool inside = std::any_of(roots_.begin(), roots_.end(),
                                    [&](const Root& root) { return KeyIsBelow(key, root.key); });
    if (!inside) MORAINE_TRY(outside_.Add(io::BaseName(key)));
    return reached_.Add(key);
  }

  /// Compares while listing: the store's order is mostly that of the keys.
  Status List(ListingAhead& listing) {
    MORAINE_ASSIGN(PathCursor sorted, reached_.Sort());
    Reached reached(std::move(sorted));
    std::string last;
    for (;;) {
      MORAINE_TRY(call_.Check());
      MORAINE_ASSIGN(const auto page, listing.Next());
      if (!page) return {};
      for (const io::FileInfo& file : page->files) {
        MORAINE_TRY(Compare(file, roots_[page->folder], &last, &reached));
      }
      if (progress_ != nullptr) progress_->files += static_cast<int64_t>(page->files.size());
    }
  }

  std::vector<std::string> Folders() const {
    std::vector<std::string> folders;
    for (const Root& root : roots_) folders.push_back(root.folder);
    return folders;
  }

  size_t PageSize() const {
    return static_cast<size_t>(std::clamp<int64_t>(
        options_.memory_bytes / 6 / kPagesHeld / kBytesPerListed, 1000, 100'000));
  }

  Status Compare(const io::FileInfo& file, const Root& root, std::string* last, Reached* reached) {
    ++result_.listed;
    auto key = PathKey(file.location);
    // Named in a way that can't be compared, or not where it was asked for: left alone.
    if (!key.ok() || !KeyIsBelow(*key, root.key)) {
      ++result_.spared;
      return {};
    }
    if (*key < *last) return AddStraggler(file, *key);
    MORAINE_ASSIGN(const bool live, reached->Has(*key));
    if (!live) MORAINE_TRY(Judge(file, *key, root));
    *last = std::move(*key);
    return {};
  }

  Status AddStraggler(const io::FileInfo& listed, std::string_view key) {
    MORAINE_ASSIGN(const auto file, Described(listed));
    return file ? stragglers_.Add(key, PackFile(*file)) : Status();
  }

  /// With its size and time, as the store tells them now; nullopt: it is gone, or they can't be
  /// told, and it is left alone.
  Result<std::optional<io::FileInfo>> Described(const io::FileInfo& listed) {
    std::optional<io::FileInfo> file = listed;
    if (listed.modified_ms == io::kNotTold) {
      auto looked = files_.Stat(call_, listed.location);
      const Code code = looked.status().code();
      if (code == Code::kNotFound) return std::optional<io::FileInfo>();
      if (code != Code::kPermissionDenied) MORAINE_TRY(looked.status());
      if (looked.ok()) {
        file->size_bytes = looked->size_bytes;
        file->modified_ms = looked->modified_ms;
      }
    }
    if (file->modified_ms < 0 || file->size_bytes < 0) {
      ++result_.spared;
      file.reset();
    }
    return file;
  }

  Status LookAtStragglers() {
    if (stragglers_.added() == 0) return {};
    MORAINE_ASSIGN(PathCursor sorted, reached_.Sort());
    Reached reached(std::move(sorted));
    MORAINE_ASSIGN(PathCursor at, stragglers_.Sort());
    for (;;) {
      MORAINE_ASSIGN(const bool more, at.Next());
      if (!more) return {};
      MORAINE_ASSIGN(const bool live, reached.Has(at.key()));
      if (live) continue;
      MORAINE_ASSIGN(const auto file, UnpackFile(at.payload()));
      for (const Root& root : roots_) {
        if (!KeyIsBelow(at.key(), root.key)) continue;
        MORAINE_TRY(Judge(file, at.key(), root));
        break;
      }
    }
  }

  Status Judge(const io::FileInfo& listed, std::string_view key, const Root& root) {
    MORAINE_ASSIGN(const auto described, Described(listed));
    if (!described) return {};
    const io::FileInfo& file = *described;
    // What lies in a hidden folder, such as a quarantine, stays anyway.
    if (key.ends_with(".metadata.json") && !IsHidden(key.substr(root.key.size()))) {
      MORAINE_TRY(NoteForeign(file, key));
    }
    for (std::string_view log : kLogsOfOthers) {
      const size_t at = key.find(log);
      if (at != key.npos) MORAINE_TRY(AddForeign(key.substr(0, at)));
    }
    switch (rules_->Of(file, key, root.key)) {
      case OrphanRules::Verdict::kYoung:
        ++result_.young;
        return {};
      case OrphanRules::Verdict::kSpared:
        ++result_.spared;
        return {};
      case OrphanRules::Verdict::kCandidate:
        break;
    }
    // By name first: the next step looks for the same name outside.
    return candidates_.Add(io::BaseName(key), PackFile(file));
  }

  /// What is left after names that are reached elsewhere, in the order of locations.
  Status WriteList() {
    for (const std::string& file : shared_with_) result_.foreign.push_back(file);
    for (const std::string& folder : foreign_) {
      if (result_.foreign.size() < kExamples) result_.foreign.push_back(folder);
    }
    if (candidates_.added() == 0) return {};
    MORAINE_ASSIGN(PathCursor sorted, outside_.Sort());
    Reached outside(std::move(sorted));
    MORAINE_ASSIGN(PathCursor at, candidates_.Sort());
    PathSorter orphans(Share(8));
    for (;;) {
      MORAINE_ASSIGN(const bool more, at.Next());
      if (!more) break;
      MORAINE_ASSIGN(const bool elsewhere, outside.Has(at.key()));
      MORAINE_ASSIGN(const auto file, UnpackFile(at.payload()));
      MORAINE_ASSIGN(const std::string key, PathKey(file.location));
      if (elsewhere || KeyIsBelowAny(key, foreign_)) {
        ++result_.spared;
        continue;
      }
      MORAINE_TRY(orphans.Add(file.location, at.payload()));
    }
    if (orphans.added() == 0) return {};
    MORAINE_ASSIGN(PathCursor ordered, orphans.Sort());
    MORAINE_ASSIGN(auto list,
                   FileListWriter::Make(call_, files_, task_.OutputPrefix() + "orphans.list"));
    for (;;) {
      MORAINE_ASSIGN(const bool more, ordered.Next());
      if (!more) break;
      MORAINE_ASSIGN(const auto file, UnpackFile(ordered.payload()));
      MORAINE_TRY(list.Add(call_, file));
      if (result_.examples.size() < kExamples) result_.examples.push_back(file.location);
    }
    MORAINE_TRY(list.Close(call_));
    result_.list = list.location();
    result_.orphans = list.entries();
    result_.orphan_bytes = list.bytes();
    result_.spilled_bytes += orphans.spilled_bytes();
    return {};
  }

  Call& call_;
  io::FileSystem& files_;
  const tasks::MaintenanceTask& task_;
  const OrphanBody& body_;
  const JobOptions& options_;
  JobProgress* progress_;
  iceberg::TableMetadata metadata_;
  std::vector<Root> roots_;
  std::optional<OrphanRules> rules_;
  std::set<std::string> metadata_folders_;  // keys, with a slash at the end
  std::set<std::string> foreign_;           // keys
  std::vector<io::FileInfo> strangers_;
  std::set<std::string> shared_with_;  // locations of metadata files
  PathSorter reached_;                 // keys
  PathSorter outside_;                 // names of reached files that lie in no root
  PathSorter stragglers_;  // listed files whose keys come in another order than the store lists
  PathSorter candidates_;  // by name
  OrphanResult result_;
  int64_t bytes_read_ = 0;
};

}  // namespace

Result<tasks::MaintenanceOutput> RunFindOrphans(Call& call, io::FileSystem& files,
                                                const tasks::MaintenanceTask& task,
                                                const JobOptions& options, JobProgress* progress) {
  const auto begun = call.clock().Mono();
  MORAINE_ASSIGN(const OrphanBody body, OrphanBodyFromJson(task.body));
  OrphanSearch search(call, files, task, body, options, progress);
  MORAINE_ASSIGN(const OrphanResult result, search.Run());
  if (progress != nullptr) progress->bytes_read += search.bytes_read();
  return tasks::MaintenanceOutput{
      .result = OrphanResultToJson(result),
      .files = result.listed,
      .bytes_read = search.bytes_read(),
      .duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begun).count()};
}

std::string OrphanBodyToJson(const OrphanBody& body) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("metadata-location", body.metadata_location);
  WriteStrings("roots", body.roots, &json);
  json.Field("older-than-ms", body.older_than_ms);
  json.Field("metadata-older-than-ms", body.metadata_older_than_ms);
  WriteStrings("keep-names", body.keep_names, &json);
  json.EndObject();
  return out;
}

Result<OrphanBody> OrphanBodyFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  OrphanBody body;
  MORAINE_ASSIGN(body.metadata_location, json.String("metadata-location"));
  MORAINE_ASSIGN(body.roots, StringsOf(json, "roots"));
  MORAINE_ASSIGN(body.older_than_ms, CountOf(json, "older-than-ms"));
  MORAINE_ASSIGN(body.metadata_older_than_ms, CountOf(json, "metadata-older-than-ms"));
  MORAINE_ASSIGN(body.keep_names, StringsOf(json, "keep-names"));
  return body;
}

std::string OrphanResultToJson(const OrphanResult& result) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("list", result.list).Field("orphans", result.orphans);
  json.Field("orphan-bytes", result.orphan_bytes).Field("listed", result.listed);
  json.Field("reached", result.reached);
  json.Field("young", result.young).Field("spared", result.spared);
  json.Field("listed-at-ms", result.listed_at_ms).Field("spilled-bytes", result.spilled_bytes);
  WriteStrings("examples", result.examples, &json);
  WriteStrings("foreign", result.foreign, &json);
  json.EndObject();
  return out;
}

Result<OrphanResult> OrphanResultFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  OrphanResult result;
  MORAINE_ASSIGN(result.list, TextOf(json, "list"));
  MORAINE_ASSIGN(result.orphans, CountOf(json, "orphans"));
  MORAINE_ASSIGN(result.orphan_bytes, CountOf(json, "orphan-bytes"));
  MORAINE_ASSIGN(result.listed, CountOf(json, "listed"));
  MORAINE_ASSIGN(result.reached, CountOf(json, "reached"));
  MORAINE_ASSIGN(result.young, CountOf(json, "young"));
  MORAINE_ASSIGN(result.spared, CountOf(json, "spared"));
  MORAINE_ASSIGN(result.listed_at_ms, CountOf(json, "listed-at-ms"));
  MORAINE_ASSIGN(result.spilled_bytes, CountOf(json, "spilled-bytes"));
  MORAINE_ASSIGN(result.examples, StringsOf(json, "examples"));
  MORAINE_ASSIGN(result.foreign, StringsOf(json, "foreign"));
  return result;
}

}  // namespace moraine::upkeep
