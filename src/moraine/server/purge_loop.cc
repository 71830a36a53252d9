#include "moraine/server/purge_loop.h"

#include "moraine/catalog/lifecycle.h"

namespace moraine::server {
namespace {

constexpr Millis kTickLimit{60'000};
constexpr Millis kPause{1'000};

}  // namespace

void RunPurges(const Env& env, const std::stop_token& stop, catalog::Catalog& catalog) {
  catalog::Lifecycle lifecycle(catalog);
  while (!stop.stop_requested()) {
    Call call(env, kTickLimit, stop);
    auto gone = lifecycle.PurgeTick(call);
    if (!gone.ok() && gone.status().code() != Code::kCancelled) {
      env.log.Warn("what was dropped can't be purged, will be tried again",
                   {{"error", gone.status().ToString()}});
    } else if (gone.ok() && *gone > 0) {
      env.log.Info("holds have ended", {{"purged", *gone}});
      continue;
    }
    env.clock.SleepFor(kPause, stop);
  }
}

}  // namespace moraine::server
