#pragma once
// Few files of the target size from many at the speed of copying: pages of the inputs go into the
// outputs as they are (module splice); only what must change is decoded. Rows keep their order, as
// with bin_pack.

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/task_run.h"

namespace moraine::rewrite {

/// Rewrites task().rewrite, which is not empty, into output().data_files. Errors: as RunRewrite;
/// Unsupported when the inputs are better decoded: output() is then of no use, and files that were
/// closed already are unreferenced under the attempt's prefix.
Status SplicePack(Call& call, TaskRun* run);

}  // namespace moraine::rewrite
