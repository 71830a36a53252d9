#include "moraine/maintenance/runner.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "moraine/optimizing/jobs.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kStepsPerTick = 100;
constexpr size_t kHeardPerTick = 100;
constexpr size_t kMostHeard = 100'000;  ///< beyond, the look at all finds them
/// A slow table is left to its lane by then, and starts leave the loop to what goes on.
constexpr Millis kPatience{2'000};
constexpr size_t kPiecesTogether = 50;  ///< what comes of them is stored before the next ones
/// All runs are looked at again after so many times what that takes.
constexpr int kRestOfLooks = 20;

std::string OneOf(std::string_view column, const std::vector<std::string>& ids) {
  std::string list;
  for (const auto& id : ids) list += fmt::format("{}'{}'", list.empty() ? "" : ", ", id);
  return fmt::format(" AND {} IN ({})", column, list);
}

}  // namespace

Runner::Runner(catalog::Catalog& catalog, io::FileSystem& files, store::Shards& shards,
               optimizing::TaskQueue& queue, const Actions& actions, const Seams& seams,
               const Options& options)
    : options_(options),
      metrics_(options.metrics),
      world_{catalog, files, shards, queue, actions, seams, options_, metrics_, writes_},
      steps_(world_),
      starts_(world_, steps_),
      lanes_(options.threads) {}

Result<size_t> Runner::StartTick(Call& call) {
  store::Shards& shards = world_.shards;
  MORAINE_ASSIGN(size_t done, writes_.Flush(call, shards));  // of slow tables
  const int64_t now_ms = shards.NowMs(call);
  const std::string own = shards.Filter(call, "s.table_id");
  MORAINE_ASSIGN(auto due, RunFor(call, shards.database(), Access::kRead, [&](Transaction& t) {
                   return DueSchedules(t, now_ms, options_.starts_per_tick, own);
                 }));
  metrics_.Shares(shards.held());
  metrics_.Due(due.size(), Millis(due.empty() ? 0 : now_ms - due[0].due_ms.value_or(now_ms)));
  std::vector<std::vector<Schedule>> tables;
  for (auto& schedule : due) {
    const bool same = !tables.empty() && tables.back()[0].table_id == schedule.table_id;
    if (!same) tables.emplace_back();
    tables.back().push_back(std::move(schedule));
  }
  const auto inherited = std::make_shared<Inherited>();
  std::vector<Lanes::Piece> pieces;
  for (auto& table : tables) {
    const int64_t table_id = table[0].table_id;
    pieces.push_back({table_id, [this, inherited, table = std::move(table)](Call& piece) mutable {
                        starts_.Start(piece, std::move(table), *inherited);
                      }});
  }
  MORAINE_ASSIGN(const size_t begun, DoAll(call, std::move(pieces)));
  return done + begun;
}

/// Some at a time, as long as there is time; the rows of the others are as they were.
Result<size_t> Runner::DoAll(Call& call, std::vector<Lanes::Piece> pieces) {
  const MonoTime until = call.clock().Mono() + kPatience;
  size_t stored = 0;
  for (size_t i = 0; i < pieces.size() && (i == 0 || call.clock().Mono() < until);) {
    const size_t end = std::min(pieces.size(), i + kPiecesTogether);
    std::vector<Lanes::Piece> some;
    for (; i < end; ++i) some.push_back(std::move(pieces[i]));
    lanes_.Run(call, std::move(some), options_.step_timeout, kPatience);
    MORAINE_ASSIGN(const size_t flushed, writes_.Flush(call, world_.shards));
    stored += flushed;
  }
  return stored;
}

void Runner::Hear(const std::string& run_id) {
  // As our ids are; it came from an optimizer.
  if (run_id.find_first_not_of("0123456789abcdef-") != run_id.npos) return;
  std::lock_guard lock(mutex_);
  if (heard_.size() < kMostHeard) heard_.insert(run_id);
}

