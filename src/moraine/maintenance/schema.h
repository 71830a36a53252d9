#pragma once
// The tables of maintenance in the store: what is due, what runs and ran, which files were decided
// to go. Policies, holds and blockers have a list of their own.

#include <vector>

#include "moraine/store/database.h"

namespace moraine::maintenance {

const std::vector<store::Migration>& Migrations();

}  // namespace moraine::maintenance
