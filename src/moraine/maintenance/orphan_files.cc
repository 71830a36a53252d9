#include "moraine/maintenance/orphan_files.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/locations.h"
#include "moraine/maintenance/deletion_rounds.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/maintenance/quarantines.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/surroundings.h"
#include "moraine/upkeep/expired_files.h"
#include "moraine/upkeep/orphan_task.h"
#include "moraine/upkeep/quarantine_task.h"

namespace moraine::maintenance {
namespace {

/// As long as the catalog's history leads back to older metadata files.
constexpr int64_t kMetadataAgeMs = 7LL * 24 * 3'600'000;
/// Who writes a file has committed it by then.
constexpr int64_t kYoungMs = 24LL * 3'600'000;
/// A worker's clock may be slow, and its last moves under way.
constexpr int64_t kLastMovesMs = 5 * 60'000;

struct Wish {
  std::string restore;  ///< id of a run, or "all"
  std::optional<int64_t> older_than_ms;
  bool allow_young = false;
};

Result<Wish> WishOf(const std::string& options) {
  MORAINE_ASSIGN(const Json document, Json::Parse(options));
  const JsonCursor json(document);
  Wish wish;
  MORAINE_ASSIGN(auto restore, json.OptString("restore"));
  wish.restore = restore.value_or("");
  MORAINE_ASSIGN(wish.older_than_ms, json.OptInt64("older-than-ms"));
  MORAINE_ASSIGN(const auto allow_young, json.OptBool("allow-young"));
  wish.allow_young = allow_young.value_or(false);
  return wish;
}

/// What the next step knows.
struct State {
  std::string stage;              ///< "restore", "find", "delete"
  std::string metadata_location;  ///< that the listing was compared with
  bool trusted = false;           ///< orphans go at once
  int64_t emptied = 0, emptied_bytes = 0, restored = 0;
  int64_t listed = 0, young = 0, spared = 0;
  int64_t orphans = 0, orphan_bytes = 0;
  int64_t failed = 0;  ///< files of quarantines
  FileFailures failures;
  DeletionRounds rounds;  ///< of the stage "delete"

