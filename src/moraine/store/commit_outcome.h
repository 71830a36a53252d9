#pragma once
// What a connection knows of its COMMIT. (Used by the drivers and the databases over them.)

namespace moraine::store {

enum class CommitOutcome { kDone, kRefused, kUnknown };

}  // namespace moraine::store
