#include "moraine/events/webhooks.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::events {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kReadEvents = 500;
/// Of events that a webhook does not want, so many are passed over at once.
constexpr int64_t kScanEvents = 5'000;
/// What was passed over is written down after so many, or after this time.
constexpr int64_t kSkipEvents = 1'000;
constexpr std::chrono::seconds kSkipTime{10};
constexpr Millis kRunLimit{60'000};
constexpr Millis kSaveLimit{5'000};
constexpr size_t kMaxNameBytes = 100;

Status NoWebhook(const std::string& name) {
  return NotFound(fmt::format("no such webhook: {}", name.substr(0, 200)));
}

Status CheckName(const std::string& name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  bool fits = !name.empty() && name.size() <= kMaxNameBytes &&
              name.find_first_not_of(kAllowed) == name.npos && name != "." && name != "..";
  if (fits) return {};
  return InvalidArgument(fmt::format("name: expected 1 to {} of A-Z a-z 0-9 _ . -, got '{}'",
                                     kMaxNameBytes, name.substr(0, 200)));
}

std::optional<Millis> RetryAfterOf(const net::Response& response) {
  auto text = response.headers.Get("Retry-After");
  if (!text) return std::nullopt;
  auto seconds = ParseInt64(*text);
  if (!seconds.ok() || *seconds < 0 || *seconds > 86'400) return std::nullopt;
  return Millis(*seconds * 1'000);
}

void Append(const std::string& event, std::string* body) {
  *body += body->empty() ? "[" : ",";
  *body += event;
}

}  // namespace

Webhooks::Webhooks(Feed& feed, store::Database& database, net::HttpTransport& http,
                   const Options& options)
    : feed_(feed), database_(database), http_(http), options_(options), metrics_(options.metrics) {}

Result<Webhook> Webhooks::Create(Call& call, const NewWebhook& request) {
  MORAINE_TRY(CheckName(request.name));
  MORAINE_TRY(DestinationOf(request.url, options_.allowed_hosts));
  MORAINE_TRY(CheckFilter(request.filter));
  if (request.secret) MORAINE_TRY(CheckSecret(*request.secret));
  MORAINE_ASSIGN(int64_t newest, feed_.Newest(call));
  if (request.after && (*request.after < 0 || *request.after > newest)) {
    return InvalidArgument(
        fmt::format("after: expected 0 to {}, the newest event, got {}", newest, *request.after));
  }
  Webhook webhook;
  webhook.name = request.name;
  webhook.url = request.url;
  webhook.filter = request.filter;
  webhook.secret = request.secret ? *request.secret : MakeSecret(call.random());
  webhook.delivered_seq = request.after.value_or(newest);
  webhook.created_ms = ToMillis(call.clock().Wall());
  webhook.created_by = call.principal();
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto all, AllWebhooks(t));
    if (all.size() >= options_.max_webhooks)
      return Exhausted(fmt::format("there are {} webhooks already", all.size()));
    MORAINE_TRY(InsertWebhook(t, webhook));
    MORAINE_ASSIGN(webhook.id, t.LastInsertId());
    return {};
  }));
  any_ = true;
  return webhook;
}

Result<std::vector<Webhook>> Webhooks::List(Call& call) {
  return RunFor(call, database_, Access::kRead, AllWebhooks);
}

Result<Webhook> Webhooks::Find(Call& call, const std::string& name) {
  MORAINE_ASSIGN(auto found, RunFor(call, database_, Access::kRead,
                                    [&](Transaction& t) { return FindWebhook(t, name); }));
  if (!found) return NoWebhook(name);
  return std::move(*found);
}

Status Webhooks::Delete(Call& call, const std::string& name) {
  MORAINE_ASSIGN(bool deleted, RunFor(call, database_, Access::kWrite,
                                      [&](Transaction& t) { return DeleteWebhook(t, name); }));
  return deleted ? Status() : NoWebhook(name);
}

