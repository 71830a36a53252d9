#include "moraine/base/clock.h"

#include <utility>

namespace moraine {

void Clock::SleepFor(std::chrono::nanoseconds duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  MonoTime until = Mono() + duration;
  while (Mono() < until && !stop.stop_requested()) WaitUntil(lock, never, until, stop);
}

namespace {

class RealClock final : public Clock {
 public:
  WallTime Wall() override {
    return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
  }
  MonoTime Mono() override { return std::chrono::steady_clock::now(); }
  void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed,
                 MonoTime until, std::stop_token stop) override {
    // A stop between the caller's test and this wait must wake it: the predicate form sees to that,
    // and one pass of a predicate that turns true after the first wake keeps "may wake for
    // nothing".
    bool woken = false;
    changed.wait_until(lock, stop, until, [&] { return std::exchange(woken, true); });
  }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace moraine
