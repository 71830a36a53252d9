#pragma once
// Rows of webhooks in the store.

#include <vector>

#include "moraine/store/database.h"

namespace moraine::events {

const std::vector<store::Migration>& Migrations();

}  // namespace moraine::events
