#include "moraine/catalog/s3_signing.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"
#include "moraine/io/xml.h"
#include "moraine/net/digest.h"
#include "moraine/net/sigv4.h"
#include "moraine/net/uri.h"

namespace moraine::catalog {
namespace {

using net::Method;

constexpr size_t kMaxUriBytes = 8'192;
constexpr size_t kMaxHeaders = 100;
constexpr size_t kMaxDeleted = 1'000;
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kUnsignedStream = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

Status Denied(std::string_view problem) {
  return PermissionDenied(fmt::format("not signed: {}", problem));
}

/// A URI in its parts; nothing is decoded yet but the query.
struct Uri {
  std::string origin;  ///< "http://host:port"
  net::Url where;      ///< of the origin
  std::string path;    ///< as sent
  net::QueryParams query;
};

/// Names and values, each once. A plus is refused: some read it as a space, some don't.
Result<net::QueryParams> QueryOf(std::string_view text) {
  net::QueryParams query;
  std::set<std::string> seen;
  if (text.empty()) return query;
  for (std::string_view item : Split(text, '&')) {
    if (item.find('+') != item.npos) return InvalidArgument("uri: '+' in the query, expected %2B");
    size_t equals = std::min(item.find('='), item.size());
    MORAINE_ASSIGN(auto name, PercentDecode(item.substr(0, equals)));
    MORAINE_ASSIGN(auto value, PercentDecode(item.substr(std::min(equals + 1, item.size()))));
    if (!seen.insert(name).second)
      return InvalidArgument(fmt::format("uri: {} stands twice in the query", name.substr(0, 40)));
    query.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

Result<Uri> ReadUri(const std::string& text) {
  if (text.size() > kMaxUriBytes) return InvalidArgument("uri: too long");
  bool is_clean =
      std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!is_clean || text.find_first_of("#\\") != text.npos)
    return InvalidArgument("uri: expected an encoded URI without a fragment");
  size_t scheme = text.find("://");
  if (scheme == text.npos) return InvalidArgument("uri: expected http:// or https://");
  size_t end = std::min(text.find_first_of("/?", scheme + 3), text.size());
  Uri uri;
  uri.origin = text.substr(0, end);
  MORAINE_ASSIGN(uri.where, net::ParseUrl(uri.origin));
  size_t question = std::min(text.find('?', end), text.size());
  uri.path = text.substr(end, question - end);
  if (uri.path.empty()) uri.path = "/";
  if (uri.path.find('+') != uri.path.npos)
    return InvalidArgument("uri: '+' in the path, expected %2B or %20");
  MORAINE_ASSIGN(uri.query,
                 QueryOf(std::string_view(text).substr(std::min(question + 1, text.size()))));
  return uri;
}

/// What a request is about: an object, or the bucket when there is no key.
struct Target {
  std::string bucket;
  std::string key;
};

/// Hosts under which the store is known.
Result<std::vector<net::Url>> Endpoints(const io::S3Options& options) {
  std::vector<std::string> texts;
  if (!options.endpoint.empty()) {
    texts = {options.endpoint};
  } else {
    texts = {fmt::format("https://s3.{}.amazonaws.com", options.region),
             fmt::format("https://s3.dualstack.{}.amazonaws.com", options.region)};
    if (options.region == "us-east-1") texts.push_back("https://s3.amazonaws.com");
  }
  std::vector<net::Url> urls;
  for (const auto& text : texts) {
    MORAINE_ASSIGN(urls.emplace_back(), net::ParseUrl(text));
  }
  return urls;
}

/// "/bucket/key" behind the endpoint's own path, with the bucket in the path or in the host.
Result<Target> TargetOf(const io::S3Options& options, const Uri& uri,
                        const std::vector<std::string>& buckets) {
  MORAINE_ASSIGN(auto endpoints, Endpoints(options));
  for (const net::Url& endpoint : endpoints) {
    bool same_port = uri.where.scheme == endpoint.scheme && uri.where.port == endpoint.port;
    if (!same_port || !uri.path.starts_with(endpoint.path + "/")) continue;
    std::string rest = uri.path.substr(endpoint.path.size() + 1);
    for (const auto& bucket : buckets) {
      Target target{bucket, ""};
      if (uri.where.host == ToLowerAscii(bucket) + "." + endpoint.host) {
        MORAINE_ASSIGN(target.key, PercentDecode(rest));
        return target;
      }
      if (uri.where.host != endpoint.host) continue;
      size_t slash = std::min(rest.find('/'), rest.size());
      if (rest.substr(0, slash) != bucket) continue;
      MORAINE_ASSIGN(target.key, PercentDecode(rest.substr(std::min(slash + 1, rest.size()))));
      return target;
    }
  }
  return Denied("the request is not for a bucket of this warehouse");
}

/// Some servers on the way decode what is encoded twice, or resolve dots.
bool HasDotSegments(std::string text) {
  for (int round = 0; round < 4; ++round) {
    std::string plain = text;
    std::replace(plain.begin(), plain.end(), '\\', '/');
    for (std::string_view segment : Split(plain, '/')) {
      if (segment == "." || segment == "..") return true;
    }
    auto decoded = PercentDecode(text);
    if (!decoded.ok() || *decoded == text) return false;
    text = std::move(*decoded);
  }
  return false;
}

/// The table's places, to compare with.
class Places {
 public:
  static Result<Places> Of(const std::vector<std::string>& locations) {
    Places places;
    for (const auto& location : locations) {
      MORAINE_ASSIGN(places.all_.emplace_back(), io::ParseS3Location(location));
    }
    return places;
  }

  std::vector<std::string> Buckets() const {
    std::set<std::string> buckets;
    for (const auto& place : all_) buckets.insert(place.bucket);
    return {buckets.begin(), buckets.end()};
  }

  /// Below one of the places; a listing's prefix, too, must begin inside of it.
  Status CheckInside(std::string_view bucket, const std::string& key) const {
    auto at = io::ParseS3Prefix(fmt::format("s3://{}/{}", bucket, key));
    if (!at.ok() || HasDotSegments(key)) return Denied("a key with '..' or control bytes");
    bool inside = std::any_of(all_.begin(), all_.end(), [&](const io::S3Location& place) {
      return place.bucket == bucket && !place.key.empty() && key.starts_with(place.key + "/");
    });
    return inside ? Status() : Denied("outside of the table's location");
  }

 private:
  std::vector<io::S3Location> all_;
};

/// The parameters of the query, and nothing beside those that may and those that must be there.
Status CheckQuery(const net::QueryParams& query, std::initializer_list<std::string_view> needed,
                  std::initializer_list<std::string_view> allowed) {
  for (const auto& [name, value] : query) {
    auto is = [&, &key = name](std::string_view each) { return key == each; };
    if (std::any_of(needed.begin(), needed.end(), is) ||
        std::any_of(allowed.begin(), allowed.end(), is) || name == "x-id") {
      continue;
    }
    return Denied(fmt::format("the query asks for '{}'", name.substr(0, 40)));
  }
  for (std::string_view name : needed) {
    bool found = std::any_of(query.begin(), query.end(),
                             [&](const auto& each) { return each.first == name; });
    if (!found) return Denied(fmt::format("the query lacks {}", name));
  }
  return {};
}

bool HasQuery(const net::QueryParams& query, std::string_view name) {
  return std::any_of(query.begin(), query.end(),
                     [&](const auto& each) { return each.first == name; });
}

Status CheckObjectRequest(Method method, const net::QueryParams& query) {
  bool of_upload = HasQuery(query, "uploadId");
  switch (method) {
    case Method::kGet:
    case Method::kHead:
      return CheckQuery(query, {}, {"partNumber", "versionId"});
    case Method::kPut:
      return of_upload ? CheckQuery(query, {"partNumber", "uploadId"}, {})
                       : CheckQuery(query, {}, {});
    case Method::kPost:
      return of_upload ? CheckQuery(query, {"uploadId"}, {}) : CheckQuery(query, {"uploads"}, {});
    case Method::kDelete:
      return of_upload ? CheckQuery(query, {"uploadId"}, {}) : CheckQuery(query, {}, {});
    default:
      return Denied("the method");
  }
}

Status CheckListing(const net::QueryParams& query, const std::string& bucket,
                    const Places& places) {
  MORAINE_TRY(CheckQuery(query, {"prefix"},
                         {"list-type", "delimiter", "continuation-token", "start-after", "max-keys",
                          "encoding-type", "fetch-owner", "marker"}));
  for (const auto& [name, value] : query) {
    if (name == "list-type" && value != "2") return Denied("list-type");
    if (name == "prefix") MORAINE_TRY(places.CheckInside(bucket, value));
  }
  return {};
}

/// Every object of the body must be the table's. Anything that two readers of XML could read in two
/// ways is refused.
Status CheckDeletion(const std::string& body, const std::string& bucket, const Places& places) {
  if (body.find("<!") != body.npos) return Denied("a declaration in the list of objects");
  auto root = io::ParseXml(body);
  if (!root.ok() || root->name != "Delete") return InvalidArgument("body: expected <Delete>");
  size_t count = 0;
  for (const auto& child : root->children) {
    if (child.name == "Quiet") continue;
    if (child.name != "Object") return Denied(fmt::format("<{}> in <Delete>", child.name));
    if (++count > kMaxDeleted) return Denied("more than 1000 objects");
    if (child.children.size() != 1 || child.children[0].name != "Key" ||
        !child.children[0].children.empty()) {
      return Denied("an <Object> that is not one <Key>");
    }
    MORAINE_TRY(places.CheckInside(bucket, child.children[0].text));
  }
  return count > 0 ? Status() : InvalidArgument("body: no <Object>");
}

Status CheckBucketRequest(const SignRequest& request, Method method, const net::QueryParams& query,
                          const std::string& bucket, const Places& places) {
  if (method == Method::kGet) return CheckListing(query, bucket, places);
  if (method != Method::kPost) return Denied("the bucket itself");
  MORAINE_TRY(CheckQuery(query, {"delete"}, {}));
  if (!request.body) return InvalidArgument("body: a deletion of many objects needs its body");
  return CheckDeletion(*request.body, bucket, places);
}

/// A copy reads: its source must be the table's, too.
Status CheckCopySource(std::string_view value, const Places& places) {
  std::string text(value.starts_with('/') ? value.substr(1) : value);
  if (text.find_first_of("?+") != text.npos) return Denied("a version or '+' in x-amz-copy-source");
  MORAINE_ASSIGN(auto plain, PercentDecode(text));
  size_t slash = plain.find('/');
  if (slash == plain.npos || plain.starts_with("arn:")) return Denied("x-amz-copy-source");
  return places.CheckInside(plain.substr(0, slash), plain.substr(slash + 1));
}

/// Whether an x-amz-* header changes nothing but how the object itself is stored or read.
bool IsHarmless(std::string_view name) {
  static constexpr std::string_view kNames[] = {"x-amz-checksum-mode",
                                                "x-amz-content-sha256",
                                                "x-amz-copy-source-range",
                                                "x-amz-date",
                                                "x-amz-decoded-content-length",
                                                "x-amz-expected-bucket-owner",
                                                "x-amz-metadata-directive",
                                                "x-amz-mp-object-size",
                                                "x-amz-request-payer",
                                                "x-amz-sdk-checksum-algorithm",
                                                "x-amz-storage-class",
                                                "x-amz-tagging",
                                                "x-amz-te",
                                                "x-amz-trailer",
                                                "x-amz-user-agent"};
  static constexpr std::string_view kFamilies[] = {"x-amz-checksum-", "x-amz-copy-source-if-",
                                                   "x-amz-meta-", "x-amz-server-side-encryption"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         std::any_of(std::begin(kFamilies), std::end(kFamilies),
                     [&](auto family) { return name.starts_with(family); });
}

/// Those that the signature covers: all of Amazon's, so that none can be added or changed.
Result<net::Headers> SignedHeaders(const SignRequest& request, const Places& places) {
  if (request.headers.all().size() > kMaxHeaders) return InvalidArgument("headers: too many");
  net::Headers kept;
  for (const auto& [name, value] : request.headers.all()) {
    std::string lower = ToLowerAscii(name);
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos)
      return InvalidArgument(fmt::format("headers: a line break in {}", lower.substr(0, 60)));
    if (lower == "content-md5") kept.Add(lower, value);
    if (!lower.starts_with("x-amz-") || lower == "x-amz-security-token") continue;
    if (lower == "x-amz-copy-source") {
      MORAINE_TRY(CheckCopySource(value, places));
    } else if (!IsHarmless(lower)) {
      return Denied(fmt::format("the header {}", lower.substr(0, 60)));
    }
    if (kept.Count(lower) > 0) return InvalidArgument(fmt::format("headers: {} twice", lower));
    kept.Add(lower, value);
  }
  return kept;
}

/// What the signature says of the body. Where it was looked at, no other may be sent.
Result<std::string> PayloadHash(const SignRequest& request, bool body_counts) {
  if (body_counts) return HexEncode(net::Sha256(*request.body));
  auto sent = request.headers.Get("x-amz-content-sha256");
  // Who leaves the hash to the signer may yet send the body in chunks with a checksum behind it
  // (botocore over TLS): the store reads those as such only if the hash says so.
  if (!sent) return std::string(request.headers.Get("x-amz-trailer") ? kUnsignedStream : kUnsigned);
  bool is_hash =
      sent->size() == 64 && sent->find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (is_hash || *sent == kUnsigned || *sent == kUnsignedStream) return std::string(*sent);
  return Denied("x-amz-content-sha256");
}

std::string SealOf(const Warehouse& warehouse, std::string_view text) {
  auto secret = warehouse.storage.find("s3.secret-access-key");
  std::string key = secret == warehouse.storage.end() ? "" : secret->second;
  // Not the key that signs requests: nothing that is sealed here could be one of them.
  return net::HmacSha256(net::HmacSha256("moraine staged places" + key, warehouse.name), text);
}

/// In a time that tells nothing.
bool SameBytes(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

Result<Method> MethodOf(const SignRequest& request) {
  auto method = net::MethodFromName(request.method);
  if (!method) return InvalidArgument("method: expected GET, HEAD, PUT, POST or DELETE");
  return *method;
}

}  // namespace

Result<StorageUse> UseOf(const SignRequest& request) {
  MORAINE_ASSIGN(Method method, MethodOf(request));
  bool reads = method == Method::kGet || method == Method::kHead;
  return reads ? StorageUse::kRead : StorageUse::kWrite;
}

Result<SignedRequest> SignForTable(WallTime now, const Warehouse& warehouse,
                                   const std::vector<std::string>& places_in,
                                   const SignRequest& request) {
  MORAINE_TRY(CheckSigning(warehouse));
  MORAINE_ASSIGN(auto options, io::S3OptionsOf(warehouse.storage));
  MORAINE_ASSIGN(Method method, MethodOf(request));
  if (request.region != options.region) {
    return InvalidArgument(fmt::format("region: the store is in {}, got '{}'", options.region,
                                       request.region.substr(0, 60)));
  }
  MORAINE_ASSIGN(auto places, Places::Of(places_in));
  MORAINE_ASSIGN(auto uri, ReadUri(request.uri));
  MORAINE_ASSIGN(auto target, TargetOf(options, uri, places.Buckets()));
  if (target.key.empty()) {
    MORAINE_TRY(CheckBucketRequest(request, method, uri.query, target.bucket, places));
  } else {
    MORAINE_TRY(places.CheckInside(target.bucket, target.key));
    MORAINE_TRY(CheckObjectRequest(method, uri.query));
  }
  bool is_deletion = target.key.empty() && method == Method::kPost;
  net::SigV4Options signing = net::S3Signing(
      {options.access_key_id, options.secret_access_key, options.session_token}, options.region);
  MORAINE_ASSIGN(signing.payload_hash, PayloadHash(request, is_deletion));
  net::Request to_sign;
  to_sign.method = method;
  to_sign.path = uri.path;
  to_sign.query = uri.query;
  MORAINE_ASSIGN(to_sign.headers, SignedHeaders(request, places));
  MORAINE_TRY(net::SignRequest(signing, now, uri.origin, &to_sign));
  SignedRequest done{
      request.uri, {}, !target.key.empty() && UseOf(request).value() == StorageUse::kRead};
  for (const char* name :
       {"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token"}) {
    auto value = to_sign.headers.Get(name);
    // What the client has already, it would send twice.
    if (value && request.headers.Get(name) != value) done.headers.Add(name, std::string(*value));
  }
  return done;
}

std::string SealPlaces(const Warehouse& warehouse, const std::vector<std::string>& places,
                       WallTime until) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("until", ToMillis(until)).Key("places").BeginArray();
  for (const auto& place : places) out.String(place);
  out.EndArray().EndObject();
  return fmt::format("{}-{}", HexEncode(text), HexEncode(SealOf(warehouse, text)));
}

Result<std::vector<std::string>> OpenPlaces(const Warehouse& warehouse, std::string_view sealed,
                                            WallTime now) {
  if (sealed.size() > kMaxUriBytes) return Denied("a staged table's seal is too long");
  size_t dash = std::min(sealed.find('-'), sealed.size());
  auto text = HexDecode(sealed.substr(0, dash));
  auto seal = HexDecode(sealed.substr(std::min(dash + 1, sealed.size())));
  if (!text.ok() || !seal.ok() || !SameBytes(*seal, SealOf(warehouse, *text)))
    return Denied("a staged table's seal is not of this warehouse");
  MORAINE_ASSIGN(auto json, Json::Parse(*text));
  JsonCursor cursor(json);
  MORAINE_ASSIGN(int64_t until_ms, cursor.Int64("until"));
  if (ToMillis(now) > until_ms) return Denied("a staged table's time is over");
  MORAINE_ASSIGN(auto listed, cursor.Get("places"));
  std::vector<std::string> places;
  for (size_t i = 0; i < listed.size(); ++i) {
    MORAINE_ASSIGN(places.emplace_back(), listed.At(i).String());
  }
  return places;
}

}  // namespace moraine::catalog
