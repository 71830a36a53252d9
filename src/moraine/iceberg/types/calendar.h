#pragma once
// Days and times as the table spec counts them (from 1970-01-01, proleptic Gregorian, no leap
// seconds), and their ISO 8601 text. Used by values, transforms and partition paths; pure
// arithmetic, no time zone data.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::iceberg {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerHour = 3600 * kMicrosPerSecond;
inline constexpr int64_t kMicrosPerDay = 24 * kMicrosPerHour;
inline constexpr int64_t kNanosPerMicro = 1000;

/// Division that rounds towards minus infinity; divisor > 0.
constexpr int64_t FloorDiv(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}
constexpr int64_t FloorMod(int64_t value, int64_t divisor) {
  return value - FloorDiv(value, divisor) * divisor;
}

struct CivilDate {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
};
CivilDate CivilFromDays(int64_t days);
int64_t DaysFromCivil(const CivilDate& date);

/// "2017-11-16"; years outside 0..9999 with a sign, as ISO 8601 has them.
std::string FormatDate(int64_t days);
/// How many digits a fraction of a second gets, and whether ":00" seconds may be left out.
enum class FractionStyle {
  kMicros,  ///< always 6 digits
  kNanos,   ///< always 9 digits
  kJava,    ///< 0, 3, 6 or 9 digits; zero seconds left out (java.time's toString)
};
/// "22:31:08.123456" from nanoseconds of the day.
std::string FormatTimeOfDay(int64_t nanos_of_day, FractionStyle style);
/// "2017-11-16T22:31:08.123456".
std::string FormatTimestamp(int64_t seconds, int64_t nanos_of_second, FractionStyle style);

/// Errors of all three: InvalidArgument that quotes the text.
Result<int64_t> ParseDate(std::string_view text);       ///< days
Result<int64_t> ParseTimeOfDay(std::string_view text);  ///< nanoseconds of the day
/// A local timestamp without an offset. Seconds and fraction (up to 9 digits) may be missing.
struct ParsedTimestamp {
  int64_t seconds = 0;
  int64_t nanos = 0;  ///< of the second
};
Result<ParsedTimestamp> ParseTimestamp(std::string_view text);

}  // namespace moraine::iceberg
