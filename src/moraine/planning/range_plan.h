#pragma once
// Cuts what is too large for one task that puts rows in order into tasks with ranges of their own:
// samples the keys of the partition, chooses the ranges, and gives each range the files that may
// hold rows of it (note 0012). Called by PlanTable, after the tasks are planned.

#include "moraine/base/call.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/config.h"
#include "moraine/planning/evaluator.h"
#include "moraine/planning/planner.h"

namespace moraine::planning {

/// Replaces each task with arranged rows and more input than one may have by several, in its place.
/// Where keys can't be cut, files are packed into tasks whose outputs may overlap. Reads a column
/// or a few of some files. Errors: as io.
Status DivideIntoRanges(Call& call, io::FileSystem& files, const iceberg::TableMetadata& metadata,
                        const TableFiles& table, const OptimizingConfig& config,
                        const PlanLimits& limits, ProcessPlan* plan);

/// The same, pure: one task by these ranges. Fewer than 2: they don't divide the files.
std::vector<TaskPlan> TasksOfRanges(const TaskPlan& task, const PartitionFiles& partition,
                                    const tasks::KeyRanges& ranges, const iceberg::Schema& schema,
                                    bool every_file);

}  // namespace moraine::planning
