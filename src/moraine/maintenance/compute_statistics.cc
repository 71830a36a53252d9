#include "moraine/maintenance/compute_statistics.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/maintenance/statistics_state.h"
#include "moraine/upkeep/expired_files.h"
#include "moraine/upkeep/file_list.h"
#include "moraine/upkeep/path_key.h"
#include "moraine/upkeep/sketch_plan.h"
#include "moraine/upkeep/sketch_task.h"

namespace moraine::maintenance {
namespace {

using iceberg::StatisticsFile;
using upkeep::SketchTask;
using upkeep::StatisticsPlan;

constexpr size_t kMostColumnsTold = 1'000;

upkeep::SketchFile ToMerge(const StatisticsFile& file) {
  return {file.statistics_path, file.file_size_in_bytes};
}

SketchTask TaskFor(const RunContext& context, const StatisticsState& state) {
  SketchTask task;
  task.place = {context.table->metadata_location, state.snapshot_id};
  task.columns = state.columns;
  return task;
}

/// The task that writes the statistics file: with the base, and with what the snapshot has of other
/// columns.
SketchTask LastTask(const RunContext& context, StatisticsState* state) {
  SketchTask task = TaskFor(context, *state);
  task.scanned.parts = 0;
  task.is_last = true;
  task.has_base = state->base.has_value();
  if (state->base) task.merged.push_back(ToMerge(*state->base));
  const auto* there = upkeep::StatisticsOf(*context.table->metadata, state->snapshot_id);
  state->kept = there == nullptr ? "" : there->statistics_path;
  if (there != nullptr) task.kept = ToMerge(*there);
  return task;
}

NewTask ToTask(const RunContext& context, const SketchTask& task, int64_t files, int64_t bytes) {
  NewTask made;
  // What lost attempts left there, or one of which nothing came, goes.
  if (task.is_last) made.folder = iceberg::MetadataFolder(*context.table->metadata);
  made.kind = upkeep::kComputeStatisticsKind;
  made.body = upkeep::ToBody(task);
  made.input_files = files;
  made.input_bytes = bytes;
  return made;
}

RunTasks ReadingStep(const RunContext& context, const StatisticsPlan& plan, StatisticsState state) {
  RunTasks step;
  if (plan.parts <= 1) {
    SketchTask task = LastTask(context, &state);
    task.scanned = {plan.since, 0, plan.parts};
    step.tasks.push_back(ToTask(context, task, plan.files, plan.bytes));
  } else {
    for (int64_t part = 0; part < plan.parts; ++part) {
      SketchTask task = TaskFor(context, state);
      task.scanned = {plan.since, part, plan.parts};
      step.tasks.push_back(ToTask(context, task, plan.files / plan.parts, plan.bytes / plan.parts));
    }
  }
  step.progress =
      fmt::format("counting distinct values of {} columns: {}", plan.columns.size(), plan.reason);
  step.state = StatisticsStateToJson(state);
  return step;
}

/// The first step of what the plan says.
RunTasks Begin(const RunContext& context, const StatisticsPlan& plan, std::string note) {
  StatisticsState state;
  state.stage = plan.parts <= 1 ? StatisticsStage::kMerging : StatisticsStage::kReading;
  state.snapshot_id = plan.snapshot_id;
  state.columns = plan.columns;
  const auto& schema = context.table->metadata->CurrentSchema();
  for (const int32_t id : plan.columns)
    state.types.push_back(schema.FindField(id)->type->ToString());
  state.base = plan.base;
  state.note = std::move(note);
  return ReadingStep(context, plan, std::move(state));
}

void AddNote(std::string note, StatisticsState* state) {
  if (!state->note.empty()) state->note += "; ";
  state->note += note;
}

/// Columns that are gone, or have other bytes than those that were read.
void LeaveOutChanged(const iceberg::Schema& schema, StatisticsState* state) {
  std::vector<int32_t> columns;
  std::vector<std::string> types;
  for (size_t i = 0; i < state->columns.size(); ++i) {
    const iceberg::Field* now = schema.FindField(state->columns[i]);
    if (now == nullptr || now->type->ToString() != state->types[i]) continue;
    columns.push_back(state->columns[i]);
    types.push_back(state->types[i]);
  }
  if (columns.size() == state->columns.size()) return;
  AddNote(fmt::format("{} columns were left out: they have changed meanwhile",
                      state->columns.size() - columns.size()),
          state);
  state->columns = std::move(columns);
  state->types = std::move(types);
}

/// Whether the file lies where files of the table are deleted.
bool IsInItsPlaces(const iceberg::TableMetadata& metadata, std::string_view path) {
  const auto key = upkeep::PathKey(path);
  const auto folders = upkeep::FolderKeys(upkeep::PlacesOfTable(metadata));
  return key.ok() && folders.ok() && upkeep::KeyIsBelowAny(*key, *folders);
}

Done DryRun(const StatisticsPlan& plan) {
  Done done;
  done.summary =
      fmt::format("would read {} rows of {} files ({}) for {} columns: {}", plan.rows, plan.files,
                  FormatByteSize(plan.bytes), plan.columns.size(), plan.reason);
  Json details = Json::MakeObject();
  details.Set("columns-count", static_cast<int64_t>(plan.columns.size()));
  details.Set("rows", plan.rows).Set("files", plan.files).Set("bytes", plan.bytes);
  details.Set("tasks", plan.parts).Set("only-new-files", plan.since.has_value());
  done.details = details.ToString();
  return done;
}

/// Distinct values by column.
Json ColumnsOf(const iceberg::Schema& schema, const StatisticsState& state) {
  Json columns = Json::MakeArray();
  for (const auto& blob : state.written->blob_metadata) {
    if (columns.as_array().size() == kMostColumnsTold) break;
    auto ndv = blob.properties.find("ndv");
    if (blob.fields.size() != 1 || ndv == blob.properties.end()) continue;
    const auto count = ParseInt64(ndv->second);
    if (!count.ok()) continue;
    Json one = Json::MakeObject();
    one.Set("name", schema.FullName(blob.fields[0])).Set("distinct-values", *count);
    columns.Push(std::move(one));
  }
  return columns;
}

class ComputeStatistics final : public Action {
 public:
  upkeep::Action action() const override { return upkeep::Action::kComputeStatistics; }

