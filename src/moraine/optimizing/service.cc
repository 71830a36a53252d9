#include "moraine/optimizing/service.h"

#include <fmt/format.h>

#include "moraine/optimizing/schema.h"
#include "moraine/planning/branch.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kRefreshBatch = 100;
constexpr int64_t kTrimEveryMs = 3'600'000;
constexpr Millis kWatchEvery{1'000};
constexpr Millis kWatchLimit{10'000};

/// What is wrong whatever the table is like.
Status CheckRequest(const RunRequest& request) {
  const std::string& type = request.type;
  if (type != "minor" && type != "major" && type != "full")
    return InvalidArgument(fmt::format("type: expected minor, major or full, got {}", type));
  if (!request.layout.empty() && type == "minor")
    return InvalidArgument("type: a layout is for major and full runs, not for minor ones");
  if (!request.dedup_key.empty() && type != "full")
    return InvalidArgument("type: duplicates are left out by full runs alone");
  if (request.dedup_key.empty() && !request.dedup_by.empty())
    return InvalidArgument("dedup: keep-last-by needs a key");
  return {};
}

Status CheckArrangement(const RunRequest& request, const iceberg::TableMetadata& table) {
  if (!request.layout.empty()) {
    Status readable = planning::LayoutOf(request.layout, table).status();
    if (!readable.ok()) return std::move(readable).Annotate("layout");
  }
  if (!request.dedup_key.empty()) {
    planning::OptimizingConfig config;
    Status readable = planning::SetDedup(request.dedup_key, request.dedup_by, table, &config);
    if (!readable.ok()) return std::move(readable).Annotate("dedup");
  }
  return {};
}

}  // namespace

Service::Service(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
                 Options options)
    : catalog_(catalog),
      database_(database),
      options_(options),
      shards_(database, store::SharedDuty(database, kDuty, options.server, options.lease_length)),
      loop_(shards_, kDuty, options.idle_tick, kWatchEvery),
      metrics_(options.metrics),
      queue_(database, options),
      monitor_(catalog, files, shards_, options),
      planner_(catalog, files, shards_, monitor_, queue_, options),
      committer_(catalog, files, shards_, monitor_, options) {
  queue_.OnProgress([this] { Wake(); });
}

Status Service::Open(Call& call) {
  MORAINE_TRY(store::Migrate(call, database_, "optimizing", Migrations()));
  MORAINE_TRY(shards_.Open(call));
  // Those of the server that was here before; where there may be others, time tells.
  return database_.dialect() == "sqlite" ? queue_.ForgetEmbedded(call) : Status();
}

void Service::Wake() { loop_.Wake(); }

Result<bool> Service::Tick(Call& call) {
  loop_.Try(call, "leases", [&]() -> Result<bool> {
    MORAINE_TRY(shards_.Keep(call));
    return false;
  });
  shards_.StartTerm();
  metrics_.Shares(shards_.held(), shards_.members());
  bool busy = loop_.Try(call, "feed", [&] { return monitor_.FeedTick(call); });
  loop_.Try(call, "reclaim", [&]() -> Result<bool> {
    if (!shards_.Leads(call)) return false;
    if (shards_.KnowsTheDead(call)) MORAINE_TRY(queue_.ForgetDeadServers(call));
    MORAINE_TRY(queue_.ReclaimTick(call));
    return false;
  });
  busy |= loop_.TrySome(call, "commit", [&] { return committer_.CommitTick(call); });
  busy |= loop_.TrySome(call, "refresh", [&] { return monitor_.RefreshTick(call, kRefreshBatch); });
  busy |= loop_.TrySome(call, "plan", [&] { return planner_.PlanTick(call); });
  loop_.Try(call, "clean", [&]() -> Result<bool> {
    MORAINE_TRY(committer_.CleanTick(call));
    int64_t now_ms = shards_.NowMs(call);
    // Clocks may be set back.
    const bool is_recent = now_ms >= trimmed_ms_ && now_ms < trimmed_ms_ + kTrimEveryMs;
    if (is_recent || !shards_.Leads(call)) return false;
    trimmed_ms_ = now_ms;
    MORAINE_TRY(shards_.WriteAsLeader(call, [&](Transaction& t) {
      return TrimProcesses(t, now_ms - options_.process_retention.count());
    }));
    MORAINE_TRY(monitor_.TrimFeed(call));
    return false;
  });
  MORAINE_TRY(call.Check());
  return busy;
}

void Service::Watch(const Env& env, std::stop_token stop) {
  while (!shards_.alone() && !stop.stop_requested()) {
    Call call(env, kWatchLimit, stop);
    loop_.Try(call, "watch", [&]() -> Result<bool> {
      MORAINE_TRY(queue_.WatchTick(call));
      return false;
    });
    env.clock.SleepFor(kWatchEvery, stop);
  }
}

void Service::Run(const Env& env, std::stop_token stop) {
  // Tasks that others made are announced whatever the ticks take.
  loop_.Run(
      env, std::move(stop), [this](Call& call) { return Tick(call); },
      [this](Call& call) { return queue_.WatchTick(call); });
}

Result<std::vector<TableState>> Service::Tables(Call& call, int64_t after_table_id, size_t limit) {
  return RunFor(call, database_, Access::kRead,
                [&](Transaction& t) { return AllTableStates(t, after_table_id, limit); });
}

Result<TableState> Service::Table(Call& call, int64_t table_id) {
  MORAINE_ASSIGN(auto state, RunFor(call, database_, Access::kRead,
                                    [&](Transaction& t) { return FindTableState(t, table_id); }));
  if (!state) return NotFound("the table has not been looked at yet");
  return std::move(*state);
}

Result<TableState> Service::DamagedTable(Call& call, const std::string& warehouse,
                                         const catalog::TableName& name, const Status& why) {
  MORAINE_ASSIGN(auto state, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return FindTableStateByName(t, warehouse, catalog::ToText(name));
                 }));
  if (!state) return NotFound("the table has not been looked at yet");
  if (state->status == TableStatus::kFailed) return std::move(*state);
  MORAINE_TRY(database_.Run(call, Access::kWrite,
                            [&](Transaction& t) { return LookAgain(t, state->table_id, 0); }));
  Wake();
  state->status = TableStatus::kFailed;
  state->reason = fmt::format("the table can't be read: {}", why.ToString());
  state->score = 0;
  state->health_json = "{}";
  return std::move(*state);
}

