#pragma once
// The second half of "compute-statistics" (action.h): what each partition holds
// (upkeep/partition_statistics.h), of the snapshot that is current once the first half, which
// counts distinct values of columns, is through with its own. Each commits by itself: one that has
// nothing to do, or fails, takes nothing from the other; where one fails the run does, at its end.
//
//   ... the first half ... -> count -> commit the file -> done

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

/// An action that does what the given one does, and partition statistics after it.
std::unique_ptr<Action> WithPartitionStatistics(std::unique_ptr<Action> columns);

}  // namespace moraine::maintenance
