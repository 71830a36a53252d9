#include "moraine/tasks/optimizer_protocol.h"

#include <fmt/format.h>

namespace moraine::tasks {
namespace {

void WriteKey(const TaskKey& key, JsonWriter* out) {
  out->BeginObject()
      .Field("process-id", key.process_id)
      .Field("task-id", key.task_id)
      .Field("attempt", key.attempt)
      .EndObject();
}

Result<TaskKey> KeyField(const JsonCursor& json) {
  MORAINE_ASSIGN(auto key, json.Get("task"));
  return TaskKeyFromJson(key);
}

}  // namespace

std::string ToJson(const TaskKey& key) {
  std::string text;
  JsonWriter out(&text);
  WriteKey(key, &out);
  return text;
}

Result<TaskKey> TaskKeyFromJson(const JsonCursor& json) {
  TaskKey key;
  MORAINE_ASSIGN(key.process_id, json.String("process-id"));
  MORAINE_ASSIGN(key.task_id, json.Int32("task-id"));
  MORAINE_ASSIGN(key.attempt, json.Int32("attempt"));
  return key;
}

std::string ToJson(const RegisterRequest& request) {
  std::string text;
  JsonWriter(&text)
      .BeginObject()
      .Field("protocol", request.protocol)
      .Field("group", request.group)
      .Field("threads", request.threads)
      .Field("memory-bytes", request.memory_bytes)
      .Field("host", request.host)
      .Field("pid", request.pid)
      .Field("version", request.version)
      .EndObject();
  return text;
}

Result<RegisterRequest> RegisterRequestFromJson(const JsonCursor& json) {
  RegisterRequest request;
  MORAINE_ASSIGN(request.protocol, json.Int32("protocol"));
  if (request.protocol < kProtocolVersion - 1 || request.protocol > kProtocolVersion) {
    return Unsupported(fmt::format("protocol: this server speaks version {}, the optimizer {}",
                                   kProtocolVersion, request.protocol));
  }
  MORAINE_ASSIGN(request.group, json.String("group"));
  if (request.group.empty()) return json.Error("group: expected a name");
  MORAINE_ASSIGN(request.threads, json.Int32("threads"));
  if (request.threads < 1 || request.threads > 4096) {
    return json.Error("threads: expected a number from 1 to 4096");
  }
  MORAINE_ASSIGN(request.memory_bytes, json.Int64("memory-bytes"));
  if (request.memory_bytes < 0)
    return json.Error("memory-bytes: expected a number that is not negative");
  MORAINE_ASSIGN(auto host, json.OptString("host"));
  request.host = host.value_or("");
  MORAINE_ASSIGN(auto pid, json.OptInt64("pid"));
  request.pid = pid.value_or(0);
  MORAINE_ASSIGN(auto version, json.OptString("version"));
  request.version = version.value_or("");
  return request;
}

std::string ToJson(const RegisterReply& reply) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject()
      .Field("token", reply.token)
      .Field("heartbeat-interval-ms", reply.heartbeat_interval_ms)
      .Field("poll-timeout-ms", reply.poll_timeout_ms);
  if (reply.allowed_locations) {
    out.Key("allowed-locations").BeginArray();
    for (const auto& location : *reply.allowed_locations) out.String(location);
    out.EndArray();
  }
  out.EndObject();
  return text;
}

Result<RegisterReply> RegisterReplyFromJson(const JsonCursor& json) {
  RegisterReply reply;
  MORAINE_ASSIGN(reply.token, json.String("token"));
  MORAINE_ASSIGN(reply.heartbeat_interval_ms, json.Int64("heartbeat-interval-ms"));
  MORAINE_ASSIGN(reply.poll_timeout_ms, json.Int64("poll-timeout-ms"));
  MORAINE_ASSIGN(auto locations, json.Find("allowed-locations"));
  if (locations) {
    MORAINE_TRY(locations->ExpectArray());
    reply.allowed_locations.emplace();
    for (size_t i = 0; i < locations->size(); ++i) {
      MORAINE_ASSIGN(reply.allowed_locations->emplace_back(), locations->At(i).String());
    }
  }
  return reply;
}

