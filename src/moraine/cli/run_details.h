#pragma once
// What a run of maintenance tells beside its summary, for people: which snapshots go or stay and
// why, which files, partitions and columns. Used by `moraine maintenance show`; what it does not
// know by name is shown as it is.

#include <cstdint>
#include <string>

#include "moraine/base/json.h"
#include "moraine/cli/console.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {

/// Adds single values to the facts. The tables of all others, each after an empty line.
std::string DetailsText(const Json& details, int64_t now_ms, const Console& console,
                        FactList* facts);

}  // namespace moraine::cli
