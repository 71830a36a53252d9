#pragma once
// Driver of clean-orphan-files. One run: quarantines whose hold has ended are emptied, the table's
// folders are listed and compared with what the table reaches (upkeep/orphan_task.h), and what is
// left over goes in chunks (upkeep/deletion_task.h), each checked against the table as it is when
// the chunk's turn comes.
//
// The first time orphans are found on a table they are moved to a quarantine below the table's
// location, from where they can be brought back; only once one was emptied after its hold, and
// nobody wanted it back, are later ones deleted at once. A table in whose folders another table
// lies is not cleaned. Options: {"restore": "<run id>"} or {"restore": "all"} brings back instead;
// {"older-than-ms": N} replaces the age limit of the properties; less than a day only together with
// {"allow-young": true} or in a dry run.

#include <memory>
#include <string>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeCleanOrphanFiles();

/// Errors: InvalidArgument, which names the option.
Status CheckOrphanOptions(const std::string& options, bool dry_run);

}  // namespace moraine::maintenance
