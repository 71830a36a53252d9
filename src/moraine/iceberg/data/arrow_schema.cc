#include "moraine/iceberg/data/arrow_schema.h"

#include <string>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/key_value_metadata.h>

#include "moraine/base/text.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

constexpr char kUtc[] = "UTC";

std::shared_ptr<const arrow::KeyValueMetadata> IdMetadata(int32_t id) {
  return arrow::key_value_metadata({kArrowFieldIdKey}, {std::to_string(id)});
}

std::shared_ptr<arrow::DataType> VariantType() {
  return arrow::struct_({arrow::field("metadata", arrow::binary(), /*nullable=*/false),
                         arrow::field("value", arrow::binary(), /*nullable=*/false)});
}

Result<TypePtr> FromTimestamp(const arrow::TimestampType& type) {
  const bool utc = !type.timezone().empty();
  if (type.unit() == arrow::TimeUnit::NANO) {
    return Type::Primitive(utc ? TypeKind::kTimestampTzNs : TypeKind::kTimestampNs);
  }
  return Type::Primitive(utc ? TypeKind::kTimestampTz : TypeKind::kTimestamp);
}

Result<TypePtr> FromStruct(const arrow::DataType& type) {
  std::vector<Field> fields;
  for (const auto& child : type.fields()) {
    MORAINE_ASSIGN(Field field, FromArrowField(*child));
    fields.push_back(std::move(field));
  }
  return Type::Struct(std::move(fields));
}

Result<TypePtr> FromMap(const arrow::MapType& type) {
  MORAINE_ASSIGN(Field key, FromArrowField(*type.key_field()));
  MORAINE_ASSIGN(Field value, FromArrowField(*type.item_field()));
  return Type::Map(std::move(key), std::move(value));
}

Result<TypePtr> FromDecimal(const arrow::DecimalType& type) {
  if (type.precision() > 38 || type.scale() < 0) {
    return Unsupported("no Iceberg type for " + type.ToString());
  }
  return Type::Decimal(type.precision(), type.scale());
}

Result<std::shared_ptr<arrow::Scalar>> ToScalar(const Type& type, const Value& value) {
  const std::shared_ptr<arrow::DataType> arrow_type = ToArrowType(type);
  if (IsNull(value)) return arrow::MakeNullScalar(arrow_type);
  if (const bool* boolean = std::get_if<bool>(&value)) {
    return std::shared_ptr<arrow::Scalar>(std::make_shared<arrow::BooleanScalar>(*boolean));
  }
  if (const Int128* decimal = std::get_if<Int128>(&value)) {
    const arrow::Decimal128 unscaled(static_cast<int64_t>(*decimal >> 64),
                                     static_cast<uint64_t>(*decimal));
    return std::shared_ptr<arrow::Scalar>(
        std::make_shared<arrow::Decimal128Scalar>(unscaled, arrow_type));
  }
  if (const std::string* bytes = std::get_if<std::string>(&value)) {
    std::shared_ptr<arrow::Buffer> buffer = arrow::Buffer::FromString(*bytes);
    MORAINE_ASSIGN(auto scalar, arrow::MakeScalar(arrow_type, std::move(buffer)));
    return scalar;
  }
  // Numbers: by the Arrow type's own C type.
  auto make = [&](auto number) -> Result<std::shared_ptr<arrow::Scalar>> {
    MORAINE_ASSIGN(auto scalar, arrow::MakeScalar(arrow_type, number));
    return scalar;
  };
  if (const int32_t* number = std::get_if<int32_t>(&value)) return make(*number);
  if (const int64_t* number = std::get_if<int64_t>(&value)) return make(*number);
  if (const float* number = std::get_if<float>(&value)) return make(*number);
  return make(std::get<double>(value));
}

}  // namespace

std::shared_ptr<arrow::DataType> ToArrowType(const Type& type) {
  switch (type.kind()) {
    case TypeKind::kUnknown:
      return arrow::null();
    case TypeKind::kBoolean:
      return arrow::boolean();
    case TypeKind::kInt:
      return arrow::int32();
    case TypeKind::kLong:
      return arrow::int64();
    case TypeKind::kFloat:
      return arrow::float32();
    case TypeKind::kDouble:
      return arrow::float64();
    case TypeKind::kDecimal:
      return arrow::decimal128(type.precision(), type.scale());
    case TypeKind::kDate:
      return arrow::date32();
    case TypeKind::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestampTz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, kUtc);
    case TypeKind::kTimestampNs:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    case TypeKind::kTimestampTzNs:
      return arrow::timestamp(arrow::TimeUnit::NANO, kUtc);
    case TypeKind::kString:
      return arrow::utf8();
    case TypeKind::kUuid:
      return arrow::fixed_size_binary(16);
    case TypeKind::kFixed:
      return arrow::fixed_size_binary(static_cast<int32_t>(type.length()));
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return arrow::binary();
    case TypeKind::kVariant:
      return VariantType();
    case TypeKind::kStruct: {
      arrow::FieldVector fields;
      for (const Field& field : type.fields()) fields.push_back(ToArrowField(field));
      return arrow::struct_(std::move(fields));
    }
    case TypeKind::kList:
      return arrow::list(ToArrowField(type.element()));
    case TypeKind::kMap:
      return std::make_shared<arrow::MapType>(ToArrowField(type.key())->WithNullable(false),
                                              ToArrowField(type.value()));
  }
  return arrow::null();
}

