#include "moraine/optimizing/process_planner.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/blockers.h"
#include "moraine/optimizing/failures.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/planning/branch.h"
#include "moraine/planning/table_plan.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kMaxPendingSeen = 10'000;
constexpr double kScorePointsPerMinute = 1.0;
constexpr char kPlanningFailed[] = "planning failed";

/// Threads of the group that its processes can keep busy within their quotas. A process beyond its
/// quota gets more threads only as long as nobody else wants them, so it must not keep others from
/// being planned.
Result<int64_t> ThreadsInUse(Transaction& t, const std::string& group) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT p.quota_threads, COUNT(*) FROM process p JOIN task k ON k.process_id ="
              " p.process_id WHERE p.state = 'running' AND p.resource_group = ? AND k.state IN"
              " ('planned', 'scheduled', 'acknowledged') GROUP BY p.process_id, p.quota_threads",
              {group}));
  int64_t threads = 0;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(int64_t quota, row.Int(0));
    MORAINE_ASSIGN(int64_t open_tasks, row.Int(1));
    threads += std::min(std::max<int64_t>(1, quota), open_tasks);
  }
  return threads;
}

std::string NoOptimizer(const std::string& group) {
  return fmt::format("no optimizer of the group {} is running", group);
}

std::string ReasonOfRequest(const planning::ProcessPlan& plan, const std::string& branch) {
  if (plan.tasks.empty()) return fmt::format("was asked for by a person, but: {}", plan.reason);
  const std::string where =
      branch == iceberg::kMainBranch ? std::string() : fmt::format(" of the branch {}", branch);
  return fmt::format("asked for by a person: {} file{} in {} partition{}{}", plan.input_files,
                     plan.input_files == 1 ? "" : "s", plan.partitions,
                     plan.partitions == 1 ? "" : "s", where);
}

}  // namespace

void RankPending(std::vector<TableState>* tables, int64_t now_ms) {
  auto rank = [&](const TableState& state) {
    double minutes = static_cast<double>(now_ms - state.pending_since_ms) / 60'000.0;
    double asked = state.requested_type.empty() ? 0 : 1000;
    return asked + static_cast<double>(100 - state.score) + minutes * kScorePointsPerMinute;
  };
  std::stable_sort(tables->begin(), tables->end(),
                   [&](const TableState& a, const TableState& b) { return rank(a) > rank(b); });
}

ProcessPlanner::ProcessPlanner(catalog::Catalog& catalog, io::FileSystem& files,
                               store::Shards& shards, HealthMonitor& monitor, TaskQueue& queue,
                               Options options)
    : catalog_(catalog),
      files_(files),
      shards_(shards),
      database_(shards.database()),
      monitor_(monitor),
      queue_(queue),
      options_(options) {}

Status ProcessPlanner::Save(Call& call, const TableState& state) {
  return shards_.Write(call, state.table_id, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(bool saved, SaveTableState(t, state));
    // What a person asked for meanwhile wins over this plan; the row says so, and is looked at.
    return saved ? Status() : LookAgain(t, state.table_id, shards_.NowMs(call));
  });
}

Result<size_t> ProcessPlanner::PlanTick(Call& call) {
  int64_t now_ms = shards_.NowMs(call);
  const std::string own = shards_.Filter(call, "table_id");
  MORAINE_ASSIGN(auto pending, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return TablesWithStatus(t, TableStatus::kPending, kMaxPendingSeen, own);
                 }));
  std::map<std::string, std::vector<TableState>> groups;
  for (auto& state : pending) groups[state.group].push_back(std::move(state));
  size_t made = 0;
  for (auto& [group, tables] : groups) {
    MORAINE_ASSIGN(int64_t threads, queue_.GroupThreads(call, group));
    RankPending(&tables, now_ms);
    for (auto& state : tables) {
      MORAINE_TRY(call.Check());
      if (threads == 0) {
        std::string reason = NoOptimizer(group);
        if (state.reason != reason) {
          state.reason = reason;
          MORAINE_TRY(Save(call, state));
        }
        continue;
      }
      MORAINE_ASSIGN(int64_t in_use, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                       return ThreadsInUse(t, group);
                     }));
      if (in_use >= threads) break;
      // Waits for self-optimizing.min-plan-interval; a look at that time lets it go on.
      if (state.due_ms && *state.due_ms > now_ms && state.requested_type.empty()) continue;
      MORAINE_ASSIGN(bool planned, PlanTable(call, std::move(state), threads));
      if (planned) ++made;
    }
  }
  if (made > 0) queue_.AnnounceWork();
  MORAINE_TRY(ExplainRunning(call));
  return made;
}

