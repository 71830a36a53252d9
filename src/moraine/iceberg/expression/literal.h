#pragma once
// Literals of filters: from JSON, or from what a person types, to a typed value. Used by Bind.

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

/// A typed literal, or the side on which it lies outside the range of the type.
struct TypedLiteral {
  enum class Range { kInside, kBelow, kAbove };
  Range range = Range::kInside;
  Value value;
};

/// Beside the single-value form: whole numbers for any number, date or timestamp column;
/// "2024-05-01" and "2024-05-01 10:00[:00[.5]][Z|+02:00]" for timestamps. Errors: InvalidArgument
/// naming type and literal.
Result<TypedLiteral> TypeLiteral(const Type& type, const Json& literal);

/// The order of filters: numbers by value with -0 equal to 0 and NaN above all, the rest as
/// CompareValues.
std::strong_ordering CompareForFilter(const Value& a, const Value& b);

}  // namespace moraine::iceberg
