#pragma once
// Files that a report names are looked up before they are committed: one that is not there, or has
// another size than reported, would break the table for every reader. Called by the committer,
// beside replaced_deletes.h.

#include <map>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/commit_decision.h"

namespace moraine::planning {

/// The finished work that names a file which is not there or has another size, by its index, with
/// the reason. Asks once for each file, some at a time where they are many. Errors: as io; those
/// that a new try may heal.
Result<std::map<size_t, std::string>> CheckOutputFiles(Call& call, io::FileSystem& files,
                                                       const std::vector<FinishedWork>& finished);

}  // namespace moraine::planning
