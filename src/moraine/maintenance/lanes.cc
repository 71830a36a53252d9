#include "moraine/maintenance/lanes.h"

#include <utility>

namespace moraine::maintenance {

Lanes::Lanes(size_t lanes) : lanes_(lanes) {
  if (lanes > 1)
    pool_ = std::make_unique<ThreadPool>(
        ThreadPool::Options{.name = "maintenance", .threads = lanes, .queue_limit = lanes});
}

Lanes::~Lanes() {
  if (pool_) pool_->Shutdown();
}

/// Also of work that throws.
struct Lanes::Leaving {
  ~Leaving() {
    std::lock_guard lock(busy.mutex);
    busy.tables.erase(table_id);
    busy.changed.notify_all();
  }
  Busy& busy;
  const int64_t table_id;
};

bool Lanes::Begin(int64_t table_id) {
  std::lock_guard lock(busy_->mutex);
  return busy_->tables.insert(table_id).second;
}

void Lanes::WaitForRoom(Call& call, size_t most, MonoTime until) {
  std::unique_lock lock(busy_->mutex);
  while (busy_->tables.size() > most && call.Check().ok() && call.clock().Mono() < until)
    call.clock().WaitUntil(lock, busy_->changed, until, call.stop());
}

void Lanes::Run(Call& call, std::vector<Piece> pieces, Millis limit, Millis patience) {
  if (!pool_) {
    for (auto& piece : pieces) {
      if (!call.Check().ok()) return;
      Call one(call, limit);
      piece.work(one);
    }
    return;
  }
  const MonoTime until = call.clock().Mono() + patience;
  for (auto& piece : pieces) {
    WaitForRoom(call, lanes_ - 1, until);
    if (!call.Check().ok() || call.clock().Mono() >= until) return;
    if (!Begin(piece.table_id)) continue;
    const std::shared_ptr<Busy> busy = busy_;
    // A call of its own: the round may be over before it.
    Call one(call.env(), limit, call.stop());
    const int64_t table_id = piece.table_id;
    Status taken = pool_->Submit([busy, table_id, one, work = std::move(piece.work)]() mutable {
      const Leaving leaving{*busy, table_id};
      work(one);
    });
    if (!taken.ok()) const Leaving leaving{*busy, table_id};
  }
  WaitForRoom(call, 0, until);
}

}  // namespace moraine::maintenance
