#include "moraine/iceberg/types/decimal.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

__extension__ typedef unsigned __int128 UInt128;

UInt128 Magnitude(Int128 value) {
  return value < 0 ? ~static_cast<UInt128>(value) + 1 : static_cast<UInt128>(value);
}

std::string Digits(UInt128 magnitude) {
  std::string out;
  do {
    out.push_back(static_cast<char>('0' + static_cast<int>(magnitude % 10)));
    magnitude /= 10;
  } while (magnitude != 0);
  std::reverse(out.begin(), out.end());
  return out;
}

Status NotDecimal(std::string_view text, int precision, int scale) {
  return InvalidArgument(
      fmt::format("expected a decimal({}, {}), got '{}'", precision, scale, text.substr(0, 60)));
}

/// The parts of "-12.50E+3".
struct DecimalParts {
  bool negative = false;
  std::string digits;    // without the point
  int64_t exponent = 0;  // of ten, applied to digits
};

bool ParseParts(std::string_view text, DecimalParts* parts) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    parts->negative = text[0] == '-';
    text.remove_prefix(1);
  }
  size_t e = text.find_first_of("eE");
  if (e != text.npos) {
    std::string_view exponent = text.substr(e + 1);
    if (!exponent.empty() && exponent[0] == '+') exponent.remove_prefix(1);
    auto parsed = ParseInt64(exponent);
    if (!parsed.ok() || *parsed > 1000 || *parsed < -1000) return false;
    parts->exponent = *parsed;
    text = text.substr(0, e);
  }
  bool point = false;
  for (char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      parts->digits.push_back(c);
      if (point) --parts->exponent;
    } else {
      return false;
    }
  }
  return !parts->digits.empty();
}

}  // namespace

Int128 PowerOfTen(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

bool FitsPrecision(Int128 unscaled, int precision) {
  return Magnitude(unscaled) < Magnitude(PowerOfTen(precision));
}

std::string Int128ToText(Int128 value) { return (value < 0 ? "-" : "") + Digits(Magnitude(value)); }

std::string DecimalToText(Int128 unscaled, int scale) {
  std::string digits = Digits(Magnitude(unscaled));
  size_t fraction = static_cast<size_t>(std::max(scale, 0));
  if (fraction > 0) {
    if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
    digits.insert(digits.size() - fraction, ".");
  }
  return (unscaled < 0 ? "-" : "") + digits;
}

std::string DecimalToJavaText(Int128 unscaled, int scale) {
  std::string digits = Digits(Magnitude(unscaled));
  int adjusted = static_cast<int>(digits.size()) - 1 - scale;
  if (adjusted >= -6) return DecimalToText(unscaled, scale);
  if (digits.size() > 1) digits.insert(1, ".");
  return fmt::format("{}{}E{}", unscaled < 0 ? "-" : "", digits, adjusted);
}

Result<Int128> DecimalFromText(std::string_view text, int precision, int scale) {
  DecimalParts parts;
  if (!ParseParts(text, &parts)) return NotDecimal(text, precision, scale);
  int64_t shift = parts.exponent + scale;
  std::string& digits = parts.digits;
  for (; shift < 0 && !digits.empty(); ++shift) {
    if (digits.back() != '0') return NotDecimal(text, precision, scale);
    digits.pop_back();
  }
  digits.erase(0, digits.find_first_not_of('0'));
  if (digits.empty()) return Int128{0};
  if (static_cast<int64_t>(digits.size()) + shift > precision)
    return NotDecimal(text, precision, scale);
  digits.append(static_cast<size_t>(shift), '0');
  Int128 value = 0;
  for (char c : digits) value = value * 10 + (c - '0');
  return parts.negative ? -value : value;
}

std::string DecimalToBytes(Int128 unscaled) {
  std::string bytes;
  auto rest = static_cast<UInt128>(unscaled);
  for (int i = 0; i < 16; ++i) {
    bytes.push_back(static_cast<char>(rest));
    rest >>= 8;
  }
  char filler = unscaled < 0 ? '\xff' : '\0';
  auto sign_bit = [](char byte) { return static_cast<char>((byte & 0x80) != 0 ? '\xff' : '\0'); };
  while (bytes.size() > 1 && bytes.back() == filler &&
         sign_bit(bytes[bytes.size() - 2]) == filler) {
    bytes.pop_back();
  }
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

Result<Int128> DecimalFromBytes(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 16) {
    return Corruption(fmt::format("expected a decimal of 1 to 16 bytes, got {}", bytes.size()));
  }
  UInt128 value = (bytes[0] & 0x80) != 0 ? ~UInt128{0} : 0;
  for (char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<Int128>(value);
}

}  // namespace moraine::iceberg