Status Webhooks::Pause(Call& call, const std::string& name) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto webhook, FindWebhook(t, name));
    if (!webhook) return NoWebhook(name);
    webhook->state = WebhookState::kPaused;
    webhook->reason = call.principal().empty() ? "paused by request"
                                               : fmt::format("paused by {}", call.principal());
    return SetWebhook(t, *webhook);
  });
}

Status Webhooks::Resume(Call& call, const std::string& name, std::optional<int64_t> after) {
  MORAINE_ASSIGN(int64_t newest, feed_.Newest(call));
  if (after && (*after < 0 || *after > newest)) {
    return InvalidArgument(
        fmt::format("after: expected 0 to {}, the newest event, got {}", newest, *after));
  }
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto webhook, FindWebhook(t, name));
    if (!webhook) return NoWebhook(name);
    webhook->state = WebhookState::kActive;
    webhook->reason.clear();
    webhook->failures = 0;
    webhook->next_try_ms = 0;
    if (after) webhook->delivered_seq = *after;
    return SetWebhook(t, *webhook);
  });
}

Result<WebhookTest> Webhooks::Test(Call& call, const std::string& name) {
  MORAINE_ASSIGN(auto webhook, Find(call, name));
  std::string id = fmt::format("test-{}", MakeUuid(call.random()));
  MonoTime begun = call.clock().Mono();
  std::string body =
      fmt::format("[{}]", TestNotice(options_.source, name, id, call.clock().Wall()));
  WebhookTest test;
  test.attempt = Send(call, webhook, id, body);
  test.took = std::chrono::duration_cast<Millis>(call.clock().Mono() - begun);
  return test;
}

Status Webhooks::Tick(Call& call, Executor& pool) {
  MORAINE_ASSIGN(auto webhooks, List(call));
  any_ = !webhooks.empty();
  metrics_.SetStates(webhooks);
  if (webhooks.empty()) return {};
  MORAINE_ASSIGN(int64_t newest, feed_.Newest(call));
  int64_t now_ms = ToMillis(call.clock().Wall());
  for (const auto& webhook : webhooks) {
    metrics_.SetWaiting(webhook.name, newest - PositionOf(webhook));
    if (!IsDue(webhook, newest, now_ms)) {
      MORAINE_TRY(SaveSkipped(call, webhook, kSkipTime));
      continue;
    }
    if (!Begin(webhook.id)) continue;
    Status begun = pool.Submit([this, env = call.env(), stop = call.stop(), webhook = webhook] {
      Call work(env, kRunLimit, stop);
      Status status;
      try {  // whoever is at work for ever is never given work again
        status = Deliver(work, webhook);
      } catch (const std::exception& error) {
        status = Internal(error.what());
      }
      if (!status.ok() && status.code() != Code::kCancelled) {
        env.log.Warn("a webhook's delivery failed, will be tried again",
                     {{"webhook", webhook.name}, {"error", status.ToString()}});
      }
      End(webhook.id);
      if (status.ok() && on_idle_) on_idle_();  // after a failure the next tick is soon enough
    });
    if (!begun.ok()) End(webhook.id);
  }
  return {};
}

bool Webhooks::IsDue(const Webhook& webhook, int64_t newest, int64_t now_ms) {
  // A lease seen here is only a hint: who takes it asks the store's clock.
  return webhook.state == WebhookState::kActive && webhook.next_try_ms <= now_ms &&
         webhook.lease_until_ms <= now_ms && PositionOf(webhook) < newest;
}

bool Webhooks::Begin(int64_t id) {
  std::lock_guard lock(mutex_);
  return at_work_.insert(id).second;
}

void Webhooks::End(int64_t id) {
  std::lock_guard lock(mutex_);
  at_work_.erase(id);
}

int64_t Webhooks::PositionOf(const Webhook& webhook) {
  std::lock_guard lock(mutex_);
  auto found = skipped_.find(webhook.id);
  bool fits = found != skipped_.end() && found->second.from == webhook.delivered_seq;
  return fits ? found->second.to : webhook.delivered_seq;
}