  FileFailures all_failures() const {
    FileFailures all = failures;
    AddFailures(rounds.failures, &all);
    return all;
  }
};

std::string StateToJson(const State& state) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("stage", state.stage);
  json.Field("metadata-location", state.metadata_location).Field("trusted", state.trusted);
  json.Field("emptied", state.emptied).Field("emptied-bytes", state.emptied_bytes);
  json.Field("listed", state.listed).Field("young", state.young).Field("spared", state.spared);
  json.Field("orphans", state.orphans).Field("orphan-bytes", state.orphan_bytes);
  json.Field("failed", state.failed).Key("failures").Raw(FileFailuresToJson(state.failures));
  if (state.stage == "delete") json.Key("rounds").Raw(DeletionRoundsToJson(state.rounds));
  json.EndObject();
  return out;
}

Result<State> StateFromJson(const std::string& text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  State state;
  MORAINE_ASSIGN(state.stage, json.String("stage"));
  MORAINE_ASSIGN(state.metadata_location, json.String("metadata-location"));
  MORAINE_ASSIGN(state.trusted, json.Bool("trusted"));
  MORAINE_ASSIGN(state.emptied, json.Int64("emptied"));
  MORAINE_ASSIGN(state.emptied_bytes, json.Int64("emptied-bytes"));
  MORAINE_ASSIGN(state.listed, json.Int64("listed"));
  MORAINE_ASSIGN(state.young, json.Int64("young"));
  MORAINE_ASSIGN(state.spared, json.Int64("spared"));
  MORAINE_ASSIGN(state.orphans, json.Int64("orphans"));
  MORAINE_ASSIGN(state.orphan_bytes, json.Int64("orphan-bytes"));
  MORAINE_ASSIGN(const auto failed, json.OptInt64("failed"));
  state.failed = failed.value_or(0);
  MORAINE_ASSIGN(state.failures, FileFailuresFromJson(json, "failures"));
  MORAINE_ASSIGN(auto rounds, json.Find("rounds"));
  if (rounds) {
    MORAINE_ASSIGN(state.rounds, DeletionRoundsFromJson(*rounds));
  }
  return state;
}

bool TrustedBefore(const std::string& memory) {
  auto document = Json::Parse(memory);
  if (!document.ok() || !document->is_object()) return false;
  const Json* trusted = document->Find("trusted");
  return trusted != nullptr && trusted->is_bool() && trusted->as_bool();
}

/// Who has lost a task, or hears late that the run was cancelled, may still move files into its
/// quarantine, and delete them where they were. Errors: Unavailable until that is over.
Status CheckNothingMoves(Call& call, const RunContext& context, const Quarantine& quarantine) {
  MORAINE_ASSIGN(const auto run, store::RunFor(call, *context.database, store::Access::kRead,
                                               [&](store::Transaction& t) {
                                                 return FindRun(t, quarantine.run_id);
                                               }));
  if (!run) return {};
  const auto state = StateFromJson(run->stage);
  if (!state.ok() || state->stage != "delete") return {};
  const int64_t last_ms = std::min(run->may_write_until_ms,
                                   state->rounds.made_ms + kDeletionFresh.count() + kLastMovesMs);
  if (context.now_ms >= last_ms) return {};
  return Unavailable(fmt::format("files may still be moved to the quarantine {} until {}",
                                 quarantine.run_id, FormatTime(FromMillis(last_ms))));
}

std::string MemoryOf(bool trusted) { return trusted ? R"({"trusted":true})" : "{}"; }

NewTask QuarantineTask(const RunContext& context, std::string_view kind,
                       const Quarantine& quarantine, std::vector<std::string> roots) {
  const upkeep::QuarantineBody body{.folder = quarantine.folder,
                                    .roots = std::move(roots),
                                    .files_per_second = context.config.delete_files_per_second};
  return {.kind = std::string(kind),
          .body = upkeep::QuarantineBodyToJson(body),
          .deletion = FileDeletion{.proof = "quarantine"}};
}

Done Finished(const State& state, std::string summary) {
  const bool moved = state.stage == "delete" && !state.rounds.every_task.quarantine.empty();
  std::string details;
  JsonWriter json(&details);
  json.BeginObject().Field("listed", state.listed).Field("young", state.young);
  json.Field("spared", state.spared).Field("orphans", state.orphans);
  json.Field("orphan-bytes", state.orphan_bytes);
  json.Field("deleted", moved ? 0 : state.rounds.deleted);
  json.Field("moved", moved ? state.rounds.deleted : 0).Field("kept", state.rounds.kept);
  json.Field("failed", state.failed + state.rounds.failed);
  json.Key("failures").Raw(FileFailuresToJson(state.all_failures()));
  json.Field("emptied", state.emptied).Field("emptied-bytes", state.emptied_bytes);
  if (moved) json.Field("quarantine", state.rounds.every_task.quarantine);
  json.EndObject();
  return {.summary = std::move(summary),
          .files_removed = state.emptied + (moved ? 0 : state.rounds.deleted),
          .bytes_removed = state.emptied_bytes + (moved ? 0 : state.rounds.deleted_bytes),
          .details = std::move(details),
          .memory = MemoryOf(state.trusted)};
}

class CleanOrphanFiles final : public Action {
 public:
  upkeep::Action action() const override { return upkeep::Action::kCleanOrphanFiles; }

