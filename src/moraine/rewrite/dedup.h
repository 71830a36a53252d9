#pragma once
// Which rows of a task are older than another one with the same key. Only the columns that decide
// are read; the rewrite itself then leaves these rows out.

#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/rewrite/task_run.h"

namespace moraine::rewrite {

/// Positions for each of task().rewrite, by task().dedup. Deleted rows take no part. Errors: as
/// RunRewrite; InvalidArgument for a key that the schema does not allow.
Result<std::vector<iceberg::PositionSet>> FindSuperseded(Call& call, TaskRun* run);

}  // namespace moraine::rewrite
