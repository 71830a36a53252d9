#include "moraine/iceberg/types/transform.h"

#include <limits>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/calendar.h"

namespace moraine::iceberg {
namespace {

using Kind = Transform::Kind;

struct NamedTransform {
  std::string_view name;
  Kind kind;
};
constexpr NamedTransform kPlain[] = {
    {"identity", Kind::kIdentity}, {"year", Kind::kYear}, {"month", Kind::kMonth},
    {"day", Kind::kDay},           {"hour", Kind::kHour}, {"void", Kind::kVoid},
};

bool IsTimestamp(TypeKind kind) {
  return kind == TypeKind::kTimestamp || kind == TypeKind::kTimestampTz ||
         kind == TypeKind::kTimestampNs || kind == TypeKind::kTimestampTzNs;
}

bool IsNanos(TypeKind kind) {
  return kind == TypeKind::kTimestampNs || kind == TypeKind::kTimestampTzNs;
}

/// The digits in "bucket[16]", or nothing when the text is not of that form.
std::optional<std::string_view> WidthText(std::string_view text, std::string_view name) {
  if (!text.starts_with(name) || !text.ends_with("]")) return std::nullopt;
  text.remove_prefix(name.size());
  if (text.size() < 3 || text[0] != '[') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  if (text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  return text;
}

bool BucketAccepts(TypeKind kind) {
  switch (kind) {
    case TypeKind::kInt:
    case TypeKind::kLong:
    case TypeKind::kDecimal:
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return true;
    default:
      return IsTimestamp(kind);
  }
}

bool TruncateAccepts(TypeKind kind) {
  return kind == TypeKind::kInt || kind == TypeKind::kLong || kind == TypeKind::kDecimal ||
         kind == TypeKind::kString || kind == TypeKind::kBinary;
}

/// The largest multiple of width not above the value; wraps at the minimum as Java does.
template <typename Signed, typename Unsigned>
Signed FloorToMultiple(Signed value, int32_t width) {
  Signed remainder = static_cast<Signed>(value % width);
  if (remainder < 0) remainder = static_cast<Signed>(remainder + width);
  return static_cast<Signed>(static_cast<Unsigned>(value) - static_cast<Unsigned>(remainder));
}

std::string FirstCodePoints(const std::string& text, int32_t count) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    bool starts = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts && count-- == 0) break;
  }
  return text.substr(0, at);
}

Value Truncate(const Type& source, const Value& value, int32_t width) {
  struct Truncator {
    const Type& source;
    int32_t width;
    Value operator()(int32_t v) const { return FloorToMultiple<int32_t, uint32_t>(v, width); }
    Value operator()(int64_t v) const { return FloorToMultiple<int64_t, uint64_t>(v, width); }
    Value operator()(Int128 v) const {
      Int128 remainder = v % width;
      return v - (remainder < 0 ? remainder + width : remainder);
    }
    Value operator()(const std::string& v) const {
      if (source.kind() == TypeKind::kString) return FirstCodePoints(v, width);
      return v.substr(0, static_cast<size_t>(width));
    }
    Value operator()(std::monostate) const { return Value(); }
    Value operator()(bool) const { return Value(); }
    Value operator()(float) const { return Value(); }
    Value operator()(double) const { return Value(); }
  };
  return std::visit(Truncator{source, width}, value);
}

/// Years or months since 1970 of a day.
int32_t YearsOf(int64_t days) { return static_cast<int32_t>(CivilFromDays(days).year - 1970); }
int32_t MonthsOf(int64_t days) {
  CivilDate date = CivilFromDays(days);
  return static_cast<int32_t>((date.year - 1970) * 12 + date.month - 1);
}

Value ApplyTime(Kind kind, const Type& source, const Value& value) {
  int64_t days;
  int64_t hours = 0;
  if (const auto* date = std::get_if<int32_t>(&value)) {
    days = *date;
  } else if (const auto* timestamp = std::get_if<int64_t>(&value)) {
    int64_t micros = IsNanos(source.kind()) ? FloorDiv(*timestamp, kNanosPerMicro) : *timestamp;
    days = FloorDiv(micros, kMicrosPerDay);
    hours = FloorDiv(micros, kMicrosPerHour);
  } else {
    return Value();
  }
  switch (kind) {
    case Kind::kYear:
      return YearsOf(days);
    case Kind::kMonth:
      return MonthsOf(days);
    case Kind::kDay:
      return static_cast<int32_t>(days);
    default:
      return static_cast<int32_t>(hours);
  }
}

