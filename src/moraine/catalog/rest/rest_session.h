#pragma once
// One session with an Iceberg REST catalog: config, login, and requests that are sent again by the
// rules of rest_retry.h. rest_catalog.h says what is asked.

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/catalog/rest/rest_answer.h"
#include "moraine/catalog/rest/rest_login.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/net/http_client.h"
#include "moraine/net/uri.h"

namespace moraine::catalog {

/// One thing to ask. path: behind the base URL, "/v1/...".
struct RestRequest {
  RestAsk ask = RestAsk::kOther;
  net::Method method = net::Method::kGet;
  std::string path;
  net::QueryParams query;
  net::Headers headers;
  std::string body;         ///< JSON
  std::string table_token;  ///< of the table's own session, or ""
};

/// Thread-safe after Open.
class RestSession {
 public:
  /// Asks for the config; properties: the client's own. Errors: InvalidArgument for a URI or a
  /// property that is wrong, Unavailable when the catalog can't be reached, as Send.
  static Result<std::unique_ptr<RestSession>> Open(Call& call, net::HttpTransport& http,
                                                   std::string_view uri,
                                                   iceberg::StringMap properties);

  /// The defaults of the server, under the client's own, under the overrides of the server.
  const iceberg::StringMap& properties() const { return properties_; }
  const std::string& uri() const { return uri_; }
  /// "/v1" or "/v1/<prefix>".
  const std::string& root() const { return root_; }
  /// As path parts have it: percent-encoded.
  const std::string& separator() const { return separator_; }
  /// Whether the server offers an operation: "GET /v1/{prefix}/namespaces".
  bool Offers(const std::string& endpoint) const;

  /// The answer, 2xx or 304. Sent again as far as the rules and the call's time allow. Errors: by
  /// the answer (rest_answer.h); Unavailable; Deadline; Cancelled; CommitUnknown for a change that
  /// may have been carried out.
  Result<net::Response> Send(Call& call, const RestRequest& request);

 private:
  RestSession(net::HttpTransport& http, std::string uri) : http_(http), uri_(std::move(uri)) {}

  struct Attempt;
  Status LogIn(Call& call);
  Status TakeConfig(const Json& json, const iceberg::StringMap& own);
  Status TakeEndpoints(const JsonCursor& config);
  Result<net::Response> SendTo(Call& call, const std::string& base_url, const RestRequest& request,
                               net::Request http);
  Status Hide(const Status& status) const;

  net::HttpTransport& http_;
  std::string uri_;
  std::unique_ptr<RestLogin> login_;
  iceberg::StringMap properties_;
  std::string root_ = "/v1";
  std::string separator_ = "%1F";
  std::set<std::string> endpoints_;
  bool keeps_idempotency_keys_ = false;
  bool reached_ = false;  ///< written by Open alone
};

}  // namespace moraine::catalog
