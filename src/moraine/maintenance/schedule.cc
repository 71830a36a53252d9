#include "moraine/maintenance/schedule.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/subject_json.h"

namespace moraine::maintenance {
namespace {

constexpr int64_t kClocksDifferMs = 60'000;

using store::Row;
using store::Transaction;
using store::Value;

constexpr std::string_view kColumns =
    "s.table_id, s.action, s.subject, s.due_ms, s.reason, s.last_run_ms, s.last_run_id,"
    " s.last_state, s.last_reason, s.memory, s.failures, s.last_failure, s.retry_ms, s.paused_ms,"
    " s.paused_by, s.asked_run_id, s.asked_dry, s.asked_by, s.asked_options, s.row_version";

constexpr size_t kColumnCount = 20;

/// Not one of a newer version.
Result<bool> HasKnownAction(const Row& row) {
  MORAINE_ASSIGN(const std::string action, row.Text(1));
  return upkeep::ActionFromName(action).ok();
}

Result<Schedule> FromRow(const Row& row) {
  Schedule s;
  MORAINE_ASSIGN(s.table_id, row.Int(0));
  MORAINE_ASSIGN(const std::string action, row.Text(1));
  MORAINE_ASSIGN(s.action, upkeep::ActionFromName(action));
  MORAINE_ASSIGN(const std::string subject, row.Text(2));
  MORAINE_ASSIGN(s.subject, SubjectFromJson(subject, s.table_id));
  MORAINE_ASSIGN(s.due_ms, row.OptInt(3));
  MORAINE_ASSIGN(s.reason, row.Text(4));
  MORAINE_ASSIGN(s.last_run_ms, row.Int(5));
  MORAINE_ASSIGN(s.last_run_id, row.Text(6));
  MORAINE_ASSIGN(s.last_state, row.Text(7));
  MORAINE_ASSIGN(s.last_reason, row.Text(8));
  MORAINE_ASSIGN(s.memory, row.Text(9));
  MORAINE_ASSIGN(s.failures, row.Int(10));
  MORAINE_ASSIGN(s.last_failure, row.Text(11));
  MORAINE_ASSIGN(s.retry_ms, row.Int(12));
  MORAINE_ASSIGN(s.paused_ms, row.Int(13));
  MORAINE_ASSIGN(s.paused_by, row.Text(14));
  MORAINE_ASSIGN(s.asked_run_id, row.Text(15));
  MORAINE_ASSIGN(const int64_t asked_dry, row.Int(16));
  s.asked_dry = asked_dry != 0;
  MORAINE_ASSIGN(s.asked_by, row.Text(17));
  MORAINE_ASSIGN(s.asked_options, row.Text(18));
  MORAINE_ASSIGN(s.row_version, row.Int(19));
  return s;
}

Result<std::vector<Schedule>> Select(Transaction& t, std::string_view rest,
                                     const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query(fmt::format("SELECT {} FROM maintenance_schedule s {}", kColumns, rest), parameters));
  std::vector<Schedule> schedules;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(const bool is_known, HasKnownAction(row));
    if (!is_known) continue;
    MORAINE_ASSIGN(auto schedule, FromRow(row));
    schedules.push_back(std::move(schedule));
  }
  return schedules;
}

/// All but the key and the version.
std::vector<Value> ValuesOf(const Schedule& s) {
  return {SubjectToJson(s.subject),
          s.due_ms ? Value(*s.due_ms) : Value(nullptr),
          s.reason,
          s.last_run_ms,
          s.last_run_id,
          s.last_state,
          s.last_reason,
          s.memory,
          s.failures,
          s.last_failure,
          s.retry_ms,
          s.paused_ms,
          s.paused_by,
          s.asked_run_id,
          int64_t{s.asked_dry ? 1 : 0},
          s.asked_by,
          s.asked_options};
}

/// The row, or a new one that is not due.
Result<Schedule> FindOrMake(Transaction& t, const Subject& subject, upkeep::Action action) {
  MORAINE_ASSIGN(auto found, FindSchedule(t, subject.table_id, action));
  if (found) return std::move(*found);
  Schedule fresh;
  fresh.table_id = subject.table_id;
  fresh.action = action;
  fresh.subject = subject;
  return fresh;
}

/// For bodies that have read the row in the same transaction.
Status Replace(Transaction& t, const Schedule& schedule) {
  MORAINE_ASSIGN(const bool saved, SaveSchedule(t, schedule));
  return saved ? Status() : Conflict("the schedule's row was changed meanwhile");
}

constexpr std::string_view kLookColumns = "table_id, warehouse, name, looked_ms, look_ms, problem";

