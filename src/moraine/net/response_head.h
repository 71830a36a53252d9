#pragma once
// What stands before and around a response's body on the wire: the head's bytes, dates,
// compression. Pure; called by the server's connections.

#include <optional>
#include <string>
#include <string_view>

#include "moraine/base/clock.h"
#include "moraine/net/http.h"

namespace moraine::net {

/// "Sun, 22 Nov 2026 19:31:00 GMT" (RFC 9110 5.6.7).
std::string HttpDate(WallTime time);

/// Whether an Accept-Encoding field allows gzip.
bool AcceptsGzip(const Headers& request_headers);

/// Compresses the body in place if the client takes gzip and the response is JSON or text above the
/// threshold that isn't encoded already. A HEAD's body is left alone. Cost: about 10 ms a MB.
void CompressResponse(const Request& request, size_t threshold_bytes, Response* response);

/// Whether a response of this status may carry a body.
bool HasBody(int status);

/// How the end of the body is told.
enum class BodyEnd { kLength, kChunks, kClose };

enum class ConnectionUse { kKeep, kKeepOld, kClose };  ///< kKeepOld: to an HTTP/1.0 client

struct HeadFacts {
  ConnectionUse use = ConnectionUse::kKeep;
  std::string_view date;
  std::string_view trace_id;
  BodyEnd body_end = BodyEnd::kLength;
};

/// Status line and fields, with Content-Length or Transfer-Encoding, Date, Connection and
/// X-Request-ID of ours. Fields of the response by these names are dropped, and line breaks in
/// values become blanks.
std::string MakeResponseHead(const Response& response, const HeadFacts& facts);

}  // namespace moraine::net
