#pragma once
// How our client of a REST catalog shows who it is: a bearer token, OAuth2 client credentials
// (RFC 6749 4.4; the token is got anew before it ends), AWS Signature 4 on top of either. Read from
// the properties that Java's client has. Secrets never stand in an error or a log.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/net/http.h"

namespace moraine::catalog {

/// What the properties say; plain data. Keys: token, credential ("id:secret" or "secret"), scope
/// ("catalog"), audience, resource, oauth2-server-uri ("v1/oauth/tokens" below the catalog's URI),
/// token-expires-in-ms, header.X, rest.sigv4-enabled, rest.signing-name ("execute-api"),
/// rest.signing-region (client.region), rest.access-key-id, rest.secret-access-key,
/// rest.session-token (the s3.* ones when absent).
struct RestLoginOptions {
  std::string token;
  std::string client_id;
  std::string client_secret;
  std::string scope;
  std::string audience;
  std::string resource;
  std::string token_url;
  Millis token_lifetime{3'600'000};  ///< where the answer names none
  std::vector<std::pair<std::string, std::string>> headers;
  bool sigv4 = false;
  std::string signing_name;
  std::string signing_region;
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;

  /// Errors: InvalidArgument naming the property.
  static Result<RestLoginOptions> Of(const iceberg::StringMap& properties, std::string_view uri);
  bool has_credential() const { return !client_secret.empty(); }
};

/// Thread-safe. Sends nothing: rest_session.h asks for the token request and gives the answer.
class RestLogin {
 public:
  explicit RestLogin(RestLoginOptions options);

  const RestLoginOptions& options() const { return options_; }
  /// A token has to be got before the next request: there is none, or it ends within a minute (or a
  /// tenth of its life).
  bool NeedsToken(MonoTime now) const;
  /// The form to post to options().token_url.
  net::Request TokenRequest() const;
  /// Errors: Unauthenticated for an answer that holds no bearer token.
  Status TakeToken(std::string_view answer, MonoTime now);
  /// The token that another login has got serves on, where this one has the same credential.
  void AdoptToken(const RestLogin& other);
  /// The server refused the token: the next request gets a new one. False: there is no way to.
  bool DropToken();
  /// Adds the login's headers and signs, last of all. table_token: of the table's own session, or
  /// "".
  Status Prepare(WallTime now, std::string_view base_url, std::string_view table_token,
                 net::Request* request) const;
  /// Everything that must not be shown.
  std::vector<std::string> Secrets() const;

 private:
  std::string Token() const;

  const RestLoginOptions options_;
  mutable std::mutex mutex_;
  std::string token_;
  std::optional<MonoTime> renew_at_;
};

}  // namespace moraine::catalog
