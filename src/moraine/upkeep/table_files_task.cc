#include "moraine/upkeep/table_files_task.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/metadata_file.h"
#include "moraine/upkeep/path_key.h"
#include "moraine/upkeep/path_sort.h"
#include "moraine/upkeep/reachable_files.h"

namespace moraine::upkeep {
namespace {

/// In which order files go: what leads to others stays longer.
char OrderOf(ReachedKind kind) {
  switch (kind) {
    case ReachedKind::kContent:
      return 'a';
    case ReachedKind::kManifest:
      return 'b';
    case ReachedKind::kManifestList:
      return 'c';
    case ReachedKind::kStatistics:
      return 'd';
    case ReachedKind::kMetadata:
      return 'e';
  }
  return 'e';
}

Result<TableFilesResult> WriteList(Call& call, io::FileSystem& files, PathSorter& found,
                                   const std::string& location) {
  MORAINE_ASSIGN(PathCursor at, found.Sort());
  MORAINE_ASSIGN(auto list, FileListWriter::Make(call, files, location));
  std::string last;
  for (;;) {
    MORAINE_ASSIGN(const bool more, at.Next());
    if (!more) break;
    const std::string_view name = at.key().substr(1);
    if (name == last) continue;
    last = name;
    std::string_view payload = at.payload();
    MORAINE_ASSIGN(const uint64_t size, TakeVarint(&payload));
    MORAINE_TRY(list.Add(call, {last, static_cast<int64_t>(size), 0}));
  }
  MORAINE_TRY(list.Close(call));
  return TableFilesResult{.list = location, .files = list.entries(), .bytes = list.bytes()};
}

}  // namespace

Result<tasks::MaintenanceOutput> RunListTableFiles(Call& call, io::FileSystem& files,
                                                   const tasks::MaintenanceTask& task,
                                                   const JobOptions& options,
                                                   JobProgress* progress) {
  const auto begun = call.clock().Mono();
  MORAINE_ASSIGN(const auto body, TableFilesBodyFromJson(task.body));
  MORAINE_ASSIGN(const auto metadata,
                 ReadMetadataOf(call, files, task.table_uuid, body.metadata_location));
  MORAINE_ASSIGN(const auto roots, FolderKeys(body.roots));
  PathSorter found(
      {.memory_bytes = options.memory_bytes / 3, .spill_folder = options.spill_folder});
  int64_t outside = 0;
  auto visit = [&](const std::vector<ReachedFile>& some) -> Status {
    for (const ReachedFile& file : some) {
      MORAINE_ASSIGN(const std::string key, PathKey(file.location));
      if (!KeyIsBelowAny(key, roots)) {
        ++outside;
        continue;
      }
      std::string payload;
      AppendVarint(static_cast<uint64_t>(std::max<int64_t>(file.size_bytes, 0)), &payload);
      const char order = file.location == body.metadata_location ? 'f' : OrderOf(file.kind);
      MORAINE_TRY(found.Add(order + file.location, payload));
    }
    if (progress != nullptr) progress->files += static_cast<int64_t>(some.size());
    return {};
  };
  const ReachOptions reach{
      .sort = {.memory_bytes = options.memory_bytes / 6, .spill_folder = options.spill_folder}};
  MORAINE_ASSIGN(const auto counts,
                 VisitReachable(call, files, metadata, body.metadata_location, reach, visit));
  MORAINE_ASSIGN(auto result, WriteList(call, files, found, task.OutputPrefix() + "table.list"));
  result.outside = outside;
  if (progress != nullptr) progress->bytes_read += counts.bytes_read;
  return tasks::MaintenanceOutput{
      .result = TableFilesResultToJson(result),
      .files = result.files,
      .bytes_read = counts.bytes_read,
      .duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begun).count()};
}

std::string TableFilesBodyToJson(const TableFilesBody& body) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("metadata-location", body.metadata_location);
  WriteStrings("roots", body.roots, &json);
  json.EndObject();
  return out;
}

Result<TableFilesBody> TableFilesBodyFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  TableFilesBody body;
  MORAINE_ASSIGN(body.metadata_location, json.String("metadata-location"));
  MORAINE_ASSIGN(body.roots, StringsOf(json, "roots"));
  return body;
}

std::string TableFilesResultToJson(const TableFilesResult& result) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("list", result.list).Field("files", result.files);
  json.Field("bytes", result.bytes).Field("outside", result.outside).EndObject();
  return out;
}

Result<TableFilesResult> TableFilesResultFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  TableFilesResult result;
  MORAINE_ASSIGN(result.list, TextOf(json, "list"));
  MORAINE_ASSIGN(result.files, CountOf(json, "files"));
  MORAINE_ASSIGN(result.bytes, CountOf(json, "bytes"));
  MORAINE_ASSIGN(result.outside, CountOf(json, "outside"));
  return result;
}

}  // namespace moraine::upkeep
