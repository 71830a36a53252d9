#pragma once
// The id that ties the log lines of one request together, over process borders.

#include <string>

#include "moraine/base/random.h"
#include "moraine/net/http.h"

namespace moraine::net {

/// X-Request-ID if it is 1 to 128 letters, digits or "-_.:/+=", else the trace id of a well-formed
/// traceparent (W3C Trace Context), else a new one of 32 hexadecimal digits.
std::string TraceIdOf(const Headers& headers, Random& random);

}  // namespace moraine::net
