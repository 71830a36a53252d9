#include "moraine/iceberg/data/column_values.h"

#include <cstring>
#include <string>

#include <arrow/array.h>

namespace moraine::iceberg {
namespace {

template <typename ArrayType>
auto Raw(const arrow::Array& values, int64_t row) {
  return static_cast<const ArrayType&>(values).Value(row);
}

}  // namespace

Value ValueAt(const arrow::Array& values, const Type& type, int64_t row) {
  if (values.IsNull(row)) return Value();
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return Raw<arrow::BooleanArray>(values, row);
    case TypeKind::kInt:
      return Raw<arrow::Int32Array>(values, row);
    case TypeKind::kDate:
      return Raw<arrow::Date32Array>(values, row);
    case TypeKind::kLong:
      return Raw<arrow::Int64Array>(values, row);
    case TypeKind::kTime:
      return Raw<arrow::Time64Array>(values, row);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return Raw<arrow::TimestampArray>(values, row);
    case TypeKind::kFloat:
      return Raw<arrow::FloatArray>(values, row);
    case TypeKind::kDouble:
      return Raw<arrow::DoubleArray>(values, row);
    case TypeKind::kDecimal: {
      Int128 value;
      std::memcpy(&value, static_cast<const arrow::Decimal128Array&>(values).GetValue(row),
                  sizeof(value));
      return value;
    }
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return std::string(static_cast<const arrow::FixedSizeBinaryArray&>(values).GetView(row));
    case TypeKind::kString:
    case TypeKind::kBinary:
      return std::string(static_cast<const arrow::BinaryArray&>(values).GetView(row));
    default:
      return Value();
  }
}

}  // namespace moraine::iceberg
