#pragma once
// How an S3 store is reached, and the properties that say so, named as Iceberg's FileIO names them
// ("s3.endpoint", "s3.path-style-access", ...). Called by whoever opens a warehouse: the server's
// config, the optimizer's, tables of a REST catalog.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"

namespace moraine::io {

struct S3Options {
  std::string endpoint;  ///< "http://127.0.0.1:8333"; empty: Amazon's of the region
  std::string region = "us-east-1";

  /// kAuto: the path for endpoints that are an address or localhost, and for bucket names with a
  /// dot; else the host.
  enum class Addressing { kAuto, kPath, kVirtualHost };
  Addressing addressing = Addressing::kAuto;

  /// Without keys, requests are anonymous.
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
  std::string ca_file;  ///< PEM; empty: the machine's own

  /// How a file that exists is told when it is created. kIfNoneMatch asks the store, and asks by
  /// HEAD from the first time on that the store says it does not know how. kHead is for stores that
  /// ignore If-None-Match silently: two writers of one name within the same moment both succeed.
  enum class Existing { kIfNoneMatch, kHead };
  Existing existing = Existing::kIfNoneMatch;

  size_t part_size_bytes = size_t{8} << 20;  ///< of multipart uploads; S3's least is 5 MiB
  size_t parts_under_way = 3;                ///< of one writer; each holds a part in memory
  size_t threads = 8;                        ///< for parts and ranges of all files together
  int attempts = 8;                          ///< of one request
  Millis backoff_first{100};                 ///< doubles, with jitter
  Millis backoff_last{5'000};
  Millis attempt_timeout{30'000};  ///< and a second per MiB sent or asked for

  /// Larger files are copied in parts; S3 copies at most 5 GiB at once.
  int64_t copy_limit_bytes = int64_t{1} << 30;
  int64_t copy_part_bytes = int64_t{256} << 20;
  Millis copy_timeout{300'000};  ///< more for an attempt that copies

  bool anonymous() const { return access_key_id.empty() && secret_access_key.empty(); }
};

/// Reads s3.endpoint, s3.path-style-access, s3.access-key-id, s3.secret-access-key,
/// s3.session-token, s3.anonymous, client.region or s3.region, s3.ca-file,
/// s3.if-none-match-enabled. Other keys are left alone. Errors: InvalidArgument that names the key;
/// never its value if it is secret.
Result<S3Options> S3OptionsOf(const std::map<std::string, std::string>& properties);

/// Puts properties over others. Keys are never mixed: those of one credential (s3.access-key-id,
/// s3.secret-access-key, s3.session-token and when it ends) count as a whole.
void OverlayS3Properties(const std::map<std::string, std::string>& over,
                         std::map<std::string, std::string>* properties);

}  // namespace moraine::io
