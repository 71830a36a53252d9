#include "moraine/events/service.h"

#include "moraine/base/executor.h"
#include "moraine/events/schema.h"

namespace moraine::events {
namespace {

constexpr Millis kTickLimit{60'000};
constexpr Millis kCloseLimit{2'000};
constexpr int64_t kTrimEveryMs = 3'600'000;
/// Changes that come at once are looked at together.
constexpr Millis kPause{10};

}  // namespace

Service::Service(catalog::Catalog& catalog, store::Database& database, net::HttpTransport& http,
                 const Options& options)
    : catalog_(catalog),
      database_(database),
      options_(options),
      feed_(catalog, options),
      webhooks_(feed_, database, http, options) {
  webhooks_.OnIdle([this] { Wake(); });
}

Status Service::Open(Call& call) {
  MORAINE_TRY(store::Migrate(call, database_, "events", Migrations()));
  // This process has the store for itself: whoever had a lease is dead.
  if (database_.dialect() != "sqlite") return {};
  return database_.Run(call, store::Access::kWrite, [](store::Transaction& t) {
    return t.Execute("UPDATE webhook SET lease_until_ms = 0, lease_epoch = lease_epoch + 1", {})
        .status();
  });
}

void Service::Wake() {
  {
    std::lock_guard lock(mutex_);
    wake_ = true;
  }
  woken_.notify_all();
}

void Service::Announce() {
  feed_.Announce();
  if (webhooks_.any()) Wake();
}

void Service::Run(const Env& env, std::stop_token stop) {
  ThreadPool pool({.name = "webhook",
                   .threads = options_.delivery_threads,
                   .queue_limit = options_.max_webhooks});
  auto warn = [&](std::string_view step, const Status& status) {
    if (status.ok() || status.code() == Code::kCancelled) return;
    env.log.Warn("a step of events failed, will be tried again",
                 {{"step", step}, {"error", status.ToString()}});
  };
  while (!stop.stop_requested()) {
    {
      std::lock_guard lock(mutex_);
      wake_ = false;
    }
    Call call(env, kTickLimit, stop);
    if (feed_.waiting() > 0) warn("poll", feed_.Poll(call));
    warn("webhooks", webhooks_.Tick(call, pool));
    warn("trim", TrimTick(call));
    env.clock.SleepFor(kPause, stop);
    MonoTime until = env.clock.Mono() + options_.poll_interval;
    std::unique_lock lock(mutex_);
    while (!wake_ && env.clock.Mono() < until && !stop.stop_requested()) {
      env.clock.WaitUntil(lock, woken_, until, stop);
    }
  }
  pool.Shutdown();
  Call last(env, kCloseLimit);
  warn("close", webhooks_.Close(last));
}

Status Service::TrimTick(Call& call) {
  int64_t now_ms = ToMillis(call.clock().Wall());
  // Clocks may be set back.
  if (now_ms >= trimmed_ms_ && now_ms < trimmed_ms_ + kTrimEveryMs) return {};
  trimmed_ms_ = now_ms;
  MORAINE_ASSIGN(int64_t newest, feed_.Newest(call));
  return catalog_.TrimChanges(call, now_ms - options_.retention.count(), newest);
}

std::shared_ptr<void> Service::TakeStream() {
  if (streams_->fetch_add(1) >= options_.max_streams) {
    --*streams_;
    return nullptr;
  }
  return std::shared_ptr<void>(streams_.get(), [streams = streams_](void*) { --*streams; });
}

}  // namespace moraine::events
