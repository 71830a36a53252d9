#pragma once
// The driver of "clean-dangling-delete-files" (action.h; rules: upkeep/dangling_deletes.h).

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeCleanDanglingDeletes();

}  // namespace moraine::maintenance
