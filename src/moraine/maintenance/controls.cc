#include "moraine/maintenance/controls.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/json.h"
#include "moraine/base/metrics.h"
#include "moraine/base/text.h"
#include "moraine/maintenance/asked_run.h"
#include "moraine/maintenance/cancelled_run.h"
#include "moraine/maintenance/due_time.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/maintenance/orphan_files.h"
#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/schema.h"
#include "moraine/maintenance/subject_json.h"
#include "moraine/optimizing/table_state.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kDeletionsShown = 1'000;

std::vector<upkeep::Action> ActionsOf(std::optional<upkeep::Action> one) {
  if (one) return {*one};
  std::vector<upkeep::Action> all(std::begin(upkeep::kActions), std::end(upkeep::kActions));
  std::erase(all, upkeep::Action::kPurgeTable);  // of dropped tables alone
  return all;
}

/// What a setting says by default was said by nobody.
ControlOptions WithoutDefaults(ControlOptions options) {
  for (const auto& property : PolicyProperties()) {
    auto said = options.properties.find(property.name);
    if (said != options.properties.end() && said->second == property.default_value) {
      options.properties.erase(said);
    }
  }
  return options;
}

/// Why no run that begins by itself would do anything; "" where one may.
std::string WhyNoRunActs(const catalog::LoadedTable& table, upkeep::Action action) {
  switch (action) {
    case upkeep::Action::kExpireSnapshots:
      return WhyLeftAlone(table, "table-expire.enabled");
    case upkeep::Action::kCleanDanglingDeletes:
      return WhyLeftAlone(table, "clean-dangling-delete-files.enabled");
    case upkeep::Action::kRewriteManifests:
      return WhyLeftAlone(table, "rewrite-manifests.enabled");
    case upkeep::Action::kExpireData:
      return WhyLeftAlone(table, "data-expire.enabled");
    case upkeep::Action::kCreateTags:
      return WhyLeftAlone(table, "tag.auto-create.enabled");
    case upkeep::Action::kComputeStatistics:
      return WhyLeftAlone(table, "statistics.enabled");
    case upkeep::Action::kCleanOrphanFiles:
      return WhyLeftAlone(table, "clean-orphan-file.enabled");
    case upkeep::Action::kPurgeTable:
      break;
  }
  return "";
}

/// When it is due: its row may not know of a window that was set a moment ago.
std::optional<int64_t> InWindow(const ActionPolicy& policy, const Schedule& schedule,
                                int64_t now_ms) {
  if (!schedule.due_ms || !schedule.asked_run_id.empty()) return schedule.due_ms;
  const Obstacle closed = WaitsForWindow(policy, std::max(now_ms, *schedule.due_ms));
  return std::max(*schedule.due_ms, closed.until_ms);
}

/// The options of a run that somebody asks for, by action.
std::vector<std::string_view> OptionsOf(upkeep::Action action) {
  if (action == upkeep::Action::kExpireSnapshots) return {"max-snapshots"};
  if (action == upkeep::Action::kCleanOrphanFiles)
    return {"restore", "older-than-ms", "allow-young"};
  if (action == upkeep::Action::kComputeStatistics) return {"full"};
  return {};
}

Status CheckOptions(upkeep::Action action, const std::string& options, bool dry_run) {
  MORAINE_ASSIGN(const Json parsed, Json::Parse(options));
  if (!parsed.is_object()) return InvalidArgument("options: expected an object");
  const auto known = OptionsOf(action);
  for (const auto& [name, value] : parsed.as_object()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return InvalidArgument(fmt::format(
        "options: {} has no option {}; {}", upkeep::ActionName(action), name.substr(0, 60),
        known.empty() ? "it takes none" : fmt::format("it takes {}", fmt::join(known, ", "))));
  }
  if (action == upkeep::Action::kCleanOrphanFiles) return CheckOrphanOptions(options, dry_run);
  return {};
}

/// As MaintenanceRun::started_by.
std::string PersonOf(const Call& call) {
  return call.principal().empty() ? "person" : "person: " + call.principal();
}

/// Who waits for a blocker waits for the end it was to have: now they look again.
Status LookAgainNow(Transaction& t, int64_t table_id) {
  MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
  MORAINE_TRY(optimizing::LookAgain(t, table_id, now_ms));
  return EndBlockedWaits(t, table_id, now_ms);
}

}  // namespace