std::shared_ptr<arrow::Field> ToArrowField(const Field& field) {
  return arrow::field(field.name, ToArrowType(*field.type), !field.required, IdMetadata(field.id));
}

std::shared_ptr<arrow::Schema> ToArrowSchema(const std::vector<Field>& fields) {
  arrow::FieldVector arrow_fields;
  for (const Field& field : fields) arrow_fields.push_back(ToArrowField(field));
  return arrow::schema(std::move(arrow_fields));
}

std::optional<int32_t> ArrowFieldId(const arrow::Field& field) {
  if (!field.metadata()) return std::nullopt;
  const int at = field.metadata()->FindKey(kArrowFieldIdKey);
  if (at < 0) return std::nullopt;
  Result<int64_t> id = ParseInt64(field.metadata()->value(at));
  if (!id.ok() || *id < 0 || *id > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*id);
}

Result<TypePtr> FromArrowType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
      return Type::Primitive(TypeKind::kUnknown);
    case arrow::Type::BOOL:
      return Type::Primitive(TypeKind::kBoolean);
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::INT32:
      return Type::Primitive(TypeKind::kInt);
    case arrow::Type::UINT32:
    case arrow::Type::INT64:
      return Type::Primitive(TypeKind::kLong);
    case arrow::Type::FLOAT:
      return Type::Primitive(TypeKind::kFloat);
    case arrow::Type::DOUBLE:
      return Type::Primitive(TypeKind::kDouble);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
      return FromDecimal(static_cast<const arrow::DecimalType&>(type));
    case arrow::Type::DATE32:
      return Type::Primitive(TypeKind::kDate);
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return Type::Primitive(TypeKind::kTime);
    case arrow::Type::TIMESTAMP:
      return FromTimestamp(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return Type::Primitive(TypeKind::kString);
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return Type::Primitive(TypeKind::kBinary);
    case arrow::Type::FIXED_SIZE_BINARY:
      return Type::Fixed(static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width());
    case arrow::Type::DICTIONARY:
      return FromArrowType(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::STRUCT:
      return FromStruct(type);
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST: {
      MORAINE_ASSIGN(Field element, FromArrowField(*type.field(0)));
      return Type::List(std::move(element));
    }
    case arrow::Type::MAP:
      return FromMap(static_cast<const arrow::MapType&>(type));
    default:
      return Unsupported("no Iceberg type for " + type.ToString());
  }
}

Result<Field> FromArrowField(const arrow::Field& arrow_field) {
  const std::optional<int32_t> id = ArrowFieldId(arrow_field);
  if (!id) return InvalidArgument("a column without a field id: " + arrow_field.name());
  Field field;
  field.id = *id;
  field.name = arrow_field.name();
  field.required = !arrow_field.nullable();
  MORAINE_ASSIGN(field.type, FromArrowType(*arrow_field.type()));
  return field;
}

Result<Schema> FromArrowSchema(const arrow::Schema& schema, int32_t schema_id) {
  std::vector<Field> fields;
  for (const auto& arrow_field : schema.fields()) {
    MORAINE_ASSIGN(Field field, FromArrowField(*arrow_field));
    fields.push_back(std::move(field));
  }
  return Schema(schema_id, std::move(fields));
}

Result<std::shared_ptr<arrow::Array>> RepeatValue(const Type& type, const Value& value,
                                                  int64_t length, arrow::MemoryPool* pool) {
  if (!IsNull(value) && (type.is_nested() || type.kind() == TypeKind::kVariant)) {
    return Unsupported("a constant of a nested type: " + type.ToString());
  }
  if (IsNull(value)) {
    MORAINE_ASSIGN(auto nulls, arrow::MakeArrayOfNull(ToArrowType(type), length, pool));
    return nulls;
  }
  MORAINE_ASSIGN(auto scalar, ToScalar(type, value));
  MORAINE_ASSIGN(auto array, arrow::MakeArrayFromScalar(*scalar, length, pool));
  return array;
}

}  // namespace moraine::iceberg
