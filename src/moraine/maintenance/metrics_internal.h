#pragma once
// What maintenance counts as it happens, each declared once.

#include <memory>

#include "moraine/base/clock.h"
#include "moraine/base/metrics.h"
#include "moraine/maintenance/run_store.h"

namespace moraine::maintenance {

/// Thread-safe.
class MaintenanceMetrics {
 public:
  /// null: a registry of its own that nobody reads.
  explicit MaintenanceMetrics(Metrics* metrics);

  void Ended(const MaintenanceRun& run);
  /// What was due is looked at, so long after.
  void Begun(upkeep::Action action, Millis lateness);
  /// What a tick has found: how many wait, at most those of one tick, and for how long the first.
  void Due(size_t due, Millis lag);
  void Shares(size_t shards);

 private:
  Metrics& Of(Metrics* metrics) { return metrics == nullptr ? *own_ : *metrics; }

  std::unique_ptr<Metrics> own_;
  CounterFamily& runs_;
  HistogramFamily& duration_;
  HistogramFamily& lateness_;
  CounterFamily& files_;
  CounterFamily& bytes_;
  Gauge due_;
  Gauge lag_;
  Gauge shards_;
};

}  // namespace moraine::maintenance
