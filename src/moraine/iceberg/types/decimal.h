#pragma once
// Decimals as unscaled 128-bit integers: text, limits and the minimal big-endian bytes of the table
// spec (appendix D). Used by values, manifests and the Parquet metrics.

#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

inline constexpr int kMaxDecimalPrecision = 38;

/// 10^exponent; exponent in 0..38.
Int128 PowerOfTen(int exponent);
/// Whether |unscaled| < 10^precision.
bool FitsPrecision(Int128 unscaled, int precision);
/// The digits, without a point.
std::string Int128ToText(Int128 value);
/// Plain: "-0.05", always `scale` digits after the point.
std::string DecimalToText(Int128 unscaled, int scale);
/// As Java's BigDecimal.toString: with an exponent when the value is tiny ("1E-10").
std::string DecimalToJavaText(Int128 unscaled, int scale);
/// "14.20", "2E+2"; digits beyond the scale must be zero. Errors: InvalidArgument.
Result<Int128> DecimalFromText(std::string_view text, int precision, int scale);

/// The shortest big-endian two's complement form; 0 is one byte.
std::string DecimalToBytes(Int128 unscaled);
/// Errors: Corruption when empty or over 16 bytes.
Result<Int128> DecimalFromBytes(std::string_view bytes);

}  // namespace moraine::iceberg
