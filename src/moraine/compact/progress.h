#pragma once
// How far a compaction is, for a display that reads it while the work goes on. Written by
// compaction.cc.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "moraine/compact/counting_files.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::compact {

enum class Phase { kLoading, kPlanning, kRewriting, kCommitting, kCleaning, kEnded };

struct ProgressFigures {
  Phase phase = Phase::kLoading;
  int64_t tasks = 0;
  int64_t tasks_done = 0;
  int64_t bytes = 0;  ///< of all inputs
  /// Of running tasks the mean of the shares that were read and written: reading alone may end long
  /// before the work does. A file that several tasks read, each a range of its rows, counts for
  /// each.
  int64_t bytes_done = 0;
};

/// Thread-safe.
class Progress {
 public:
  ProgressFigures figures() const;

  void Enter(Phase phase) { phase_ = phase; }
  /// Once, before the tasks begin.
  void Begin(const std::vector<tasks::RewriteTask>& tasks);
  /// What a task's file system counts in; valid as long as this.
  MovedBytes* Of(size_t task);
  void Done(size_t task);

 private:
  struct Item {
    int64_t bytes = 0;
    int64_t to_write = 0;  ///< about
    MovedBytes moved;
    std::atomic<bool> done{false};
  };
  std::atomic<Phase> phase_{Phase::kLoading};
  mutable std::mutex mutex_;  ///< of the list; its items don't move
  std::vector<std::unique_ptr<Item>> items_;
};

}  // namespace moraine::compact
