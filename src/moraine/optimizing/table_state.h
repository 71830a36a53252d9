#pragma once
// What optimizing knows of each table, as a row: its state, why it is in it, its health, its
// timers. Always answers "why does this table wait, or was skipped, or failed" in one sentence.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/planning/evaluator.h"
#include "moraine/store/database.h"

namespace moraine::optimizing {

/// idle: nothing to do. pending: waits for a plan. minor, major, full: a process runs. committing:
/// its result is being committed. skipped: can't be optimized, the reason says why. failed: waits
/// for its back-off, or for a person.
enum class TableStatus { kIdle, kPending, kRunning, kCommitting, kSkipped, kFailed };
std::string_view TableStatusName(TableStatus status);  ///< "idle", "pending", "optimizing", ...

struct TableState {
  int64_t table_id = 0;
  std::string warehouse;
  std::string name;  ///< "db.t", as last seen
  std::string group = "default";
  TableStatus status = TableStatus::kIdle;
  std::string reason;
  int64_t table_version = 0;  ///< of the catalog row, when last refreshed
  int64_t snapshot_id = -1;
  int64_t score = 100;
  std::string health_json = "{}";  ///< HealthToJson
  int64_t candidates = 0;
  int64_t pending_since_ms = 0;
  std::string requested_type;    ///< a person asked: "minor", "major", "full"; else empty
  std::string requested_layout;  ///< and in which layout, as planning::LayoutOf takes it; or empty
  std::string requested_dedup_key;  ///< likewise, as planning::SetDedup takes it
  std::string requested_dedup_by;
  std::string requested_branch;  ///< empty: main
  planning::OptimizingTimes times;
  int64_t last_planned_ms = 0;
  int64_t last_refreshed_ms = 0;
  int64_t failures = 0;        ///< in a row
  int64_t equal_failures = 0;  ///< of them, the last ones with the same error
  std::string last_failure;
  int64_t retry_ms = 0;           ///< not before, after a failure; kWaitForPerson
  int64_t failed_schema_id = -1;  ///< the schema with which it waits for a person, once known
  int64_t written_bytes = 0;      ///< by optimizing, ever: write amplification
  std::optional<int64_t> due_ms;  ///< when to look again
  int64_t row_version = 0;        ///< of the row that was read: SaveTableState compares

  /// What a person asked for has been done, or can't be.
  void ForgetRequest();
};
/// The branch that a person asked for, or main.
std::string RequestedBranch(const TableState& state);
/// retry_ms of a table that has failed too often in the same way.
inline constexpr int64_t kWaitForPerson = INT64_MAX;

Result<std::optional<TableState>> FindTableState(store::Transaction& t, int64_t table_id);
/// By its name as last seen ("db.t").
Result<std::optional<TableState>> FindTableStateByName(store::Transaction& t,
                                                       const std::string& warehouse,
                                                       const std::string& name);
/// Replaces the row if it is still the one that was read. False: somebody else has changed it
/// meanwhile, or it is gone; nothing is written then, and the caller looks again.
Result<bool> SaveTableState(store::Transaction& t, const TableState& state);
/// The same for a row that was read in this transaction. Errors: Conflict.
Status ReplaceTableState(store::Transaction& t, const TableState& state);
Status DeleteTableState(store::Transaction& t, int64_t table_id);
/// Tables whose due time has come, the longest due first. which: of store::Shards::Filter, here and
/// below.
Result<std::vector<TableState>> DueTables(store::Transaction& t, int64_t now_ms, size_t limit,
                                          const std::string& which);
Result<std::vector<TableState>> TablesWithStatus(store::Transaction& t, TableStatus status,
                                                 size_t limit, const std::string& which);
Result<std::vector<TableState>> AllTableStates(store::Transaction& t, int64_t after_table_id,
                                               size_t limit);
/// Makes the table due no later than at the time; inserts a row if there is none.
Status MakeDue(store::Transaction& t, int64_t table_id, int64_t at_ms);
/// The same, but a table without a row (dropped) stays without.
Status LookAgain(store::Transaction& t, int64_t table_id, int64_t at_ms);

}  // namespace moraine::optimizing
