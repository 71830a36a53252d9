#pragma once
// Errors in the form of the Iceberg REST protocol ("ErrorModel"): status, type, message. Clients
// act on the type (which exception) and on the status (whether a commit may have landed), so both
// are decided here.

#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/net/http.h"

namespace moraine::rest {

/// {"error": {"message", "type", "code"}}.
net::Response ErrorResponse(int status, std::string_view type, std::string_view message);

/// What a failed request had asked for. A mutation's failure is certain unless it is CommitUnknown,
/// so it never answers a 5xx: clients take those for "may have landed" (decision "HTTP", commit
/// errors by phase).
enum class Effect { kRead, kMutation };
net::Response ErrorOf(const Status& status, Effect effect);

/// 404, 405 and the like of the HTTP layer, in the protocol's form.
net::Response RefusalOf(const net::Refusal& refusal, std::string_view path);

}  // namespace moraine::rest
