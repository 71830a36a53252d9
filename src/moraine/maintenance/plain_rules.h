#pragma once
// What the table's properties switch on and forbid, which failures pass, and how long they wait.
// Pure.

#include <cstdint>
#include <string>

#include "moraine/base/status.h"
#include "moraine/maintenance/options.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {

/// Why the action is not done at all, not even to look: a property that it goes by can't be read.
/// "": all can be.
std::string WhyBroken(const upkeep::MaintenanceConfig& config, upkeep::Action action);
/// Why the action is not done to the table by itself; "": it is.
std::string WhySwitchedOff(const upkeep::MaintenanceConfig& config, upkeep::Action action);
/// Why it must not be done even when a person asks for it; "": it may.
std::string WhyForbidden(const upkeep::MaintenanceConfig& config, upkeep::Action action);

/// Whether what failed so may do when it is tried again.
bool IsPassing(const Status& status);
/// The nth failure in a row: how long to wait. Doubles from backoff_first up to backoff_last.
Millis BackOff(int64_t failures, const Options& options);

}  // namespace moraine::maintenance
