#pragma once
// The step family "http": one request to a handler, in process.
//
//   http POST /v1/namespaces?x=1
//   If-None-Match: "a"                 headers, if any
//   {"namespace": ["a"]}               the body
//   ----
//   200                                the status
//   ETag: <any>                        headers that must be there, if any are named
//   {"namespace": ["a"], "properties": {}}
//
// A JSON body (by its content type) is compared as JSON, any other as text.

#include "case_runner/case_runner.h"

#include "moraine/base/call.h"
#include "moraine/net/http.h"

namespace moraine::cases {

/// Each request gets a call of 30 s. The handler and what env names must outlive the family.
World::Family HttpSteps(net::Handler handler, Env env);

}  // namespace moraine::cases
