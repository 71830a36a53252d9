#include "moraine/iceberg/expression/literal.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {

namespace {

using Range = TypedLiteral::Range;

Status DoesNotFit(const Type& type, const Json& literal) {
  return InvalidArgument(fmt::format("the literal does not fit the column's type: {} as {}",
                                     literal.ToString(), type.ToString()));
}

/// The literal as a whole number: "7", "7.0", or nothing; range says on which side of int64 it
/// lies.
struct WholeNumber {
  Range range = Range::kInside;
  int64_t value = 0;
};
std::optional<WholeNumber> AsWhole(const Json& literal) {
  if (!literal.is_number()) return std::nullopt;
  if (auto value = literal.int64()) return WholeNumber{Range::kInside, *value};
  auto parsed = ParseDouble(literal.number_text());
  if (!parsed.ok() || std::isnan(*parsed)) return std::nullopt;
  if (*parsed >= 9223372036854775808.0) return WholeNumber{Range::kAbove, 0};
  if (*parsed < -9223372036854775808.0) return WholeNumber{Range::kBelow, 0};
  if (std::trunc(*parsed) != *parsed || std::fabs(*parsed) > 9007199254740992.0)
    return std::nullopt;
  return WholeNumber{Range::kInside, static_cast<int64_t>(*parsed)};
}

Result<TypedLiteral> TypeWhole(const Type& type, const Json& literal, bool is_32_bits) {
  auto whole = AsWhole(literal);
  if (!whole) return DoesNotFit(type, literal);
  if (whole->range != Range::kInside) return TypedLiteral{whole->range, {}};
  if (!is_32_bits) return TypedLiteral{Range::kInside, whole->value};
  if (whole->value > std::numeric_limits<int32_t>::max()) return TypedLiteral{Range::kAbove, {}};
  if (whole->value < std::numeric_limits<int32_t>::min()) return TypedLiteral{Range::kBelow, {}};
  return TypedLiteral{Range::kInside, static_cast<int32_t>(whole->value)};
}

Result<TypedLiteral> TypeFloating(const Type& type, const Json& literal) {
  if (!literal.is_number()) return DoesNotFit(type, literal);
  MORAINE_ASSIGN(double number, ParseDouble(literal.number_text()));
  if (std::isnan(number)) return DoesNotFit(type, literal);
  if (type.kind() == TypeKind::kDouble) return TypedLiteral{Range::kInside, number};
  if (std::isfinite(number) && number > std::numeric_limits<float>::max()) {
    return TypedLiteral{Range::kAbove, {}};
  }
  if (std::isfinite(number) && number < std::numeric_limits<float>::lowest()) {
    return TypedLiteral{Range::kBelow, {}};
  }
  return TypedLiteral{Range::kInside, static_cast<float>(number)};
}

/// Decimal digits to an unscaled value of the column's scale; no digit may be lost.
Result<TypedLiteral> TypeDecimal(const Type& type, const Json& literal) {
  std::string_view text = literal.is_string()   ? std::string_view(literal.as_string())
                          : literal.is_number() ? std::string_view(literal.number_text())
                                                : std::string_view();
  text = Trim(text);
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  int64_t exponent = 0;
  if (size_t at = text.find_first_of("eE"); at != std::string_view::npos) {
    std::string_view digits = text.substr(at + 1);
    if (!digits.empty() && digits[0] == '+') digits.remove_prefix(1);
    MORAINE_ASSIGN(exponent, ParseInt64(digits));
    text = text.substr(0, at);
  }
  std::string digits;
  bool seen_point = false;
  for (char c : text) {
    if (c == '.' && !seen_point) {
      seen_point = true;
    } else if (c >= '0' && c <= '9') {
      digits += c;
      if (seen_point) --exponent;
    } else {
      return DoesNotFit(type, literal);
    }
  }
  if (digits.empty()) return DoesNotFit(type, literal);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  exponent += type.scale();
  for (; exponent < 0 && !digits.empty(); ++exponent) {
    if (digits.back() != '0') return DoesNotFit(type, literal);
    digits.pop_back();
  }
  if (digits.empty()) return TypedLiteral{Range::kInside, Int128{0}};
  if (static_cast<int64_t>(digits.size()) + exponent > type.precision()) {
    return TypedLiteral{negative ? Range::kBelow : Range::kAbove, {}};
  }
  digits.append(static_cast<size_t>(exponent), '0');
  Int128 unscaled = 0;
  for (char c : digits) unscaled = unscaled * 10 + (c - '0');
  return TypedLiteral{Range::kInside, negative ? -unscaled : unscaled};
}

/// "+02:00" at the end of text, in seconds; removed from it. "Z" is 0.
Result<std::optional<int64_t>> TakeZone(std::string_view* text) {
  std::string_view t = *text;
  if (!t.empty() && (t.back() == 'Z' || t.back() == 'z')) {
    text->remove_suffix(1);
    return std::optional<int64_t>(0);
  }
  if (t.size() < 17 || t[t.size() - 3] != ':') return std::optional<int64_t>();
  char sign = t[t.size() - 6];
  if (sign != '+' && sign != '-') return std::optional<int64_t>();
  MORAINE_ASSIGN(int64_t hours, ParseInt64(t.substr(t.size() - 5, 2)));
  MORAINE_ASSIGN(int64_t minutes, ParseInt64(t.substr(t.size() - 2)));
  if (hours < 0 || hours > 18 || minutes < 0 || minutes > 59) {
    return InvalidArgument(fmt::format("no such time zone offset: {}", t));
  }
  text->remove_suffix(6);
  int64_t seconds = hours * 3600 + minutes * 60;
  return std::optional<int64_t>(sign == '-' ? -seconds : seconds);
}

/// Brings what people write to the single-value form: T between, seconds, 6 or 9 digits.
Result<TypedLiteral> TypeTimestamp(const Type& type, const Json& literal) {
  bool zoned = type.kind() == TypeKind::kTimestampTz || type.kind() == TypeKind::kTimestampTzNs;
  bool nanos = type.kind() == TypeKind::kTimestampNs || type.kind() == TypeKind::kTimestampTzNs;
  std::string_view text = Trim(literal.as_string());
  MORAINE_ASSIGN(std::optional<int64_t> zone, TakeZone(&text));
  if (zone && !zoned) return DoesNotFit(type, literal);
  std::string form(text);
  if (form.size() == 10) form += "T00:00:00";
  if (form.size() == 16) form += ":00";
  if (form.size() < 19) return DoesNotFit(type, literal);
  form[10] = 'T';
  size_t digits = nanos ? 9 : 6;
  if (form.size() == 19) form += '.';
  while (form.size() > 20 + digits && form.back() == '0') form.pop_back();
  if (form.size() > 20 + digits) return DoesNotFit(type, literal);
  form.append(20 + digits - form.size(), '0');
  if (zoned) form += "+00:00";
  Json canonical(std::move(form));
  auto parsed = ValueFromJson(type, JsonCursor(canonical));
  if (!parsed.ok()) return DoesNotFit(type, literal);
  int64_t value = std::get<int64_t>(*parsed);
  int64_t shift = zone.value_or(0) * (nanos ? 1'000'000'000 : 1'000'000);
  if (__builtin_sub_overflow(value, shift, &value)) return DoesNotFit(type, literal);
  return TypedLiteral{Range::kInside, value};
}

}  // namespace

Result<TypedLiteral> TypeLiteral(const Type& type, const Json& literal) {
  switch (type.kind()) {
    case TypeKind::kInt:
      return TypeWhole(type, literal, true);
    case TypeKind::kLong:
      return TypeWhole(type, literal, false);
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return TypeFloating(type, literal);
    case TypeKind::kDecimal:
      return TypeDecimal(type, literal);
    case TypeKind::kDate:
      if (literal.is_number()) return TypeWhole(type, literal, true);
      break;
    case TypeKind::kTime:
      if (literal.is_number()) return TypeWhole(type, literal, false);
      break;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      if (literal.is_number()) return TypeWhole(type, literal, false);
      if (literal.is_string()) return TypeTimestamp(type, literal);
      return DoesNotFit(type, literal);
    default:
      break;
  }
  auto parsed = ValueFromJson(type, JsonCursor(literal));
  if (!parsed.ok() || IsNull(*parsed)) return DoesNotFit(type, literal);
  return TypedLiteral{Range::kInside, *std::move(parsed)};
}

std::strong_ordering CompareForFilter(const Value& a, const Value& b) {
  auto floating = [](double x, double y) {
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) <=> std::isnan(y);
    return x < y ? std::strong_ordering::less
                 : (x > y ? std::strong_ordering::greater : std::strong_ordering::equal);
  };
  if (a.index() == b.index()) {
    if (const float* x = std::get_if<float>(&a)) return floating(*x, std::get<float>(b));
    if (const double* x = std::get_if<double>(&a)) return floating(*x, std::get<double>(b));
    if (const int64_t* x = std::get_if<int64_t>(&a)) return *x <=> std::get<int64_t>(b);
    if (const int32_t* x = std::get_if<int32_t>(&a)) return *x <=> std::get<int32_t>(b);
    return CompareValues(a, b);
  }
  // What type promotion leaves behind in old files and manifests.
  auto whole = [](const Value& v) -> std::optional<int64_t> {
    if (const int32_t* x = std::get_if<int32_t>(&v)) return *x;
    if (const int64_t* x = std::get_if<int64_t>(&v)) return *x;
    return std::nullopt;
  };
  auto real = [](const Value& v) -> std::optional<double> {
    if (const float* x = std::get_if<float>(&v)) return *x;
    if (const double* x = std::get_if<double>(&v)) return *x;
    return std::nullopt;
  };
  if (whole(a) && whole(b)) return *whole(a) <=> *whole(b);
  if (real(a) && real(b)) return floating(*real(a), *real(b));
  return a.index() <=> b.index();
}

}  // namespace moraine::iceberg
