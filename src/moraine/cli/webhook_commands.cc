// moraine webhook ...: where events of the catalog are sent to.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

std::string PathOf(const std::string& name) { return "/api/v1/webhooks/" + net::EncodePart(name); }

Colour ColourOf(std::string_view state) {
  if (state == "active") return Colour::kGreen;
  return state == "failing" ? Colour::kYellow : Colour::kRed;
}

std::string TextsOf(const Json& json, std::string_view key) {
  std::vector<std::string> texts;
  for (const auto& item : ListOf(json, key)) {
    if (item.is_string()) texts.push_back(item.as_string());
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// "all", or what its filter lets through.
std::string WantedOf(const Json& webhook) {
  std::string wanted = TextsOf(webhook, "types");
  if (wanted.empty()) wanted = "all";
  TableRef table = TableOf(webhook);
  table.name = TextOf(webhook, "table");
  if (!table.name.empty()) {
    wanted += " of " + ShowTable(table);
  } else if (!table.levels.empty()) {
    wanted += " in " + ShowLevels(table.levels);
  }
  if (std::string warehouse = TextOf(webhook, "warehouse"); !warehouse.empty())
    wanted += " in warehouse " + warehouse;
  return wanted;
}

/// "after" as the server takes it.
Result<Json> AfterOf(const std::string& text) {
  if (text == "earliest" || text == "latest") return Json(text);
  auto number = ParseInt64(text);
  if (!number.ok() || *number < 0) {
    return InvalidArgument(
        fmt::format("--after: expected the number of an event, earliest or latest, got {}", text));
  }
  return Json(*number);
}

Json TextList(const std::vector<std::string>& texts) {
  Json list = Json::MakeArray();
  for (const auto& text : texts) list.Push(text);
  return list;
}

Result<Json> BodyOf(const WebhookOptions& options) {
  Json body = Json::MakeObject();
  body.Set("name", options.name);
  body.Set("url", options.url);
  if (!options.types.empty()) body.Set("types", TextList(options.types));
  if (!options.warehouse.empty()) body.Set("warehouse", options.warehouse);
  if (!options.ns.empty()) {
    MORAINE_ASSIGN(auto levels, ParseLevels(options.ns));
    body.Set("namespace", TextList(levels));
  }
  if (!options.table.empty()) {
    MORAINE_ASSIGN(auto table, ParseTableRef(options.table));
    body.Set("namespace", TextList(table.levels));
    body.Set("table", table.name);
  }
  if (!options.secret_file.empty()) {
    auto secret = ReadTokenFile(options.secret_file);
    if (!secret.ok()) return InvalidArgument("--secret-file: can't read " + options.secret_file);
    body.Set("secret", *secret);
  }
  if (!options.after.empty()) {
    MORAINE_ASSIGN(auto after, AfterOf(options.after));
    body.Set("after", std::move(after));
  }
  return body;
}

}  // namespace

Status CreateWebhook(Session& session, const WebhookOptions& options) {
  MORAINE_ASSIGN(auto body, BodyOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Post("/api/v1/webhooks", body.ToString()));
  if (session.PrintedJson(answer)) return {};
  FactList facts;
  facts.Add("webhook", {TextOf(answer.json, "name"), Colour::kBold});
  facts.Add("url", TextOf(answer.json, "url"));
  facts.Add("events", WantedOf(answer.json));
  facts.Add("begins behind event", std::to_string(IntOf(answer.json, "after")));
  if (options.secret_file.empty()) facts.Add("secret", TextOf(answer.json, "secret"));
  session.console.out(facts.Text(session.console));
  if (options.secret_file.empty())
    session.console.out(
        "Keep the secret: it is not shown again. The receiver checks signatures with it.\n");
  return {};
}

Status ListWebhooks(Session& session) {
  MORAINE_ASSIGN(auto answer, session.client.Get("/api/v1/webhooks"));
  if (session.PrintedJson(answer)) return {};
  int64_t now_ms = session.client.now_ms();
  TextTable table({{"WEBHOOK"},
                   {"STATE"},
                   {"WAITING", TextTable::Align::kRight},
                   {"DELIVERED", TextTable::Align::kRight},
                   {"LAST", TextTable::Align::kRight},
                   {"URL", TextTable::Align::kLeft, TextTable::Cut::kYes},
                   {"EVENTS"},
                   {"REASON"}});
  for (const auto& webhook : ListOf(answer.json, "webhooks")) {
    std::string state = TextOf(webhook, "state");
    table.Add({TextOf(webhook, "name"),
               {state, ColourOf(state)},
               FormatCount(IntOf(webhook, "waiting")),
               FormatCount(IntOf(webhook, "delivered-events")),
               FormatAge(IntOf(webhook, "last-delivery-ms"), now_ms),
               TextOf(webhook, "url"),
               WantedOf(webhook),
               TextOf(webhook, "reason")});
  }
  session.console.out(table.empty() ? "No webhooks: make one with moraine webhook create NAME URL\n"
                                    : table.Text(session.console));
  return {};
}

Status ShowWebhook(Session& session, const WebhookOptions& options) {
  MORAINE_ASSIGN(auto answer, session.client.Get(PathOf(options.name)));
  if (session.PrintedJson(answer)) return {};
  const Json& webhook = answer.json;
  int64_t now_ms = session.client.now_ms();
  std::string state = TextOf(webhook, "state");
  FactList facts;
  facts.Add("webhook", {TextOf(webhook, "name"), Colour::kBold});
  facts.Add("url", TextOf(webhook, "url"));
  facts.Add("events", WantedOf(webhook));
  facts.Add("state", {state, ColourOf(state)});
  if (std::string reason = TextOf(webhook, "reason"); !reason.empty())
    facts.Add("reason", {reason, ColourOf(state)});
  facts.Add("delivered",
            fmt::format("{} events, up to number {}",
                        FormatCount(IntOf(webhook, "delivered-events")), IntOf(webhook, "after")));
  facts.Add("waiting", FormatCount(IntOf(webhook, "waiting")));
  if (int64_t lost = IntOf(webhook, "lost-events"); lost > 0) {
    facts.Add("lost", {fmt::format("{} events were removed before they could be delivered",
                                   FormatCount(lost)),
                       Colour::kRed});
  }
  facts.Add("last delivery", FormatAgo(IntOf(webhook, "last-delivery-ms"), now_ms));
  if (int64_t failures = IntOf(webhook, "failures"); failures > 0) {
    facts.Add("failures in a row", FormatCount(failures));
    int64_t left_ms = IntOf(webhook, "next-try-ms") - now_ms;
    if (state == "failing")
      facts.Add("next try", left_ms <= 0 ? "now" : "in " + FormatDuration(Millis(left_ms)));
  }
  facts.Add("created", FormatAgo(IntOf(webhook, "created-ms"), now_ms));
  session.console.out(facts.Text(session.console));
  return {};
}

Status PauseWebhook(Session& session, const WebhookOptions& options) {
  MORAINE_TRY(session.client.Post(PathOf(options.name) + "/pause", "{}"));
  if (!session.json) session.console.out(fmt::format("Paused {}.\n", options.name));
  return {};
}

Status ResumeWebhook(Session& session, const WebhookOptions& options) {
  Json body = Json::MakeObject();
  if (!options.after.empty()) {
    MORAINE_ASSIGN(auto after, AfterOf(options.after));
    body.Set("after", std::move(after));
  }
  MORAINE_TRY(session.client.Post(PathOf(options.name) + "/resume", body.ToString()));
  if (!session.json) session.console.out(fmt::format("Resumed {}.\n", options.name));
  return {};
}

Status TestWebhook(Session& session, const WebhookOptions& options) {
  MORAINE_ASSIGN(auto answer, session.client.Post(PathOf(options.name) + "/test", "{}"));
  bool delivered = BoolOf(answer.json, "delivered");
  if (!session.PrintedJson(answer) && delivered) {
    session.console.out(fmt::format("Delivered: {} answered {} in {}.\n", options.name,
                                    IntOf(answer.json, "status"),
                                    FormatDuration(Millis(IntOf(answer.json, "took-ms")))));
  }
  if (delivered) return {};
  return Unavailable(
      fmt::format("the test event was not delivered: {}", TextOf(answer.json, "problem")));
}

Status DeleteWebhook(Session& session, const WebhookOptions& options) {
  MORAINE_TRY(session.client.Delete(PathOf(options.name)));
  if (!session.json) session.console.out(fmt::format("Deleted {}.\n", options.name));
  return {};
}

}  // namespace moraine::cli
