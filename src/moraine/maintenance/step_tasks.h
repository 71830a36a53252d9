#pragma once
// The tasks of a step as rows of the queue, with the deletions that they were decided for. Pure.
// Called by run_steps.cc.

#include <cstdint>
#include <vector>

#include "moraine/maintenance/action.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/turn.h"
#include "moraine/optimizing/jobs.h"

namespace moraine::maintenance {

struct StepTasks {
  std::vector<optimizing::JobTask> tasks;
  std::vector<DeletionRow> deletions;
};

/// not_before_ms: they wait until then; 0: not at all. They take the next numbers of the run, which
/// is as after the step. Errors: Internal for tasks that may not be.
Result<StepTasks> MakeStepTasks(const Turn& turn, std::vector<NewTask> made, int64_t not_before_ms,
                                int64_t now_ms, MaintenanceRun* run);

}  // namespace moraine::maintenance
