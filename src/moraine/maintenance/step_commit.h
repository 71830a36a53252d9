#pragma once
// A step that is a commit to the table: it lands together with the run's row. Called by
// run_steps.cc.

#include "moraine/base/call.h"
#include "moraine/maintenance/action.h"
#include "moraine/maintenance/run_world.h"
#include "moraine/maintenance/turn.h"

namespace moraine::maintenance {

/// The turn goes on from what was committed. Errors: as catalog::Catalog::Commit, and those of what
/// must hold when it lands (Conflict: decide again); Internal for a commit that may not be.
Status Land(Call& call, const RunWorld& world, TableChange step, Turn* turn);

}  // namespace moraine::maintenance