Result<std::vector<TableLook>> SelectLooks(Transaction& t, std::string_view rest,
                                           const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query(fmt::format("SELECT {} FROM maintenance_table {}", kLookColumns, rest), parameters));
  std::vector<TableLook> looks;
  for (const auto& row : rows) {
    TableLook look;
    MORAINE_ASSIGN(look.table_id, row.Int(0));
    MORAINE_ASSIGN(look.warehouse, row.Text(1));
    MORAINE_ASSIGN(look.name, row.Text(2));
    MORAINE_ASSIGN(look.looked_ms, row.Int(3));
    MORAINE_ASSIGN(look.look_ms, row.OptInt(4));
    MORAINE_ASSIGN(look.problem, row.Text(5));
    looks.push_back(std::move(look));
  }
  return looks;
}

constexpr std::string_view kFleetStates[] = {"any",   "late",   "waiting", "failing",
                                             "asked", "paused", "running"};
constexpr std::string_view kIsActive =
    "EXISTS (SELECT a.run_id FROM maintenance_active a WHERE a.table_id = s.table_id AND a.action ="
    " s.action)";

/// A condition for the state, with what stands for its marks.
std::string StateCondition(ScheduleState state, int64_t now_ms, std::vector<Value>* values) {
  switch (state) {
    case ScheduleState::kAny:
      return "s.due_ms IS NOT NULL";
    case ScheduleState::kLate:
      values->emplace_back(now_ms);
      return fmt::format("s.due_ms <= ? AND NOT {}", kIsActive);
    case ScheduleState::kWaiting:
      values->emplace_back(now_ms);
      return "s.due_ms > ?";
    case ScheduleState::kFailing:
      return "s.due_ms IS NOT NULL AND s.failures > 0";
    case ScheduleState::kAsked:
      return "s.due_ms IS NOT NULL AND s.asked_run_id <> ''";
    case ScheduleState::kPaused:
      return "s.paused_ms > 0";
    case ScheduleState::kRunning:
      return std::string(kIsActive);
  }
  return "";
}

}  // namespace

Result<std::optional<Schedule>> FindSchedule(Transaction& t, int64_t table_id,
                                             upkeep::Action action) {
  MORAINE_ASSIGN(auto found, Select(t, "WHERE s.table_id = ? AND s.action = ?",
                                    {table_id, std::string(upkeep::ActionName(action))}));
  if (found.empty()) return std::optional<Schedule>();
  return std::optional<Schedule>(std::move(found[0]));
}

Result<std::optional<Schedule>> ScheduleThatAsksFor(Transaction& t, const std::string& run_id) {
  MORAINE_ASSIGN(auto found, Select(t, "WHERE s.asked_run_id = ?", {run_id}));
  if (found.empty()) return std::optional<Schedule>();
  return std::optional<Schedule>(std::move(found[0]));
}

Result<std::vector<Schedule>> SchedulesOf(Transaction& t, int64_t table_id) {
  return Select(t, "WHERE s.table_id = ? ORDER BY s.action", {table_id});
}

Result<ScheduleState> ScheduleStateFromName(std::string_view name) {
  std::string names;
  for (size_t i = 1; i < std::size(kFleetStates); ++i) {
    if (kFleetStates[i] == name) return static_cast<ScheduleState>(i);
    names += (names.empty() ? "" : ", ") + std::string(kFleetStates[i]);
  }
  return InvalidArgument(
      fmt::format("state: expected one of {}, got '{}'", names, name.substr(0, 60)));
}

Result<std::vector<FleetSchedule>> SchedulesOfFleet(Transaction& t, int64_t now_ms,
                                                    const ScheduleFilter& filter, size_t limit) {
  std::vector<Value> values;
  std::string where = "WHERE " + StateCondition(filter.state, now_ms, &values);
  // Of these some are not due at all; of the others an index has the order.
  const bool may_be_unset =
      filter.state == ScheduleState::kPaused || filter.state == ScheduleState::kRunning;
  const std::string_view due = may_be_unset ? "COALESCE(s.due_ms, 0)" : "s.due_ms";
  if (filter.table_id != 0) {
    where += " AND s.table_id = ?";
    values.emplace_back(filter.table_id);
  }
  if (filter.action) {
    where += " AND s.action = ?";
    values.emplace_back(std::string(upkeep::ActionName(*filter.action)));
  }
  if (filter.after) {
    where += fmt::format(
        " AND ({0} > ? OR ({0} = ? AND (s.table_id > ? OR (s.table_id = ? AND s.action > ?))))",
        due);
    const auto& after = *filter.after;
    for (int64_t value : {after.due_ms, after.due_ms, after.table_id, after.table_id})
      values.emplace_back(value);
    values.emplace_back(after.action);
  }
  values.emplace_back(static_cast<int64_t>(limit));
  MORAINE_ASSIGN(
      const auto rows,
      t.Query(fmt::format("SELECT {}, COALESCE(r.run_id, '') FROM maintenance_schedule s LEFT JOIN"
                          " maintenance_active r ON r.table_id = s.table_id AND r.action ="
                          " s.action {} ORDER BY {}, s.table_id, s.action LIMIT ?",
                          kColumns, where, due),
              values));
  std::vector<FleetSchedule> schedules;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(const bool is_known, HasKnownAction(row));
    if (!is_known) continue;
    FleetSchedule one;
    MORAINE_ASSIGN(one.schedule, FromRow(row));
    MORAINE_ASSIGN(one.active_run_id, row.Text(kColumnCount));
    schedules.push_back(std::move(one));
  }
  return schedules;
}

