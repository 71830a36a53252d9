#pragma once
// What the catalog counts, each declared once. Used by commit.cc and the metadata cache's users.

#include <chrono>
#include <memory>

#include "moraine/base/metrics.h"
#include "moraine/base/status.h"

namespace moraine::catalog {

/// Thread-safe.
class CatalogMetrics {
 public:
  /// null: a registry of its own that nobody reads.
  explicit CatalogMetrics(Metrics* metrics);

  /// A commit was answered; duration includes its retries.
  void Committed(const Status& status, std::chrono::nanoseconds duration);
  /// A swap found another version of the row than it was made for.
  void LostRace() { lost_races_.Add(); }
  void CacheHit() { cache_hits_.Add(); }
  void CacheMiss() { cache_misses_.Add(); }

 private:
  Metrics& Of(Metrics* metrics) { return metrics == nullptr ? *own_ : *metrics; }

  std::unique_ptr<Metrics> own_;
  CounterFamily& commits_;
  Counter succeeded_;
  Histogram duration_;
  Counter lost_races_;
  Counter failed_requirements_;
  Counter cache_hits_;
  Counter cache_misses_;
};

}  // namespace moraine::catalog