Status Webhooks::NoteSkipped(Call& call, const Webhook& webhook, int64_t to) {
  MonoTime now = call.clock().Mono();
  {
    std::lock_guard lock(mutex_);
    auto [found, is_new] = skipped_.try_emplace(webhook.id);
    Skipped& skipped = found->second;
    if (is_new) skipped.saved = now;
    skipped.from = webhook.delivered_seq;
    skipped.to = to;
    if (to - skipped.from < kSkipEvents && now - skipped.saved < kSkipTime) return {};
    skipped.saved = now;
  }
  return database_.Run(call, Access::kWrite,
                       [&](Transaction& t) { return SkipTo(t, webhook, to); });
}

Status Webhooks::SaveSkipped(Call& call, const Webhook& webhook, Millis age) {
  int64_t to = 0;
  {
    std::lock_guard lock(mutex_);
    auto found = skipped_.find(webhook.id);
    if (found == skipped_.end()) return {};
    Skipped& skipped = found->second;
    if (skipped.from != webhook.delivered_seq || skipped.to <= skipped.from) return {};
    MonoTime now = call.clock().Mono();
    if (now - skipped.saved < age) return {};
    skipped.saved = now;
    to = skipped.to;
  }
  return database_.Run(call, Access::kWrite,
                       [&](Transaction& t) { return SkipTo(t, webhook, to); });
}

Status Webhooks::Close(Call& call) {
  if (!any_) return {};
  MORAINE_ASSIGN(auto webhooks, List(call));
  for (const auto& webhook : webhooks) MORAINE_TRY(SaveSkipped(call, webhook, Millis(0)));
  return {};
}

Result<bool> Webhooks::LookAhead(Call& call, const Webhook& webhook) {
  int64_t from = PositionOf(webhook);
  int64_t last = from;
  while (last - from < kScanEvents) {
    MORAINE_ASSIGN(auto slice, feed_.Read(call, last, kReadEvents, Feed::Freshness::kStore));
    if (slice.gap) return true;
    for (const auto& event : slice.events) {
      if (webhook.filter.Matches(*event)) return true;
    }
    if (slice.events.empty()) break;
    last = slice.events.back()->sequence;
  }
  if (last > from) MORAINE_TRY(NoteSkipped(call, webhook, last));
  return false;
}

Status Webhooks::Deliver(Call& call, const Webhook& seen) {
  MORAINE_ASSIGN(bool some, LookAhead(call, seen));
  if (!some) return {};
  MORAINE_ASSIGN(auto webhook, RunFor(call, database_, Access::kWrite, [&](Transaction& t) {
                   return TakeLease(t, seen.id, options_.owner, LeaseMs());
                 }));
  if (!webhook) return Cancelled("another server delivers, or the webhook is paused");
  webhook->delivered_seq = PositionOf(*webhook);  // what was passed over may be trimmed by now
  return DeliverLeased(call, std::move(*webhook));
}

Status Webhooks::DeliverLeased(Call& call, Webhook webhook) {
  while (true) {
    auto batch = Collect(call, webhook);
    if (!batch.ok() || batch->body.empty()) {
      if (batch.ok()) webhook.delivered_seq = batch->last;
      MORAINE_TRY(Save(call, webhook, Lease::kRelease));
      return batch.status();
    }
    MonoTime begun = call.clock().Mono();
    Attempt attempt = Send(call, webhook, batch->id, batch->body);
    metrics_.Delivered(attempt, batch->events, call.clock().Mono() - begun);
    if (!attempt.delivered() && call.stop().stop_requested()) {
      // The server ends: that is no fault of the receiver's.
      return Save(call, webhook, Lease::kRelease).status();
    }
    auto before = webhook.state;
    NoteAttempt(attempt, options_, call.random(), ToMillis(call.clock().Wall()), &webhook);
    if (attempt.delivered()) {
      webhook.delivered_seq = batch->last;
      webhook.delivered_events += batch->events;
      webhook.lost_events += batch->lost;
    }
    // What can't be given its whole time is left to the next run.
    bool goes_on = attempt.delivered() && batch->more &&
                   call.remaining() > options_.delivery_timeout && call.Check().ok();
    MORAINE_ASSIGN(bool saved, Save(call, webhook, goes_on ? Lease::kKeep : Lease::kRelease));
    if (!saved) return {};  // deleted, paused or taken over meanwhile
    if (webhook.state != before) {
      call.log().Error("a webhook was paused",
                       {{"webhook", webhook.name}, {"reason", webhook.reason}});
    }
    if (!goes_on) return {};
  }
}

