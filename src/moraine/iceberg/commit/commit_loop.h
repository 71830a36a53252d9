#pragma once
// The commit loop: load -> decide -> write new files -> compare-and-swap -> confirm, again on a
// lost race. Used by tests; the optimizing committer has its own around its store's commit.

#include <functional>
#include <memory>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/commit/snapshot_producer.h"

namespace moraine::iceberg {

/// The catalog, as iceberg sees it.
struct CommitDoor {
  std::function<Result<TablePtr>(Call&)> load;
  /// Errors: CommitUnknown when the swap was sent and its outcome is not known; any other code says
  /// that nothing was committed; Conflict of those that a new attempt may succeed.
  std::function<Result<TablePtr>(Call&, const CommitRequest&)> commit;
};

struct CommitOutcome {
  TablePtr table;     ///< after the commit
  Snapshot snapshot;  ///< as prepared
  int attempts = 1;
};

/// Retries conflicts by the table's commit.retry.* properties, inside the call's deadline. Files of
/// refused attempts are deleted; after CommitUnknown the table is read again
/// (commit.status-check.*), and if the snapshot is not there nothing is deleted and CommitUnknown
/// is returned. Errors: Conflict (the change is ruled out, or the retries are used up), as Prepare
/// and the door.
Result<CommitOutcome> CommitWithRetry(Call& call, io::FileSystem& files, SnapshotProducer& producer,
                                      const CommitDoor& door);

}  // namespace moraine::iceberg
