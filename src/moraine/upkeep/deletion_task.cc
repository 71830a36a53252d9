#include "moraine/upkeep/deletion_task.h"

#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/metadata_file.h"
#include "moraine/upkeep/path_key.h"
#include "moraine/upkeep/reachable_files.h"

namespace moraine::upkeep {
namespace {

constexpr int64_t kClocksDifferMs = 120'000;

Status CheckBody(const DeletionBody& body) {
  if (body.list.empty()) return InvalidArgument("a deletion names no list");
  if (body.roots.empty()) return InvalidArgument("a deletion names no folders");
  if (body.count > 10 * kDeletionChunk) {
    return InvalidArgument(
        fmt::format("a deletion of {} files at once, at most {}", body.count, 10 * kDeletionChunk));
  }
  if (body.metadata_location.empty() != body.table_gone) {
    return InvalidArgument("a deletion has the table's metadata, or says that the table is gone");
  }
  return {};
}

/// The files of the chunk that may go, and what is left out.
class Chunk {
 public:
  Chunk(Call& call, io::FileSystem& files, const tasks::MaintenanceTask& task,
        const DeletionBody& body, const JobOptions& options)
      : call_(call), files_(files), task_(task), body_(body), options_(options) {}

  Status Read() {
    MORAINE_ASSIGN(auto list, FileListReader::Open(call_, files_, body_.list));
    MORAINE_ASSIGN(entries_, list.Read(call_, body_.first, body_.count));
    MORAINE_ASSIGN(const auto roots, FolderKeys(body_.roots));
    for (size_t i = 0; i < entries_.size(); ++i) {
      MORAINE_ASSIGN(const std::string key, PathKey(entries_[i].location));
      if (!KeyIsBelowAny(key, roots)) {
        return PermissionDenied(fmt::format(
            "a file to delete lies outside of the table's folders: {}", entries_[i].location));
      }
      by_key_[key].push_back(i);
    }
    kept_.resize(entries_.size());
    return {};
  }

  /// Marks what the table's newest version reaches.
  Status LookAgain() {
    if (body_.table_gone || entries_.empty()) return {};
    auto read_now = ReadMetadata(body_.metadata_location);
    is_stale_ = read_now.status().code() == Code::kNotFound;
    if (is_stale_) return {};
    MORAINE_TRY(read_now.status());
    const iceberg::TableMetadata& now = *read_now;
    // Nothing was committed since.
    if (body_.base_metadata_location == body_.metadata_location) return {};
    ReachOptions reach{
        .sort = {.memory_bytes = options_.memory_bytes / 4, .spill_folder = options_.spill_folder}};
    iceberg::TableMetadata base;
    if (!body_.base_metadata_location.empty()) {
      auto read = ReadMetadata(body_.base_metadata_location);
      // One that has been trimmed since: then all is looked at.
      if (read.ok()) {
        base = std::move(*read);
        reach.known = &base;
      } else if (read.status().code() != Code::kNotFound) {
        return std::move(read).status();
      }
    }
    auto visit = [this](const std::vector<ReachedFile>& found) -> Status {
      for (const ReachedFile& file : found) {
        MORAINE_ASSIGN(const std::string key, PathKey(file.location));
        auto here = by_key_.find(key);
        if (here == by_key_.end()) continue;
        for (size_t i : here->second) kept_[i] = true;
      }
      return {};
    };
    MORAINE_ASSIGN(const auto counts,
                   VisitReachable(call_, files_, now, body_.metadata_location, reach, visit));
    bytes_read_ = counts.bytes_read;
    return {};
  }

  /// Splits; the order stays.
  std::vector<io::FileInfo> TakeThoseToGo() {
    by_key_.clear();
    std::vector<io::FileInfo> out;
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (!kept_[i]) out.push_back(std::move(entries_[i]));
    }
    entries_.clear();
    return out;
  }
  int64_t size() const { return static_cast<int64_t>(kept_.size()); }
  int64_t bytes_read() const { return bytes_read_; }
  bool is_stale() const { return is_stale_; }

