#include "moraine/optimizing/table_state.h"

#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::optimizing {
namespace {

using store::Row;
using store::Transaction;
using store::Value;

constexpr std::string_view kStatusNames[] = {"idle",       "pending", "optimizing",
                                             "committing", "skipped", "failed"};

constexpr std::string_view kColumns =
    "table_id, warehouse, name, resource_group, state, reason, table_version, snapshot_id, score, "
    "health,"
    " candidates, pending_since_ms, requested_type, last_minor_ms, last_major_ms, last_full_ms,"
    " last_planned_ms, last_refreshed_ms, failures, last_failure, retry_ms, written_bytes, due_ms,"
    " equal_failures, failed_schema_id, requested_layout, requested_dedup_key, requested_dedup_by,"
    " requested_branch, row_version";

Result<TableStatus> StatusFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kStatusNames); ++i) {
    if (kStatusNames[i] == name) return static_cast<TableStatus>(i);
  }
  return Corruption(fmt::format("optimizing_table.state: unknown state {}", name));
}

Result<TableState> FromRow(const Row& row) {
  TableState s;
  MORAINE_ASSIGN(s.table_id, row.Int(0));
  MORAINE_ASSIGN(s.warehouse, row.Text(1));
  MORAINE_ASSIGN(s.name, row.Text(2));
  MORAINE_ASSIGN(s.group, row.Text(3));
  MORAINE_ASSIGN(auto status, row.Text(4));
  MORAINE_ASSIGN(s.status, StatusFromName(status));
  MORAINE_ASSIGN(s.reason, row.Text(5));
  MORAINE_ASSIGN(s.table_version, row.Int(6));
  MORAINE_ASSIGN(s.snapshot_id, row.Int(7));
  MORAINE_ASSIGN(s.score, row.Int(8));
  MORAINE_ASSIGN(s.health_json, row.Text(9));
  MORAINE_ASSIGN(s.candidates, row.Int(10));
  MORAINE_ASSIGN(s.pending_since_ms, row.Int(11));
  MORAINE_ASSIGN(s.requested_type, row.Text(12));
  MORAINE_ASSIGN(s.times.last_minor_ms, row.Int(13));
  MORAINE_ASSIGN(s.times.last_major_ms, row.Int(14));
  MORAINE_ASSIGN(s.times.last_full_ms, row.Int(15));
  MORAINE_ASSIGN(s.last_planned_ms, row.Int(16));
  MORAINE_ASSIGN(s.last_refreshed_ms, row.Int(17));
  MORAINE_ASSIGN(s.failures, row.Int(18));
  MORAINE_ASSIGN(s.last_failure, row.Text(19));
  MORAINE_ASSIGN(s.retry_ms, row.Int(20));
  MORAINE_ASSIGN(s.written_bytes, row.Int(21));
  MORAINE_ASSIGN(s.due_ms, row.OptInt(22));
  MORAINE_ASSIGN(s.equal_failures, row.Int(23));
  MORAINE_ASSIGN(s.failed_schema_id, row.Int(24));
  std::string* const wishes[] = {&s.requested_layout, &s.requested_dedup_key, &s.requested_dedup_by,
                                 &s.requested_branch};
  for (size_t i = 0; i < std::size(wishes); ++i) {
    MORAINE_ASSIGN(auto text, row.OptText(25 + i));
    *wishes[i] = std::move(text).value_or("");
  }
  MORAINE_ASSIGN(s.row_version, row.Int(29));
  return s;
}

Result<std::vector<TableState>> Select(Transaction& t, std::string_view rest,
                                       const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query(fmt::format("SELECT {} FROM optimizing_table {}", kColumns, rest), parameters));
  std::vector<TableState> states;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto state, FromRow(row));
    states.push_back(std::move(state));
  }
  return states;
}

/// In the order of kColumns, without the first and the last.
std::vector<Value> ValuesOf(const TableState& s) {
  return {s.warehouse,
          s.name,
          s.group,
          std::string(TableStatusName(s.status)),
          s.reason,
          s.table_version,
          s.snapshot_id,
          s.score,
          s.health_json,
          s.candidates,
          s.pending_since_ms,
          s.requested_type,
          s.times.last_minor_ms,
          s.times.last_major_ms,
          s.times.last_full_ms,
          s.last_planned_ms,
          s.last_refreshed_ms,
          s.failures,
          s.last_failure,
          s.retry_ms,
          s.written_bytes,
          s.due_ms ? Value(*s.due_ms) : Value(nullptr),
          s.equal_failures,
          s.failed_schema_id,
          s.requested_layout,
          s.requested_dedup_key,
          s.requested_dedup_by,
          s.requested_branch};
}

Status InsertTableState(Transaction& t, const TableState& s) {
  std::vector<Value> values = ValuesOf(s);
  values.insert(values.begin(), Value(s.table_id));
  values.emplace_back(int64_t{0});
  return t
      .Execute(fmt::format("INSERT INTO optimizing_table ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?,"
                           " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           kColumns),
               values)
      .status();
}

}  // namespace

