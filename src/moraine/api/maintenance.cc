// Maintenance of tables: what is done when and why, runs asked for, pauses, histories.

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"
#include "moraine/maintenance/controls.h"
#include "moraine/upkeep/deletion_task.h"

namespace moraine::api {
namespace {

using maintenance::ActionView;
using maintenance::Controls;
using maintenance::MaintenanceRun;
using net::Method;
using net::PathParams;
using net::Request;

constexpr size_t kDefaultLimit = 100;
constexpr size_t kMaxLimit = 1'000;
constexpr char kMaintenancePath[] =
    "/api/v1/warehouses/{warehouse}/namespaces/{namespace}/tables/{table}/maintenance";

Result<upkeep::Action> ActionOf(const std::string& name) {
  auto action = upkeep::ActionFromName(name);
  if (!action.ok()) return std::move(action).status().WithCode(Code::kNotFound);
  return action;
}

void WriteRun(const MaintenanceRun& run, JsonWriter* out) {
  out->BeginObject()
      .Field("id", run.run_id)
      .Field("action", upkeep::ActionName(run.action))
      .Field("table-id", run.subject.table_id)
      .Field("table", run.subject.name)
      .Field("state", maintenance::RunStateName(run.state))
      .Field("started-by", run.started_by)
      .Field("cancelled-by", run.cancelled_by)
      .Field("dry-run", run.dry_run)
      .Field("reason", run.reason)
      .Field("created-ms", run.created_ms)
      .Field("finished-ms", run.finished_ms)
      .Field("tasks", run.tasks)
      .Field("tries", run.tries)
      .Field("files-removed", run.files_removed)
      .Field("bytes-removed", run.bytes_removed)
      .Field("error", run.error)
      .EndObject();
}

void WriteAction(const ActionView& view, JsonWriter* out) {
  const auto& policy = view.policy;
  out->BeginObject()
      .Field("action", upkeep::ActionName(policy.action))
      .Field("enabled", policy.enabled)
      .Field("disabled-reason", policy.reason)
      .Field("schedule", policy.schedule_text)
      .Field("schedule-origin", maintenance::LevelName(policy.schedule_level))
      .Field("window", policy.window_text)
      .Field("window-origin", maintenance::LevelName(policy.window_level))
      .Field("blocked", view.blocked);
  if (view.due_ms) out->Field("due-ms", *view.due_ms);
  api::WriteSchedule(view.schedule.value_or(maintenance::Schedule{}), out);
  out->Field("last-dry-run", view.last_dry_run);
  if (view.active) {
    out->Key("active-run");
    WriteRun(*view.active, out);
  }
  out->EndObject();
}

/// What each level says, and what counts where none does.
void WriteProperties(const maintenance::EffectiveProperties& properties, JsonWriter* out) {
  out->Key("properties").BeginArray();
  const auto write = [&](const std::string& name, const std::string& value, std::string_view origin,
                         const std::string& where) {
    out->BeginObject().Field("name", name).Field("value", value).Field("origin", origin);
    if (!where.empty()) out->Field("where", where);
    out->EndObject();
  };
  for (const auto& known : maintenance::PolicyProperties()) {
    auto said = properties.find(known.name);
    if (said == properties.end()) {
      write(known.name, known.default_value, LevelName(maintenance::Level::kDefault), "");
    } else {
      write(known.name, said->second.value, LevelName(said->second.level), said->second.where);
    }
  }
  out->EndArray();
}

Result<std::string> TableText(Call& call, Controls& controls, const catalog::LoadedTable& table) {
  MORAINE_ASSIGN(auto view, controls.Look(call, table));
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("now-ms", view.now_ms).Key("actions").BeginArray();
  for (const auto& action : view.actions) WriteAction(action, &out);
  out.EndArray();
  WriteProperties(view.properties, &out);
  out.Key("problems").BeginArray();
  for (const auto& problem : view.problems) out.String(problem);
  out.EndArray().Key("holds").BeginArray();
  for (const auto& hold : view.holds) WriteHold(controls.holds(), hold, view.now_ms, &out);
  out.EndArray().Key("blockers").BeginArray();
  for (const auto& blocker : view.blockers) WriteBlocker(blocker, &out);
  out.EndArray().EndObject();
  return text;
}

Result<std::string> RunNow(Call& call, Controls& controls, const catalog::LoadedTable& table,
                           upkeep::Action action, const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  Controls::Wish wish;
  MORAINE_ASSIGN(auto dry_run, body.OptBool("dry-run"));
  wish.dry_run = dry_run.value_or(false);
  MORAINE_ASSIGN(auto options, body.Find("options"));
  if (options) {
    MORAINE_TRY(options->ExpectObject());
    wish.options = options->json().ToString();
  }
  MORAINE_ASSIGN(auto run_id, controls.RunNow(call, table, action, wish));
  std::string text;
  JsonWriter(&text).BeginObject().Field("run-id", run_id).EndObject();
  return text;
}

/// {"action": "..."}; of all when it is missing.
Result<std::optional<upkeep::Action>> OptActionOf(const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto name, body.OptString("action"));
  if (!name) return std::optional<upkeep::Action>();
  MORAINE_ASSIGN(auto action, upkeep::ActionFromName(*name));
  return std::optional<upkeep::Action>(action);
}

Result<std::string> RunsText(Call& call, Controls& controls, int64_t table_id,
                             const Request& request) {
  MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
  std::optional<upkeep::Action> action;
  if (auto name = request.Query("action")) {
    MORAINE_ASSIGN(action, upkeep::ActionFromName(*name));
  }
  const std::string before(request.Query("page-token").value_or(""));
  if (!before.empty() && !IsUuid(before)) {
    return InvalidArgument("page-token: not a token of this listing");
  }
  MORAINE_ASSIGN(auto runs, controls.Runs(call, table_id, action, before, limit));
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("runs").BeginArray();
  for (const auto& run : runs) WriteRun(run, &out);
  out.EndArray();
  if (runs.size() == limit) out.Field("next-page-token", runs.back().run_id);
  out.EndObject();
  return text;
}

/// What became of it is in the row as the task said it; a row that can't be read says nothing.
void WriteDecision(const maintenance::DeletionRow& row, JsonWriter* out) {
  upkeep::DeletionResult became;
  std::string problem;
  if (row.state == "done") {
    if (auto said = upkeep::DeletionResultFromJson(row.result); said.ok()) became = *said;
    if (became.failed > 0 && !became.failures.empty())
      problem = became.failures[0].first + ": " + became.failures[0].second;
  } else {
    problem = row.result;  // an error
  }
  out->BeginObject()
      .Field("proof", row.deletion.proof)
      .Field("list-location", row.deletion.list_location)
      .Field("files", row.deletion.files)
      .Field("bytes", row.deletion.bytes)
      .Field("table-version", row.table_version)
      .Field("state", row.state)
      .Field("files-removed", became.deleted)
      .Field("files-kept", became.kept)
      .Field("files-failed", became.failed)
      .Field("given-again", became.stale)
      .Field("problem", problem)
      .Field("decided-ms", row.decided_ms)
      .Field("finished-ms", row.finished_ms)
      .EndObject();
}

Result<std::string> RunText(Call& call, Controls& controls, const std::string& run_id) {
  MORAINE_ASSIGN(auto detail, controls.Run(call, run_id));
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("id", detail.run_id);
  if (!detail.run) {
    out.Field("waits", detail.waits).EndObject();
    return text;
  }
  out.Key("run");
  WriteRun(*detail.run, &out);
  out.Key("options").Raw(detail.run->options).Key("details").Raw(detail.run->details);
  if (const auto& progress = detail.progress; progress.tasks() > 0) {
    out.Key("progress")
        .BeginObject()
        .Field("tasks-waiting", progress.waiting)
        .Field("tasks-running", progress.running)
        .Field("tasks-ended", progress.ended)
        .Field("files", progress.files)
        .Field("files-expected", progress.input_files)
        .Field("bytes-read", progress.bytes_read)
        .EndObject();
  }
  out.Key("deletions").BeginArray();
  for (const auto& row : detail.deletions) WriteDecision(row, &out);
  out.EndArray().EndObject();
  return text;
}

Result<std::string> CancelText(Call& call, Controls& controls, const std::string& run_id) {
  MORAINE_ASSIGN(auto run, controls.Cancel(call, run_id));
  std::string text;
  JsonWriter out(&text);
  WriteRun(run, &out);
  return text;
}

}  // namespace

