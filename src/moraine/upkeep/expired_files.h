#pragma once
// Which files only removed snapshots reached: exact for any history (branches, tags, rollback,
// cherry-pick, files that were removed and added again), at a cost that follows what expired.
// Called by the worker task "find-expired-files" (find_expired_files.h) and by tests.
//
// What is read, and why that suffices:
//   - The manifest lists of the removed snapshots. A manifest in one of them stays if a retained
//     snapshot wrote it, or if a root has it: a root is a retained snapshot whose parent is not
//     retained. (What a snapshot lists it took from its parent or wrote itself.) The others go, and
//     live files in them are the candidates.
//   - A candidate stays if an entry that is live in a root names it, or one that a retained
//   snapshot
//     added. (What is live in a snapshot was live in its parent or is ADDED by it.) Read are the
//     manifests of the roots, then, while candidates are left, those that retained snapshots added.
//     A data manifest that every removed snapshot has is left out: no file is live twice in one
//     snapshot. Puffin files are, one entry for each vector, so this holds for data files only.
//   - The lists of other retained snapshots are read only where a newer list does not show all
//     files that the snapshot's summary says it has added, and where a removed one is of version 1
//     without a list: who wrote its manifests is not known.
// Memory: the lines of the manifests, and the candidates, by 64-bit hashes of their paths (where
// two collide a file stays); when those are too many, several passes over the manifests each take a
// share of the hashes.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::upkeep {

/// In the order in which they are found and should be deleted: what names other files last, so that
/// a run that broke off can be repeated.
enum class ExpiredKind : uint8_t { kData, kDeletes, kStatistics, kManifest, kManifestList };
inline constexpr size_t kExpiredKinds = 5;

struct ExpiredFile {
  std::string path;
  int64_t bytes = 0;  ///< as metadata has it; 0 where it does not say
  ExpiredKind kind = ExpiredKind::kData;
};

struct ExpiredFilesOptions {
  /// The snapshots are still in the metadata, and count as removed.
  bool before_commit = false;
  int64_t memory_bytes = int64_t{512} << 20;
};

struct ExpiredFilesCounts {
  int64_t files[kExpiredKinds] = {};
  int64_t bytes[kExpiredKinds] = {};
  /// Left alone, since they don't lie in the table's own places: the table does not own them.
  int64_t elsewhere = 0;
  /// Of removed snapshots, and not there any more: another run has been here.
  int64_t missing = 0;
  int64_t lists_read = 0;
  int64_t manifests_read = 0;
  int64_t entries_read = 0;

  int64_t all_files() const;
  int64_t all_bytes() const;
};

/// Folders in which the table's own files lie, as it names them: its location and those that
/// write.*.path name. Always in this order: quarantines count them.
std::vector<std::string> PlacesOfTable(const iceberg::TableMetadata& metadata);

/// Calls visit for each file once. A snapshot that the metadata has (again) is not removed, unless
/// before_commit. Errors: what visit returns; Corruption; NotFound for a list or manifest that a
/// retained snapshot needs; as io.
Result<ExpiredFilesCounts> FindExpiredFiles(Call& call, io::FileSystem& files,
                                            const iceberg::TableMetadata& metadata,
                                            const ExpiredSnapshots& expired,
                                            const ExpiredFilesOptions& options,
                                            JobProgress* progress,
                                            const std::function<Status(const ExpiredFile&)>& visit);

}  // namespace moraine::upkeep
