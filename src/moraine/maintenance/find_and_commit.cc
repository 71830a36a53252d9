#include "moraine/maintenance/find_and_commit.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/upkeep/change_validity.h"
#include "moraine/upkeep/metadata_file.h"

namespace moraine::maintenance {
namespace {

constexpr int64_t kMostLooks = 5;  ///< that others may spoil
constexpr int64_t kMostRounds = 1'000;

struct Progress {
  int64_t rounds = 0;  ///< commits
  int64_t lost = 0;    ///< looks in vain
  int64_t files = 0;
  int64_t bytes = 0;
  bool more = false;
  std::string what;
  Json details = Json::MakeObject();
  std::string note = "{}";
  std::optional<std::string> wish;  ///< unset: of an older version
};

std::string ToState(const Progress& progress) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("rounds", progress.rounds).Field("lost", progress.lost);
  out.Field("files", progress.files).Field("bytes", progress.bytes);
  out.Field("more", progress.more).Field("what", progress.what);
  out.Field("details", progress.details).Field("note", progress.note);
  if (progress.wish) out.Field("wish", *progress.wish);
  out.EndObject();
  return text;
}

Result<Progress> FromState(std::string_view state) {
  MORAINE_ASSIGN(const Json document, Json::Parse(state));
  const JsonCursor json(document);
  Progress progress;
  MORAINE_ASSIGN(auto rounds, json.OptInt64("rounds"));
  if (!rounds) return progress;  // before the first step
  progress.rounds = *rounds;
  MORAINE_ASSIGN(progress.lost, json.Int64("lost"));
  MORAINE_ASSIGN(progress.files, json.Int64("files"));
  MORAINE_ASSIGN(progress.bytes, json.Int64("bytes"));
  MORAINE_ASSIGN(progress.more, json.Bool("more"));
  MORAINE_ASSIGN(progress.what, json.String("what"));
  MORAINE_ASSIGN(progress.note, json.String("note"));
  MORAINE_ASSIGN(const JsonCursor details, json.Get("details"));
  progress.details = details.json();
  MORAINE_ASSIGN(progress.wish, json.OptString("wish"));
  return progress;
}

std::string MemoryOf(const Progress& progress, std::optional<int64_t> looked_through) {
  auto parsed = Json::Parse(progress.note);
  Json memory = parsed.ok() && parsed->is_object() ? *std::move(parsed) : Json::MakeObject();
  if (looked_through) memory.Set("snapshot", *looked_through);
  return memory.ToString();
}

/// looked_through: a snapshot in which nothing is left to find.
Done Finished(const RunContext& context, const Progress& progress, std::string summary,
              std::optional<int64_t> looked_through = std::nullopt) {
  Done done;
  done.summary = std::move(summary);
  done.files_removed = progress.files;
  done.bytes_removed = progress.bytes;
  done.details = progress.details.ToString();
  // A dry run has changed nothing that the next run may rely on.
  if (!context.dry_run) done.memory = MemoryOf(progress, looked_through);
  return done;
}

}  // namespace

std::string WhyLeftAlone(const catalog::LoadedTable& table, std::string_view property) {
  const auto& properties = table.metadata->properties;
  if (upkeep::IsEncrypted(*table.metadata)) return "the table is encrypted";
  if (table.origin == "registered" && !properties.contains(std::string(property))) {
    return fmt::format("the table was registered, it may be another's: {} must be set on itself",
                       property);
  }
  return "";
}

std::optional<Json> Remembered(const RunContext& context, std::string_view key) {
  auto memory = Json::Parse(context.memory);
  if (!memory.ok() || !memory->is_object()) return std::nullopt;
  const Json* value = memory->Find(key);
  if (value == nullptr) return std::nullopt;
  return *value;
}

Result<Step> FindAndCommit::Start(Call& call, const RunContext& context) {
  if (auto why = WhyLeftAlone(*context.table, property()); !why.empty())
    return Step(Nothing{std::move(why), {}, kNever});
  const int64_t current = context.table->metadata->current_snapshot_id;
  auto seen = Remembered(context, "snapshot");
  if (remembers() && !context.dry_run && seen && seen->is_number() && seen->int64() == current)
    return Step(Nothing{"nothing was committed since the last look", {}, kNever});
  MORAINE_ASSIGN(Look look, Decide(call, context));
  if (!look.task) {
    Nothing nothing{std::move(look.reason), {}};
    if (remembers()) nothing.until_ms = kNever;  // it is as the snapshot is
    return Step(std::move(nothing));
  }
  if (context.dry_run) {
    if (auto done = DryRun(context, look)) return Step(*std::move(done));
  }
  RunTasks tasks;
  tasks.tasks.push_back(*std::move(look.task));
  Progress progress;
  progress.wish = Wish(context);
  tasks.state = ToState(progress);
  tasks.progress = std::move(look.reason);
  return Step(std::move(tasks));
}

Result<Step> FindAndCommit::Continue(Call& call, const RunContext& context,
                                     const std::vector<TaskResult>& results) {
  MORAINE_ASSIGN(Progress progress, FromState(context.state));
  const auto summary = [&] {
    if (progress.rounds == 0) return std::string("nothing was found");
    return fmt::format("{} {}", progress.what, done_word());
  };
  const auto look_again = [&]() -> Result<Step> {
    MORAINE_ASSIGN(Look look, Decide(call, context));
    if (!look.task) return Step(Finished(context, progress, summary()));
    progress.wish = Wish(context);
    RunTasks tasks;
    tasks.tasks.push_back(*std::move(look.task));
    tasks.state = ToState(progress);
    tasks.progress = std::move(look.reason);
    return Step(std::move(tasks));
  };
  if (results.empty()) {
    if (progress.more && progress.rounds < kMostRounds) return look_again();
    return Step(Finished(context, progress, summary()));
  }
  MORAINE_TRY(results.back().status);
  MORAINE_ASSIGN(Found found, Read(context, results.back()));
  if (!found.changes) {
    if (progress.rounds == 0) progress.details = std::move(found.details);
    progress.note = std::move(found.note);
    std::string said = summary();
    if (!found.unseen.empty()) said += "; " + found.unseen;
    return Step(Finished(context, progress, std::move(said), found.snapshot_id));
  }
  if (progress.wish && *progress.wish != Wish(context)) {
    return Step(Finished(
        context, progress,
        fmt::format("{}; then the table's properties were changed: they hold from the next run on",
                    summary())));
  }
  if (!context.dry_run) {
    MORAINE_ASSIGN(
        const std::string why,
        upkeep::WhyNoLongerValid(call, *context.files, *context.table->metadata, *found.changes));
    if (!why.empty()) {
      if (++progress.lost < kMostLooks) return look_again();
      return Step(Finished(context, progress,
                           fmt::format("{}; then others were quicker: {}", summary(), why)));
    }
  }
  ++progress.rounds;
  progress.files += found.files_removed;
  progress.bytes += found.bytes_removed;
  progress.more = found.more;
  progress.what = progress.rounds == 1
                      ? found.what
                      : fmt::format("in {} rounds {} files", progress.rounds, progress.files);
  progress.details = std::move(found.details);
  progress.note = std::move(found.note);
  if (context.dry_run)
    return Step(
        Finished(context, progress, fmt::format("{} would be {}", found.what, done_word())));
  TableChange change;
  change.change = *std::move(found.changes);
  change.state = ToState(progress);
  change.progress = fmt::format("{} {}", progress.what, done_word());
  return Step(std::move(change));
}

}  // namespace moraine::maintenance
