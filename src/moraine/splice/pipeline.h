#pragma once
// Work on many threads whose results are taken in order: each piece has a part that any thread may
// run and a part that the caller runs, in the order of Push.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "moraine/base/executor.h"
#include "moraine/base/status.h"

namespace moraine::splice {

/// Used by the thread that made it. Its destructor waits for pieces that other threads have begun.
class Pipeline {
 public:
  /// pool: nullptr, all runs on the caller. At most max_bytes of pieces wait, and at least one.
  Pipeline(Executor* pool, int64_t max_bytes);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// work runs on some thread, finish on this one after it and after all finish before. bytes: what
  /// the piece holds. May run pieces first. The first error ends all.
  Status Push(int64_t bytes, std::function<Status()> work, std::function<Status()> finish);
  /// Runs finish in its turn.
  Status Push(int64_t bytes, std::function<Status()> finish);
  /// Runs and finishes the first of what was pushed.
  Status FinishFirst();
  /// Runs and finishes all that was pushed.
  Status Drain();

 private:
  struct Piece;
  class Waiting;

  Status MakeRoom(int64_t bytes);

  Executor* pool_;
  const int64_t max_bytes_;
  int64_t bytes_ = 0;
  std::deque<std::shared_ptr<Piece>> pieces_;
  std::shared_ptr<Waiting> waiting_;  // for threads of the pool
};

}  // namespace moraine::splice
