#include "moraine/iceberg/types/type.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/types/decimal.h"

namespace moraine::iceberg {
namespace {

struct PlainType {
  TypeKind kind;
  std::string_view name;
};
constexpr PlainType kPlainTypes[] = {
    {TypeKind::kUnknown, "unknown"},
    {TypeKind::kBoolean, "boolean"},
    {TypeKind::kInt, "int"},
    {TypeKind::kLong, "long"},
    {TypeKind::kFloat, "float"},
    {TypeKind::kDouble, "double"},
    {TypeKind::kDate, "date"},
    {TypeKind::kTime, "time"},
    {TypeKind::kTimestamp, "timestamp"},
    {TypeKind::kTimestampTz, "timestamptz"},
    {TypeKind::kTimestampNs, "timestamp_ns"},
    {TypeKind::kTimestampTzNs, "timestamptz_ns"},
    {TypeKind::kString, "string"},
    {TypeKind::kUuid, "uuid"},
    {TypeKind::kBinary, "binary"},
    {TypeKind::kVariant, "variant"},
};
constexpr char kDefaultCrs[] = "OGC:CRS84";
constexpr char kDefaultAlgorithm[] = "spherical";

std::string_view PlainName(TypeKind kind) {
  for (const PlainType& plain : kPlainTypes) {
    if (plain.kind == kind) return plain.name;
  }
  return "";
}

/// Splits "decimal(9, 2)" into "decimal" and "9, 2"; false when the brackets are not at the end.
bool SplitParameters(std::string_view text, char open, char close, std::string_view* name,
                     std::string_view* parameters) {
  size_t at = text.find(open);
  if (at == text.npos || text.back() != close) return false;
  *name = Trim(text.substr(0, at));
  *parameters = text.substr(at + 1, text.size() - at - 2);
  return true;
}

Status UnknownType(std::string_view text) {
  return InvalidArgument(fmt::format("unknown type '{}'", text.substr(0, 80)));
}

Result<TypePtr> ParseDecimal(std::string_view text, std::string_view parameters) {
  auto parts = Split(parameters, ',');
  if (parts.size() != 2) return UnknownType(text);
  auto precision = ParseInt64(Trim(parts[0]));
  auto scale = ParseInt64(Trim(parts[1]));
  if (!precision.ok() || !scale.ok()) return UnknownType(text);
  if (*precision < 1 || *precision > kMaxDecimalPrecision) {
    return InvalidArgument(fmt::format("decimals have a precision of 1 to 38, got '{}'", text));
  }
  if (*scale < 0 || *scale > kMaxDecimalPrecision) {
    return InvalidArgument(fmt::format("decimals have a scale of 0 to 38, got '{}'", text));
  }
  return Type::Decimal(static_cast<int>(*precision), static_cast<int>(*scale));
}

Result<TypePtr> ParseFixed(std::string_view text, std::string_view parameters) {
  auto length = ParseInt64(Trim(parameters));
  if (!length.ok()) return UnknownType(text);
  if (*length < 0 || *length > std::numeric_limits<int32_t>::max()) {
    return InvalidArgument(fmt::format("fixed has a length of 0 to 2147483647, got '{}'", text));
  }
  return Type::Fixed(*length);
}

Result<TypePtr> ParseGeography(std::string_view text, std::string_view parameters) {
  auto parts = Split(parameters, ',');
  if (parts.size() > 2) return UnknownType(text);
  std::string algorithm = parts.size() == 2 ? ToLowerAscii(Trim(parts[1])) : kDefaultAlgorithm;
  for (std::string_view known : {"spherical", "vincenty", "thomas", "andoyer", "karney"}) {
    if (algorithm == known) return Type::Geography(std::string(Trim(parts[0])), algorithm);
  }
  return InvalidArgument(fmt::format("unknown edge algorithm in type '{}'", text.substr(0, 80)));
}

}  // namespace

bool Field::operator==(const Field& other) const {
  auto same = [](const std::optional<Value>& a, const std::optional<Value>& b) {
    return a.has_value() == b.has_value() && (!a || SameValue(*a, *b));
  };
  return id == other.id && name == other.name && required == other.required && doc == other.doc &&
         *type == *other.type && same(initial_default, other.initial_default) &&
         same(write_default, other.write_default) && unknown == other.unknown;
}

TypePtr Type::Primitive(TypeKind kind) {
  static const auto kAll = [] {
    std::array<TypePtr, static_cast<size_t>(TypeKind::kMap) + 1> all;
    for (const PlainType& plain : kPlainTypes) {
      auto type = std::shared_ptr<Type>(new Type());
      type->kind_ = plain.kind;
      all[static_cast<size_t>(plain.kind)] = std::move(type);
    }
    return all;
  }();
  const TypePtr& type = kAll[static_cast<size_t>(kind)];
  MORAINE_CHECK(type != nullptr, "this type has parameters");
  return type;
}

TypePtr Type::Decimal(int precision, int scale) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kDecimal;
  type->precision_ = precision;
  type->scale_ = scale;
  return type;
}

