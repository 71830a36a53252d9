#include "moraine/upkeep/time_pattern.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/types/calendar.h"

namespace moraine::upkeep {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDayUs = 86'400 * kSecondUs;

int64_t PowerOfTen(int exponent) {
  int64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

int DaysInMonth(int64_t year, int month) {
  const int64_t first = iceberg::DaysFromCivil({year, month, 1});
  const int64_t next = month == 12 ? iceberg::DaysFromCivil({year + 1, 1, 1})
                                   : iceberg::DaysFromCivil({year, month + 1, 1});
  return static_cast<int>(next - first);
}

/// The ISO week of a day since 1970-01-01: its year and number.
std::pair<int64_t, int> IsoWeek(int64_t day) {
  const int64_t monday = day - iceberg::FloorMod(day + 3, 7);
  const int64_t year = iceberg::CivilFromDays(monday + 3).year;  // that of its Thursday
  const int64_t january_4 = iceberg::DaysFromCivil({year, 1, 4});
  const int64_t first_monday = january_4 - iceberg::FloorMod(january_4 + 3, 7);
  return {year, static_cast<int>((monday - first_monday) / 7 + 1)};
}

std::string OffsetText(char letter, int width, int64_t offset_s) {
  if (letter == 'X' && offset_s == 0) return "Z";
  const int64_t minutes = std::abs(offset_s) / 60;
  const char sign = offset_s < 0 ? '-' : '+';
  if (letter == 'Z') width = 2;
  if (width == 1 && minutes % 60 == 0) return fmt::format("{}{:02}", sign, minutes / 60);
  return fmt::format("{}{:02}{}{:02}", sign, minutes / 60, width == 3 ? ":" : "", minutes % 60);
}

/// So many digits off the front.
std::optional<int64_t> TakeDigits(std::string_view* text, size_t least, size_t most) {
  size_t count = 0;
  int64_t value = 0;
  while (count < most && count < text->size() && std::isdigit((*text)[count]) != 0) {
    value = value * 10 + ((*text)[count++] - '0');
  }
  if (count < least) return std::nullopt;
  text->remove_prefix(count);
  return value;
}

std::optional<int64_t> TakeOffset(char letter, std::string_view* text) {
  if (text->empty()) return std::nullopt;
  if (letter == 'X' && text->front() == 'Z') {
    text->remove_prefix(1);
    return 0;
  }
  const char sign = text->front();
  if (sign != '+' && sign != '-') return std::nullopt;
  text->remove_prefix(1);
  auto hours = TakeDigits(text, 2, 2);
  if (!hours || *hours > 18) return std::nullopt;
  int64_t minutes = 0;
  const bool colon = text->starts_with(':');
  if (colon) text->remove_prefix(1);
  if (auto read = TakeDigits(text, 2, 2)) {
    minutes = *read;
  } else if (colon) {
    return std::nullopt;
  }
  if (minutes > 59) return std::nullopt;
  const int64_t seconds = *hours * 3600 + minutes * 60;
  return sign == '-' ? -seconds : seconds;
}

}  // namespace

/// -1: not there.
struct TimePattern::Fields {
  int64_t year = -1, month = -1, day = -1, hour = -1, minute = -1, second = -1;
  int64_t fraction_us = -1;
  int64_t fraction_unit_us = 0;
  std::optional<int64_t> offset_s;

