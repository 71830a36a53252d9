#pragma once
// SIGINT and SIGTERM as a stop: the signals are blocked in every thread and read by one, so nothing
// runs inside a signal handler. The second signal ends the process at once.

#include <csignal>
#include <stop_token>

#include "moraine/base/executor.h"

namespace moraine::cli {

/// Made on the main thread before any other thread, of which there is at most one at a time.
class StopOnSignals {
 public:
  StopOnSignals();
  ~StopOnSignals();
  StopOnSignals(const StopOnSignals&) = delete;
  StopOnSignals& operator=(const StopOnSignals&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  /// Blocks until a signal comes.
  void Wait();

 private:
  void Read();

  std::stop_source stop_;
  sigset_t before_{};
  int signals_ = -1;
  int wake_ = -1;
  Thread thread_;
};

}  // namespace moraine::cli
