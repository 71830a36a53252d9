#pragma once
// A route of the service, as its table lists them. Included by service.cc and keyed_service.cc.

#include <string_view>

#include "moraine/net/http.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"

namespace moraine::rest {

struct Service::Route {
  net::Method method;
  std::string_view path;  ///< after /v1/ or /v1/{prefix}/
  Action action;
  Effect effect;
  /// The answer to a request that was carried out before, from what was kept under its
  /// Idempotency-Key; null where keys mean nothing.
  ReplayAction replay = nullptr;

  /// Of an answer that is no error.
  int SuccessStatus() const { return replay == &Service::ReplayNothing ? 204 : 200; }
};

}  // namespace moraine::rest
