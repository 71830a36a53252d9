#pragma once
// What is due, as rows: one for each table and action that is switched on, and one for each table
// that is to be looked at (its properties may have changed). Called by the service and by the API.
// Plain functions over a transaction; times by the store's clock.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/maintenance/action.h"
#include "moraine/store/database.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {

struct Schedule {
  int64_t table_id = 0;
  upkeep::Action action = upkeep::Action::kExpireSnapshots;
  Subject subject;
  std::optional<int64_t> due_ms;  ///< unset: not by itself (switched off, or paused)
  std::string reason;             ///< why it is not due, or waits; "" where there is nothing to say
  int64_t last_run_ms = 0;        ///< began; 0: never
  std::string last_run_id;        ///< "" if it left no row of the history
  std::string last_state;         ///< "succeeded", "failed", "nothing", "cancelled"; "": never ran
  std::string last_reason;        ///< one sentence of how it ended
  std::string memory = "{}";      ///< as RunContext::memory
  int64_t failures = 0;           ///< in a row
  std::string last_failure;
  int64_t retry_ms = 0;   ///< after a failure: not before
  int64_t paused_ms = 0;  ///< since; 0: not paused
  std::string paused_by;
  std::string asked_run_id;  ///< of the run that a person wants; "": none
  bool asked_dry = false;
  std::string asked_by;
  std::string asked_options = "{}";
  int64_t row_version = 0;
};

Result<std::optional<Schedule>> FindSchedule(store::Transaction& t, int64_t table_id,
                                             upkeep::Action action);
/// The one that has this asked_run_id.
Result<std::optional<Schedule>> ScheduleThatAsksFor(store::Transaction& t,
                                                    const std::string& run_id);
/// All of a table, by action.
Result<std::vector<Schedule>> SchedulesOf(store::Transaction& t, int64_t table_id);
/// What of a fleet is asked for, longest due first.
enum class ScheduleState { kAny, kLate, kWaiting, kFailing, kAsked, kPaused, kRunning };
/// "late", "waiting", "failing", "asked", "paused", "running". Errors: InvalidArgument.
Result<ScheduleState> ScheduleStateFromName(std::string_view name);
struct ScheduleFilter {
  int64_t table_id = 0;  ///< 0: of all tables
  std::optional<upkeep::Action> action;
  ScheduleState state = ScheduleState::kAny;
  /// The last one of the page before: due_ms (0: unset), table and action.
  struct Place {
    int64_t due_ms = 0;
    int64_t table_id = 0;
    std::string action;
  };
  std::optional<Place> after;
};
struct FleetSchedule {
  Schedule schedule;
  std::string active_run_id;  ///< "": none goes on
};
/// Those that are due at some time; of paused ones all.
Result<std::vector<FleetSchedule>> SchedulesOfFleet(store::Transaction& t, int64_t now_ms,
                                                    const ScheduleFilter& filter, size_t limit);
/// Those that are due and have no active run, longest due first. which: of store::Shards::Filter
/// over "s.table_id".
Result<std::vector<Schedule>> DueSchedules(store::Transaction& t, int64_t now_ms, size_t limit,
                                           const std::string& which);
/// Inserts it, or replaces the row if it is still of this row_version, which then grows. False: it
/// has changed meanwhile. row_version 0: there is no row yet.
Result<bool> SaveSchedule(store::Transaction& t, const Schedule& schedule);
/// Forgets the table: schedules and the look at it, but for those of purge-table.
Status ForgetTable(store::Transaction& t, int64_t table_id);

/// A run is wanted now, whatever is due. Returns the id of the run to be. Errors: Conflict when one
/// is wanted or runs already.
struct AskedRun {
  std::string run_id;
  bool dry_run = false;
  std::string by;
  std::string options = "{}";
  std::string waits{};  ///< what keeps it from beginning now; "": nothing that is known
};
Status AskForRun(store::Transaction& t, const Subject& subject, upkeep::Action action,
                 const AskedRun& asked, int64_t now_ms);
/// by: "" nobody in particular. A run that is under way goes on. Runs that people ask for are done
/// all the same.
Status Pause(store::Transaction& t, const Subject& subject, upkeep::Action action,
             const std::string& by, int64_t now_ms);
/// It is due as its last run says.
Status Resume(store::Transaction& t, int64_t table_id, upkeep::Action action, int64_t now_ms);

/// What waits for a blocker of the table to end is due now: one has ended early.
Status EndBlockedWaits(store::Transaction& t, int64_t table_id, int64_t now_ms);

/// A table that is to be looked at: its schedules are made anew from its properties.
struct TableLook {
  int64_t table_id = 0;
  std::string warehouse;
  std::string name;
  int64_t looked_ms = 0;
  std::optional<int64_t> look_ms;
  std::string
      problem;  ///< why the last look failed, what is wrong with its properties; "": nothing
};
Result<std::optional<TableLook>> FindLook(store::Transaction& t, int64_t table_id);
Result<std::vector<TableLook>> DueLooks(store::Transaction& t, int64_t now_ms, size_t limit,
                                        const std::string& which);
/// Look at the table at that time, or sooner if it was to be so already. Makes the row.
Status LookAtTable(store::Transaction& t, int64_t table_id, const std::string& warehouse,
                   int64_t look_ms);
/// All tables of the warehouse ("": of all), at once: what they inherit has changed. ns: only those
/// below this namespace, as catalog::ToText; "": all.
Status LookAtTables(store::Transaction& t, const std::string& warehouse, const std::string& ns,
                    int64_t now_ms);
/// Those that were looked at later than now, at once: by a clock that was ahead, which has said
/// when they are due, too.
Status LookAtThoseOfLater(store::Transaction& t, int64_t now_ms);
/// Notes what a look found; if look_ms of the row is later than before_ms it stays.
Status SaveLook(store::Transaction& t, const TableLook& look, int64_t before_ms);

}  // namespace moraine::maintenance
