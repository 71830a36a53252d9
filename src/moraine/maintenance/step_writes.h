#pragma once
// What the steps of many runs store, together: each COMMIT waits for the disk, or for a server, so
// one transaction takes as many as there are just now. If it does not come through, each is tried
// alone, so that none suffers for another. Filled by steps (run_steps.h) on any thread, written by
// the loop's.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/store/shards.h"

namespace moraine::maintenance {

struct StepWrite {
  int64_t table_id = 0;
  /// May be called several times, each time in a new transaction. Changes only rows that are as
  /// they were when it was decided, else it gives an error.
  std::function<Status(store::Transaction&)> body;
  /// How it went; Cancelled: the table is another server's now.
  std::function<void(Call&, const Status&)> then;
};

class StepWrites {
 public:
  /// Thread-safe.
  void Add(StepWrite write);
  /// Writes all that is there, and what comes of it; returns how many have come through. Errors:
  /// Cancelled, Deadline: of the call.
  Result<size_t> Flush(Call& call, store::Shards& shards);

 private:
  static size_t WriteBatch(Call& call, store::Shards& shards, const std::vector<StepWrite>& batch,
                           size_t begin, size_t end);

  std::mutex mutex_;
  std::vector<StepWrite> waiting_;  // under mutex_
};

}  // namespace moraine::maintenance
