#include "moraine/events/feed.h"

#include <algorithm>
#include <utility>

namespace moraine::events {
namespace {

constexpr size_t kTailEvents = 1'000;
constexpr size_t kTailBytes = 4 << 20;

}  // namespace

Feed::Feed(catalog::Catalog& catalog, const Options& options)
    : catalog_(catalog), options_(options) {}

Result<Slice> Feed::Read(Call& call, int64_t after, size_t limit, Freshness freshness) {
  if (auto slice = FromMemory(after, limit, freshness);
      slice && (freshness == Freshness::kAnnounced || slice->events.size() == limit)) {
    return std::move(*slice);
  }
  uint64_t heard = heard_;
  MORAINE_ASSIGN(auto changes, catalog_.Changes(call, after, limit));
  Slice slice;
  for (const auto& change : changes) {
    slice.events.push_back(std::make_shared<const Event>(MakeEvent(change, options_.source)));
  }
  if (!changes.empty() && changes.front().feed_seq > after + 1) {
    slice.gap = Gap{after + 1, changes.front().feed_seq - 1};
  }
  Remember(slice.events, changes.size() < limit, after, heard);
  return slice;
}

std::optional<Slice> Feed::FromMemory(int64_t after, size_t limit, Freshness freshness) {
  std::lock_guard lock(mutex_);
  if (after == tail_end_ && freshness == Freshness::kAnnounced && tail_heard_ == heard_) {
    return Slice();
  }
  if (tail_.empty() || after < tail_.front()->sequence - 1 || after >= tail_end_) {
    return std::nullopt;
  }
  auto first = tail_.begin() + (after + 1 - tail_.front()->sequence);
  auto count = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(limit), tail_.end() - first);
  Slice slice;
  slice.events.assign(first, first + count);
  return slice;
}

/// Keeps what follows the tail. Events that begin behind a hole take its place, if they are the
/// newest.
void Feed::Remember(const std::vector<EventPtr>& events, bool reached_end, int64_t after,
                    uint64_t heard) {
  std::lock_guard lock(mutex_);
  if (!events.empty() && events.front()->sequence > tail_end_ + 1) {
    if (!reached_end && tail_end_ >= 0) return;
    tail_.clear();
    tail_bytes_ = 0;
    tail_end_ = events.front()->sequence - 1;
  }
  for (const auto& event : events) {
    if (event->sequence <= tail_end_) continue;
    tail_.push_back(event);
    tail_bytes_ += event->json.size();
    tail_end_ = event->sequence;
  }
  while (tail_.size() > kTailEvents || tail_bytes_ > kTailBytes) {
    tail_bytes_ -= tail_.front()->json.size();
    tail_.pop_front();
  }
  if (tail_end_ < 0 && reached_end) tail_end_ = after;
  int64_t last = events.empty() ? after : events.back()->sequence;
  if (reached_end && last == tail_end_) tail_heard_ = std::max(tail_heard_, heard);
}

Result<int64_t> Feed::Newest(Call& call) { return catalog_.LastChange(call); }

Result<int64_t> Feed::BeforeOldest(Call& call) {
  MORAINE_ASSIGN(auto oldest, catalog_.Changes(call, 0, 1));
  return oldest.empty() ? int64_t{0} : oldest.front().feed_seq - 1;
}

void Feed::Announce() {
  std::vector<std::weak_ptr<net::Waiter>> woken;
  {
    std::lock_guard lock(mutex_);
    ++heard_;
    woken.swap(parked_);
    parked_limit_ = 64;
  }
  for (auto& waiter : woken) {
    if (auto alive = waiter.lock()) alive->Wake();
  }
}

Status Feed::Poll(Call& call) {
  MORAINE_ASSIGN(int64_t newest, Newest(call));
  int64_t before = polled_.exchange(newest);
  if (before != newest) Announce();
  return {};
}

void Feed::Park(std::shared_ptr<net::Waiter> waiter, uint64_t seen) {
  {
    std::lock_guard lock(mutex_);
    if (seen == heard_) {
      if (parked_.size() >= parked_limit_) {
        std::erase_if(parked_, [](const auto& other) { return other.expired(); });
        parked_limit_ = std::max<size_t>(64, 2 * parked_.size());
      }
      parked_.push_back(waiter);
      return;
    }
  }
  waiter->Wake();
}

size_t Feed::waiting() const {
  std::lock_guard lock(mutex_);
  return parked_.size();
}

}  // namespace moraine::events
