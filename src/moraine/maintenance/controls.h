#pragma once
// What people and writers say to maintenance, and what they are told: policies of tables as they
// are now, holds, blockers, runs asked for, pauses, histories. Called by the API; the same rows are
// asked by the service through the seams (seams.h). Keeps nothing in memory but time zones.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "moraine/catalog/blockers.h"
#include "moraine/catalog/catalog.h"
#include "moraine/maintenance/holds.h"
#include "moraine/maintenance/metrics_internal.h"
#include "moraine/maintenance/policy.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/maintenance/seams.h"
#include "moraine/optimizing/jobs.h"
#include "moraine/store/database.h"

namespace moraine {
class Metrics;
}

namespace moraine::maintenance {

struct ControlOptions {
  iceberg::StringMap properties;  ///< what the server's settings say of all tables
  HoldOptions holds;
  Millis task_timeout{3'600'000};  ///< as Options::task_timeout
  Metrics* metrics = nullptr;      ///< outlives this; null: nothing is counted
};

/// One action of one table.
struct ActionView {
  ActionPolicy policy;
  std::optional<Schedule> schedule;      ///< its row, once the table was looked at
  std::optional<MaintenanceRun> active;  ///< that goes on now
  std::optional<int64_t> due_ms;         ///< nothing: not by itself
  bool last_dry_run = false;             ///< schedule->last_state is that of a dry run
  std::string blocked;                   ///< by a writer, as catalog::Explain; else empty
};

struct TableView {
  std::vector<ActionView> actions;  ///< in the order of upkeep::kActions, without purge-table
  EffectiveProperties properties;
  std::vector<std::string> problems;  ///< of properties, of the last look at the table
  std::vector<Hold> holds;
  std::vector<catalog::Blocker> blockers;
  int64_t now_ms = 0;
};

/// Thread-safe.
class Controls {
 public:
  Controls(catalog::Catalog& catalog, store::Database& database, ControlOptions options);

  /// Makes the rows' tables, where no service does.
  Status Open(Call& call);
  /// For the service; this must outlive it.
  Seams MakeSeams();
  /// Called when a run was asked for. Set before anybody asks.
  void OnAsked(std::function<void()> wake) { wake_ = std::move(wake); }

  Result<TablePolicyPtr> PolicyOf(Call& call, const catalog::LoadedTable& table);
  Result<TableView> Look(Call& call, const catalog::LoadedTable& table);

  struct Wish {
    bool dry_run = false;
    std::string options = "{}";  ///< JSON object
  };
  /// The id of the run to be. Errors: as AskForRunNow; InvalidArgument for a purge.
  Result<std::string> RunNow(Call& call, const catalog::LoadedTable& table, upkeep::Action action,
                             const Wish& wish);
  /// Of all actions when none is given.
  Status Pause(Call& call, const catalog::LoadedTable& table, std::optional<upkeep::Action> action);
  Status Resume(Call& call, const catalog::LoadedTable& table,
                std::optional<upkeep::Action> action);

  /// What the tables of the warehouse inherit has changed: they are looked at again. "": all.
  Status LookAgain(Call& call, const std::string& warehouse);

  struct FleetView {
    int64_t now_ms = 0;
    std::vector<FleetSchedule> schedules;
  };
  /// As SchedulesOfFleet.
  Result<FleetView> Fleet(Call& call, const ScheduleFilter& filter, size_t limit);
  /// Newest first; table_id 0: of all tables. Before: the id of the last one of the page before.
  Result<std::vector<MaintenanceRun>> Runs(Call& call, int64_t table_id,
                                           std::optional<upkeep::Action> action,
                                           const std::string& before, size_t limit);
  struct RunDetail {
    std::string run_id;
    std::optional<MaintenanceRun> run;  ///< nothing: it has not begun
    std::string waits;                  ///< what keeps it from beginning; empty: its turn
    std::vector<DeletionRow> deletions;
    optimizing::JobFigures progress;  ///< of the step that it is at
  };
  /// run: its id, or how no other begins. Errors: as FullRunId.
  Result<RunDetail> Run(Call& call, const std::string& run);
  /// Ends it, on whatever server it goes on, also before it has begun. Errors: as CancelRun.
  Result<MaintenanceRun> Cancel(Call& call, const std::string& run);

  catalog::Blockers& blockers() { return blockers_; }
  Holds& holds() { return holds_; }

 private:
  Status Trim(Call& call);

  catalog::Catalog& catalog_;
  store::Database& database_;
  const ControlOptions options_;
  catalog::Blockers blockers_;
  Holds holds_;
  Policies policies_;
  MaintenanceMetrics metrics_;
  std::function<void()> wake_;
};

}  // namespace moraine::maintenance
