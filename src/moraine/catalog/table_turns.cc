#include "moraine/catalog/table_turns.h"

namespace moraine::catalog {

Result<TableTurns::Turn> TableTurns::Take(Call& call, int64_t table_id) {
  std::unique_lock lock(mutex_);
  uint64_t ticket = next_ticket_++;
  auto& queue = queues_[table_id];
  queue.push_back(ticket);
  bool waited = queue.front() != ticket;
  while (queue.front() != ticket) {
    if (Status over = call.Check(); !over.ok()) {
      queue.remove(ticket);
      return over;
    }
    call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
  }
  return Turn(this, table_id, waited);
}

void TableTurns::Leave(int64_t table_id) {
  {
    std::lock_guard lock(mutex_);
    auto queue = queues_.find(table_id);
    queue->second.pop_front();
    if (queue->second.empty()) queues_.erase(queue);
  }
  changed_.notify_all();
}

}  // namespace moraine::catalog
