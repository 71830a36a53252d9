#pragma once
// What the system knows of this process, under the names that Prometheus' own clients use.

#include <cstddef>
#include <functional>

#include "moraine/base/metrics.h"

namespace moraine::server {

/// Measured anew before each printing of the registry.
void AddProcessMetrics(Metrics& metrics);

/// How many streams of events are open, asked before each printing.
void AddStreamMetric(Metrics& metrics, std::function<size_t()> streams);

}  // namespace moraine::server
