#include "moraine/iceberg/manifest/partition_value.h"

#include <string>

#include <fmt/format.h>

#include "moraine/iceberg/avro/avro_type.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/uuid.h"

namespace moraine::iceberg {
namespace {

constexpr size_t kMaxDecimalBytes = 16;

void SetBytes(std::string_view bytes, Value* out) {
  // A string that is there already keeps its memory.
  if (auto* text = std::get_if<std::string>(out)) {
    text->assign(bytes);
  } else {
    out->emplace<std::string>(bytes);
  }
}

/// The form that values get whose type only the file tells. Numbers come out as wide as a promotion
/// of the column may have made them, so that a partition has one value in all manifests.
TypeKind KindOfStored(const AvroNode& stored) {
  switch (stored.kind) {
    case AvroKind::kBoolean:
      return TypeKind::kBoolean;
    case AvroKind::kInt:
    case AvroKind::kLong:
      return TypeKind::kLong;
    case AvroKind::kFloat:
    case AvroKind::kDouble:
      return TypeKind::kDouble;
    case AvroKind::kString:
      return TypeKind::kString;
    default:
      break;
  }
  return stored.logical_type == "decimal" ? TypeKind::kDecimal : TypeKind::kBinary;
}

}  // namespace

Result<PartitionValueReader> PartitionValueReader::Make(const Type& wanted, const AvroNode& stored,
                                                        std::string_view field_name) {
  PartitionValueReader reader;
  reader.size_ = static_cast<size_t>(stored.size);
  const TypeKind kind = wanted.kind() == TypeKind::kUnknown ? KindOfStored(stored) : wanted.kind();
  const AvroKind from = stored.kind;
  const bool is_integer = from == AvroKind::kInt || from == AvroKind::kLong;
  const bool is_text = from == AvroKind::kString || from == AvroKind::kBytes;
  const auto as = [&](Form form, bool fits) -> Result<PartitionValueReader> {
    if (!fits) {
      return Corruption(fmt::format("partition field {}: expected {}, got Avro {}", field_name,
                                    wanted.ToString(), AvroKindName(from)));
    }
    reader.form_ = form;
    return reader;
  };
  if (from == AvroKind::kNull) return reader;
  reader.is_uuid_ = kind == TypeKind::kUuid;
  switch (kind) {
    case TypeKind::kBoolean:
      return as(Form::kBoolean, from == AvroKind::kBoolean);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return as(Form::kInt, is_integer);
    case TypeKind::kLong:
      return as(Form::kLong, is_integer);
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return as(Form::kLong, from == AvroKind::kLong);
    case TypeKind::kFloat:
      return as(Form::kFloat, from == AvroKind::kFloat);
    case TypeKind::kDouble:
      if (from == AvroKind::kFloat) return as(Form::kFloatAsDouble, true);
      return as(Form::kDouble, from == AvroKind::kDouble);
    case TypeKind::kDecimal:
      if (from == AvroKind::kBytes) return as(Form::kDecimalBytes, true);
      return as(Form::kDecimalFixed,
                from == AvroKind::kFixed && reader.size_ > 0 && reader.size_ <= kMaxDecimalBytes);
    case TypeKind::kUuid:
      if (from == AvroKind::kString) return as(Form::kUuidText, true);
      return as(Form::kFixed, from == AvroKind::kFixed && reader.size_ == 16);
    default:
      if (from == AvroKind::kFixed) return as(Form::kFixed, true);
      return as(Form::kBytes, is_text);
  }
}

void PartitionValueReader::Read(AvroCursor* cursor, Value* out) const {
  switch (form_) {
    case Form::kNull:
      *out = std::monostate();
      return;
    case Form::kBoolean:
      *out = cursor->ReadBool();
      return;
    case Form::kInt:
      *out = cursor->ReadInt();
      return;
    case Form::kLong:
      *out = cursor->ReadLong();
      return;
    case Form::kFloat:
      *out = cursor->ReadFloat();
      return;
    case Form::kDouble:
      *out = cursor->ReadDouble();
      return;
    case Form::kFloatAsDouble:
      *out = static_cast<double>(cursor->ReadFloat());
      return;
    case Form::kBytes:
      SetBytes(cursor->ReadBytes(), out);
      return;
    case Form::kFixed:
      SetBytes(cursor->ReadFixed(size_), out);
      return;
    case Form::kCountedFixed: {
      const std::string_view bytes = cursor->ReadBytes();
      if (bytes.size() != size_) return cursor->Fail();
      SetBytes(bytes, out);
      return;
    }
    case Form::kDecimalBytes:
    case Form::kDecimalFixed: {
      const std::string_view bytes =
          form_ == Form::kDecimalBytes ? cursor->ReadBytes() : cursor->ReadFixed(size_);
      Result<Int128> value = DecimalFromBytes(bytes);
      if (!value.ok()) return cursor->Fail();
      *out = *value;
      return;
    }
    case Form::kUuidText: {
      Result<std::string> bytes = UuidFromText(cursor->ReadBytes());
      if (!bytes.ok()) return cursor->Fail();
      *out = *std::move(bytes);
      return;
    }
  }
}

bool FitsType(const Type& type, const Value& value) {
  if (IsNull(value)) return true;
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return std::holds_alternative<bool>(value);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return std::holds_alternative<int32_t>(value);
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return std::holds_alternative<int64_t>(value);
    case TypeKind::kFloat:
      return std::holds_alternative<float>(value);
    case TypeKind::kDouble:
      return std::holds_alternative<double>(value);
    case TypeKind::kDecimal: {
      const auto* unscaled = std::get_if<Int128>(&value);
      return unscaled != nullptr && FitsPrecision(*unscaled, type.precision());
    }
    case TypeKind::kUuid:
    case TypeKind::kFixed: {
      const auto* bytes = std::get_if<std::string>(&value);
      const int64_t length = type.kind() == TypeKind::kUuid ? 16 : type.length();
      return bytes != nullptr && static_cast<int64_t>(bytes->size()) == length;
    }
    case TypeKind::kString:
    case TypeKind::kBinary:
      return std::holds_alternative<std::string>(value);
    default:
      return false;
  }
}

