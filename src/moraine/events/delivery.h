#pragma once
// What is decided about a delivery: where events may go, how they are signed, and what follows from
// an answer. Pure; webhooks.cc does it. Signatures are those of the Standard Webhooks specification
// (https://www.standardwebhooks.com), for which receivers find libraries.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/random.h"
#include "moraine/base/status.h"
#include "moraine/events/options.h"
#include "moraine/events/webhook_rows.h"
#include "moraine/net/http.h"

namespace moraine::events {

/// Where a webhook's requests go.
struct Destination {
  std::string base_url;  ///< scheme, host and port
  std::string host;      ///< for people
  net::Request request;  ///< a POST with path and query
};
/// Errors: InvalidArgument for what is no http or https URL; PermissionDenied, naming the setting,
/// for a host that is not on the list.
Result<Destination> DestinationOf(const std::string& url,
                                  const std::vector<std::string>& allowed_hosts);

/// "whsec_" and 32 random bytes.
std::string MakeSecret(Random& random);
/// Errors: InvalidArgument for what is no secret of at least 16 bytes.
Status CheckSecret(const std::string& secret);
/// "v1,..." over id, time and body.
std::string Signature(const std::string& secret, std::string_view id, int64_t timestamp_s,
                      std::string_view body);

/// What became of one request.
struct Attempt {
  int status = 0;     ///< 0: no answer
  std::string error;  ///< why there was none
  std::optional<Millis> retry_after;
  bool delivered() const { return status >= 200 && status < 300; }
};
/// A failed one, for people: "the receiver answered 500".
std::string ToText(const Attempt& attempt);

/// Doubles from the first to the last, less up to a third so that many don't come at once.
Millis BackoffAfter(int64_t failures, const Options& options, Random& random);
/// The webhook after an attempt: its state, reason, failures and next try; the number of events is
/// the caller's.
void NoteAttempt(const Attempt& attempt, const Options& options, Random& random, int64_t now_ms,
                 Webhook* webhook);

}  // namespace moraine::events
