#include "moraine/maintenance/testing/driver_fixture.h"

#include <memory>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::maintenance {
namespace {

constexpr int kMostSteps = 50;

}  // namespace

RunContext DriverFixture::Context(const std::string& state) {
  auto table = std::make_shared<catalog::LoadedTable>();
  table->table_id = 1;
  table->version = table_.commits();
  table->origin = origin_;
  table->metadata = table_.metadata();
  auto location = table_.WriteMetadata(call_);
  EXPECT_TRUE(location.ok()) << location.status().ToString();
  if (location.ok()) table->metadata_location = *location;
  RunContext context;
  context.run_id = fmt::format("run{}", runs_);
  context.table = table;
  context.config = config_;
  context.now_ms = ToMillis(env_.clock().Wall());
  context.files = &files_;
  context.dry_run = dry_run_;
  context.options = options_;
  context.state = state;
  context.memory = memory_;
  context.output_prefix =
      fmt::format("{}/.maintenance/{}-", table_.metadata()->location, context.run_id);
  return context;
}

Result<tasks::MaintenanceOutput> DriverFixture::Work(const tasks::MaintenanceTask& task) {
  return upkeep::RunMaintenanceTask(call_, files_, task, {}, nullptr);
}

std::vector<TaskResult> DriverFixture::RunTasksOf(const RunTasks& step, const RunContext& context,
                                                  RunEnd* end) {
  std::vector<TaskResult> results;
  for (const NewTask& made : step.tasks) {
    tasks::MaintenanceTask task;
    task.kind = made.kind;
    task.process_id = context.run_id;
    task.task_id = static_cast<int32_t>(end->tasks.size());
    task.attempt = 1;
    task.table = "w.ns.t";
    task.table_uuid = table_.metadata()->table_uuid;
    task.output_folder =
        made.folder.empty() ? table_.metadata()->location + "/.maintenance" : made.folder;
    task.body = made.body;
    TaskResult result{task.task_id, task.kind, task.body, {}, {}};
    auto output = Work(task);
    result.status = output.status();
    if (output.ok()) result.output = *std::move(output);
    results.push_back(std::move(result));
    end->tasks.push_back(made.kind);
  }
  ++end->rounds;
  return results;
}

RunEnd DriverFixture::Follow(Action& action, const MakeContext& make_context,
                             const std::function<void()>& meanwhile) {
  RunEnd end;
  ++runs_;
  RunContext context = make_context("{}");
  auto step = action.Start(call_, context);
  for (int i = 0; i < kMostSteps; ++i) {
    if (!step.ok()) {
      end.error = step.status();
      return end;
    }
    if (auto* nothing = std::get_if<Nothing>(&*step)) {
      end.nothing = nothing->reason;
      if (nothing->memory) memory_ = *nothing->memory;
      return end;
    }
    if (auto* done = std::get_if<Done>(&*step)) {
      end.done = *std::move(done);
      EXPECT_TRUE(Json::Parse(end.done.details).ok()) << end.done.details;
      if (end.done.memory) memory_ = *end.done.memory;
      return end;
    }
    std::vector<TaskResult> results;
    std::string state;
    if (auto* tasks = std::get_if<RunTasks>(&*step)) {
      results = RunTasksOf(*tasks, context, &end);
      state = tasks->state;
      if (end.rounds == 1 && meanwhile) meanwhile();
    } else {
      auto& change = std::get<TableChange>(*step);
      if (auto* request = std::get_if<iceberg::CommitRequest>(&change.change)) {
        end.error = table_.Apply(*request);
      } else {
        end.error =
            table_.Commit(call_, std::get<iceberg::SnapshotChanges>(change.change)).status();
      }
      if (!end.error.ok()) return end;
      ++end.commits;
      state = change.state;
    }
    context = make_context(state);
    step = action.Continue(call_, context, results);
  }
  end.error = Internal("the run does not end");
  return end;
}

RunEnd DriverFixture::Follow(Action& action, const std::function<void()>& meanwhile) {
  return Follow(
      action, [this](const std::string& state) { return Context(state); }, meanwhile);
}

RunEnd DriverFixture::Run(Action& action, const std::function<void()>& meanwhile) {
  RunEnd end = Follow(action, meanwhile);
  EXPECT_TRUE(end.error.ok()) << end.error.ToString();
  return end;
}

}  // namespace moraine::maintenance
