// Tasks as rows and messages of the optimizer protocol.

#include "fuzz/fuzz.h"

#include "moraine/tasks/optimizer_protocol.h"
#include "moraine/tasks/rewrite_task.h"

MORAINE_FUZZ(bytes) {
  using namespace moraine::tasks;  // NOLINT: a fuzz entry
  (void)UnpackTask(bytes);
  if (moraine::Result<RewriteTask> task = RewriteTaskFromJson(bytes); task.ok()) {
    std::string text = RewriteTaskToJson(*task);
    moraine::Result<RewriteTask> again = RewriteTaskFromJson(text);
    ExpectSame(again.ok() && RewriteTaskToJson(*again) == text, "a task", text,
               again.ok() ? "" : again.status().ToString());
    (void)RewriteOutputFromJson(bytes, *task);
  }
  moraine::Result<moraine::Json> json = moraine::Json::Parse(bytes);
  if (!json.ok()) return;
  moraine::JsonCursor cursor(*json);
  (void)RegisterRequestFromJson(cursor);
  (void)RegisterReplyFromJson(cursor);
  (void)HandedTaskFromJson(cursor);
  (void)HeartbeatRequestFromJson(cursor);
  (void)HeartbeatReplyFromJson(cursor);
  (void)TaskReportFromJson(cursor);
}
