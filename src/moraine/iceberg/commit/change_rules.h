#pragma once
// What a change may be, whatever else happened to the table: the operation's name in the summary,
// which files an operation takes, which deletes a format version takes. Pure; SnapshotProducer asks
// in every attempt.

#include <string>

#include "moraine/base/status.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::iceberg {

/// "append", "overwrite", "delete" or "replace", as Java names it.
std::string OperationName(const SnapshotChanges& changes);

/// Errors: InvalidArgument naming the file or the rule.
Status CheckChanges(const SnapshotChanges& changes, const TableMetadata& base);

}  // namespace moraine::iceberg
