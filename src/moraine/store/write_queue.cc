#include "moraine/store/write_queue.h"

#include <algorithm>

namespace moraine::store {
namespace {

constexpr size_t kMaxWaiters = 4096;

}  // namespace

Status WriteQueue::Enter(Call& call) {
  MORAINE_TRY(call.Check());
  std::unique_lock lock(mutex_);
  if (!taken_) {
    taken_ = true;
    return {};
  }
  if (waiters_.size() >= kMaxWaiters) return Exhausted("store: too many writers wait");
  Waiter self;
  waiters_.push_back(&self);
  while (!self.granted) {
    Status why = call.Check();
    if (!why.ok()) {
      std::erase(waiters_, &self);
      return std::move(why).Annotate("while waiting to write to the store");
    }
    call.clock().WaitUntil(lock, self.changed, call.deadline(), call.stop());
  }
  return {};
}

bool WriteQueue::GrantNext() {
  if (waiters_.empty()) return false;
  Waiter* next = waiters_.front();
  waiters_.pop_front();
  next->granted = true;
  next->changed.notify_one();  // under the mutex: the waiter may be gone right after
  return true;
}

bool WriteQueue::PassOn() {
  std::lock_guard lock(mutex_);
  return GrantNext();
}

void WriteQueue::Leave() {
  std::lock_guard lock(mutex_);
  if (!GrantNext()) taken_ = false;
}

void WriteQueue::Publish(WriteGroup& group, const Status& outcome) {
  std::lock_guard lock(mutex_);
  group.done = true;
  group.outcome = outcome;
  group.changed.notify_all();
}

Status WriteQueue::Await(WriteGroup& group) {
  std::unique_lock lock(mutex_);
  group.changed.wait(lock, [&] { return group.done; });
  return group.outcome;
}

}  // namespace moraine::store
