#pragma once
// Time, as a parameter. Wall time is for people, files and rows (milliseconds since the epoch,
// UTC); monotonic time is for deadlines and waits. SimClock (base/testing) wakes waiters by moving
// its hands.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace moraine {

using Millis = std::chrono::milliseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Millis>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Milliseconds since the epoch, the form of files, rows and the wire.
inline int64_t ToMillis(WallTime time) { return time.time_since_epoch().count(); }
inline WallTime FromMillis(int64_t millis) { return WallTime(Millis(millis)); }

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Wall() = 0;
  virtual MonoTime Mono() = 0;
  /// Waits on changed (whose mutex lock holds) until notified, until the time, or until a stop is
  /// requested; may wake for nothing. Callers loop over their own condition.
  virtual void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed,
                         MonoTime until, std::stop_token stop) = 0;
  /// Sleeps; returns early when a stop is requested.
  void SleepFor(std::chrono::nanoseconds duration, std::stop_token stop);
};

/// The machine's clocks.
Clock& SystemClock();

}  // namespace moraine
