#pragma once
// Env and Call: the two parameters that carry everything ambient.
//
// Env is the world of one process: clock, randomness, log. Call is one request or one piece of
// background work: its deadline, its stop token, who asked, and a trace id. A function that can
// block takes Call& first, and every wait it does ends at the deadline or at the stop, whichever is
// sooner.

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <string>

#include "moraine/base/clock.h"
#include "moraine/base/log.h"
#include "moraine/base/random.h"
#include "moraine/base/status.h"

namespace moraine {

struct Env {
  Clock& clock;
  Random& random;
  Logger& log;
};

/// The machine's clock and randomness, with the given log.
inline Env SystemEnv(Logger& log) { return {SystemClock(), SystemRandom(), log}; }

/// One request. Passed by reference, owned by whoever began the work; used by one thread at a time.
class Call {
 public:
  Call(const Env& env, std::chrono::nanoseconds limit, std::stop_token stop = {})
      : env_(env), deadline_(env.clock.Mono() + limit), stop_(std::move(stop)) {}
  /// A call with the same identity for a part of the work; it can only end sooner.
  Call(const Call& parent, std::chrono::nanoseconds limit) : Call(parent) {
    deadline_ = std::min(deadline_, env_.clock.Mono() + limit);
  }
  /// A copy of the same request, for another thread that works on it.
  Call(const Call& parent) = default;

  const Env& env() const { return env_; }
  Clock& clock() const { return env_.clock; }
  Random& random() const { return env_.random; }
  Logger& log() const { return env_.log; }

  MonoTime deadline() const { return deadline_; }
  std::chrono::nanoseconds remaining() const {
    return std::max(std::chrono::nanoseconds(0), deadline_ - env_.clock.Mono());
  }
  const std::stop_token& stop() const { return stop_; }
  /// OK, Deadline or Cancelled. Long loops ask this once a step.
  Status Check() const;

  const std::string& principal() const { return principal_; }
  void set_principal(std::string principal) { principal_ = std::move(principal); }
  const std::string& trace_id() const { return trace_id_; }
  void set_trace_id(std::string trace_id) { trace_id_ = std::move(trace_id); }

 private:
  Env env_;
  MonoTime deadline_;
  std::stop_token stop_;
  std::string principal_;
  std::string trace_id_;
};

}  // namespace moraine
