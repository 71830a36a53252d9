#include "moraine/io/s3_location.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::io {
namespace {

constexpr size_t kMaxKeyBytes = 1024;

bool IsBucketByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool IsBucket(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), IsBucketByte);
}

Status CheckKey(std::string_view key, std::string_view location) {
  if (key.size() > kMaxKeyBytes) {
    return InvalidArgument(
        fmt::format("key is longer than {} bytes: {}...", kMaxKeyBytes, location.substr(0, 200)));
  }
  bool control = std::any_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (control || !IsValidUtf8(key)) {
    return InvalidArgument(
        fmt::format("key has a control byte or is not UTF-8: {}", PercentEncode(location, "/:")));
  }
  return {};
}

/// The offset behind "s3://", or 0.
size_t SchemeSize(std::string_view location) {
  size_t end = location.find("://");
  if (end == location.npos) return 0;
  std::string scheme = ToLowerAscii(location.substr(0, end));
  return scheme == "s3" || scheme == "s3a" || scheme == "s3n" ? end + 3 : 0;
}

}  // namespace

bool IsS3Location(std::string_view location) { return SchemeSize(location) > 0; }

Result<S3Location> ParseS3Prefix(std::string_view location) {
  size_t scheme = SchemeSize(location);
  if (scheme == 0) return InvalidArgument(fmt::format("not an S3 location: {}", location));
  size_t slash = std::min(location.find('/', scheme), location.size());
  std::string_view bucket = location.substr(scheme, slash - scheme);
  if (!IsBucket(bucket)) {
    return InvalidArgument(fmt::format("location has no bucket: {}", location));
  }
  S3Location out;
  out.before_key = fmt::format("{}/", location.substr(0, slash));
  out.bucket = bucket;
  if (slash < location.size()) out.key = location.substr(slash + 1);
  MORAINE_TRY(CheckKey(out.key, location));
  return out;
}

Result<S3Location> ParseS3Location(std::string_view location) {
  MORAINE_ASSIGN(S3Location out, ParseS3Prefix(location));
  for (std::string_view segment : Split(out.key, '/')) {
    if (segment == "." || segment == "..") {
      return InvalidArgument(fmt::format("key has a '{}' segment: {}", segment, location));
    }
  }
  return out;
}

}  // namespace moraine::io
