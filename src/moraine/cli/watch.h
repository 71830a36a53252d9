#pragma once
// Follows a process until it ends: a bar redrawn in place on a terminal, a line for each change
// else.

#include <string>

#include "moraine/cli/commands.h"

namespace moraine::cli {

/// Pure: one line about a process as /api/v1/processes/{id} tells it:
/// "[#####-----]  50%  3/8 tasks  120.5/241.0 MiB  running".
std::string ProgressLine(const Json& process);
/// Pure: the process has ended.
bool HasEnded(const Json& process);

/// Prints what it is made of, its progress, and its end. Errors: Conflict when it failed or was
/// cancelled; Cancelled when the person stopped watching (the process goes on).
Status WatchProcess(Session& session, const std::string& process_id);
/// Waits for the process that a request for the table makes, then watches it. newest_before: the
/// table's newest process when it was asked. OK with a sentence when there is nothing to do.
Status WatchRequest(Session& session, const std::string& table_path, int64_t table_id,
                    const std::string& newest_before);

}  // namespace moraine::cli
