#pragma once
// Delete files and deletion vectors of the current snapshot that apply to no live data file: every
// reader opens them for nothing. Found by a worker, removed in one commit that keeps every row.
//
// What applies is the table spec's ("Scan planning"): position deletes reach data files of their
// partition with a sequence number up to theirs; equality deletes those of a lower one, of their
// partition or, in an unpartitioned spec, of the whole table; a delete file about one data file,
// and a deletion vector, only that one. Metrics are not asked: what they alone would rule out
// stays.
//
// Beside it others may commit. A data file that comes later with a higher sequence number needs no
// older deletes; a rewrite may bring one with an older number, which the commit's checks find.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

inline constexpr char kFindDanglingDeletes[] = "find-dangling-deletes";

/// Why there is nothing to look for, or "": the summary or the manifest list knows of deletes.
Result<std::string> NoDeletesReason(Call& call, io::FileSystem& files,
                                    const iceberg::TableMetadata& metadata);

struct DanglingDeletesTask {
  SnapshotPlace place;
  int64_t max_files = kMostFilesInResult;
};
/// The body of a task.
std::string ToBody(const DanglingDeletesTask& task);

struct DanglingDeletes {
  int64_t snapshot_id = 0;
  int64_t delete_files = 0;  ///< that the snapshot has
  int64_t data_files = 0;    ///< that were looked at
  int64_t bytes = 0;         ///< of those below
  /// The highest data sequence number of those below.
  int64_t highest_sequence = 0;
  std::vector<iceberg::RemovedFile> files;
  bool more = false;  ///< there are more than max_files
};
Result<DanglingDeletes> DanglingDeletesOf(const tasks::MaintenanceOutput& output,
                                          const iceberg::TableMetadata& metadata);

/// The commit that removes them. Not for an empty list.
iceberg::SnapshotChanges RemoveDanglingDeletes(const DanglingDeletes& found);

/// Finds them. Reads the delete manifests, and of the data manifests those that may hold files old
/// enough. Memory: some 100 bytes for each delete file. Errors: as OpenSnapshot and ReadManifest;
/// Exhausted where the memory does not suffice; Corruption for a delete file without a sequence
/// number.
Result<tasks::MaintenanceOutput> RunFindDanglingDeletes(Call& call, io::FileSystem& files,
                                                        const tasks::MaintenanceTask& task,
                                                        const JobOptions& options,
                                                        JobProgress* progress);

}  // namespace moraine::upkeep