Result<std::vector<Schedule>> DueSchedules(Transaction& t, int64_t now_ms, size_t limit,
                                           const std::string& which) {
  return Select(t,
                fmt::format("WHERE s.due_ms <= ?{} AND NOT EXISTS (SELECT a.run_id FROM"
                            " maintenance_active a WHERE a.table_id = s.table_id AND a.action ="
                            " s.action) ORDER BY s.due_ms, s.table_id, s.action LIMIT ?",
                            which),
                {now_ms, static_cast<int64_t>(limit)});
}

Result<bool> SaveSchedule(Transaction& t, const Schedule& s) {
  std::vector<Value> values = ValuesOf(s);
  const std::string action(upkeep::ActionName(s.action));
  if (s.row_version == 0) {
    values.insert(values.begin(), {Value(s.table_id), Value(action)});
    MORAINE_TRY(t.Execute(
        "INSERT INTO maintenance_schedule (table_id, action, subject, due_ms, reason, last_run_ms,"
        " last_run_id, last_state, last_reason, memory, failures, last_failure, retry_ms,"
        " paused_ms, paused_by, asked_run_id, asked_dry, asked_by, asked_options, row_version)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        values));
    return true;
  }
  values.insert(values.end(), {Value(s.table_id), Value(action), Value(s.row_version)});
  MORAINE_ASSIGN(
      const int64_t changed,
      t.Execute("UPDATE maintenance_schedule SET subject = ?, due_ms = ?, reason = ?,"
                " last_run_ms = ?, last_run_id = ?, last_state = ?, last_reason = ?, memory = ?,"
                " failures = ?, last_failure = ?, retry_ms = ?, paused_ms = ?, paused_by = ?,"
                " asked_run_id = ?, asked_dry = ?, asked_by = ?, asked_options = ?,"
                " row_version = row_version + 1"
                " WHERE table_id = ? AND action = ? AND row_version = ?",
                values));
  return changed > 0;
}

Status ForgetTable(Transaction& t, int64_t table_id) {
  MORAINE_TRY(t.Execute("DELETE FROM maintenance_table WHERE table_id = ?", {table_id}));
  return t
      .Execute("DELETE FROM maintenance_schedule WHERE table_id = ? AND action <> ?",
               {table_id, std::string(upkeep::ActionName(upkeep::Action::kPurgeTable))})
      .status();
}

Status AskForRun(Transaction& t, const Subject& subject, upkeep::Action action,
                 const AskedRun& asked, int64_t now_ms) {
  const std::string name(upkeep::ActionName(action));
  MORAINE_ASSIGN(auto active,
                 t.Query("SELECT run_id FROM maintenance_active WHERE table_id = ? AND action = ?",
                         {subject.table_id, name}));
  if (!active.empty()) {
    MORAINE_ASSIGN(const std::string run_id, active[0].Text(0));
    return Conflict(fmt::format("a run of {} goes on for this table: {}", name, run_id));
  }
  MORAINE_ASSIGN(Schedule schedule, FindOrMake(t, subject, action));
  if (!schedule.asked_run_id.empty()) {
    return Conflict(fmt::format("a run of {} was asked for already and {}: {}", name,
                                schedule.reason.empty() ? "begins soon" : "is " + schedule.reason,
                                schedule.asked_run_id));
  }
  schedule.asked_run_id = asked.run_id;
  schedule.asked_dry = asked.dry_run;
  schedule.asked_by = asked.by;
  schedule.asked_options = asked.options;
  schedule.reason = asked.waits;  // what keeps runs from beginning by themselves keeps back none
  schedule.due_ms = now_ms;
  return Replace(t, schedule);
}

Status Pause(Transaction& t, const Subject& subject, upkeep::Action action, const std::string& by,
             int64_t now_ms) {
  MORAINE_ASSIGN(Schedule schedule, FindOrMake(t, subject, action));
  if (schedule.paused_ms > 0) return {};
  schedule.paused_ms = now_ms;
  schedule.paused_by = by;
  if (schedule.asked_run_id.empty()) schedule.due_ms.reset();
  return Replace(t, schedule);
}

Status Resume(Transaction& t, int64_t table_id, upkeep::Action action, int64_t now_ms) {
  MORAINE_ASSIGN(auto schedule, FindSchedule(t, table_id, action));
  if (!schedule || schedule->paused_ms == 0) return {};
  schedule->paused_ms = 0;
  schedule->paused_by.clear();
  schedule->failures = 0;
  schedule->retry_ms = 0;
  MORAINE_TRY(Replace(t, *schedule));
  // The look knows when it is due.
  return LookAtTable(t, table_id, schedule->subject.warehouse, now_ms);
}

Status EndBlockedWaits(Transaction& t, int64_t table_id, int64_t now_ms) {
  // As catalog::Explain begins.
  return t
      .Execute(
          "UPDATE maintenance_schedule SET due_ms = ?, row_version = row_version + 1 WHERE "
          "table_id = ? AND due_ms > ? AND reason LIKE 'blocked by %'",
          {now_ms, table_id, now_ms})
      .status();
}

Result<std::optional<TableLook>> FindLook(Transaction& t, int64_t table_id) {
  MORAINE_ASSIGN(auto found, SelectLooks(t, "WHERE table_id = ?", {table_id}));
  if (found.empty()) return std::optional<TableLook>();
  return std::optional<TableLook>(std::move(found[0]));
}

Result<std::vector<TableLook>> DueLooks(Transaction& t, int64_t now_ms, size_t limit,
                                        const std::string& which) {
  return SelectLooks(t,
                     fmt::format("WHERE look_ms <= ?{} ORDER BY look_ms, table_id LIMIT ?", which),
                     {now_ms, static_cast<int64_t>(limit)});
}

Status LookAtTable(Transaction& t, int64_t table_id, const std::string& warehouse,
                   int64_t look_ms) {
  MORAINE_ASSIGN(auto look, FindLook(t, table_id));
  if (!look) {
    return t
        .Execute(
            "INSERT INTO maintenance_table (table_id, warehouse, name, looked_ms, look_ms, problem)"
            " VALUES (?, ?, '', 0, ?, '')",
            {table_id, warehouse, look_ms})
        .status();
  }
  if (look->look_ms && *look->look_ms <= look_ms) return {};
  return t
      .Execute("UPDATE maintenance_table SET look_ms = ? WHERE table_id = ?", {look_ms, table_id})
      .status();
}

Status LookAtTables(Transaction& t, const std::string& warehouse, const std::string& ns,
                    int64_t now_ms) {
  if (warehouse.empty())
    return t.Execute("UPDATE maintenance_table SET look_ms = ?", {now_ms}).status();
  if (ns.empty()) {
    return t
        .Execute("UPDATE maintenance_table SET look_ms = ? WHERE warehouse = ?",
                 {now_ms, warehouse})
        .status();
  }
  std::string pattern;
  for (char c : fmt::format("{}.{}.", warehouse, ns)) {
    if (c == '%' || c == '_' || c == '!') pattern += '!';
    pattern += c;
  }
  // Tables that were not looked at yet have no name, and are to be looked at anyway.
  return t
      .Execute(
          "UPDATE maintenance_table SET look_ms = ? WHERE warehouse = ? AND name LIKE ?"
          " ESCAPE '!'",
          {now_ms, warehouse, pattern + '%'})
      .status();
}

Status LookAtThoseOfLater(Transaction& t, int64_t now_ms) {
  return t
      .Execute("UPDATE maintenance_table SET look_ms = ? WHERE looked_ms > ?",
               {now_ms, now_ms + kClocksDifferMs})
      .status();
}

Status SaveLook(Transaction& t, const TableLook& look, int64_t before_ms) {
  return t
      .Execute(
          "UPDATE maintenance_table SET warehouse = ?, name = ?, looked_ms = ?, problem = ?,"
          " look_ms = CASE WHEN look_ms > ? THEN look_ms ELSE ? END WHERE table_id = ?",
          {look.warehouse, look.name, look.looked_ms, look.problem, before_ms,
           look.look_ms ? Value(*look.look_ms) : Value(nullptr), look.table_id})
      .status();
}

}  // namespace moraine::maintenance
