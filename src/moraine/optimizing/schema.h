#pragma once
// The store tables of optimizing (decision "store"): what is known of each table, digests of
// manifests, processes, their tasks, optimizers.

#include <vector>

#include "moraine/store/database.h"

namespace moraine::optimizing {

const std::vector<store::Migration>& Migrations();

}  // namespace moraine::optimizing
