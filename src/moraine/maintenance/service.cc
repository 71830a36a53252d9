#include "moraine/maintenance/service.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/schema.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr int64_t kTrimEveryMs = 3'600'000;

}  // namespace

Service::Service(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
                 optimizing::TaskQueue& queue, Options options, Seams seams,
                 std::vector<std::unique_ptr<Action>> actions)
    : database_(database),
      options_(std::move(options)),
      seams_(std::move(seams)),
      actions_(std::move(actions)),
      shards_(database, store::SharedDuty(database, kDuty, options_.server, options_.lease_length)),
      loop_(shards_, kDuty, options_.idle_tick, options_.idle_tick),
      watcher_(catalog, shards_, seams_, options_),
      runner_(catalog, files, shards_, queue, actions_, seams_, options_) {
  queue.OnProgress([this] { Wake(); });
  queue.OnJobTask([this](const std::string& run_id) { runner_.Hear(run_id); });
}

Status Service::Open(Call& call) {
  MORAINE_TRY(store::Migrate(call, database_, "maintenance", Migrations()));
  if (seams_.open) MORAINE_TRY(seams_.open(call));
  return shards_.Open(call);
}

void Service::Wake() { loop_.Wake(); }

Result<bool> Service::Tick(Call& call) {
  loop_.Try(call, "leases", [&]() -> Result<bool> {
    MORAINE_TRY(shards_.Keep(call));
    return false;
  });
  shards_.StartTerm();
  bool busy = loop_.Try(call, "feed", [&] { return watcher_.FeedTick(call); });
  busy |= loop_.TrySome(call, "look", [&] { return watcher_.LookTick(call); });
  busy |= loop_.TrySome(call, "drive", [&] { return runner_.DriveTick(call); });
  busy |= loop_.TrySome(call, "start", [&] { return runner_.StartTick(call); });
  loop_.Try(call, "trim", [&]() -> Result<bool> {
    MORAINE_TRY(TrimTick(call));
    return false;
  });
  MORAINE_TRY(call.Check());
  return busy;
}

Status Service::TrimTick(Call& call) {
  const int64_t now_ms = shards_.NowMs(call);
  // Clocks may be set back.
  const bool is_recent = now_ms >= trimmed_ms_ && now_ms < trimmed_ms_ + kTrimEveryMs;
  if (is_recent || !shards_.Leads(call)) return {};
  trimmed_ms_ = now_ms;
  MORAINE_TRY(shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
    MORAINE_TRY(LookAtThoseOfLater(t, now_ms));
    return TrimRuns(t, now_ms - options_.history_retention.count());
  }));
  return seams_.trim ? seams_.trim(call, now_ms) : Status();
}

void Service::Run(const Env& env, std::stop_token stop) {
  loop_.Run(
      env, std::move(stop), [this](Call& call) { return Tick(call); }, nullptr);
}

Result<std::string> Service::Request(Call& call, const catalog::LoadedTable& table,
                                     upkeep::Action action, const Wish& wish) {
  const bool known = std::any_of(actions_.begin(), actions_.end(),
                                 [&](const auto& driver) { return driver->action() == action; });
  if (!known || action == upkeep::Action::kPurgeTable)
    return Unsupported(fmt::format("{} can't be asked for", upkeep::ActionName(action)));
  Inherited inherited;
  MORAINE_ASSIGN(const auto policy, PolicyOf(call, seams_, table, inherited));
  MORAINE_ASSIGN(auto run_id, AskForRunNow(call, database_, table, policy->config, action, wish));
  Wake();
  return run_id;
}

}  // namespace moraine::maintenance
