// Webhooks: made, looked at, paused, tested and deleted by people and scripts.

#include "moraine/api/impl_internal.h"

namespace moraine::api {
namespace {

using events::NewWebhook;
using events::Webhook;
using net::PathParams;
using net::Request;

constexpr char kWebhookPath[] = "/api/v1/webhooks/{webhook}";

Result<std::vector<std::string>> TextsFrom(const JsonCursor& json, std::string_view key) {
  std::vector<std::string> texts;
  MORAINE_ASSIGN(auto list, json.Find(key));
  if (!list) return texts;
  MORAINE_TRY(list->ExpectArray());
  for (size_t i = 0; i < list->size(); ++i) {
    MORAINE_ASSIGN(auto text, list->At(i).String());
    texts.push_back(std::move(text));
  }
  return texts;
}

/// "after": the number of an event, "earliest" or "latest".
Result<std::optional<int64_t>> AfterFrom(Call& call, events::Feed& feed, const JsonCursor& json) {
  MORAINE_ASSIGN(auto after, json.Find("after"));
  if (!after) return std::optional<int64_t>();
  if (after->json().is_number()) {
    MORAINE_ASSIGN(int64_t number, after->Int64());
    return std::optional<int64_t>(number);
  }
  if (after->json() == Json("latest")) {
    MORAINE_ASSIGN(int64_t newest, feed.Newest(call));
    return std::optional<int64_t>(newest);
  }
  if (after->json() == Json("earliest")) {
    MORAINE_ASSIGN(int64_t oldest, feed.BeforeOldest(call));
    return std::optional<int64_t>(oldest);
  }
  return after->Expected("the number of an event, \"earliest\" or \"latest\"");
}

Result<NewWebhook> NewWebhookFrom(Call& call, events::Feed& feed, const JsonCursor& json) {
  NewWebhook webhook;
  MORAINE_ASSIGN(webhook.name, json.String("name"));
  MORAINE_ASSIGN(webhook.url, json.String("url"));
  MORAINE_ASSIGN(auto types, TextsFrom(json, "types"));
  MORAINE_ASSIGN(webhook.filter.types, events::TypesFrom(types));
  MORAINE_ASSIGN(webhook.filter.ns, TextsFrom(json, "namespace"));
  MORAINE_ASSIGN(auto warehouse, json.OptString("warehouse"));
  webhook.filter.warehouse = warehouse.value_or(webhook.filter.ns.empty() ? "" : "default");
  MORAINE_ASSIGN(auto table, json.OptString("table"));
  webhook.filter.table = table.value_or("");
  MORAINE_ASSIGN(webhook.secret, json.OptString("secret"));
  MORAINE_ASSIGN(webhook.after, AfterFrom(call, feed, json));
  return webhook;
}

std::string_view StateOf(const Webhook& webhook) {
  if (webhook.state == events::WebhookState::kPaused) return "paused";
  return webhook.failures > 0 ? "failing" : "active";
}

/// The caller closes the object.
void WriteWebhook(const Webhook& webhook, int64_t newest, JsonWriter* out) {
  out->BeginObject().Field("name", webhook.name).Field("url", webhook.url);
  out->Key("types").BeginArray();
  for (const auto& type : webhook.filter.types) out->String(type);
  out->EndArray();
  if (!webhook.filter.warehouse.empty()) out->Field("warehouse", webhook.filter.warehouse);
  if (!webhook.filter.ns.empty()) {
    out->Key("namespace").BeginArray();
    for (const auto& level : webhook.filter.ns) out->String(level);
    out->EndArray();
  }
  if (!webhook.filter.table.empty()) out->Field("table", webhook.filter.table);
  out->Field("state", StateOf(webhook))
      .Field("reason", webhook.reason)
      .Field("after", webhook.delivered_seq)
      .Field("waiting", std::max<int64_t>(0, newest - webhook.delivered_seq))
      .Field("failures", webhook.failures)
      .Field("next-try-ms", webhook.next_try_ms)
      .Field("last-status", webhook.last_status)
      .Field("last-delivery-ms", webhook.last_delivery_ms)
      .Field("delivered-events", webhook.delivered_events)
      .Field("lost-events", webhook.lost_events)
      .Field("created-ms", webhook.created_ms)
      .Field("created-by", webhook.created_by);
}

Result<std::string> CreatedText(Call& call, events::Service& service, const Request& request) {
  MORAINE_ASSIGN(auto body, BodyOf(request));
  MORAINE_ASSIGN(auto wanted, NewWebhookFrom(call, service.feed(), JsonCursor(body)));
  MORAINE_ASSIGN(auto webhook, service.webhooks().Create(call, wanted));
  MORAINE_ASSIGN(int64_t newest, service.feed().Newest(call));
  service.Announce();
  std::string text;
  JsonWriter out(&text);
  WriteWebhook(webhook, newest, &out);
  out.Field("secret", webhook.secret).EndObject();
  return text;
}

Result<std::string> TestText(Call& call, events::Service& service, const std::string& name) {
  MORAINE_ASSIGN(auto test, service.webhooks().Test(call, name));
  std::string text;
  JsonWriter(&text)
      .BeginObject()
      .Field("delivered", test.attempt.delivered())
      .Field("status", test.attempt.status)
      .Field("problem", test.attempt.delivered() ? "" : events::ToText(test.attempt))
      .Field("took-ms", static_cast<int64_t>(test.took.count()))
      .EndObject();
  return text;
}

}  // namespace

void Service::Impl::AddWebhooks(net::Router& router) {
  using net::Method;
  events::Service& service = *events;
  router.Add(Method::kGet, "/api/v1/webhooks",
             [&service](Call& call, const Request&, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto webhooks, service.webhooks().List(call));
                 MORAINE_ASSIGN(int64_t newest, service.feed().Newest(call));
                 std::string text;
                 JsonWriter out(&text);
                 out.BeginObject().Key("webhooks").BeginArray();
                 for (const auto& webhook : webhooks) {
                   WriteWebhook(webhook, newest, &out);
                   out.EndObject();
                 }
                 out.EndArray().EndObject();
                 return text;
               });
             });
  router.Add(Method::kPost, "/api/v1/webhooks",
             [&service](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&] { return CreatedText(call, service, request); });
             });
  router.Add(Method::kGet, kWebhookPath,
             [&service](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto webhook, service.webhooks().Find(call, params.Get("webhook")));
                 MORAINE_ASSIGN(int64_t newest, service.feed().Newest(call));
                 std::string text;
                 JsonWriter out(&text);
                 WriteWebhook(webhook, newest, &out);
                 out.EndObject();
                 return text;
               });
             });
  router.Add(
      Method::kDelete, kWebhookPath,
      [&service](Call& call, const Request&, const PathParams& params) {
        return AnswerEmpty([&] { return service.webhooks().Delete(call, params.Get("webhook")); });
      });
  router.Add(
      Method::kPost, std::string(kWebhookPath) + "/pause",
      [&service](Call& call, const Request&, const PathParams& params) {
        return AnswerEmpty([&] { return service.webhooks().Pause(call, params.Get("webhook")); });
      });
  router.Add(Method::kPost, std::string(kWebhookPath) + "/resume",
             [&service](Call& call, const Request& request, const PathParams& params) {
               return AnswerEmpty([&]() -> Status {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 MORAINE_ASSIGN(auto after, AfterFrom(call, service.feed(), JsonCursor(body)));
                 MORAINE_TRY(service.webhooks().Resume(call, params.Get("webhook"), after));
                 service.Announce();
                 return {};
               });
             });
  router.Add(Method::kPost, std::string(kWebhookPath) + "/test",
             [&service](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&] { return TestText(call, service, params.Get("webhook")); });
             });
}

}  // namespace moraine::api
