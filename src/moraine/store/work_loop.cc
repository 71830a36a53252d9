#include "moraine/store/work_loop.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/executor.h"

namespace moraine::store {
namespace {

constexpr Millis kRoundLimit{10 * 60'000};
constexpr Millis kKeepLimit{10'000};
constexpr Millis kGoodbyeLimit{3'000};

}  // namespace

ShardOptions SharedDuty(const Database& database, std::string duty, std::string holder,
                        Millis lease_length) {
  const bool alone = database.dialect() == "sqlite";
  return {.duty = std::move(duty),
          .holder = alone ? std::string() : std::move(holder),
          .length = lease_length};
}

WorkLoop::WorkLoop(Shards& shards, std::string duty, Millis idle_tick, Millis keep_every)
    : shards_(shards), duty_(std::move(duty)), idle_tick_(idle_tick), keep_every_(keep_every) {}

void WorkLoop::Wake() {
  {
    std::lock_guard lock(mutex_);
    wake_ = true;
  }
  woken_.notify_all();
}

bool WorkLoop::Try(Call& call, std::string_view name,
                   const std::function<Result<bool>()>& step) const {
  auto result = step();
  if (result.ok()) return *result;
  if (result.status().code() != Code::kCancelled) {
    call.log().Warn(fmt::format("{} step failed, will be tried again", duty_),
                    {{"step", name}, {"error", result.status().ToString()}});
  }
  return false;
}

bool WorkLoop::TrySome(Call& call, std::string_view name,
                       const std::function<Result<size_t>()>& step) const {
  return Try(call, name, [&]() -> Result<bool> {
    MORAINE_ASSIGN(const size_t count, step());
    return count > 0;
  });
}

void WorkLoop::Keep(const Env& env, const std::stop_token& stop, const Step& keep) {
  while (!stop.stop_requested()) {
    Call call(env, kKeepLimit, stop);
    Try(call, "leases", [&]() -> Result<bool> {
      MORAINE_TRY(shards_.Keep(call));
      if (keep) MORAINE_TRY(keep(call));
      return false;
    });
    env.clock.SleepFor(std::min(keep_every_, shards_.interval()), stop);
  }
}

void WorkLoop::Run(const Env& env, std::stop_token stop,
                   const std::function<Result<bool>(Call&)>& round, const Step& keep) {
  Thread keeper;
  if (!shards_.alone()) {
    keeper = Thread(duty_ + "-leases", [&](std::stop_token end) { Keep(env, end, keep); });
  }
  Rounds(env, stop, round);
  if (shards_.alone()) return;
  keeper.RequestStop();
  keeper.Join();
  // The stop has been requested: this call must not end with it.
  Call call(env, kGoodbyeLimit);
  Status released = shards_.Release(call);
  if (!released.ok())
    call.log().Warn("leases run out by themselves", {{"error", released.ToString()}});
}

void WorkLoop::Rounds(const Env& env, const std::stop_token& stop,
                      const std::function<Result<bool>(Call&)>& round) {
  while (!stop.stop_requested()) {
    {
      std::lock_guard lock(mutex_);
      wake_ = false;
    }
    Call call(env, kRoundLimit, stop);
    auto busy = round(call);
    if (busy.ok() && *busy) continue;
    // Timers of tables are met within an idle tick; a change wakes at once.
    const MonoTime until = env.clock.Mono() + idle_tick_;
    std::unique_lock lock(mutex_);
    while (!wake_ && env.clock.Mono() < until && !stop.stop_requested()) {
      env.clock.WaitUntil(lock, woken_, until, stop);
    }
  }
}

}  // namespace moraine::store