/// Those that were heard of, and from time to time all: another server may have heard of them, and
/// a look at all takes its time where very many wait for their tasks.
Result<std::vector<MaintenanceRun>> Runner::RunsToDrive(Call& call) {
  store::Shards& shards = world_.shards;
  const int64_t now_ms = shards.NowMs(call);
  std::string own = shards.Filter(call, "r.table_id");
  const MonoTime begun = call.clock().Mono();
  const bool all = begun >= look_at_all_;
  std::vector<std::string> heard;
  {
    std::lock_guard lock(mutex_);
    while (!heard_.empty() && heard.size() < kHeardPerTick)
      heard.push_back(std::move(heard_.extract(heard_.begin()).value()));
  }
  if (!all && heard.empty()) return std::vector<MaintenanceRun>();
  if (!all) own += OneOf("r.run_id", heard);
  auto ready = RunFor(call, shards.database(), Access::kRead,
                      [&](Transaction& t) { return ReadyRuns(t, now_ms, kStepsPerTick, own); });
  const MonoTime ended = call.clock().Mono();
  // More may be ready than one round takes.
  if (all && ready.ok())
    look_at_all_ = ready->size() < kStepsPerTick ? ended + (ended - begun) * kRestOfLooks : ended;
  return ready;
}

Result<size_t> Runner::DriveTick(Call& call) {
  MORAINE_ASSIGN(const size_t done, writes_.Flush(call, world_.shards));  // of slow tables
  MORAINE_ASSIGN(auto ready, RunsToDrive(call));
  const auto inherited = std::make_shared<Inherited>();
  std::vector<Lanes::Piece> pieces;
  for (auto& run : ready) {
    const int64_t table_id = run.subject.table_id;
    pieces.push_back({table_id, [this, inherited, run = std::move(run)](Call& piece) mutable {
                        DriveOne(piece, std::move(run), *inherited);
                      }});
  }
  MORAINE_ASSIGN(const size_t driven, DoAll(call, std::move(pieces)));
  return done + driven;
}

void Runner::DriveOne(Call& call, MaintenanceRun run, Inherited& inherited) {
  auto turn = std::make_shared<Turn>();
  turn->run = std::move(run);
  Status status = GoOn(call, turn, inherited);
  if (status.ok() || status.code() == Code::kCancelled) return;
  call.log().Warn("a run of maintenance will be tried again",
                  {{"run", turn->run.run_id}, {"error", status.ToString()}});
}

Status Runner::GoOn(Call& call, const TurnPtr& turn, Inherited& inherited) {
  const MaintenanceRun& run = turn->run;
  if (world_.DriverOf(run.action) == nullptr)
    return steps_.Postpone(call, *turn, "this version does not do it");
  MORAINE_TRY(LoadTasks(call, turn.get()));
  const auto cancel = [&](const char* why) -> Status {
    steps_.End(call, turn, RunState::kCancelled, why, std::nullopt);
    return {};
  };
  auto facts = LoadFacts(call, world_, run.subject.table_id, run.action, inherited);
  if (facts.status().code() == Code::kNotFound) {
    MORAINE_ASSIGN(const auto look,
                   RunFor(call, world_.shards.database(), Access::kRead,
                          [&](Transaction& t) { return FindLook(t, run.subject.table_id); }));
    if (!look) return cancel("the table is gone");
  }
  if (!facts.ok()) {
    steps_.Failed(call, turn, facts.status());
    return {};
  }
  turn->facts = std::move(*facts);
  const auto& table = turn->facts.table;
  if (table && table->metadata->table_uuid != run.subject.table_uuid)
    return cancel("another table has its place now");
  std::string failed;
  for (const auto& task : turn->tasks) {
    if (task.state == "failed" && !world_.DriverOf(run.action)->TakesFailures())
      failed = task.error;
  }
  if (!failed.empty()) {
    if (run.must_finish) return steps_.Postpone(call, *turn, failed);
    steps_.End(call, turn, RunState::kFailed, failed, std::nullopt);
    return {};
  }
  steps_.Go(call, turn, inherited);
  return {};
}

Status Runner::LoadTasks(Call& call, Turn* turn) {
  return world_.shards.database().Run(call, Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(turn->tasks, optimizing::JobTasks(t, turn->run.run_id));
    MORAINE_ASSIGN(auto schedule, FindSchedule(t, turn->run.subject.table_id, turn->run.action));
    turn->memory = schedule ? schedule->memory : "{}";
    return {};
  });
}

}  // namespace moraine::maintenance
