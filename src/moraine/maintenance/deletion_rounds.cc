#include "moraine/maintenance/deletion_rounds.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace moraine::maintenance {
namespace {

constexpr size_t kChunksAtOnce = 4;
constexpr size_t kMaxAgain = 1000;
constexpr size_t kFailuresTold = 20;

using Chunks = std::vector<std::pair<int64_t, int64_t>>;

void WriteChunks(std::string_view key, const Chunks& chunks, JsonWriter* json) {
  json->Key(key).BeginArray();
  for (const auto& [first, count] : chunks) json->Int(first).Int(count);
  json->EndArray();
}

/// Absent: none.
Result<Chunks> ChunksOf(const JsonCursor& json, std::string_view key) {
  Chunks chunks;
  MORAINE_ASSIGN(const auto numbers, json.Find(key));
  if (!numbers) return chunks;
  MORAINE_TRY(numbers->ExpectArray());
  for (size_t i = 0; i + 1 < numbers->size(); i += 2) {
    MORAINE_ASSIGN(const int64_t first, numbers->At(i).Int64());
    MORAINE_ASSIGN(const int64_t count, numbers->At(i + 1).Int64());
    chunks.emplace_back(first, count);
  }
  return chunks;
}

bool MayTryAgain(const upkeep::DeletionResult& result, const DeletionRounds& rounds) {
  if (result.stale || result.failed == 0) return false;
  return rounds.tries < rounds.most_tries || (rounds.last_trace && result.passing > 0);
}

/// Of the tasks of a round, should one worker do them one after the other.
constexpr int64_t kRoundSeconds = kDeletionFresh.count() / 1000 / 2;

constexpr int64_t kMostInVain = 3;

/// What a worker can delete while the look at the table is fresh.
int64_t ChunkSize(const RunContext& context) {
  const int64_t rate = context.config.delete_files_per_second;
  if (rate <= 0) return upkeep::kDeletionChunk;
  constexpr int64_t kSeconds = kRoundSeconds / static_cast<int64_t>(kChunksAtOnce);
  return rate >= upkeep::kDeletionChunk / kSeconds ? upkeep::kDeletionChunk : rate * kSeconds;
}

}  // namespace

std::string FileFailuresToJson(const FileFailures& failures) {
  std::string out;
  JsonWriter json(&out);
  json.BeginArray();
  for (const auto& [file, reason] : failures) {
    json.BeginObject().Field("file", file).Field("reason", reason).EndObject();
  }
  json.EndArray();
  return out;
}

Result<FileFailures> FileFailuresFromJson(const JsonCursor& json, std::string_view key) {
  FileFailures failures;
  MORAINE_ASSIGN(const auto list, json.Find(key));
  for (size_t i = 0; list && i < list->size(); ++i) {
    const JsonCursor one = list->At(i);
    MORAINE_ASSIGN(std::string file, one.String("file"));
    MORAINE_ASSIGN(std::string reason, one.String("reason"));
    failures.emplace_back(std::move(file), std::move(reason));
  }
  return failures;
}

void AddFailures(const FileFailures& more, FileFailures* failures) {
  for (const auto& one : more) {
    if (failures->size() < kFailuresTold) failures->push_back(one);
  }
}

std::string SayFailed(int64_t failed, const FileFailures& failures) {
  if (failed == 0) return "";
  std::string text = fmt::format(", {} could not be", failed);
  if (failures.empty()) return text;
  return text + fmt::format(", the first: {}: {}", failures[0].first, failures[0].second);
}

std::string DeletionRoundsToJson(const DeletionRounds& rounds) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("proof", rounds.proof);
  json.Key("every-task").Raw(upkeep::DeletionBodyToJson(rounds.every_task));
  json.Field("files", rounds.files).Field("bytes", rounds.bytes).Field("next", rounds.next);
  WriteChunks("again", rounds.again, &json);
  WriteChunks("later", rounds.later, &json);
  json.Field("most-tries", rounds.most_tries).Field("last-trace", rounds.last_trace);
  json.Field("tries", rounds.tries).Field("held-up-by", rounds.held_up_by);
  json.Field("deleted", rounds.deleted).Field("deleted-bytes", rounds.deleted_bytes);
  json.Field("kept", rounds.kept).Field("failed", rounds.failed);
  json.Field("made-ms", rounds.made_ms).Field("in-vain", rounds.in_vain);
  json.Key("failures").Raw(FileFailuresToJson(rounds.failures)).EndObject();
  return out;
}

