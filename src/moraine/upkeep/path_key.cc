#include "moraine/upkeep/path_key.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::upkeep {
namespace {

/// What stands behind the scheme and the authority, as it is. Errors: as NormalizeLocation.
Result<std::string_view> PathOf(std::string_view location) {
  if (location.starts_with('/')) return location;
  const size_t colon = location.find(":/");
  if (colon == location.npos || colon == 0 || location.find('/') < colon) {
    return InvalidArgument(
        fmt::format("location is not an absolute path or URI: {}", location.substr(0, 500)));
  }
  std::string_view rest = location.substr(colon + 1);
  if (!rest.starts_with("//")) return rest;
  rest.remove_prefix(2);
  return rest.substr(std::min(rest.find('/'), rest.size()));
}

/// Whether the path is its own key. Without branches in the loop: it runs over every path of a
/// table.
bool IsPlain(std::string_view path) {
  if (path.size() < 2 || path.back() == '/') return false;
  unsigned odd = 0;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const auto c = static_cast<unsigned char>(path[i]);
    const auto next = static_cast<unsigned char>(path[i + 1]);
    odd |= static_cast<unsigned>(c == '%') | static_cast<unsigned>(c < 0x20) |
           static_cast<unsigned>(c == 0x7f) |
           (static_cast<unsigned>(c == '/') &
            (static_cast<unsigned>(next == '/') | static_cast<unsigned>(next == '.')));
  }
  const auto last = static_cast<unsigned char>(path.back());
  return odd == 0 && last != '%' && last >= 0x20 && last != 0x7f;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// One round of decoding; a lone % stays.
std::string Decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string Folded(std::string_view path) {
  std::string text(path);
  for (;;) {
    std::string decoded = Decoded(text);
    if (decoded.size() == text.size()) break;
    text = std::move(decoded);
  }
  std::vector<std::string_view> segments;
  for (std::string_view segment : Split(text, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (!segments.empty()) {
      segments.pop_back();
    }
  }
  std::string key;
  for (std::string_view segment : segments) {
    key += '/';
    key += segment;
  }
  return key.empty() ? "/" : key;
}

}  // namespace

Result<std::string> PathKey(std::string_view location) {
  MORAINE_ASSIGN(const std::string_view path, PathOf(location));
  return IsPlain(path) ? std::string(path) : Folded(path);
}

Result<std::string_view> PathKeyIn(std::string_view location, std::string* buffer) {
  MORAINE_ASSIGN(const std::string_view path, PathOf(location));
  if (IsPlain(path)) return path;
  *buffer = Folded(path);
  return std::string_view(*buffer);
}

bool KeyIsBelow(std::string_view key, std::string_view folder_key) {
  if (folder_key == "/") return key.size() > 1;
  return key.size() > folder_key.size() + 1 && key.starts_with(folder_key) &&
         key[folder_key.size()] == '/';
}

Result<std::vector<std::string>> FolderKeys(const std::vector<std::string>& folders) {
  std::vector<std::string> keys;
  for (const std::string& folder : folders) {
    MORAINE_ASSIGN(std::string key, PathKey(folder));
    keys.push_back(std::move(key));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<std::string> outer;
  for (std::string& key : keys) {
    if (!KeyIsBelowAny(key, outer)) outer.push_back(std::move(key));
  }
  return outer;
}

}  // namespace moraine::upkeep
