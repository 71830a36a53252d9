#include "moraine/net/guard.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::net {
namespace {

using Outcome = std::optional<Refusal>;

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool IsOwnHost(const GuardOptions& options, const GuardFacts& facts, const std::string& host) {
  return IsLoopback(host) || host == facts.local_address || Contains(options.host_names, host);
}

/// The Host that the client meant: an absolute target wins over the header (RFC 9112 3.2.2).
std::string_view HostOf(const GuardFacts& facts, const Request& request) {
  if (!facts.authority.empty()) return facts.authority;
  return request.headers.Get("Host").value_or("");
}

Outcome CheckHost(const GuardOptions& options, const GuardFacts& facts, const Request& request) {
  size_t count = request.headers.Count("Host");
  if (count > 1) return Refusal{400, "more than one Host header", {}};
  if (count == 0 && facts.is_http_10) return std::nullopt;
  if (count == 0) return Refusal{400, "no Host header", {}};
  Result<HostPort> host = ParseHostPort(HostOf(facts, request));
  if (host.ok() && IsOwnHost(options, facts, host->host)) return std::nullopt;
  return Refusal{
      421, "this server does not answer for that Host; add it to the server's host names", {}};
}

/// "host:port" with the scheme's own port written out.
std::optional<std::string> Authority(std::string_view scheme, std::string_view text) {
  Result<HostPort> where = ParseHostPort(text);
  if (!where.ok()) return std::nullopt;
  int port = where->port != 0 ? where->port : (scheme == "https" ? 443 : 80);
  return fmt::format("{}:{}", where->host, port);
}

bool IsSameOrigin(std::string_view origin, std::string_view host) {
  size_t separator = origin.find("://");
  if (separator == origin.npos) return false;
  std::string scheme = ToLowerAscii(origin.substr(0, separator));
  if (scheme != "http" && scheme != "https") return false;
  auto theirs = Authority(scheme, origin.substr(separator + 3));
  return theirs.has_value() && theirs == Authority(scheme, host);
}

Outcome CheckSite(const GuardOptions& options, const GuardFacts& facts, const Request& request) {
  std::optional<std::string_view> origin = request.headers.Get("Origin");
  if (origin && Contains(options.allowed_origins, *origin)) return std::nullopt;
  if (origin && !IsSameOrigin(*origin, HostOf(facts, request))) {
    return Refusal{403, "requests from pages of another origin are refused", {}};
  }
  std::optional<std::string_view> site = request.headers.Get("Sec-Fetch-Site");
  if (site && ToLowerAscii(*site) == "cross-site") {
    return Refusal{403, "cross-site requests are refused", {}};
  }
  return std::nullopt;
}

Outcome CheckToken(const GuardOptions& options, const Request& request) {
  if (options.bearer_token.empty() || Contains(options.open_paths, request.path)) {
    return std::nullopt;
  }
  std::string_view value = request.headers.Get("Authorization").value_or("");
  constexpr std::string_view kScheme = "bearer ";
  bool is_bearer =
      value.size() > kScheme.size() && ToLowerAscii(value.substr(0, kScheme.size())) == kScheme;
  if (is_bearer && request.headers.Count("Authorization") == 1 &&
      EqualInConstantTime(Trim(value.substr(kScheme.size())), options.bearer_token)) {
    return std::nullopt;
  }
  Refusal refusal{
      401, is_bearer ? "the bearer token is not valid" : "a bearer token is needed", {}};
  refusal.headers.Add("WWW-Authenticate", "Bearer");
  return refusal;
}

bool MayChange(Method method) {
  return method == Method::kPost || method == Method::kPut || method == Method::kPatch ||
         method == Method::kDelete;
}

/// A page of another site can send text and forms without asking first, but not JSON.
Outcome CheckMediaType(const GuardFacts& facts, const Request& request) {
  if (!MayChange(request.method)) return std::nullopt;
  std::optional<std::string_view> type = request.headers.Get("Content-Type");
  if (!type && !facts.has_body) return std::nullopt;
  std::string name = ToLowerAscii(Trim(type.value_or("").substr(0, type.value_or("").find(';'))));
  if (request.headers.Count("Content-Type") == 1) {
    if (name == "application/json") return std::nullopt;
    bool takes_form = request.method == Method::kPost && request.path.ends_with("/oauth/tokens");
    if (takes_form && name == "application/x-www-form-urlencoded") return std::nullopt;
  }
  return Refusal{415, "expected a body with Content-Type: application/json", {}};
}

}  // namespace

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<Refusal> CheckGuards(const GuardOptions& options, const GuardFacts& facts,
                                   const Request& request) {
  Outcome refusal = CheckHost(options, facts, request);
  if (!refusal) refusal = CheckSite(options, facts, request);
  if (!refusal) refusal = CheckToken(options, request);
  if (!refusal) refusal = CheckMediaType(facts, request);
  return refusal;
}

}  // namespace moraine::net
