#include "moraine/maintenance/run_store.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/subject_json.h"
#include "moraine/tasks/task_packing.h"

namespace moraine::maintenance {
namespace {

using store::Row;
using store::Transaction;
using store::Value;

constexpr std::string_view kStateNames[] = {"running", "succeeded", "nothing", "failed",
                                            "cancelled"};

constexpr std::string_view kColumns =
    "run_id, table_id, action, subject, state, started_by, dry_run, options, reason, stage, steps,"
    " next_task, must_finish, tries, not_before_ms, may_write_until_ms, output_prefix, created_ms,"
    " finished_ms, tasks, files_removed, bytes_removed, details, error, row_version";

Result<RunState> StateFromName(const std::string& name) {
  for (size_t i = 0; i < std::size(kStateNames); ++i) {
    if (kStateNames[i] == name) return static_cast<RunState>(i);
  }
  return Corruption(fmt::format("maintenance_run.state: unknown state {}", name));
}

Result<MaintenanceRun> FromRow(const Row& row) {
  MaintenanceRun r;
  MORAINE_ASSIGN(r.run_id, row.Text(0));
  MORAINE_ASSIGN(const int64_t table_id, row.Int(1));
  MORAINE_ASSIGN(const std::string action, row.Text(2));
  MORAINE_ASSIGN(r.action, upkeep::ActionFromName(action));
  MORAINE_ASSIGN(const std::string subject, row.Text(3));
  MORAINE_ASSIGN(r.subject, SubjectFromJson(subject, table_id));
  MORAINE_ASSIGN(const std::string state, row.Text(4));
  MORAINE_ASSIGN(r.state, StateFromName(state));
  MORAINE_ASSIGN(r.started_by, row.Text(5));
  MORAINE_ASSIGN(const int64_t dry_run, row.Int(6));
  r.dry_run = dry_run != 0;
  MORAINE_ASSIGN(r.options, row.Text(7));
  MORAINE_ASSIGN(r.reason, row.Text(8));
  MORAINE_ASSIGN(const std::string stage, row.Text(9));
  MORAINE_ASSIGN(r.stage, tasks::UnpackText(stage));
  int64_t must_finish = 0;
  int64_t* const numbers[] = {
      &r.steps, &r.next_task,  &must_finish,   &r.tries, &r.not_before_ms, &r.may_write_until_ms,
      nullptr,  &r.created_ms, &r.finished_ms, &r.tasks, &r.files_removed, &r.bytes_removed};
  for (size_t i = 0; i < std::size(numbers); ++i) {
    if (numbers[i] == nullptr) continue;  // a text
    MORAINE_ASSIGN(*numbers[i], row.Int(10 + i));
  }
  r.must_finish = must_finish != 0;
  MORAINE_ASSIGN(r.output_prefix, row.Text(16));
  MORAINE_ASSIGN(r.details, row.Text(22));
  MORAINE_ASSIGN(r.error, row.Text(23));
  MORAINE_ASSIGN(r.row_version, row.Int(24));
  MORAINE_ASSIGN(auto cancelled_by, row.OptText(25));
  r.cancelled_by = std::move(cancelled_by).value_or("");
  return r;
}

Result<std::vector<MaintenanceRun>> Select(Transaction& t, std::string_view rest,
                                           const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(auto rows, t.Query(fmt::format("SELECT {}, cancelled_by FROM maintenance_run {}",
                                                kColumns, rest),
                                    parameters));
  std::vector<MaintenanceRun> runs;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(const std::string action, row.Text(2));
    if (!upkeep::ActionFromName(action).ok()) continue;  // of a newer version
    MORAINE_ASSIGN(auto run, FromRow(row));
    runs.push_back(std::move(run));
  }
  return runs;
}

std::string Name(upkeep::Action action) { return std::string(upkeep::ActionName(action)); }

}  // namespace

std::string_view RunStateName(RunState state) { return kStateNames[static_cast<size_t>(state)]; }

