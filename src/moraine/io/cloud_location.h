#pragma once
// Places in the stores that Arrow reaches, as Arrow's file systems want them: "gs://bucket/key",
// "abfss://container@account.dfs.core.windows.net/path" (and its aliases abfs, wasb, wasbs),
// "hdfs://host:port/path". What follows the authority is taken byte for byte, as with S3. Used
// inside io.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::io {

enum class CloudStore : uint8_t { kGcs, kAdls, kHdfs };

/// Whose scheme the location has; none of them: nullopt.
std::optional<CloudStore> CloudStoreOf(std::string_view location);

struct CloudLocation {
  CloudStore store = CloudStore::kGcs;
  std::string host;  ///< account host of ADLS ("a.dfs.core.windows.net"), "host:port" of HDFS
  std::string path;  ///< "bucket/key", "container/path", "/path"

  bool operator==(const CloudLocation&) const = default;
};

/// Errors: InvalidArgument for another scheme, no bucket, container, account or host, a path that
/// is not UTF-8 or holds a control byte, an empty segment or a "." or ".." one.
Result<CloudLocation> ParseCloudLocation(std::string_view location);

/// The same of the prefix of a listing, whose last segment may be empty or half a name.
Result<CloudLocation> ParseCloudPrefix(std::string_view prefix);

}  // namespace moraine::io
