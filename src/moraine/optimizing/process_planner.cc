#include "moraine/optimizing/process_planner.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/location.h"
#include "moraine/optimizing/failures.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/optimizing/table_files.h"
#include "moraine/planning/planner.h"

namespace moraine::optimizing {
namespace {

using planning::OptimizingConfig;
using planning::PartitionEvaluation;
using planning::TableFiles;
using store::Access;
using store::RunFor;
using store::Transaction;
using tasks::RewriteTask;

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

/// A person's wish overrides timers and the care for hot partitions.
void ApplyRequest(const std::string& requested, OptimizingConfig* config,
                  planning::OptimizingTimes* times) {
  if (requested.empty()) return;
  config->hot_partition_delay = Millis(0);
  config->minor_trigger_interval = Millis(0);
  times->last_minor_ms = 0;
  if (requested == "full") {
    config->full_trigger_interval = Millis(0);
    times->last_full_ms = 0;
  }
}

std::string NoOptimizer(const std::string& group) {
  return fmt::format("no optimizer of the group {} is running", group);
}

void LeaveFilteredFiles(const std::vector<bool>& filtered_out, PartitionEvaluation* evaluation) {
  for (size_t i = 0; i < filtered_out.size(); ++i) {
    if (filtered_out[i]) evaluation->work[i] = planning::FileWork::kLeave;
  }
}

/// Files of a task with the deletes they need, renumbered for the task alone.
class TaskBuilder {
 public:
  TaskBuilder(const TableFiles& table, RewriteTask* task) : table_(table), task_(*task) {}

  void Add(const tasks::InputFile& input, std::vector<tasks::InputFile>* list) {
    tasks::InputFile copy = input;
    for (int32_t& index : copy.deletes) {
      auto [place, is_new] = numbers_.emplace(index, static_cast<int32_t>(task_.deletes.size()));
      if (is_new) task_.deletes.push_back(table_.deletes[static_cast<size_t>(index)]);
      index = place->second;
    }
    list->push_back(std::move(copy));
  }

 private:
  const TableFiles& table_;
  RewriteTask& task_;
  std::map<int32_t, int32_t> numbers_;
};

std::vector<RewriteTask> MakeTasks(const catalog::LoadedTable& loaded, const TableFiles& table,
                                   const planning::ProcessPlan& plan,
                                   const OptimizingConfig& config, const std::string& process_id) {
  const auto& metadata = *loaded.metadata;
  std::vector<RewriteTask> made;
  for (const auto& planned : plan.tasks) {
    const auto& partition = table.partitions[planned.partition];
    RewriteTask task;
    task.process_id = process_id;
    task.task_id = static_cast<int32_t>(made.size());
    task.table = loaded.warehouse + "." + catalog::ToText(loaded.name);
    task.format_version = metadata.format_version;
    task.schema = metadata.FindSchema(metadata.current_schema_id);
    task.spec = metadata.FindSpec(partition.spec_id);
    task.partition = partition.partition;
    task.properties = metadata.properties;
    task.target_size_bytes = config.target_size;
    task.data_location =
        metadata.Property("write.data.path", io::JoinLocation(metadata.location, "data"));
    task.partition_path = partition.path;
    TaskBuilder builder(table, &task);
    for (size_t file : planned.rewrite) builder.Add(partition.files[file], &task.rewrite);
    for (size_t file : planned.rewrite_positions)
      builder.Add(partition.files[file], &task.rewrite_positions);
    made.push_back(std::move(task));
  }
  return made;
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
                               store::Database& database, HealthMonitor& monitor, TaskQueue& queue,
                               Options options)
    : catalog_(catalog),
      files_(files),
      database_(database),
      monitor_(monitor),
      queue_(queue),
      options_(options) {}

Status ProcessPlanner::Save(Call& call, const TableState& state) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(bool saved, SaveTableState(t, state));
    // What a person asked for meanwhile wins over this plan; the row says so, and is looked at.
    return saved ? Status() : LookAgain(t, state.table_id, ToMillis(call.clock().Wall()));
  });
}

