#pragma once
// Whether a request to an Iceberg REST catalog may be sent again, and when: the rules that Java's
// client and the spec set (429 for any method; 503 with Retry-After for any method; 408, 500, 502,
// 503, 504 where a repetition does no harm). Pure; rest_session.h sends by it.

#include <chrono>
#include <optional>
#include <string_view>

#include "moraine/base/clock.h"
#include "moraine/base/random.h"
#include "moraine/base/status.h"

namespace moraine::catalog {

/// What a repetition of a request does.
enum class RestEffect {
  kRepeatable,  ///< nothing that the first did not: GET, HEAD, DELETE, PUT, a token request
  kKeyed,       ///< a change with an Idempotency-Key that the server keeps
  kChange,      ///< a second change
};

enum class RestNext { kDone, kAgain, kRenewToken, kGiveUp };

/// What to do about an answer. has_retry_after: the answer names a time.
RestNext DecideNext(RestEffect effect, int status, bool has_retry_after);
/// What to do about a request that has no answer, while there is time; code: of
/// HttpTransport::Send.
RestNext DecideNext(RestEffect effect, Code code);

/// Whether a change that was answered so may yet have been carried out.
bool MayHaveLanded(int status);
/// The same of a request that has no answer.
bool MayHaveLanded(Code code);

/// The pause before try number again (from 1): 1 s, 2 s, 4 s, ... to 64 s, and up to a tenth more.
Millis RestPause(int again, Random& random);
/// "120", or an HTTP date. Nothing for text that is neither; at least 0, at most an hour.
std::optional<Millis> ParseRetryAfter(std::string_view value, WallTime now);

}  // namespace moraine::catalog
