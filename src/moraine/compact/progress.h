#pragma once
// How far a compaction is, for a display that reads it while the work goes on. Written by
// compaction.cc.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "moraine/rewrite/rewrite.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::compact {

enum class Phase { kLoading, kPlanning, kRewriting, kCommitting, kCleaning, kEnded };

struct ProgressFigures {
  Phase phase = Phase::kLoading;
  int64_t tasks = 0;
  int64_t tasks_done = 0;
  int64_t bytes = 0;  ///< of all inputs
  int64_t bytes_done = 0;
};

/// Thread-safe.
class Progress {
 public:
  ProgressFigures figures() const;

  void Enter(Phase phase) { phase_ = phase; }
  /// Once, before the tasks begin.
  void Begin(const std::vector<tasks::RewriteTask>& tasks);
  /// The counters of a task; valid as long as this.
  rewrite::RewriteProgress* Of(size_t task);
  void Done(size_t task);

 private:
  struct Item {
    int64_t bytes = 0;
    rewrite::RewriteProgress counters;
    std::atomic<bool> done{false};
  };
  std::atomic<Phase> phase_{Phase::kLoading};
  mutable std::mutex mutex_;  ///< of the list; its items don't move
  std::vector<std::unique_ptr<Item>> items_;
};

}  // namespace moraine::compact
