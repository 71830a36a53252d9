#pragma once
// AWS Signature Version 4 over a request that is otherwise complete, as headers or as a presigned
// URL. Pure: the time is a parameter, nothing is sent.
//
// Who calls: io's S3 file system, clients of REST catalogs that ask for SigV4
// ("rest.sigv4-enabled", signing name "glue", "s3tables", "execute-api"). Follows "Signature
// Version 4 signing process" of the AWS General Reference. Secrets stand in no error text.

#include <chrono>
#include <string>
#include <string_view>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"
#include "moraine/net/http.h"

namespace moraine::net {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  ///< empty for long-lived keys

  bool operator==(const AwsCredentials&) const = default;
};

struct SigV4Options {
  AwsCredentials credentials;
  std::string region;   ///< "us-east-1"
  std::string service;  ///< the signing name: "s3", "glue", "s3tables"

  /// How the path enters the signature. S3 takes it encoded once, as sent; every other service
  /// normalises it ("//", ".", "..") and encodes it once more.
  enum class Path { kAsSent, kEncodedAgain };
  Path path = Path::kEncodedAgain;

  /// kUnsigned: the body is not part of the signature (UNSIGNED-PAYLOAD); for large bodies over
  /// TLS.
  enum class Payload { kHashed, kUnsigned };
  Payload payload = Payload::kHashed;
  /// What stands for the body instead, where whoever sends it has hashed it already.
  std::string payload_hash = {};

  /// Whether X-Amz-Content-Sha256 goes along; S3 and most REST catalogs want it, none refuses it.
  enum class PayloadHeader { kSent, kOmitted };
  PayloadHeader payload_header = PayloadHeader::kSent;
};

/// For S3: service "s3", paths as sent.
SigV4Options S3Signing(AwsCredentials credentials, std::string region);

/// Sets Host, X-Amz-Date, X-Amz-Security-Token (with a session token), X-Amz-Content-Sha256 and
/// Authorization on a request to base_url + path; those there already are replaced. Every other
/// header of the request is signed too, so add none that a proxy changes after this.
/// Errors: InvalidArgument for a malformed base_url or path, or keys that are empty.
Status SignRequest(const SigV4Options& options, WallTime now, std::string_view base_url,
                   Request* request);

/// The URL that anyone can use until it expires (1 s to 7 days) with request.method; headers of the
/// request must be sent by them as they are here. The payload is unsigned, as S3 has it.
/// Errors: as SignRequest; InvalidArgument for an expiry out of range.
Result<std::string> PresignUrl(const SigV4Options& options, WallTime now,
                               std::chrono::seconds expires_in, std::string_view base_url,
                               const Request& request);

}  // namespace moraine::net