Result<DeletionRounds> DeletionRoundsFromJson(const JsonCursor& json) {
  DeletionRounds rounds;
  MORAINE_ASSIGN(rounds.proof, json.String("proof"));
  MORAINE_ASSIGN(const JsonCursor every, json.Get("every-task"));
  MORAINE_ASSIGN(rounds.every_task, upkeep::DeletionBodyFromJson(every.json().ToString()));
  MORAINE_ASSIGN(rounds.files, json.Int64("files"));
  MORAINE_ASSIGN(rounds.bytes, json.Int64("bytes"));
  MORAINE_ASSIGN(rounds.next, json.Int64("next"));
  MORAINE_ASSIGN(rounds.again, ChunksOf(json, "again"));
  // What the release before this one has not written is as if it had not happened.
  MORAINE_ASSIGN(rounds.later, ChunksOf(json, "later"));
  MORAINE_ASSIGN(const auto most_tries, json.OptInt64("most-tries"));
  rounds.most_tries = most_tries.value_or(rounds.most_tries);
  MORAINE_ASSIGN(const auto last_trace, json.OptBool("last-trace"));
  rounds.last_trace = last_trace.value_or(rounds.last_trace);
  MORAINE_ASSIGN(const auto tries, json.OptInt64("tries"));
  rounds.tries = tries.value_or(0);
  MORAINE_ASSIGN(auto held_up_by, json.OptString("held-up-by"));
  rounds.held_up_by = held_up_by.value_or("");
  MORAINE_ASSIGN(rounds.deleted, json.Int64("deleted"));
  MORAINE_ASSIGN(rounds.deleted_bytes, json.Int64("deleted-bytes"));
  MORAINE_ASSIGN(rounds.kept, json.Int64("kept"));
  MORAINE_ASSIGN(rounds.failed, json.Int64("failed"));
  MORAINE_ASSIGN(rounds.failures, FileFailuresFromJson(json, "failures"));
  MORAINE_ASSIGN(const auto made_ms, json.OptInt64("made-ms"));
  rounds.made_ms = made_ms.value_or(0);
  MORAINE_ASSIGN(const auto in_vain, json.OptInt64("in-vain"));
  rounds.in_vain = in_vain.value_or(0);
  return rounds;
}

RunTasks NextRound(const RunContext& context, DeletionRounds* rounds) {
  RunTasks step;
  if (rounds->again.empty() && rounds->next >= rounds->files) {
    step.tries = ++rounds->tries;
    const size_t some = std::min(rounds->later.size(), kMaxAgain);
    rounds->again.assign(rounds->later.begin(), rounds->later.begin() + static_cast<long>(some));
    rounds->later.erase(rounds->later.begin(), rounds->later.begin() + static_cast<long>(some));
  }
  Chunks chunks;
  while (chunks.size() < kChunksAtOnce && !rounds->again.empty()) {
    chunks.push_back(rounds->again.back());
    rounds->again.pop_back();
  }
  while (chunks.size() < kChunksAtOnce && rounds->next < rounds->files) {
    const int64_t count = std::min(ChunkSize(context), rounds->files - rounds->next);
    chunks.emplace_back(rounds->next, count);
    rounds->next += count;
  }
  rounds->made_ms = context.now_ms;
  for (const auto& [first, count] : chunks) {
    upkeep::DeletionBody body = rounds->every_task;
    body.first = first;
    body.count = count;
    body.files_per_second = context.config.delete_files_per_second;
    if (!body.table_gone) {
      body.metadata_location = context.table->metadata_location;
      body.table_version = context.table->version;
    }
    // Also of a table that is gone: somebody may register it again.
    body.made_ms = context.now_ms;
    body.fresh_until_ms = context.now_ms + kDeletionFresh.count();
    const int64_t bytes =
        rounds->files > 0
            ? static_cast<int64_t>(static_cast<double>(rounds->bytes) /
                                   static_cast<double>(rounds->files) * static_cast<double>(count))
            : 0;
    step.tasks.push_back(
        {.kind = std::string(upkeep::kDeleteFilesKind),
         .body = upkeep::DeletionBodyToJson(body),
         .input_files = count,
         .deletion = FileDeletion{
             .proof = rounds->proof, .list_location = body.list, .files = count, .bytes = bytes}});
  }
  step.progress = fmt::format("{} of {} files are gone", rounds->deleted, rounds->files);
  if (step.tries > 0) {
    step.progress += fmt::format(", the rest is tried again, since: {}", rounds->held_up_by);
    rounds->held_up_by.clear();
  }
  return step;
}

Status CountRound(const RunContext& context, const std::vector<TaskResult>& results,
                  DeletionRounds* rounds) {
  bool in_vain = true;
  for (const TaskResult& task : results) {
    if (task.kind != upkeep::kDeleteFilesKind) continue;
    MORAINE_TRY(task.status);
    MORAINE_ASSIGN(const auto result, upkeep::DeletionResultFromJson(task.output.result));
    const bool again = MayTryAgain(result, *rounds);
    if (result.stale || again) {
      MORAINE_ASSIGN(const auto body, upkeep::DeletionBodyFromJson(task.body));
      (result.stale ? rounds->again : rounds->later).emplace_back(body.first, body.count);
    }
    in_vain = in_vain && result.stale;
    if (again && rounds->held_up_by.empty() && !result.failures.empty()) {
      rounds->held_up_by = result.failures[0].first + ": " + result.failures[0].second;
    }
    // The next time, what is gone counts as deleted.
    if (result.stale || again) continue;
    rounds->deleted += result.deleted;
    rounds->deleted_bytes += result.bytes;
    rounds->kept += result.kept;
    rounds->failed += result.failed;
    AddFailures(result.failures, &rounds->failures);
  }
  rounds->in_vain = in_vain ? rounds->in_vain + 1 : 0;
  if (rounds->in_vain > kMostInVain && context.now_ms < rounds->made_ms + kDeletionFresh.count()) {
    return Unavailable(
        "optimizers take the tasks that delete files when what these rely on is too old: they "
        "come too late, or their clocks are wrong");
  }
  return {};
}

}  // namespace moraine::maintenance
