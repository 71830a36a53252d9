#pragma once
// What optimizing counts as it happens, each declared once; what stands in rows is in counts.h.

#include <chrono>
#include <memory>
#include <optional>

#include "moraine/base/metrics.h"
#include "moraine/base/status.h"
#include "moraine/optimizing/process_store.h"

namespace moraine::optimizing {

/// How the work is shared. Thread-safe.
class SharedWorkMetrics {
 public:
  /// null: nothing is counted.
  explicit SharedWorkMetrics(Metrics* metrics);
  void Shares(size_t shards, size_t servers);

 private:
  std::optional<Gauge> shards_;
  std::optional<Gauge> servers_;
};

/// Thread-safe.
class OptimizingMetrics {
 public:
  /// null: a registry of its own that nobody reads.
  explicit OptimizingMetrics(Metrics* metrics);

  /// A look at a table's health ended.
  void Refreshed(const Status& status, std::chrono::nanoseconds duration);
  /// Counts the process's result, and what it rewrote if that was committed.
  void Ended(const Process& process);

 private:
  Metrics& Of(Metrics* metrics) { return metrics == nullptr ? *own_ : *metrics; }

  std::unique_ptr<Metrics> own_;
  CounterFamily& refreshes_;
  Histogram refresh_duration_;
  CounterFamily& processes_;
  HistogramFamily& process_duration_;
  Counter rewritten_files_;
  Counter rewritten_bytes_;
  Counter written_files_;
  Counter written_bytes_;
};

}  // namespace moraine::optimizing
