#pragma once
// Random bytes that nobody can foresee, from OpenSSL's generator: for secrets. Random (base) is for
// ids and everything that tests replay.

#include <cstddef>
#include <string>

#include "moraine/base/status.h"

namespace moraine::net {

/// Errors: Unavailable when the system gives no entropy.
Result<std::string> RandomBytes(size_t count);

}  // namespace moraine::net
