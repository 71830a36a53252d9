#pragma once
// What is counted of events: streams, webhooks and their deliveries.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/metrics.h"
#include "moraine/events/delivery.h"

namespace moraine::events {

/// Thread-safe. Counts nothing without metrics.
class EventMetrics {
 public:
  explicit EventMetrics(Metrics* metrics);

  void SetStates(const std::vector<Webhook>& webhooks);
  void SetWaiting(const std::string& webhook, int64_t events);
  void Delivered(const Attempt& attempt, int64_t events, std::chrono::nanoseconds took);

 private:
  struct Families {
    GaugeFamily& webhooks;
    GaugeFamily& waiting;
    CounterFamily& deliveries;
    Counter events;
    Histogram seconds;
  };
  std::unique_ptr<Families> families_;
};

}  // namespace moraine::events
