// Values for people and partition paths, as Java prints them (Transform.toHumanString).

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/calendar.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/uuid.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {
namespace {

/// The digits and the power of ten of the first one: 123.4 -> "1234", 2.
template <typename Float>
std::pair<std::string, int> ShortestDigits(Float magnitude) {
  char buffer[64];
  auto [end, error] =
      std::to_chars(buffer, buffer + sizeof(buffer), magnitude, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  size_t e = text.find('e');
  std::string digits;
  for (char c : text.substr(0, e)) {
    if (c != '.') digits.push_back(c);
  }
  std::string_view exponent_text = text.substr(e + 1);
  if (exponent_text[0] == '+') exponent_text.remove_prefix(1);
  int exponent = 0;
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  return {digits, exponent};
}

/// Java's Float.toString and Double.toString: plain from 10^-3 to below 10^7, else "1.0E10".
template <typename Float>
std::string JavaFloatText(Float value) {
  if (std::isnan(value)) return "NaN";
  std::string sign = std::signbit(value) ? "-" : "";
  if (std::isinf(value)) return sign + "Infinity";
  if (value == 0) return sign + "0.0";
  auto [digits, exponent] = ShortestDigits(std::fabs(value));
  if (exponent < -3 || exponent >= 7) {
    if (digits.size() == 1) digits.push_back('0');
    return fmt::format("{}{}.{}E{}", sign, digits[0], digits.substr(1), exponent);
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.append(whole + 1 - digits.size(), '0');
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string TimestampText(int64_t value, int64_t units_per_second, const char* suffix) {
  int64_t seconds = FloorDiv(value, units_per_second);
  int64_t nanos = (value - seconds * units_per_second) * (1'000'000'000 / units_per_second);
  return FormatTimestamp(seconds, nanos, FractionStyle::kJava) + suffix;
}

std::string LongText(const Type& type, int64_t value) {
  switch (type.kind()) {
    case TypeKind::kTime:
      return FormatTimeOfDay(FloorMod(value, kMicrosPerDay) * kNanosPerMicro, FractionStyle::kJava);
    case TypeKind::kTimestamp:
      return TimestampText(value, kMicrosPerSecond, "");
    case TypeKind::kTimestampTz:
      return TimestampText(value, kMicrosPerSecond, "Z");
    case TypeKind::kTimestampNs:
      return TimestampText(value, kMicrosPerSecond * kNanosPerMicro, "");
    case TypeKind::kTimestampTzNs:
      return TimestampText(value, kMicrosPerSecond * kNanosPerMicro, "Z");
    default:
      return std::to_string(value);
  }
}

std::string StringText(const Type& type, const std::string& value) {
  switch (type.kind()) {
    case TypeKind::kString:
      return value;
    case TypeKind::kUuid:
      return UuidToText(value);
    default:
      return Base64Encode(value);
  }
}

}  // namespace

std::string ValueToText(const Type& type, const Value& value) {
  struct Printer {
    const Type& type;
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int32_t v) const {
      return type.kind() == TypeKind::kDate ? FormatDate(v) : std::to_string(v);
    }
    std::string operator()(int64_t v) const { return LongText(type, v); }
    std::string operator()(float v) const { return JavaFloatText(v); }
    std::string operator()(double v) const { return JavaFloatText(v); }
    std::string operator()(Int128 v) const { return DecimalToJavaText(v, type.scale()); }
    std::string operator()(const std::string& v) const { return StringText(type, v); }
  };
  return std::visit(Printer{type}, value);
}

}  // namespace moraine::iceberg
