#pragma once
// How commands wait for what a server does: they look again and again, over a restart of it, too.

#include <string>

#include "moraine/cli/commands.h"

namespace moraine::cli {

/// Errors: Cancelled when the person stops waiting.
Status PauseBetweenLooks(Session& session);

/// As Client::Get, but a server that can't be reached is waited for, a minute at most.
Result<Answer> PatientGet(Session& session, const std::string& path,
                          const net::QueryParams& query = {});

}  // namespace moraine::cli
