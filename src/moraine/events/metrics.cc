#include "moraine/events/metrics_internal.h"

namespace moraine::events {

EventMetrics::EventMetrics(Metrics* metrics) {
  if (metrics == nullptr) return;
  families_ = std::make_unique<Families>(Families{
      metrics->Gauges({"moraine_events_webhooks",
                       "Webhooks by state: active, failing (its last delivery failed), paused.",
                       {"state"}}),
      metrics->Gauges({"moraine_events_webhook_waiting_events",
                       "Events that a webhook has not come to yet.",
                       {"webhook"}}),
      metrics->Counters({"moraine_events_deliveries_total",
                         "Requests to webhooks: delivered, refused (another status than 2xx), "
                         "failed (no answer).",
                         {"result"}}),
      metrics->Counters({"moraine_events_delivered_events_total", "Events delivered to webhooks."})
          .With(),
      metrics
          ->Histograms(
              {"moraine_events_delivery_duration_seconds", "Time of requests to webhooks."},
              LatencyBounds())
          .With()});
}

void EventMetrics::SetStates(const std::vector<Webhook>& webhooks) {
  if (!families_) return;
  double active = 0;
  double failing = 0;
  double paused = 0;
  for (const auto& webhook : webhooks) {
    bool is_paused = webhook.state == WebhookState::kPaused;
    (is_paused ? paused : webhook.failures > 0 ? failing : active) += 1;
  }
  families_->webhooks.With({"active"}).Set(active);
  families_->webhooks.With({"failing"}).Set(failing);
  families_->webhooks.With({"paused"}).Set(paused);
}

void EventMetrics::SetWaiting(const std::string& webhook, int64_t events) {
  if (families_) families_->waiting.With({webhook}).Set(static_cast<double>(events));
}

void EventMetrics::Delivered(const Attempt& attempt, int64_t events,
                             std::chrono::nanoseconds took) {
  if (!families_) return;
  std::string_view result = attempt.delivered()   ? "delivered"
                            : attempt.status != 0 ? "refused"
                                                  : "failed";
  families_->deliveries.With({result}).Add();
  if (attempt.delivered()) families_->events.Add(static_cast<double>(events));
  families_->seconds.Observe(std::chrono::duration<double>(took).count());
}

}  // namespace moraine::events
