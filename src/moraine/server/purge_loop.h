#pragma once
// Ends the holds of what was dropped, for as long as the server runs. Any number of servers on one
// store may do it at once.

#include <stop_token>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"

namespace moraine::server {

/// Returns when it is asked to stop.
void RunPurges(const Env& env, const std::stop_token& stop, catalog::Catalog& catalog);

}  // namespace moraine::server
