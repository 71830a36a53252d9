#include "moraine/net/sigv4.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/digest.h"
#include "moraine/net/uri.h"

namespace moraine::net {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// Headers that the transport or a proxy may change on the way.
bool IsNeverSigned(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "accept-encoding",   "authorization", "connection",     "content-length", "expect", "te",
      "transfer-encoding", "user-agent",    "x-amzn-trace-id"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

/// Trimmed, runs of blanks as one.
std::string CanonicalValue(std::string_view value) {
  std::string out;
  for (char c : Trim(value)) {
    bool blank = c == ' ' || c == '\t';
    if (blank && !out.empty() && out.back() == ' ') continue;
    out.push_back(blank ? ' ' : c);
  }
  return out;
}

struct CanonicalHeaders {
  std::string lines;  ///< "host:example.com\nx-amz-date:...\n"
  std::string names;  ///< "host;x-amz-date"
};

CanonicalHeaders Canonical(const Headers& headers) {
  std::map<std::string, std::string> by_name;
  for (const auto& [name, value] : headers.all()) {
    std::string lower = ToLowerAscii(name);
    if (IsNeverSigned(lower)) continue;
    auto [at, is_new] = by_name.emplace(lower, CanonicalValue(value));
    if (!is_new) at->second += "," + CanonicalValue(value);
  }
  CanonicalHeaders out;
  for (const auto& [name, value] : by_name) {
    out.lines += fmt::format("{}:{}\n", name, value);
    out.names += (out.names.empty() ? "" : ";") + name;
  }
  return out;
}

std::string CanonicalQuery(const QueryParams& query) {
  QueryParams encoded;
  for (const auto& [name, value] : query) {
    encoded.emplace_back(PercentEncode(name), PercentEncode(value));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
  }
  return text;
}

/// Without "", "." and ".." segments; a slash at the end stays.
std::string NormalizedPath(std::string_view path) {
  std::vector<std::string_view> kept;
  for (std::string_view part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (std::string_view part : kept) out += fmt::format("/{}", part);
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

Result<std::string> CanonicalPath(SigV4Options::Path mode, const std::string& path) {
  if (mode == SigV4Options::Path::kEncodedAgain) return PercentEncode(NormalizedPath(path), "/");
  MORAINE_ASSIGN(std::string plain, PercentDecode(path));
  return PercentEncode(plain, "/");
}

/// "20150830T123600Z".
std::string AmzDate(WallTime now) {
  std::string out;
  for (char c : FormatTime(now).substr(0, 19)) {
    if (c != '-' && c != ':') out.push_back(c);
  }
  return out + "Z";
}

/// One signature being made: the scope, and the text that stands for the request.
class Signing {
 public:
  Signing(const SigV4Options& options, WallTime now)
      : options_(options),
        amz_date_(AmzDate(now)),
        scope_(fmt::format("{}/{}/{}/aws4_request", amz_date_.substr(0, 8), options.region,
                           options.service)) {}

  const std::string& amz_date() const { return amz_date_; }
  std::string Credential() const {
    return fmt::format("{}/{}", options_.credentials.access_key_id, scope_);
  }

  /// The signature in hexadecimal.
  Result<std::string> Sign(const Request& request, const std::string& path,
                           const CanonicalHeaders& headers, std::string_view payload_hash) const {
    MORAINE_ASSIGN(std::string canonical_path, CanonicalPath(options_.path, path));
    std::string canonical =
        fmt::format("{}\n{}\n{}\n{}\n{}\n{}", MethodName(request.method), canonical_path,
                    CanonicalQuery(request.query), headers.lines, headers.names, payload_hash);
    std::string to_sign =
        fmt::format("{}\n{}\n{}\n{}", kAlgorithm, amz_date_, scope_, HexEncode(Sha256(canonical)));
    return HexEncode(HmacSha256(Key(), to_sign));
  }

 private:
  std::string Key() const {
    std::string key = "AWS4" + options_.credentials.secret_access_key;
    const std::string date = amz_date_.substr(0, 8);
    for (std::string_view part :
         {std::string_view(date), std::string_view(options_.region),
          std::string_view(options_.service), std::string_view("aws4_request")}) {
      key = HmacSha256(key, part);
    }
    return key;
  }

  const SigV4Options& options_;
  const std::string amz_date_;
  const std::string scope_;
};

struct Place {
  std::string host;  ///< as the Host header has it
  std::string path;  ///< of base_url and request, encoded
};

Result<Place> PlaceOf(const SigV4Options& options, std::string_view base_url,
                      const Request& request) {
  if (options.credentials.access_key_id.empty() || options.credentials.secret_access_key.empty()) {
    return InvalidArgument("signing a request needs an access key id and a secret access key");
  }
  MORAINE_ASSIGN(Url url, ParseUrl(base_url));
  std::string host = url.host.find(':') == url.host.npos ? url.host : "[" + url.host + "]";
  if (url.port != (url.scheme == "https" ? 443 : 80)) host += fmt::format(":{}", url.port);
  std::string path = url.path + request.path;
  return Place{std::move(host), path.empty() ? "/" : std::move(path)};
}

}  // namespace

SigV4Options S3Signing(AwsCredentials credentials, std::string region) {
  return {.credentials = std::move(credentials),
          .region = std::move(region),
          .service = "s3",
          .path = SigV4Options::Path::kAsSent};
}

Status SignRequest(const SigV4Options& options, WallTime now, std::string_view base_url,
                   Request* request) {
  MORAINE_ASSIGN(Place place, PlaceOf(options, base_url, *request));
  Signing signing(options, now);
  std::string payload_hash = options.payload_hash;
  if (payload_hash.empty()) {
    payload_hash = options.payload == SigV4Options::Payload::kUnsigned
                       ? std::string(kUnsignedPayload)
                       : HexEncode(Sha256(request->body));
  }
  request->headers.Set("Host", place.host);
  request->headers.Set("X-Amz-Date", signing.amz_date());
  if (!options.credentials.session_token.empty()) {
    request->headers.Set("X-Amz-Security-Token", options.credentials.session_token);
  }
  if (options.payload_header == SigV4Options::PayloadHeader::kSent) {
    request->headers.Set("X-Amz-Content-Sha256", payload_hash);
  }
  CanonicalHeaders headers = Canonical(request->headers);
  MORAINE_ASSIGN(std::string signature, signing.Sign(*request, place.path, headers, payload_hash));
  request->headers.Set("Authorization",
                       fmt::format("{} Credential={}, SignedHeaders={}, Signature={}", kAlgorithm,
                                   signing.Credential(), headers.names, signature));
  return {};
}

Result<std::string> PresignUrl(const SigV4Options& options, WallTime now,
                               std::chrono::seconds expires_in, std::string_view base_url,
                               const Request& request) {
  constexpr std::chrono::seconds kLongest = std::chrono::hours(7 * 24);
  if (expires_in.count() < 1 || expires_in > kLongest) {
    return InvalidArgument(
        fmt::format("expected a presigned URL to live for 1 to {} seconds, got {}",
                    kLongest.count(), expires_in.count()));
  }
  MORAINE_ASSIGN(Place place, PlaceOf(options, base_url, request));
  Signing signing(options, now);
  Request presigned = request;
  presigned.headers.Set("Host", place.host);
  CanonicalHeaders headers = Canonical(presigned.headers);
  presigned.query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  presigned.query.emplace_back("X-Amz-Credential", signing.Credential());
  presigned.query.emplace_back("X-Amz-Date", signing.amz_date());
  presigned.query.emplace_back("X-Amz-Expires", std::to_string(expires_in.count()));
  if (!options.credentials.session_token.empty()) {
    presigned.query.emplace_back("X-Amz-Security-Token", options.credentials.session_token);
  }
  presigned.query.emplace_back("X-Amz-SignedHeaders", headers.names);
  MORAINE_ASSIGN(std::string signature,
                 signing.Sign(presigned, place.path, headers, kUnsignedPayload));
  presigned.query.emplace_back("X-Amz-Signature", signature);
  while (base_url.ends_with('/')) base_url.remove_suffix(1);
  return fmt::format("{}{}?{}", base_url, request.path.empty() ? "/" : request.path,
                     EncodeQuery(presigned.query));
}

}  // namespace moraine::net
