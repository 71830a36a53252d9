#pragma once
// The driver of "compute-statistics" (action.h; rules: upkeep/sketch_plan.h).
//
//   read parts -> merge them -> commit the statistics file -> delete the one it replaced -> done
//
// What one task can read is read and merged by one. The snapshot is that which was current at the
// start; if it has expired meanwhile nothing is committed. Columns that went or were promoted
// meanwhile are left out. Older statistics that can't be read are done without: all is read then.

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeComputeStatistics();

}  // namespace moraine::maintenance
