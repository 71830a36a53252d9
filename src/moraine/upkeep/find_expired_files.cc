#include "moraine/upkeep/find_expired_files.h"

#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/metadata_file.h"

namespace moraine::upkeep {
namespace {

constexpr std::string_view kKindNames[kExpiredKinds] = {"data", "deletes", "statistics",
                                                        "manifests", "manifest-lists"};

/// Made when the first file comes: a list without entries is none.
class LazyList {
 public:
  LazyList(Call& call, io::FileSystem& files, std::string location)
      : call_(call), files_(files), location_(std::move(location)) {}

  Status Add(const ExpiredFile& file) {
    if (!writer_) {
      MORAINE_ASSIGN(auto made, FileListWriter::Make(call_, files_, location_));
      writer_.emplace(std::move(made));
    }
    io::FileInfo info;
    info.location = file.path;
    info.size_bytes = file.bytes;
    return writer_->Add(call_, info);
  }
  /// Where it is, or "".
  Result<std::string> Close() {
    if (!writer_) return std::string();
    MORAINE_TRY(writer_->Close(call_));
    return location_;
  }

 private:
  Call& call_;
  io::FileSystem& files_;
  const std::string location_;
  std::optional<FileListWriter> writer_;
};

}  // namespace

std::string ExpiredFilesTaskToJson(const ExpiredFilesTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("metadata-location", task.metadata_location);
  out.Field("before-commit", task.before_commit);
  WriteExpiredSnapshots(task.expired, &out.Key("expired"));
  out.EndObject();
  return text;
}

Result<ExpiredFilesTask> ExpiredFilesTaskFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  ExpiredFilesTask task;
  MORAINE_ASSIGN(task.metadata_location, json.String("metadata-location"));
  MORAINE_ASSIGN(task.before_commit, json.Bool("before-commit"));
  MORAINE_ASSIGN(const JsonCursor expired, json.Get("expired"));
  MORAINE_ASSIGN(task.expired, ExpiredSnapshotsFromJson(expired));
  return task;
}

std::string ExpiredFilesResultToJson(const ExpiredFilesResult& result) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("list", result.list_location).Field("stale", result.stale);
  for (size_t i = 0; i < kExpiredKinds; ++i) {
    out.Key(kKindNames[i]).BeginObject().Field("files", result.counts.files[i]);
    out.Field("bytes", result.counts.bytes[i]).EndObject();
  }
  out.Field("elsewhere", result.counts.elsewhere).Field("missing", result.counts.missing);
  out.Field("lists-read", result.counts.lists_read);
  out.Field("manifests-read", result.counts.manifests_read);
  out.Field("entries-read", result.counts.entries_read).EndObject();
  return text;
}

Result<ExpiredFilesResult> ExpiredFilesResultFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  ExpiredFilesResult result;
  MORAINE_ASSIGN(result.list_location, json.String("list"));
  MORAINE_ASSIGN(result.stale, json.Bool("stale"));
  for (size_t i = 0; i < kExpiredKinds; ++i) {
    MORAINE_ASSIGN(const JsonCursor kind, json.Get(kKindNames[i]));
    MORAINE_ASSIGN(result.counts.files[i], kind.Int64("files"));
    MORAINE_ASSIGN(result.counts.bytes[i], kind.Int64("bytes"));
  }
  MORAINE_ASSIGN(result.counts.elsewhere, json.Int64("elsewhere"));
  MORAINE_ASSIGN(result.counts.missing, json.Int64("missing"));
  MORAINE_ASSIGN(result.counts.lists_read, json.Int64("lists-read"));
  MORAINE_ASSIGN(result.counts.manifests_read, json.Int64("manifests-read"));
  MORAINE_ASSIGN(result.counts.entries_read, json.Int64("entries-read"));
  return result;
}

Result<tasks::MaintenanceOutput> RunFindExpiredFiles(Call& call, io::FileSystem& files,
                                                     const tasks::MaintenanceTask& task,
                                                     const JobOptions& options,
                                                     JobProgress* progress) {
  const MonoTime begun = call.clock().Mono();
  MORAINE_ASSIGN(const ExpiredFilesTask body, ExpiredFilesTaskFromJson(task.body));
  ExpiredFilesResult result;
  auto loaded = ReadMetadataOf(call, files, task.table_uuid, body.metadata_location);
  if (loaded.status().code() == Code::kNotFound) {
    result.stale = true;
    return tasks::MaintenanceOutput{.result = ExpiredFilesResultToJson(result)};
  }
  MORAINE_ASSIGN(const auto metadata, std::move(loaded));
  LazyList list(call, files, task.OutputPrefix() + "expired.list");
  MORAINE_ASSIGN(
      result.counts,
      FindExpiredFiles(
          call, files, metadata, body.expired,
          {.before_commit = body.before_commit, .memory_bytes = options.memory_bytes}, progress,
          [&](const ExpiredFile& file) { return body.before_commit ? Status() : list.Add(file); }));
  MORAINE_ASSIGN(result.list_location, list.Close());
  tasks::MaintenanceOutput output;
  output.result = ExpiredFilesResultToJson(result);
  output.files = result.counts.all_files();
  output.duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begun).count();
  return output;
}

}  // namespace moraine::upkeep
