#pragma once
// When an action is due, by its policy: from its schedule, its windows, its last run and what was
// found then. Pure. Asked by the watcher, by starts of runs and by Controls.

#include <cstdint>
#include <optional>

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/maintenance/policy.h"
#include "moraine/maintenance/seams.h"

namespace moraine::maintenance {

struct DueQuestion {
  int64_t table_id = 0;
  int64_t made_ms = 0;  ///< the table was made then, or not much later
  int64_t last_ms = 0;  ///< its last run began; 0: never
  int64_t now_ms = 0;
  /// There is nothing to do before then; 0: nobody knows.
  int64_t not_before_ms = 0;
};

/// Never before now_ms and not_before_ms; nullopt: not by itself.
std::optional<int64_t> NextDueOf(const ActionPolicy& policy, const DueQuestion& question);

/// When the table was made, as far as its metadata says.
int64_t MadeAtMs(const iceberg::TableMetadata& metadata);

/// It became due while a window was open, and came to its turn, or is tried again, too late.
Obstacle WaitsForWindow(const ActionPolicy& policy, int64_t now_ms);

}  // namespace moraine::maintenance
