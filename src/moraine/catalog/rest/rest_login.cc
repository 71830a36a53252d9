#include "moraine/catalog/rest/rest_login.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/net/sigv4.h"
#include "moraine/net/uri.h"

namespace moraine::catalog {
namespace {

constexpr Millis kRenewBefore{60'000};
constexpr size_t kLeastHeaderSecret = 8;  // shorter ones are words
constexpr std::string_view kHeaderPrefix = "header.";

std::string Property(const iceberg::StringMap& properties, const std::string& key,
                     std::string_view fallback = "") {
  auto found = properties.find(key);
  return found == properties.end() || found->second.empty() ? std::string(fallback) : found->second;
}

/// The first of these keys that is set.
std::string FirstOf(const iceberg::StringMap& properties, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (auto value = Property(properties, key); !value.empty()) return value;
  }
  return "";
}

std::string JoinUrl(std::string_view base, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  while (path.starts_with('/')) path.remove_prefix(1);
  return fmt::format("{}/{}", base, path);
}

/// Credentials must not go where anybody can listen, once the catalog itself is reached by TLS.
Status CheckTokenUrl(std::string_view token_url, std::string_view uri) {
  MORAINE_ASSIGN(auto token, net::ParseUrl(token_url));
  MORAINE_ASSIGN(auto catalog, net::ParseUrl(uri));
  if (catalog.scheme == "https" && token.scheme != "https") {
    return InvalidArgument(fmt::format(
        "oauth2-server-uri {}: the catalog is reached by https, so must this be", token_url));
  }
  return {};
}

}  // namespace

Result<RestLoginOptions> RestLoginOptions::Of(const iceberg::StringMap& properties,
                                              std::string_view uri) {
  RestLoginOptions options;
  options.token = Property(properties, "token");
  std::string credential = Property(properties, "credential");
  size_t colon = credential.find(':');
  if (colon != credential.npos) options.client_id = credential.substr(0, colon);
  options.client_secret = colon == credential.npos ? credential : credential.substr(colon + 1);
  if (!credential.empty() && options.client_secret.empty()) {
    return InvalidArgument("credential: expected ID:SECRET, the secret is empty");
  }
  options.scope = Property(properties, "scope", "catalog");
  options.audience = Property(properties, "audience");
  options.resource = Property(properties, "resource");
  options.token_url = Property(properties, "oauth2-server-uri", "v1/oauth/tokens");
  if (options.token_url.find("://") == options.token_url.npos) {
    options.token_url = JoinUrl(uri, options.token_url);
  }
  if (options.has_credential()) MORAINE_TRY(CheckTokenUrl(options.token_url, uri));
  if (auto text = Property(properties, "token-expires-in-ms"); !text.empty()) {
    auto millis = ParseInt64(text);
    if (!millis.ok() || *millis <= 0) {
      return InvalidArgument(
          fmt::format("token-expires-in-ms: expected a positive number, got {}", text));
    }
    options.token_lifetime = Millis(std::min<int64_t>(*millis, 365LL * 24 * 3'600'000));
  }
  for (const auto& [key, value] : properties) {
    if (key.starts_with(kHeaderPrefix))
      options.headers.emplace_back(key.substr(kHeaderPrefix.size()), value);
  }
  options.sigv4 = ToLowerAscii(Property(properties, "rest.sigv4-enabled")) == "true" ||
                  ToLowerAscii(Property(properties, "rest.auth.type")) == "sigv4";
  if (!options.sigv4) return options;
  options.signing_name = Property(properties, "rest.signing-name", "execute-api");
  options.signing_region = FirstOf(properties, {"rest.signing-region", "client.region"});
  options.access_key_id = FirstOf(properties, {"rest.access-key-id", "s3.access-key-id"});
  options.secret_access_key =
      FirstOf(properties, {"rest.secret-access-key", "s3.secret-access-key"});
  options.session_token = FirstOf(properties, {"rest.session-token", "s3.session-token"});
  if (options.signing_region.empty()) {
    return InvalidArgument("rest.sigv4-enabled needs a region: set rest.signing-region");
  }
  if (options.access_key_id.empty() || options.secret_access_key.empty()) {
    return InvalidArgument(
        "rest.sigv4-enabled needs keys: set rest.access-key-id and rest.secret-access-key");
  }
  return options;
}

RestLogin::RestLogin(RestLoginOptions options)
    : options_(std::move(options)), token_(options_.token) {}

bool RestLogin::NeedsToken(MonoTime now) const {
  if (!options_.has_credential()) return false;
  std::lock_guard lock(mutex_);
  return token_.empty() || (renew_at_ && now >= *renew_at_);
}

net::Request RestLogin::TokenRequest() const {
  net::QueryParams form = {{"grant_type", "client_credentials"}};
  if (!options_.client_id.empty()) form.emplace_back("client_id", options_.client_id);
  form.emplace_back("client_secret", options_.client_secret);
  form.emplace_back("scope", options_.scope);
  if (!options_.audience.empty()) form.emplace_back("audience", options_.audience);
  if (!options_.resource.empty()) form.emplace_back("resource", options_.resource);
  net::Request request;
  request.method = net::Method::kPost;
  request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  request.headers.Set("Accept", "application/json");
  request.body = net::EncodeQuery(form);
  return request;
}

Status RestLogin::TakeToken(std::string_view answer, MonoTime now) {
  auto refuse = [&](std::string_view why) {
    return Unauthenticated(
        fmt::format("the token endpoint {} gave no usable token: {}", options_.token_url, why));
  };
  auto json = Json::Parse(answer);
  if (!json.ok()) return refuse("its answer is not JSON");
  JsonCursor cursor(*json);
  auto token = cursor.String("access_token");
  if (!token.ok()) return refuse(token.status().message());
  auto type = cursor.OptString("token_type");
  std::string kind = type.ok() && *type ? ToLowerAscii(**type) : "bearer";
  if (token->empty() || (kind != "bearer" && kind != "n_a")) {
    return refuse(fmt::format("expected a bearer token, got one of type {}", kind));
  }
  Millis lifetime = options_.token_lifetime;
  auto expires = cursor.OptInt64("expires_in");
  if (expires.ok() && *expires && **expires > 0) {
    lifetime = Millis(std::min<int64_t>(**expires, 365LL * 24 * 3'600) * 1'000);
  }
  std::lock_guard lock(mutex_);
  token_ = *std::move(token);
  renew_at_ = now + lifetime - std::min(kRenewBefore, lifetime / 10);
  return {};
}

void RestLogin::AdoptToken(const RestLogin& other) {
  bool same = options_.client_id == other.options_.client_id &&
              options_.client_secret == other.options_.client_secret;
  if (!options_.has_credential() || !same || &other == this) return;
  std::scoped_lock lock(mutex_, other.mutex_);
  token_ = other.token_;
  renew_at_ = other.renew_at_;
}

bool RestLogin::DropToken() {
  if (!options_.has_credential()) return false;
  std::lock_guard lock(mutex_);
  token_.clear();
  return true;
}

std::string RestLogin::Token() const {
  std::lock_guard lock(mutex_);
  return token_;
}

Status RestLogin::Prepare(WallTime now, std::string_view base_url, std::string_view table_token,
                          net::Request* request) const {
  for (const auto& [name, value] : options_.headers) request->headers.Set(name, value);
  std::string token = table_token.empty() ? Token() : std::string(table_token);
  if (!options_.sigv4) {
    if (!token.empty()) request->headers.Set("Authorization", "Bearer " + token);
    return {};
  }
  // The signature takes the place of the token, which moves aside as Java's client has it.
  if (!token.empty()) request->headers.Set("Original-Authorization", "Bearer " + token);
  net::SigV4Options signing;
  signing.credentials = {options_.access_key_id, options_.secret_access_key,
                         options_.session_token};
  signing.region = options_.signing_region;
  signing.service = options_.signing_name;
  return net::SignRequest(signing, now, base_url, request);
}

std::vector<std::string> RestLogin::Secrets() const {
  std::vector<std::string> secrets = {options_.token, options_.client_secret,
                                      options_.secret_access_key, options_.session_token, Token()};
  for (const auto& [_, value] : options_.headers) {
    if (value.size() >= kLeastHeaderSecret) secrets.push_back(value);
  }
  return secrets;
}

}  // namespace moraine::catalog
