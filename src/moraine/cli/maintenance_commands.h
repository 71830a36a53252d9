#pragma once
// Maintenance as commands: what is done to a table and when, runs asked for and followed, pauses;
// holds of readers and blockers of writers. arguments.cc reads flags into the struct.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/cli/commands.h"

namespace moraine::cli {

struct MaintenanceOptions {
  std::string table;  ///< as typed; of runs: empty for all tables
  std::string warehouse = "default";
  std::string action;
  std::string run_id;
  bool dry_run = false;
  bool wait = false;
  bool settings = false;  ///< the overview shows every property and where it comes from
  std::string options;    ///< JSON object, of one run
  int64_t limit = 20;
  bool running = false;  ///< only runs that go on
  std::string state;     ///< of schedules: only those; empty: all
  // Holds.
  std::string hold;
  int64_t snapshot_id = -1;  ///< the current one
  bool only = false;         ///< it alone, not those after it
  std::string length;        ///< "7d"; empty: the server's default
  std::string reason;
  // Blockers.
  std::string blocker;
  std::string owner;
  std::vector<std::string> operations;
  bool exclusive = false;
};

Status ShowMaintenance(Session& session, const MaintenanceOptions& options);
/// Asks for a run. With wait: follows it to its end; Conflict when it failed or was cancelled.
Status MaintainTable(Session& session, const MaintenanceOptions& options);
Status PauseMaintenance(Session& session, const MaintenanceOptions& options);
Status ResumeMaintenance(Session& session, const MaintenanceOptions& options);
Status ListMaintenanceRuns(Session& session, const MaintenanceOptions& options);
/// What is due when, of all tables or of one, the longest due first.
Status ListMaintenanceSchedules(Session& session, const MaintenanceOptions& options);
/// The schedules of runs that somebody asked for and that have not begun; the first thousand.
Result<Answer> AskedRuns(Session& session, MaintenanceOptions options);
Status ShowMaintenanceRun(Session& session, const MaintenanceOptions& options);
/// The run of run_id, or the only one of the table (and action) that goes on or was asked for.
Status CancelMaintenanceRun(Session& session, const MaintenanceOptions& options);

Status HoldSnapshot(Session& session, const MaintenanceOptions& options);
Status ListHolds(Session& session, const MaintenanceOptions& options);
Status ReleaseHold(Session& session, const MaintenanceOptions& options);
Status BlockTable(Session& session, const MaintenanceOptions& options);
Status ListBlockers(Session& session, const MaintenanceOptions& options);
Status UnblockTable(Session& session, const MaintenanceOptions& options);

}  // namespace moraine::cli
