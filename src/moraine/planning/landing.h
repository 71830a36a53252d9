#pragma once
// How what a run made becomes one snapshot of the table as it is now: what of it still holds, which
// deletes that came meanwhile it takes along, and the change to commit. The server's committer and
// `moraine compact` both ask this in every attempt; each commits in its own way.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/carry_over.h"
#include "moraine/planning/commit_decision.h"
#include "moraine/planning/evaluator.h"
#include "moraine/planning/health.h"

namespace moraine::planning {

/// Keys of the snapshot summary of an optimizing commit.
inline constexpr char kProducerKey[] = "snapshot.producer";
inline constexpr char kProducerValue[] = "OPTIMIZE";
inline constexpr char kProcessKey[] = "optimizing.process-id";
inline constexpr char kDeduplicatedKey[] = "optimizing.deduplicated-records";

/// What a run was planned from.
struct PlannedRun {
  std::string process_id;
  OptimizingType type = OptimizingType::kNone;
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;  ///< of the snapshot: that of the new data files
  std::string branch = iceberg::kMainBranch;
};

/// The snapshot that a commit of this process made, if it has landed.
std::optional<int64_t> LandedSnapshot(const iceberg::TableMetadata& metadata,
                                      const std::string& process_id);

/// Of an optimizing commit: rows that were left out as duplicates, as its summary says.
int64_t DeduplicatedRows(const iceberg::TableMetadata& metadata, int64_t snapshot_id);

/// Whether the planned snapshot is the current one or an ancestor of it. If not, the run is lost:
/// the table was rolled back behind it, or its history since then has expired.
bool IsAncestor(const iceberg::TableMetadata& metadata, int64_t snapshot_id);

/// One attempt at landing.
struct Landing {
  CommitDecision decision;           ///< empty: nothing is left of the work; then the rest is, too
  iceberg::SnapshotChanges changes;  ///< for SnapshotProducer, with the marks of the run
  /// Delete files that were written for the changes. Once the commit is refused, its caller deletes
  /// them with the producer's files; after CommitUnknown nobody does.
  std::vector<std::string> written;
  /// What their names start with, of each kept task that has some.
  std::vector<std::string> carried_prefixes;
};

/// What of the finished work may be committed on this metadata (of the run's branch: AtBranch): our
/// own rules, then the format's; deletes that came meanwhile are carried over to the new files,
/// within memory_bytes. sum: of its current snapshot. before: may be empty. Errors (what was
/// written is gone then, or is left if the store fails): as LoadTableFiles, CheckGroups,
/// CarryOverDeletes and before.
Result<Landing> MakeLanding(Call& call, io::FileSystem& files,
                            const iceberg::TableMetadata& metadata, const HealthSum& sum,
                            const PlannedRun& run, const std::vector<FinishedWork>& finished,
                            int64_t memory_bytes, const BeforeCarrying& before);

}  // namespace moraine::planning
