#pragma once
// What a database counts, each declared once. Used by the databases.

#include <array>
#include <chrono>
#include <memory>

#include "moraine/base/metrics.h"
#include "moraine/store/database.h"

namespace moraine::store {

/// Thread-safe.
class StoreMetrics {
 public:
  /// null: a registry of its own that nobody reads.
  explicit StoreMetrics(Metrics* metrics);

  /// A transaction ended; duration includes the wait for its turn.
  void Ended(Access access, const Status& status, std::chrono::nanoseconds duration);
  /// A COMMIT for so many writers.
  void Committed(size_t members) { group_size_.Observe(static_cast<double>(members)); }
  /// A transaction is run once more: it met another one, or lost its connection.
  void RanAgain() { reruns_.Add(); }

 private:
  std::unique_ptr<Metrics> own_;
  CounterFamily& transactions_;
  std::array<Counter, 2> succeeded_;
  std::array<Histogram, 2> duration_;
  Histogram group_size_;
  Counter reruns_;
};

}  // namespace moraine::store
