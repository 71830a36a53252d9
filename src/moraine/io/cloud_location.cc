#include "moraine/io/cloud_location.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::io {
namespace {

struct Scheme {
  std::string_view name;
  CloudStore store;
};
constexpr Scheme kSchemes[] = {
    {"gs", CloudStore::kGcs},    {"abfs", CloudStore::kAdls},  {"abfss", CloudStore::kAdls},
    {"wasb", CloudStore::kAdls}, {"wasbs", CloudStore::kAdls}, {"hdfs", CloudStore::kHdfs},
};

enum class Last : bool { kName, kBeginning };

Status CheckPath(std::string_view location, std::string_view path, Last last) {
  if (!IsValidUtf8(path))
    return InvalidArgument(fmt::format("location is not UTF-8: {}", location));
  const std::vector<std::string_view> segments = Split(path, '/');
  for (size_t i = 0; i < segments.size(); ++i) {
    const std::string_view segment = segments[i];
    const bool is_control = std::any_of(segment.begin(), segment.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (is_control) return InvalidArgument("location has a control byte");
    if (last == Last::kBeginning && i + 1 == segments.size()) return {};
    if (segment.empty() || segment == "." || segment == "..") {
      return InvalidArgument(
          fmt::format("location has a segment '{}', which stores keep and clients resolve: {}",
                      segment, location));
    }
  }
  return {};
}

/// "container@account.dfs.core.windows.net"
Status SplitContainer(std::string_view location, std::string_view authority, CloudLocation* out) {
  const size_t at = authority.find('@');
  if (at == authority.npos || at == 0 || at + 1 == authority.size()) {
    return InvalidArgument(fmt::format(
        "location names no container and account (abfss://container@account.dfs.core.windows.net/"
        "path): {}",
        location));
  }
  out->path = authority.substr(0, at);
  out->host = ToLowerAscii(authority.substr(at + 1));
  return {};
}

Result<CloudLocation> Parse(std::string_view location, Last last) {
  const std::optional<CloudStore> store = CloudStoreOf(location);
  if (!store)
    return InvalidArgument(fmt::format("location is in none of Arrow's stores: {}", location));
  CloudLocation out;
  out.store = *store;
  const std::string_view rest = location.substr(location.find("://") + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(slash);  // begins with a slash, or is empty
  if (authority.empty()) {
    return InvalidArgument(fmt::format("location has no bucket or host: {}", location));
  }
  if (*store == CloudStore::kAdls) {
    MORAINE_TRY(SplitContainer(location, authority, &out));
  } else {
    (*store == CloudStore::kGcs ? out.path : out.host) = authority;
  }
  if (!path.empty() && (path.size() > 1 || last == Last::kBeginning)) {
    MORAINE_TRY(CheckPath(location, path.substr(1), last));
    out.path += path;
  }
  if (out.path.empty()) out.path = "/";
  return out;
}

}  // namespace

std::optional<CloudStore> CloudStoreOf(std::string_view location) {
  const size_t end = location.find("://");
  if (end == location.npos) return std::nullopt;
  const std::string scheme = ToLowerAscii(location.substr(0, end));
  for (const Scheme& known : kSchemes) {
    if (known.name == scheme) return known.store;
  }
  return std::nullopt;
}

Result<CloudLocation> ParseCloudLocation(std::string_view location) {
  return Parse(location, Last::kName);
}

Result<CloudLocation> ParseCloudPrefix(std::string_view prefix) {
  return Parse(prefix, Last::kBeginning);
}

}  // namespace moraine::io
