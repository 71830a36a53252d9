#pragma once
// The driver of "expire-data" (action.h; rules: upkeep/data_expiry.h).

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeExpireData();

}  // namespace moraine::maintenance
