#pragma once
// The driver of "auto-create-tags" (action.h; rules: upkeep/auto_tags.h). One commit, no tasks.

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeCreateTags();

}  // namespace moraine::maintenance
