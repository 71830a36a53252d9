#include "moraine/optimizing/process_store.h"

#include <fmt/format.h>

namespace moraine::optimizing {
namespace {

using store::Row;
using store::Transaction;
using store::Value;

constexpr std::string_view kStateNames[] = {"running", "committing", "succeeded", "failed",
                                            "cancelled"};

constexpr std::string_view kColumns =
    "process_id, table_id, table_name, resource_group, type, state, reason, snapshot_id, "
    "sequence_number,"
    " quota_threads, num_retries, partial_commit, created_ms, finished_ms, tasks, input_files, "
    "input_bytes,"
    " output_files, output_bytes, committed_snapshot_id, commit_attempts, error, started_by, "
    "branch,"
    " deduplicated_rows";

Result<Process> FromRow(const Row& row) {
  Process p;
  MORAINE_ASSIGN(p.process_id, row.Text(0));
  MORAINE_ASSIGN(p.table_id, row.Int(1));
  MORAINE_ASSIGN(p.table_name, row.Text(2));
  MORAINE_ASSIGN(p.group, row.Text(3));
  MORAINE_ASSIGN(auto type, row.Text(4));
  p.type = planning::OptimizingTypeFromName(type).value_or(planning::OptimizingType::kNone);
  MORAINE_ASSIGN(auto state, row.Text(5));
  bool known = false;
  for (size_t i = 0; i < std::size(kStateNames); ++i) {
    if (kStateNames[i] != state) continue;
    p.state = static_cast<ProcessState>(i);
    known = true;
  }
  if (!known) return Corruption(fmt::format("process.state: unknown state {}", state));
  MORAINE_ASSIGN(p.reason, row.Text(6));
  MORAINE_ASSIGN(p.snapshot_id, row.Int(7));
  MORAINE_ASSIGN(p.sequence_number, row.Int(8));
  MORAINE_ASSIGN(p.quota_threads, row.Int(9));
  MORAINE_ASSIGN(p.num_retries, row.Int(10));
  MORAINE_ASSIGN(int64_t partial, row.Int(11));
  p.partial_commit = partial != 0;
  MORAINE_ASSIGN(p.created_ms, row.Int(12));
  MORAINE_ASSIGN(p.finished_ms, row.Int(13));
  MORAINE_ASSIGN(p.tasks, row.Int(14));
  MORAINE_ASSIGN(p.input_files, row.Int(15));
  MORAINE_ASSIGN(p.input_bytes, row.Int(16));
  MORAINE_ASSIGN(p.output_files, row.Int(17));
  MORAINE_ASSIGN(p.output_bytes, row.Int(18));
  MORAINE_ASSIGN(p.committed_snapshot_id, row.Int(19));
  MORAINE_ASSIGN(p.commit_attempts, row.Int(20));
  MORAINE_ASSIGN(p.error, row.Text(21));
  MORAINE_ASSIGN(auto started_by, row.OptText(22));
  p.started_by = started_by.value_or(kByRules);
  MORAINE_ASSIGN(auto branch, row.OptText(23));
  p.branch = branch.value_or(iceberg::kMainBranch);
  MORAINE_ASSIGN(p.deduplicated_rows, row.Int(24));
  return p;
}

Result<std::vector<Process>> Select(Transaction& t, std::string_view rest,
                                    const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(auto rows,
                 t.Query(fmt::format("SELECT {} FROM process {}", kColumns, rest), parameters));
  std::vector<Process> processes;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto process, FromRow(row));
    processes.push_back(std::move(process));
  }
  return processes;
}

}  // namespace

std::string_view ProcessStateName(ProcessState state) {
  return kStateNames[static_cast<size_t>(state)];
}

