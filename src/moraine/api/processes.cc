// Optimizing processes: list, show with tasks, cancel.

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"

namespace moraine::api {
namespace {

using net::PathParams;
using net::Request;
using optimizing::Process;

constexpr size_t kDefaultLimit = 100;
constexpr size_t kMaxLimit = 1'000;

void WriteProcess(const Process& process, JsonWriter* out) {
  out->Field("process-id", process.process_id)
      .Field("table-id", process.table_id)
      .Field("table", process.table_name)
      .Field("group", process.group)
      .Field("type", planning::OptimizingTypeName(process.type))
      .Field("state", ProcessStateName(process.state))
      .Field("reason", process.reason)
      .Field("started-by", process.started_by)
      .Field("branch", process.branch)
      .Field("snapshot-id", process.snapshot_id)
      .Field("committed-snapshot-id", process.committed_snapshot_id)
      .Field("created-ms", process.created_ms)
      .Field("finished-ms", process.finished_ms)
      .Field("tasks", process.tasks)
      .Field("input-files", process.input_files)
      .Field("input-bytes", process.input_bytes)
      .Field("output-files", process.output_files)
      .Field("output-bytes", process.output_bytes)
      .Field("deduplicated-rows", process.deduplicated_rows)
      .Field("error", process.error);
}

std::string DetailText(const optimizing::ProcessDetail& detail) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteProcess(detail.process, &out);
  out.Key("progress")
      .BeginObject()
      .Field("planned", detail.progress.planned)
      .Field("running", detail.progress.running)
      .Field("succeeded", detail.progress.succeeded)
      .Field("failed", detail.progress.failed)
      .Field("bytes-read", detail.progress.bytes_read)
      .EndObject();
  out.Key("task-list").BeginArray();
  for (const auto& task : detail.tasks) {
    out.BeginObject()
        .Field("task-id", task.task_id)
        .Field("state", task.state)
        .Field("attempt", task.attempt)
        .Field("failures", task.failures)
        .Field("optimizer", task.optimizer)
        .Field("input-files", task.input_files)
        .Field("input-bytes", task.input_bytes)
        .Field("bytes-read", task.bytes_read)
        .Field("error", task.error)
        .EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

}  // namespace

void Service::Impl::AddProcesses(net::Router& router) {
  using net::Method;
  router.Add(Method::kGet, "/api/v1/processes",
             [this](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
                 int64_t table_id = 0;
                 if (auto text = request.Query("table-id")) {
                   auto id = ParseInt64(*text);
                   if (!id.ok()) return std::move(id).status().Annotate("table-id");
                   table_id = *id;
                 }
                 MORAINE_ASSIGN(auto processes, optimizing.Processes(call, table_id, limit));
                 std::string text;
                 JsonWriter out(&text);
                 out.BeginObject().Key("processes").BeginArray();
                 for (const auto& process : processes) {
                   out.BeginObject();
                   WriteProcess(process, &out);
                   out.EndObject();
                 }
                 out.EndArray().EndObject();
                 return text;
               });
             });
  router.Add(Method::kGet, "/api/v1/processes/{process}",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto detail, optimizing.ProcessById(call, params.Get("process")));
                 return DetailText(detail);
               });
             });
  router.Add(Method::kPost, "/api/v1/processes/{process}/cancel",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerEmpty([&] { return optimizing.Cancel(call, params.Get("process")); });
             });
}

}  // namespace moraine::api