void WriteSchedule(const maintenance::Schedule& schedule, JsonWriter* out) {
  out->Field("reason", schedule.reason)
      .Field("last-run-ms", schedule.last_run_ms)
      .Field("last-run-id", schedule.last_run_id)
      .Field("last-state", schedule.last_state)
      .Field("last-reason", schedule.last_reason)
      .Field("failures", schedule.failures)
      .Field("last-failure", schedule.last_failure)
      .Field("retry-ms", schedule.retry_ms)
      .Field("paused", schedule.paused_ms != 0)
      .Field("paused-ms", schedule.paused_ms)
      .Field("paused-by", schedule.paused_by)
      .Field("asked-run-id", schedule.asked_run_id);
}

void Service::Impl::AddMaintenance(net::Router& router) {
  const auto add = [&](Method method, const std::string& path, auto body) {
    router.Add(method, path,
               [this, body](Call& call, const Request& request, const PathParams& params) {
                 return AnswerJson([&]() -> Result<std::string> {
                   MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                   return body(call, *maintenance, *table, request, params);
                 });
               });
  };
  add(Method::kGet, kMaintenancePath,
      [](Call& call, Controls& controls, const catalog::LoadedTable& table, const Request&,
         const PathParams&) { return TableText(call, controls, table); });
  add(Method::kGet, std::string(kMaintenancePath) + "/runs",
      [](Call& call, Controls& controls, const catalog::LoadedTable& table, const Request& request,
         const PathParams&) { return RunsText(call, controls, table.table_id, request); });
  add(Method::kPost, std::string(kMaintenancePath) + "/actions/{action}/run",
      [](Call& call, Controls& controls, const catalog::LoadedTable& table, const Request& request,
         const PathParams& params) -> Result<std::string> {
        MORAINE_ASSIGN(auto action, ActionOf(params.Get("action")));
        return RunNow(call, controls, table, action, request);
      });
  for (bool pauses : {true, false}) {
    router.Add(Method::kPost, std::string(kMaintenancePath) + (pauses ? "/pause" : "/resume"),
               [this, pauses](Call& call, const Request& request, const PathParams& params) {
                 return AnswerEmpty([&]() -> Status {
                   MORAINE_ASSIGN(auto action, OptActionOf(request));
                   MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                   return pauses ? maintenance->Pause(call, *table, action)
                                 : maintenance->Resume(call, *table, action);
                 });
               });
  }
  router.Add(Method::kGet, "/api/v1/maintenance/runs",
             [this](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&] { return RunsText(call, *maintenance, 0, request); });
             });
  router.Add(Method::kGet, "/api/v1/maintenance/runs/{run}",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&] { return RunText(call, *maintenance, params.Get("run")); });
             });
  router.Add(Method::kPost, "/api/v1/maintenance/runs/{run}/cancel",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&] { return CancelText(call, *maintenance, params.Get("run")); });
             });
}

}  // namespace moraine::api
