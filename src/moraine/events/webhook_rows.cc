#include "moraine/events/webhook_rows.h"

#include <utility>

#include <fmt/format.h>

namespace moraine::events {
namespace {

using store::Row;
using store::Transaction;

constexpr std::string_view kColumns =
    "id, name, url, secret, filter, state, reason, delivered_seq, failures, next_try_ms, "
    "last_status, last_delivery_ms, delivered_events, lost_events, lease_epoch, lease_until_ms, "
    "created_ms, created_by";

Result<Webhook> FromRow(const Row& row) {
  Webhook webhook;
  MORAINE_ASSIGN(webhook.id, row.Int(0));
  MORAINE_ASSIGN(webhook.name, row.Text(1));
  MORAINE_ASSIGN(webhook.url, row.Text(2));
  MORAINE_ASSIGN(webhook.secret, row.Text(3));
  MORAINE_ASSIGN(auto filter, row.Text(4));
  MORAINE_ASSIGN(webhook.filter, FilterFromText(filter));
  MORAINE_ASSIGN(auto state, row.Text(5));
  webhook.state = state == "active" ? WebhookState::kActive : WebhookState::kPaused;
  MORAINE_ASSIGN(webhook.reason, row.Text(6));
  MORAINE_ASSIGN(webhook.delivered_seq, row.Int(7));
  MORAINE_ASSIGN(webhook.failures, row.Int(8));
  MORAINE_ASSIGN(webhook.next_try_ms, row.Int(9));
  MORAINE_ASSIGN(webhook.last_status, row.Int(10));
  MORAINE_ASSIGN(webhook.last_delivery_ms, row.Int(11));
  MORAINE_ASSIGN(webhook.delivered_events, row.Int(12));
  MORAINE_ASSIGN(webhook.lost_events, row.Int(13));
  MORAINE_ASSIGN(webhook.lease_epoch, row.Int(14));
  MORAINE_ASSIGN(webhook.lease_until_ms, row.Int(15));
  MORAINE_ASSIGN(webhook.created_ms, row.Int(16));
  MORAINE_ASSIGN(webhook.created_by, row.Text(17));
  return webhook;
}

Result<std::optional<Webhook>> OneOf(Result<std::vector<Row>> rows) {
  MORAINE_TRY(rows);
  if (rows->empty()) return std::optional<Webhook>();
  MORAINE_ASSIGN(auto webhook, FromRow(rows->front()));
  return std::optional<Webhook>(std::move(webhook));
}

}  // namespace

std::string_view WebhookStateName(WebhookState state) {
  return state == WebhookState::kActive ? "active" : "paused";
}

Status InsertWebhook(Transaction& t, const Webhook& webhook) {
  MORAINE_ASSIGN(auto existing, FindWebhook(t, webhook.name));
  if (existing) return AlreadyExists(fmt::format("webhook already exists: {}", webhook.name));
  return t
      .Execute(
          "INSERT INTO webhook (name, url, secret, filter, state, reason, delivered_seq, failures, "
          "next_try_ms, last_status, last_delivery_ms, delivered_events, lost_events, lease_owner, "
          "lease_until_ms, lease_epoch, created_ms, created_by) "
          "VALUES (?, ?, ?, ?, 'active', '', ?, 0, 0, 0, 0, 0, 0, '', 0, 0, ?, ?)",
          {webhook.name, webhook.url, webhook.secret, ToText(webhook.filter), webhook.delivered_seq,
           webhook.created_ms, webhook.created_by})
      .status();
}

Result<std::optional<Webhook>> FindWebhook(Transaction& t, const std::string& name) {
  return OneOf(t.Query(fmt::format("SELECT {} FROM webhook WHERE name = ?", kColumns), {name}));
}

Result<std::vector<Webhook>> AllWebhooks(Transaction& t) {
  MORAINE_ASSIGN(auto rows,
                 t.Query(fmt::format("SELECT {} FROM webhook ORDER BY name", kColumns), {}));
  std::vector<Webhook> webhooks;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto webhook, FromRow(row));
    webhooks.push_back(std::move(webhook));
  }
  return webhooks;
}

Result<bool> DeleteWebhook(Transaction& t, const std::string& name) {
  MORAINE_ASSIGN(int64_t deleted, t.Execute("DELETE FROM webhook WHERE name = ?", {name}));
  return deleted > 0;
}

Result<std::optional<Webhook>> TakeLease(Transaction& t, int64_t id, const std::string& owner,
                                         int64_t lease_ms) {
  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
  MORAINE_ASSIGN(int64_t taken,
                 t.Execute("UPDATE webhook SET lease_owner = ?, lease_until_ms = ?, "
                           "lease_epoch = lease_epoch + 1 WHERE id = ? AND state = 'active' AND "
                           "lease_until_ms <= ?",
                           {owner, now_ms + lease_ms, id, now_ms}));
  if (taken == 0) return std::optional<Webhook>();
  return OneOf(t.Query(fmt::format("SELECT {} FROM webhook WHERE id = ?", kColumns), {id}));
}

Result<bool> SaveDelivery(Transaction& t, const Webhook& webhook, Lease lease, int64_t lease_ms) {
  int64_t until_ms = 0;
  if (lease == Lease::kKeep) {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    until_ms = now_ms + lease_ms;
  }
  MORAINE_ASSIGN(
      int64_t saved,
      t.Execute("UPDATE webhook SET state = ?, reason = ?, delivered_seq = ?, failures = ?, "
                "next_try_ms = ?, last_status = ?, last_delivery_ms = ?, delivered_events = ?, "
                "lost_events = ?, lease_until_ms = ? WHERE id = ? AND lease_epoch = ?",
                {std::string(WebhookStateName(webhook.state)), webhook.reason,
                 webhook.delivered_seq, webhook.failures, webhook.next_try_ms, webhook.last_status,
                 webhook.last_delivery_ms, webhook.delivered_events, webhook.lost_events, until_ms,
                 webhook.id, webhook.lease_epoch}));
  return saved > 0;
}

Status SkipTo(Transaction& t, const Webhook& webhook, int64_t delivered_seq) {
  return t
      .Execute(
          "UPDATE webhook SET delivered_seq = ? WHERE id = ? AND delivered_seq = ? AND "
          "lease_epoch = ?",
          {delivered_seq, webhook.id, webhook.delivered_seq, webhook.lease_epoch})
      .status();
}

Status SetWebhook(Transaction& t, const Webhook& webhook) {
  return t
      .Execute(
          "UPDATE webhook SET state = ?, reason = ?, delivered_seq = ?, failures = ?, "
          "next_try_ms = ?, lease_until_ms = 0, lease_epoch = lease_epoch + 1 WHERE id = ?",
          {std::string(WebhookStateName(webhook.state)), webhook.reason, webhook.delivered_seq,
           webhook.failures, webhook.next_try_ms, webhook.id})
      .status();
}

}  // namespace moraine::events
