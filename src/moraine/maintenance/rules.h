#pragma once
// The answers of seams.h, plain ones where nobody else answers, and what follows from them.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/maintenance/policy.h"
#include "moraine/maintenance/seams.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

Result<TablePolicyPtr> PolicyOf(Call& call, const Seams& seams, const catalog::LoadedTable& table,
                                Inherited& inherited);
Result<std::vector<upkeep::SnapshotHold>> HoldsOf(Call& call, const Seams& seams,
                                                  const catalog::LoadedTable& table,
                                                  int64_t now_ms);
/// Asked in the note of a commit. Errors: Conflict when it removes a snapshot that is held by now,
/// or a branch in which a reader stands.
Status CheckNothingHeldGoes(store::Transaction& t, const Seams& seams,
                            const catalog::LoadedTable& table,
                            const iceberg::CommitRequest& request);
Result<std::vector<catalog::Blocker>> BlockersOf(Call& call, const Seams& seams, int64_t table_id);
/// The blocker of the action that lasts longest.
Obstacle BlockedBy(const std::vector<catalog::Blocker>& blockers, upkeep::Action action);

/// The policy's, and what can't be done on this very table: a column that is not there.
std::vector<std::string> ProblemsOf(const TablePolicy& policy, const catalog::LoadedTable& table);
/// Why the action does not begin by itself; "": it does.
std::string WhyNotByItself(const TablePolicy& policy, upkeep::Action action);

}  // namespace moraine::maintenance
