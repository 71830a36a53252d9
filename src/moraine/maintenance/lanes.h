#pragma once
// Pieces of work on several tables at a time, on a few threads, so that a slow table does not keep
// the others waiting: what takes too long goes on beside the next rounds. With one lane everything
// is done at once, on the caller's thread.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"

namespace moraine::maintenance {

/// Used by one thread.
class Lanes {
 public:
  struct Piece {
    int64_t table_id = 0;
    std::function<void(Call&)> work;
  };

  explicit Lanes(size_t lanes);
  /// Waits for what still runs.
  ~Lanes();

  /// Begins them in this order; those of a table that is being worked on are left out. Returns once
  /// all have ended, or, where some take longer than patience, as soon as only those are left.
  /// limit: of one piece.
  void Run(Call& call, std::vector<Piece> pieces, Millis limit, Millis patience);

 private:
  struct Busy {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::set<int64_t> tables;  // under mutex
  };

  struct Leaving;

  bool Begin(int64_t table_id);
  void WaitForRoom(Call& call, size_t most, MonoTime until);

  const size_t lanes_;
  const std::shared_ptr<Busy> busy_ = std::make_shared<Busy>();
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace moraine::maintenance
