#include "moraine/store/store_url.h"

#include <algorithm>
#include <cstddef>

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

bool NamesPassword(std::string_view text) {
  return ToLowerAscii(text).find("password=") != std::string::npos;
}

/// "rest?name=value&...", no value of an option that is a password.
std::string HiddenOptions(std::string_view text) {
  size_t question = text.find('?');
  std::string out(text.substr(0, question));
  if (question == text.npos) return out;
  char mark = '?';
  for (std::string_view piece : Split(text.substr(question + 1), '&')) {
    size_t equals = piece.find('=');
    auto name = PercentDecode(piece.substr(0, equals));
    bool secret = !name.ok() || ToLowerAscii(*name).find("password") != std::string::npos;
    out += mark;
    out += secret ? fmt::format("{}={}", piece.substr(0, equals), kHidden) : std::string(piece);
    mark = '&';
  }
  return out;
}

/// Of a URL that has no @: what stands in the place of a port and is no number is, perhaps, the
/// password of one whose host was forgotten.
std::string HiddenPort(std::string text, bool has_scheme) {
  size_t colon = text.find(':', text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0);
  if (colon == text.npos) return text;
  size_t end = std::min(text.find_first_of("/?", colon), text.size());
  bool number = end > colon + 1 && std::all_of(text.begin() + static_cast<ptrdiff_t>(colon) + 1,
                                               text.begin() + static_cast<ptrdiff_t>(end),
                                               [](char c) { return c >= '0' && c <= '9'; });
  if (has_scheme && number) return text;
  return fmt::format("{}:{}", text.substr(0, colon), kHidden);
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
  if (rest.substr(slash).find('@') != rest.npos) return Bad("an @ after the host of the URL");
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
  if (url.starts_with("sqlite:")) return url;
  std::string_view rest = url;
  std::string out;
  const size_t at = rest.rfind('@');  // an unescaped one, or a "?", may be in the password
  const size_t scheme = url.find("://");
  const bool has_scheme = scheme != url.npos && url.find(':') == scheme && scheme < at;
  if (has_scheme) {
    out = url.substr(0, scheme + 3);
    rest.remove_prefix(out.size());
  }
  std::string_view user = at == url.npos ? "" : rest.substr(0, rest.rfind('@'));
  // A password among the options may hold an @; without a scheme it may be anywhere.
  if (NamesPassword(has_scheme ? user : rest)) return out + std::string(kHidden);
  if (at == url.npos) return out + HiddenPort(HiddenOptions(rest), has_scheme);
  size_t colon = user.find(':');
  if (!has_scheme) {
    out += kHidden;
  } else {
    out += user.substr(0, colon);
    if (colon != user.npos) out += fmt::format(":{}", kHidden);
  }
  return out + HiddenOptions(rest.substr(user.size()));
}

}  // namespace moraine::store