/// Says of tables whose process nobody works on why that is so, and takes it back.
Status ProcessPlanner::ExplainRunning(Call& call) {
  const std::string own = shards_.Filter(call, "table_id");
  MORAINE_ASSIGN(auto running, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return TablesWithStatus(t, TableStatus::kRunning, kMaxPendingSeen, own);
                 }));
  std::map<std::string, int64_t> threads;
  for (auto& state : running) {
    if (!threads.contains(state.group)) {
      MORAINE_ASSIGN(threads[state.group], queue_.GroupThreads(call, state.group));
    }
    std::string alone = NoOptimizer(state.group);
    bool is_alone = threads[state.group] == 0;
    if (is_alone == (state.reason == alone)) continue;
    if (is_alone) {
      state.reason = alone;
    } else {
      MORAINE_ASSIGN(auto process, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                       return ActiveProcess(t, state.table_id);
                     }));
      if (!process) continue;
      state.reason = process->reason;
    }
    MORAINE_TRY(Save(call, state));
  }
  return {};
}

/// What was asked for can't be done any more; that is no failure of the table.
Result<bool> ProcessPlanner::DropRequest(Call& call, TableState state, const Status& why) {
  state.ForgetRequest();
  state.status = TableStatus::kIdle;
  state.reason = fmt::format("was asked for by a person, but: {}", why.message());
  state.due_ms = shards_.NowMs(call);
  MORAINE_TRY(Save(call, state));
  return false;
}

/// A writer keeps optimizing off the table: it waits until the blocker expires, at most.
Result<bool> ProcessPlanner::WaitForWriter(Call& call, TableState* state) {
  MORAINE_ASSIGN(auto blocker, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return catalog::FindBlocker(t, state->table_id, catalog::kOptimizeOperation);
                 }));
  if (!blocker) return false;
  std::string reason = catalog::Explain(*blocker);
  if (state->reason == reason) return true;
  state->reason = std::move(reason);
  state->due_ms = blocker->expires_ms;
  MORAINE_TRY(Save(call, *state));
  return true;
}

