// Functions (REST spec, "functions" routes, read only there): this catalog keeps none, and says so
// as the protocol has it.

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"

namespace moraine::rest {

Result<net::Response> Service::ListFunctions(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_TRY(PageFromQuery(context.request).status());
  MORAINE_TRY(catalog_.LoadNamespace(context.call, context.warehouse, ns).status());
  return net::Response::Json(200, R"({"identifiers":[],"next-page-token":null})");
}

Result<net::Response> Service::LoadFunction(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_TRY(catalog_.LoadNamespace(context.call, context.warehouse, ns).status());
  return ErrorResponse(404, "NoSuchFunctionException",
                       fmt::format("Function does not exist: {}.{}", catalog::ToText(ns),
                                   context.params.Get("function")));
}

}  // namespace moraine::rest
