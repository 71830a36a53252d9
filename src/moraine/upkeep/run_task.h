#pragma once
// The door of upkeep for workers: runs one maintenance task of any kind. Each kind has a file of
// its own that knows its body and its result.

#include <atomic>
#include <cstdint>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"

namespace moraine::upkeep {

struct JobOptions {
  int64_t memory_bytes = int64_t{512} << 20;  ///< all that the task may hold
  std::string spill_folder;  ///< local, for what does not fit; "": the system's for temporary files
};

struct JobProgress {
  std::atomic<int64_t> files = 0;
  std::atomic<int64_t> bytes_read = 0;
};

/// Errors: Unsupported for a kind that this version does not know, InvalidArgument for a body that
/// can't be read, else as the kind's file says.
Result<tasks::MaintenanceOutput> RunMaintenanceTask(Call& call, io::FileSystem& files,
                                                    const tasks::MaintenanceTask& task,
                                                    const JobOptions& options,
                                                    JobProgress* progress);

}  // namespace moraine::upkeep
