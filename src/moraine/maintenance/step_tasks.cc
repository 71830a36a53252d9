#include "moraine/maintenance/step_tasks.h"

#include <string>
#include <utility>

#include <fmt/format.h>

namespace moraine::maintenance {
namespace {

constexpr size_t kMostTasks = 10'000;

optimizing::JobTask JobTaskOf(NewTask made, int64_t not_before_ms, MaintenanceRun* run) {
  optimizing::JobTask task;
  task.task.kind = std::move(made.kind);
  task.task.process_id = run->run_id;
  task.task.task_id = static_cast<int32_t>(run->next_task++);
  task.task.table = run->subject.name;
  task.task.table_uuid = run->subject.table_uuid;
  task.task.output_folder = made.folder.empty()
                                ? run->output_prefix.substr(0, run->output_prefix.rfind('/'))
                                : std::move(made.folder);
  task.task.body = std::move(made.body);
  task.input_files = made.input_files;
  task.input_bytes = made.input_bytes;
  task.not_before_ms = not_before_ms;
  return task;
}

DeletionRow DeletionRowOf(const Turn& turn, int32_t task_id, FileDeletion deletion,
                          int64_t now_ms) {
  const Subject& subject = turn.run.subject;
  const catalog::LoadedTable* table = turn.facts.table.get();
  DeletionRow row;
  row.run_id = turn.run.run_id;
  row.task_id = task_id;
  row.table_id = subject.table_id;
  row.table_uuid = subject.table_uuid;
  row.table_version = table == nullptr ? 0 : table->version;
  row.metadata_location = table == nullptr ? subject.metadata_location : table->metadata_location;
  row.deletion = std::move(deletion);
  row.decided_ms = now_ms;
  return row;
}

}  // namespace

Result<StepTasks> MakeStepTasks(const Turn& turn, std::vector<NewTask> made, int64_t not_before_ms,
                                int64_t now_ms, MaintenanceRun* run) {
  if (made.empty() || made.size() > kMostTasks)
    return Internal(fmt::format("a step has {} tasks", made.size()));
  StepTasks step;
  for (NewTask& one : made) {
    auto deletion = std::move(one.deletion);
    step.tasks.push_back(JobTaskOf(std::move(one), not_before_ms, run));
    if (!deletion) continue;
    if (run->dry_run) return Internal("a dry run wants to delete files");
    step.deletions.push_back(
        DeletionRowOf(turn, step.tasks.back().task.task_id, *std::move(deletion), now_ms));
  }
  run->tasks += static_cast<int64_t>(step.tasks.size());
  return step;
}

}  // namespace moraine::maintenance
