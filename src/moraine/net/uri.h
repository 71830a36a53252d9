#pragma once
// Request targets and URLs as text: what stands on a request line, in a query, in a base URL.
//
// Iceberg clients encode path parts like form fields (Java sends a space as '+', PyIceberg as %20),
// so '+' is a space in paths and queries alike; a literal plus always arrives as %2B. Levels of a
// namespace are split before decoding, so paths stay encoded until a part is asked for. All
// decoding refuses broken escapes, NUL and bytes that are not UTF-8.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::net {

using QueryParams = std::vector<std::pair<std::string, std::string>>;

struct Target {
  std::string authority;  ///< "host:port" of the absolute form (http://host/path), else empty
  std::string path;       ///< still encoded; starts with '/', or is "*"
  QueryParams query;      ///< decoded, in order

  bool operator==(const Target&) const = default;
};

/// Reads the target of a request line. Every escape of path and query is checked.
/// Errors: InvalidArgument.
Result<Target> ParseTarget(std::string_view target);

/// Decodes one part of a path, or one name or value of a query or form: '+' is a space.
/// Errors: InvalidArgument.
Result<std::string> DecodePart(std::string_view raw);

/// Reads "a=1&b=%20", a query or an application/x-www-form-urlencoded body. A name without '=' has
/// the value "". Errors: InvalidArgument.
Result<QueryParams> ParseQuery(std::string_view text);

/// Percent-encodes text for one part of a path: "a b/c" becomes "a%20b%2Fc".
std::string EncodePart(std::string_view text);
/// The inverse of ParseQuery, without the '?'.
std::string EncodeQuery(const QueryParams& query);

struct Url {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< without brackets
  uint16_t port = 0;   ///< the scheme's own when none is given
  std::string path;    ///< "" or "/...", without a trailing slash

  bool operator==(const Url&) const = default;
};

/// Reads a base URL: http or https, no user, query or fragment. Errors: InvalidArgument.
Result<Url> ParseUrl(std::string_view text);

/// "host", "host:port", "[v6]", "[v6]:port". Port 0 when there is none.
struct HostPort {
  std::string host;  ///< lower case, without brackets
  uint16_t port = 0;

  bool operator==(const HostPort&) const = default;
};
Result<HostPort> ParseHostPort(std::string_view text);

/// Whether a host is this machine seen from itself: 127.0.0.0/8, ::1, their mapped form,
/// "localhost". Anything else, a wildcard address too, is not: a server on it has to have a token.
bool IsLoopback(std::string_view host);

}  // namespace moraine::net
