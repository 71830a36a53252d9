#pragma once
// Webhooks: events sent to other systems by HTTP, in order, each at least once. A webhook's row
// says how far that is; one server at a time works on it, under a lease, and takes over from one
// that died.
//
// A request is a batch of CloudEvents (application/cloudevents-batch+json), signed as Standard
// Webhooks has it. Only an answer 2xx moves the webhook on; anything else is tried again, later and
// later, until the webhook pauses. Called by Service and api.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/events/delivery.h"
#include "moraine/events/feed.h"
#include "moraine/events/metrics_internal.h"
#include "moraine/events/options.h"
#include "moraine/events/webhook_rows.h"
#include "moraine/net/http_client.h"
#include "moraine/store/database.h"

namespace moraine::events {

struct NewWebhook {
  std::string name;
  std::string url;
  EventFilter filter;
  std::optional<std::string> secret;  ///< made here if there is none
  std::optional<int64_t> after;       ///< begins behind this event; nothing: with those to come
};

struct WebhookTest {
  Attempt attempt;
  Millis took{0};
};

/// Thread-safe.
class Webhooks {
 public:
  Webhooks(Feed& feed, store::Database& database, net::HttpTransport& http, const Options& options);

  /// With its secret, which nobody is told again. Errors: InvalidArgument, PermissionDenied (the
  /// host), AlreadyExists, Exhausted (too many).
  Result<Webhook> Create(Call& call, const NewWebhook& request);
  Result<std::vector<Webhook>> List(Call& call);
  /// Errors, of all below: NotFound.
  Result<Webhook> Find(Call& call, const std::string& name);
  Status Delete(Call& call, const std::string& name);
  Status Pause(Call& call, const std::string& name);
  /// after: goes on behind this event, instead of where it was.
  Status Resume(Call& call, const std::string& name, std::optional<int64_t> after);
  /// Sends one event of its own kind, whatever the state is, and changes nothing.
  Result<WebhookTest> Test(Call& call, const std::string& name);

  /// Begins a delivery, on the pool, for each webhook that waits for one. stop ends them.
  Status Tick(Call& call, Executor& pool);
  /// Whether there are any, as the last tick saw it.
  bool any() const { return any_; }
  /// The server ends: what was passed over is written down.
  Status Close(Call& call);
  /// Called when a delivery has ended. Set before the first tick.
  void OnIdle(std::function<void()> listener) { on_idle_ = std::move(listener); }

 private:
  struct Batch {
    std::string body;
    std::string id;
    int64_t last = 0;    ///< number of the last event looked at
    int64_t events = 0;  ///< in the body
    int64_t lost = 0;    ///< that the body tells of
    bool more = false;   ///< there may be more behind it
  };

  bool IsDue(const Webhook& webhook, int64_t newest, int64_t now_ms);
  bool Begin(int64_t id);
  void End(int64_t id);
  int64_t PositionOf(const Webhook& webhook);
  Status NoteSkipped(Call& call, const Webhook& webhook, int64_t to);
  /// Writes down what was passed over long enough ago and not written yet: nothing new may come for
  /// longer than events are kept.
  Status SaveSkipped(Call& call, const Webhook& webhook, Millis age);
  Status Deliver(Call& call, const Webhook& seen);
  Status DeliverLeased(Call& call, Webhook webhook);
  /// Whether there is something to send; moves on over what is not.
  Result<bool> LookAhead(Call& call, const Webhook& webhook);
  Result<Batch> Collect(Call& call, const Webhook& webhook);
  Attempt Send(Call& call, const Webhook& webhook, std::string_view id, const std::string& body);
  Result<bool> Save(Call& call, const Webhook& webhook, Lease lease);
  Result<Webhook> Get(Call& call, const std::string& name);
  int64_t LeaseMs() const { return 2 * options_.delivery_timeout.count() + 10'000; }

  Feed& feed_;
  store::Database& database_;
  net::HttpTransport& http_;
  const Options options_;
  EventMetrics metrics_;
  std::atomic<bool> any_ = false;
  std::function<void()> on_idle_;

  std::mutex mutex_;
  std::set<int64_t> at_work_;  // under mutex_: ids
  /// What was looked at and not wanted, since the row's own number.
  struct Skipped {
    int64_t from = 0;
    int64_t to = 0;
    MonoTime saved{};
  };
  std::map<int64_t, Skipped> skipped_;  // under mutex_
};

}  // namespace moraine::events
