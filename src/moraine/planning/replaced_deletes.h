#pragma once
// Deletes by position that a task made for a file that stays take the place of those that the file
// had, and so must have all of their rows: those that they lack would come back. Reports say only
// how many there are (tasks/output_check.cc); here vectors and position delete files are read.
// Called by the committer, once for a process.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/commit_decision.h"

namespace moraine::planning {

/// How far a check of one process has come, so that another goes on from there: files do not
/// change. Plain data, of no use once the process has ended.
struct CheckedDeletes {
  struct Task {
    size_t targets = 0;   ///< of its files that stay, the first ones: all is well with them
    std::string refused;  ///< why; empty: it is not
  };
  std::map<std::pair<int32_t, int32_t>, Task> tasks;  ///< by task id and attempt
  /// Read in one pass at most, over the tasks; fewer once a pass did not end in its time.
  size_t most_files = 4'096;
};

/// The finished work whose deletes can't be believed, by its index, with the reason: they lack
/// rows, or can't be read. Deletes of before that are gone by now are not looked at: the table has
/// others, which DecideCommit has merged or left. A file that is about many data files, of any of
/// the tasks, is read once where the new deletes of a pass fit into memory_bytes, and several files
/// at a time are. Errors: as io; those that a new try may heal, which *checked helps.
Result<std::map<size_t, std::string>> CheckReplacedDeletes(
    Call& call, io::FileSystem& files, const std::vector<FinishedWork>& finished,
    int64_t memory_bytes, CheckedDeletes* checked);

}  // namespace moraine::planning
