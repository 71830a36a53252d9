#include "moraine/iceberg/data/value_cast.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>

#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

const arrow::DataType& ValueType(const arrow::DataType& type) {
  if (type.id() == arrow::Type::EXTENSION) {
    return ValueType(*static_cast<const arrow::ExtensionType&>(type).storage_type());
  }
  if (type.id() == arrow::Type::DICTIONARY) {
    return ValueType(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  return type;
}

bool IsBytes(arrow::Type::type id) {
  return arrow::is_base_binary_like(id) || id == arrow::Type::STRING_VIEW ||
         id == arrow::Type::BINARY_VIEW;
}

bool IsNarrowInt(arrow::Type::type id) {
  return id == arrow::Type::INT8 || id == arrow::Type::INT16 || id == arrow::Type::INT32 ||
         id == arrow::Type::UINT8 || id == arrow::Type::UINT16;
}

bool IsDecimalOf(const arrow::DataType& type, const Type& wanted) {
  if (!arrow::is_decimal(type.id())) return false;
  const auto& decimal = static_cast<const arrow::DecimalType&>(type);
  return decimal.scale() == wanted.scale() && decimal.precision() <= wanted.precision();
}

bool IsFixed(const arrow::DataType& type, int64_t width) {
  return type.id() == arrow::Type::FIXED_SIZE_BINARY &&
         static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == width;
}

// Timestamps differ in unit and zone only; the zone is a label, the instants are UTC.
bool IsTimestampOf(const arrow::DataType& type, TypeKind wanted) {
  if (type.id() == arrow::Type::TIMESTAMP) return true;
  return type.id() == arrow::Type::DATE32 &&
         (wanted == TypeKind::kTimestamp || wanted == TypeKind::kTimestampNs);
}

Result<std::shared_ptr<arrow::Array>> Relabel(const arrow::Array& array,
                                              const std::shared_ptr<arrow::DataType>& type) {
  std::shared_ptr<arrow::ArrayData> data = array.data()->Copy();
  data->type = type;
  return arrow::MakeArray(data);
}

// The same values under a type with the zone that is wanted, so that a cast changes the unit only.
Result<std::shared_ptr<arrow::Array>> MatchZone(const std::shared_ptr<arrow::Array>& array,
                                                const arrow::DataType& wanted) {
  if (array->type_id() != arrow::Type::TIMESTAMP || wanted.id() != arrow::Type::TIMESTAMP) {
    return array;
  }
  const auto& from = static_cast<const arrow::TimestampType&>(*array->type());
  const auto& to = static_cast<const arrow::TimestampType&>(wanted);
  if (from.timezone() == to.timezone()) return array;
  return Relabel(*array, arrow::timestamp(from.unit(), to.timezone()));
}

}  // namespace

bool IsReadableAs(const arrow::DataType& file_type, const Type& wanted) {
  const arrow::DataType& type = ValueType(file_type);
  const arrow::Type::type id = type.id();
  switch (wanted.kind()) {
    case TypeKind::kUnknown:
      return true;
    case TypeKind::kBoolean:
      return id == arrow::Type::BOOL;
    case TypeKind::kInt:
      return IsNarrowInt(id);
    case TypeKind::kLong:
      return IsNarrowInt(id) || id == arrow::Type::INT64 || id == arrow::Type::UINT32;
    case TypeKind::kFloat:
      return id == arrow::Type::FLOAT;
    case TypeKind::kDouble:
      return id == arrow::Type::FLOAT || id == arrow::Type::DOUBLE;
    case TypeKind::kDecimal:
      return IsDecimalOf(type, wanted);
    case TypeKind::kDate:
      return id == arrow::Type::DATE32;
    case TypeKind::kTime:
      return id == arrow::Type::TIME32 || id == arrow::Type::TIME64;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return IsTimestampOf(type, wanted.kind());
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return IsBytes(id);
    case TypeKind::kUuid:
      return IsFixed(type, 16);
    case TypeKind::kFixed:
      return IsFixed(type, wanted.length());
    default:
      return false;
  }
}

Result<std::shared_ptr<arrow::Array>> CastValues(const std::shared_ptr<arrow::Array>& values,
                                                 const std::shared_ptr<arrow::DataType>& wanted,
                                                 arrow::MemoryPool* pool) {
  if (values->type_id() == arrow::Type::EXTENSION) {
    return CastValues(static_cast<const arrow::ExtensionArray&>(*values).storage(), wanted, pool);
  }
  if (values->type()->Equals(*wanted)) return values;
  MORAINE_ASSIGN(std::shared_ptr<arrow::Array> input, MatchZone(values, *wanted));
  if (input->type()->Equals(*wanted)) return input;
  // Units get coarser only from INT96 and foreign nanosecond files: what is below the column's unit
  // goes.
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(wanted);
  options.allow_time_truncate = true;
  options.allow_invalid_utf8 = true;
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  arrow::Result<std::shared_ptr<arrow::Array>> cast =
      arrow::compute::Cast(*input, wanted, options, &context);
  if (!cast.ok()) {
    if (cast.status().IsOutOfMemory()) return Exhausted(cast.status().message());
    return Corruption("a value does not fit its column: " + cast.status().message());
  }
  return std::move(cast).ValueUnsafe();
}

}  // namespace moraine::iceberg
