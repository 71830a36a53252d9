#pragma once
// What an optimizer and the server say to each other: register, poll, acknowledge, heartbeat,
// report. The same messages run inside the server (embedded threads) and over HTTP
// (/api/v1/optimizers/..., in the OpenAPI document). Versions: this side speaks kProtocolVersion
// and accepts the one before.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::tasks {

/// 2: polls say which version they speak, and tasks come with the storage's settings and keys.
/// 3: maintenance tasks beside rewrites (kind of the task's JSON).
inline constexpr int kProtocolVersion = 3;
/// From this version on optimizers know maintenance tasks.
inline constexpr int kProtocolOfJobs = 3;
inline constexpr int64_t kMaxReportBytes = int64_t{64} << 20;

struct TaskKey {
  std::string process_id;
  int32_t task_id = 0;
  int32_t attempt = 0;
  bool operator==(const TaskKey&) const = default;
};

struct RegisterRequest {
  int protocol = kProtocolVersion;
  std::string group = "default";
  int32_t threads = 1;
  int64_t memory_bytes = 0;  ///< a thread
  std::string host;
  int64_t pid = 0;
  std::string version;
  bool embedded = false;  ///< set by the server only
};
struct RegisterReply {
  std::string token;  ///< names the optimizer in every later call
  int64_t heartbeat_interval_ms = 0;
  int64_t poll_timeout_ms = 0;
  /// Where the tables lie: an optimizer touches no file elsewhere. Set by the server's door, absent
  /// in embedded registrations.
  std::optional<std::vector<std::string>> allowed_locations;
};

struct HandedTask {
  TaskKey key;
  /// RewriteTaskToJson or MaintenanceTaskToJson (KindOfTask tells), attempt included.
  std::string task_json;
  int64_t timeout_ms = 0;  ///< of this attempt
  /// How to reach the files ("s3.endpoint", ...), fresh each time, never stored and never logged:
  /// there may be keys in it. Empty for local files, and for optimizers of protocol 1.
  iceberg::StringMap storage;
  /// Where the settings of storage hold: those of the table's warehouse. Empty: everywhere.
  std::vector<std::string> locations;
  std::string warehouse;  ///< of the table; inside the server only
};

struct RunningTask {
  TaskKey key;
  int64_t bytes_read = 0;
  int64_t rows_read = 0;
  int64_t rows_written = 0;
  int64_t files = 0;  ///< of a maintenance task: looked at, listed or removed; left out if unknown
};
struct HeartbeatRequest {
  std::string token;
  std::vector<RunningTask> running;
};
struct HeartbeatReply {
  std::vector<TaskKey> cancel;  ///< stop these and forget them
};

struct TaskReport {
  std::string token;
  TaskKey key;
  /// RewriteOutputToJson or MaintenanceOutputToJson, when it succeeded.
  std::optional<std::string> output_json;
  std::string error_code;  ///< CodeName, when it failed
  std::string error;
};

std::string ToJson(const RegisterRequest& request);
std::string ToJson(const RegisterReply& reply);
std::string ToJson(const HandedTask& task);
std::string ToJson(const HeartbeatRequest& request);
std::string ToJson(const HeartbeatReply& reply);
std::string ToJson(const TaskReport& report);
std::string ToJson(const TaskKey& key);

// All give InvalidArgument with the path of the field; a protocol version that is not spoken:
// Unsupported.
Result<RegisterRequest> RegisterRequestFromJson(const JsonCursor& json);
Result<RegisterReply> RegisterReplyFromJson(const JsonCursor& json);
Result<HandedTask> HandedTaskFromJson(const JsonCursor& json);
Result<HeartbeatRequest> HeartbeatRequestFromJson(const JsonCursor& json);
Result<HeartbeatReply> HeartbeatReplyFromJson(const JsonCursor& json);
Result<TaskReport> TaskReportFromJson(const JsonCursor& json);
Result<TaskKey> TaskKeyFromJson(const JsonCursor& json);

}  // namespace moraine::tasks
