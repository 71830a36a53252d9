// JSON single-value form (table spec, appendix D): defaults in schemas and literals of expressions.

#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/types/calendar.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/uuid.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kNanosPerSecond = kMicrosPerSecond * kNanosPerMicro;

/// A number whose text is the shortest that reads back equal; what JSON cannot say becomes a
/// string.
template <typename Float>
Json FloatJson(Float value) {
  if (std::isnan(value)) return Json("NaN");
  if (std::isinf(value)) return Json(value < 0 ? "-Infinity" : "Infinity");
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  std::string text(buffer, end);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  auto json = Json::Parse(text);
  MORAINE_CHECK(json.ok(), "a number's own text does not parse");
  return std::move(json).value();
}

std::string UpperHex(const std::string& bytes) {
  std::string hex = HexEncode(bytes);
  for (char& c : hex) {
    if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
  }
  return hex;
}

Json LongJson(const Type& type, int64_t value) {
  auto timestamp = [&](int64_t units, FractionStyle style, const char* zone) {
    int64_t seconds = FloorDiv(value, units);
    int64_t nanos = (value - seconds * units) * (kNanosPerSecond / units);
    return Json(FormatTimestamp(seconds, nanos, style) + zone);
  };
  switch (type.kind()) {
    case TypeKind::kTime:
      return Json(
          FormatTimeOfDay(FloorMod(value, kMicrosPerDay) * kNanosPerMicro, FractionStyle::kMicros));
    case TypeKind::kTimestamp:
      return timestamp(kMicrosPerSecond, FractionStyle::kMicros, "");
    case TypeKind::kTimestampTz:
      return timestamp(kMicrosPerSecond, FractionStyle::kMicros, "+00:00");
    case TypeKind::kTimestampNs:
      return timestamp(kNanosPerSecond, FractionStyle::kNanos, "");
    case TypeKind::kTimestampTzNs:
      return timestamp(kNanosPerSecond, FractionStyle::kNanos, "+00:00");
    default:
      return Json(value);
  }
}

Json StringJson(const Type& type, const std::string& value) {
  switch (type.kind()) {
    case TypeKind::kString:
      return Json(value);
    case TypeKind::kUuid:
      return Json(UuidToText(value));
    default:
      return Json(UpperHex(value));
  }
}

/// Gives an error without a path the cursor's.
template <typename T>
Result<T> AtPath(const JsonCursor& json, Result<T> result) {
  if (result.ok()) return result;
  return json.Error(result.status().message());
}

Result<Value> TimestampFromJson(const Type& type, const JsonCursor& json) {
  bool with_zone = type.kind() == TypeKind::kTimestampTz || type.kind() == TypeKind::kTimestampTzNs;
  bool nanos = type.kind() == TypeKind::kTimestampNs || type.kind() == TypeKind::kTimestampTzNs;
  MORAINE_ASSIGN(std::string text, json.String());
  std::string_view rest = text;
  if (with_zone) {
    if (rest.ends_with("+00:00")) {
      rest.remove_suffix(6);
    } else if (rest.ends_with("Z")) {
      rest.remove_suffix(1);
    } else {
      return json.Error(
          fmt::format("expected a timestamp that ends with +00:00, got '{}'", rest.substr(0, 60)));
    }
  }
  MORAINE_ASSIGN(ParsedTimestamp parsed, AtPath(json, ParseTimestamp(rest)));
  int64_t units = nanos ? kNanosPerSecond : kMicrosPerSecond;
  Int128 value =
      static_cast<Int128>(parsed.seconds) * units + parsed.nanos / (kNanosPerSecond / units);
  if (parsed.nanos % (kNanosPerSecond / units) != 0) {
    return json.Error("expected at most 6 digits after the seconds");
  }
  if (value > std::numeric_limits<int64_t>::max() || value < std::numeric_limits<int64_t>::min()) {
    return json.Error("timestamp out of range");
  }
  return Value(static_cast<int64_t>(value));
}

