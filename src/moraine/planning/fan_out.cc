#include "moraine/planning/fan_out.h"

#include <algorithm>

#include "moraine/base/executor.h"

namespace moraine::planning {

Status FanOut(const Call& call, size_t count, const std::function<Status(Call&, size_t)>& body,
              size_t each_thread) {
  const auto run = [&](size_t i) -> Status {
    Call own(call);
    MORAINE_TRY(own.Check());
    return body(own, i);
  };
  const size_t helpers = std::min((count > 0 ? count - 1 : 0) / each_thread, kFanOutThreads - 1);
  if (helpers == 0) {
    InlineExecutor alone;
    return ForEach(alone, count, 0, run);
  }
  ThreadPool pool({.name = "commit-check", .threads = helpers});
  return ForEach(pool, count, helpers, run);
}

}  // namespace moraine::planning
