#include "moraine/maintenance/run_starts.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/due_time.h"
#include "moraine/maintenance/plain_rules.h"
#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/subject_json.h"

namespace moraine::maintenance {
namespace {

constexpr int64_t kAskedAgainMs = 60'000;
/// A table in which there is nothing to do for long is looked at all the same.
constexpr int64_t kLongestRestMs = 24LL * 3'600'000;

/// Beside metadata and data: listings of tables leave out what begins with a dot.
std::string OutputFolder(const Subject& subject, const catalog::LoadedTable* table) {
  std::string location = table == nullptr ? std::string() : table->metadata->location;
  if (table == nullptr) {  // "<location>/metadata/<file>"
    location = subject.metadata_location;
    for (int i = 0; i < 2; ++i) location = location.substr(0, location.rfind('/'));
  }
  while (!location.empty() && location.back() == '/') location.pop_back();
  return location + "/.maintenance";
}

bool IsAsked(const Schedule& schedule) { return !schedule.asked_run_id.empty(); }

/// When it is due after a run that begins now; not_before_ms: there is nothing to do until then.
std::optional<int64_t> DueAfter(const TableFacts& facts, const Schedule& schedule, int64_t now_ms,
                                int64_t not_before_ms) {
  const bool is_on = WhyNotByItself(*facts.policy, schedule.action).empty();
  if (!is_on || schedule.paused_ms > 0) return std::nullopt;
  auto next_ms =
      NextDueOf(facts.policy->Of(schedule.action), {.table_id = facts.table->table_id,
                                                    .made_ms = MadeAtMs(*facts.table->metadata),
                                                    .last_ms = schedule.last_run_ms,
                                                    .now_ms = now_ms,
                                                    .not_before_ms = not_before_ms});
  if (next_ms) next_ms = std::max(*next_ms, now_ms + 1);
  return next_ms;
}

}  // namespace

/// A table whose rows are due.
struct RunStarts::Look {
  TableFacts facts;
  std::optional<std::vector<catalog::Blocker>> blockers;  ///< once somebody has asked
};

void RunStarts::Start(Call& call, std::vector<Schedule> due, Inherited& inherited) {
  Look look;
  for (auto& schedule : due) {
    if (!call.Check().ok()) return;
    if (world_.DriverOf(schedule.action) == nullptr) {
      schedule.due_ms.reset();
      schedule.reason = "this version does not do it";
      schedule.asked_run_id.clear();
      LeaveSchedule(world_, std::move(schedule));
      continue;
    }
    Schedule before = schedule;
    Status begun = schedule.action == upkeep::Action::kPurgeTable
                       ? StartPurge(call, std::move(schedule), inherited)
                       : StartOne(call, &look, std::move(schedule), inherited);
    if (begun.ok() || begun.code() == Code::kCancelled) continue;
    call.log().Warn("maintenance can't begin, will be tried again later",
                    {{"table", before.subject.name}, {"error", begun.ToString()}});
    // A table that was dropped is forgotten by the feed.
    PutOff(call, world_, std::move(before), begun);
  }
}

/// False: not now; the row says until when and why.
Result<bool> RunStarts::MayStart(Call& call, Look* look, Schedule* schedule) {
  const int64_t now_ms = world_.shards.NowMs(call);
  // It changes nothing: who blocks the table minds it not.
  if (IsAsked(*schedule) && schedule->asked_dry) return true;
  if (!IsAsked(*schedule)) {
    std::string off = WhyNotByItself(*look->facts.policy, schedule->action);
    if (schedule->paused_ms > 0) off = "it is paused";
    if (!off.empty()) {
      schedule->due_ms.reset();
      schedule->reason = std::move(off);
      return false;
    }
    if (now_ms < schedule->retry_ms) {
      schedule->due_ms = schedule->retry_ms;
      return false;
    }
  }
  if (!look->blockers) {
    MORAINE_ASSIGN(look->blockers, BlockersOf(call, world_.seams, schedule->table_id));
  }
  Obstacle obstacle = BlockedBy(*look->blockers, schedule->action);
  if (obstacle.reason.empty() && !IsAsked(*schedule))
    obstacle = WaitsForWindow(look->facts.policy->Of(schedule->action), now_ms);
  if (obstacle.reason.empty()) return true;
  schedule->due_ms = obstacle.until_ms > now_ms ? obstacle.until_ms : now_ms + kAskedAgainMs;
  schedule->reason = obstacle.reason;
  return false;
}

TurnPtr RunStarts::NewTurn(Call& call, const TableFacts& facts, Schedule schedule, int64_t now_ms) {
  const bool asked = IsAsked(schedule);
  auto turn = std::make_shared<Turn>();
  turn->facts = facts;
  turn->memory = schedule.memory;
  turn->before = schedule;
  MaintenanceRun& run = turn->run;
  run.run_id = asked ? schedule.asked_run_id : MakeOrderedUuid(call.random(), FromMillis(now_ms));
  run.action = schedule.action;
  run.subject = facts.table ? SubjectOf(*facts.table) : schedule.subject;
  run.started_by = asked ? schedule.asked_by : kBySchedule;
  run.dry_run = asked && schedule.asked_dry;
  run.options = asked ? schedule.asked_options : "{}";
  run.created_ms = now_ms;
  run.output_prefix =
      fmt::format("{}/{}-", OutputFolder(run.subject, facts.table.get()), run.run_id);
  if (!asked && schedule.due_ms)
    world_.metrics.Begun(schedule.action, Millis(now_ms - *schedule.due_ms));
  if (!run.dry_run) schedule.last_run_ms = now_ms;
  schedule.due_ms.reset();
  schedule.reason.clear();
  schedule.asked_run_id.clear();
  schedule.subject = run.subject;
  turn->schedule = std::move(schedule);
  return turn;
}

Status RunStarts::StartOne(Call& call, Look* look, Schedule schedule, Inherited& inherited) {
  if (!look->facts.table) {
    MORAINE_ASSIGN(look->facts,
                   LoadFacts(call, world_, schedule.table_id, schedule.action, inherited));
  }
  MORAINE_ASSIGN(const bool may, MayStart(call, look, &schedule));
  if (!may) {
    LeaveSchedule(world_, std::move(schedule));
    return {};
  }
  const bool asked = IsAsked(schedule);
  const int64_t now_ms = world_.shards.NowMs(call);
  const TurnPtr turn = NewTurn(call, look->facts, std::move(schedule), now_ms);
  turn->schedule->due_ms = DueAfter(look->facts, *turn->schedule, now_ms, 0);
  auto step = steps_.Ask(call, *turn);
  if (!step.ok()) {
    steps_.Failed(call, turn, step.status());
    return {};
  }
  if (auto* nothing = std::get_if<Nothing>(&*step); nothing != nullptr && !asked) {
    NothingToDo(turn, std::move(*nothing));
    return {};
  }
  const bool changes_the_table = std::holds_alternative<TableChange>(*step);
  steps_.Take(call, turn, std::move(*step), inherited);
  if (changes_the_table) look->facts = {};
  return {};
}

Status RunStarts::StartPurge(Call& call, Schedule schedule, Inherited& inherited) {
  MORAINE_ASSIGN(const TableFacts facts,
                 LoadFacts(call, world_, schedule.table_id, schedule.action, inherited));
  const TurnPtr turn = NewTurn(call, facts, std::move(schedule), world_.shards.NowMs(call));
  steps_.Go(call, turn, inherited);
  return {};
}

/// Leaves no row of the history: a fleet has very many of them.
void RunStarts::NothingToDo(const TurnPtr& turn, Nothing nothing) {
  Schedule& row = *turn->schedule;
  row.last_run_id.clear();
  row.last_state = std::string(RunStateName(RunState::kNothing));
  row.last_reason = std::move(nothing.reason);
  row.failures = 0;
  row.last_failure.clear();
  row.retry_ms = 0;
  if (nothing.memory) row.memory = std::move(*nothing.memory);
  const int64_t now_ms = row.last_run_ms;
  if (nothing.until_ms && row.due_ms) {
    const int64_t rest_ms = std::min(*nothing.until_ms, now_ms + kLongestRestMs);
    if (rest_ms > *row.due_ms) row.due_ms = DueAfter(turn->facts, row, now_ms, rest_ms);
  }
  turn->run.state = RunState::kNothing;
  world_.metrics.Ended(turn->run);
  LeaveSchedule(world_, std::move(row));
}

}  // namespace moraine::maintenance