Result<std::vector<Process>> Service::Processes(Call& call, int64_t table_id, size_t limit) {
  return RunFor(call, database_, Access::kRead,
                [&](Transaction& t) { return RecentProcesses(t, table_id, limit); });
}

Result<ProcessDetail> Service::ProcessById(Call& call, const std::string& process_id) {
  return RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<ProcessDetail> {
    MORAINE_ASSIGN(auto process, FindProcess(t, process_id));
    if (!process) return NotFound(fmt::format("no such process: {}", process_id));
    ProcessDetail detail;
    detail.process = std::move(*process);
    MORAINE_ASSIGN(detail.progress, Progress(t, process_id));
    MORAINE_ASSIGN(detail.tasks, TaskRows(t, process_id));
    return detail;
  });
}

Status Service::Request(Call& call, int64_t table_id, const RunRequest& request) {
  MORAINE_TRY(CheckRequest(request));
  auto found = catalog_.LoadById(call, table_id);
  if (!found.ok()) {
    // A table that can't be read is marked by the next look at it.
    MORAINE_TRY(database_.Run(call, Access::kWrite,
                              [&](Transaction& t) { return LookAgain(t, table_id, 0); }));
    Wake();
    return found.status();
  }
  const auto& loaded = *found;
  const bool on_main = request.branch.empty() || request.branch == iceberg::kMainBranch;
  MORAINE_ASSIGN(
      const auto table,
      planning::AtBranch(loaded->metadata, on_main ? iceberg::kMainBranch : request.branch));
  MORAINE_TRY(CheckArrangement(request, *table));
  std::string obstacle =
      planning::Obstacle(*table, planning::ConfigOf(*table), loaded->origin == "registered");
  if (!obstacle.empty()) return Conflict(fmt::format("the table can't be optimized: {}", obstacle));
  int64_t now_ms = shards_.NowMs(call);
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(MakeDue(t, table_id, 0));
    MORAINE_TRY(
        t.Execute("UPDATE optimizing_table SET requested_type = ?, requested_layout = ?,"
                  " requested_dedup_key = ?, requested_dedup_by = ?, requested_branch = ?,"
                  " failures = 0, equal_failures = 0, "
                  "retry_ms = 0, failed_schema_id = -1, last_refreshed_ms = 0, row_version = "
                  "row_version + 1,"
                  " state = CASE WHEN state = 'failed' THEN 'pending' ELSE state END, "
                  "pending_since_ms = ? WHERE table_id = ?",
                  {request.type, request.layout, request.dedup_key, request.dedup_by,
                   on_main ? std::string() : request.branch, now_ms, table_id}));
    return Status();
  }));
  Wake();
  return {};
}

Status Service::Cancel(Call& call, const std::string& process_id) {
  MORAINE_TRY(committer_.Cancel(call, process_id));
  Wake();
  return {};
}

}  // namespace moraine::optimizing
