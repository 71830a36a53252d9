#pragma once
// Processes and their tasks as rows. A process is running -> committing -> succeeded, failed or
// cancelled; a table has at most one that has not ended (a row of active_process says so).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/planning/evaluator.h"
#include "moraine/store/database.h"
#include "moraine/tasks/optimizer_protocol.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::optimizing {

enum class ProcessState { kRunning, kCommitting, kSucceeded, kFailed, kCancelled };
std::string_view ProcessStateName(ProcessState state);

inline constexpr char kByRules[] = "rules";
inline constexpr char kByPerson[] = "person";

struct Process {
  std::string process_id;
  int64_t table_id = 0;
  std::string table_name;  ///< "warehouse.db.t"
  std::string group;
  planning::OptimizingType type = planning::OptimizingType::kMinor;
  ProcessState state = ProcessState::kRunning;
  std::string reason;                 ///< why it was planned
  std::string started_by = kByRules;  ///< kByRules or kByPerson
  int64_t snapshot_id = -1;           ///< that was planned
  int64_t sequence_number = 0;        ///< of that snapshot: the outputs' data sequence number
  int64_t quota_threads = 1;
  int64_t num_retries = 5;
  bool partial_commit = false;
  int64_t created_ms = 0;
  int64_t finished_ms = 0;
  int64_t tasks = 0;
  int64_t input_files = 0;
  int64_t input_bytes = 0;
  int64_t output_files = 0;
  int64_t output_bytes = 0;
  int64_t committed_snapshot_id = -1;
  int64_t commit_attempts = 0;
  std::string error;
  std::string branch = iceberg::kMainBranch;  ///< that was planned, and is committed to
  int64_t deduplicated_rows = 0;              ///< left out because other rows have their keys
  bool lost_to_others = false;  ///< not stored: it failed because others changed what it read
};

struct TaskRow {
  int32_t task_id = 0;
  std::string state;  ///< "planned", "scheduled", "acknowledged", "succeeded", "failed"
  int64_t attempt = 0;
  int64_t failures = 0;
  std::string error;
  std::string optimizer;
  int64_t handed_ms = 0;
  int64_t finished_ms = 0;
  int64_t input_files = 0;
  int64_t input_bytes = 0;
  int64_t bytes_read = 0;
};

/// How far a process is.
struct ProcessProgress {
  int64_t planned = 0;
  int64_t running = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t bytes_read = 0;
  bool ended() const { return planned == 0 && running == 0; }
};

/// Inserts the process, its tasks and the table's active row. AlreadyExists: the table has one
/// already.
Status InsertProcess(store::Transaction& t, const Process& process,
                     const std::vector<tasks::RewriteTask>& tasks);
/// Conflict where it has ended already: a process ends once, whoever ends it, and what was decided
/// of its files then stands.
Status SaveProcess(store::Transaction& t, const Process& process);
/// Saves it with its end state and forgets its tasks and the table's active row.
Status EndProcess(store::Transaction& t, const Process& process);
Result<std::optional<Process>> FindProcess(store::Transaction& t, const std::string& process_id);
Result<std::optional<Process>> ActiveProcess(store::Transaction& t, int64_t table_id);
/// Processes that have not ended, oldest first. which: of store::Shards::Filter.
Result<std::vector<Process>> OpenProcesses(store::Transaction& t, const std::string& which);
/// Newest first; table_id 0: of all tables.
Result<std::vector<Process>> RecentProcesses(store::Transaction& t, int64_t table_id, size_t limit);
Result<ProcessProgress> Progress(store::Transaction& t, const std::string& process_id);
Result<std::vector<TaskRow>> TaskRows(store::Transaction& t, const std::string& process_id);

/// A task that succeeded, with the attempt that did.
struct FinishedTask {
  tasks::RewriteTask task;
  tasks::RewriteOutput output;
};
Result<std::vector<FinishedTask>> FinishedTasks(store::Transaction& t,
                                                const std::string& process_id);
/// Attempts that were ever handed out; of a task that succeeded, the last one did.
struct Attempt {
  tasks::TaskKey key;
  std::string prefix;  ///< of its files
  bool succeeded = false;
  int64_t handed_ms = 0;  ///< at the latest
};
Result<std::vector<Attempt>> Attempts(store::Transaction& t, const std::string& process_id);
/// The first error among failed tasks.
Result<std::string> FirstTaskError(store::Transaction& t, const std::string& process_id);
/// Ended processes older than this go.
Status TrimProcesses(store::Transaction& t, int64_t before_ms);

}  // namespace moraine::optimizing
