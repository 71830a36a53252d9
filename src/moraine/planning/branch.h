#pragma once
// Optimizing a branch: planning and landing look at the table as readers of that branch do. Pure;
// asked by the server's planner, health monitor and committer.

#include <string>

#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::planning {

/// The same metadata with the branch's head as current snapshot; main's is the table itself.
/// Changes are still committed on the table. Errors: NotFound without such a branch;
/// InvalidArgument for a tag.
Result<iceberg::TablePtr> AtBranch(const iceberg::TablePtr& table, const std::string& branch);

}  // namespace moraine::planning