Controls::Controls(catalog::Catalog& catalog, store::Database& database, ControlOptions options)
    : catalog_(catalog),
      database_(database),
      options_(WithoutDefaults(std::move(options))),
      blockers_(database, LookAgainNow),
      holds_(database, options_.holds),
      policies_(catalog, options_.properties),
      metrics_(options_.metrics) {}

Status Controls::Open(Call& call) {
  MORAINE_TRY(store::Migrate(call, database_, "maintenance", Migrations()));
  return holds_.Open(call);
}

Result<TablePolicyPtr> Controls::PolicyOf(Call& call, const catalog::LoadedTable& table) {
  Inherited inherited;
  return policies_.Of(call, table, inherited);
}

Status Controls::Trim(Call& call) {
  MORAINE_TRY(blockers_.Trim(call));
  MORAINE_ASSIGN(auto counts, holds_.Trim(call));
  if (options_.metrics == nullptr) return {};
  auto& gauges = options_.metrics->Gauges(
      {"moraine_maintenance_holds",
       "Named holds of snapshots: all, old (of a snapshot so old that it is warned of).",
       {"which"}});
  gauges.With({"all"}).Set(static_cast<double>(counts.holds));
  gauges.With({"old"}).Set(static_cast<double>(counts.old));
  return {};
}

Seams Controls::MakeSeams() {
  Seams seams;
  seams.open = [this](Call& call) { return holds_.Open(call); };
  seams.trim = [this](Call& call, int64_t) { return Trim(call); };
  seams.policy_of = [this](Call& call, const catalog::LoadedTable& table, Inherited& inherited) {
    return policies_.Of(call, table, inherited);
  };
  seams.holds_of = [this](Call& call, const catalog::LoadedTable& table,
                          int64_t now_ms) -> Result<std::vector<upkeep::SnapshotHold>> {
    return RunFor(call, database_, Access::kRead,
                  [&](Transaction& t) { return SnapshotHoldsOf(t, table.table_id, now_ms); });
  };
  seams.holds_in =
      [](Transaction& t,
         const catalog::LoadedTable& table) -> Result<std::vector<upkeep::SnapshotHold>> {
    MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
    return SnapshotHoldsOf(t, table.table_id, now_ms);
  };
  seams.blockers_of = [this](Call& call, int64_t table_id) {
    return blockers_.List(call, table_id);
  };
  return seams;
}

Result<TableView> Controls::Look(Call& call, const catalog::LoadedTable& table) {
  MORAINE_ASSIGN(const auto policy, PolicyOf(call, table));
  TableView view;
  std::vector<Schedule> schedules;
  std::vector<MaintenanceRun> active;
  std::map<std::string, int64_t> dry_runs;  // and when they began
  std::string look_problem;
  MORAINE_TRY(database_.Run(call, Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(view.now_ms, t.NowMs());
    MORAINE_ASSIGN(view.holds, HoldsOf(t, table.table_id, view.now_ms));
    MORAINE_ASSIGN(schedules, SchedulesOf(t, table.table_id));
    for (const auto& schedule : schedules) {
      if (schedule.last_run_id.empty()) continue;
      MORAINE_ASSIGN(auto last, FindRun(t, schedule.last_run_id));
      if (last && last->dry_run) dry_runs[last->run_id] = last->created_ms;
    }
    MORAINE_ASSIGN(auto look, FindLook(t, table.table_id));
    look_problem = look ? look->problem : "";
    MORAINE_ASSIGN(active, OpenRuns(t, table.table_id));
    return {};
  }));
  MORAINE_ASSIGN(view.blockers, blockers_.List(call, table.table_id));
  for (upkeep::Action action : ActionsOf(std::nullopt)) {
    ActionView one;
    one.policy = policy->Of(action);
    if (auto why = WhyNoRunActs(table, action); one.policy.enabled && !why.empty()) {
      one.policy.enabled = false;
      one.policy.reason = std::move(why);
    }
    for (auto& schedule : schedules) {
      if (schedule.action == action) one.schedule = std::move(schedule);
    }
    for (auto& run : active) {
      if (run.action == action) one.active = std::move(run);
    }
    one.blocked = BlockedBy(view.blockers, action).reason;
    if (one.schedule) {
      if (auto dry = dry_runs.find(one.schedule->last_run_id); dry != dry_runs.end()) {
        one.last_dry_run = true;
        one.schedule->last_run_ms = dry->second;
      }
      if (one.policy.runs()) one.due_ms = InWindow(one.policy, *one.schedule, view.now_ms);
    } else {
      one.due_ms = NextDueOf(one.policy, {.table_id = table.table_id,
                                          .made_ms = MadeAtMs(*table.metadata),
                                          .now_ms = view.now_ms});
    }
    view.actions.push_back(std::move(one));
  }
  view.problems = ProblemsOf(*policy, table);
  if (!look_problem.empty() &&
      std::find(view.problems.begin(), view.problems.end(), look_problem) == view.problems.end()) {
    view.problems.push_back(std::move(look_problem));
  }
  view.properties = policy->properties;
  return view;
}

