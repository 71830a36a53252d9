#pragma once
// Single values of Arrow columns as Value: for transforms, which take one at a time, and samples.

#include <arrow/type_fwd.h>

#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

/// The array is of ToArrowType(type), type is primitive. Null gives null.
Value ValueAt(const arrow::Array& values, const Type& type, int64_t row);

}  // namespace moraine::iceberg
