#pragma once
// s3://bucket/key, and its aliases s3a:// and s3n://, as bucket and key. A key is what stands
// behind the bucket, byte for byte: like Iceberg's own file systems, percent escapes in it are part
// of the name. Used inside io.

#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::io {

struct S3Location {
  std::string before_key;  ///< as it was given, with the slash: "s3a://bucket/"
  std::string bucket;
  std::string key;  ///< may be empty: the bucket itself

  bool operator==(const S3Location&) const = default;
};

/// Whether the scheme is one of S3's.
bool IsS3Location(std::string_view location);

/// Errors: InvalidArgument for another scheme, a bucket that is none, a key that is longer than
/// 1024 bytes, is not UTF-8, or holds a control byte or a "." or ".." segment (those are resolved
/// on the way by some clients and kept by others).
Result<S3Location> ParseS3Location(std::string_view location);

/// The same of the prefix of a listing, whose last segment may be half a name.
Result<S3Location> ParseS3Prefix(std::string_view prefix);

}  // namespace moraine::io
