#pragma once
// The catalog's store tables (decision "store"). tabular has one row per table, tabular_claim the
// places that are a table's own (its location and write.*.path properties; no two tables' overlap),
// table_change the feed.

#include <vector>

#include "moraine/store/database.h"

namespace moraine::catalog {

const std::vector<store::Migration>& Migrations();

}  // namespace moraine::catalog
