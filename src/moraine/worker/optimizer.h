#pragma once
// The optimizer's loop: registers, polls for tasks on each thread, runs them, beats, reports. The
// same loop runs inside the server (over its queue) and in `moraine optimizer` (over HTTP).

#include <cstdint>
#include <string>

#include "moraine/base/call.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/task_transport.h"

namespace moraine::worker {

struct OptimizerOptions {
  std::string group = "default";
  int32_t threads = 1;
  int64_t memory_bytes = int64_t{512} << 20;  ///< a thread
  std::string spill_folder;  ///< local, for sorts beyond it; "": the system's for temporary files
  bool embedded = false;
  std::string host;
  int64_t pid = 0;
};

/// Runs until the stop is requested, then cancels what runs, gives it back and returns. Lost
/// connections are tried again for ever, with a back-off up to 10 s; a token that the server forgot
/// is renewed. Blocks; makes its own threads.
void RunOptimizer(const Env& env, std::stop_token stop, tasks::TaskTransport& transport,
                  io::FileSystem& files, const OptimizerOptions& options);

}  // namespace moraine::worker
