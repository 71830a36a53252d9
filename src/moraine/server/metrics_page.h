#pragma once
// The page of /metrics, in Prometheus' text form: requests, connections, tables by state,
// processes, tasks, optimizers.

#include <array>
#include <atomic>
#include <string>

#include "moraine/net/http_server.h"
#include "moraine/optimizing/service.h"

namespace moraine::server {

/// Thread-safe.
class MetricsPage {
 public:
  /// Counts a finished request; lock-free.
  void Count(const net::RequestRecord& record);
  Result<std::string> Text(Call& call, optimizing::Service& optimizing,
                           const net::ServerStats& stats) const;

 private:
  static constexpr std::array<double, 12> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                     0.05,   0.1,   0.25,   0.5,   1,    5};
  std::array<std::atomic<int64_t>, 6> by_class_{};  // 1xx..5xx by the first digit
  std::array<std::atomic<int64_t>, kBounds.size() + 1> durations_{};
  std::atomic<int64_t> duration_us_{0};
  std::atomic<int64_t> request_bytes_{0};
  std::atomic<int64_t> response_bytes_{0};
};

}  // namespace moraine::server
