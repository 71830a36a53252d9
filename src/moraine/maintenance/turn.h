#pragma once
// One run while its next step is taken: what it goes by, and the rows as they are after the step.
// Used by run_starts.h and run_steps.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/maintenance/action.h"
#include "moraine/maintenance/run_end.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/run_world.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/optimizing/jobs.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

struct Turn {
  MaintenanceRun run;
  std::optional<Schedule> schedule;  ///< of a run that has no row yet: as it is from now on
  Schedule before;                   ///< of such a run: as it was when it was due, or asked for
  TableFacts facts;
  std::string memory = "{}";
  std::vector<optimizing::JobTaskState> tasks;  ///< of the step before

  bool is_new() const { return schedule.has_value(); }
};
/// Shared with the transaction that waits for it.
using TurnPtr = std::shared_ptr<Turn>;

/// What the driver is told of the tasks of the step before.
std::vector<TaskResult> ResultsOf(const Turn& turn);

/// The run after the step, as far as all kinds of steps have it in common.
MaintenanceRun AfterStep(const Turn& turn, std::string state, std::string progress, Finish finish,
                         const Options& options);

/// Makes the rows of a run that has none yet. Must come first in its transaction. Errors: Cancelled
/// when the schedule has changed meanwhile.
Status InsertBegun(store::Transaction& t, const Turn& turn, const MaintenanceRun& run);
/// Stores the run as it is after the step; the tasks of the step before go. Errors: as InsertBegun
/// and SaveRun.
Status SaveStep(store::Transaction& t, const Turn& turn, const MaintenanceRun& run, Outputs outputs,
                int64_t now_ms);

}  // namespace moraine::maintenance