void TableState::ForgetRequest() {
  requested_type.clear();
  requested_layout.clear();
  requested_dedup_key.clear();
  requested_dedup_by.clear();
  requested_branch.clear();
}

std::string RequestedBranch(const TableState& state) {
  return state.requested_branch.empty() ? iceberg::kMainBranch : state.requested_branch;
}

std::string_view TableStatusName(TableStatus status) {
  return kStatusNames[static_cast<size_t>(status)];
}

Result<std::optional<TableState>> FindTableState(Transaction& t, int64_t table_id) {
  MORAINE_ASSIGN(auto states, Select(t, "WHERE table_id = ?", {table_id}));
  if (states.empty()) return std::optional<TableState>();
  return std::optional<TableState>(std::move(states[0]));
}

Result<std::optional<TableState>> FindTableStateByName(Transaction& t, const std::string& warehouse,
                                                       const std::string& name) {
  MORAINE_ASSIGN(auto states, Select(t, "WHERE warehouse = ? AND name = ? ORDER BY table_id DESC",
                                     {warehouse, name}));
  if (states.empty()) return std::optional<TableState>();
  return std::optional<TableState>(std::move(states[0]));
}

Result<bool> SaveTableState(Transaction& t, const TableState& s) {
  std::vector<Value> values = ValuesOf(s);
  values.emplace_back(s.table_id);
  values.emplace_back(s.row_version);
  MORAINE_ASSIGN(
      int64_t changed,
      t.Execute(
          "UPDATE optimizing_table SET warehouse = ?, name = ?, resource_group = ?, state = ?,"
          " reason = ?, table_version = ?, snapshot_id = ?, score = ?, health = ?,"
          " candidates = ?, pending_since_ms = ?, requested_type = ?, last_minor_ms = ?,"
          " last_major_ms = ?, last_full_ms = ?, last_planned_ms = ?, last_refreshed_ms = ?,"
          " failures = ?, last_failure = ?, retry_ms = ?, written_bytes = ?, due_ms = ?,"
          " equal_failures = ?, failed_schema_id = ?, requested_layout = ?, requested_dedup_key = "
          "?,"
          " requested_dedup_by = ?, requested_branch = ?, row_version = row_version + 1"
          " WHERE table_id = ? AND row_version = ?",
          values));
  return changed > 0;
}

Status ReplaceTableState(Transaction& t, const TableState& s) {
  MORAINE_ASSIGN(bool saved, SaveTableState(t, s));
  if (!saved) return Conflict("the table's row was changed meanwhile");
  return {};
}

Status DeleteTableState(Transaction& t, int64_t table_id) {
  MORAINE_TRY(t.Execute("DELETE FROM optimizing_table WHERE table_id = ?", {table_id}));
  return {};
}

Result<std::vector<TableState>> DueTables(Transaction& t, int64_t now_ms, size_t limit,
                                          const std::string& which) {
  return Select(t, fmt::format("WHERE due_ms <= ?{} ORDER BY due_ms LIMIT ?", which),
                {now_ms, static_cast<int64_t>(limit)});
}

Result<std::vector<TableState>> TablesWithStatus(Transaction& t, TableStatus status, size_t limit,
                                                 const std::string& which) {
  return Select(t, fmt::format("WHERE state = ?{} ORDER BY table_id LIMIT ?", which),
                {std::string(TableStatusName(status)), static_cast<int64_t>(limit)});
}

Result<std::vector<TableState>> AllTableStates(Transaction& t, int64_t after_table_id,
                                               size_t limit) {
  return Select(t, "WHERE table_id > ? ORDER BY table_id LIMIT ?",
                {after_table_id, static_cast<int64_t>(limit)});
}

Status MakeDue(Transaction& t, int64_t table_id, int64_t at_ms) {
  MORAINE_ASSIGN(auto state, FindTableState(t, table_id));
  if (!state) {
    TableState fresh;
    fresh.table_id = table_id;
    fresh.reason = "not looked at yet";
    // Intervals of a new table begin now.
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    fresh.times = {now_ms, now_ms, now_ms};
    fresh.due_ms = at_ms;
    return InsertTableState(t, fresh);
  }
  return LookAgain(t, table_id, at_ms);
}

Status LookAgain(Transaction& t, int64_t table_id, int64_t at_ms) {
  // A look that runs now must not take the row for done: the version moves in any case.
  return t
      .Execute(
          "UPDATE optimizing_table SET row_version = row_version + 1,"
          " due_ms = CASE WHEN due_ms IS NULL OR due_ms > ? THEN ? ELSE due_ms END"
          " WHERE table_id = ?",
          {at_ms, at_ms, table_id})
      .status();
}

}  // namespace moraine::optimizing
