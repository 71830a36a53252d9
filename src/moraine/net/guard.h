#pragma once
// What a request must pass before anything is read or run for it: a pure decision over its header.
//
// Order: Host (421), cross-site Origin or Sec-Fetch-Site (403), bearer token (401), media type of a
// mutating request (415). The first three keep web pages in a browser on this machine from reaching
// a server that trusts loopback (DNS rebinding, cross-site requests); see docs/design on HTTP.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/net/http.h"

namespace moraine::net {

struct GuardOptions {
  /// Names by which clients may call this server, besides localhost, loopback addresses and the
  /// address that the connection came in on. Lower case, without a port.
  std::vector<std::string> host_names;
  /// Origins ("https://console.example.com") of pages served elsewhere that may call this server.
  std::vector<std::string> allowed_origins;
  /// Empty: no login. Otherwise every path but the open ones needs "Authorization: Bearer <token>".
  std::string bearer_token;
  std::vector<std::string> open_paths = {"/health", "/health/ready"};
};

/// What a guard sees of the connection and of the message besides the Request.
struct GuardFacts {
  std::string_view authority;      ///< of an absolute request target, else ""
  std::string_view local_address;  ///< the address the connection came in on, "127.0.0.1"
  bool is_http_10 = false;
  bool has_body = false;
};

/// Returns why the request is refused, or nothing. Only request.body is not looked at.
std::optional<Refusal> CheckGuards(const GuardOptions& options, const GuardFacts& facts,
                                   const Request& request);

/// Compares without telling by its time where the two differ.
bool EqualInConstantTime(std::string_view a, std::string_view b);

}  // namespace moraine::net