  Result<Step> Start(Call&, const RunContext& context) override {
    if (auto why = WhyLeftAlone(*context.table, "statistics.enabled"); !why.empty())
      return Step(Nothing{std::move(why), {}});
    MORAINE_ASSIGN(const Json options, Json::Parse(context.options));
    MORAINE_ASSIGN(const auto full, JsonCursor(options).OptBool("full"));
    const auto plan =
        upkeep::PlanStatistics(*context.table->metadata, context.config, full.value_or(false));
    if (!plan.is_due) return Step(Nothing{plan.reason, {}});
    if (context.dry_run) return Step(DryRun(plan));
    return Step(Begin(context, plan, ""));
  }

  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    MORAINE_ASSIGN(StatisticsState state, StatisticsStateFromJson(context.state));
    switch (state.stage) {
      case StatisticsStage::kReading:
        return Merge(context, std::move(state), results);
      case StatisticsStage::kMerging:
        return Commit(context, std::move(state), results);
      case StatisticsStage::kCommitted:
        return DeleteReplaced(call, context, std::move(state));
      case StatisticsStage::kDeleting:
        return Deleted(context, std::move(state), results);
    }
    return Internal("an unknown stage of statistics");
  }

 private:
  /// Why what was counted is of no use any more.
  static std::optional<Step> InVain(const RunContext& context, const StatisticsState& state) {
    const auto& metadata = *context.table->metadata;
    if (metadata.FindSnapshot(state.snapshot_id) == nullptr) {
      Done done;
      done.summary = fmt::format("snapshot {} has expired meanwhile: nothing was kept of it",
                                 state.snapshot_id);
      return Step(std::move(done));
    }
    const auto* there = upkeep::StatisticsOf(metadata, state.snapshot_id);
    if (there == nullptr || !there->key_metadata) return std::nullopt;
    return Step(Nothing{"the snapshot has encrypted statistics: they are left alone", {}});
  }

