#pragma once
// The world of a test: a clock that moves only when told, randomness with a seed, a log that is
// kept.
//
//   testing::TestEnv env;
//   Call call = env.call();
//   env.clock().Advance(std::chrono::hours(3));
//
// Our namespace testing also opens GoogleTest's, so testing::ElementsAre and the like keep working.

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/base/call.h"

namespace testing {}
namespace moraine::testing {
using namespace ::testing;

/// A clock moved by hand; wall and monotonic time move together. Thread-safe.
class SimClock final : public Clock {
 public:
  /// Begins at 2026-01-01T00:00:00Z unless told.
  explicit SimClock(WallTime start = FromMillis(1'767'225'600'000));

  WallTime Wall() override;
  MonoTime Mono() override;
  /// Returns when the time has come, on a notification or a stop, or for nothing after some real
  /// milliseconds; so a waiter sees a new time at once or a moment later, whatever it missed.
  void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed,
                 MonoTime until, std::stop_token stop) override;

  /// Moves the time on and wakes all who wait.
  void Advance(std::chrono::nanoseconds by);
  /// How many threads wait on this clock now.
  size_t waiters();
  /// The earliest time that a waiter waits for.
  std::optional<MonoTime> NextWake();

 private:
  std::mutex mutex_;
  const WallTime start_;
  std::chrono::nanoseconds elapsed_{0};
  std::multimap<MonoTime, std::condition_variable_any*> waiters_;
};

/// The same numbers for the same seed. Thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override;

 private:
  std::atomic<uint64_t> state_;
};

/// Keeps each line as "warn message key=value". Thread-safe.
class CapturingLogger final : public Logger {
 public:
  void Write(LogLevel level, std::string_view message, std::span<const LogField> fields) override;
  bool Enabled(LogLevel) const override { return true; }

  std::vector<std::string> lines() const;
  /// How many lines contain the text.
  size_t Count(std::string_view text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

enum class TestClock { kSim, kSystem };

/// Holds an Env. Must outlive the calls made from it.
class TestEnv {
 public:
  explicit TestEnv(uint64_t seed = 1, TestClock kind = TestClock::kSim)
      : random_(seed), env_{kind == TestClock::kSim ? clock_ : SystemClock(), random_, log_} {}

  /// The simulated clock; of no effect on calls in a TestClock::kSystem world.
  SimClock& clock() { return clock_; }
  SeededRandom& random() { return random_; }
  CapturingLogger& log() { return log_; }
  const Env& env() const { return env_; }
  Call call(std::chrono::nanoseconds limit = std::chrono::seconds(60), std::stop_token stop = {}) {
    return Call(env_, limit, std::move(stop));
  }

 private:
  SimClock clock_;
  SeededRandom random_;
  CapturingLogger log_;
  Env env_;
};

}  // namespace moraine::testing
