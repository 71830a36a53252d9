#pragma once
// What the runner asks of policies, holds and blockers, so that they can stand in files of their
// own: each member that is set replaces the plain answer. Filled by whoever makes the Service.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/blockers.h"
#include "moraine/catalog/catalog.h"
#include "moraine/maintenance/policies.h"
#include "moraine/maintenance/policy.h"
#include "moraine/store/database.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::maintenance {

/// Why an action must not begin now.
struct Obstacle {
  std::string reason;    ///< empty: nothing stands in its way
  int64_t until_ms = 0;  ///< looked at again then
};

struct Seams {
  /// The table's policy with what it inherits from server, warehouse and namespace, the nearest
  /// last. Plain: by the properties of the table alone.
  std::function<Result<TablePolicyPtr>(Call&, const catalog::LoadedTable&, Inherited&)> policy_of;
  /// What must stay (named holds). Plain: nothing. table: never gone.
  std::function<Result<std::vector<upkeep::SnapshotHold>>(Call&, const catalog::LoadedTable&,
                                                          int64_t now_ms)>
      holds_of;
  /// The same as the store has it now, asked in the transaction of a commit that removes
  /// snapshots: a hold that was set since the decision counts. Plain: none.
  std::function<Result<std::vector<upkeep::SnapshotHold>>(store::Transaction&,
                                                          const catalog::LoadedTable&)>
      holds_in;
  /// Blockers that writers took of the table. They count for runs that a person wants, too. Plain:
  /// none.
  std::function<Result<std::vector<catalog::Blocker>>(Call&, int64_t table_id)> blockers_of;
  /// Removes what is over, as often as histories are trimmed. Plain: nothing.
  std::function<Status(Call&, int64_t now_ms)> trim;
  /// Makes the rows' tables. Plain: nothing.
  std::function<Status(Call&)> open;
};

}  // namespace moraine::maintenance
