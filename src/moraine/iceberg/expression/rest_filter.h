#pragma once
// Filters as clients of the REST protocol send them: the expression JSON of released clients
// ("term" and "value") and the one of the newer expressions spec ("left", "right", "child"). Used
// by scanning. What can't be evaluated here (transforms, functions, two columns compared) is kept
// as it came, to be handed back in residuals.

#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

enum class NameCase { kSensitive, kInsensitive };

/// A filter is the conjunction of both parts.
struct RestFilter {
  ExpressionPtr known;       ///< unbound; true where nothing is known
  std::vector<Json> opaque;  ///< predicates in the form in which they came
};

/// Errors: InvalidArgument naming the place: an unknown operation or column, a missing member.
Result<RestFilter> ReadRestFilter(const JsonCursor& json, const Schema& schema, NameCase names);

/// The residual (bound to the schema) and what is opaque, as one expression in the old form, which
/// every client reads.
std::string RestFilterToJson(const ExpressionPtr& residual, const std::vector<Json>& opaque,
                             const Schema& schema);

}  // namespace moraine::iceberg
