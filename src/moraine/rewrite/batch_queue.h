#pragma once
// Batches from the thread that reads to the one that writes, bounded, with the error that ended the
// reading.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/row_batch.h"

namespace moraine::rewrite {

/// One producer, one consumer.
class BatchQueue {
 public:
  explicit BatchQueue(size_t limit) : limit_(limit) {}

  /// Waits for room. Errors: Cancelled after Abandon; Deadline, Cancelled of the call.
  Status Push(Call& call, RowBatch batch);
  /// The producer's last word: nothing more comes, or why.
  void Finish(Status status);
  /// Waits for a batch; one without rows at the end. Errors: those of Finish; Deadline, Cancelled
  /// of the call.
  Result<RowBatch> Pop(Call& call);
  /// The consumer gives up.
  void Abandon();
  /// Does that when the consumer's scope ends, even by an exception: declared behind the producer's
  /// thread, whose end would be waited for otherwise.
  class Abandoning {
   public:
    explicit Abandoning(BatchQueue* queue) : queue_(queue) {}
    ~Abandoning() { queue_->Abandon(); }
    Abandoning(const Abandoning&) = delete;
    Abandoning& operator=(const Abandoning&) = delete;

   private:
    BatchQueue* queue_;
  };

 private:
  const size_t limit_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<RowBatch> batches_;
  bool is_finished_ = false;
  bool is_abandoned_ = false;
  Status status_;
};

/// The producer's loop: pushes what next gives until it gives no rows or an error, or there is no
/// pushing on, and finishes the queue with the reason; throws nothing (what next throws is
/// Exhausted for a lack of memory, else Internal). So rows that do not get through are never
/// taken for the end.
void PushAll(Call& call, const std::function<Result<RowBatch>(Call&)>& next, BatchQueue* queue);

}  // namespace moraine::rewrite
