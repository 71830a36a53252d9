#pragma once
// The page of /metrics, in Prometheus' text form: the registry that every module counts in, and the
// gauges of what stands in the store and in the HTTP server, set when the page is asked for. The
// guide's page on metrics lists them all.

#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/metrics.h"
#include "moraine/net/http_server.h"
#include "moraine/optimizing/counts.h"

namespace moraine::server {

/// Thread-safe.
class MetricsPage {
 public:
  explicit MetricsPage(Metrics& metrics);

  /// counts: what the store says now. If it can't be asked its gauges keep their last values, and
  /// the failure is counted.
  std::string Text(const Result<optimizing::Counts>& counts, const net::ServerStats& stats);

 private:
  void SetCounts(const optimizing::Counts& counts);
  void SetGroups(const optimizing::Counts& counts);

  Metrics& metrics_;
  Gauge connections_, parked_, running_, body_bytes_;
  GaugeFamily &tables_, &open_processes_, &tasks_;
  GaugeFamily &optimizers_, &threads_, &busy_threads_, &utilization_;
  Gauge due_tables_, feed_lag_changes_, feed_lag_seconds_;
  Counter failures_;
  std::mutex mutex_;
  std::set<std::string> groups_;  ///< that were shown once: their gauges fall to 0
};

}  // namespace moraine::server