Result<bool> ProcessPlanner::PlanTable(Call& call, TableState state, int64_t group_threads) {
  MORAINE_ASSIGN(bool waits, WaitForWriter(call, &state));
  if (waits) return false;
  int64_t now_ms = shards_.NowMs(call);
  auto loaded = catalog_.LoadById(call, state.table_id);
  auto give_up = [&](const Status& why) -> Result<bool> {
    // A store that failed says nothing about the table.
    if (why.code() == Code::kCancelled || why.code() == Code::kCommitUnknown) return why;
    call.log().Warn("planning failed", {{"table", state.name}, {"error", why.ToString()}});
    state.status = TableStatus::kFailed;
    bool passing = why.code() == Code::kUnavailable || why.code() == Code::kDeadline;
    NoteFailure(&state, kPlanningFailed, why.ToString(),
                passing ? FailureKind::kPassing : FailureKind::kLasting, options_, now_ms);
    state.ForgetRequest();
    MORAINE_TRY(Save(call, state));
    return false;
  };
  if (!loaded.ok()) return give_up(loaded.status());
  const bool asked_for = !state.requested_type.empty();
  const std::string branch = RequestedBranch(state);
  auto table = planning::AtBranch((*loaded)->metadata, branch);
  if (!table.ok()) return DropRequest(call, std::move(state), table.status());
  const auto& metadata = **table;
  auto config = planning::ConfigOf(metadata);
  int64_t may_plan_ms = state.last_planned_ms + config.min_plan_interval.count();
  if (state.requested_type.empty() && now_ms < may_plan_ms) {
    state.reason = fmt::format("was planned a moment ago, waits for {}min-plan-interval until {}",
                               "self-optimizing.", FormatTime(FromMillis(may_plan_ms)));
    state.due_ms = may_plan_ms;
    MORAINE_TRY(Save(call, state));
    return false;
  }
  planning::TablePlanRequest request{.config = config, .times = state.times, .now_ms = now_ms};
  if (asked_for) {
    auto wish =
        state.requested_type == "full" ? planning::Wish::kFull : planning::Wish::kWorthwhile;
    planning::ApplyWish(wish, &request.config, &request.times);
    if (!state.requested_layout.empty()) {
      auto layout = planning::LayoutOf(state.requested_layout, metadata);
      if (!layout.ok()) return give_up(layout.status());
      request.config.layout = std::move(*layout);
    }
    if (!state.requested_dedup_key.empty()) {
      Status dedup = planning::SetDedup(state.requested_dedup_key, state.requested_dedup_by,
                                        metadata, &request.config);
      if (!dedup.ok()) return DropRequest(call, std::move(state), dedup);
    }
  }
  request.every_partition = asked_for;
  request.max_candidates = options_.max_candidate_partitions;
  request.max_files = options_.max_files_per_plan;
  request.limits.budget_bytes =
      options_.max_input_per_thread_bytes * std::max<int64_t>(1, group_threads);
  auto sum = monitor_.SumOfBranch(call, state.table_id, metadata, branch);
  if (!sum.ok()) return give_up(sum.status());
  auto made = planning::PlanTable(call, files_, metadata, **sum, request);
  if (!made.ok()) return give_up(made.status());
  auto& plan = made->process;
  if (asked_for) plan.reason = ReasonOfRequest(plan, branch);
  const bool arranges = std::any_of(plan.tasks.begin(), plan.tasks.end(),
                                    [](const auto& task) { return task.arranged; });
  if (arranges) {
    plan.reason += "; rows are laid out as " +
                   tasks::LayoutText(request.config.layout, metadata.CurrentSchema());
  }
  state.last_planned_ms = now_ms;
  state.due_ms = plan.due_ms;
  state.ForgetRequest();
  ForgetFailures(&state, kPlanningFailed);
  if (plan.tasks.empty()) {
    state.status = TableStatus::kIdle;
    state.reason = plan.reason;
    MORAINE_TRY(Save(call, state));
    return false;
  }

  Process process;
  process.process_id = MakeOrderedUuid(call.random(), call.clock().Wall());
  process.table_id = state.table_id;
  process.table_name = (*loaded)->warehouse + "." + catalog::ToText((*loaded)->name);
  process.group = config.group;
  process.type = plan.type;
  process.reason = plan.reason;
  process.started_by = asked_for ? kByPerson : kByRules;
  process.branch = branch;
  process.snapshot_id = made->files.snapshot_id;
  process.sequence_number = made->files.sequence_number;
  process.quota_threads = planning::QuotaThreads(config, group_threads);
  process.num_retries = config.num_retries;
  process.partial_commit = config.allow_partial_commit;
  process.created_ms = now_ms;
  process.tasks = static_cast<int64_t>(plan.tasks.size());
  process.input_files = plan.input_files;
  process.input_bytes = plan.input_bytes;
  auto rewrite_tasks =
      planning::MakeTasks(metadata, process.table_name, *made, request.config, process.process_id);
  state.status = TableStatus::kRunning;
  state.reason = plan.reason;
  state.pending_since_ms = 0;
  Status inserted = shards_.Write(call, state.table_id, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto blocker,
                   catalog::FindBlocker(t, state.table_id, catalog::kOptimizeOperation));
    if (blocker) return Conflict(catalog::Explain(*blocker));  // taken while it was planned
    MORAINE_TRY(InsertProcess(t, process, rewrite_tasks));
    return ReplaceTableState(t, state);
  });
  // A wish or a change that came while it was planned: the next tick plans again, with it.
  if (inserted.code() == Code::kConflict) return false;
  if (!inserted.ok()) return give_up(inserted);
  call.log().Info("process planned", {{"table", process.table_name},
                                      {"process", process.process_id},
                                      {"type", planning::OptimizingTypeName(process.type)},
                                      {"tasks", process.tasks},
                                      {"input_files", process.input_files},
                                      {"input_bytes", process.input_bytes},
                                      {"reason", process.reason}});
  return true;
}

}  // namespace moraine::optimizing
