#include "moraine/maintenance/expire_snapshots.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/maintenance/expiry_state.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/store/database.h"
#include "moraine/upkeep/find_expired_files.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::maintenance {
namespace {

using upkeep::ExpiryPlan;

constexpr size_t kMaxDecisionsTold = 1'000;
constexpr int64_t kLongestLookAheadMs = 24LL * 3'600'000;
constexpr int64_t kMostTries = 5;  ///< of files that can't be deleted: half an hour of waiting

/// What would keep the run from finding files when the snapshots are gone already.
std::string WhyNotRead(const iceberg::TableMetadata& metadata) {
  if (metadata.partition_specs.size() <= 1) return "";
  for (const auto& snapshot : metadata.snapshots) {
    if (!snapshot->manifest_list.empty() || snapshot->manifests.empty()) continue;
    return fmt::format(
        "snapshot {} is of format version 1 and has no manifest list, and the table has several "
        "partition specs",
        snapshot->snapshot_id);
  }
  return "";
}

/// What a running process was planned from, and all since: it looks there for what others did.
Status HoldForProcess(Call& call, const RunContext& context, upkeep::ExpiryContext* expiry) {
  if (context.database == nullptr) return {};
  MORAINE_ASSIGN(
      const auto process,
      store::RunFor(call, *context.database, store::Access::kRead, [&](store::Transaction& t) {
        return optimizing::ActiveProcess(t, context.table->table_id);
      }));
  if (!process) return {};
  expiry->holds.push_back({"since what a running optimizing process reads",
                           {process->snapshot_id},
                           process->snapshot_id});
  return {};
}

struct Planned {
  ExpiryPlan plan;
  bool is_held = false;  ///< something would expire without the holds
};

/// Holds only keep more: they are not asked for where nothing expires without them.
Result<Planned> MakePlan(Call& call, const RunContext& context) {
  upkeep::ExpiryContext expiry;
  expiry.now_ms = context.now_ms;
  MORAINE_ASSIGN(const Json options, Json::Parse(context.options));
  MORAINE_ASSIGN(auto most, JsonCursor(options).OptInt64("max-snapshots"));
  if (most && *most < 1) return InvalidArgument("max-snapshots: expected a number from 1 on");
  if (most) expiry.max_snapshots = static_cast<size_t>(*most);
  auto plan = upkeep::PlanSnapshotExpiry(*context.table->metadata, context.config, expiry);
  if (!plan.nothing.empty()) return Planned{std::move(plan)};
  MORAINE_TRY(HoldForProcess(call, context, &expiry));
  expiry.holds.insert(expiry.holds.end(), context.holds.begin(), context.holds.end());
  if (expiry.holds.empty()) return Planned{std::move(plan)};
  return Planned{upkeep::PlanSnapshotExpiry(*context.table->metadata, context.config, expiry),
                 true};
}

/// Ages at which something may expire.
std::set<int64_t> AgeLimits(const iceberg::TableMetadata& metadata,
                            const upkeep::MaintenanceConfig& config) {
  std::set<int64_t> limits = {config.snapshot_keep.count(), config.ref_max_age.count(),
                              config.flink_checkpoint_retention.count()};
  for (const auto& [name, ref] : metadata.refs) {
    if (ref.max_snapshot_age_ms) limits.insert(*ref.max_snapshot_age_ms);
    if (ref.max_ref_age_ms) limits.insert(*ref.max_ref_age_ms);
  }
  return limits;
}

/// Nothing expires now, whatever is held. As time goes on, more does: so if nothing does in a day,
/// nothing does until then; else not before the next snapshot is older than one of the limits.
int64_t NothingExpiresUntil(const RunContext& context) {
  const iceberg::TableMetadata& metadata = *context.table->metadata;
  const int64_t end_ms = context.now_ms + kLongestLookAheadMs;
  upkeep::ExpiryContext then;
  then.now_ms = end_ms;
  if (!upkeep::PlanSnapshotExpiry(metadata, context.config, then).nothing.empty()) return end_ms;
  int64_t first_ms = end_ms;
  for (int64_t limit : AgeLimits(metadata, context.config)) {
    if (limit < 0 || limit > end_ms) continue;
    for (const auto& snapshot : metadata.snapshots) {
      if (snapshot->timestamp_ms > end_ms) continue;
      const int64_t at_ms = std::max<int64_t>(snapshot->timestamp_ms, 0) + limit + 1;
      if (at_ms > context.now_ms) first_ms = std::min(first_ms, at_ms);
    }
  }
  return first_ms;
}

int64_t CountOfRefs(const ExpiryPlan& plan) {
  return std::count_if(plan.refs.begin(), plan.refs.end(),
                       [](const auto& ref) { return ref.expires; });
}

/// What was decided and why, for people.
Json DecisionsOf(const iceberg::TableMetadata& metadata, const ExpiryPlan& plan) {
  Json snapshots = Json::MakeArray();
  for (const auto& one : plan.snapshots) {
    if (snapshots.as_array().size() == kMaxDecisionsTold) break;
    Json decision = Json::MakeObject();
    decision.Set("snapshot-id", one.snapshot_id);
    if (const auto* snapshot = metadata.FindSnapshot(one.snapshot_id))
      decision.Set("timestamp-ms", snapshot->timestamp_ms);
    decision.Set("expires", one.expires);
    snapshots.Push(std::move(decision.Set("reason", one.reason)));
  }
  Json refs = Json::MakeArray();
  for (const auto& one : plan.refs) {
    Json decision = Json::MakeObject();
    decision.Set("name", one.name).Set("expires", one.expires).Set("reason", one.reason);
    refs.Push(std::move(decision));
  }
  Json all = Json::MakeObject();
  all.Set("snapshots", std::move(snapshots)).Set("refs", std::move(refs));
  return all;
}

NewTask FindTask(const RunContext& context, const upkeep::ExpiredSnapshots& expired) {
  NewTask task;
  task.kind = upkeep::kFindExpiredFilesKind;
  task.body =
      upkeep::ExpiredFilesTaskToJson({context.table->metadata_location, expired, context.dry_run});
  return task;
}

std::string Summary(const ExpiryState& state) {
  return fmt::format(
      "{} snapshots and {} refs removed; {} files deleted ({}){}{}", state.snapshots, state.refs,
      state.deleted_files, FormatByteSize(state.deleted_bytes),
      SayFailed(state.failed, state.failures),
      state.elsewhere == 0
          ? ""
          : fmt::format(", {} outside the table's folders left alone", state.elsewhere));
}

class ExpireSnapshots final : public Action {
 public:
  upkeep::Action action() const override { return upkeep::Action::kExpireSnapshots; }

