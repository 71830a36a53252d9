#pragma once
// A deletion vector that a task made for a file that stays takes the place of the one that the file
// had, and so must have all of its rows: those that it lacks would come back. Reports say only how
// many there are (tasks/output_check.cc); here the vectors are read. Called by the committer, once
// for a process.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/commit_decision.h"

namespace moraine::planning {

/// The finished work whose vectors can't be believed, by its index, with the reason: one lacks
/// rows, or can't be read. A vector of before that is gone by now is not looked at: the table has
/// another, which DecideCommit has merged. Holds memory_bytes at most. Errors: as io; those that a
/// new try may heal.
Result<std::map<size_t, std::string>> CheckVectors(Call& call, io::FileSystem& files,
                                                   const std::vector<FinishedWork>& finished,
                                                   int64_t memory_bytes);

}  // namespace moraine::planning