Status WritePartitionValue(const Type& type, const Value& value, AvroEncoder* out) {
  if (IsNull(value) || !FitsType(type, value)) {
    return InvalidArgument(fmt::format("a partition value is not of its type {}", type.ToString()));
  }
  switch (value.index()) {
    case 1:
      out->Bool(std::get<bool>(value));
      break;
    case 2:
      out->Int(std::get<int32_t>(value));
      break;
    case 3:
      out->Long(std::get<int64_t>(value));
      break;
    case 4:
      out->Float(std::get<float>(value));
      break;
    case 5:
      out->Double(std::get<double>(value));
      break;
    case 6: {
      const Int128 unscaled = std::get<Int128>(value);
      const std::string bytes = DecimalToBytes(unscaled);
      const auto size = static_cast<size_t>(DecimalRequiredBytes(type.precision()));
      if (bytes.size() < size) {
        out->Fixed(std::string(size - bytes.size(), unscaled < 0 ? '\xff' : '\0'));
      }
      out->Fixed(bytes);
      break;
    }
    default: {
      const std::string& bytes = std::get<std::string>(value);
      type.kind() == TypeKind::kUuid ? out->Fixed(bytes) : out->Bytes(bytes);
    }
  }
  return {};
}

TypePtr StoredPartitionType(const TypePtr& type) {
  return type->kind() == TypeKind::kFixed ? Type::Primitive(TypeKind::kBinary) : type;
}

TypePtr TypeOfForm(const Value& value) {
  switch (value.index()) {
    case 1:
      return Type::Primitive(TypeKind::kBoolean);
    case 2:
      return Type::Primitive(TypeKind::kInt);
    case 3:
      return Type::Primitive(TypeKind::kLong);
    case 4:
      return Type::Primitive(TypeKind::kFloat);
    case 5:
      return Type::Primitive(TypeKind::kDouble);
    case 6:
      return Type::Decimal(kMaxDecimalPrecision, 0);
    case 7:
      return Type::Primitive(TypeKind::kBinary);
    default:
      return Type::Primitive(TypeKind::kUnknown);
  }
}

}  // namespace moraine::iceberg