std::string ToJson(const HandedTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("task");
  WriteKey(task.key, &out);
  out.Field("timeout-ms", task.timeout_ms).Key("storage");
  iceberg::WriteStringMap(task.storage, &out);
  out.Key("storage-locations").BeginArray();
  for (const auto& location : task.locations) out.String(location);
  out.EndArray().Key("input").Raw(task.task_json).EndObject();
  return text;
}

Result<HandedTask> HandedTaskFromJson(const JsonCursor& json) {
  HandedTask task;
  MORAINE_ASSIGN(task.key, KeyField(json));
  MORAINE_ASSIGN(task.timeout_ms, json.Int64("timeout-ms"));
  MORAINE_ASSIGN(auto storage, json.Find("storage"));
  if (storage) {
    MORAINE_ASSIGN(task.storage, iceberg::StringMapFromJson(*storage));
  }
  MORAINE_ASSIGN(auto locations, json.Find("storage-locations"));
  if (locations) {
    MORAINE_TRY(locations->ExpectArray());
    for (size_t i = 0; i < locations->size(); ++i) {
      MORAINE_ASSIGN(task.locations.emplace_back(), locations->At(i).String());
    }
  }
  MORAINE_ASSIGN(auto input, json.Get("input"));
  task.task_json = input.json().ToString();
  return task;
}

std::string ToJson(const HeartbeatRequest& request) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("token", request.token).Key("running").BeginArray();
  for (const auto& running : request.running) {
    out.BeginObject().Key("task");
    WriteKey(running.key, &out);
    out.Field("bytes-read", running.bytes_read)
        .Field("rows-read", running.rows_read)
        .Field("rows-written", running.rows_written)
        .Field("files", running.files)
        .EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

Result<HeartbeatRequest> HeartbeatRequestFromJson(const JsonCursor& json) {
  HeartbeatRequest request;
  MORAINE_ASSIGN(request.token, json.String("token"));
  MORAINE_ASSIGN(auto running, json.Get("running"));
  MORAINE_TRY(running.ExpectArray());
  for (size_t i = 0; i < running.size(); ++i) {
    JsonCursor item = running.At(i);
    RunningTask task;
    MORAINE_ASSIGN(task.key, KeyField(item));
    MORAINE_ASSIGN(task.bytes_read, item.Int64("bytes-read"));
    MORAINE_ASSIGN(task.rows_read, item.Int64("rows-read"));
    MORAINE_ASSIGN(task.rows_written, item.Int64("rows-written"));
    MORAINE_ASSIGN(const auto files, item.OptInt64("files"));
    task.files = files.value_or(0);
    request.running.push_back(std::move(task));
  }
  return request;
}

std::string ToJson(const HeartbeatReply& reply) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("cancel").BeginArray();
  for (const auto& key : reply.cancel) WriteKey(key, &out);
  out.EndArray().EndObject();
  return text;
}

Result<HeartbeatReply> HeartbeatReplyFromJson(const JsonCursor& json) {
  HeartbeatReply reply;
  MORAINE_ASSIGN(auto cancel, json.Get("cancel"));
  MORAINE_TRY(cancel.ExpectArray());
  for (size_t i = 0; i < cancel.size(); ++i) {
    MORAINE_ASSIGN(auto key, TaskKeyFromJson(cancel.At(i)));
    reply.cancel.push_back(std::move(key));
  }
  return reply;
}

std::string ToJson(const TaskReport& report) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("token", report.token).Key("task");
  WriteKey(report.key, &out);
  if (report.output_json) {
    out.Key("output").Raw(*report.output_json);
  } else {
    out.Field("error-code", report.error_code).Field("error", report.error);
  }
  out.EndObject();
  return text;
}

Result<TaskReport> TaskReportFromJson(const JsonCursor& json) {
  TaskReport report;
  MORAINE_ASSIGN(report.token, json.String("token"));
  MORAINE_ASSIGN(report.key, KeyField(json));
  MORAINE_ASSIGN(auto output, json.Find("output"));
  if (output) {
    report.output_json = output->json().ToString();
    return report;
  }
  MORAINE_ASSIGN(report.error_code, json.String("error-code"));
  MORAINE_ASSIGN(report.error, json.String("error"));
  return report;
}

}  // namespace moraine::tasks