Result<Value> TimeFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string text, json.String());
  MORAINE_ASSIGN(int64_t nanos, AtPath(json, ParseTimeOfDay(text)));
  if (nanos % kNanosPerMicro != 0) return json.Error("expected at most 6 digits after the seconds");
  return Value(nanos / kNanosPerMicro);
}

Result<Value> DateFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string text, json.String());
  MORAINE_ASSIGN(int64_t days, AtPath(json, ParseDate(text)));
  if (days != static_cast<int32_t>(days)) return json.Error("date out of range");
  return Value(static_cast<int32_t>(days));
}

Result<double> DoubleFromJson(const JsonCursor& json) {
  if (!json.json().is_string()) return json.Double();
  const std::string& text = json.json().as_string();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return json.Expected("a number");
}

Result<Value> FloatFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(double wide, DoubleFromJson(json));
  if (std::isfinite(wide) && std::fabs(wide) > std::numeric_limits<float>::max()) {
    return json.Error("out of a float's range");
  }
  return Value(static_cast<float>(wide));
}

Result<Value> DecimalFromJson(const Type& type, const JsonCursor& json) {
  if (!json.json().is_string() && !json.json().is_number())
    return json.Expected("a decimal as a string");
  const std::string& text =
      json.json().is_string() ? json.json().as_string() : json.json().number_text();
  MORAINE_ASSIGN(Int128 value, AtPath(json, DecimalFromText(text, type.precision(), type.scale())));
  return Value(value);
}

Result<Value> BytesFromJson(const Type& type, const JsonCursor& json) {
  MORAINE_ASSIGN(std::string text, json.String());
  MORAINE_ASSIGN(std::string bytes, AtPath(json, HexDecode(text)));
  if (type.kind() == TypeKind::kFixed && static_cast<int64_t>(bytes.size()) != type.length()) {
    return json.Error(fmt::format("expected {} bytes, got {}", type.length(), bytes.size()));
  }
  return Value(std::move(bytes));
}

template <typename T>
Result<Value> Wrap(Result<T> result) {
  if (!result.ok()) return result.status();
  return Value(std::move(result).value());
}

}  // namespace

Json ValueToJson(const Type& type, const Value& value) {
  struct Encoder {
    const Type& type;
    Json operator()(std::monostate) const { return Json(); }
    Json operator()(bool v) const { return Json(v); }
    Json operator()(int32_t v) const {
      return type.kind() == TypeKind::kDate ? Json(FormatDate(v)) : Json(int64_t{v});
    }
    Json operator()(int64_t v) const { return LongJson(type, v); }
    Json operator()(float v) const { return FloatJson(v); }
    Json operator()(double v) const { return FloatJson(v); }
    Json operator()(Int128 v) const { return Json(DecimalToText(v, type.scale())); }
    Json operator()(const std::string& v) const { return StringJson(type, v); }
  };
  return std::visit(Encoder{type}, value);
}

Result<Value> ValueFromJson(const Type& type, const JsonCursor& json) {
  if (json.json().is_null()) return Value();
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return Wrap(json.Bool());
    case TypeKind::kInt:
      return Wrap(json.Int32());
    case TypeKind::kLong:
      return Wrap(json.Int64());
    case TypeKind::kFloat:
      return FloatFromJson(json);
    case TypeKind::kDouble:
      return Wrap(DoubleFromJson(json));
    case TypeKind::kDecimal:
      return DecimalFromJson(type, json);
    case TypeKind::kDate:
      return DateFromJson(json);
    case TypeKind::kTime:
      return TimeFromJson(json);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return TimestampFromJson(type, json);
    case TypeKind::kString:
      return Wrap(json.String());
    case TypeKind::kUuid: {
      MORAINE_ASSIGN(std::string text, json.String());
      return Wrap(AtPath(json, UuidFromText(text)));
    }
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return BytesFromJson(type, json);
    case TypeKind::kUnknown:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
    case TypeKind::kStruct:
    case TypeKind::kList:
    case TypeKind::kMap:
      return json.Error(fmt::format("a value of type {} can only be null here", type.ToString()));
  }
  return json.Error("unknown type");
}

}  // namespace moraine::iceberg
