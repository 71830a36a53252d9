#pragma once
// Runs of maintenance as rows: the active ones, which say everything that is needed to go on with
// them, and the history. A run is running -> succeeded, nothing, failed or cancelled; a table has
// at most one active run of an action (a row of maintenance_active says so). Its tasks are rows of
// optimizing (optimizing/jobs.h) under the run's id.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/maintenance/action.h"
#include "moraine/store/database.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {

enum class RunState { kRunning, kSucceeded, kNothing, kFailed, kCancelled };
std::string_view RunStateName(RunState state);  ///< "running", "succeeded", "nothing", ...

inline constexpr char kBySchedule[] = "schedule";

struct MaintenanceRun {
  std::string run_id;
  upkeep::Action action = upkeep::Action::kExpireSnapshots;
  Subject subject;
  RunState state = RunState::kRunning;
  std::string started_by = kBySchedule;  ///< or "person", or "person: NAME"
  std::string cancelled_by;              ///< "person", "person: NAME"; "": by nobody
  bool dry_run = false;
  std::string options = "{}";
  std::string reason;              ///< one sentence: what goes on, or how it ended
  std::string stage = "{}";        ///< RunContext::state of the next step
  int64_t steps = 0;               ///< that were stored; 0: Start comes next
  int64_t next_task = 0;           ///< number of the next task
  bool must_finish = false;        ///< Finish::kMust
  int64_t tries = 0;               ///< of the next step, that failed
  int64_t not_before_ms = 0;       ///< of the next step
  int64_t may_write_until_ms = 0;  ///< of attempts that were lost
  std::string output_prefix;
  int64_t created_ms = 0;
  int64_t finished_ms = 0;
  int64_t tasks = 0;  ///< that were made
  int64_t files_removed = 0;
  int64_t bytes_removed = 0;
  std::string details = "{}";
  std::string error;
  int64_t row_version = 0;
};

/// Inserts the run and the active row. AlreadyExists: one of this action runs on the table.
Status InsertRun(store::Transaction& t, const MaintenanceRun& run);
/// Conflict where the row has changed since it was read: somebody else goes on with the run.
/// The row's version grows: the run must be read again before it is saved again.
Status SaveRun(store::Transaction& t, const MaintenanceRun& run);
/// Saves it with its end state and takes the active row away.
Status EndRun(store::Transaction& t, const MaintenanceRun& run);
Result<std::optional<MaintenanceRun>> FindRun(store::Transaction& t, const std::string& run_id);
Result<std::optional<MaintenanceRun>> ActiveRun(store::Transaction& t, int64_t table_id,
                                                upkeep::Action action);
/// Runs that have not ended and whose next step can be taken: none of their tasks waits or runs,
/// and their own wait is over; oldest first. which: of store::Shards::Filter over "r.table_id".
Result<std::vector<MaintenanceRun>> ReadyRuns(store::Transaction& t, int64_t now_ms, size_t limit,
                                              const std::string& which);
/// Active runs of a table, or of all (0), oldest first.
Result<std::vector<MaintenanceRun>> OpenRuns(store::Transaction& t, int64_t table_id);
/// Newest first. table_id 0: of all tables; action unset: of all; before: the run_id of the last
/// one of the page before, "" for the first.
Result<std::vector<MaintenanceRun>> RecentRuns(store::Transaction& t, int64_t table_id,
                                               std::optional<upkeep::Action> action,
                                               const std::string& before, size_t limit);
/// Runs and deletions that ended before then go.
Status TrimRuns(store::Transaction& t, int64_t before_ms);

/// The server's decision that files may go, as its row has it.
struct DeletionRow {
  std::string run_id;
  int64_t task_id = 0;
  int64_t table_id = 0;
  std::string table_uuid;
  int64_t table_version = 0;
  std::string metadata_location;
  FileDeletion deletion;
  int64_t decided_ms = 0;
  int64_t finished_ms = 0;
  std::string state;   ///< "open", "done", "failed", "cancelled"
  std::string result;  ///< JSON object of the task, or its error
};
Status InsertDeletion(store::Transaction& t, const DeletionRow& row);
Status FinishDeletion(store::Transaction& t, const std::string& run_id, int64_t task_id,
                      const std::string& state, const std::string& result, int64_t now_ms);
/// Newest first.
Result<std::vector<DeletionRow>> DeletionsOfRun(store::Transaction& t, const std::string& run_id,
                                                size_t limit);
/// Newest first; table_id 0: of all tables.
Result<std::vector<DeletionRow>> RecentDeletions(store::Transaction& t, int64_t table_id,
                                                 size_t limit);

}  // namespace moraine::maintenance