  static Result<std::vector<upkeep::SketchResult>> Take(const std::vector<TaskResult>& results,
                                                        StatisticsState* state) {
    if (results.empty()) return Internal("expected the results of tasks");
    std::vector<upkeep::SketchResult> taken;
    for (const TaskResult& result : results) {
      MORAINE_TRY(result.status);
      MORAINE_ASSIGN(auto one, upkeep::SketchResultOf(result.output));
      state->files += one.files;
      state->rows += one.rows;
      taken.push_back(std::move(one));
    }
    return taken;
  }

  static Result<Step> Merge(const RunContext& context, StatisticsState state,
                            const std::vector<TaskResult>& results) {
    if (auto over = InVain(context, state)) return *std::move(over);
    MORAINE_ASSIGN(const auto parts, Take(results, &state));
    SketchTask task = LastTask(context, &state);
    for (const auto& part : parts) task.merged.push_back(ToMerge(part.file));
    return Finish(context, std::move(state), std::move(task));
  }

  /// The last task, of columns that are still as they were.
  static Result<Step> Finish(const RunContext& context, StatisticsState state, SketchTask task) {
    LeaveOutChanged(context.table->metadata->CurrentSchema(), &state);
    if (state.columns.empty()) {
      Done done;
      done.summary = "nothing was kept: " + state.note;
      return Step(std::move(done));
    }
    task.columns = state.columns;
    state.stage = StatisticsStage::kMerging;
    RunTasks step;
    step.tasks.push_back(ToTask(context, task, static_cast<int64_t>(task.merged.size()), 0));
    step.progress = fmt::format("merging {} files of sketches", task.merged.size());
    step.state = StatisticsStateToJson(state);
    return Step(std::move(step));
  }

  /// Others have made statistics of the snapshot meanwhile, perhaps of other columns: the last task
  /// once more, with theirs. What it wrote is not relied on: it is left to the cleaner.
  static Result<Step> FinishAgain(const RunContext& context, StatisticsState state,
                                  const TaskResult& last) {
    MORAINE_ASSIGN(auto before, upkeep::SketchTaskOf(last.body));
    SketchTask task = LastTask(context, &state);
    task.scanned = std::move(before.scanned);
    task.merged = std::move(before.merged);
    return Finish(context, std::move(state), std::move(task));
  }

  /// Without the older statistics.
  static Result<Step> ReadAll(const RunContext& context, const StatisticsState& state,
                              const std::string& why) {
    if (!state.base) return Internal("a run without a base cannot use it: " + why);
    auto plan = upkeep::PlanStatistics(*context.table->metadata, context.config, true);
    if (!plan.is_due) return Step(Nothing{plan.reason, {}});
    plan.reason = fmt::format("the statistics of snapshot {} could not be used: {}",
                              state.base->snapshot_id, why);
    return Step(Begin(context, plan, plan.reason));
  }

  static Result<Step> Commit(const RunContext& context, StatisticsState state,
                             const std::vector<TaskResult>& results) {
    const auto& metadata = *context.table->metadata;
    if (auto over = InVain(context, state)) return *std::move(over);
    const StatisticsState before = state;
    MORAINE_ASSIGN(auto taken, Take(results, &state));
    upkeep::SketchResult& last = taken.back();
    if (!last.unusable.empty()) return ReadAll(context, before, last.unusable);
    const auto* there = upkeep::StatisticsOf(metadata, state.snapshot_id);
    if (there != nullptr && there->statistics_path != state.kept)
      return FinishAgain(context, before, results.back());
    state.written = std::move(last.file);
    if (!last.lost.empty()) {
      AddNote("what else the replaced statistics have is not in the new file: " + last.lost,
              &state);
    } else if (there != nullptr) {
      state.replaced = *there;
    }
    state.stage = StatisticsStage::kCommitted;
    TableChange change;
    change.change =
        iceberg::CommitRequest{{iceberg::requirement::AssertTableUuid{metadata.table_uuid}},
                               {iceberg::update::SetStatistics{*state.written}}};
    change.progress = fmt::format("keeping statistics of {} columns", state.columns.size());
    change.state = StatisticsStateToJson(state);
    return Step(std::move(change));
  }

