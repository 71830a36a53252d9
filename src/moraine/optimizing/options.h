#pragma once
// Settings of the optimizing service; the server's config fills them.

#include <cstdint>
#include <string>

#include "moraine/base/clock.h"

namespace moraine {
class Metrics;
}

namespace moraine::optimizing {

/// What leases of this work are named by.
inline constexpr char kDuty[] = "optimizing";

struct Options {
  /// This run of this process, unlike any other's, where several servers share the work. "": alone.
  std::string server;
  Millis lease_length{6'000};      ///< a dead server's work is taken over when this has passed
  Millis refresh_interval{1'000};  ///< a table's health is read again at most this often
  Millis idle_tick{1'000};         ///< the loop looks at its timers at least this often
  Millis heartbeat_interval{5'000};
  Millis heartbeat_timeout{30'000};  ///< an optimizer silent for longer is lost
  Millis acknowledge_timeout{30'000};
  Millis task_timeout{3'600'000};  ///< of one attempt
  Millis poll_timeout{20'000};     ///< of a long poll
  Millis commit_timeout{300'000};
  Millis backoff_first{60'000};  ///< after a failed process; doubles to backoff_last
  Millis backoff_last{6 * 3'600'000};
  int max_equal_failures = 5;  ///< then the table waits for a person
  int commit_retries = 5;      ///< in one go; a process that lost to others is tried again later
  Millis commit_turn_limit{10'000};       ///< how long writers may be kept waiting for a commit
  Millis commit_give_up{24 * 3'600'000};  ///< a process that is older and still loses has failed
  int64_t carry_memory_bytes = int64_t{128} << 20;  ///< for deletes that came while tasks ran
  /// Of handouts, where maintenance tasks and rewrites wait both, and of a group's threads (one at
  /// least) that maintenance may have while rewrites wait.
  double job_share = 0.25;
  Millis task_retry_first{1'000};  ///< after a failed attempt; doubles up to a minute
  int64_t max_input_per_thread_bytes = int64_t{512} << 20;
  int64_t max_files_per_plan = 200'000;
  size_t max_candidate_partitions = 1'000;
  size_t health_cache_tables = 256;  ///< sums kept in memory
  Millis process_retention{30LL * 24 * 3'600'000};
  Millis feed_retention{7LL * 24 * 3'600'000};  ///< rows of the feed that were read
  Metrics* metrics = nullptr;                   ///< outlives the service; null: nothing is counted
};

}  // namespace moraine::optimizing
