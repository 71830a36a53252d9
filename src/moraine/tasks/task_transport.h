#pragma once
// The way between an optimizer and the server, as a seam: the server's own queue
// (optimizing/task_queue.h) for embedded threads, HTTP for processes
// (worker/http_task_transport.h), a simulator in tests.

#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/tasks/optimizer_protocol.h"

namespace moraine::tasks {

/// Thread-safe. Errors of all: NotFound = the token is not (or no longer) known, register again;
/// Unavailable, Deadline, Exhausted = try again later.
class TaskTransport {
 public:
  virtual ~TaskTransport() = default;
  virtual Result<RegisterReply> Register(Call& call, const RegisterRequest& request) = 0;
  /// Waits up to the call's deadline for a task; nothing when there is none by then. thread is from
  /// 0.
  virtual Result<std::optional<HandedTask>> Poll(Call& call, const std::string& token,
                                                 int32_t thread) = 0;
  /// Must come soon after Poll, else the task goes to another. Conflict: the attempt is no longer
  /// wanted.
  virtual Status Acknowledge(Call& call, const std::string& token, const TaskKey& key) = 0;
  virtual Result<HeartbeatReply> Heartbeat(Call& call, const HeartbeatRequest& request) = 0;
  /// Conflict: the attempt is old; the server removes its files.
  virtual Status Report(Call& call, const TaskReport& report) = 0;
  /// Gives back what the optimizer holds; called at a clean end.
  virtual Status Unregister(Call& call, const std::string& token) = 0;
};

}  // namespace moraine::tasks
