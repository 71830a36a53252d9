#pragma once
// One life of a table that is maintained, which meets every member of the answers about it.

#include "moraine/api/testing/api_world.h"

namespace moraine::api {

/// Of the table ns.t, which is there and has a snapshot. Fails the test where an answer is not what
/// it should be.
void WalkMaintenance(ApiWorld& api);

}  // namespace moraine::api
