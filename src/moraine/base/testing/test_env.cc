#include "moraine/base/testing/test_env.h"

#include <utility>

#include <fmt/format.h>

namespace moraine::testing {

SimClock::SimClock(WallTime start) : start_(start) {}

WallTime SimClock::Wall() {
  std::lock_guard lock(mutex_);
  return start_ + std::chrono::duration_cast<Millis>(elapsed_);
}

MonoTime SimClock::Mono() {
  std::lock_guard lock(mutex_);
  return MonoTime(std::chrono::hours(1) + elapsed_);
}

void SimClock::WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed,
                         MonoTime until, std::stop_token stop) {
  if (Mono() >= until || stop.stop_requested()) return;
  std::multimap<MonoTime, std::condition_variable_any*>::iterator self;
  {
    std::lock_guard guard(mutex_);
    self = waiters_.emplace(until, &changed);
  }
  // Advance() can't hold the caller's mutex, so its notification may fall between the test above
  // and the wait: the bound in real time makes up for that.
  bool woken = false;
  changed.wait_for(lock, stop, Millis(5), [&] { return std::exchange(woken, true); });
  std::lock_guard guard(mutex_);
  waiters_.erase(self);
}

void SimClock::Advance(std::chrono::nanoseconds by) {
  std::lock_guard lock(mutex_);
  elapsed_ += by;
  // A waiter leaves the list under this mutex, so each condition is alive while it is notified.
  for (auto& [until, changed] : waiters_) changed->notify_all();
}

size_t SimClock::waiters() {
  std::lock_guard lock(mutex_);
  return waiters_.size();
}

std::optional<MonoTime> SimClock::NextWake() {
  std::lock_guard lock(mutex_);
  if (waiters_.empty()) return std::nullopt;
  return waiters_.begin()->first;
}

uint64_t SeededRandom::Next() {
  constexpr uint64_t kStep = 0x9e3779b97f4a7c15ULL;  // SplitMix64
  uint64_t z = state_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void CapturingLogger::Write(LogLevel level, std::string_view message,
                            std::span<const LogField> fields) {
  constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  std::string line = fmt::format("{} {}", kNames[static_cast<int>(level)], message);
  for (const LogField& field : fields) line += fmt::format(" {}={}", field.key, field.value);
  std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
}

std::vector<std::string> CapturingLogger::lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

size_t CapturingLogger::Count(std::string_view text) const {
  size_t count = 0;
  for (const std::string& line : lines()) count += line.find(text) != line.npos;
  return count;
}

}  // namespace moraine::testing
