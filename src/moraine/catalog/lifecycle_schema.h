#pragma once
// The store tables of what was dropped and what is protected. dropped has one row for each table,
// view or namespace that waits for the end of its hold; its row of tabular has deleted_at set, its
// claims stay. A dropped namespace keeps its row under a name that no namespace can have.

#include <vector>

#include "moraine/store/database.h"

namespace moraine::catalog {

/// Of the module "lifecycle"; run after the catalog's own.
const std::vector<store::Migration>& LifecycleMigrations();

}  // namespace moraine::catalog
