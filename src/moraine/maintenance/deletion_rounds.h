#pragma once
// Deleting what a list file names, round by round: some chunks as tasks, and the next ones once
// they have ended, each with the table's metadata as it is then. Chunks of which files could not be
// deleted come again at the end, after a wait that grows. The state is JSON in the run's row. Used
// by drivers whose runs delete files (expire_snapshots, orphan_files, purge).

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/maintenance/action.h"
#include "moraine/upkeep/deletion_task.h"

namespace moraine::maintenance {

/// Files that could not be deleted, the first few, each with its reason.
using FileFailures = std::vector<std::pair<std::string, std::string>>;
std::string FileFailuresToJson(const FileFailures& failures);
/// Absent: none.
Result<FileFailures> FileFailuresFromJson(const JsonCursor& json, std::string_view key);
void AddFailures(const FileFailures& more, FileFailures* failures);
/// ", 3 could not be, the first: s3://b/x: PermissionDenied: ..."; "" for none.
std::string SayFailed(int64_t failed, const FileFailures& failures);
/// A task that deletes relies for so long on what it was made with, at most.
inline constexpr Millis kDeletionFresh{15 * 60'000};

struct DeletionRounds {
  std::string proof;                ///< of the deletion rows: "orphan", "quarantine", "purge"
  upkeep::DeletionBody every_task;  ///< but first, count and what is the table's as it is now
  int64_t files = 0;                ///< in the list
  int64_t bytes = 0;
  int64_t next = 0;                                  ///< the first that no task has had
  std::vector<std::pair<int64_t, int64_t>> again{};  ///< first and count of chunks that were stale
  int64_t made_ms = 0;                               ///< when the tasks of the last round were
  int64_t in_vain = 0;  ///< rounds before this one in which all were stale

  /// How often chunks come again of which files could not be deleted.
  int64_t most_tries = 2;
  /// Where the reason passes (a store that is busy, or out of reach) they come for ever: no later
  /// run would know of these files.
  bool last_trace = false;
  std::vector<std::pair<int64_t, int64_t>> later{};  ///< such chunks
  int64_t tries = 0;                                 ///< how often there were some
  std::string held_up_by{};                          ///< the first file of them, and why

  int64_t deleted = 0, deleted_bytes = 0, kept = 0, failed = 0;
  FileFailures failures{};

  bool done() const { return next >= files && again.empty() && later.empty(); }
};

std::string DeletionRoundsToJson(const DeletionRounds& rounds);
Result<DeletionRounds> DeletionRoundsFromJson(const JsonCursor& json);

/// The tasks of the next round, and what goes on; rounds is not done.
RunTasks NextRound(const RunContext& context, DeletionRounds* rounds);
/// Counts what tasks of the kind delete-files have done. Errors: InvalidArgument for a result that
/// can't be read; Unavailable after some rounds in vain, until a while after the last one: workers
/// come too late, or their clocks are wrong.
Status CountRound(const RunContext& context, const std::vector<TaskResult>& results,
                  DeletionRounds* rounds);

}  // namespace moraine::maintenance
