#pragma once
// One life of tables that are dropped and come back, which meets every member of the answers about
// it.

#include "moraine/api/testing/api_world.h"

namespace moraine::api {

/// Makes a namespace "life" with tables in it, and leaves it dropped. Fails the test where an
/// answer is not what it should be.
void WalkLifecycle(ApiWorld& api);

}  // namespace moraine::api
