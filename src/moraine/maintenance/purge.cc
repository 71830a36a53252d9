#include "moraine/maintenance/purge.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/locations.h"
#include "moraine/maintenance/deletion_rounds.h"
#include "moraine/maintenance/plain_rules.h"
#include "moraine/maintenance/quarantines.h"
#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/surroundings.h"
#include "moraine/upkeep/metadata_file.h"
#include "moraine/upkeep/quarantine_task.h"
#include "moraine/upkeep/table_files_task.h"

namespace moraine::maintenance {
namespace {

constexpr int64_t kMostTries = 8;  ///< of files that can't be deleted: four hours of waiting

struct State {
  std::string stage;     ///< "list", "empty" (quarantines), "delete"
  std::string location;  ///< of the table
  std::vector<std::string> places;
  int64_t files_per_second = 0;
  int64_t outside = 0, emptied = 0, emptied_bytes = 0;
  int64_t emptying_failed = 0;  ///< files of quarantines
  FileFailures emptying_failures;
  DeletionRounds rounds;  ///< since the end of the stage "list"

  FileFailures failures() const {
    FileFailures all = rounds.failures;
    AddFailures(emptying_failures, &all);
    return all;
  }
};

std::string StateToJson(const State& state) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Field("stage", state.stage).Field("location", state.location);
  json.Key("places").BeginArray();
  for (const std::string& place : state.places) json.String(place);
  json.EndArray();
  json.Field("files-per-second", state.files_per_second);
  json.Field("outside", state.outside).Field("emptied", state.emptied);
  json.Field("emptied-bytes", state.emptied_bytes);
  json.Field("emptying-failed", state.emptying_failed);
  json.Key("emptying-failures").Raw(FileFailuresToJson(state.emptying_failures));
  if (state.stage != "list") json.Key("rounds").Raw(DeletionRoundsToJson(state.rounds));
  json.EndObject();
  return out;
}

Result<State> StateFromJson(const std::string& text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  State state;
  MORAINE_ASSIGN(state.stage, json.String("stage"));
  MORAINE_ASSIGN(auto location, json.OptString("location"));
  state.location = std::move(location).value_or("");
  MORAINE_ASSIGN(const JsonCursor places, json.Get("places"));
  MORAINE_TRY(places.ExpectArray());
  for (size_t i = 0; i < places.size(); ++i) {
    const JsonCursor item = places.At(i);
    MORAINE_ASSIGN(std::string place, item.String());
    state.places.push_back(std::move(place));
  }
  MORAINE_ASSIGN(const auto rate, json.OptInt64("files-per-second"));
  state.files_per_second = rate.value_or(0);
  MORAINE_ASSIGN(state.outside, json.Int64("outside"));
  MORAINE_ASSIGN(state.emptied, json.Int64("emptied"));
  MORAINE_ASSIGN(state.emptied_bytes, json.Int64("emptied-bytes"));
  MORAINE_ASSIGN(const auto emptying_failed, json.OptInt64("emptying-failed"));
  state.emptying_failed = emptying_failed.value_or(0);
  MORAINE_ASSIGN(state.emptying_failures, FileFailuresFromJson(json, "emptying-failures"));
  MORAINE_ASSIGN(auto rounds, json.Find("rounds"));
  if (rounds) {
    MORAINE_ASSIGN(state.rounds, DeletionRoundsFromJson(*rounds));
  }
  return state;
}

Step Finished(const State& state) {
  std::string details;
  JsonWriter json(&details);
  json.BeginObject().Field("deleted", state.rounds.deleted);
  json.Field("failed", state.rounds.failed + state.emptying_failed);
  json.Key("failures").Raw(FileFailuresToJson(state.failures()));
  json.Field("outside", state.outside).Field("emptied", state.emptied).EndObject();
  std::string summary =
      fmt::format("{} files ({}) of the dropped table were deleted", state.rounds.deleted,
                  FormatByteSize(state.rounds.deleted_bytes));
  if (state.outside > 0) summary += fmt::format(", {} lie in other places and stay", state.outside);
  summary += SayFailed(state.rounds.failed + state.emptying_failed, state.failures());
  return Done{.summary = std::move(summary),
              .files_removed = state.rounds.deleted + state.emptied,
              .bytes_removed = state.rounds.deleted_bytes + state.emptied_bytes,
              .details = std::move(details)};
}

/// A worker's last batch may be under way when its time is over.
constexpr Millis kLate{2 * 60'000};

/// As it was of the table; of its namespaces nothing is known.
Result<upkeep::MaintenanceConfig> ConfigOf(Call& call, const RunContext& context,
                                           iceberg::TableMetadata metadata) {
  catalog::LoadedTable table;
  table.table_id = context.subject.table_id;
  table.warehouse = context.subject.warehouse;
  table.metadata = std::make_shared<const iceberg::TableMetadata>(std::move(metadata));
  if (context.seams != nullptr) {
    Inherited inherited;
    const auto policy = PolicyOf(call, *context.seams, table, inherited);
    if (policy.ok()) return (*policy)->config;
    // The warehouse may be gone, too.
    if (policy.status().code() != Code::kNotFound) return policy.status();
  }
  return upkeep::MaintenanceConfigOf(table.metadata->properties);
}

class PurgeTable final : public Action {
 public:
  upkeep::Action action() const override { return upkeep::Action::kPurgeTable; }

  Result<Step> Start(Call& call, const RunContext& context) override {
    if (context.table != nullptr) return Step(Nothing{"the table is there again"});
    auto read = upkeep::ReadTableMetadata(call, *context.files, context.subject.metadata_location);
    if (read.status().code() == Code::kNotFound) {
      return Step(Nothing{"the table's metadata file is gone: what it named is not known"});
    }
    MORAINE_TRY(read.status());
    if (!read->BoolProperty("gc.enabled", true)) return Step(Nothing{"gc.enabled is false"});
    MORAINE_ASSIGN(const auto config, ConfigOf(call, context, *read));
    if (std::string broken = WhyBroken(config, action()); !broken.empty())
      return Step(Nothing{std::move(broken)});
    if (upkeep::IsEncrypted(*read))
      return Step(Nothing{"the table is encrypted: what it names can't be read"});
    State state;
    state.stage = "list";
    state.location = read->location;
    MORAINE_ASSIGN(state.places, catalog::ClaimsOf(*read));
    MORAINE_ASSIGN(const auto around,
                   LookAround(call, context.database, context.subject.table_id, state.places));
    if (!around.taken.empty()) {
      return Step(Nothing{"another table has a place there by now: " + around.taken[0]});
    }
    state.files_per_second = config.delete_files_per_second;
    const upkeep::TableFilesBody body{.metadata_location = context.subject.metadata_location,
                                      .roots = state.places};
    RunTasks step{.progress = "the files of the dropped table are listed"};
    step.tasks.push_back({.kind = std::string(upkeep::kListTableFilesKind),
                          .body = upkeep::TableFilesBodyToJson(body)});
    step.state = StateToJson(state);
    return Step(std::move(step));
  }

  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    MORAINE_ASSIGN(State state, StateFromJson(context.state));
    bool again = false;
    if (state.stage == "delete") {
      MORAINE_TRY(CountRound(context, results, &state.rounds));
      if (state.rounds.done()) return Finished(state);
    } else {
      MORAINE_ASSIGN(again, CountBefore(results, &state));
      if (context.dry_run) {
        return Step(
            Done{.summary = fmt::format("{} files ({}) would be deleted", state.rounds.files,
                                        FormatByteSize(state.rounds.bytes))});
      }
    }
    // Somebody may have come there, or registered the table again, since the last look; from now
    // on, and until the tasks are over, nobody does.
    MORAINE_ASSIGN(const auto taken, TakeForPurge(call, context.database, context.subject.table_id,
                                                  state.places, kDeletionFresh + kLate));
    if (!taken.empty()) {
      return Step(Done{.summary = fmt::format("given up after {} files: another table has a place "
                                              "there by now: {}",
                                              state.rounds.deleted + state.emptied, taken[0]),
                       .files_removed = state.rounds.deleted + state.emptied,
                       .bytes_removed = state.rounds.deleted_bytes + state.emptied_bytes});
    }
    RunTasks step;
    if (state.stage == "list" || again) {
      MORAINE_ASSIGN(step, EmptyQuarantines(call, context, state));
    }
    state.stage = step.tasks.empty() ? "delete" : "empty";
    if (state.stage == "delete") {
      if (state.rounds.done()) return Finished(state);
      RunContext limited = context;
      limited.config.delete_files_per_second = state.files_per_second;
      step = NextRound(limited, &state.rounds);
      step.finish = Finish::kMust;
    }
    step.state = StateToJson(state);
    return Step(std::move(step));
  }

 private:
  /// No tasks where there are none. While the metadata file is there each run finds them, and that
  /// goes last.
  static Result<RunTasks> EmptyQuarantines(Call& call, const RunContext& context,
                                           const State& state) {
    RunTasks step{.progress = "the quarantines of the dropped table are emptied"};
    if (state.location.empty()) return step;
    MORAINE_ASSIGN(const auto quarantines, FindQuarantines(call, *context.files, state.location));
    for (const Quarantine& one : quarantines) {
      step.tasks.push_back({.kind = std::string(upkeep::kEmptyQuarantineKind),
                            .body = upkeep::QuarantineBodyToJson(
                                {.folder = one.folder,
                                 .roots = {},
                                 .files_per_second = state.files_per_second,
                                 .fresh_until_ms = context.now_ms + kDeletionFresh.count()}),
                            .deletion = FileDeletion{.proof = "quarantine"}});
    }
    return step;
  }

  /// What was done before files of the list go. True: quarantines hold more than could be deleted
  /// in the time for which the places were taken.
  static Result<bool> CountBefore(const std::vector<TaskResult>& results, State* state) {
    bool again = false;
    const int64_t emptied_before = state->emptied;
    state->emptying_failed = 0;
    state->emptying_failures.clear();
    for (const TaskResult& task : results) {
      MORAINE_TRY(task.status);
      if (task.kind == upkeep::kEmptyQuarantineKind) {
        MORAINE_ASSIGN(const auto emptied, upkeep::DeletionResultFromJson(task.output.result));
        // No later run would know of it: this one fails, and the next one begins anew.
        if (emptied.passing > 0) {
          return Internal("a quarantine can't be emptied yet: " + emptied.failures[0].first + ": " +
                          emptied.failures[0].second);
        }
        again = again || emptied.stale;
        state->emptied += emptied.deleted;
        state->emptied_bytes += emptied.bytes;
        state->emptying_failed += emptied.failed;
        AddFailures(emptied.failures, &state->emptying_failures);
        continue;
      }
      MORAINE_ASSIGN(const auto listed, upkeep::TableFilesResultFromJson(task.output.result));
      state->outside = listed.outside;
      state->rounds = {
          .proof = "purge",
          .every_task = {.list = listed.list, .roots = state->places, .table_gone = true},
          .files = listed.files,
          .bytes = listed.bytes,
          .most_tries = kMostTries,
          .last_trace = true};
    }
    if (again && state->emptied == emptied_before) {
      return Internal(
          "no file of the quarantines was deleted in time: optimizers come late, or "
          "their clocks are ahead of the store's");
    }
    return again;
  }
};

}  // namespace

std::unique_ptr<Action> MakePurgeTable() { return std::make_unique<PurgeTable>(); }

}  // namespace moraine::maintenance