 private:
  Result<iceberg::TableMetadata> ReadMetadata(const std::string& location) {
    return ReadMetadataOf(call_, files_, task_.table_uuid, location);
  }

  Call& call_;
  io::FileSystem& files_;
  const tasks::MaintenanceTask& task_;
  const DeletionBody& body_;
  const JobOptions& options_;
  std::vector<io::FileInfo> entries_;
  std::unordered_map<std::string, std::vector<size_t>> by_key_;
  std::vector<bool> kept_;
  int64_t bytes_read_ = 0;
  bool is_stale_ = false;
};

/// Where each goes; by the number of its root, so that it finds its way back.
std::vector<Move> Moves(const std::vector<io::FileInfo>& what, const DeletionBody& body,
                        BatchOutcome* refused) {
  std::vector<Move> moves;
  for (const io::FileInfo& file : what) {
    bool found = false;
    for (size_t i = 0; i < body.roots.size() && !found; ++i) {
      std::string root = body.roots[i];
      if (!root.ends_with('/')) root += '/';
      if (!file.location.starts_with(root)) continue;
      moves.push_back(
          {file, fmt::format("{}/{}/{}", body.quarantine, i, file.location.substr(root.size()))});
      found = true;
    }
    if (!found) {
      refused->failed.emplace_back(file.location,
                                   InvalidArgument("not named as the table's folders are"));
    }
  }
  return moves;
}

Result<BatchOutcome> Apply(Call& call, io::FileSystem& files, const tasks::MaintenanceTask& task,
                           const DeletionBody& body, const std::vector<io::FileInfo>& what,
                           JobProgress* progress) {
  const auto proof = body.table_gone
                         ? iceberg::DeletionProof::TableGone(task.table_uuid, body.table_version)
                         : iceberg::DeletionProof::NotReachable(task.table_uuid, body.table_version,
                                                                body.listed_before_ms);
  const BatchOptions batch{.table = task.table,
                           .files_per_second = body.files_per_second,
                           .until_ms = body.fresh_until_ms,
                           .done = progress == nullptr ? nullptr : &progress->files};
  if (body.quarantine.empty()) return DeleteInBatches(call, files, proof, what, batch);
  BatchOutcome refused;
  const auto moves = Moves(what, body, &refused);
  MORAINE_ASSIGN(auto outcome, MoveInBatches(call, files, proof, moves, batch));
  for (auto& failed : refused.failed) outcome.failed.push_back(std::move(failed));
  return outcome;
}

}  // namespace

Result<tasks::MaintenanceOutput> RunDeleteFiles(Call& call, io::FileSystem& files,
                                                const tasks::MaintenanceTask& task,
                                                const JobOptions& options, JobProgress* progress) {
  const auto begun = call.clock().Mono();
  MORAINE_ASSIGN(const DeletionBody body, DeletionBodyFromJson(task.body));
  const int64_t now_ms = ToMillis(call.clock().Wall());
  const bool is_late = body.fresh_until_ms > 0 && now_ms > body.fresh_until_ms;
  if (is_late || now_ms + kClocksDifferMs < body.made_ms) {
    return tasks::MaintenanceOutput{.result = DeletionResultToJson({.stale = true})};
  }
  Chunk chunk(call, files, task, body, options);
  MORAINE_TRY(chunk.Read());
  MORAINE_TRY(chunk.LookAgain());
  if (chunk.is_stale())
    return tasks::MaintenanceOutput{.result = DeletionResultToJson({.stale = true})};
  const auto what = chunk.TakeThoseToGo();
  MORAINE_ASSIGN(auto outcome, Apply(call, files, task, body, what, progress));
  DeletionResult result{.kept = chunk.size() - static_cast<int64_t>(what.size()),
                        .stale = outcome.left > 0};
  AddOutcome(outcome, &result);
  if (progress != nullptr) progress->bytes_read += chunk.bytes_read();
  return tasks::MaintenanceOutput{
      .result = DeletionResultToJson(result),
      .files = result.deleted,
      .bytes_read = chunk.bytes_read(),
      .duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begun).count()};
}

void AddOutcome(const BatchOutcome& outcome, DeletionResult* result) {
  result->deleted += outcome.deleted;
  result->bytes += outcome.bytes;
  NoteFailures(outcome.failed, result);
}