  Result<Step> Start(Call& call, const RunContext& context) override {
    const auto& metadata = *context.table->metadata;
    if (!context.config.gc_enabled) return Step(Nothing{"gc.enabled is false"});
    MORAINE_ASSIGN(const Wish wish, WishOf(context.options));
    // What was moved away may come back, whatever is said since.
    if (auto why = WhyLeftAlone(*context.table, "clean-orphan-file.enabled");
        !why.empty() && wish.restore.empty()) {
      return Step(Nothing{std::move(why)});
    }
    MORAINE_ASSIGN(const auto quarantines,
                   FindQuarantines(call, *context.files, metadata.location));
    if (!wish.restore.empty()) return Restore(call, context, wish, quarantines);
    MORAINE_ASSIGN(const auto claims, catalog::ClaimsOf(metadata));
    MORAINE_ASSIGN(const auto around,
                   LookAround(call, context.database, context.subject.table_id, claims));
    if (!around.taken.empty()) {
      return Step(Nothing{"another table's place overlaps the table's: " + around.taken[0]});
    }
    return Find(context, wish, quarantines, around);
  }

  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    MORAINE_ASSIGN(State state, StateFromJson(context.state));
    if (state.stage == "restore") return Restored(std::move(state), results);
    if (state.stage == "find") return Found(call, context, std::move(state), results);
    MORAINE_TRY(CountRound(context, results, &state.rounds));
    if (!state.rounds.done()) return Delete(context, std::move(state));
    const bool moved = !state.rounds.every_task.quarantine.empty();
    std::string summary = fmt::format(
        "{} orphan files ({}) were {}", state.rounds.deleted,
        FormatByteSize(state.rounds.deleted_bytes),
        moved ? "moved to the quarantine " + state.rounds.every_task.quarantine : "deleted");
    if (state.rounds.kept > 0) summary += fmt::format(", {} are used again", state.rounds.kept);
    summary += SayFailed(state.failed + state.rounds.failed, state.all_failures());
    return Step(Finished(state, std::move(summary)));
  }

 private:
  static Result<Step> Restore(Call& call, const RunContext& context, const Wish& wish,
                              const std::vector<Quarantine>& quarantines) {
    if (context.dry_run) return Step(Nothing{"a dry run brings nothing back"});
    RunTasks step{.progress = "files are brought back from quarantine"};
    for (const Quarantine& one : quarantines) {
      if (wish.restore != "all" && wish.restore != one.run_id) continue;
      MORAINE_TRY(CheckNothingMoves(call, context, one));
      MORAINE_ASSIGN(auto roots, NotedRoots(call, *context.files, one.folder));
      step.tasks.push_back(
          QuarantineTask(context, upkeep::kRestoreQuarantineKind, one, std::move(roots)));
    }
    if (step.tasks.empty()) return Step(Nothing{"there is no such quarantine"});
    State state;
    state.stage = "restore";
    step.state = StateToJson(state);
    return Step(std::move(step));
  }

  static Result<Step> Restored(State state, const std::vector<TaskResult>& results) {
    for (const TaskResult& task : results) {
      MORAINE_TRY(task.status);
      MORAINE_ASSIGN(const auto result, upkeep::DeletionResultFromJson(task.output.result));
      state.restored += result.deleted;
      state.failed += result.failed;
      AddFailures(result.failures, &state.failures);
    }
    // Somebody wanted files back: the next orphans wait in quarantine again.
    state.trusted = false;
    std::string summary = fmt::format("{} files were brought back", state.restored);
    summary += SayFailed(state.failed, state.failures);
    return Step(Finished(state, std::move(summary)));
  }

  static Result<Step> Find(const RunContext& context, const Wish& wish,
                           const std::vector<Quarantine>& quarantines, const Surroundings& around) {
    State state;
    state.stage = "find";
    state.metadata_location = context.table->metadata_location;
    state.trusted = TrustedBefore(context.memory);
    const int64_t age =
        std::max<int64_t>(wish.older_than_ms.value_or(context.config.orphan_min_age.count()), 0);
    upkeep::OrphanBody body{.metadata_location = state.metadata_location,
                            .roots = upkeep::PlacesOfTable(*context.table->metadata),
                            .older_than_ms = std::max<int64_t>(context.now_ms - age, 0),
                            .metadata_older_than_ms = context.now_ms - kMetadataAgeMs,
                            .keep_names = around.processes};
    body.keep_names.push_back(context.run_id);
    RunTasks step{.progress = "the table's folders are listed"};
    for (const Quarantine& one : quarantines) {
      const int64_t hold = context.config.orphan_quarantine_hold.count();
      const bool is_held = one.begun_ms + hold > context.now_ms;
      // Somebody may still want these back, or has tried to: others wait, too.
      if (is_held) state.trusted = false;
      if (context.dry_run || is_held) continue;
      step.tasks.push_back(QuarantineTask(context, upkeep::kEmptyQuarantineKind, one, {}));
    }
    step.tasks.push_back(
        {.kind = std::string(upkeep::kFindOrphansKind), .body = upkeep::OrphanBodyToJson(body)});
    step.state = StateToJson(state);
    return Step(std::move(step));
  }

