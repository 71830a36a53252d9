#include "moraine/maintenance/run_steps.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/plain_rules.h"
#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/run_end.h"
#include "moraine/maintenance/step_commit.h"
#include "moraine/maintenance/step_tasks.h"
#include "moraine/maintenance/subject_json.h"

namespace moraine::maintenance {
namespace {

using store::Transaction;

constexpr int64_t kMostTries = 8;  ///< of a step that fails in passing, where the run may fail
constexpr int kMostCommits = 10;   ///< in one go

void LogEnd(Call& call, const MaintenanceRun& run) {
  if (run.state == RunState::kNothing) return;
  call.log().Info("run of maintenance ended", {{"table", run.subject.name},
                                               {"action", upkeep::ActionName(run.action)},
                                               {"run", run.run_id},
                                               {"result", RunStateName(run.state)},
                                               {"files", run.files_removed},
                                               {"bytes", run.bytes_removed},
                                               {"reason", run.reason},
                                               {"error", run.error}});
}

}  // namespace

Result<Step> RunSteps::Ask(Call& call, const Turn& turn) {
  const TableFacts& facts = turn.facts;
  RunContext context;
  context.memory = turn.memory;
  context.run_id = turn.run.run_id;
  context.subject = facts.table ? SubjectOf(*facts.table) : turn.run.subject;
  context.table = facts.table;
  context.now_ms = world_.shards.NowMs(call);
  // Only what removes snapshots asks for them.
  if (facts.table && turn.run.action == upkeep::Action::kExpireSnapshots) {
    MORAINE_ASSIGN(context.holds, HoldsOf(call, world_.seams, *facts.table, context.now_ms));
  }
  context.config = facts.policy ? facts.policy->config : upkeep::MaintenanceConfigOf({});
  // For a person it is never too late.
  if (turn.run.action == upkeep::Action::kCreateTags && turn.run.started_by != kBySchedule)
    context.config.tag_max_delay = Millis(0);
  context.dry_run = turn.run.dry_run;
  context.options = turn.run.options;
  context.state = turn.run.stage;
  context.output_prefix = turn.run.output_prefix;
  context.files = &world_.files;
  context.seams = &world_.seams;
  context.database = &world_.shards.database();
  // What has begun is brought to its end.
  const std::string broken = WhyBroken(context.config, turn.run.action);
  if (!broken.empty() && !turn.run.must_finish) return InvalidArgument(broken);
  const std::string forbidden = WhyForbidden(context.config, turn.run.action);
  if (!forbidden.empty() && !turn.run.must_finish) return Step(Nothing{forbidden, std::nullopt});
  Action* driver = world_.DriverOf(turn.run.action);
  if (turn.run.steps == 0) return driver->Start(call, context);
  return driver->Continue(call, context, ResultsOf(turn));
}

void RunSteps::Take(Call& call, const TurnPtr& turn, Step step, Inherited& inherited) {
  Status taken = TakeAll(call, turn, std::move(step), inherited);
  if (taken.ok() || taken.code() == Code::kCancelled) return;
  // A row must say that it has begun: a step that fails in passing is tried again later and later.
  if (turn->is_new() && taken.code() != Code::kCommitUnknown) {
    Status stored = StoreNew(call, turn.get());
    if (!stored.ok()) return NotStored(call, turn, stored);
  }
  Failed(call, turn, taken);
}

void RunSteps::Go(Call& call, const TurnPtr& turn, Inherited& inherited) {
  auto step = Ask(call, *turn);
  if (!step.ok()) return Failed(call, turn, step.status());
  Take(call, turn, std::move(*step), inherited);
}

Status RunSteps::TakeAll(Call& call, const TurnPtr& turn, Step step, Inherited& inherited) {
  int lost = 0;
  for (int commits = 0; std::holds_alternative<TableChange>(step) && commits < kMostCommits;) {
    Status landed = Land(call, world_, std::move(std::get<TableChange>(step)), turn.get());
    if (landed.ok()) {
      ++commits;
    } else {
      if (landed.code() != Code::kConflict || ++lost > world_.options.commit_retries) return landed;
      call.clock().SleepFor(Millis(20) * lost, call.stop());
      MORAINE_ASSIGN(turn->facts, LoadFacts(call, world_, turn->run.subject.table_id,
                                            turn->run.action, inherited));
    }
    MORAINE_ASSIGN(step, Ask(call, *turn));
  }
  // After so many commits others have their turn.
  if (std::holds_alternative<TableChange>(step)) return {};
  return Leave(call, turn, std::move(step));
}

Status RunSteps::Leave(Call& call, const TurnPtr& turn, Step step) {
  if (auto* tasks = std::get_if<RunTasks>(&step)) return LeaveTasks(call, turn, std::move(*tasks));
  if (auto* nothing = std::get_if<Nothing>(&step)) {
    End(call, turn, RunState::kNothing, std::move(nothing->reason), std::move(nothing->memory));
    return {};
  }
  auto& done = std::get<Done>(step);
  // A dry run tells in its summary and details what would go; it has removed nothing.
  turn->run.files_removed = turn->run.dry_run ? 0 : done.files_removed;
  turn->run.bytes_removed = turn->run.dry_run ? 0 : done.bytes_removed;
  turn->run.details = std::move(done.details);
  End(call, turn, RunState::kSucceeded, std::move(done.summary), std::move(done.memory));
  return {};
}

Status RunSteps::LeaveTasks(Call& call, const TurnPtr& turn, RunTasks step) {
  const int64_t now_ms = world_.shards.NowMs(call);
  const int64_t not_before_ms =
      step.tries > 0 ? now_ms + BackOff(step.tries, world_.options).count() : 0;
  MaintenanceRun run = AfterStep(*turn, std::move(step.state), std::move(step.progress),
                                 step.finish, world_.options);
  MORAINE_ASSIGN(StepTasks made,
                 MakeStepTasks(*turn, std::move(step.tasks), not_before_ms, now_ms, &run));
  const int64_t table_id = run.subject.table_id;
  const optimizing::Job job{run.run_id, table_id, run.subject.group, world_.options.task_retries};
  auto body = [turn, run = std::move(run), job, made = std::move(made),
               now_ms](Transaction& t) -> Status {
    MORAINE_TRY(SaveStep(t, *turn, run, Outputs::kUnused, now_ms));
    for (const auto& deletion : made.deletions) MORAINE_TRY(InsertDeletion(t, deletion));
    return optimizing::InsertJobTasks(t, job, made.tasks);
  };
  world_.writes.Add({table_id, std::move(body), [this, turn](Call& after, const Status& stored) {
                       if (!stored.ok()) return NotStored(after, turn, stored);
                       world_.queue.AnnounceWork();
                     }});
  return {};
}

Status RunSteps::StoreNew(Call& call, Turn* turn) {
  MORAINE_TRY(world_.shards.Write(call, turn->run.subject.table_id, [&](Transaction& t) -> Status {
    return InsertBegun(t, *turn, turn->run);
  }));
  turn->schedule.reset();
  turn->run.row_version = 1;
  return {};
}

void RunSteps::End(Call& call, const TurnPtr& turn, RunState state, std::string reason,
                   std::optional<std::string> memory) {
  MaintenanceRun run = turn->run;
  run.state = state;
  run.finished_ms = world_.shards.NowMs(call);
  if (state == RunState::kFailed) {
    run.error = std::move(reason);
  } else {
    run.reason = std::move(reason);
    run.error.clear();
  }
  const int64_t table_id = run.subject.table_id;
  auto body = [this, turn, run, memory = std::move(memory)](Transaction& t) -> Status {
    MaintenanceRun row = run;
    if (turn->is_new()) {
      MORAINE_TRY(InsertBegun(t, *turn, turn->run));
      row.row_version = 1;
    }
    return EndRows(t, row, turn->tasks, memory, world_.options);
  };
  world_.writes.Add(
      {table_id, std::move(body), [this, turn, run](Call& after, const Status& stored) {
         if (!stored.ok()) return NotStored(after, turn, stored);
         world_.metrics.Ended(run);
         LogEnd(after, run);
       }});
}

void RunSteps::Failed(Call& call, const TurnPtr& turn, const Status& why) {
  if (why.code() == Code::kCancelled) return;
  // The row may have gone on: what it says now decides.
  if (why.code() == Code::kCommitUnknown) return NotStored(call, turn, why);
  const int64_t tries = turn->is_new() ? turn->before.failures : turn->run.tries;
  const bool again = turn->run.must_finish || (IsPassing(why) && tries < kMostTries);
  if (!again) return End(call, turn, RunState::kFailed, why.ToString(), std::nullopt);
  // A run without a row has done nothing: it begins later, and whoever asked for it gets it then.
  if (turn->is_new()) return PutOff(call, world_, turn->before, why);
  Status postponed = Postpone(call, *turn, why.ToString());
  if (!postponed.ok()) NotStored(call, turn, postponed);
}

Status RunSteps::Postpone(Call& call, const Turn& turn, const std::string& why) {
  MaintenanceRun run = turn.run;
  run.tries += 1;
  run.error = why;
  run.not_before_ms = world_.shards.NowMs(call) + BackOff(run.tries, world_.options).count();
  call.log().Warn("a run of maintenance waits before it is tried again",
                  {{"table", run.subject.name},
                   {"action", upkeep::ActionName(run.action)},
                   {"run", run.run_id},
                   {"error", why}});
  return world_.shards.Write(call, run.subject.table_id, [&](Transaction& t) -> Status {
    MORAINE_TRY(SaveRun(t, run));
    return optimizing::RetryFailedJobTasks(t, run.run_id, run.not_before_ms);
  });
}

/// The rows are as they were, or say what others have done: the next round goes on with them. Not
/// at once where it would only fail again.
void RunSteps::NotStored(Call& call, const TurnPtr& turn, const Status& why) {
  const MaintenanceRun& run = turn->run;
  const bool is_elsewhere = why.code() == Code::kCancelled || why.code() == Code::kConflict ||
                            (turn->is_new() && why.code() == Code::kAlreadyExists);
  if (is_elsewhere) return;
  if (!IsPassing(why)) {
    if (turn->is_new()) {
      PutOff(call, world_, turn->before, why);
    } else {
      (void)Postpone(call, *turn, why.ToString());
    }
  }
  call.log().Warn("a step of maintenance is not stored, it will be tried again",
                  {{"table", run.subject.name},
                   {"action", upkeep::ActionName(run.action)},
                   {"run", run.run_id},
                   {"error", why.ToString()}});
}

}  // namespace moraine::maintenance
