#pragma once
// Columns of whole numbers in as few bytes as their values need: what is sorted, put aside and
// merged is smaller than what is read and written. Used by the sorter (row_packer.h).

#include <cstdint>
#include <memory>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"

namespace moraine::rewrite {

/// Integers, dates, times, timestamps, and decimals whose numbers have 64 bits.
bool HasNarrowForm(const arrow::DataType& type);

/// What is subtracted from the values of a column, given one batch of it: 0, or a value of it where
/// all are large.
int64_t BaseOf(const arrow::Array& values);

/// The values less base as int8, int16, int32 or int64, whichever holds all; the array itself where
/// that would not be narrower. Errors: Exhausted (the pool).
Result<std::shared_ptr<arrow::Array>> Narrow(const std::shared_ptr<arrow::Array>& values,
                                             int64_t base, arrow::MemoryPool* pool);

/// Narrow values as a type that is wider: a narrow one, or the original. The array itself if it is
/// of that type.
Result<std::shared_ptr<arrow::Array>> Widen(const std::shared_ptr<arrow::Array>& values,
                                            const std::shared_ptr<arrow::DataType>& type,
                                            int64_t base, arrow::MemoryPool* pool);

/// The bitmap of an array from its first row on; nullptr: none is null.
Result<std::shared_ptr<arrow::Buffer>> BitmapFrom(const arrow::Array& array,
                                                  arrow::MemoryPool* pool);

/// int8, int16 or int32: what holds all numbers from 0 to highest.
std::shared_ptr<arrow::DataType> IndexType(int64_t highest);

}  // namespace moraine::rewrite
