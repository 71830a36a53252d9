#pragma once
// How a table goes back: as a new commit on top of what it is now, never as an old metadata file
// that is pointed to again. An old file counts sequence numbers, column and row ids from where they
// were, so that later writers would give them a second time, and it names snapshots whose files may
// have been deleted since. Pure; called by Lifecycle::RollBack.

#include <optional>

#include "moraine/catalog/lifecycle.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::catalog {

/// Leads the target's branch to the snapshot or time. Errors: NotFound (no such branch or snapshot,
/// or none that old), Conflict for a snapshot that the branch's head does not come from, unless
/// any_snapshot; InvalidArgument for a tag.
Result<iceberg::CommitRequest> PlanSnapshotRollback(const iceberg::TableMetadata& now,
                                                    const RollbackTarget& target);

/// Makes main's snapshot, schema, partition spec, sort order and properties what they were. No
/// updates if they are. Errors: Conflict for another table's metadata, or a snapshot that has been
/// expired.
Result<iceberg::CommitRequest> PlanVersionRollback(const iceberg::TableMetadata& now,
                                                   const iceberg::TableMetadata& then);

}  // namespace moraine::catalog
