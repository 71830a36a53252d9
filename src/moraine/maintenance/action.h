#pragma once
// What is done to one table, step by step: a driver for each action (upkeep::Action), asked by the
// runner (runs.h) for the next step of a run. A driver decides and reads metadata; whatever lists,
// counts or deletes many files is a task for a worker (upkeep/run_task.h). It keeps nothing in
// memory between steps: a run may go on after a crash, on another server. Drivers are made in
// actions.cc, one line each.
//
// The life of a run: Start gives the first step. Tasks: they are stored, handed to optimizers, and
// once all have ended Continue is asked with their results. A commit: it lands together with the
// state that it comes with, then Continue is asked without results. If others were quicker the same
// step is asked for again, with the table as it is now and the same state and results. Nothing or
// Done: the run is over.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/io/file_system.h"
#include "moraine/maintenance/seams.h"
#include "moraine/store/database.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/config.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::maintenance {

/// Which table a run is about; also where the catalog has it no longer.
struct Subject {
  int64_t table_id = 0;
  std::string warehouse;
  std::string name;  ///< "warehouse.db.t", for people
  std::string table_uuid;
  /// Of a table that is gone (purge-table): the last one. Else that of RunContext::table.
  std::string metadata_location;
  std::string group;  ///< of the optimizers that do its tasks
};

struct RunContext {
  std::string run_id;  ///< UUIDv7; of its tasks the process id
  Subject subject;
  catalog::LoadedTablePtr table;     ///< as it is now; null for purge-table alone
  upkeep::MaintenanceConfig config;  ///< with what the table inherits
  int64_t now_ms = 0;                ///< by the store's clock
  bool dry_run = false;  ///< tasks that only look are allowed; commits and deletions are not
  std::vector<upkeep::SnapshotHold> holds;  ///< what must stay, whatever the rules say
  std::string options = "{}";  ///< JSON object: what whoever asked for the run gave with it
  /// JSON object: what the step before this one left; "{}" before the first.
  std::string state = "{}";
  /// JSON object: what the last run of this action on this table left for the next; "{}": nothing.
  std::string memory = "{}";
  /// Where the run's files lie (list files): each name begins with this. They go when it ends.
  std::string output_prefix;
  io::FileSystem* files = nullptr;  ///< of all warehouses; never null
  const Seams* seams = nullptr;     ///< for what a table that is gone inherited; may be null
  /// For reading what else is known of the table (surroundings.h); never null.
  store::Database* database = nullptr;
};

/// The server's decision that files may go: a row (file_deletion) from the moment that the task is
/// stored, closed when it has ended. The table's uuid, version and metadata location are added.
struct FileDeletion {
  std::string proof;          ///< why they may go: "expired", "orphan", "quarantine", "purge", ...
  std::string list_location;  ///< the file that names them; empty: the task's body does
  int64_t files = 0;
  int64_t bytes = 0;
};

struct NewTask {
  std::string kind;         ///< as upkeep/run_task.cc has it
  std::string body = "{}";  ///< JSON object
  /// Where its attempts write, each file's name beginning as OutputPrefix says; "": beside the
  /// run's lists. What is written elsewhere is of use to a commit that follows at once, and goes
  /// where none does.
  std::string folder = {};
  /// How far upkeep::JobProgress::files will count; 0: nobody knows.
  int64_t input_files = 0;
  int64_t input_bytes = 0;
  std::optional<FileDeletion> deletion;
};

/// A task that has ended: well, or for good.
struct TaskResult {
  int32_t task_id = 0;  ///< from 0 in the order of all tasks that the run has made
  std::string kind;
  std::string body;
  Status status;
  tasks::MaintenanceOutput output;  ///< when status is OK
};

/// The run found nothing to do. A run that nobody asked for leaves no row of the history then.
struct Nothing {
  std::string reason;  ///< one sentence
  std::optional<std::string> memory;
  /// Before then there is nothing to do either, unless the table or its properties are changed;
  /// kNever: unless they are. Unset: nobody knows.
  std::optional<int64_t> until_ms = std::nullopt;
};
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

/// Once it has begun to do what can't be undone (snapshots are gone, their files are to go) a run
/// is never given up for an error: it waits and tries the step again.
enum class Finish { kMayFail, kMust };

/// Worker tasks. A task that failed for good fails the run, unless that must finish: then the tasks
/// that failed are tried again later.
struct RunTasks {
  std::vector<NewTask> tasks;  ///< not empty
  std::string state = "{}";    ///< that Continue is given with their results
  std::string progress;        ///< one sentence of what goes on
  Finish finish = Finish::kMayFail;
  /// What they do has failed so often: they wait as after so many failures. 0: at once.
  int64_t tries = 0;
};

/// A commit to the table: updates of its metadata as they are, or changes that become a snapshot.
struct TableChange {
  std::variant<iceberg::CommitRequest, iceberg::SnapshotChanges> change;
  std::string state = "{}";  ///< stored in the commit's own transaction
  std::string progress;
  Finish finish = Finish::kMayFail;  ///< from this commit on
};

struct Done {
  std::string summary;  ///< one sentence for people
  int64_t files_removed = 0;
  int64_t bytes_removed = 0;
  std::string details = "{}";         ///< JSON object: all figures, by action
  std::optional<std::string> memory;  ///< for the next run; unset: as it was
};

using Step = std::variant<Nothing, RunTasks, TableChange, Done>;

/// Thread-safe. Errors of both: the run fails and is tried again later; Unavailable, Exhausted,
/// Deadline, Cancelled and Conflict: the step is tried again.
class Action {
 public:
  virtual ~Action() = default;
  virtual upkeep::Action action() const = 0;
  /// Whether Continue is asked though tasks have failed for good. Else the run fails.
  virtual bool TakesFailures() const { return false; }
  /// The first step. Must change nothing by itself.
  virtual Result<Step> Start(Call& call, const RunContext& context) = 0;
  /// The next one. results: of the tasks of the last step, by task_id; empty after a commit.
  virtual Result<Step> Continue(Call& call, const RunContext& context,
                                const std::vector<TaskResult>& results) = 0;
};

/// All that this version has, in any order (actions.cc).
std::vector<std::unique_ptr<Action>> MakeActions();

}  // namespace moraine::maintenance
