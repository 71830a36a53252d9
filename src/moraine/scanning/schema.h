#pragma once
// Tables of the store that scan planning owns: the secret of plan tasks, and plans that are fetched
// later.

#include <vector>

#include "moraine/store/database.h"

namespace moraine::scanning {

const std::vector<store::Migration>& Migrations();

}  // namespace moraine::scanning