/// "%04d" of Java: the sign counts as one of the four.
std::string FourDigits(int64_t year) { return fmt::format("{:04}", year); }

std::string DayText(int64_t days) {
  CivilDate date = CivilFromDays(days);
  return fmt::format("{}-{:02}-{:02}", FourDigits(date.year), date.month, date.day);
}

}  // namespace

Result<Transform> Transform::FromString(std::string_view text) {
  std::string lower = ToLowerAscii(Trim(text));
  for (const NamedTransform& plain : kPlain) {
    if (lower == plain.name) return Transform(plain.kind, 0, lower);
  }
  for (auto [name, kind] : {std::pair{"bucket", Kind::kBucket}, {"truncate", Kind::kTruncate}}) {
    auto digits = WidthText(lower, name);
    if (!digits) continue;
    auto width = ParseInt64(*digits);
    if (!width.ok() || *width < 1 || *width > std::numeric_limits<int32_t>::max()) {
      return InvalidArgument(
          fmt::format("transform {} needs a width of 1 to 2147483647, got '{}'", name, text));
    }
    return Transform(kind, static_cast<int32_t>(*width), fmt::format("{}[{}]", name, *width));
  }
  return Transform(Kind::kUnknown, 0, std::string(text));
}

bool Transform::Accepts(const Type& source) const {
  TypeKind kind = source.kind();
  switch (kind_) {
    case Kind::kIdentity:
      return source.is_primitive() && kind != TypeKind::kGeometry && kind != TypeKind::kGeography;
    case Kind::kBucket:
      return BucketAccepts(kind);
    case Kind::kTruncate:
      return TruncateAccepts(kind);
    case Kind::kYear:
    case Kind::kMonth:
    case Kind::kDay:
      return kind == TypeKind::kDate || IsTimestamp(kind);
    case Kind::kHour:
      return IsTimestamp(kind);
    case Kind::kVoid:
    case Kind::kUnknown:
      return true;
  }
  return false;
}

TypePtr Transform::ResultType(const TypePtr& source) const {
  switch (kind_) {
    case Kind::kIdentity:
    case Kind::kTruncate:
    case Kind::kVoid:
      return source;
    case Kind::kDay:
      return Type::Primitive(TypeKind::kDate);
    case Kind::kBucket:
    case Kind::kYear:
    case Kind::kMonth:
    case Kind::kHour:
      return Type::Primitive(TypeKind::kInt);
    case Kind::kUnknown:
      return Type::Primitive(TypeKind::kUnknown);
  }
  return source;
}

Value Transform::Apply(const Type& source, const Value& value) const {
  if (IsNull(value)) return Value();
  switch (kind_) {
    case Kind::kIdentity:
      return value;
    case Kind::kBucket:
      return static_cast<int32_t>((BucketHash(source, value) & 0x7FFFFFFF) % width_);
    case Kind::kTruncate:
      return Truncate(source, value, width_);
    case Kind::kYear:
    case Kind::kMonth:
    case Kind::kDay:
    case Kind::kHour:
      return ApplyTime(kind_, source, value);
    case Kind::kVoid:
    case Kind::kUnknown:
      return Value();
  }
  return Value();
}

bool Transform::preserves_order() const {
  return kind_ != Kind::kBucket && kind_ != Kind::kVoid && kind_ != Kind::kUnknown;
}

std::string Transform::ToHumanText(const Type& source, const Value& value) const {
  if (kind_ == Kind::kUnknown && std::holds_alternative<std::string>(value)) {
    return std::get<std::string>(value);
  }
  const auto* ordinal = std::get_if<int32_t>(&value);
  if (ordinal == nullptr) return ValueToText(source, value);
  switch (kind_) {
    case Kind::kYear:
      return FourDigits(int64_t{1970} + *ordinal);
    case Kind::kMonth:
      return fmt::format("{}-{:02}", FourDigits(1970 + FloorDiv(*ordinal, 12)),
                         FloorMod(*ordinal, 12) + 1);
    case Kind::kDay:
      return DayText(*ordinal);
    case Kind::kHour:
      return fmt::format("{}-{:02}", DayText(FloorDiv(*ordinal, 24)), FloorMod(*ordinal, 24));
    case Kind::kBucket:
      return std::to_string(*ordinal);
    default:
      return ValueToText(source, value);
  }
}

}  // namespace moraine::iceberg
