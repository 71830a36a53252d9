#pragma once
// From a table and its health to a plan and the tasks of it: candidates, their files, the exact
// rules, the tasks. The server's process planner and `moraine compact` both ask this, so that they
// decide alike.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/config.h"
#include "moraine/planning/evaluator.h"
#include "moraine/planning/health.h"
#include "moraine/planning/planner.h"
#include "moraine/planning/table_files.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::planning {

/// What a person asked for: everything that is worth it now, or every file.
enum class Wish { kWorthwhile, kFull };
/// A wish overrides timers and the care for hot partitions.
void ApplyWish(Wish wish, OptimizingConfig* config, OptimizingTimes* times);

struct TablePlanRequest {
  OptimizingConfig config;
  OptimizingTimes times;
  int64_t now_ms = 0;
  bool every_partition = false;  ///< not only those whose counts ask for work
  size_t max_candidates = 1'000;
  int64_t max_files = 200'000;
  PlanLimits limits;
};

struct TablePlan {
  TableFiles files;
  ProcessPlan process;
  int64_t partitions_left_out = 0;  ///< more files than max_files
};

/// sum: of the metadata's current snapshot. Errors: as LoadTableFiles.
Result<TablePlan> PlanTable(Call& call, io::FileSystem& files,
                            const iceberg::TableMetadata& metadata, const HealthSum& sum,
                            const TablePlanRequest& request);

/// One rewrite task for each of the plan's, numbered from 0. table: "warehouse.db.t", for people.
std::vector<tasks::RewriteTask> MakeTasks(const iceberg::TableMetadata& metadata,
                                          const std::string& table, const TablePlan& plan,
                                          const OptimizingConfig& config,
                                          const std::string& process_id);

}  // namespace moraine::planning
