#pragma once
// Webhooks as rows: whom events are sent to, how far that is, and which server is at it. Read and
// written inside a transaction of the caller. Used by Webhooks.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/events/event.h"
#include "moraine/store/database.h"

namespace moraine::events {

enum class WebhookState { kActive, kPaused };
std::string_view WebhookStateName(WebhookState state);  ///< "active", "paused"

struct Webhook {
  int64_t id = 0;
  std::string name;
  std::string url;
  std::string secret;  ///< "whsec_" and base64; never shown again after it was made
  EventFilter filter;
  WebhookState state = WebhookState::kActive;
  std::string reason;         ///< why it is paused, or why the last delivery failed
  int64_t delivered_seq = 0;  ///< everything up to it was delivered, or not wanted
  int64_t failures = 0;       ///< in a row
  int64_t next_try_ms = 0;
  int64_t last_status = 0;  ///< HTTP status of the last delivery; 0: there was no answer
  int64_t last_delivery_ms = 0;
  int64_t delivered_events = 0;
  int64_t lost_events = 0;  ///< removed from the feed before they could be delivered
  int64_t lease_epoch = 0;
  int64_t lease_until_ms = 0;
  int64_t created_ms = 0;
  std::string created_by;
};

/// Errors: AlreadyExists.
Status InsertWebhook(store::Transaction& t, const Webhook& webhook);
Result<std::optional<Webhook>> FindWebhook(store::Transaction& t, const std::string& name);
/// By name.
Result<std::vector<Webhook>> AllWebhooks(store::Transaction& t);
/// Whether there was one.
Result<bool> DeleteWebhook(store::Transaction& t, const std::string& name);

/// Makes the owner the one that delivers, unless another one does; expired leases are taken over.
/// Nothing if it is taken, paused, or gone. Time is the store's.
Result<std::optional<Webhook>> TakeLease(store::Transaction& t, int64_t id,
                                         const std::string& owner, int64_t lease_ms);
enum class Lease { kKeep, kRelease };
/// Writes what a delivery changed (state to lost_events), as long as the lease is still the one of
/// this epoch: else false, and nothing is written.
Result<bool> SaveDelivery(store::Transaction& t, const Webhook& webhook, Lease lease,
                          int64_t lease_ms);
/// Moves the number on where nothing was to be delivered and nobody delivers.
Status SkipTo(store::Transaction& t, const Webhook& webhook, int64_t delivered_seq);
/// Writes state, reason, failures, next try and the number of a webhook, whoever delivers: whose
/// lease ends with it.
Status SetWebhook(store::Transaction& t, const Webhook& webhook);

}  // namespace moraine::events