Result<std::string> Controls::RunNow(Call& call, const catalog::LoadedTable& table,
                                     upkeep::Action action, const Wish& wish) {
  if (action == upkeep::Action::kPurgeTable) {
    return InvalidArgument("purge-table is done to tables that are dropped, when their hold ends");
  }
  MORAINE_TRY(CheckOptions(action, wish.options, wish.dry_run));
  MORAINE_ASSIGN(const auto policy, PolicyOf(call, table));
  std::string waits;
  if (!wish.dry_run) {
    MORAINE_ASSIGN(const auto blockers, blockers_.List(call, table.table_id));
    waits = BlockedBy(blockers, action).reason;
  }
  MORAINE_ASSIGN(auto run_id,
                 AskForRunNow(call, database_, table, policy->config, action,
                              {wish.dry_run, PersonOf(call), wish.options, std::move(waits)}));
  if (wake_) wake_();
  return run_id;
}

Status Controls::LookAgain(Call& call, const std::string& warehouse) {
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
    return LookAtTables(t, warehouse, "", now_ms);
  }));
  if (wake_) wake_();
  return {};
}

Status Controls::Pause(Call& call, const catalog::LoadedTable& table,
                       std::optional<upkeep::Action> action) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    for (upkeep::Action one : ActionsOf(action)) {
      MORAINE_TRY(maintenance::Pause(t, SubjectOf(table), one, call.principal(), now_ms));
    }
    return {};
  });
}

Status Controls::Resume(Call& call, const catalog::LoadedTable& table,
                        std::optional<upkeep::Action> action) {
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    for (upkeep::Action one : ActionsOf(action)) {
      MORAINE_TRY(maintenance::Resume(t, table.table_id, one, now_ms));
    }
    return {};
  }));
  if (wake_) wake_();
  return {};
}

Result<Controls::FleetView> Controls::Fleet(Call& call, const ScheduleFilter& filter,
                                            size_t limit) {
  return RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<FleetView> {
    FleetView view;
    MORAINE_ASSIGN(view.now_ms, t.NowMs());
    MORAINE_ASSIGN(view.schedules, SchedulesOfFleet(t, view.now_ms, filter, limit));
    return view;
  });
}

Result<std::vector<MaintenanceRun>> Controls::Runs(Call& call, int64_t table_id,
                                                   std::optional<upkeep::Action> action,
                                                   const std::string& before, size_t limit) {
  return RunFor(call, database_, Access::kRead,
                [&](Transaction& t) { return RecentRuns(t, table_id, action, before, limit); });
}

Result<Controls::RunDetail> Controls::Run(Call& call, const std::string& run) {
  return RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<RunDetail> {
    RunDetail detail;
    MORAINE_ASSIGN(detail.run_id, FullRunId(t, run));
    MORAINE_ASSIGN(detail.run, FindRun(t, detail.run_id));
    if (!detail.run) {
      // Asked for, and not begun: the schedule's row has it.
      MORAINE_ASSIGN(auto schedule, ScheduleThatAsksFor(t, detail.run_id));
      detail.waits = schedule ? schedule->reason : "";
      return detail;
    }
    if (detail.run->state == RunState::kRunning) {
      MORAINE_ASSIGN(detail.progress, optimizing::FiguresOfJob(t, detail.run_id));
    }
    MORAINE_ASSIGN(detail.deletions, DeletionsOfRun(t, detail.run_id, kDeletionsShown));
    return detail;
  });
}

Result<MaintenanceRun> Controls::Cancel(Call& call, const std::string& run) {
  Options options;
  options.task_timeout = options_.task_timeout;
  MORAINE_ASSIGN(auto ended, CancelRun(call, database_, run, PersonOf(call), options));
  metrics_.Ended(ended);
  call.log().Info("run of maintenance cancelled", {{"table", ended.subject.name},
                                                   {"action", upkeep::ActionName(ended.action)},
                                                   {"run", ended.run_id},
                                                   {"by", ended.cancelled_by}});
  if (wake_) wake_();
  return ended;
}

}  // namespace moraine::maintenance