  static Result<Step> Found(Call& call, const RunContext& context, State state,
                            const std::vector<TaskResult>& results) {
    upkeep::OrphanResult found;
    for (const TaskResult& task : results) {
      MORAINE_TRY(task.status);
      if (task.kind == upkeep::kFindOrphansKind) {
        MORAINE_ASSIGN(found, upkeep::OrphanResultFromJson(task.output.result));
        continue;
      }
      MORAINE_ASSIGN(const auto emptied, upkeep::DeletionResultFromJson(task.output.result));
      state.emptied += emptied.deleted;
      state.emptied_bytes += emptied.bytes;
      state.failed += emptied.failed;
      AddFailures(emptied.failures, &state.failures);
      // The hold is over, and nobody missed anything. Of an empty one that says nothing.
      if (emptied.deleted > 0) state.trusted = true;
    }
    state.listed = found.listed;
    state.young = found.young;
    state.spared = found.spared;
    state.orphans = found.orphans;
    state.orphan_bytes = found.orphan_bytes;
    if (!found.foreign.empty()) {
      return Step(Finished(
          state,
          "nothing is cleaned: another table lives in the table's folders: " + found.foreign[0]));
    }
    if (found.orphans == 0) {
      std::string summary = fmt::format("no orphans among {} files", found.listed);
      if (state.emptied + state.failed > 0) {
        summary += fmt::format("; {} files of quarantines were deleted{}", state.emptied,
                               SayFailed(state.failed, state.failures));
      }
      return Step(Finished(state, std::move(summary)));
    }
    if (context.dry_run) {
      return Step(Finished(
          state, fmt::format("{} orphan files ({}) among {}, the first: {}", found.orphans,
                             FormatByteSize(found.orphan_bytes), found.listed, found.examples[0])));
    }
    return BeginDeleting(call, context, std::move(state), found);
  }

  static Result<Step> BeginDeleting(Call& call, const RunContext& context, State state,
                                    const upkeep::OrphanResult& found) {
    const auto& metadata = *context.table->metadata;
    const bool quarantine = context.config.orphan_quarantine && !state.trusted;
    upkeep::DeletionBody body{.list = found.list,
                              .roots = upkeep::PlacesOfTable(metadata),
                              .metadata_location = context.table->metadata_location,
                              .base_metadata_location = state.metadata_location,
                              .listed_before_ms = found.listed_at_ms};
    if (quarantine) {
      body.quarantine = upkeep::QuarantineFolder(metadata.location, context.run_id);
      MORAINE_TRY(NoteRoots(call, *context.files, body.quarantine, body.roots));
    }
    state.stage = "delete";
    state.rounds = {.proof = quarantine ? "quarantine" : "orphan",
                    .every_task = std::move(body),
                    .files = found.orphans,
                    .bytes = found.orphan_bytes};
    return Delete(context, std::move(state));
  }

  static Result<Step> Delete(const RunContext& context, State state) {
    RunTasks step = NextRound(context, &state.rounds);
    step.state = StateToJson(state);
    return Step(std::move(step));
  }
};

}  // namespace

Status CheckOrphanOptions(const std::string& options, bool dry_run) {
  auto read = WishOf(options);
  if (!read.ok()) return InvalidArgument(fmt::format("options: {}", read.status().message()));
  if (!read->older_than_ms) return {};
  if (*read->older_than_ms < 0)
    return InvalidArgument("options: older-than-ms: expected milliseconds, at least 0");
  if (*read->older_than_ms >= kYoungMs || dry_run || read->allow_young) return {};
  return InvalidArgument(
      "options: older-than-ms: expected at least 86400000 (a day): younger files may be those of "
      "writers that have not committed yet; if there is none, say \"allow-young\": true, too");
}

std::unique_ptr<Action> MakeCleanOrphanFiles() { return std::make_unique<CleanOrphanFiles>(); }

}  // namespace moraine::maintenance
