#pragma once
// The deletes of files that stay as they are become one position delete file for each of them; from
// format version 3 on, one deletion vector for each, all in one Puffin file.

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/task_run.h"

namespace moraine::rewrite {

/// Turns what deletes reach task().rewrite_positions into output().delete_files. Errors: as
/// RunRewrite.
Status RewritePositions(Call& call, TaskRun* run);

}  // namespace moraine::rewrite
