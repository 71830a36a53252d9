#pragma once
// The physical columns of a footer's schema: a depth-first list of elements (parquet-format,
// "Nested encoding").

#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/format.h"

namespace moraine::splice {

/// Errors: Corruption for a list that is no tree.
Result<std::vector<Leaf>> ParseLeaves(std::string_view schema);

}  // namespace moraine::splice