Result<size_t> ProcessPlanner::PlanTick(Call& call) {
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto pending, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return TablesWithStatus(t, TableStatus::kPending, kMaxPendingSeen);
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
  MORAINE_ASSIGN(auto running, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return TablesWithStatus(t, TableStatus::kRunning, kMaxPendingSeen);
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

Result<bool> ProcessPlanner::PlanTable(Call& call, TableState state, int64_t group_threads) {
  int64_t now_ms = ToMillis(call.clock().Wall());
  auto loaded = catalog_.LoadById(call, state.table_id);
  auto give_up = [&](const Status& why) -> Result<bool> {
    // A store that failed says nothing about the table.
    if (why.code() == Code::kCancelled || why.code() == Code::kCommitUnknown) return why;
    call.log().Warn("planning failed", {{"table", state.name}, {"error", why.ToString()}});
    state.status = TableStatus::kFailed;
    bool passing = why.code() == Code::kUnavailable || why.code() == Code::kDeadline;
    NoteFailure(&state, kPlanningFailed, why.ToString(),
                passing ? FailureKind::kPassing : FailureKind::kLasting, options_, now_ms);
    state.requested_type.clear();
    MORAINE_TRY(Save(call, state));
    return false;
  };
  if (!loaded.ok()) return give_up(loaded.status());
  const bool asked_for = !state.requested_type.empty();
  const auto& metadata = *(*loaded)->metadata;
  auto config = planning::ConfigOf(metadata.properties);
  int64_t may_plan_ms = state.last_planned_ms + config.min_plan_interval.count();
  if (state.requested_type.empty() && now_ms < may_plan_ms) {
    state.reason = fmt::format("was planned a moment ago, waits for {}min-plan-interval until {}",
                               "self-optimizing.", FormatTime(FromMillis(may_plan_ms)));
    state.due_ms = may_plan_ms;
    MORAINE_TRY(Save(call, state));
    return false;
  }
  planning::OptimizingTimes times = state.times;
  ApplyRequest(state.requested_type, &config, &times);

  auto sum = monitor_.SumOf(call, state.table_id, metadata);
  if (!sum.ok()) return give_up(sum.status());
  bool full_due = planning::FullIntervalReached(config, times, now_ms);
  auto reached = (*sum)->ReachedByGlobalDeletes(UnpartitionedSpecs(metadata));
  auto health =
      planning::DecideHealth(**sum, reached, config, full_due || !state.requested_type.empty(),
                             options_.max_candidate_partitions);
  TableFilesRequest request{{health.candidates.begin(), health.candidates.end()},
                            config.filter,
                            options_.max_files_per_plan};
  auto table = LoadTableFiles(call, files_, metadata, **sum, request);
  if (!table.ok()) return give_up(table.status());

  std::vector<PartitionEvaluation> evaluations;
  for (size_t i = 0; i < table->files.partitions.size(); ++i) {
    evaluations.push_back(planning::EvaluatePartition(table->files, table->files.partitions[i],
                                                      config, times, now_ms));
    LeaveFilteredFiles(table->filtered_out[i], &evaluations.back());
  }
  planning::PlanLimits limits;
  limits.budget_bytes = options_.max_input_per_thread_bytes * std::max<int64_t>(1, group_threads);
  auto plan = planning::PlanProcess(table->files, evaluations, config, limits);
  if (asked_for) {
    plan.reason = plan.tasks.empty()
                      ? fmt::format("was asked for by a person, but: {}", plan.reason)
                      : fmt::format("asked for by a person: {} files in {} partitions",
                                    plan.input_files, plan.partitions);
  }
  state.last_planned_ms = now_ms;
  state.due_ms = plan.due_ms;
  state.requested_type.clear();
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
  process.snapshot_id = table->files.snapshot_id;
  process.sequence_number = table->files.sequence_number;
  process.quota_threads = planning::QuotaThreads(config, group_threads);
  process.num_retries = config.num_retries;
  process.partial_commit = config.allow_partial_commit;
  process.created_ms = now_ms;
  process.tasks = static_cast<int64_t>(plan.tasks.size());
  process.input_files = plan.input_files;
  process.input_bytes = plan.input_bytes;
  auto rewrite_tasks = MakeTasks(**loaded, table->files, plan, config, process.process_id);
  state.status = TableStatus::kRunning;
  state.reason = plan.reason;
  state.pending_since_ms = 0;
  Status inserted = database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
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