Status InsertRun(Transaction& t, const MaintenanceRun& r) {
  MORAINE_TRY(
      t.Execute("INSERT INTO maintenance_active (table_id, action, run_id) VALUES (?, ?,"
                " ?)",
                {r.subject.table_id, Name(r.action), r.run_id}));
  MORAINE_ASSIGN(const std::string stage, tasks::PackText(r.stage));
  return t
      .Execute(fmt::format("INSERT INTO maintenance_run ({}, table_name) VALUES (?, ?, ?, ?, ?, ?,"
                           " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
                           kColumns),
               {r.run_id,
                r.subject.table_id,
                Name(r.action),
                SubjectToJson(r.subject),
                std::string(RunStateName(r.state)),
                r.started_by,
                int64_t{r.dry_run ? 1 : 0},
                r.options,
                r.reason,
                stage,
                r.steps,
                r.next_task,
                int64_t{r.must_finish ? 1 : 0},
                r.tries,
                r.not_before_ms,
                r.may_write_until_ms,
                r.output_prefix,
                r.created_ms,
                r.finished_ms,
                r.tasks,
                r.files_removed,
                r.bytes_removed,
                r.details,
                r.error,
                r.subject.name})
      .status();
}

Status SaveRun(Transaction& t, const MaintenanceRun& r) {
  MORAINE_ASSIGN(const std::string stage, tasks::PackText(r.stage));
  MORAINE_ASSIGN(
      const int64_t changed,
      t.Execute("UPDATE maintenance_run SET subject = ?, state = ?, reason = ?, stage = ?,"
                " steps = ?, next_task = ?, must_finish = ?, tries = ?, not_before_ms = ?,"
                " may_write_until_ms = ?, output_prefix = ?, finished_ms = ?, tasks = ?,"
                " files_removed = ?, bytes_removed = ?, details = ?, error = ?, cancelled_by = ?,"
                " row_version = row_version + 1"
                " WHERE run_id = ? AND row_version = ? AND state = 'running'",
                {SubjectToJson(r.subject),
                 std::string(RunStateName(r.state)),
                 r.reason,
                 stage,
                 r.steps,
                 r.next_task,
                 int64_t{r.must_finish ? 1 : 0},
                 r.tries,
                 r.not_before_ms,
                 r.may_write_until_ms,
                 r.output_prefix,
                 r.finished_ms,
                 r.tasks,
                 r.files_removed,
                 r.bytes_removed,
                 r.details,
                 r.error,
                 r.cancelled_by,
                 r.run_id,
                 r.row_version}));
  if (changed > 0) return {};
  return Conflict(fmt::format("the run {} has gone on meanwhile", r.run_id));
}

Status EndRun(Transaction& t, const MaintenanceRun& run) {
  MORAINE_TRY(SaveRun(t, run));
  return t
      .Execute("DELETE FROM maintenance_active WHERE table_id = ? AND action = ? AND run_id = ?",
               {run.subject.table_id, Name(run.action), run.run_id})
      .status();
}

Result<std::optional<MaintenanceRun>> FindRun(Transaction& t, const std::string& run_id) {
  MORAINE_ASSIGN(auto found, Select(t, "WHERE run_id = ?", {run_id}));
  if (found.empty()) return std::optional<MaintenanceRun>();
  return std::optional<MaintenanceRun>(std::move(found[0]));
}

Result<std::optional<MaintenanceRun>> ActiveRun(Transaction& t, int64_t table_id,
                                                upkeep::Action action) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT run_id FROM maintenance_active WHERE table_id = ? AND action = ?",
                         {table_id, Name(action)}));
  if (rows.empty()) return std::optional<MaintenanceRun>();
  MORAINE_ASSIGN(const std::string run_id, rows[0].Text(0));
  return FindRun(t, run_id);
}

Result<std::vector<MaintenanceRun>> ReadyRuns(Transaction& t, int64_t now_ms, size_t limit,
                                              const std::string& which) {
  return Select(t,
                fmt::format("r WHERE r.run_id IN (SELECT run_id FROM maintenance_active) AND"
                            " r.not_before_ms <= ?{} AND NOT EXISTS (SELECT k.task_id FROM task k"
                            " WHERE k.process_id = r.run_id AND k.state IN ('planned', 'scheduled',"
                            " 'acknowledged')) ORDER BY r.created_ms, r.run_id LIMIT ?",
                            which),
                {now_ms, static_cast<int64_t>(limit)});
}

Result<std::vector<MaintenanceRun>> OpenRuns(Transaction& t, int64_t table_id) {
  std::vector<Value> values;
  if (table_id != 0) values.emplace_back(table_id);
  return Select(t,
                fmt::format("WHERE run_id IN (SELECT run_id FROM maintenance_active{}) ORDER BY"
                            " created_ms, run_id",
                            table_id == 0 ? "" : " WHERE table_id = ?"),
                values);
}

