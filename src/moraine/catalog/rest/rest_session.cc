#include "moraine/catalog/rest/rest_session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/rest/rest_retry.h"
#include "moraine/io/cloud_options.h"
#include "moraine/net/uri.h"

namespace moraine::catalog {
namespace {

constexpr int kMostRetries = 5;
constexpr std::chrono::minutes kRequestLimit{5};
constexpr size_t kMostEndpoints = 1'000;

/// What a server that does not say offers (rest-catalog spec, "CatalogConfig").
constexpr const char* kDefaultEndpoints[] = {
    "GET /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/transactions/commit",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
};

/// The base URL: people name it with and without the version.
std::string TrimUri(std::string_view uri) {
  while (uri.ends_with('/')) uri.remove_suffix(1);
  if (uri.ends_with("/v1")) uri.remove_suffix(3);
  while (uri.ends_with('/')) uri.remove_suffix(1);
  return std::string(uri);
}

RestEffect EffectOf(const RestRequest& request, bool has_key) {
  bool post = request.method == net::Method::kPost || request.method == net::Method::kPatch;
  if (!post || request.ask == RestAsk::kToken) return RestEffect::kRepeatable;
  return has_key ? RestEffect::kKeyed : RestEffect::kChange;
}

bool IsChange(const RestRequest& request) {
  return request.method != net::Method::kGet && request.method != net::Method::kHead &&
         request.ask != RestAsk::kToken;
}

Result<iceberg::StringMap> MapOf(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto member, json.Find(key));
  if (!member) return iceberg::StringMap();
  return iceberg::StringMapFromJson(*member);
}

}  // namespace

/// What is known of the tries of one request so far.
struct RestSession::Attempt {
  int again = 0;
  bool token_renewed = false;
  bool may_have_landed = false;
};

Result<std::unique_ptr<RestSession>> RestSession::Open(Call& call, net::HttpTransport& http,
                                                       std::string_view uri,
                                                       iceberg::StringMap properties) {
  std::string base = TrimUri(uri);
  MORAINE_TRY(net::ParseUrl(base));
  std::unique_ptr<RestSession> session(new RestSession(http, base));
  MORAINE_ASSIGN(auto login, RestLoginOptions::Of(properties, base));
  session->login_ = std::make_unique<RestLogin>(std::move(login));
  RestRequest ask{.ask = RestAsk::kConfig, .path = "/v1/config"};
  if (auto warehouse = properties.find("warehouse"); warehouse != properties.end()) {
    ask.query.emplace_back("warehouse", warehouse->second);
  }
  MORAINE_ASSIGN(auto answer, session->Send(call, ask));
  auto json = Json::Parse(answer.BodyText());
  if (!json.ok()) {
    return InvalidArgument(
        fmt::format("{}/v1/config answered no JSON: is it an Iceberg REST catalog?", base));
  }
  Status taken = session->TakeConfig(*json, properties);
  if (!taken.ok()) {
    return std::move(taken).Annotate(fmt::format("the answer of {}/v1/config", base));
  }
  session->reached_ = true;
  return session;
}

Status RestSession::TakeConfig(const Json& json, const iceberg::StringMap& own) {
  JsonCursor config(json);
  MORAINE_ASSIGN(auto defaults, MapOf(config, "defaults"));
  properties_ = io::LentProperties(std::move(defaults), own, true);
  io::OverlayStorageProperties(own, &properties_);
  MORAINE_ASSIGN(auto overrides, MapOf(config, "overrides"));
  iceberg::StringMap over = io::LentProperties(overrides, properties_, false);
  // A secret goes where its owner says, whatever the catalog would like.
  for (const char* owners : {"oauth2-server-uri", "credential", "token"}) {
    if (own.contains(owners)) over.erase(owners);
  }
  io::OverlayStorageProperties(over, &properties_);
  MORAINE_TRY(TakeEndpoints(config));
  MORAINE_ASSIGN(auto lifetime, config.OptString("idempotency-key-lifetime"));
  keeps_idempotency_keys_ = lifetime && !lifetime->empty();
  if (auto prefix = properties_.find("prefix"); prefix != properties_.end()) {
    std::string_view text = prefix->second;
    while (text.starts_with('/')) text.remove_prefix(1);
    while (text.ends_with('/')) text.remove_suffix(1);
    if (!text.empty()) root_ = fmt::format("/v1/{}", text);
    MORAINE_TRY(net::ParseTarget(root_));
  }
  if (auto separator = properties_.find("namespace-separator");
      separator != properties_.end() && !separator->second.empty()) {
    MORAINE_TRY(net::DecodePart(separator->second));
    separator_ = separator->second;
  }
  if (auto moved = overrides.find("uri"); moved != overrides.end() && !moved->second.empty()) {
    std::string next = TrimUri(moved->second);
    MORAINE_ASSIGN(auto url, net::ParseUrl(next));
    if (uri_.starts_with("https:") && url.scheme != "https") {
      return InvalidArgument(fmt::format("it moves from https to {}, which is not safe", next));
    }
    uri_ = next;
  }
  MORAINE_ASSIGN(auto login, RestLoginOptions::Of(properties_, uri_));
  auto renewed = std::make_unique<RestLogin>(std::move(login));
  renewed->AdoptToken(*login_);
  login_ = std::move(renewed);
  return {};
}

