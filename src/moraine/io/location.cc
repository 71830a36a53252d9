#include "moraine/io/location.h"

#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::io {
namespace {

struct LocationParts {
  std::string scheme;     // lower case, aliases folded
  std::string authority;  // lower case; empty for files
  std::string_view path;  // as given, begins with a slash or is empty
};

bool IsScheme(std::string_view text) {
  if (text.empty()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!letter && (i == 0 || !other)) return false;
  }
  return true;
}

Result<LocationParts> SplitLocation(std::string_view location) {
  LocationParts parts{.scheme = "file", .authority = "", .path = location};
  if (location.starts_with('/')) return parts;
  size_t colon = location.find(':');
  if (colon == location.npos || !IsScheme(location.substr(0, colon)) ||
      !location.substr(colon + 1).starts_with('/')) {
    return InvalidArgument(fmt::format("location is not an absolute path or URI: {}", location));
  }
  parts.scheme = ToLowerAscii(location.substr(0, colon));
  if (parts.scheme == "s3a" || parts.scheme == "s3n") parts.scheme = "s3";
  if (parts.scheme == "abfs" || parts.scheme == "wasb" || parts.scheme == "wasbs") {
    parts.scheme = "abfss";
  }
  parts.path = location.substr(colon + 1);
  if (parts.path.starts_with("//")) {
    std::string_view rest = parts.path.substr(2);
    size_t slash = std::min(rest.find('/'), rest.size());
    parts.authority = ToLowerAscii(rest.substr(0, slash));
    parts.path = rest.substr(slash);
  }
  if (parts.scheme == "abfss") {
    // One container has two names.
    constexpr std::string_view kBlob = ".blob.";
    for (size_t at = 0; (at = parts.authority.find(kBlob)) != parts.authority.npos;) {
      parts.authority.replace(at, kBlob.size(), ".dfs.");
    }
  }
  if (parts.scheme == "file" && parts.authority == "localhost") parts.authority.clear();
  if (parts.scheme == "file" && !parts.authority.empty()) {
    return InvalidArgument(fmt::format("location names a file on another host: {}", location));
  }
  if (parts.scheme != "file" && parts.authority.empty()) {
    return InvalidArgument(fmt::format("location has no bucket or host: {}", location));
  }
  return parts;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

/// Decodes %XX of unreserved characters; other escapes get upper-case digits; a lone % becomes %25,
/// so that normalising twice changes nothing.
std::string DecodeUnreserved(std::string_view segment) {
  std::string out;
  out.reserve(segment.size());
  for (size_t i = 0; i < segment.size(); ++i) {
    int high = -1, low = -1;
    if (segment[i] == '%' && i + 2 < segment.size()) {
      high = HexDigit(segment[i + 1]);
      low = HexDigit(segment[i + 2]);
    }
    if (high < 0 || low < 0) {
      segment[i] == '%' ? out += "%25" : out += segment[i];
      continue;
    }
    int c = high * 16 + low;
    if (IsUnreserved(c)) {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
    i += 2;
  }
  return out;
}

Status CheckBytes(std::string_view location) {
  if (location.empty()) return InvalidArgument("location is empty");
  for (char c : location) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return InvalidArgument(fmt::format("location has a control byte: 0x{:02x}", c));
    }
  }
  return {};
}

}  // namespace

Result<std::string> NormalizeLocation(std::string_view location) {
  MORAINE_TRY(CheckBytes(location));
  MORAINE_ASSIGN(LocationParts parts, SplitLocation(location));
  std::vector<std::string> segments;
  for (std::string_view raw : Split(parts.path, '/')) {
    std::string segment = DecodeUnreserved(raw);
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (segments.empty()) {
        return InvalidArgument(fmt::format("location leaves its root by \"..\": {}", location));
      }
      segments.pop_back();
      continue;
    }
    segments.push_back(std::move(segment));
  }
  std::string out = parts.scheme + "://" + parts.authority;
  for (const std::string& segment : segments) {
    out += '/';
    out += segment;
  }
  if (parts.scheme == "file" && segments.empty()) out += '/';
  return out;
}

bool IsInside(std::string_view location, std::string_view root) {
  Result<std::string> inner = NormalizeLocation(location);
  Result<std::string> outer = NormalizeLocation(root);
  if (!inner.ok() || !outer.ok() || !inner->starts_with(*outer)) return false;
  return inner->size() == outer->size() || outer->ends_with('/') || (*inner)[outer->size()] == '/';
}

std::string JoinLocation(std::string_view base, std::string_view relative) {
  while (base.size() > 1 && base.ends_with('/') && !base.ends_with("//")) base.remove_suffix(1);
  while (relative.starts_with('/')) relative.remove_prefix(1);
  std::string out(base);
  if (!out.ends_with('/')) out += '/';
  out += relative;
  return out;
}

std::string_view BaseName(std::string_view location) {
  size_t slash = location.rfind('/');
  return slash == location.npos ? location : location.substr(slash + 1);
}

}  // namespace moraine::io