  int64_t* Of(Kind kind) {
    switch (kind) {
      case Kind::kYear:
        return &year;
      case Kind::kMonth:
        return &month;
      case Kind::kDay:
        return &day;
      case Kind::kHour:
        return &hour;
      case Kind::kMinute:
        return &minute;
      case Kind::kSecond:
        return &second;
      default:
        return nullptr;
    }
  }
};

std::optional<TimePattern::Kind> TimePattern::KindOf(char letter) {
  switch (letter) {
    case 'y':
    case 'u':
      return Kind::kYear;
    case 'M':
      return Kind::kMonth;
    case 'd':
      return Kind::kDay;
    case 'H':
      return Kind::kHour;
    case 'm':
      return Kind::kMinute;
    case 's':
      return Kind::kSecond;
    case 'S':
      return Kind::kFraction;
    case 'Y':
      return Kind::kWeekYear;
    case 'w':
      return Kind::kWeek;
    case 'x':
    case 'X':
    case 'Z':
      return Kind::kOffset;
    default:
      return std::nullopt;
  }
}

Status TimePattern::AddLetters(std::string_view pattern, char letter, int width) {
  auto kind = KindOf(letter);
  const bool is_year = kind == Kind::kYear || kind == Kind::kWeekYear;
  const int most = is_year ? 4 : kind == Kind::kFraction ? 9 : kind == Kind::kOffset ? 3 : 2;
  if (!kind || width > most || (is_year && width == 3)) {
    return InvalidArgument(fmt::format("the time pattern '{}' has '{}', which is not supported",
                                       pattern, std::string(static_cast<size_t>(width), letter)));
  }
  parts_.push_back({*kind, width, letter});
  return {};
}

Result<TimePattern> TimePattern::Parse(std::string_view text) {
  if (text.empty() || text.size() > 200) {
    return InvalidArgument("a time pattern has 1 to 200 characters");
  }
  TimePattern pattern;
  auto literal = [&](char c) {
    if (pattern.parts_.empty() || pattern.parts_.back().kind != Kind::kLiteral)
      pattern.parts_.push_back({Kind::kLiteral, 0, 0});
    pattern.parts_.back().text += c;
  };
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\'') {
      if (text.substr(i, 2) == "''") {
        literal('\'');
        i += 2;
        continue;
      }
      for (++i; i < text.size() && (text[i] != '\'' || text.substr(i, 2) == "''"); ++i) {
        literal(text[i]);
        if (text[i] == '\'') ++i;
      }
      if (i == text.size())
        return InvalidArgument(fmt::format("the time pattern '{}' lacks a closing quote", text));
      ++i;
    } else if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      size_t end = i;
      while (end < text.size() && text[end] == c) ++end;
      MORAINE_TRY(pattern.AddLetters(text, c, static_cast<int>(end - i)));
      i = end;
    } else if (std::string_view("[]{}#").find(c) != std::string_view::npos) {
      return InvalidArgument(
          fmt::format("the time pattern '{}' has '{}', which is not supported", text, c));
    } else {
      literal(c);
      ++i;
    }
  }
  pattern.DecideOrder();
  return pattern;
}

/// Years first, then ever smaller units, none left out, each of as many digits as it can have.
void TimePattern::DecideOrder() {
  Kind next = Kind::kYear;
  for (const Part& part : parts_) {
    if (part.kind == Kind::kLiteral) continue;
    const int full = part.kind == Kind::kYear ? 4 : part.kind == Kind::kFraction ? part.width : 2;
    if (part.kind != next || part.width != full) return;
    next = static_cast<Kind>(static_cast<int>(next) + 1);
  }
  sorts_ = next != Kind::kYear;
}