Status InsertProcess(Transaction& t, const Process& p,
                     const std::vector<tasks::RewriteTask>& tasks) {
  MORAINE_TRY(t.Execute("INSERT INTO active_process (table_id, process_id) VALUES (?, ?)",
                        {p.table_id, p.process_id}));
  MORAINE_TRY(t.Execute(fmt::format("INSERT INTO process ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                                    " ?, ?, ?, ?, ?)",
                                    kColumns),
                        {p.process_id,
                         p.table_id,
                         p.table_name,
                         p.group,
                         std::string(OptimizingTypeName(p.type)),
                         std::string(ProcessStateName(p.state)),
                         p.reason,
                         p.snapshot_id,
                         p.sequence_number,
                         p.quota_threads,
                         p.num_retries,
                         int64_t{p.partial_commit ? 1 : 0},
                         p.created_ms,
                         p.finished_ms,
                         p.tasks,
                         p.input_files,
                         p.input_bytes,
                         p.output_files,
                         p.output_bytes,
                         p.committed_snapshot_id,
                         p.commit_attempts,
                         p.error,
                         p.started_by,
                         p.branch,
                         p.deduplicated_rows}));
  for (const auto& task : tasks) {
    MORAINE_ASSIGN(auto packed, tasks::PackTask(task));
    MORAINE_TRY(t.Execute(
        "INSERT INTO task (process_id, task_id, state, attempt, failures, input, output, error, "
        "optimizer,"
        " thread, handed_ms, acknowledged_ms, finished_ms, input_files, input_bytes, bytes_read)"
        " VALUES (?, ?, 'planned', 0, 0, ?, '', '', '', 0, 0, 0, 0, ?, ?, 0)",
        {p.process_id, int64_t{task.task_id}, packed, task.input_files(), task.input_bytes()}));
  }
  return {};
}

Status SaveProcess(Transaction& t, const Process& p) {
  MORAINE_ASSIGN(
      int64_t changed,
      t.Execute(
          "UPDATE process SET state = ?, finished_ms = ?, output_files = ?, output_bytes = ?,"
          " committed_snapshot_id = ?, commit_attempts = ?, error = ?, deduplicated_rows = ? WHERE"
          " process_id = ? AND state IN ('running', 'committing')",
          {std::string(ProcessStateName(p.state)), p.finished_ms, p.output_files, p.output_bytes,
           p.committed_snapshot_id, p.commit_attempts, p.error, p.deduplicated_rows,
           p.process_id}));
  if (changed > 0) return {};
  return Conflict(fmt::format("the process {} has ended already", p.process_id));
}

Status EndProcess(Transaction& t, const Process& p) {
  MORAINE_TRY(SaveProcess(t, p));
  MORAINE_TRY(t.Execute("DELETE FROM task WHERE process_id = ?", {p.process_id}));
  MORAINE_TRY(t.Execute("DELETE FROM active_process WHERE table_id = ? AND process_id = ?",
                        {p.table_id, p.process_id}));
  return {};
}

Result<std::optional<Process>> FindProcess(Transaction& t, const std::string& process_id) {
  MORAINE_ASSIGN(auto found, Select(t, "WHERE process_id = ?", {process_id}));
  if (found.empty()) return std::optional<Process>();
  return std::optional<Process>(std::move(found[0]));
}

Result<std::optional<Process>> ActiveProcess(Transaction& t, int64_t table_id) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT process_id FROM active_process WHERE table_id = ?", {table_id}));
  if (rows.empty()) return std::optional<Process>();
  MORAINE_ASSIGN(auto process_id, rows[0].Text(0));
  return FindProcess(t, process_id);
}

Result<std::vector<Process>> OpenProcesses(Transaction& t, const std::string& which) {
  return Select(t,
                fmt::format("WHERE state IN ('running', 'committing'){} ORDER BY created_ms,"
                            " process_id",
                            which),
                {});
}

Result<std::vector<Process>> RecentProcesses(Transaction& t, int64_t table_id, size_t limit) {
  if (table_id == 0) {
    return Select(t, "ORDER BY created_ms DESC, process_id DESC LIMIT ?",
                  {static_cast<int64_t>(limit)});
  }
  return Select(t, "WHERE table_id = ? ORDER BY created_ms DESC, process_id DESC LIMIT ?",
                {table_id, static_cast<int64_t>(limit)});
}

Result<ProcessProgress> Progress(Transaction& t, const std::string& process_id) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query(
          "SELECT state, COUNT(*), SUM(bytes_read) FROM task WHERE process_id = ? GROUP BY state",
          {process_id}));
  ProcessProgress progress;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto state, row.Text(0));
    MORAINE_ASSIGN(int64_t count, row.Int(1));
    MORAINE_ASSIGN(int64_t bytes, row.Int(2));
    if (state == "planned") progress.planned += count;
    if (state == "scheduled" || state == "acknowledged") progress.running += count;
    if (state == "succeeded") progress.succeeded += count;
    if (state == "failed") progress.failed += count;
    if (state != "planned" && state != "failed") progress.bytes_read += bytes;
  }
  return progress;
}

