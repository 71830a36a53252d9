#include "moraine/store/store_url.h"

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/store/database.h"

namespace moraine::store {
namespace {

constexpr std::string_view kHidden = "***";

Status Bad(std::string_view what) {
  return InvalidArgument(
      fmt::format("{}: expected scheme://user:password@host:port/database?option=value "
                  "(write @ : / ? % of a password as %40 %3A %2F %3F %25)",
                  what));
}

Result<std::string> Decoded(std::string_view text, std::string_view part) {
  auto decoded = PercentDecode(text);
  if (!decoded.ok() || decoded->find('\0') != std::string::npos) {
    return Bad(fmt::format("{} of the URL can't be decoded", part));
  }
  return decoded;
}

Status ReadUser(std::string_view text, StoreUrl* url) {
  size_t colon = text.find(':');
  MORAINE_ASSIGN(url->user, Decoded(text.substr(0, colon), "the user"));
  if (colon == text.npos) return {};
  MORAINE_ASSIGN(url->password, Decoded(text.substr(colon + 1), "the password"));
  return {};
}

Status ReadHost(std::string_view text, StoreUrl* url) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == text.npos) return Bad("the host of the URL has no closing bracket");
    host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && !text.starts_with(':')) return Bad("the port of the URL");
    port = text.empty() ? text : text.substr(1);
  } else if (size_t colon = text.find(':'); colon != text.npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  MORAINE_ASSIGN(url->host, Decoded(host, "the host"));
  if (port.empty()) return {};
  auto number = ParseInt64(port);
  if (!number.ok() || *number < 1 || *number > 65'535) return Bad("the port of the URL");
  url->port = static_cast<int>(*number);
  return {};
}

Status ReadOptions(std::string_view text, StoreUrl* url) {
  for (std::string_view piece : Split(text, '&')) {
    if (piece.empty()) continue;
    size_t equals = piece.find('=');
    if (equals == piece.npos) return Bad("an option of the URL has no value");
    MORAINE_ASSIGN(auto name, Decoded(piece.substr(0, equals), "an option"));
    MORAINE_ASSIGN(auto value, Decoded(piece.substr(equals + 1), "an option"));
    url->options.emplace_back(std::move(name), std::move(value));
  }
  return {};
}

}  // namespace

std::string StoreUrl::ToText() const {
  std::string text = user.empty() ? "" : user + "@";
  text += host.find(':') == host.npos ? host : fmt::format("[{}]", host);
  if (port != 0) text += fmt::format(":{}", port);
  return fmt::format("{}/{}", text, database);
}

Result<StoreUrl> ParseStoreUrl(const std::string& text) {
  StoreUrl url;
  std::string_view rest = text;
  size_t scheme = rest.find("://");
  if (scheme == rest.npos) return Bad("the URL has no scheme");
  url.scheme = rest.substr(0, scheme);
  rest.remove_prefix(scheme + 3);
  if (size_t question = rest.find('?'); question != rest.npos) {
    MORAINE_TRY(ReadOptions(rest.substr(question + 1), &url));
    rest = rest.substr(0, question);
  }
  size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (slash == rest.npos || rest.substr(slash + 1).find('/') != rest.npos) {
    return Bad("the URL names no database");
  }
  MORAINE_ASSIGN(url.database, Decoded(rest.substr(slash + 1), "the database"));
  if (url.database.empty()) return Bad("the URL names no database");
  if (size_t at = authority.rfind('@'); at != authority.npos) {
    MORAINE_TRY(ReadUser(authority.substr(0, at), &url));
    authority.remove_prefix(at + 1);
  }
  MORAINE_TRY(ReadHost(authority, &url));
  return url;
}

std::string RedactUrl(const std::string& url) {
  size_t scheme = url.find("://");
  if (scheme == url.npos || url.starts_with("sqlite:")) return url;
  std::string_view rest = std::string_view(url).substr(scheme + 3);
  std::string_view options;
  if (size_t question = rest.find('?'); question != rest.npos) {
    options = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  std::string out = url.substr(0, scheme + 3);
  // The last @ parts: an unescaped one may be in the password.
  if (size_t at = rest.rfind('@'); at != rest.npos) {
    std::string_view user = rest.substr(0, at);
    size_t colon = user.find(':');
    out += user.substr(0, colon);
    if (colon != user.npos) out += fmt::format(":{}", kHidden);
    rest = rest.substr(at);
  }
  out += rest;
  char mark = '?';
  if (options.empty()) return out;
  for (std::string_view piece : Split(options, '&')) {
    size_t equals = piece.find('=');
    bool secret = ToLowerAscii(piece.substr(0, equals)).find("password") != std::string::npos;
    out += mark;
    out += secret ? fmt::format("{}={}", piece.substr(0, equals), kHidden) : std::string(piece);
    mark = '&';
  }
  return out;
}

}  // namespace moraine::store
