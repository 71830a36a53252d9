// How Service runs requests that carry an Idempotency-Key. The change's own transaction keeps the
// key (catalog/request_keys.h), so a first request pays one statement; only what failed asks for
// the key's row, and whoever finds another's there gives that answer.

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/route_internal.h"
#include "moraine/rest/service.h"
#include "moraine/rest/table_answers.h"

namespace moraine::rest {
namespace {

/// The request's own time may be over when it is asked how it ended.
constexpr Millis kAskLimit{5'000};
/// Answers above this are made again instead.
constexpr size_t kMaxKeptAnswerBytes = 64 << 10;

/// The outcome is open: sent again under its key, the request learns it.
net::Response Unsettled(const Status& status) {
  bool unknown = status.code() == Code::kCommitUnknown;
  net::Response response = ErrorResponse(
      503, unknown ? "CommitStateUnknownException" : "ServiceUnavailableException",
      fmt::format("not known how this ended; send it again with its Idempotency-Key: {}",
                  status.message()));
  response.headers.Add("Retry-After", "1");
  return response;
}

}  // namespace

net::Answer Service::Serve(const Route& route, const Context& context) {
  bool keyed = route.replay != nullptr && options_.idempotency_key_lifetime.count() > 0 &&
               HasKey(context.request);
  if (keyed && route.replay != &Service::ReplayAnew) {
    return ServeKeyed(route, context, KeyTry::kFirst);
  }
  if (keyed) {
    Status key = KeyOf(context.call, context.request).status();
    if (!key.ok()) return Finished(std::move(key), route, context);
  }
  return Finished((this->*route.action)(context), route, context);
}

net::Response Service::Finished(Result<net::Response> response, const Route& route,
                                const Context& context) {
  if (response.ok()) return std::move(*response);
  net::Response error = ErrorOf(response.status(), route.effect);
  if (context.request.method == net::Method::kHead) error.body.clear();
  return error;
}

net::Answer Service::ServeKeyed(const Route& route, const Context& context, KeyTry tried) {
  auto keyed = KeyOf(context.call, context.request);
  if (!keyed.ok()) return ErrorOf(keyed.status(), route.effect);
  if (tried == KeyTry::kAgain) {
    auto kept = catalog_.request_keys().Find(context.call, *keyed);
    if (!kept.ok()) return Unsettled(kept.status());
    if (*kept) return Replay(route, context, *keyed, **kept);
  }
  std::string id = keyed->key + keyed->principal;
  auto turn = keys_at_work_.Enter(id);
  if (!turn) return WaitForKey(route, context, std::move(id));
  return RunKeyed(route, context, *keyed);
}

net::Answer Service::WaitForKey(const Route& route, const Context& context, std::string id) {
  catalog_.request_keys().metrics().Waited();
  auto later = std::make_shared<net::Later>();
  later->until = context.call.deadline();
  later->on_parked = [this, id = std::move(id)](std::shared_ptr<net::Waiter> waiter) {
    keys_at_work_.Watch(id, std::move(waiter));
  };
  later->resume = [this, &route, &request = context.request, params = context.params,
                   warehouse = context.warehouse](Call& call,
                                                  net::Later::Reason reason) -> net::Answer {
    if (reason == net::Later::Reason::kTimedOut) {
      return Unsettled(Unavailable("the first request with it is still at work"));
    }
    return ServeKeyed(route, {call, request, params, warehouse}, KeyTry::kAgain);
  };
  return later;
}

net::Response Service::RunKeyed(const Route& route, const Context& context,
                                const catalog::KeyedRequest& keyed) {
  using Scope = catalog::RequestKeys::Scope;
  bool takes_no_key = false;
  bool sealed = false;
  auto response = [&] {
    Scope scope(catalog_.request_keys(), context.call, keyed, route.SuccessStatus());
    auto result = (this->*route.action)(
        {context.call, context.request, context.params, context.warehouse, &takes_no_key});
    sealed = scope.sealed();
    return result;
  }();
  if (takes_no_key || (response.ok() && sealed)) {
    return Finished(std::move(response), route, context);
  }
  if (response.ok()) return KeepAnswer(route, context, keyed, std::move(*response));
  return SettleFailure(route, context, keyed, response.status());
}

net::Response Service::KeepAnswer(const Route& route, const Context& context,
                                  const catalog::KeyedRequest& keyed, net::Response response) {
  bool is_final = response.status < 300 ||
                  (response.status >= 400 && response.status < 500 && response.status != 429);
  if (!is_final) return response;
  // Keys of a store are kept nowhere.
  if (response.headers.Get("Cache-Control") == "no-store") return response;
  catalog::Receipt receipt;
  if (response.BodySize() <= kMaxKeptAnswerBytes) receipt.answer = response.BodyText();
  Status kept =
      catalog_.request_keys().Keep(context.call, keyed, response.status, std::move(receipt));
  if (kept.code() != Code::kAlreadyExists) return response;
  auto found = catalog_.request_keys().Find(context.call, keyed);
  if (!found.ok() || !*found) return response;
  return Replay(route, context, keyed, **found);
}

net::Response Service::SettleFailure(const Route& route, const Context& context,
                                     const catalog::KeyedRequest& keyed, const Status& status) {
  net::Response error = ErrorOf(status, route.effect);
  if (status.code() == Code::kUnauthenticated || status.code() == Code::kPermissionDenied) {
    return error;
  }
  Call ask(context.call.env(), kAskLimit);
  if (IsFinal(status)) {
    Status kept = catalog_.request_keys().Keep(ask, keyed, error.status, {0, "", error.BodyText()});
    if (kept.ok()) return error;
    if (kept.code() != Code::kAlreadyExists) return Unsettled(kept);
  }
  auto found = catalog_.request_keys().Find(ask, keyed);
  if (!found.ok()) return Unsettled(found.status());
  if (*found) return Replay(route, context, keyed, **found);
  return status.code() == Code::kCommitUnknown || IsFinal(status) ? Unsettled(status) : error;
}

net::Response Service::Replay(const Route& route, const Context& context,
                              const catalog::KeyedRequest& keyed, const catalog::KeptAnswer& kept) {
  if (kept.digest != keyed.digest) {
    catalog_.request_keys().metrics().Reused();
    return ErrorResponse(400, "IdempotencyKeyReused",
                         "Idempotency-Key: this key belongs to another request");
  }
  catalog_.request_keys().metrics().Replayed();
  if (!kept.receipt.answer.empty()) return net::Response::Json(kept.status, kept.receipt.answer);
  auto response = (this->*route.replay)(context, kept.receipt);
  return response.ok() ? std::move(*response) : ErrorOf(response.status(), Effect::kRead);
}

Result<net::Response> Service::ReplayNothing(const Context&, const catalog::Receipt&) {
  return net::Response::Empty(204);
}

Result<net::Response> Service::ReplayAnew(const Context& context, const catalog::Receipt&) {
  return Internal("answers of reads are not kept: " + context.request.path);
}

Result<net::Response> Service::ReplayKept(const Context&, const catalog::Receipt& receipt) {
  return net::Response::Json(200, receipt.answer);
}

Result<net::Response> Service::ReplayLoad(const Context& context, const catalog::Receipt& receipt) {
  MORAINE_ASSIGN(auto text, catalog_.MetadataOf(context.call, receipt));
  if (auto granted = GrantedReplay(context, text)) return std::move(*granted);
  return LoadAnswer(text.metadata_location, std::move(text.metadata_json));
}

Result<net::Response> Service::ReplayCommit(const Context& context,
                                            const catalog::Receipt& receipt) {
  MORAINE_ASSIGN(auto text, catalog_.MetadataOf(context.call, receipt));
  catalog::LoadedTable table;
  table.metadata_location = std::move(text.metadata_location);
  table.metadata_json = std::move(text.metadata_json);
  return CommitAnswer(table);
}

}  // namespace moraine::rest
