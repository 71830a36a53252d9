#include "moraine/rewrite/batch_queue.h"

#include <exception>
#include <new>
#include <string>
#include <utility>

#include <arrow/record_batch.h>

namespace moraine::rewrite {

Status BatchQueue::Push(Call& call, RowBatch batch) {
  std::unique_lock lock(mutex_);
  while (batches_.size() >= limit_ && !is_abandoned_) {
    MORAINE_TRY(call.Check());
    call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
  }
  if (is_abandoned_) return Cancelled("the writer of these rows gave up");
  batches_.push_back(std::move(batch));
  changed_.notify_all();
  return {};
}

void BatchQueue::Finish(Status status) {
  const std::lock_guard lock(mutex_);
  is_finished_ = true;
  status_ = std::move(status);
  changed_.notify_all();
}

Result<RowBatch> BatchQueue::Pop(Call& call) {
  std::unique_lock lock(mutex_);
  while (batches_.empty() && !is_finished_) {
    MORAINE_TRY(call.Check());
    call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
  }
  if (batches_.empty()) {
    MORAINE_TRY(status_);
    return RowBatch();
  }
  RowBatch batch = std::move(batches_.front());
  batches_.pop_front();
  changed_.notify_all();
  return batch;
}

void BatchQueue::Abandon() {
  const std::lock_guard lock(mutex_);
  is_abandoned_ = true;
  batches_.clear();
  changed_.notify_all();
}

void PushAll(Call& call, const std::function<Result<RowBatch>(Call&)>& next, BatchQueue* queue) {
  Status status;
  try {
    while (status.ok()) {
      Result<RowBatch> batch = next(call);
      status = batch.status();
      if (!status.ok() || batch->rows == nullptr) break;
      status = queue->Push(call, std::move(batch).value());
    }
  } catch (const std::bad_alloc&) {  // would end the process, as this may be the end of a thread
    status = Exhausted("there is no memory left to read rows");
  } catch (const std::exception& error) {
    status = Internal(std::string("reading rows threw: ") + error.what());
  }
  queue->Finish(std::move(status));
}

}  // namespace moraine::rewrite
