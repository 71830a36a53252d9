#pragma once
// What the system knows of this process, under the names that Prometheus' own clients use.

#include "moraine/base/metrics.h"

namespace moraine::server {

/// Measured anew before each printing of the registry.
void AddProcessMetrics(Metrics& metrics);

}  // namespace moraine::server