  Result<Step> Start(Call& call, const RunContext& context) override {
    if (auto why = WhyLeftAlone(*context.table, "table-expire.enabled"); !why.empty())
      return Step(Nothing{std::move(why), {}, kNever});
    if (std::string why = WhyNotRead(*context.table->metadata); !why.empty())
      return Step(Nothing{std::move(why), {}, kNever});
    MORAINE_ASSIGN(const Planned planned, MakePlan(call, context));
    const ExpiryPlan& plan = planned.plan;
    if (!plan.nothing.empty()) {
      Nothing nothing{plan.nothing, {}};
      if (!planned.is_held) nothing.until_ms = NothingExpiresUntil(context);
      return Step(std::move(nothing));
    }
    if (context.dry_run) return TryOut(context, plan);
    return Step(Commit(plan, ExpiryState()));
  }

  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    MORAINE_ASSIGN(ExpiryState state, ExpiryStateFromJson(context.state));
    switch (state.stage) {
      case ExpiryStage::kTriedOut:
        return ReportDryRun(state, results);
      case ExpiryStage::kRemoved:
        return LookForFiles(call, context, std::move(state));
      case ExpiryStage::kLooking:
        return Found(call, context, std::move(state), results);
      case ExpiryStage::kDeleting:
        return Deleted(call, context, std::move(state), results);
    }
    return Internal("an unknown stage of expiry");
  }

 private:
  static TableChange Commit(const ExpiryPlan& plan, ExpiryState state) {
    state.stage = ExpiryStage::kRemoved;
    state.expired = plan.expired;
    state.more = plan.more;
    state.snapshots += static_cast<int64_t>(plan.expired.snapshots.size());
    state.refs += CountOfRefs(plan);
    TableChange change;
    change.change = plan.request;
    change.progress = fmt::format("removing {} snapshots", plan.expired.snapshots.size());
    change.state = ExpiryStateToJson(state);
    change.finish = Finish::kMust;
    return change;
  }

  static Result<Step> TryOut(const RunContext& context, const ExpiryPlan& plan) {
    ExpiryState state;
    state.stage = ExpiryStage::kTriedOut;
    state.snapshots = static_cast<int64_t>(plan.expired.snapshots.size());
    state.refs = CountOfRefs(plan);
    state.more = plan.more;
    state.decisions = DecisionsOf(*context.table->metadata, plan).ToString();
    RunTasks step;
    step.tasks.push_back(FindTask(context, plan.expired));
    step.state = ExpiryStateToJson(state);
    step.progress = "counting what would be freed";
    return Step(std::move(step));
  }

