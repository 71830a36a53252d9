#pragma once
// Single values of Arrow columns as iceberg::Value: for transforms, which take one at a time.

#include <arrow/type_fwd.h>

#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::rewrite {

/// The array is of ToArrowType(type), type is primitive. Null gives null.
iceberg::Value ValueAt(const arrow::Array& values, const iceberg::Type& type, int64_t row);

}  // namespace moraine::rewrite
