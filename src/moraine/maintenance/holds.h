#pragma once
// Named holds: "flink-orders needs all from snapshot S on". A stream reader dies when the snapshot
// that it stands at is gone, so it (or whoever runs it) says where it stands, and moves its hold on
// as it reads. Holds end by themselves; one that nobody moves is warned of, since it keeps old
// files. Rows of the store, by table and name; times by the store's clock.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/store/database.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::maintenance {

struct Hold {
  int64_t table_id = 0;
  std::string name;
  int64_t snapshot_id = 0;
  int64_t snapshot_ms = 0;  ///< when that snapshot was made
  bool and_later = true;    ///< all from it on to the branches' heads, not it alone
  std::string reason;       ///< for people
  std::string set_by;       ///< principal; "": nobody in particular
  int64_t created_ms = 0;   ///< first set
  int64_t moved_ms = 0;     ///< last set
  int64_t expires_ms = 0;
};

struct NewHold {
  std::string name;
  int64_t snapshot_id = 0;
  bool and_later = true;
  std::string reason;
  Millis length{0};  ///< 0: the default
  /// That the metadata is of: a commit that removes the snapshot meanwhile is noticed.
  std::optional<int64_t> table_version;
};

struct HoldOptions {
  Millis default_length{7LL * 24 * 3'600'000};
  Millis most_length{30LL * 24 * 3'600'000};
  /// Holds of snapshots that are older than this are warned of.
  Millis warn_after{3LL * 24 * 3'600'000};
};

struct HoldCounts {
  int64_t holds = 0;
  int64_t old = 0;  ///< of them, those that are warned of
};

/// Thread-safe.
class Holds {
 public:
  Holds(store::Database& database, HoldOptions options) : database_(database), options_(options) {}
  /// Makes the table of the store.
  Status Open(Call& call);

  /// Sets or moves the hold of this name. Errors: InvalidArgument (a name of 1 to 200 bytes, a
  /// length of a second to the most), NotFound for a snapshot that the metadata does not have,
  /// Exhausted beyond 100 of a table, Conflict where the table has another version by now.
  Result<Hold> Put(Call& call, int64_t table_id, const iceberg::TableMetadata& metadata,
                   const NewHold& wanted);
  /// Whether it was there.
  Result<bool> Release(Call& call, int64_t table_id, const std::string& name);
  /// Those that have not ended, by name.
  Result<std::vector<Hold>> List(Call& call, int64_t table_id);
  /// Forgets those that have ended, and counts the others.
  Result<HoldCounts> Trim(Call& call);

  /// Why a person should look at it; "" if there is no reason.
  std::string WarningOf(const Hold& hold, int64_t now_ms) const;

 private:
  store::Database& database_;
  const HoldOptions options_;
};

/// Those that have not ended then, by name.
Result<std::vector<Hold>> HoldsOf(store::Transaction& t, int64_t table_id, int64_t now_ms);
/// As expiry is to read it.
upkeep::SnapshotHold ForExpiry(const Hold& hold);
Result<std::vector<upkeep::SnapshotHold>> SnapshotHoldsOf(store::Transaction& t, int64_t table_id,
                                                          int64_t now_ms);

}  // namespace moraine::maintenance
