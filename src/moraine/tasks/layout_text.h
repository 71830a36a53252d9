#pragma once
// Layouts as people write them, in a table property or on the command line:
//   none
//   sort                                        by the table's sort order
//   sort(a desc nulls last, bucket(4, b), day(ts))
//   zorder(a, b)  hilbert(a, b)
// Words in any case; columns by their names ("s.x" inside structs), in backticks or double quotes
// where they hold other signs than letters, digits, "_" and ".". As in Iceberg, nulls come first
// when ascending and last when descending, unless it is said.

#include <string_view>
#include <vector>

#include "moraine/tasks/layout.h"

namespace moraine::tasks {

/// orders: the table's; an order that is one of them gets its id. Errors: InvalidArgument that says
/// what was expected where, or as ValidateLayout.
Result<Layout> ParseLayout(std::string_view text, const iceberg::Schema& schema,
                           const std::vector<iceberg::SortOrder>& orders, int32_t default_order_id);

/// Columns that are separated by commas, written as in a layout; "*" as key: the table's identifier
/// fields. by: one column, or empty. Errors: InvalidArgument that says what was expected where, or
/// as ValidateDedup.
Result<Dedup> ParseDedup(std::string_view key, std::string_view by, const iceberg::Schema& schema);

/// Whether the text can be a layout of some table: all but the names of columns. Errors:
/// InvalidArgument.
Status CheckLayoutText(std::string_view text);

}  // namespace moraine::tasks
