#pragma once
// Requests to a store of files that do not depend on each other. Used by checks of what is about to
// be committed.

#include <cstddef>
#include <functional>

#include "moraine/base/call.h"
#include "moraine/base/status.h"

namespace moraine::planning {

/// Threads that FanOut takes at most, the caller's among them.
inline constexpr size_t kFanOutThreads = 8;

/// Calls body with a call of its own for every i below count: on the calling thread, and on one
/// more for every each_thread of them. The first error by index ends all.
Status FanOut(const Call& call, size_t count, const std::function<Status(Call&, size_t)>& body,
              size_t each_thread = 8);

}  // namespace moraine::planning
