#pragma once
// Events of the catalog for other systems: the feed, and the loop that hears of other servers'
// changes, delivers to webhooks and trims the feed. Truth is in the store; this object may be made
// and destroyed at any time.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"
#include "moraine/events/feed.h"
#include "moraine/events/options.h"
#include "moraine/events/webhooks.h"
#include "moraine/net/http_client.h"
#include "moraine/store/database.h"

namespace moraine::events {

/// Thread-safe.
class Service {
 public:
  /// http: for deliveries.
  Service(catalog::Catalog& catalog, store::Database& database, net::HttpTransport& http,
          const Options& options);

  /// Makes the rows' tables.
  Status Open(Call& call);
  /// Until the stop; on one thread, with some more for deliveries.
  void Run(const Env& env, std::stop_token stop);
  /// Something was committed here. Cheap.
  void Announce();

  Feed& feed() { return feed_; }
  Webhooks& webhooks() { return webhooks_; }
  const Options& options() const { return options_; }

  /// The right to be one of the streams there may be at a time; null if there are enough.
  std::shared_ptr<void> TakeStream();
  size_t streams() const { return *streams_; }

 private:
  void Wake();
  Status TrimTick(Call& call);

  catalog::Catalog& catalog_;
  store::Database& database_;
  const Options options_;
  Feed feed_;
  Webhooks webhooks_;
  const std::shared_ptr<std::atomic<size_t>> streams_ = std::make_shared<std::atomic<size_t>>(0);
  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wake_ = false;       // under mutex_
  int64_t trimmed_ms_ = 0;  // by the loop's thread
};

}  // namespace moraine::events