std::string TimePattern::Format(LocalTime local, std::chrono::seconds offset) const {
  const auto day = floor<days>(local);
  const int64_t day_number = day.time_since_epoch().count();
  const auto date = iceberg::CivilFromDays(day_number);
  const int64_t millis = (local - day).count();
  std::string text;
  for (const Part& part : parts_) {
    auto number = [&](int64_t value) { text += fmt::format("{:0{}}", value, part.width); };
    switch (part.kind) {
      case Kind::kLiteral:
        text += part.text;
        break;
      case Kind::kYear:
        number(part.width == 2 ? date.year % 100 : date.year);
        break;
      case Kind::kMonth:
        number(date.month);
        break;
      case Kind::kDay:
        number(date.day);
        break;
      case Kind::kHour:
        number(millis / 3'600'000);
        break;
      case Kind::kMinute:
        number(millis / 60'000 % 60);
        break;
      case Kind::kSecond:
        number(millis / 1000 % 60);
        break;
      case Kind::kFraction:
        number(millis % 1000 * 1'000'000 / PowerOfTen(9 - part.width));
        break;
      case Kind::kWeekYear: {
        const int64_t year = IsoWeek(day_number).first;
        number(part.width == 2 ? year % 100 : year);
        break;
      }
      case Kind::kWeek:
        number(IsoWeek(day_number).second);
        break;
      case Kind::kOffset:
        text += OffsetText(part.letter, part.width, offset.count());
        break;
    }
  }
  return text;
}

std::optional<TimeSpan> TimePattern::SpanOf(const Fields& fields) {
  if (fields.year < 0) return std::nullopt;
  const int month = fields.month < 0 ? 1 : static_cast<int>(fields.month);
  if (month < 1 || month > 12) return std::nullopt;
  const int64_t day = fields.day < 0 ? 1 : fields.day;
  if (day < 1 || day > DaysInMonth(fields.year, month)) return std::nullopt;
  if (fields.hour > 23 || fields.minute > 59 || fields.second > 59) return std::nullopt;
  auto day_us = [](int64_t y, int m, int64_t d) {
    return iceberg::DaysFromCivil({y, m, static_cast<int>(d)}) * kDayUs;
  };
  TimeSpan span;
  span.begin_us = day_us(fields.year, month, day) +
                  (std::max<int64_t>(fields.hour, 0) * 3600 +
                   std::max<int64_t>(fields.minute, 0) * 60 + std::max<int64_t>(fields.second, 0)) *
                      kSecondUs +
                  std::max<int64_t>(fields.fraction_us, 0);
  if (fields.fraction_us >= 0) {
    span.end_us = span.begin_us + fields.fraction_unit_us;
  } else if (fields.second >= 0) {
    span.end_us = span.begin_us + kSecondUs;
  } else if (fields.minute >= 0) {
    span.end_us = span.begin_us + 60 * kSecondUs;
  } else if (fields.hour >= 0) {
    span.end_us = span.begin_us + 3600 * kSecondUs;
  } else if (fields.day >= 0) {
    span.end_us = span.begin_us + kDayUs;
  } else if (fields.month >= 0) {
    span.end_us = span.begin_us + DaysInMonth(fields.year, month) * kDayUs;
  } else {
    span.end_us = day_us(fields.year + 1, 1, 1);
  }
  if (fields.offset_s) {
    span.begin_us -= *fields.offset_s * kSecondUs;
    span.end_us -= *fields.offset_s * kSecondUs;
    span.is_utc = true;
  }
  return span;
}

std::optional<TimeSpan> TimePattern::Read(std::string_view text) const {
  Fields fields;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (part.kind == Kind::kLiteral) {
      if (!text.starts_with(part.text)) return std::nullopt;
      text.remove_prefix(part.text.size());
    } else if (part.kind == Kind::kOffset) {
      fields.offset_s = TakeOffset(part.letter, &text);
      if (!fields.offset_s) return std::nullopt;
    } else if (part.kind == Kind::kFraction) {
      const auto width = static_cast<size_t>(part.width);
      auto value = TakeDigits(&text, width, width);
      if (!value) return std::nullopt;
      fields.fraction_us = part.width <= 6 ? *value * PowerOfTen(6 - part.width)
                                           : *value / PowerOfTen(part.width - 6);
      fields.fraction_unit_us = part.width <= 6 ? PowerOfTen(6 - part.width) : 1;
    } else {
      int64_t* field = fields.Of(part.kind);
      if (field == nullptr) return std::nullopt;  // weeks are written only
      const bool is_year = part.kind == Kind::kYear;
      const auto least = static_cast<size_t>(part.width);
      auto value = TakeDigits(&text, least, part.width > 1 ? least : is_year ? 4 : 2);
      if (!value || *field >= 0) return std::nullopt;
      *field = is_year && part.width == 2 ? 2000 + *value : *value;
    }
  }
  if (!text.empty()) return std::nullopt;
  return SpanOf(fields);
}

int64_t TimePattern::EndOfTextsUpTo(std::string_view bound) const {
  Fields fields;
  bool is_free = false;  // whatever follows may be anything
  auto limit = [&](Kind kind) -> int64_t {
    if (kind == Kind::kYear) return 9999;
    if (kind == Kind::kMonth) return 12;
    if (kind == Kind::kDay) return DaysInMonth(fields.year, static_cast<int>(fields.month));
    return kind == Kind::kHour ? 23 : 59;
  };
  for (const Part& part : parts_) {
    if (part.kind == Kind::kLiteral) {
      is_free = is_free || !bound.starts_with(part.text);
      if (!is_free) bound.remove_prefix(part.text.size());
      continue;
    }
    int64_t value = 0;
    for (int i = 0; i < part.width; ++i) {
      is_free = is_free || bound.empty() || std::isdigit(static_cast<unsigned char>(bound[0])) == 0;
      value = value * 10 + (is_free ? 9 : bound[0] - '0');
      if (!is_free) bound.remove_prefix(1);
    }
    if (part.kind == Kind::kFraction) {
      fields.fraction_us =
          part.width <= 6 ? value * PowerOfTen(6 - part.width) : value / PowerOfTen(part.width - 6);
      fields.fraction_unit_us = part.width <= 6 ? PowerOfTen(6 - part.width) : 1;
      continue;
    }
    const int64_t least = part.kind == Kind::kMonth || part.kind == Kind::kDay ? 1 : 0;
    const int64_t most = limit(part.kind);
    is_free = is_free || value < least || value > most;
    *fields.Of(part.kind) = std::clamp(value, least, most);
  }
  return SpanOf(fields)->end_us;
}

}  // namespace moraine::upkeep
