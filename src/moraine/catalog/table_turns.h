#pragma once
// One committer at a time per table, inside this process: those that would only lose the race wait
// for their turn instead, first come first served. The swap itself stays a compare-and-swap; this
// only saves metadata files that nobody would keep.

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "moraine/base/call.h"
#include "moraine/base/status.h"

namespace moraine::catalog {

/// Thread-safe.
class TableTurns {
 public:
  /// Held while a table is being changed; gives the turn on when it goes.
  class Turn {
   public:
    Turn(TableTurns* turns, int64_t table_id, bool waited)
        : turns_(turns), table_id_(table_id), waited_(waited) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)),
          table_id_(other.table_id_),
          waited_(other.waited_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->Leave(table_id_);
    }
    int64_t table_id() const { return table_id_; }
    /// What was read of the table before may be old.
    bool waited() const { return waited_; }

   private:
    TableTurns* turns_;
    int64_t table_id_;
    bool waited_;
  };

  /// Waits for the turn. Errors: Deadline, Cancelled of the call.
  Result<Turn> Take(Call& call, int64_t table_id);

 private:
  void Leave(int64_t table_id);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t next_ticket_ = 0;                                 // under mutex_
  std::unordered_map<int64_t, std::list<uint64_t>> queues_;  // under mutex_; the front has the turn
};

}  // namespace moraine::catalog
