#include "moraine/optimizing/jobs.h"

#include <utility>

#include "moraine/tasks/task_packing.h"

namespace moraine::optimizing {

using store::Transaction;

Status InsertJobTasks(Transaction& t, const Job& job, const std::vector<JobTask>& tasks) {
  for (const auto& made : tasks) {
    MORAINE_ASSIGN(const std::string packed,
                   tasks::PackText(tasks::MaintenanceTaskToJson(made.task)));
    MORAINE_TRY(t.Execute(
        "INSERT INTO task (process_id, task_id, state, attempt, failures, input, output, error,"
        " optimizer, thread, handed_ms, acknowledged_ms, finished_ms, input_files, input_bytes,"
        " bytes_read, kind, job_group, job_table, job_retries,"
        " not_before_ms)"
        " VALUES (?, ?, 'planned', 0, 0, ?, '', '', '', 0, 0, 0, 0, ?, ?, 0, ?, ?, ?, ?, ?)",
        {job.job_id, int64_t{made.task.task_id}, packed, made.input_files, made.input_bytes,
         made.task.kind, job.group, job.table_id, job.retries, made.not_before_ms}));
  }
  return {};
}

Result<std::vector<JobTaskState>> JobTasks(Transaction& t, const std::string& job_id) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT input, state, attempt, failures, handed_ms, output,"
                                    " error FROM task WHERE process_id = ? ORDER BY task_id",
                                    {job_id}));
  std::vector<JobTaskState> states;
  for (const auto& row : rows) {
    JobTaskState state;
    MORAINE_ASSIGN(const std::string packed, row.Text(0));
    MORAINE_ASSIGN(state.state, row.Text(1));
    MORAINE_ASSIGN(state.attempt, row.Int(2));
    MORAINE_ASSIGN(state.task, UnpackJobTask(packed, static_cast<int32_t>(state.attempt)));
    MORAINE_ASSIGN(state.failures, row.Int(3));
    MORAINE_ASSIGN(state.handed_ms, row.Int(4));
    if (state.state == "succeeded") {
      MORAINE_ASSIGN(const std::string output, row.Text(5));
      MORAINE_ASSIGN(state.output, tasks::MaintenanceOutputFromJson(output));
    }
    MORAINE_ASSIGN(state.error, row.Text(6));
    states.push_back(std::move(state));
  }
  return states;
}

Result<JobFigures> FiguresOfJob(Transaction& t, const std::string& job_id) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT state, COUNT(*), SUM(files_seen), SUM(bytes_read),"
                         " SUM(input_files) FROM task WHERE process_id = ? GROUP BY state",
                         {job_id}));
  JobFigures figures;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(const std::string state, row.Text(0));
    MORAINE_ASSIGN(const int64_t count, row.Int(1));
    MORAINE_ASSIGN(const int64_t files, row.Int(2));
    MORAINE_ASSIGN(const int64_t bytes, row.Int(3));
    MORAINE_ASSIGN(const int64_t input_files, row.Int(4));
    figures.input_files += input_files;
    if (state == "planned") {
      figures.waiting += count;  // what an attempt has done that failed counts for nothing
      continue;
    }
    (state == "succeeded" || state == "failed" ? figures.ended : figures.running) += count;
    figures.files += files;
    figures.bytes_read += bytes;
  }
  return figures;
}

Status RetryFailedJobTasks(Transaction& t, const std::string& job_id, int64_t not_before_ms) {
  return t
      .Execute(
          "UPDATE task SET state = 'planned', failures = 0, not_before_ms = ?, optimizer = ''"
          " WHERE process_id = ? AND state = 'failed'",
          {not_before_ms, job_id})
      .status();
}

Status DeleteJobTasks(Transaction& t, const std::string& job_id) {
  return t.Execute("DELETE FROM task WHERE process_id = ?", {job_id}).status();
}

Result<tasks::MaintenanceTask> UnpackJobTask(std::string_view packed, int32_t attempt) {
  MORAINE_ASSIGN(const std::string text, tasks::UnpackText(packed));
  MORAINE_ASSIGN(auto task, tasks::MaintenanceTaskFromJson(text));
  task.attempt = attempt;
  return task;
}

}  // namespace moraine::optimizing
