#include "moraine/events/delivery.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/digest.h"
#include "moraine/net/uri.h"

namespace moraine::events {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr size_t kSecretBytes = 32;
constexpr size_t kLeastSecretBytes = 16;
constexpr size_t kMostSecretBytes = 1'000;
constexpr size_t kMostUrlBytes = 2'000;
constexpr int kGone = 410;

/// "*.example.com" fits what lies below, not the name itself.
bool HostFits(std::string_view entry, const net::Url& url) {
  std::string pattern = ToLowerAscii(Trim(entry));
  if (pattern.starts_with("*.")) {
    std::string_view end = std::string_view(pattern).substr(1);
    return url.host.size() > end.size() && url.host.ends_with(end);
  }
  if (pattern == url.host) return true;  // an IPv6 address without brackets, too
  auto parsed = net::ParseHostPort(pattern);
  if (!parsed.ok()) return false;
  return parsed->host == url.host && (parsed->port == 0 || parsed->port == url.port);
}

Result<std::string> KeyOf(const std::string& secret) {
  std::string_view text = secret;
  if (text.starts_with(kSecretPrefix)) text.remove_prefix(kSecretPrefix.size());
  auto key = Base64Decode(text);
  if (!key.ok() || key->size() < kLeastSecretBytes || key->size() > kMostSecretBytes) {
    return InvalidArgument(fmt::format("secret: expected {} and at least {} bytes in base64",
                                       kSecretPrefix, kLeastSecretBytes));
  }
  return key;
}

}  // namespace

Result<Destination> DestinationOf(const std::string& url,
                                  const std::vector<std::string>& allowed_hosts) {
  if (url.size() > kMostUrlBytes)
    return InvalidArgument(fmt::format("url: longer than {} bytes", kMostUrlBytes));
  size_t question = url.find('?');
  auto parsed = net::ParseUrl(std::string_view(url).substr(0, question));
  if (!parsed.ok()) return std::move(parsed).status().Annotate("url");
  Destination destination;
  destination.host = parsed->host;
  bool v6 = parsed->host.find(':') != std::string::npos;
  destination.base_url = fmt::format("{}://{}{}{}:{}", parsed->scheme, v6 ? "[" : "", parsed->host,
                                     v6 ? "]" : "", parsed->port);
  destination.request.method = net::Method::kPost;
  destination.request.path = parsed->path.empty() ? "/" : parsed->path;
  if (question != std::string::npos) {
    auto query = net::ParseQuery(std::string_view(url).substr(question + 1));
    if (!query.ok()) return std::move(query).status().Annotate("url");
    destination.request.query = std::move(*query);
  }
  bool allowed = std::any_of(allowed_hosts.begin(), allowed_hosts.end(),
                             [&](const auto& entry) { return HostFits(entry, *parsed); });
  if (allowed) return destination;
  return PermissionDenied(fmt::format(
      "url: events may not be sent to {}: it is not in events.webhook-hosts of the server's "
      "configuration ({})",
      parsed->host, fmt::join(allowed_hosts, ", ")));
}

std::string MakeSecret(Random& random) {
  std::string bytes;
  while (bytes.size() < kSecretBytes) {
    uint64_t part = random.Next();
    for (size_t i = 0; i < sizeof(part); ++i) {
      bytes.push_back(static_cast<char>(part & 0xff));
      part >>= 8;
    }
  }
  return fmt::format("{}{}", kSecretPrefix, Base64Encode(bytes));
}

Status CheckSecret(const std::string& secret) { return KeyOf(secret).status(); }

std::string Signature(const std::string& secret, std::string_view id, int64_t timestamp_s,
                      std::string_view body) {
  auto key = KeyOf(secret);
  if (!key.ok()) return "";
  return fmt::format(
      "v1,{}", Base64Encode(net::HmacSha256(*key, fmt::format("{}.{}.{}", id, timestamp_s, body))));
}

std::string ToText(const Attempt& attempt) {
  if (attempt.status == 0) return attempt.error;
  return fmt::format("the receiver answered {}{}{}", attempt.status,
                     net::StatusReason(attempt.status).empty() ? "" : " ",
                     net::StatusReason(attempt.status));
}

Millis BackoffAfter(int64_t failures, const Options& options, Random& random) {
  auto wait = options.retry_first;
  for (int64_t i = 1; i < failures && wait < options.retry_last; ++i) wait *= 2;
  wait = std::min(wait, options.retry_last);
  auto less = static_cast<uint64_t>(wait.count() / 3) + 1;
  return wait - Millis(static_cast<int64_t>(random.Below(less)));
}

void NoteAttempt(const Attempt& attempt, const Options& options, Random& random, int64_t now_ms,
                 Webhook* webhook) {
  webhook->last_status = attempt.status;
  if (attempt.delivered()) {
    webhook->last_delivery_ms = now_ms;
    webhook->failures = 0;
    webhook->next_try_ms = 0;
    webhook->reason.clear();
    return;
  }
  ++webhook->failures;
  Millis wait = BackoffAfter(webhook->failures, options, random);
  if (attempt.retry_after) wait = std::clamp(*attempt.retry_after, wait, options.retry_last);
  webhook->next_try_ms = now_ms + wait.count();
  webhook->reason = ToText(attempt);
  if (attempt.status == kGone) {
    webhook->state = WebhookState::kPaused;
    webhook->reason += ": it wants no more events";
  } else if (webhook->failures >= options.max_failures) {
    webhook->state = WebhookState::kPaused;
    webhook->reason = fmt::format("{} deliveries in a row failed; the last one: {}",
                                  webhook->failures, webhook->reason);
  }
}

}  // namespace moraine::events
