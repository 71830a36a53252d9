#pragma once
// Runs one rewrite task: reads the inputs with their deletes applied, writes new data files (and
// position delete files for rewrite_positions), and returns them with metrics. Knows no catalog and
// commits nothing.

#include <atomic>
#include <cstdint>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::rewrite {

/// How data files become new ones.
enum class RewriteWay : uint8_t {
  kAuto,    ///< pages are copied where they can be; a task that does not fit is decoded
  kDecode,  ///< every value is decoded and encoded
  kSplice,  ///< pages are copied; Unsupported where that is no use (for tests)
};

struct RewriteOptions {
  RewriteWay way = RewriteWay::kAuto;
  int64_t memory_bytes = int64_t{512} << 20;  ///< for this task
  /// 1: all on the calling thread. More: a thread reads ahead, and columns are encoded on this
  /// many.
  int threads = 2;
  std::string spill_folder;  ///< local, for sorts that do not fit; "": the system's for such files
};

/// Read by a heartbeat while the task runs. Thread-safe.
struct RewriteProgress {
  std::atomic<int64_t> bytes_read{0};
  std::atomic<int64_t> rows_read{0};
  std::atomic<int64_t> rows_written{0};
};

/// Streams within the memory given, whatever the file sizes. No row is lost in silence: inputs must
/// have as many rows as their metadata says, and each is in an output or deleted. On error or
/// cancellation the files it had begun are left unreferenced under the attempt's prefix. Errors:
/// Corruption naming the file (and both counts), Exhausted (the budget is too small for the task,
/// with the figure), Unsupported (as for files without field ids and name mapping), as io;
/// Cancelled, Deadline.
Result<tasks::RewriteOutput> RunRewrite(Call& call, io::FileSystem& files,
                                        const tasks::RewriteTask& task,
                                        const RewriteOptions& options, RewriteProgress* progress);

}  // namespace moraine::rewrite
