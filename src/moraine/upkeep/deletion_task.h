#pragma once
// The worker task "delete-files": deletes a chunk of a list file, or moves it to a quarantine. The
// decision is the server's; what the worker does is to look once more: it reads the metadata that
// the server has given as the table's newest, and leaves out what that reaches. Cheap, because of a
// version that is newer than the list's only new manifests are read (reachable_files.h).
//
// Nothing is deleted when the look fails, when the task is older than fresh_until_ms (the result
// says so, and the server gives the chunk again with newer metadata; a task that takes longer stops
// there, with a part of it done), when the metadata is of
// another table, or when a file lies outside of the folders given. Running a chunk
// again does what is left of it.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/batch_deletion.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::upkeep {

inline constexpr std::string_view kDeleteFilesKind = "delete-files";
/// Files of one task: small, so that what it looks at is fresh.
inline constexpr int64_t kDeletionChunk = 10'000;

/// Body.
struct DeletionBody {
  std::string list;  ///< location of the list file
  int64_t first = 0;
  int64_t count = kDeletionChunk;
  /// Folders: every file must lie below one of them.
  std::vector<std::string> roots;
  /// The table as it is now; empty only with table_gone.
  std::string metadata_location;
  /// The version whose files are not in the list; empty: the whole of metadata_location is read.
  std::string base_metadata_location;
  int64_t table_version = 0;     ///< of metadata_location, for the record
  int64_t listed_before_ms = 0;  ///< when the list was begun
  bool table_gone = false;       ///< dropped and purged: nothing is looked at
  int64_t fresh_until_ms = 0;    ///< afterwards the result is stale; 0: never
  /// When the task was made, by the store's clock; a worker whose clock is behind that can't tell
  /// what is fresh. 0: not said.
  int64_t made_ms = 0;
  int64_t files_per_second = 0;  ///< 0: no limit
  /// ".../.quarantine/<run>": files are moved there, by number of root and path below it. The roots
  /// must then be as the list has them. Empty: they are deleted.
  std::string quarantine;

  bool operator==(const DeletionBody&) const = default;
};
std::string DeletionBodyToJson(const DeletionBody& body);
Result<DeletionBody> DeletionBodyFromJson(std::string_view text);

/// Result. Counts add up to the files of the chunk.
struct DeletionResult {
  int64_t deleted = 0;  ///< or moved; those that were gone already count
  int64_t kept = 0;     ///< reached again by the newest version
  int64_t failed = 0;
  /// Of those that failed: for a reason that passes, such as a store that is busy or out of reach.
  int64_t passing = 0;
  int64_t bytes = 0;  ///< of the deleted ones, by the list
  /// fresh_until_ms was over before all was done, or metadata_location is gone: the chunk is to be
  /// given again, and only what that one says counts.
  bool stale = false;
  /// The first few that failed, with the reason.
  std::vector<std::pair<std::string, std::string>> failures;

  bool operator==(const DeletionResult&) const = default;
};
std::string DeletionResultToJson(const DeletionResult& result);
Result<DeletionResult> DeletionResultFromJson(std::string_view text);
/// Counts them, and tells the first few.
void NoteFailures(const std::vector<std::pair<std::string, Status>>& failed,
                  DeletionResult* result);
/// Adds what was done with a batch.
void AddOutcome(const BatchOutcome& outcome, DeletionResult* result);

/// Errors: Conflict (the metadata is of another table), PermissionDenied (a file outside of the
/// roots), Corruption of the list, and what reading the metadata gives. Single files that could not
/// be deleted are no error.
Result<tasks::MaintenanceOutput> RunDeleteFiles(Call& call, io::FileSystem& files,
                                                const tasks::MaintenanceTask& task,
                                                const JobOptions& options, JobProgress* progress);

}  // namespace moraine::upkeep
