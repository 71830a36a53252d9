#pragma once
// The worker task "find-orphans": which files below a table's folders does the table not reach?
// Lists the folders, compares with what the metadata given reaches (reachable_files.h), and writes
// the rest as a list file. Bounded memory: both sides are sorted on the local disk.
//
// Safe because of what happens around it: a file counts only if it was listed, is older than the
// limit by the store's time, and is not reached by metadata that is at least as new as the
// listing's begin. The first two are decided here; whoever deletes looks at the newest metadata
// again (deletion_task.h). A listing that is stale or not whole leaves files out, never more.
//
// What is never an orphan, whatever the metadata says: hidden names (a segment that begins with "."
// or "_" and is no partition: other tools' folders, staging areas, our quarantine), version-hint
// files, files of Flink jobs that the table has commits of (their names begin with the job's id:
// manifests that wait for a checkpoint), what lies in folders or begins with prefixes that the
// server gives (running attempts, other tables), and files whose name equals that of a reachable
// file outside of the folders (the same place by another path, such as a link).

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::upkeep {

inline constexpr std::string_view kFindOrphansKind = "find-orphans";
/// Below the table's location. The dot keeps engines from listing it.
inline constexpr std::string_view kQuarantineFolder = ".quarantine";

/// Body.
struct OrphanBody {
  std::string metadata_location;   ///< the table when the run began
  std::vector<std::string> roots;  ///< folders of the table; those inside others are listed once
  int64_t older_than_ms = 0;       ///< files that were changed then or later stay
  /// The same of metadata files, to which a rollback may still lead; 0: no other limit.
  int64_t metadata_older_than_ms = 0;
  std::vector<std::string> keep_names;  ///< beginnings of files' names: ids of running processes

  bool operator==(const OrphanBody&) const = default;
};
std::string OrphanBodyToJson(const OrphanBody& body);
Result<OrphanBody> OrphanBodyFromJson(std::string_view text);

/// Result.
struct OrphanResult {
  std::string list;  ///< location of the list file, sorted; empty: there is none
  int64_t orphans = 0;
  int64_t orphan_bytes = 0;
  int64_t listed = 0;
  int64_t reached = 0;                ///< files that the table names, more than once counted again
  int64_t young = 0;                  ///< not reached, and younger than the limit
  int64_t spared = 0;                 ///< not reached, and kept by a rule
  int64_t listed_at_ms = 0;           ///< when the listing began
  int64_t spilled_bytes = 0;          ///< written to the worker's own disk
  std::vector<std::string> examples;  ///< some of the orphans
  /// Tables of others (some of them): folders inside the roots that have metadata files of their
  /// own, or the log of another format, nothing below which is in the list, and metadata files of
  /// another table that lives in this one's folder, of which nothing can be told apart. Whoever
  /// deletes stops at both.
  std::vector<std::string> foreign;

  bool operator==(const OrphanResult&) const = default;
};
std::string OrphanResultToJson(const OrphanResult& result);
Result<OrphanResult> OrphanResultFromJson(std::string_view text);

/// Errors: Conflict for metadata of another table; as listing, reading metadata and writing the
/// list give. Then there is no list, or one that nobody reads.
Result<tasks::MaintenanceOutput> RunFindOrphans(Call& call, io::FileSystem& files,
                                                const tasks::MaintenanceTask& task,
                                                const JobOptions& options, JobProgress* progress);

}  // namespace moraine::upkeep