Result<Webhooks::Batch> Webhooks::Collect(Call& call, const Webhook& webhook) {
  Batch batch;
  batch.last = webhook.delivered_seq;
  batch.more = true;
  auto full = [&] {
    return batch.events >= static_cast<int64_t>(options_.batch_events) ||
           batch.body.size() >= options_.batch_bytes;
  };
  while (!full() && batch.last - webhook.delivered_seq < kScanEvents) {
    MORAINE_ASSIGN(auto slice, feed_.Read(call, batch.last, kReadEvents, Feed::Freshness::kStore));
    if (slice.gap) {
      Append(LostNotice(options_.source, slice.gap->first, slice.gap->last, call.clock().Wall()),
             &batch.body);
      batch.lost += slice.gap->last - slice.gap->first + 1;
      batch.last = slice.gap->last;
      call.log().Error(
          "events were removed before a webhook got them",
          {{"webhook", webhook.name}, {"first", slice.gap->first}, {"last", slice.gap->last}});
    }
    for (const auto& event : slice.events) {
      if (full()) break;
      batch.last = event->sequence;
      if (!webhook.filter.Matches(*event)) continue;
      Append(event->json, &batch.body);
      ++batch.events;
    }
    if (slice.events.empty()) {
      batch.more = false;
      break;
    }
  }
  if (batch.body.empty()) return batch;
  batch.body += "]";
  batch.id = fmt::format("{}-{}-{}", webhook.name, webhook.delivered_seq + 1, batch.last);
  return batch;
}

Attempt Webhooks::Send(Call& call, const Webhook& webhook, std::string_view id,
                       const std::string& body) {
  Attempt attempt;
  auto destination = DestinationOf(webhook.url, options_.allowed_hosts);
  if (!destination.ok()) {
    attempt.error = std::string(destination.status().message());
    return attempt;
  }
  int64_t now_s = ToMillis(call.clock().Wall()) / 1'000;
  net::Request& request = destination->request;
  request.headers.Add("Content-Type", "application/cloudevents-batch+json; charset=utf-8");
  request.headers.Add("webhook-id", std::string(id));
  request.headers.Add("webhook-timestamp", std::to_string(now_s));
  request.headers.Add("webhook-signature", Signature(webhook.secret, id, now_s, body));
  request.body = body;
  Call part(call, options_.delivery_timeout);
  auto response = http_.Send(part, destination->base_url, request);
  if (!response.ok()) {
    attempt.error = response.status().code() == Code::kDeadline
                        ? fmt::format("{} did not answer within {}", destination->host,
                                      FormatDuration(options_.delivery_timeout))
                        : std::string(response.status().message());
    return attempt;
  }
  attempt.status = response->status;
  attempt.retry_after = RetryAfterOf(*response);
  return attempt;
}

/// Even when the call is over: what was delivered shall not be sent again.
Result<bool> Webhooks::Save(Call& call, const Webhook& webhook, Lease lease) {
  Call save(call.env(), kSaveLimit);
  return RunFor(save, database_, Access::kWrite,
                [&](Transaction& t) { return SaveDelivery(t, webhook, lease, LeaseMs()); });
}

}  // namespace moraine::events
