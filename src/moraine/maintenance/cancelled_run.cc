#include "moraine/maintenance/cancelled_run.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/run_end.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/optimizing/jobs.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using store::Value;

constexpr std::string_view kPerson = "person: ";

/// One sentence for the history.
std::string WhyCancelled(const MaintenanceRun& run, const std::string& by) {
  std::string why = fmt::format("cancelled by {}",
                                by.starts_with(kPerson) ? by.substr(kPerson.size()) : "a person");
  if (!run.must_finish) return why;
  return why +
         (run.action == upkeep::Action::kPurgeTable
              ? "; files that are still there stay"
              : "; files that are still there are left to clean-orphan-files, where it is enabled");
}

Result<MaintenanceRun> EndOne(Transaction& t, MaintenanceRun run, const std::string& by,
                              const Options& options) {
  if (run.state != RunState::kRunning) {
    return Conflict(fmt::format("run {} of {} on {} has ended already: {}", run.run_id,
                                upkeep::ActionName(run.action), run.subject.name,
                                RunStateName(run.state)));
  }
  run.state = RunState::kCancelled;
  run.reason = WhyCancelled(run, by);
  run.cancelled_by = by;
  run.error.clear();
  MORAINE_ASSIGN(run.finished_ms, t.NowMs());
  MORAINE_ASSIGN(const auto tasks, optimizing::JobTasks(t, run.run_id));
  MORAINE_TRY(EndRows(t, run, tasks, std::nullopt, options));
  return run;
}

/// It has no row but the wish for it: the history gets one, and the schedule is as if nobody had
/// asked.
Result<MaintenanceRun> EndAsked(Transaction& t, Schedule schedule, const std::string& by,
                                const Options& options) {
  MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
  MaintenanceRun run;
  run.run_id = std::exchange(schedule.asked_run_id, "");
  run.action = schedule.action;
  run.subject = schedule.subject;
  run.started_by = std::exchange(schedule.asked_by, "");
  run.dry_run = std::exchange(schedule.asked_dry, false);
  run.options = std::exchange(schedule.asked_options, "{}");
  run.created_ms = now_ms;
  schedule.due_ms.reset();
  schedule.reason.clear();
  MORAINE_ASSIGN(const bool saved, SaveSchedule(t, schedule));
  if (!saved) return Conflict("the schedule's row was changed meanwhile");
  MORAINE_TRY(InsertRun(t, run));
  run.row_version = 1;
  MORAINE_ASSIGN(auto ended, EndOne(t, std::move(run), by, options));
  // The look knows when it is due.
  MORAINE_TRY(LookAtTable(t, schedule.table_id, schedule.subject.warehouse, now_ms));
  return ended;
}

}  // namespace

Result<std::string> FullRunId(Transaction& t, const std::string& beginning) {
  constexpr size_t kShown = 60;
  const auto none = [&] {
    return NotFound(
        fmt::format("no run of maintenance has the id {}", beginning.substr(0, kShown)));
  };
  if (beginning.empty() || beginning.find_first_not_of("0123456789abcdef-") != beginning.npos)
    return none();
  const std::vector<Value> range = {beginning, beginning + "~"};  // behind all that begin so
  std::string found;
  for (std::string_view query :
       {"SELECT run_id FROM maintenance_run WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT "
        "2",
        "SELECT asked_run_id FROM maintenance_schedule WHERE asked_run_id >= ? AND asked_run_id < ?"
        " ORDER BY asked_run_id LIMIT 2"}) {
    MORAINE_ASSIGN(auto rows, t.Query(query, range));
    for (const auto& row : rows) {
      MORAINE_ASSIGN(std::string id, row.Text(0));
      if (id == beginning) return id;
      if (!found.empty() && found != id) {
        return InvalidArgument(
            fmt::format("several runs have an id that begins with {}: {}, {}, ...",
                        beginning.substr(0, kShown), found, id));
      }
      found = std::move(id);
    }
  }
  if (found.empty()) return none();
  return found;
}

Result<MaintenanceRun> CancelRun(Call& call, store::Database& database, const std::string& run,
                                 const std::string& by, const Options& options) {
  return RunFor(call, database, Access::kWrite, [&](Transaction& t) -> Result<MaintenanceRun> {
    MORAINE_ASSIGN(const std::string run_id, FullRunId(t, run));
    MORAINE_ASSIGN(auto found, FindRun(t, run_id));
    if (found) return EndOne(t, std::move(*found), by, options);
    MORAINE_ASSIGN(auto schedule, ScheduleThatAsksFor(t, run_id));
    if (schedule) return EndAsked(t, std::move(*schedule), by, options);
    return NotFound(fmt::format("no run of maintenance has the id {}", run_id));
  });
}

}  // namespace moraine::maintenance