Result<std::vector<MaintenanceRun>> RecentRuns(Transaction& t, int64_t table_id,
                                               std::optional<upkeep::Action> action,
                                               const std::string& before, size_t limit) {
  std::string where;
  std::vector<Value> values;
  const auto add = [&](std::string_view condition) {
    where += where.empty() ? "WHERE " : " AND ";
    where += condition;
  };
  if (table_id != 0) {
    add("table_id = ?");
    values.emplace_back(table_id);
  }
  if (action) {
    add("action = ?");
    values.emplace_back(Name(*action));
  }
  if (!before.empty()) {  // ids grow with time
    add("run_id < ?");
    values.emplace_back(before);
  }
  values.emplace_back(static_cast<int64_t>(limit));
  return Select(t, where + " ORDER BY run_id DESC LIMIT ?", values);
}

Status TrimRuns(Transaction& t, int64_t before_ms) {
  MORAINE_TRY(
      t.Execute("DELETE FROM maintenance_run WHERE finished_ms > 0 AND finished_ms < ? AND state <>"
                " 'running'",
                {before_ms}));
  return t
      .Execute("DELETE FROM file_deletion WHERE finished_ms > 0 AND finished_ms < ?", {before_ms})
      .status();
}

Status InsertDeletion(Transaction& t, const DeletionRow& row) {
  return t
      .Execute(
          "INSERT INTO file_deletion (run_id, task_id, table_id, table_uuid, table_version,"
          " metadata_location, proof, list_location, files, bytes, decided_ms, finished_ms,"
          " state, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'open', '')",
          {row.run_id, row.task_id, row.table_id, row.table_uuid, row.table_version,
           row.metadata_location, row.deletion.proof, row.deletion.list_location,
           row.deletion.files, row.deletion.bytes, row.decided_ms})
      .status();
}

Status FinishDeletion(Transaction& t, const std::string& run_id, int64_t task_id,
                      const std::string& state, const std::string& result, int64_t now_ms) {
  return t
      .Execute(
          "UPDATE file_deletion SET state = ?, result = ?, finished_ms = ? WHERE run_id = ?"
          " AND task_id = ? AND state = 'open'",
          {state, result, now_ms, run_id, task_id})
      .status();
}

namespace {

Result<std::vector<DeletionRow>> ReadDeletions(Transaction& t, std::string_view where,
                                               std::vector<Value> values, size_t limit) {
  values.emplace_back(static_cast<int64_t>(limit));
  MORAINE_ASSIGN(
      auto rows,
      t.Query(fmt::format("SELECT run_id, task_id, table_id, table_uuid, table_version,"
                          " metadata_location, proof, list_location, files, bytes, decided_ms,"
                          " finished_ms, state, result FROM file_deletion{} ORDER BY decided_ms"
                          " DESC, run_id DESC, task_id DESC LIMIT ?",
                          where),
              values));
  std::vector<DeletionRow> deletions;
  for (const auto& row : rows) {
    DeletionRow d;
    MORAINE_ASSIGN(d.run_id, row.Text(0));
    MORAINE_ASSIGN(d.task_id, row.Int(1));
    MORAINE_ASSIGN(d.table_id, row.Int(2));
    MORAINE_ASSIGN(d.table_uuid, row.Text(3));
    MORAINE_ASSIGN(d.table_version, row.Int(4));
    MORAINE_ASSIGN(d.metadata_location, row.Text(5));
    MORAINE_ASSIGN(d.deletion.proof, row.Text(6));
    MORAINE_ASSIGN(d.deletion.list_location, row.Text(7));
    MORAINE_ASSIGN(d.deletion.files, row.Int(8));
    MORAINE_ASSIGN(d.deletion.bytes, row.Int(9));
    MORAINE_ASSIGN(d.decided_ms, row.Int(10));
    MORAINE_ASSIGN(d.finished_ms, row.Int(11));
    MORAINE_ASSIGN(d.state, row.Text(12));
    MORAINE_ASSIGN(d.result, row.Text(13));
    deletions.push_back(std::move(d));
  }
  return deletions;
}

}  // namespace

Result<std::vector<DeletionRow>> DeletionsOfRun(Transaction& t, const std::string& run_id,
                                                size_t limit) {
  return ReadDeletions(t, " WHERE run_id = ?", {run_id}, limit);
}

Result<std::vector<DeletionRow>> RecentDeletions(Transaction& t, int64_t table_id, size_t limit) {
  if (table_id == 0) return ReadDeletions(t, "", {}, limit);
  return ReadDeletions(t, " WHERE table_id = ?", {table_id}, limit);
}

}  // namespace moraine::maintenance
