#pragma once
// Some data files of a snapshot with the deletes that apply to them, in bounded memory: planning
// (iceberg/scan/plan_files.h) holds all deletes of the table, here only those of the files at hand
// are. Used by data_expiry for old rows.

#include <cstdint>
#include <functional>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/io/file_system.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

/// What was read.
struct DeletePasses {
  int64_t passes = 0;  ///< over the delete manifests
};

/// Calls visit for each live data file that is wanted, in the order of the manifests, until it
/// answers false. Files and deletes have all their metrics. Errors: as ReadManifest and
/// DeleteIndex; Exhausted when the deletes of one file alone don't fit; what visit returns. Cost:
/// the data manifests once, the delete manifests once for as many files as fit.
Result<DeletePasses> VisitFilesWithDeletes(
    Call& call, io::FileSystem& files, const OpenedSnapshot& opened, int64_t memory_bytes,
    const std::function<bool(const iceberg::DataFile&)>& wanted,
    const std::function<Result<bool>(iceberg::FileTask&)>& visit);

}  // namespace moraine::upkeep