void NoteFailures(const std::vector<std::pair<std::string, Status>>& failed,
                  DeletionResult* result) {
  constexpr size_t kTold = 20;
  for (const auto& [path, status] : failed) {
    ++result->failed;
    const bool passes = status.code() == Code::kUnavailable || status.code() == Code::kExhausted ||
                        status.code() == Code::kDeadline;
    result->passing += passes ? 1 : 0;
    if (result->failures.size() < kTold) result->failures.emplace_back(path, status.ToString());
  }
}

std::string DeletionBodyToJson(const DeletionBody& body) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("list", body.list).Field("first", body.first);
  json.Field("count", body.count);
  WriteStrings("roots", body.roots, &json);
  json.Field("metadata-location", body.metadata_location);
  json.Field("base-metadata-location", body.base_metadata_location);
  json.Field("table-version", body.table_version).Field("listed-before-ms", body.listed_before_ms);
  json.Field("table-gone", body.table_gone).Field("fresh-until-ms", body.fresh_until_ms);
  json.Field("made-ms", body.made_ms);
  json.Field("files-per-second", body.files_per_second).Field("quarantine", body.quarantine);
  json.EndObject();
  return out;
}

Result<DeletionBody> DeletionBodyFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  DeletionBody body;
  MORAINE_ASSIGN(body.list, json.String("list"));
  MORAINE_ASSIGN(body.first, CountOf(json, "first"));
  MORAINE_ASSIGN(body.count, CountOf(json, "count"));
  MORAINE_ASSIGN(body.roots, StringsOf(json, "roots"));
  MORAINE_ASSIGN(body.metadata_location, TextOf(json, "metadata-location"));
  MORAINE_ASSIGN(body.base_metadata_location, TextOf(json, "base-metadata-location"));
  MORAINE_ASSIGN(body.table_version, CountOf(json, "table-version"));
  MORAINE_ASSIGN(body.listed_before_ms, CountOf(json, "listed-before-ms"));
  MORAINE_ASSIGN(body.table_gone, SwitchOf(json, "table-gone"));
  MORAINE_ASSIGN(body.fresh_until_ms, CountOf(json, "fresh-until-ms"));
  MORAINE_ASSIGN(body.made_ms, CountOf(json, "made-ms"));
  MORAINE_ASSIGN(body.files_per_second, CountOf(json, "files-per-second"));
  MORAINE_ASSIGN(body.quarantine, TextOf(json, "quarantine"));
  MORAINE_TRY(CheckBody(body));
  return body;
}

std::string DeletionResultToJson(const DeletionResult& result) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("deleted", result.deleted).Field("kept", result.kept);
  json.Field("failed", result.failed).Field("passing", result.passing);
  json.Field("bytes", result.bytes);
  json.Field("stale", result.stale);
  json.Key("failures").BeginArray();
  for (const auto& [path, reason] : result.failures) {
    json.BeginObject().Field("file", path).Field("reason", reason).EndObject();
  }
  json.EndArray().EndObject();
  return out;
}

Result<DeletionResult> DeletionResultFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  DeletionResult result;
  MORAINE_ASSIGN(result.deleted, CountOf(json, "deleted"));
  MORAINE_ASSIGN(result.kept, CountOf(json, "kept"));
  MORAINE_ASSIGN(result.failed, CountOf(json, "failed"));
  MORAINE_ASSIGN(result.passing, CountOf(json, "passing"));
  MORAINE_ASSIGN(result.bytes, CountOf(json, "bytes"));
  MORAINE_ASSIGN(result.stale, SwitchOf(json, "stale"));
  MORAINE_ASSIGN(auto failures, json.Find("failures"));
  for (size_t i = 0; failures && i < failures->size(); ++i) {
    const JsonCursor failure = failures->At(i);
    MORAINE_ASSIGN(std::string file, failure.String("file"));
    MORAINE_ASSIGN(std::string reason, failure.String("reason"));
    result.failures.emplace_back(std::move(file), std::move(reason));
  }
  return result;
}

}  // namespace moraine::upkeep