TypePtr Type::Fixed(int64_t length) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kFixed;
  type->length_ = length;
  return type;
}

TypePtr Type::Geometry(std::string crs) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kGeometry;
  type->crs_ = std::move(crs);
  return type;
}

TypePtr Type::Geography(std::string crs, std::string algorithm) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kGeography;
  type->crs_ = std::move(crs);
  type->algorithm_ = std::move(algorithm);
  return type;
}

TypePtr Type::Struct(std::vector<Field> fields) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kStruct;
  type->fields_ = std::move(fields);
  return type;
}

TypePtr Type::List(Field element) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kList;
  element.name = "element";
  type->fields_.push_back(std::move(element));
  return type;
}

TypePtr Type::Map(Field key, Field value) {
  auto type = std::shared_ptr<Type>(new Type());
  type->kind_ = TypeKind::kMap;
  key.name = "key";
  key.required = true;
  value.name = "value";
  type->fields_.push_back(std::move(key));
  type->fields_.push_back(std::move(value));
  return type;
}

Result<TypePtr> Type::FromString(std::string_view text) {
  text = Trim(text);
  for (const PlainType& plain : kPlainTypes) {
    if (plain.name == text) return Primitive(plain.kind);
  }
  if (text == "geometry") return Geometry(kDefaultCrs);
  if (text == "geography") return Geography(kDefaultCrs, kDefaultAlgorithm);
  std::string_view name;
  std::string_view parameters;
  if (text.empty()) return UnknownType(text);
  if (SplitParameters(text, '(', ')', &name, &parameters)) {
    if (name == "decimal") return ParseDecimal(text, parameters);
    if (name == "geometry" && !Trim(parameters).empty()) {
      return Geometry(std::string(Trim(parameters)));
    }
    if (name == "geography" && !Trim(parameters).empty()) return ParseGeography(text, parameters);
  }
  if (SplitParameters(text, '[', ']', &name, &parameters) && name == "fixed") {
    return ParseFixed(text, parameters);
  }
  return UnknownType(text);
}

std::string Type::ToString() const {
  auto field_text = [](const Field& field) {
    return fmt::format("{}: {}: {} {}", field.id, field.name,
                       field.required ? "required" : "optional", field.type->ToString());
  };
  switch (kind_) {
    case TypeKind::kDecimal:
      return fmt::format("decimal({}, {})", precision_, scale_);
    case TypeKind::kFixed:
      return fmt::format("fixed[{}]", length_);
    case TypeKind::kGeometry:
      return crs_ == kDefaultCrs ? "geometry" : fmt::format("geometry({})", crs_);
    case TypeKind::kGeography:
      if (algorithm_ != kDefaultAlgorithm)
        return fmt::format("geography({}, {})", crs_, algorithm_);
      return crs_ == kDefaultCrs ? "geography" : fmt::format("geography({})", crs_);
    case TypeKind::kStruct: {
      std::string out = "struct<";
      for (size_t i = 0; i < fields_.size(); ++i) {
        out += (i == 0 ? "" : ", ") + field_text(fields_[i]);
      }
      return out + ">";
    }
    case TypeKind::kList:
      return "list<" + element().type->ToString() + ">";
    case TypeKind::kMap:
      return "map<" + key().type->ToString() + ", " + value().type->ToString() + ">";
    default:
      return std::string(PlainName(kind_));
  }
}

bool Type::operator==(const Type& other) const {
  if (this == &other) return true;
  return kind_ == other.kind_ && precision_ == other.precision_ && scale_ == other.scale_ &&
         length_ == other.length_ && crs_ == other.crs_ && algorithm_ == other.algorithm_ &&
         fields_ == other.fields_;
}

int MinFormatVersion(const Type& type) {
  switch (type.kind()) {
    case TypeKind::kUnknown:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return 3;
    default:
      return 1;
  }
}

bool CanPromote(const Type& from, const Type& to, int format_version) {
  if (from == to) return true;
  switch (from.kind()) {
    case TypeKind::kInt:
      return to.kind() == TypeKind::kLong;
    case TypeKind::kFloat:
      return to.kind() == TypeKind::kDouble;
    case TypeKind::kDecimal:
      return to.kind() == TypeKind::kDecimal && to.scale() == from.scale() &&
             to.precision() > from.precision();
    case TypeKind::kDate:
      return format_version >= 3 &&
             (to.kind() == TypeKind::kTimestamp || to.kind() == TypeKind::kTimestampNs);
    case TypeKind::kUnknown:
      return format_version >= 3;
    default:
      return false;
  }
}

}  // namespace moraine::iceberg
