#pragma once
// Which snapshots of a table expire, and why each of the others stays: pure, from metadata,
// properties and a time. With them go branches and tags whose age is over, statistics files, and
// schemas that nothing has any more. What comes out is a plain commit of metadata updates, and what
// find-expired-files (expired_files.h) must know afterwards. Called by maintenance, also for dry
// runs, and by tests.
//
// What stays (table spec, "Snapshot Retention Policy"; the reference system's rules):
//   - what a branch or tag that stays names;
//   - of each branch from its head on, as many as its smallest number says and as long as they are
//     young enough: by the branch's own settings, else the table's (snapshot.keep.*,
//     history.expire.*: what keeps more wins where both are set);
//   - what a hold names, and what is named to be in use;
//   - the newest commit of main that no table service made, and all that such services did since;
//   - of each Flink job the last checkpoint on each branch, unless that is older than
//     snapshot.keep.flink.checkpoint-retention, and all from there to the head: a job that starts
//     again walks that chain to learn what it has committed;
//   - snapshots of no branch (staged ones) while they are young.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/upkeep/config.h"

namespace moraine::upkeep {

/// Snapshots that stay whatever their age is.
struct SnapshotHold {
  std::string reason;                 ///< for people: "held by 'nightly job'"
  std::vector<int64_t> snapshot_ids;  ///< these
  /// And all from this one to the head of every branch that it is in: a stream reader that stands
  /// there finds an unbroken chain. The branches stay, too. It may be gone itself.
  std::optional<int64_t> from_snapshot;
};

struct ExpiryContext {
  int64_t now_ms = 0;
  std::vector<SnapshotHold> holds;
  /// At most so many are removed by one commit, the oldest first.
  size_t max_snapshots = 5'000;
};

struct SnapshotDecision {
  int64_t snapshot_id = 0;
  bool expires = false;
  std::string reason;  ///< "head of branch main", "older than 12 h, on branch main", ...
  bool operator==(const SnapshotDecision&) const = default;
};
struct RefDecision {
  std::string name;
  bool expires = false;
  std::string reason;
  bool operator==(const RefDecision&) const = default;
};

/// What the removed snapshots named; all that is needed to find their files later.
struct ExpiredSnapshots {
  struct Removed {
    int64_t snapshot_id = 0;
    std::string manifest_list;           ///< empty: v1 with inline manifests
    std::vector<std::string> manifests;  ///< v1 only
    bool operator==(const Removed&) const = default;
  };
  struct Statistics {
    std::string path;
    int64_t bytes = 0;
    bool operator==(const Statistics&) const = default;
  };
  std::vector<Removed> snapshots;
  std::vector<Statistics> statistics;  ///< of tables and of partitions
  bool operator==(const ExpiredSnapshots&) const = default;
};

struct ExpiryPlan {
  std::string nothing;                      ///< why nothing goes; empty: something does
  std::vector<SnapshotDecision> snapshots;  ///< all, in the order of the metadata
  std::vector<RefDecision> refs;            ///< all
  std::vector<int32_t> schemas;             ///< that go
  ExpiredSnapshots expired;
  /// Requires the table and every branch and tag to be what they were. A branch or tag that is made
  /// meanwhile can't be required away: whoever commits makes sure that the table's version is the
  /// one that was planned from.
  iceberg::CommitRequest request;
  bool more = false;  ///< there is more than one commit may remove
};

ExpiryPlan PlanSnapshotExpiry(const iceberg::TableMetadata& metadata,
                              const MaintenanceConfig& config, const ExpiryContext& context);

/// The snapshots that stay because of holds, sorted, with those that holds name and that are gone
/// already. Where the one to begin from is gone, and its child is there, this and what came after
/// it stay.
std::vector<int64_t> HeldSnapshots(const iceberg::TableMetadata& metadata,
                                   const std::vector<SnapshotHold>& holds);
/// By a table service, not a writer; writers of the reference system say that they are none.
bool MadeByTableService(const iceberg::Snapshot& snapshot);

/// Whether a reader of one of the holds may stand in this branch.
bool IsHeldBranch(const iceberg::TableMetadata& metadata, const std::vector<SnapshotHold>& holds,
                  const std::string& name);

void WriteExpiredSnapshots(const ExpiredSnapshots& expired, JsonWriter* out);
/// Errors: InvalidArgument with the path.
Result<ExpiredSnapshots> ExpiredSnapshotsFromJson(const JsonCursor& json);

}  // namespace moraine::upkeep
