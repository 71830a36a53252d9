#include "moraine/iceberg/types/value.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/iceberg/types/calendar.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {
namespace {

template <typename Float>
Float CanonicalNaN(Float value) {
  return std::isnan(value) ? std::numeric_limits<Float>::quiet_NaN() : value;
}

std::strong_ordering CompareBytes(const std::string& a, const std::string& b) {
  int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order < 0 ? std::strong_ordering::less : std::strong_ordering::greater;
  return a.size() <=> b.size();
}

std::strong_ordering CompareSame(bool a, bool b) { return a <=> b; }
std::strong_ordering CompareSame(int32_t a, int32_t b) { return a <=> b; }
std::strong_ordering CompareSame(int64_t a, int64_t b) { return a <=> b; }
std::strong_ordering CompareSame(float a, float b) { return std::strong_order(a, b); }
std::strong_ordering CompareSame(double a, double b) { return std::strong_order(a, b); }
std::strong_ordering CompareSame(Int128 a, Int128 b) {
  if (a == b) return std::strong_ordering::equal;
  return a < b ? std::strong_ordering::less : std::strong_ordering::greater;
}
std::strong_ordering CompareSame(const std::string& a, const std::string& b) {
  return CompareBytes(a, b);
}
std::strong_ordering CompareSame(std::monostate, std::monostate) {
  return std::strong_ordering::equal;
}

size_t Mix(uint64_t seed, uint64_t value) {
  uint64_t x = (seed ^ value) * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  return x ^ (x >> 32);
}

template <typename Integer>
std::string LittleEndian(Integer value) {
  static_assert(std::endian::native == std::endian::little);
  std::string out(sizeof(value), '\0');
  std::memcpy(out.data(), &value, sizeof(value));
  return out;
}

template <typename Number>
Number FromLittleEndian(std::string_view bytes) {
  Number value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

Status WrongLength(const Type& type, std::string_view bytes, std::string_view expected) {
  return Corruption(fmt::format("expected {} bytes for a value of type {}, got {}", expected,
                                type.ToString(), bytes.size()));
}

/// Days that a bound kept from before its column was promoted from date.
int64_t ScaleDays(int32_t days, int64_t units_per_day) {
  Int128 scaled = static_cast<Int128>(days) * units_per_day;
  if (scaled > std::numeric_limits<int64_t>::max()) return std::numeric_limits<int64_t>::max();
  if (scaled < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(scaled);
}

Result<Value> LongFromBytes(const Type& type, std::string_view bytes) {
  if (bytes.size() == 8) return Value(FromLittleEndian<int64_t>(bytes));
  if (bytes.size() != 4) return WrongLength(type, bytes, "8 (or 4)");
  int32_t narrow = FromLittleEndian<int32_t>(bytes);
  switch (type.kind()) {
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      return Value(ScaleDays(narrow, kMicrosPerDay));
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return Value(ScaleDays(narrow, kMicrosPerDay * kNanosPerMicro));
    default:
      return Value(int64_t{narrow});
  }
}

}  // namespace

bool IsNaN(const Value& value) {
  if (auto* number = std::get_if<float>(&value)) return std::isnan(*number);
  if (auto* number = std::get_if<double>(&value)) return std::isnan(*number);
  return false;
}

std::strong_ordering CompareValues(const Value& a, const Value& b) {
  if (IsNull(a) || IsNull(b)) return IsNull(b) <=> IsNull(a);
  MORAINE_CHECK(a.index() == b.index(), "values of different forms were compared");
  return std::visit(
      [&b](const auto& left) {
        return CompareSame(left, std::get<std::decay_t<decltype(left)>>(b));
      },
      a);
}

bool SameValue(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (IsNaN(a) || IsNaN(b)) return IsNaN(a) == IsNaN(b);
  return CompareValues(a, b) == std::strong_ordering::equal;
}

size_t HashValue(const Value& value) {
  struct Hasher {
    size_t operator()(std::monostate) const { return 0; }
    size_t operator()(bool v) const { return Mix(1, v ? 1 : 0); }
    size_t operator()(int32_t v) const { return Mix(2, static_cast<uint64_t>(v)); }
    size_t operator()(int64_t v) const { return Mix(3, static_cast<uint64_t>(v)); }
    size_t operator()(float v) const { return Mix(4, std::bit_cast<uint32_t>(CanonicalNaN(v))); }
    size_t operator()(double v) const { return Mix(5, std::bit_cast<uint64_t>(CanonicalNaN(v))); }
    size_t operator()(Int128 v) const {
      return Mix(Mix(6, static_cast<uint64_t>(v)), static_cast<uint64_t>(v >> 64));
    }
    size_t operator()(const std::string& v) const { return Mix(7, std::hash<std::string>()(v)); }
  };
  return std::visit(Hasher{}, value);
}

bool SameTuple(const PartitionTuple& a, const PartitionTuple& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!SameValue(a[i], b[i])) return false;
  }
  return true;
}

size_t HashTuple(const PartitionTuple& tuple) {
  size_t hash = tuple.size();
  for (const Value& value : tuple) hash = Mix(hash, HashValue(value));
  return hash;
}

std::string ValueToBytes(const Type& type, const Value& value) {
  struct Encoder {
    std::string operator()(std::monostate) const {
      MORAINE_CHECK(false, "null has no binary form");
      return {};
    }
    std::string operator()(bool v) const { return std::string(1, v ? '\x01' : '\x00'); }
    std::string operator()(int32_t v) const { return LittleEndian(v); }
    std::string operator()(int64_t v) const { return LittleEndian(v); }
    std::string operator()(float v) const { return LittleEndian(v); }
    std::string operator()(double v) const { return LittleEndian(v); }
    std::string operator()(Int128 v) const { return DecimalToBytes(v); }
    std::string operator()(const std::string& v) const { return v; }
  };
  (void)type;
  return std::visit(Encoder{}, value);
}

Result<Value> ValueFromBytes(const Type& type, std::string_view bytes) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      if (bytes.size() != 1) return WrongLength(type, bytes, "1");
      return Value(bytes[0] != 0);
    case TypeKind::kInt:
    case TypeKind::kDate:
      if (bytes.size() != 4) return WrongLength(type, bytes, "4");
      return Value(FromLittleEndian<int32_t>(bytes));
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return LongFromBytes(type, bytes);
    case TypeKind::kFloat:
      if (bytes.size() != 4) return WrongLength(type, bytes, "4");
      return Value(FromLittleEndian<float>(bytes));
    case TypeKind::kDouble:
      if (bytes.size() == 4) return Value(static_cast<double>(FromLittleEndian<float>(bytes)));
      if (bytes.size() != 8) return WrongLength(type, bytes, "8 (or 4)");
      return Value(FromLittleEndian<double>(bytes));
    case TypeKind::kDecimal: {
      MORAINE_ASSIGN(Int128 unscaled, DecimalFromBytes(bytes));
      return Value(unscaled);
    }
    case TypeKind::kUuid:
      if (bytes.size() != 16) return WrongLength(type, bytes, "16");
      return Value(std::string(bytes));
    case TypeKind::kFixed:
      if (static_cast<int64_t>(bytes.size()) != type.length()) {
        return WrongLength(type, bytes, std::to_string(type.length()));
      }
      return Value(std::string(bytes));
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return Value(std::string(bytes));
    case TypeKind::kUnknown:
    case TypeKind::kStruct:
    case TypeKind::kList:
    case TypeKind::kMap:
      return Value();
  }
  return Value();
}

}  // namespace moraine::iceberg