Status RestSession::TakeEndpoints(const JsonCursor& config) {
  MORAINE_ASSIGN(auto list, config.Find("endpoints"));
  if (list) MORAINE_TRY(list->ExpectArray());
  size_t count = list ? std::min(list->size(), kMostEndpoints) : 0;
  for (size_t i = 0; i < count; ++i) {
    MORAINE_ASSIGN(auto endpoint, list->At(i).String());
    endpoints_.insert(std::move(endpoint));
  }
  if (count == 0) endpoints_.insert(std::begin(kDefaultEndpoints), std::end(kDefaultEndpoints));
  return {};
}

bool RestSession::Offers(const std::string& endpoint) const {
  return endpoints_.contains(endpoint);
}

Status RestSession::LogIn(Call& call) {
  if (!login_->NeedsToken(call.clock().Mono())) return {};
  RestRequest ask{.ask = RestAsk::kToken, .method = net::Method::kPost};
  const std::string& url = login_->options().token_url;
  auto answer = SendTo(call, url, ask, login_->TokenRequest());
  if (!answer.ok()) {
    bool missing = answer.status().code() == Code::kUnauthenticated &&
                   answer.status().message().find("(404 of") != std::string_view::npos;
    return std::move(answer).status().Annotate(
        missing ? "can't log in; set oauth2-server-uri to the token endpoint" : "can't log in");
  }
  return login_->TakeToken(answer->BodyText(), call.clock().Mono());
}

Result<net::Response> RestSession::Send(Call& call, const RestRequest& request) {
  MORAINE_TRY(LogIn(call));
  net::Request http;
  http.method = request.method;
  http.path = request.path;
  http.query = request.query;
  http.headers = request.headers;
  http.headers.Set("Accept", "application/json");
  if (!request.body.empty()) {
    http.headers.Set("Content-Type", "application/json");
    http.body = request.body;
  }
  if (keeps_idempotency_keys_ && IsChange(request)) {
    http.headers.Set("Idempotency-Key", MakeOrderedUuid(call.random(), call.clock().Wall()));
  }
  return SendTo(call, uri_, request, std::move(http));
}

Result<net::Response> RestSession::SendTo(Call& call, const std::string& base_url,
                                          const RestRequest& request, net::Request http) {
  RestEffect effect = EffectOf(request, http.headers.Get("Idempotency-Key").has_value());
  std::string what =
      fmt::format("{} {}{}", net::MethodName(request.method), base_url, request.path);
  Attempt attempt;
  while (true) {
    if (Status time = call.Check(); !time.ok()) {
      return attempt.may_have_landed && IsChange(request)
                 ? std::move(time).WithCode(Code::kCommitUnknown)
                 : time;
    }
    net::Request copy = http;
    if (request.ask != RestAsk::kToken) {
      MORAINE_TRY(Hide(login_->Prepare(call.clock().Wall(), base_url, request.table_token, &copy)));
    }
    Call sending(call, kRequestLimit);
    auto answer = http_.Send(sending, base_url, copy);
    RestNext next;
    Status error;
    std::optional<Millis> retry_after;
    if (answer.ok()) {
      auto header = answer->headers.Get("Retry-After");
      if (header) retry_after = ParseRetryAfter(*header, call.clock().Wall());
      next = DecideNext(effect, answer->status, retry_after.has_value());
      if (next == RestNext::kDone) return answer;
      error = ErrorOfAnswer(request.ask, what, *answer);
      attempt.may_have_landed |= MayHaveLanded(answer->status);
    } else {
      error = answer.status();
      next = DecideNext(effect, error.code());
      attempt.may_have_landed |= MayHaveLanded(error.code());
      // Who mistypes an address wants to know at once.
      if (error.code() == Code::kUnavailable && !reached_) next = RestNext::kGiveUp;
    }
    bool again = false;
    if (next == RestNext::kRenewToken && !attempt.token_renewed && request.table_token.empty() &&
        request.ask != RestAsk::kToken && login_->DropToken()) {
      attempt.token_renewed = true;
      Status login = LogIn(call);
      if (!login.ok()) error = login;
      again = login.ok();
    } else if (next == RestNext::kAgain && attempt.again < kMostRetries) {
      ++attempt.again;
      Millis pause = retry_after ? *retry_after : RestPause(attempt.again, call.random());
      again = pause < call.remaining();
      if (again) call.clock().SleepFor(pause, call.stop());
      again = again && call.Check().ok();
    }
    if (again) continue;
    error = Hide(error);
    // Whatever a later try was told: an earlier one may have done it.
    if (IsChange(request) && attempt.may_have_landed) {
      return std::move(error).WithCode(Code::kCommitUnknown);
    }
    // A token whose answer was lost is nobody's commit.
    bool lost = error.code() == Code::kCommitUnknown;
    return lost ? std::move(error).WithCode(Code::kUnavailable) : error;
  }
}

Status RestSession::Hide(const Status& status) const {
  if (status.ok()) return status;
  return Status(status.code(), WithoutSecrets(status.message(), login_->Secrets()));
}

}  // namespace moraine::catalog