  static Result<Step> ReportDryRun(const ExpiryState& state,
                                   const std::vector<TaskResult>& results) {
    MORAINE_ASSIGN(const auto found, OnlyResult(results));
    Done done;
    done.summary = fmt::format("would remove {} snapshots{} and {} refs, and {} files ({})",
                               state.snapshots, state.more ? " at first" : "", state.refs,
                               found.counts.all_files(), FormatByteSize(found.counts.all_bytes()));
    Json details = Json::MakeObject();
    MORAINE_ASSIGN(Json decisions, Json::Parse(state.decisions));
    MORAINE_ASSIGN(Json files, Json::Parse(upkeep::ExpiredFilesResultToJson(found)));
    details.Set("decisions", std::move(decisions)).Set("files", std::move(files));
    done.details = details.ToString();
    return Step(std::move(done));
  }

  static Result<upkeep::ExpiredFilesResult> OnlyResult(const std::vector<TaskResult>& results) {
    if (results.size() != 1) return Internal("expected the result of one task");
    MORAINE_TRY(results[0].status);
    return upkeep::ExpiredFilesResultFromJson(results[0].output.result);
  }

  static Result<Step> LookForFiles(Call& call, const RunContext& context, ExpiryState state) {
    if (state.expired.snapshots.empty() && state.expired.statistics.empty())
      return Next(call, context, std::move(state));
    RunTasks step;
    step.tasks.push_back(FindTask(context, state.expired));
    state.stage = ExpiryStage::kLooking;
    state.base_location = context.table->metadata_location;
    state.listed_ms = context.now_ms;
    step.state = ExpiryStateToJson(state);
    step.progress = "looking for files that nothing reaches any more";
    step.finish = Finish::kMust;
    return Step(std::move(step));
  }

  static Result<Step> Found(Call& call, const RunContext& context, ExpiryState state,
                            const std::vector<TaskResult>& results) {
    MORAINE_ASSIGN(const auto found, OnlyResult(results));
    if (found.stale) return LookForFiles(call, context, std::move(state));
    state.elsewhere += found.counts.elsewhere;
    state.expired = {};
    if (found.list_location.empty()) return Next(call, context, std::move(state));
    DeletionRounds& deletion = state.deletion.emplace();
    deletion.proof = "expired";
    deletion.every_task.list = found.list_location;
    deletion.every_task.roots = upkeep::PlacesOfTable(*context.table->metadata);
    deletion.every_task.metadata_location = context.table->metadata_location;
    deletion.every_task.base_metadata_location = state.base_location;
    deletion.every_task.listed_before_ms = state.listed_ms;
    deletion.most_tries = kMostTries;
    deletion.last_trace = true;
    deletion.files = found.counts.all_files();
    deletion.bytes = found.counts.all_bytes();
    return DeleteMore(context, std::move(state));
  }

  static Result<Step> DeleteMore(const RunContext& context, ExpiryState state) {
    RunTasks step = NextRound(context, &*state.deletion);
    state.stage = ExpiryStage::kDeleting;
    step.state = ExpiryStateToJson(state);
    step.finish = Finish::kMust;
    return Step(std::move(step));
  }

  static Result<Step> Deleted(Call& call, const RunContext& context, ExpiryState state,
                              const std::vector<TaskResult>& results) {
    if (!state.deletion) return Internal("a run that deletes nothing has deleted");
    MORAINE_TRY(CountRound(context, results, &*state.deletion));
    if (!state.deletion->done()) return DeleteMore(context, std::move(state));
    state.deleted_files += state.deletion->deleted;
    state.deleted_bytes += state.deletion->deleted_bytes;
    state.failed += state.deletion->failed;
    AddFailures(state.deletion->failures, &state.failures);
    state.kept += state.deletion->kept;
    state.deletion.reset();
    return Next(call, context, std::move(state));
  }

  static Result<Step> Next(Call& call, const RunContext& context, ExpiryState state) {
    if (state.more) {
      MORAINE_ASSIGN(const Planned planned, MakePlan(call, context));
      if (planned.plan.nothing.empty()) return Step(Commit(planned.plan, std::move(state)));
    }
    Done done;
    done.summary = Summary(state);
    done.files_removed = state.deleted_files;
    done.bytes_removed = state.deleted_bytes;
    Json details = Json::MakeObject();
    details.Set("snapshots", state.snapshots).Set("refs", state.refs);
    details.Set("files", state.deleted_files).Set("bytes", state.deleted_bytes);
    details.Set("failed", state.failed).Set("kept", state.kept);
    MORAINE_ASSIGN(Json failures, Json::Parse(FileFailuresToJson(state.failures)));
    details.Set("failures", std::move(failures));
    done.details = details.Set("elsewhere", state.elsewhere).ToString();
    return Step(std::move(done));
  }
};

}  // namespace

std::unique_ptr<Action> MakeExpireSnapshots() { return std::make_unique<ExpireSnapshots>(); }

}  // namespace moraine::maintenance
