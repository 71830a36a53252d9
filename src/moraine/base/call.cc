#include "moraine/base/call.h"

namespace moraine {

Status Call::Check() const {
  if (stop_.stop_requested()) return Cancelled("the work was cancelled");
  if (env_.clock.Mono() >= deadline_) return DeadlineExceeded("out of time");
  return {};
}

}  // namespace moraine
