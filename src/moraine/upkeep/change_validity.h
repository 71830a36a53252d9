#pragma once
// Whether a change that was found in one snapshot may still be committed now that the branch has
// moved on. Drivers ask before they give the change to a commit: one that others have ruled out
// stays ruled out however often it is tried, and has to be found again.

#include <string>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::upkeep {

/// "", or one sentence that says what came between. Reads what was committed since the change's
/// starting snapshot, and nothing if that is still the current one. Errors: as io.
Result<std::string> WhyNoLongerValid(Call& call, io::FileSystem& files,
                                     const iceberg::TableMetadata& metadata,
                                     const iceberg::SnapshotChanges& changes);

}  // namespace moraine::upkeep
