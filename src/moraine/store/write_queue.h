#pragma once
// Who may write, one after the other, and the groups that share one COMMIT. SQLite takes one writer
// at a time and each COMMIT waits for the disk: so a writer that is followed by others leaves the
// transaction open, hands the turn on, and the last of the group commits for all of them: one sync
// for many. (Used by SqliteDatabase only.)

#include <condition_variable>
#include <deque>
#include <mutex>

#include "moraine/base/call.h"

namespace moraine::store {

/// Writers that commit together. done and outcome belong to the queue's mutex, the rest to who has
/// the turn.
struct WriteGroup {
  bool done = false;
  Status outcome;
  std::condition_variable_any changed;
  size_t members = 0;
  MonoTime begun;
};

/// Thread-safe. First come, first served.
class WriteQueue {
 public:
  /// Waits for the turn. OK: the caller has it and must give it back (PassOn or Leave), however
  /// late it is. Errors: Deadline, Cancelled; Exhausted when too many wait.
  Status Enter(Call& call);
  /// Hands the turn to the next who waits; false if nobody does, and the caller keeps it.
  bool PassOn();
  /// Gives the turn back.
  void Leave();

  void Publish(WriteGroup& group, const Status& outcome);
  /// Waits until the group has ended. Not bounded by a call: the work is done and only its outcome
  /// is missing; those ahead are bounded by theirs.
  Status Await(WriteGroup& group);

 private:
  struct Waiter {
    bool granted = false;
    std::condition_variable_any changed;
  };
  bool GrantNext();  // with mutex_

  std::mutex mutex_;
  bool taken_ = false;
  std::deque<Waiter*> waiters_;
};

}  // namespace moraine::store
