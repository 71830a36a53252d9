#pragma once
// A run that a person ends: one that goes on, whatever it waits for, or one that was asked for and
// has not begun. Only rows are changed, so any server may do it; the one that drives the run finds
// that its row has changed and leaves it, a commit under way is refused by its note, and optimizers
// lose its tasks with their next heartbeat. Called by Controls (the API).

#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/maintenance/options.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

/// The run, as it ended. by: as MaintenanceRun::started_by. Errors: as FullRunId; Conflict when it
/// has ended already.
Result<MaintenanceRun> CancelRun(Call& call, store::Database& database, const std::string& run,
                                 const std::string& by, const Options& options);

/// The id that begins so, of a run or of one that was asked for. Errors: NotFound; InvalidArgument
/// where several begin so.
Result<std::string> FullRunId(store::Transaction& t, const std::string& beginning);

}  // namespace moraine::maintenance
