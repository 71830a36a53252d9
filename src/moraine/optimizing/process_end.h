#pragma once
// What goes with the end of a process, in the transaction that ends it: its row, the files that
// nobody needs any more, the state of its table and the sentence that a person reads. Called by the
// committer.

#include <cstdint>
#include <set>
#include <vector>

#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/options.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/planning/commit_decision.h"

namespace moraine::optimizing {

/// What the process's tasks have made, and every attempt at it.
struct ProcessWork {
  std::vector<FinishedTask> finished;
  std::vector<Attempt> attempts;
  std::vector<planning::DroppedTask> refused;  ///< finished, but not to be believed
};

/// Every attempt: nothing of the process was committed.
std::vector<DeadAttempt> AllAttempts(const ProcessWork& work, const Options& options);
/// What is left over once these tasks (their ids) were committed: the attempts at others, those
/// that failed, and position maps that have a file.
std::vector<DeadAttempt> Leftovers(const ProcessWork& work, const std::set<int32_t>& committed,
                                   const Options& options);
/// The same for a commit that was found to have landed: which tasks it has is not known, so that
/// every attempt that succeeded stays.
std::vector<DeadAttempt> LeftoversOfAnyTask(const ProcessWork& work, const Options& options);

/// process has its last state, error and finished_ms. carried: what the names of carried deletes
/// start with that landed.
Status EndRows(store::Transaction& t, const Process& process, const std::vector<DeadAttempt>& dead,
               const std::vector<std::string>& carried, const Options& options);

}  // namespace moraine::optimizing
