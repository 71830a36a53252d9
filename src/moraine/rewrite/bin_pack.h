#pragma once
// Few files of the target size from many, rows in their order, the deleted ones left out: the way
// that decodes and encodes every value.

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/task_run.h"

namespace moraine::rewrite {

/// Rewrites task().rewrite, which is not empty, into output().data_files. Errors: as RunRewrite.
Status BinPack(Call& call, TaskRun* run);

}  // namespace moraine::rewrite
