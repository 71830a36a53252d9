#pragma once
// The worker task "find-expired-files": after snapshots of a table were removed (or before that, to
// say what it would free) it finds the files that only they reached (expired_files.h), and writes
// them to a list file (file_list.h) in the order in which they are to be deleted. Made by
// maintenance, registered in run_task.cc. Running it again gives the same list, less what is gone.

#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/expired_files.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::upkeep {

inline constexpr std::string_view kFindExpiredFilesKind = "find-expired-files";

/// The task's body.
struct ExpiredFilesTask {
  std::string metadata_location;  ///< of the table as it is now
  ExpiredSnapshots expired;
  bool before_commit = false;  ///< dry run: counts only, no list is written
};

/// The task's result.
struct ExpiredFilesResult {
  std::string list_location;  ///< "" if there are none, or in a dry run
  bool stale = false;         ///< nothing was looked for: metadata_location is gone
  ExpiredFilesCounts counts;
};

std::string ExpiredFilesTaskToJson(const ExpiredFilesTask& task);
/// Errors: InvalidArgument with the path.
Result<ExpiredFilesTask> ExpiredFilesTaskFromJson(std::string_view text);
std::string ExpiredFilesResultToJson(const ExpiredFilesResult& result);
Result<ExpiredFilesResult> ExpiredFilesResultFromJson(std::string_view text);

/// Errors: Conflict for the metadata of another table than the task's; as FindExpiredFiles.
Result<tasks::MaintenanceOutput> RunFindExpiredFiles(Call& call, io::FileSystem& files,
                                                     const tasks::MaintenanceTask& task,
                                                     const JobOptions& options,
                                                     JobProgress* progress);

}  // namespace moraine::upkeep
