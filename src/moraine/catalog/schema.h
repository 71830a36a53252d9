#pragma once
// The catalog's store tables (decision "store").

#include <vector>

#include "moraine/store/database.h"

namespace moraine::catalog {

const std::vector<store::Migration>& Migrations();

}  // namespace moraine::catalog