  static Result<Step> DeleteReplaced(Call& call, const RunContext& context, StatisticsState state) {
    const auto& metadata = *context.table->metadata;
    if (!state.replaced || !context.config.gc_enabled) return Finished(context, state);
    const std::string& path = state.replaced->statistics_path;
    const bool is_named =
        std::any_of(metadata.statistics.begin(), metadata.statistics.end(),
                    [&](const auto& file) { return file.statistics_path == path; });
    if (is_named) return Finished(context, state);
    if (!IsInItsPlaces(metadata, path)) {
      AddNote("the file that was replaced stays: it lies outside of the table's folders", &state);
      return Finished(context, state);
    }
    const std::string list = context.output_prefix + "replaced-statistics.list";
    MORAINE_TRY(WriteList(call, context, list, *state.replaced));
    DeletionRounds& deletion = state.deletion.emplace();
    deletion.proof = "replaced";
    deletion.every_task.list = list;
    deletion.every_task.roots = upkeep::PlacesOfTable(metadata);
    deletion.every_task.metadata_location = context.table->metadata_location;
    deletion.every_task.base_metadata_location = context.table->metadata_location;
    deletion.every_task.listed_before_ms = context.now_ms;
    deletion.files = 1;
    deletion.bytes = state.replaced->file_size_in_bytes;
    return DeleteMore(context, std::move(state));
  }

  static Status WriteList(Call& call, const RunContext& context, const std::string& location,
                          const StatisticsFile& replaced) {
    const auto write = [&]() -> Status {
      MORAINE_ASSIGN(auto list, upkeep::FileListWriter::Make(call, *context.files, location));
      MORAINE_TRY(
          list.Add(call, {replaced.statistics_path, replaced.file_size_in_bytes, context.now_ms}));
      return list.Close(call);
    };
    Status written = write();
    // The step is done again: the same was written before.
    if (written.code() == Code::kAlreadyExists) return {};
    return written;
  }

  static Result<Step> DeleteMore(const RunContext& context, StatisticsState state) {
    RunTasks step = NextRound(context, &*state.deletion);
    state.stage = StatisticsStage::kDeleting;
    step.state = StatisticsStateToJson(state);
    return Step(std::move(step));
  }

  static Result<Step> Deleted(const RunContext& context, StatisticsState state,
                              const std::vector<TaskResult>& results) {
    if (!state.deletion) return Internal("a run that deletes nothing has deleted");
    MORAINE_TRY(CountRound(context, results, &*state.deletion));
    if (!state.deletion->done()) return DeleteMore(context, std::move(state));
    return Finished(context, state);
  }

  static Step Finished(const RunContext& context, const StatisticsState& state) {
    Done done;
    done.summary = fmt::format("distinct values of {} columns counted: {} rows of {} files read",
                               state.columns.size(), state.rows, state.files);
    if (state.base)
      done.summary += fmt::format(", the rest known from snapshot {}", state.base->snapshot_id);
    if (!state.note.empty()) done.summary += "; " + state.note;
    Json details = Json::MakeObject();
    details.Set("snapshot-id", state.snapshot_id).Set("files", state.files);
    details.Set("rows", state.rows).Set("file", state.written->statistics_path);
    details.Set("bytes", state.written->file_size_in_bytes);
    details.Set("columns", ColumnsOf(context.table->metadata->CurrentSchema(), state));
    if (state.deletion) {
      done.files_removed = state.deletion->deleted;
      done.bytes_removed = state.deletion->deleted_bytes;
      if (state.deletion->failed > 0) {
        done.summary += "; the file that was replaced stays";
        done.summary += SayFailed(state.deletion->failed, state.deletion->failures);
      }
    }
    done.details = details.ToString();
    return done;
  }
};

}  // namespace

std::unique_ptr<Action> MakeComputeStatistics() { return std::make_unique<ComputeStatistics>(); }

}  // namespace moraine::maintenance
