#include "moraine/tasks/maintenance_task.h"

#include <optional>

#include <fmt/format.h>

#include "moraine/tasks/task_pieces.h"

namespace moraine::tasks {
namespace {

constexpr std::string_view kRewriteKind = "rewrite";

Status CheckFormat(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectObject());
  MORAINE_ASSIGN(const int32_t format, json.Int32("maintenance-format"));
  if (format == kMaintenanceFormat) return {};
  return Unsupported(fmt::format("maintenance-format {} is not one of this version, which knows {}",
                                 format, kMaintenanceFormat));
}

Result<std::string> ObjectText(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(const JsonCursor object, json.Get(key));
  MORAINE_TRY(object.ExpectObject());
  return object.json().ToString();
}

Result<int64_t> AtLeast(int64_t least, const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(const JsonCursor field, json.Get(key));
  MORAINE_ASSIGN(const int64_t value, field.Int64());
  if (value < least) return field.Expected(fmt::format("a number from {} on", least));
  return value;
}

}  // namespace

std::string MaintenanceTask::OutputPrefix() const {
  std::string folder = output_folder;
  while (!folder.empty() && folder.back() == '/') folder.pop_back();
  return fmt::format("{}/{}-{}-{}-", folder, process_id, task_id, attempt);
}

Result<std::string> KindOfTask(std::string_view task_json) {
  // The whole may be hundreds of megabytes: whoever runs the task parses it, once.
  const std::optional<std::string_view> kind = FindField(task_json, "kind");
  if (!kind) return InvalidArgument("a task: kind: expected a string");
  MORAINE_ASSIGN(const Json value, Json::Parse(*kind));
  if (!value.is_string()) return InvalidArgument("a task: kind: expected a string");
  return value.as_string();
}

std::string MaintenanceTaskToJson(const MaintenanceTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("maintenance-format", kMaintenanceFormat).Field("kind", task.kind);
  out.Field("process-id", task.process_id).Field("task-id", task.task_id);
  out.Field("attempt", task.attempt).Field("table", task.table);
  out.Field("table-uuid", task.table_uuid).Field("output-folder", task.output_folder);
  out.Key("body").Raw(task.body);
  out.EndObject();
  return text;
}

Result<MaintenanceTask> MaintenanceTaskFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(CheckFormat(json));
  MaintenanceTask task;
  MORAINE_ASSIGN(task.kind, json.String("kind"));
  if (task.kind.empty() || task.kind == kRewriteKind)
    return json.Error("kind: expected one of a maintenance task");
  MORAINE_ASSIGN(task.process_id, json.String("process-id"));
  MORAINE_ASSIGN(const int64_t task_id, AtLeast(0, json, "task-id"));
  MORAINE_ASSIGN(const int64_t attempt, AtLeast(0, json, "attempt"));
  if (task_id > INT32_MAX || attempt > INT32_MAX) return json.Error("task-id: out of range");
  task.task_id = static_cast<int32_t>(task_id);
  task.attempt = static_cast<int32_t>(attempt);
  MORAINE_ASSIGN(task.table, json.String("table"));
  MORAINE_ASSIGN(task.table_uuid, json.String("table-uuid"));
  MORAINE_ASSIGN(task.output_folder, json.String("output-folder"));
  MORAINE_ASSIGN(task.body, ObjectText(json, "body"));
  return task;
}

std::string MaintenanceOutputToJson(const MaintenanceOutput& output) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("maintenance-format", kMaintenanceFormat);
  out.Key("result").Raw(output.result);
  out.Field("files", output.files).Field("bytes-read", output.bytes_read);
  out.Field("duration-ms", output.duration_ms).EndObject();
  return text;
}

Result<MaintenanceOutput> MaintenanceOutputFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(CheckFormat(json));
  MaintenanceOutput output;
  MORAINE_ASSIGN(output.result, ObjectText(json, "result"));
  MORAINE_ASSIGN(output.files, AtLeast(0, json, "files"));
  MORAINE_ASSIGN(output.bytes_read, AtLeast(0, json, "bytes-read"));
  MORAINE_ASSIGN(output.duration_ms, AtLeast(0, json, "duration-ms"));
  return output;
}

}  // namespace moraine::tasks
