#pragma once
// The driver of "expire-snapshots" (action.h; rules: upkeep/snapshot_expiry.h).
//
//   plan -> commit -> find-expired-files -> delete-files, a few chunks at a time -> done, or the
//   next part of what is too much for one commit
//
// The commit's own transaction stores what was removed, so that its files are found and deleted
// whatever happens afterwards. A dry run plans, asks find-expired-files what that would free, and
// ends. Options of a run: {"max-snapshots": 5000}: at most so many in one commit.

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeExpireSnapshots();

}  // namespace moraine::maintenance
