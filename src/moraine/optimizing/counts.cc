#include "moraine/optimizing/counts.h"

#include "moraine/optimizing/process_store.h"
#include "moraine/optimizing/table_state.h"

namespace moraine::optimizing {
namespace {

using store::Transaction;

constexpr const char* kTaskStates[] = {"planned", "scheduled", "acknowledged", "succeeded",
                                       "failed"};

/// Adds the rows (state, number) of a query.
Status AddGroups(Transaction& t, std::string_view sql, std::map<std::string, int64_t>* counts) {
  MORAINE_ASSIGN(auto rows, t.Query(sql, {}));
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto state, row.Text(0));
    MORAINE_ASSIGN((*counts)[state], row.Int(1));
  }
  return {};
}

Status AddOptimizers(Transaction& t, Counts* counts) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT resource_group, COUNT(*), SUM(threads) FROM optimizer GROUP BY "
                         "resource_group",
                         {}));
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto group, row.Text(0));
    MORAINE_ASSIGN(counts->groups[group].optimizers, row.Int(1));
    MORAINE_ASSIGN(counts->groups[group].threads, row.Int(2));
  }
  MORAINE_ASSIGN(
      auto busy,
      t.Query("SELECT o.resource_group, COUNT(*) FROM task k JOIN optimizer o ON o.token = "
              "k.optimizer WHERE k.state IN ('scheduled', 'acknowledged') GROUP BY "
              "o.resource_group",
              {}));
  for (const auto& row : busy) {
    MORAINE_ASSIGN(auto group, row.Text(0));
    MORAINE_ASSIGN(counts->groups[group].busy_threads, row.Int(1));
  }
  return {};
}

}  // namespace

Result<Counts> CountAll(Call& call, store::Database& database, catalog::Catalog& catalog) {
  Counts counts;
  for (int i = 0; i <= static_cast<int>(TableStatus::kFailed); ++i) {
    counts.tables[std::string(TableStatusName(static_cast<TableStatus>(i)))] = 0;
  }
  for (auto state : {ProcessState::kRunning, ProcessState::kCommitting}) {
    counts.open_processes[std::string(ProcessStateName(state))] = 0;
  }
  for (const char* state : kTaskStates) counts.tasks[state] = 0;
  int64_t now_ms = ToMillis(call.clock().Wall());
  int64_t cursor = 0;
  MORAINE_TRY(database.Run(call, store::Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_TRY(AddGroups(t, "SELECT state, COUNT(*) FROM optimizing_table GROUP BY state",
                          &counts.tables));
    MORAINE_TRY(AddGroups(t,
                          "SELECT state, COUNT(*) FROM process WHERE state IN ('running', "
                          "'committing') GROUP BY state",
                          &counts.open_processes));
    MORAINE_TRY(AddGroups(t, "SELECT state, COUNT(*) FROM task GROUP BY state", &counts.tasks));
    MORAINE_TRY(AddOptimizers(t, &counts));
    MORAINE_ASSIGN(auto due,
                   t.Query("SELECT COUNT(*) FROM optimizing_table WHERE due_ms <= ?", {now_ms}));
    MORAINE_ASSIGN(counts.due_tables, due.at(0).Int(0));
    MORAINE_ASSIGN(auto read, t.Query("SELECT COALESCE(MIN(feed_seq), 0) FROM feed_cursor", {}));
    MORAINE_ASSIGN(cursor, read.at(0).Int(0));
    return {};
  }));
  MORAINE_ASSIGN(int64_t last, catalog.LastChange(call));
  counts.feed_lag = std::max<int64_t>(0, last - cursor);
  if (counts.feed_lag == 0) return counts;
  MORAINE_ASSIGN(auto oldest, catalog.Changes(call, cursor, 1));
  if (!oldest.empty()) {
    counts.feed_lag_time = Millis(std::max<int64_t>(0, now_ms - oldest[0].changed_ms));
  }
  return counts;
}

}  // namespace moraine::optimizing
