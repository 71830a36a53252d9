#pragma once
// Iceberg types as Arrow types and back (table spec, "Parquet", appendix A). Every Arrow field
// carries its column id in the metadata key PARQUET:field_id, as Arrow's Parquet reader sets it.
// Used by readers and writers of data files, and by tests that make rows.
//
// uuid is fixed_size_binary(16); variant is struct<metadata, value> of binary; geometry and
// geography are binary (WKB); unknown is null.

#include <memory>
#include <optional>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
class DataType;
class Field;
class KeyValueMetadata;
class MemoryPool;
class Schema;
}  // namespace arrow

namespace moraine::iceberg {

inline constexpr char kArrowFieldIdKey[] = "PARQUET:field_id";

std::shared_ptr<arrow::DataType> ToArrowType(const Type& type);
std::shared_ptr<arrow::Field> ToArrowField(const Field& field);
std::shared_ptr<arrow::Schema> ToArrowSchema(const std::vector<Field>& fields);

/// The id in the field's metadata, or nullopt.
std::optional<int32_t> ArrowFieldId(const arrow::Field& field);

/// Errors: Unsupported for an Arrow type that Iceberg has no place for; InvalidArgument when a
/// nested field has no id.
Result<TypePtr> FromArrowType(const arrow::DataType& type);
Result<Field> FromArrowField(const arrow::Field& field);
Result<Schema> FromArrowSchema(const arrow::Schema& schema, int32_t schema_id);

/// length copies of the value (null: all null), of ToArrowType(type). Errors: Unsupported for
/// nested types with a value, Exhausted when the pool is.
Result<std::shared_ptr<arrow::Array>> RepeatValue(const Type& type, const Value& value,
                                                  int64_t length, arrow::MemoryPool* pool);

}  // namespace moraine::iceberg
