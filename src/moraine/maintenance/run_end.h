#pragma once
// What goes with the end of a run, in the transaction that ends it: its row, its tasks, the
// deletions that were decided for them, the files that its tasks have left, the schedule's row.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/maintenance/options.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/optimizing/jobs.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

/// What becomes of files that tasks wrote beside data and metadata (NewTask::folder).
enum class Outputs { kCommitted, kUnused };

/// The tasks of a step are over: what they were decided to delete is closed, their rows go, and
/// files of attempts that nothing names are left to the cleaner.
Status ForgetTasks(store::Transaction& t, const MaintenanceRun& run,
                   const std::vector<optimizing::JobTaskState>& tasks, Outputs outputs,
                   int64_t now_ms);
/// Until when lost attempts at these tasks may still write.
int64_t MayWriteUntil(const std::vector<optimizing::JobTaskState>& tasks, const Options& options);

/// run has its last state, reason, error and finished_ms. memory: for the next run.
Status EndRows(store::Transaction& t, const MaintenanceRun& run,
               const std::vector<optimizing::JobTaskState>& tasks,
               const std::optional<std::string>& memory, const Options& options);

/// What the end does to the schedule's row: it is told how the run ended, a failure puts the next
/// one off. Nothing where the table has none any more.
Status FinishSchedule(store::Transaction& t, const MaintenanceRun& run,
                      const std::optional<std::string>& memory, const Options& options);

}  // namespace moraine::maintenance
