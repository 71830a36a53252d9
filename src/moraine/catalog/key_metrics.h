#pragma once
// What is counted of requests under an Idempotency-Key. Used by RequestKeys.

#include <memory>

#include "moraine/base/metrics.h"

namespace moraine::catalog {

/// Thread-safe.
class KeyMetrics {
 public:
  /// null: a registry of its own that nobody reads.
  explicit KeyMetrics(Metrics* metrics);

  /// An answer was written down.
  void Kept() { kept_.Add(); }
  /// An answer came from what was written down.
  void Replayed() { replayed_.Add(); }
  /// A request waited for the first with its key.
  void Waited() { waited_.Add(); }
  /// A key was used for another request.
  void Reused() { reused_.Add(); }

 private:
  std::unique_ptr<Metrics> own_;
  CounterFamily& requests_;
  Counter kept_, replayed_, waited_, reused_;
};

}  // namespace moraine::catalog
