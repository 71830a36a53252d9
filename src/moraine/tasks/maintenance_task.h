#pragma once
// What a worker is asked to do beside rewriting: list, compare, count and delete files of one
// table. An envelope of plain data around a body that only upkeep reads and writes
// (upkeep/..._task.h). Made by maintenance, kept as a row beside rewrite tasks, run by upkeep on
// any optimizer. It names metadata files and never a catalog: whoever runs it can't commit.

#include <cstdint>
#include <string>

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::tasks {

inline constexpr int kMaintenanceFormat = 1;

struct MaintenanceTask {
  std::string kind;  ///< what upkeep is to do: "find-orphans", "delete-files", ...; never "rewrite"
  std::string process_id;
  int32_t task_id = 0;  ///< from 0 within its process
  int32_t attempt = 0;  ///< from 1, set when it is handed out
  std::string table;    ///< "warehouse.db.t", for people
  std::string table_uuid;
  /// Every file that the attempt writes starts with this, the process, the task and the attempt.
  std::string output_folder;
  std::string body;  ///< JSON object, by kind

  /// "<output_folder>/<process>-<task>-<attempt>-".
  std::string OutputPrefix() const;
  bool operator==(const MaintenanceTask&) const = default;
};

struct MaintenanceOutput {
  std::string result;  ///< JSON object, by kind
  int64_t files = 0;   ///< looked at, or deleted
  int64_t bytes_read = 0;
  int64_t duration_ms = 0;
  bool operator==(const MaintenanceOutput&) const = default;
};

/// "rewrite", or the kind of a maintenance task, of a task's JSON. Errors: InvalidArgument.
Result<std::string> KindOfTask(std::string_view task_json);

std::string MaintenanceTaskToJson(const MaintenanceTask& task);
/// Errors: InvalidArgument with the path; Unsupported for an unknown format.
Result<MaintenanceTask> MaintenanceTaskFromJson(std::string_view text);
std::string MaintenanceOutputToJson(const MaintenanceOutput& output);
Result<MaintenanceOutput> MaintenanceOutputFromJson(std::string_view text);

}  // namespace moraine::tasks
