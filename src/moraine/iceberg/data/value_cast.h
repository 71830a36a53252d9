#pragma once
// Leaf values of a file as the type that is wanted: type promotion (table spec, "Type promotion")
// and the other physical forms that writers use for the same type (narrow integers, millisecond and
// INT96 timestamps, large or dictionary-encoded strings).

#include <memory>
#include <string>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
class DataType;
class MemoryPool;
}  // namespace arrow

namespace moraine::iceberg {

/// Whether CastValues can make the wanted primitive type of the file's type.
bool IsReadableAs(const arrow::DataType& file_type, const Type& wanted);

/// Errors: Corruption for a value that does not fit (only broken files have those).
Result<std::shared_ptr<arrow::Array>> CastValues(const std::shared_ptr<arrow::Array>& values,
                                                 const std::shared_ptr<arrow::DataType>& wanted,
                                                 arrow::MemoryPool* pool);

}  // namespace moraine::iceberg
