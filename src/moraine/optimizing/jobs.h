#pragma once
// Tasks of maintenance (tasks/maintenance_task.h) beside those of processes: rows of "task" with a
// kind and a group of their own, under the id of a run. They go through the same queue to the same
// optimizers; a table may have jobs and a process at the same time. Called by maintenance; no job
// ends by itself, whoever made it asks how far it is.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/store/database.h"
#include "moraine/tasks/maintenance_task.h"

namespace moraine::optimizing {

struct Job {
  std::string job_id;  ///< process_id of its tasks
  int64_t table_id = 0;
  std::string group;
  int64_t retries = 3;  ///< of each task, after a first failure
};

struct JobTask {
  tasks::MaintenanceTask task;  ///< process_id is the job's
  int64_t input_files = 0;
  int64_t input_bytes = 0;
  int64_t not_before_ms = 0;  ///< it waits until then; 0: not at all
};

/// Optimizers must be told afterwards (TaskQueue::AnnounceWork).
Status InsertJobTasks(store::Transaction& t, const Job& job, const std::vector<JobTask>& tasks);

/// A task that was made, as it is now.
struct JobTaskState {
  tasks::MaintenanceTask task;
  std::string state;  ///< as TaskRow::state
  int64_t attempt = 0;
  int64_t failures = 0;
  int64_t handed_ms = 0;            ///< of the last attempt
  tasks::MaintenanceOutput output;  ///< of one that succeeded
  std::string error;                ///< "Code: why" of one that failed
  bool ended() const { return state == "succeeded" || state == "failed"; }
};
/// By task_id. Errors: those of rows that can't be read.
Result<std::vector<JobTaskState>> JobTasks(store::Transaction& t, const std::string& job_id);

/// How far the tasks of a job are, as far as optimizers have told.
struct JobFigures {
  int64_t waiting = 0;
  int64_t running = 0;
  int64_t ended = 0;  ///< failed ones, too
  int64_t files = 0;  ///< looked at, listed or removed
  int64_t bytes_read = 0;
  int64_t input_files = 0;  ///< of all; 0: not known
  int64_t tasks() const { return waiting + running + ended; }
};
Result<JobFigures> FiguresOfJob(store::Transaction& t, const std::string& job_id);

/// Those that failed wait until then, with all their retries.
Status RetryFailedJobTasks(store::Transaction& t, const std::string& job_id, int64_t not_before_ms);
/// Forgets all its tasks; optimizers that have one are told to stop with their next heartbeat.
Status DeleteJobTasks(store::Transaction& t, const std::string& job_id);

/// Of a row's input.
Result<tasks::MaintenanceTask> UnpackJobTask(std::string_view packed, int32_t attempt);

}  // namespace moraine::optimizing
