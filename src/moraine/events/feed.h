#pragma once
// The feed as readers see it: events after a number, and to be woken when there are more. The
// newest ones are kept in memory, ready to be sent, so that many readers that wait for the same
// change cost the store one look.
//
// Who calls: api (polls and streams), Webhooks.

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"
#include "moraine/events/event.h"
#include "moraine/events/options.h"
#include "moraine/net/http.h"

namespace moraine::events {

/// Events that were asked for and are not kept any more.
struct Gap {
  int64_t first = 0;
  int64_t last = 0;
};

struct Slice {
  std::vector<EventPtr> events;  ///< in order, without a hole
  std::optional<Gap> gap;        ///< before the events
};

/// Thread-safe.
class Feed {
 public:
  Feed(catalog::Catalog& catalog, const Options& options);

  /// kStore: what is committed by now, by any server. kAnnounced: at least what this server has
  /// heard of; for those that are woken.
  enum class Freshness { kStore, kAnnounced };
  /// Up to limit events after this number; none if there are no newer ones.
  Result<Slice> Read(Call& call, int64_t after, size_t limit, Freshness freshness);
  /// The number of the newest event; 0 if there is none.
  Result<int64_t> Newest(Call& call);
  /// The number before the oldest event that is kept.
  Result<int64_t> BeforeOldest(Call& call);

  /// Rises with every change that this server hears of.
  uint64_t heard() const { return heard_; }
  /// Something was committed: wakes everybody. Cheap, never blocks for long.
  void Announce();
  /// Looks whether others have committed something; Announce if so.
  Status Poll(Call& call);
  /// Wakes the waiter with the next change. seen: heard() before the reader last looked.
  void Park(std::shared_ptr<net::Waiter> waiter, uint64_t seen);
  size_t waiting() const;

 private:
  std::optional<Slice> FromMemory(int64_t after, size_t limit, Freshness freshness);
  void Remember(const std::vector<EventPtr>& events, bool reached_end, int64_t after,
                uint64_t heard);

  catalog::Catalog& catalog_;
  const Options options_;
  std::atomic<uint64_t> heard_ = 0;
  std::atomic<int64_t> polled_ = -1;  ///< the newest number at the last poll

  mutable std::mutex mutex_;
  std::deque<EventPtr> tail_;  // under mutex_; without holes, up to tail_end_
  size_t tail_bytes_ = 0;
  int64_t tail_end_ = -1;
  uint64_t tail_heard_ = 0;  // heard() when the tail was known to be all there is
  std::vector<std::weak_ptr<net::Waiter>> parked_;
  size_t parked_limit_ = 64;  // beyond it the list is freed of those that went away
};

}  // namespace moraine::events
