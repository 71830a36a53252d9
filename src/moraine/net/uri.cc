#include "moraine/net/uri.h"

#include <algorithm>
#include <optional>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::net {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsVisible(char c) { return c > ' ' && c != '\x7f'; }

/// Adds the form-decoded text to out.
Status DecodeInto(std::string_view raw, std::string* out) {
  for (size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '+') {
      c = ' ';
    } else if (c == '%') {
      int high = i + 1 < raw.size() ? HexDigit(raw[i + 1]) : -1;
      int low = i + 2 < raw.size() ? HexDigit(raw[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return InvalidArgument(
            fmt::format("expected two hexadecimal digits after '%' in the URL, got: {}",
                        PercentEncode(raw.substr(i + 1, 2))));
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return InvalidArgument("a zero byte in the URL");
    out->push_back(c);
  }
  return {};
}

Status CheckPart(std::string_view raw) { return ToStatus(DecodePart(raw)); }

Result<uint16_t> ParsePort(std::string_view text) {
  Result<int64_t> port = ParseInt64(text);
  bool digits = !text.empty() &&
                std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !port.ok() || *port > 65535) {
    return InvalidArgument(fmt::format("expected a port of 0 to 65535, got: {}", text));
  }
  return static_cast<uint16_t>(*port);
}

std::optional<std::string_view> AfterScheme(std::string_view text, std::string_view scheme) {
  if (text.size() < scheme.size() || ToLowerAscii(text.substr(0, scheme.size())) != scheme) {
    return std::nullopt;
  }
  return text.substr(scheme.size());
}

bool IsLoopbackV4(const in_addr& address) { return (ntohl(address.s_addr) >> 24) == 127; }

}  // namespace

Result<std::string> DecodePart(std::string_view raw) {
  std::string text;
  text.reserve(raw.size());
  MORAINE_TRY(DecodeInto(raw, &text));
  if (!IsValidUtf8(text)) {
    return InvalidArgument(fmt::format("expected UTF-8 in the URL, got: {}", PercentEncode(text)));
  }
  return text;
}

Result<QueryParams> ParseQuery(std::string_view text) {
  QueryParams params;
  if (text.empty()) return params;
  for (std::string_view item : Split(text, '&')) {
    if (item.empty()) continue;
    size_t equals = item.find('=');
    std::string_view raw_value = equals == item.npos ? "" : item.substr(equals + 1);
    MORAINE_ASSIGN(std::string name, DecodePart(item.substr(0, equals)));
    MORAINE_ASSIGN(std::string value, DecodePart(raw_value));
    params.emplace_back(std::move(name), std::move(value));
  }
  return params;
}

Result<Target> ParseTarget(std::string_view target) {
  if (!std::all_of(target.begin(), target.end(), IsVisible)) {
    return InvalidArgument("a blank or control character in the request target");
  }
  if (target.find('#') != target.npos) return InvalidArgument("a fragment in the request target");
  Target result;
  if (target == "*") {
    result.path = "*";
    return result;
  }
  for (std::string_view scheme : {"http://", "https://"}) {
    auto rest = AfterScheme(target, scheme);
    if (!rest) continue;
    size_t end = std::min(rest->find_first_of("/?"), rest->size());
    result.authority = rest->substr(0, end);
    if (result.authority.empty()) return InvalidArgument("no host in the request target");
    target = rest->substr(end);
    break;
  }
  size_t question = target.find('?');
  result.path = target.substr(0, question);
  // "http://host?query" has the path "/".
  if (result.path.empty() && !result.authority.empty()) result.path = "/";
  if (!result.path.starts_with('/')) {
    return InvalidArgument("expected a request target that begins with '/'");
  }
  MORAINE_TRY(CheckPart(result.path));
  if (question != target.npos) {
    MORAINE_ASSIGN(result.query, ParseQuery(target.substr(question + 1)));
  }
  return result;
}

std::string EncodePart(std::string_view text) { return PercentEncode(text); }

std::string EncodeQuery(const QueryParams& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    if (!text.empty()) text += '&';
    text += PercentEncode(name) + "=" + PercentEncode(value);
  }
  return text;
}

Result<HostPort> ParseHostPort(std::string_view text) {
  HostPort result;
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text[0] == '[') {
    size_t close = text.find(']');
    if (close == text.npos) return InvalidArgument(fmt::format("expected ']' in: {}", text));
    host = text.substr(1, close - 1);
    std::string_view rest = text.substr(close + 1);
    has_port = !rest.empty();
    if (has_port && rest[0] != ':') {
      return InvalidArgument(fmt::format("expected ':' after ']' in: {}", text));
    }
    if (has_port) port = rest.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (host.empty() || !std::all_of(host.begin(), host.end(), [](char c) {
        return IsVisible(c) && std::string_view("/?#@[]\\%\"<>").find(c) == std::string_view::npos;
      })) {
    return InvalidArgument(fmt::format("expected host or host:port, got: {}", text));
  }
  result.host = ToLowerAscii(host);
  if (has_port) {
    MORAINE_ASSIGN(result.port, ParsePort(port));
  }
  return result;
}

Result<Url> ParseUrl(std::string_view text) {
  Url url;
  std::string_view rest;
  if (auto after = AfterScheme(text, "http://")) {
    url.scheme = "http";
    rest = *after;
  } else if (auto after_tls = AfterScheme(text, "https://")) {
    url.scheme = "https";
    rest = *after_tls;
  } else {
    return InvalidArgument(fmt::format("expected http:// or https://, got: {}", text));
  }
  if (rest.find_first_of("?#") != rest.npos) {
    return InvalidArgument(fmt::format("expected a URL without query and fragment, got: {}", text));
  }
  if (!std::all_of(rest.begin(), rest.end(), IsVisible)) {
    return InvalidArgument("a blank or control character in a URL");
  }
  size_t slash = std::min(rest.find('/'), rest.size());
  if (rest.substr(0, slash).find('@') != rest.npos) {
    return InvalidArgument("expected a URL without user and password");
  }
  MORAINE_ASSIGN(HostPort where, ParseHostPort(rest.substr(0, slash)));
  url.host = where.host;
  url.port = where.port != 0 ? where.port : (url.scheme == "https" ? 443 : 80);
  url.path = rest.substr(slash);
  while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
  MORAINE_TRY(CheckPart(url.path));
  return url;
}

bool IsLoopback(std::string_view host) {
  std::string text(host);
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  if (ToLowerAscii(text) == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return IsLoopbackV4(v4);
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_LOOPBACK(&v6)) return true;
  if (!IN6_IS_ADDR_V4MAPPED(&v6)) return false;
  std::copy(v6.s6_addr + 12, v6.s6_addr + 16, reinterpret_cast<uint8_t*>(&v4));
  return IsLoopbackV4(v4);
}

}  // namespace moraine::net
