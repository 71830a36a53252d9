#include "moraine/iceberg/types/calendar.h"

#include <charconv>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Takes exactly `digits` digits off the front.
bool TakeNumber(std::string_view* text, size_t digits, int64_t* out) {
  if (text->size() < digits) return false;
  int64_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!IsDigit((*text)[i])) return false;
    value = value * 10 + ((*text)[i] - '0');
  }
  text->remove_prefix(digits);
  *out = value;
  return true;
}

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

int DaysOfMonth(int64_t year, int64_t month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

bool TakeDate(std::string_view* text, int64_t* days) {
  bool negative = TakeChar(text, '-');
  if (!negative) TakeChar(text, '+');
  size_t digits = 0;
  while (digits < text->size() && IsDigit((*text)[digits])) ++digits;
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (digits < 4 || digits > 9 || !TakeNumber(text, digits, &year)) return false;
  if (negative) year = -year;
  if (!TakeChar(text, '-') || !TakeNumber(text, 2, &month) || !TakeChar(text, '-') ||
      !TakeNumber(text, 2, &day)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > DaysOfMonth(year, month)) return false;
  *days = DaysFromCivil({year, static_cast<int>(month), static_cast<int>(day)});
  return true;
}

bool TakeFraction(std::string_view* text, int64_t* nanos) {
  size_t digits = 0;
  while (digits < text->size() && IsDigit((*text)[digits])) ++digits;
  if (digits == 0 || digits > 9 || !TakeNumber(text, digits, nanos)) return false;
  for (; digits < 9; ++digits) *nanos *= 10;
  return true;
}

bool TakeTime(std::string_view* text, int64_t* nanos_of_day) {
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t nanos = 0;
  if (!TakeNumber(text, 2, &hour) || !TakeChar(text, ':') || !TakeNumber(text, 2, &minute)) {
    return false;
  }
  if (TakeChar(text, ':')) {
    if (!TakeNumber(text, 2, &second)) return false;
    if (TakeChar(text, '.') && !TakeFraction(text, &nanos)) return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *nanos_of_day = ((hour * 60 + minute) * 60 + second) * kNanosPerSecond + nanos;
  return true;
}

std::string Quoted(std::string_view text) { return std::string(text.substr(0, 60)); }

}  // namespace

// The days of a 400 year era are counted from March, so that the leap day is the last one of its
// year.
CivilDate CivilFromDays(int64_t days) {
  int64_t shifted = days + 719468;
  int64_t era = FloorDiv(shifted, 146097);
  int64_t day_of_era = shifted - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  int month = static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  int day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

int64_t DaysFromCivil(const CivilDate& date) {
  int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  int64_t era = FloorDiv(year, 400);
  int64_t year_of_era = year - era * 400;
  int64_t month_from_march = date.month + (date.month > 2 ? -3 : 9);
  int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

std::string FormatDate(int64_t days) {
  CivilDate date = CivilFromDays(days);
  int64_t magnitude = date.year < 0 ? -date.year : date.year;
  const char* sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
  return fmt::format("{}{:04}-{:02}-{:02}", sign, magnitude, date.month, date.day);
}

std::string FormatTimeOfDay(int64_t nanos_of_day, FractionStyle style) {
  int64_t seconds = nanos_of_day / kNanosPerSecond;
  int64_t nanos = nanos_of_day % kNanosPerSecond;
  std::string out = fmt::format("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
  if (style == FractionStyle::kJava && seconds % 60 == 0 && nanos == 0) return out;
  out += fmt::format(":{:02}", seconds % 60);
  if (style == FractionStyle::kMicros) return out + fmt::format(".{:06}", nanos / 1000);
  if (style == FractionStyle::kNanos) return out + fmt::format(".{:09}", nanos);
  if (nanos == 0) return out;
  if (nanos % 1'000'000 == 0) return out + fmt::format(".{:03}", nanos / 1'000'000);
  if (nanos % 1000 == 0) return out + fmt::format(".{:06}", nanos / 1000);
  return out + fmt::format(".{:09}", nanos);
}

std::string FormatTimestamp(int64_t seconds, int64_t nanos_of_second, FractionStyle style) {
  int64_t days = FloorDiv(seconds, 86400);
  int64_t nanos_of_day = (seconds - days * 86400) * kNanosPerSecond + nanos_of_second;
  return FormatDate(days) + "T" + FormatTimeOfDay(nanos_of_day, style);
}

Result<int64_t> ParseDate(std::string_view text) {
  std::string_view rest = text;
  int64_t days = 0;
  if (TakeDate(&rest, &days) && rest.empty()) return days;
  return InvalidArgument(fmt::format("expected a date like 2017-11-16, got '{}'", Quoted(text)));
}

Result<int64_t> ParseTimeOfDay(std::string_view text) {
  std::string_view rest = text;
  int64_t nanos = 0;
  if (TakeTime(&rest, &nanos) && rest.empty()) return nanos;
  return InvalidArgument(
      fmt::format("expected a time like 22:31:08.123456, got '{}'", Quoted(text)));
}

Result<ParsedTimestamp> ParseTimestamp(std::string_view text) {
  std::string_view rest = text;
  int64_t days = 0;
  int64_t nanos_of_day = 0;
  if (TakeDate(&rest, &days) && (TakeChar(&rest, 'T') || TakeChar(&rest, 't')) &&
      TakeTime(&rest, &nanos_of_day) && rest.empty()) {
    return ParsedTimestamp{days * 86400 + nanos_of_day / kNanosPerSecond,
                           nanos_of_day % kNanosPerSecond};
  }
  return InvalidArgument(
      fmt::format("expected a timestamp like 2017-11-16T22:31:08.123456, got '{}'", Quoted(text)));
}

}  // namespace moraine::iceberg