Result<std::vector<TaskRow>> TaskRows(Transaction& t, const std::string& process_id) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT task_id, state, attempt, failures, error, optimizer, handed_ms, "
                         "finished_ms, input_files,"
                         " input_bytes, bytes_read FROM task WHERE process_id = ? ORDER BY task_id",
                         {process_id}));
  std::vector<TaskRow> tasks;
  for (const auto& row : rows) {
    TaskRow task;
    MORAINE_ASSIGN(int64_t task_id, row.Int(0));
    task.task_id = static_cast<int32_t>(task_id);
    MORAINE_ASSIGN(task.state, row.Text(1));
    MORAINE_ASSIGN(task.attempt, row.Int(2));
    MORAINE_ASSIGN(task.failures, row.Int(3));
    MORAINE_ASSIGN(task.error, row.Text(4));
    MORAINE_ASSIGN(task.optimizer, row.Text(5));
    MORAINE_ASSIGN(task.handed_ms, row.Int(6));
    MORAINE_ASSIGN(task.finished_ms, row.Int(7));
    MORAINE_ASSIGN(task.input_files, row.Int(8));
    MORAINE_ASSIGN(task.input_bytes, row.Int(9));
    MORAINE_ASSIGN(task.bytes_read, row.Int(10));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Result<std::vector<FinishedTask>> FinishedTasks(Transaction& t, const std::string& process_id) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT input, attempt, output FROM task WHERE process_id = ? "
                                    "AND state = 'succeeded' ORDER BY task_id",
                                    {process_id}));
  std::vector<FinishedTask> finished;
  for (const auto& row : rows) {
    FinishedTask item;
    MORAINE_ASSIGN(auto packed, row.Text(0));
    MORAINE_ASSIGN(item.task, tasks::UnpackTask(packed));
    MORAINE_ASSIGN(int64_t attempt, row.Int(1));
    item.task.attempt = static_cast<int32_t>(attempt);
    MORAINE_ASSIGN(auto output, row.Text(2));
    MORAINE_ASSIGN(item.output, tasks::RewriteOutputFromJson(output, item.task));
    finished.push_back(std::move(item));
  }
  return finished;
}

Result<std::vector<Attempt>> Attempts(Transaction& t, const std::string& process_id) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT input, attempt, state, handed_ms FROM task WHERE"
                                    " process_id = ? AND attempt > 0 ORDER BY task_id",
                                    {process_id}));
  std::vector<Attempt> attempts;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto packed, row.Text(0));
    auto task = tasks::UnpackTask(packed);
    // Nothing was ever handed out of a row that can't be read.
    if (!task.ok()) continue;
    MORAINE_ASSIGN(int64_t last, row.Int(1));
    MORAINE_ASSIGN(auto state, row.Text(2));
    MORAINE_ASSIGN(int64_t handed_ms, row.Int(3));
    for (int64_t number = 1; number <= last; ++number) {
      task->attempt = static_cast<int32_t>(number);
      Attempt attempt;
      attempt.key = {process_id, task->task_id, task->attempt};
      attempt.prefix = task->OutputPrefix();
      attempt.succeeded = number == last && state == "succeeded";
      attempt.handed_ms = handed_ms;
      attempts.push_back(std::move(attempt));
    }
  }
  return attempts;
}

Result<std::string> FirstTaskError(Transaction& t, const std::string& process_id) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT error FROM task WHERE process_id = ? AND error <> '' "
                                    "ORDER BY state = 'failed' DESC, task_id LIMIT 1",
                                    {process_id}));
  if (rows.empty()) return std::string();
  return rows[0].Text(0);
}

Status TrimProcesses(Transaction& t, int64_t before_ms) {
  MORAINE_TRY(
      t.Execute("DELETE FROM process WHERE finished_ms > 0 AND finished_ms < ? AND state NOT IN "
                "('running', 'committing')",
                {before_ms}));
  return {};
}

}  // namespace moraine::optimizing
