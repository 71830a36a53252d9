#pragma once
// Automatic tags (or branches): one for each hour, day, week or month, in a time zone, made after
// the period has ended and pointing at what main was when it ended (properties tag.auto-create.*).
// Pure: the caller commits the request, and asks again after a lost race.
//
// What differs from the reference system: there the tag points at the first snapshot after the
// period's end, and a table without a commit after it gets none; and snapshots of other branches
// are taken, too.

#include <cstdint>
#include <optional>
#include <string>

#include "moraine/base/status.h"
#include "moraine/base/time_zone.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/upkeep/config.h"

namespace moraine::upkeep {

/// The period that ended last, the offset after its end included.
struct TagPeriodEnd {
  int64_t begin_ms = 0;  ///< of the period
  int64_t end_ms = 0;    ///< of the period, as the zone's clocks show it: midnight, ...
  int64_t due_ms = 0;    ///< end_ms and the offset: what was committed before is in the tag
  int64_t next_ms = 0;   ///< when the next period's tag is due
};
TagPeriodEnd LastTagPeriod(const MaintenanceConfig& config, const TimeZone& zone, int64_t now_ms);

struct TagDecision {
  /// The ref to make; nothing if there is nothing to do.
  std::optional<iceberg::SnapshotRef> ref;
  std::string name;     ///< of the ref, also where it is there already
  std::string reason;   ///< one sentence: why nothing is to be done, or what the ref is
  int64_t next_ms = 0;  ///< when to ask again
};

/// What the tag of the last period is. The zone is config.tag_zone's. Errors: InvalidArgument for a
/// tag format that is none or that makes no name of a ref.
Result<TagDecision> DecideTag(const iceberg::TableMetadata& metadata,
                              const MaintenanceConfig& config, const TimeZone& zone,
                              int64_t now_ms);

/// Makes the ref if there is none of its name: a Conflict says that somebody else has made it.
iceberg::CommitRequest TagCommit(const iceberg::TableMetadata& metadata,
                                 const TagDecision& decision);

/// What main was at that time: the last snapshot that was committed to it, of those that it still
/// has in its history. nullptr: none, or it has expired.
const iceberg::Snapshot* MainAt(const iceberg::TableMetadata& metadata, int64_t time_ms);

/// The pattern that config.tag_format stands for.
std::string TagFormat(const MaintenanceConfig& config);

}  // namespace moraine::upkeep
