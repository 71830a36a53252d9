#pragma once
// The version of a table that the store has now, asked in the transaction that relies on it: when a
// hold is set, and in the note of a commit (catalog::Catalog::Commit) that must not be applied to a
// newer version than the one it was decided from. Requirements of the REST protocol can't say "no
// other branch or tag was made meanwhile".

#include <cstdint>
#include <optional>

#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

/// Nothing: the table is gone.
Result<std::optional<int64_t>> VersionOf(store::Transaction& t, int64_t table_id);
/// OK if the commit under way is the only change since. Errors: Conflict: decide again.
Status CheckStillVersion(store::Transaction& t, const catalog::LoadedTable& decided_from);

}  // namespace moraine::maintenance
