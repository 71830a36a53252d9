#include "moraine/upkeep/quarantine_task.h"

#include <chrono>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/io/location.h"
#include "moraine/upkeep/batch_deletion.h"
#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/deletion_task.h"
#include "moraine/upkeep/orphan_task.h"

namespace moraine::upkeep {
namespace {

constexpr size_t kPage = 5000;

using DoPage = std::function<Result<BatchOutcome>(const std::vector<io::FileInfo>&)>;

std::string MarkerOf(const QuarantineBody& body) {
  return fmt::format("{}/{}", body.folder, kQuarantineRoots);
}

/// Of all files that it holds, the marker aside; that goes when all have gone.
Result<tasks::MaintenanceOutput> EachPage(Call& call, io::FileSystem& files,
                                          const tasks::MaintenanceTask& task,
                                          const QuarantineBody& body, JobProgress* progress,
                                          const DoPage& apply) {
  const auto begun = call.clock().Mono();
  const std::string marker = MarkerOf(body);
  DeletionResult result;
  std::string after;
  for (bool more = true; more;) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(auto listing, files.List(call, body.folder + "/", after, kPage));
    if (listing.files.empty()) break;
    more = !listing.complete;
    after = listing.files.back().location;
    std::erase_if(listing.files, [&](const auto& file) { return file.location == marker; });
    MORAINE_ASSIGN(const auto outcome, apply(listing.files));
    AddOutcome(outcome, &result);
    result.stale = outcome.left > 0;
    if (progress != nullptr) progress->files += static_cast<int64_t>(listing.files.size());
    if (result.stale) break;
  }
  // While something is left it must be known where that came from.
  if (result.failed == 0 && !result.stale) {
    const auto proof = iceberg::DeletionProof::Quarantined(body.folder);
    const io::FileInfo file{.location = marker};
    MORAINE_ASSIGN(const auto outcome,
                   DeleteInBatches(call, files, proof, {&file, 1}, {.table = task.table}));
    AddOutcome({.failed = outcome.failed}, &result);
  }
  return tasks::MaintenanceOutput{
      .result = DeletionResultToJson(result),
      .files = result.deleted,
      .bytes_read = 0,
      .duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begun).count()};
}

/// Where a file of the quarantine came from. Errors: InvalidArgument.
Result<std::string> OriginOf(const std::string& location, const QuarantineBody& body) {
  const std::string_view rest = std::string_view(location).substr(body.folder.size() + 1);
  const size_t slash = rest.find('/');
  if (slash == rest.npos || slash + 1 == rest.size()) {
    return InvalidArgument("not a file of the quarantine: " + location);
  }
  MORAINE_ASSIGN(const int64_t root, ParseInt64(rest.substr(0, slash)));
  if (root < 0 || root >= static_cast<int64_t>(body.roots.size())) {
    return InvalidArgument("the folder that it came from is not known: " + location);
  }
  std::string to = body.roots[static_cast<size_t>(root)];
  if (!to.ends_with('/')) to += '/';
  return to + std::string(rest.substr(slash + 1));
}

}  // namespace

std::string QuarantineFolder(std::string_view table_location, std::string_view run_id) {
  return fmt::format("{}/{}", io::JoinLocation(table_location, kQuarantineFolder), run_id);
}

Result<tasks::MaintenanceOutput> RunEmptyQuarantine(Call& call, io::FileSystem& files,
                                                    const tasks::MaintenanceTask& task,
                                                    const JobOptions& options,
                                                    JobProgress* progress) {
  (void)options;
  MORAINE_ASSIGN(const QuarantineBody body, QuarantineBodyFromJson(task.body));
  const auto proof = iceberg::DeletionProof::Quarantined(body.folder);
  const BatchOptions batch{.table = task.table,
                           .files_per_second = body.files_per_second,
                           .until_ms = body.fresh_until_ms};
  return EachPage(call, files, task, body, progress, [&](const std::vector<io::FileInfo>& page) {
    return DeleteInBatches(call, files, proof, page, batch);
  });
}

Result<tasks::MaintenanceOutput> RunRestoreQuarantine(Call& call, io::FileSystem& files,
                                                      const tasks::MaintenanceTask& task,
                                                      const JobOptions& options,
                                                      JobProgress* progress) {
  (void)options;
  MORAINE_ASSIGN(const QuarantineBody body, QuarantineBodyFromJson(task.body));
  const auto proof = iceberg::DeletionProof::Quarantined(body.folder);
  const BatchOptions batch{.table = task.table,
                           .files_per_second = body.files_per_second,
                           .until_ms = body.fresh_until_ms};
  return EachPage(call, files, task, body, progress,
                  [&](const std::vector<io::FileInfo>& page) -> Result<BatchOutcome> {
                    std::vector<Move> moves;
                    for (const io::FileInfo& file : page) {
                      MORAINE_ASSIGN(std::string origin, OriginOf(file.location, body));
                      moves.push_back({file, std::move(origin)});
                    }
                    return MoveInBatches(call, files, proof, moves, batch);
                  });
}

std::string QuarantineBodyToJson(const QuarantineBody& body) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("folder", body.folder);
  WriteStrings("roots", body.roots, &json);
  json.Field("files-per-second", body.files_per_second);
  json.Field("fresh-until-ms", body.fresh_until_ms).EndObject();
  return out;
}

Result<QuarantineBody> QuarantineBodyFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  QuarantineBody body;
  MORAINE_ASSIGN(body.folder, json.String("folder"));
  MORAINE_ASSIGN(body.roots, StringsOf(json, "roots"));
  MORAINE_ASSIGN(body.files_per_second, CountOf(json, "files-per-second"));
  MORAINE_ASSIGN(body.fresh_until_ms, CountOf(json, "fresh-until-ms"));
  return body;
}

}  // namespace moraine::upkeep
