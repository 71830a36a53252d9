#pragma once
// Settings of maintenance; the server's config fills them.

#include <cstddef>
#include <cstdint>
#include <string>

#include "moraine/base/clock.h"

namespace moraine {
class Metrics;
}

namespace moraine::maintenance {

/// What leases of this work are named by.
inline constexpr char kDuty[] = "maintenance";

struct Options {
  /// This run of this process, unlike any other's, where several servers share the work. "": alone.
  std::string server;
  Millis lease_length{6'000};
  Millis idle_tick{1'000};  ///< the loop looks at its timers at least this often
  /// A table that is only appended to is looked at again (its properties, what is due) this often.
  Millis look_interval{10 * 60'000};
  size_t starts_per_tick = 500;
  size_t threads = 1;            ///< tables that are worked on at a time; 1: none beside the loop
  Millis step_timeout{300'000};  ///< of one step of a run, its commit among it
  int commit_retries = 5;        ///< in one go; then the step is tried again later
  Millis backoff_first{60'000};  ///< after a failed run or step; doubles to backoff_last
  Millis backoff_last{6 * 3'600'000};
  Millis history_retention{30LL * 24 * 3'600'000};  ///< of runs and deletions that have ended
  int64_t task_retries = 3;
  /// How long a worker may go on writing after its task was taken from it: that of optimizing.
  Millis task_timeout{3'600'000};
  Metrics* metrics = nullptr;  ///< outlives the service; null: nothing is counted
};

}  // namespace moraine::maintenance
