#include "moraine/maintenance/timetable.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::year_month_day;

constexpr size_t kMostText = 1'000;
constexpr size_t kMostWindows = 20;
constexpr int kMostDays = 8 * 366 + 2;
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (auto word : Split(text, ' ')) {
    if (!Trim(word).empty()) words.push_back(Trim(word));
  }
  return words;
}

/// A number, or a name whose place in names counts from first.
std::optional<int> NumberOf(std::string_view text, std::span<const std::string_view> names,
                            int first) {
  auto number = ParseInt64(text);
  if (number.ok()) {
    return *number >= 0 && *number <= 99 ? std::optional<int>(static_cast<int>(*number))
                                         : std::nullopt;
  }
  const std::string lower = ToLowerAscii(text);
  for (size_t i = 0; i < names.size(); ++i) {
    if (lower == names[i]) return static_cast<int>(i) + first;
  }
  return std::nullopt;
}

struct CronField {
  std::string_view name;
  int low;
  int high;
  std::span<const std::string_view> names = {};
};

/// "*", "3", "1-5", "*/10", "8-18/2", and lists of them: a bit for each number.
Result<uint64_t> CronBits(std::string_view text, const CronField& field) {
  const auto wrong = [&] {
    return InvalidArgument(fmt::format("cron: {} is '{}', expected {} to {}, ranges, lists, or *",
                                       field.name, text, field.low, field.high));
  };
  uint64_t bits = 0;
  for (auto part : Split(text, ',')) {
    int step = 1;
    if (size_t slash = part.find('/'); slash != std::string_view::npos) {
      auto parsed = NumberOf(part.substr(slash + 1), {}, 0);
      if (!parsed || *parsed < 1) return wrong();
      step = *parsed;
      part = part.substr(0, slash);
    }
    int low = field.low;
    int high = field.high;
    if (part != "*") {
      const size_t dash = part.find('-');
      auto begin = NumberOf(part.substr(0, dash), field.names, field.low);
      auto end = dash == std::string_view::npos
                     ? begin
                     : NumberOf(part.substr(dash + 1), field.names, field.low);
      if (!begin || !end || *begin > *end || *begin < field.low || *end > field.high) {
        return wrong();
      }
      low = *begin;
      if (dash != std::string_view::npos || step == 1) high = *end;  // "5/10": from 5 on
    }
    for (int i = low; i <= high; i += step) bits |= uint64_t{1} << i;
  }
  return bits;
}

/// "22:00", as minutes of the day; 24:00 is its end.
std::optional<int> MinuteOf(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 3 != text.size()) return {};
  auto hour = NumberOf(text.substr(0, colon), {}, 0);
  auto minute = NumberOf(text.substr(colon + 1), {}, 0);
  if (!hour || !minute || *minute > 59) return std::nullopt;
  const int total = *hour * 60 + *minute;
  return total <= 1'440 ? std::optional<int>(total) : std::nullopt;
}

/// "Mon-Fri", "Sat,Sun": a bit for each; nothing if it is no list of days.
std::optional<uint8_t> WeekdaysOf(std::string_view text) {
  uint8_t bits = 0;
  const auto day = [](std::string_view name) -> int {
    const std::string lower = ToLowerAscii(name).substr(0, 3);
    const auto found = std::find(kWeekdays.begin(), kWeekdays.end(), lower);
    return found == kWeekdays.end() ? -1 : static_cast<int>(found - kWeekdays.begin());
  };
  for (auto part : Split(text, ',')) {
    const size_t dash = part.find('-');
    const int begin = day(Trim(part.substr(0, dash)));
    const int end = dash == std::string_view::npos ? begin : day(Trim(part.substr(dash + 1)));
    if (begin < 0 || end < 0) return std::nullopt;
    for (int i = begin;; i = (i + 1) % 7) {
      bits |= static_cast<uint8_t>(1U << i);
      if (i == end) break;
    }
  }
  return bits;
}

Result<Window> WindowOf(std::string_view text, const TimeZonePtr& zone, TimeZones& zones) {
  const auto wrong = [&] {
    return InvalidArgument(
        fmt::format("window '{}': expected such as 22:00-06:00 Mon-Fri Europe/Berlin", text));
  };
  const auto words = Words(text);
  if (words.empty() || words.size() > 3) return wrong();
  const size_t dash = words[0].find('-');
  if (dash == std::string_view::npos) return wrong();
  auto begin = MinuteOf(words[0].substr(0, dash));
  auto end = MinuteOf(words[0].substr(dash + 1));
  if (!begin || !end || *begin == 1'440) return wrong();
  Window window{*begin, *end, 0x7f, zone};
  size_t next = 1;
  if (next < words.size()) {
    if (auto weekdays = WeekdaysOf(words[next])) {
      window.weekdays = *weekdays;
      ++next;
    }
  }
  if (next < words.size()) {
    MORAINE_ASSIGN(window.zone, zones.Find(words[next]));
    ++next;
  }
  if (next < words.size()) return wrong();
  return window;
}

/// The windows' texts: commas part days, too, so one begins where a digit follows.
std::vector<std::string> WindowTexts(std::string_view text) {
  std::vector<std::string> texts;
  for (auto group : Split(text, ';')) {
    bool is_first = true;
    for (auto part : Split(group, ',')) {
      part = Trim(part);
      const bool begins = is_first || (!part.empty() && part[0] >= '0' && part[0] <= '9');
      is_first = false;
      if (begins) {
        texts.emplace_back(part);
      } else {
        texts.back() += "," + std::string(part);
      }
    }
  }
  std::erase_if(texts, [](const auto& t) { return t.empty(); });
  return texts;
}

WallTime At(const TimeZone& zone, local_days day, int minute) {
  return zone.FromLocal(LocalTime(Millis(day.time_since_epoch()) + minutes(minute)));
}

/// Numbers near each other give numbers far apart.
uint64_t Scatter(int64_t number) {
  uint64_t x = static_cast<uint64_t>(number) + 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

Result<Timetable> Timetable::Parse(std::string_view text, const TimeZonePtr& zone,
                                   TimeZones& zones) {
  constexpr std::string_view kExpected =
      "expected off, every DURATION (10s to 400d), or cron MINUTE HOUR DAY MONTH WEEKDAY [ZONE]";
  text = Trim(text);
  if (text.size() > kMostText) return InvalidArgument(std::string(kExpected));
  Timetable schedule;
  if (ToLowerAscii(text) == "off") return schedule;
  if (text.starts_with("cron ")) return ParseCron(text, zone, zones);
  auto interval = text.starts_with("every ") ? upkeep::ParseRetention(text.substr(6))
                                             : Result<Millis>(InvalidArgument("no schedule"));
  if (!interval.ok() || *interval < Millis(10'000) || *interval > days(400)) {
    return InvalidArgument(fmt::format("'{}': {}", text.substr(0, 60), kExpected));
  }
  schedule.kind_ = Kind::kEvery;
  schedule.interval_ = *interval;
  schedule.text_ = std::string(text);
  return schedule;
}

Result<Timetable> Timetable::ParseCron(std::string_view text, TimeZonePtr zone, TimeZones& zones) {
  const auto words = Words(text);
  if (words.size() != 6 && words.size() != 7) {
    return InvalidArgument(fmt::format(
        "'{}': expected cron and five fields: minute, hour, day, month, weekday; and a time zone",
        text.substr(0, 60)));
  }
  Timetable schedule;
  schedule.kind_ = Kind::kCron;
  schedule.text_ = std::string(text);
  MORAINE_ASSIGN(schedule.minutes_, CronBits(words[1], {"minute", 0, 59}));
  MORAINE_ASSIGN(schedule.hours_, CronBits(words[2], {"hour", 0, 23}));
  MORAINE_ASSIGN(schedule.days_, CronBits(words[3], {"day", 1, 31}));
  MORAINE_ASSIGN(schedule.months_, CronBits(words[4], {"month", 1, 12, kMonths}));
  MORAINE_ASSIGN(schedule.weekdays_, CronBits(words[5], {"weekday", 0, 7, kWeekdays}));
  if ((schedule.weekdays_ >> 7 & 1) != 0) schedule.weekdays_ |= 1;
  schedule.any_day_ = words[3].starts_with('*');
  schedule.any_weekday_ = words[5].starts_with('*');
  schedule.zone_ = std::move(zone);
  if (words.size() == 7) {
    MORAINE_ASSIGN(schedule.zone_, zones.Find(words[6]));
  }
  if (!schedule.NextAfter(WallTime())) {
    return InvalidArgument(fmt::format("'{}': there is no such day", text.substr(0, 60)));
  }
  return schedule;
}

bool Timetable::DayMatches(local_days day) const {
  const year_month_day date(day);
  if ((months_ >> static_cast<unsigned>(date.month()) & 1) == 0) return false;
  const bool day_is = (days_ >> static_cast<unsigned>(date.day()) & 1) != 0;
  const bool weekday_is = (weekdays_ >> std::chrono::weekday(day).c_encoding() & 1) != 0;
  // As cron has always had it: where both say something, one is enough.
  if (!any_day_ && !any_weekday_) return day_is || weekday_is;
  return day_is && weekday_is;
}

std::optional<WallTime> Timetable::NextAfter(WallTime after) const {
  if (kind_ != Kind::kCron) return std::nullopt;
  constexpr uint64_t kEveryHour = (uint64_t{1} << 24) - 1;
  const local_days first = floor<days>(zone_->ToLocal(after));
  for (int i = 0; i < kMostDays; ++i) {
    const local_days day = first + days(i);
    if (!DayMatches(day)) continue;
    if (hours_ == kEveryHour) {  // by the minutes that really pass
      WallTime t = std::max(floor<minutes>(after) + minutes(1), floor<minutes>(At(*zone_, day, 0)));
      for (; floor<days>(zone_->ToLocal(t)) <= day; t += minutes(1)) {
        const auto of_day = floor<minutes>(zone_->ToLocal(t) - LocalTime(day));
        if (of_day.count() >= 0 && (minutes_ >> (of_day.count() % 60) & 1) != 0) return t;
      }
      continue;
    }
    for (int minute = 0; minute < 1'440; ++minute) {
      if ((hours_ >> (minute / 60) & 1) == 0 || (minutes_ >> (minute % 60) & 1) == 0) continue;
      if (WallTime t = At(*zone_, day, minute); t > after) return t;
    }
  }
  return std::nullopt;
}

Result<std::vector<Window>> ParseWindows(std::string_view text, const TimeZonePtr& zone,
                                         TimeZones& zones) {
  std::vector<Window> windows;
  if (text.size() > kMostText) return InvalidArgument("windows: the text is too long");
  const auto texts = WindowTexts(text);
  if (texts.size() > kMostWindows) return InvalidArgument("windows: there are more than 20");
  for (const auto& one : texts) {
    MORAINE_ASSIGN(auto window, WindowOf(one, zone, zones));
    windows.push_back(std::move(window));
  }
  return windows;
}

std::optional<Opening> FirstOpening(std::span<const Window> windows, WallTime at) {
  std::optional<Opening> first;
  for (const auto& window : windows) {
    const local_days today = floor<days>(window.zone->ToLocal(at));
    for (int i = -2; i <= 15; ++i) {
      const local_days day = today + days(i);
      if ((window.weekdays >> std::chrono::weekday(day).c_encoding() & 1) == 0) continue;
      const bool is_over_night = window.end_minute <= window.begin_minute;
      const Opening opening{
          At(*window.zone, day, window.begin_minute),
          At(*window.zone, is_over_night ? day + days(1) : day, window.end_minute)};
      if (opening.end <= at || opening.end <= opening.begin) continue;
      if (!first || opening.begin < first->begin) first = opening;
      break;
    }
  }
  return first;
}

std::optional<WallTime> NextDue(const DueInput& input, WallTime now) {
  const Timetable& schedule = input.schedule;
  std::optional<WallTime> due;
  Millis early{0};
  if (schedule.kind() == Timetable::Kind::kEvery) {
    const Millis interval = schedule.interval();
    if (input.last) {
      due = *input.last + interval;
    } else {  // the first of its own moments: they are an interval apart, each table has others
      const int64_t own =
          static_cast<int64_t>(Scatter(input.spread) % static_cast<uint64_t>(interval.count()));
      const int64_t past = (ToMillis(input.since) - own) % interval.count();
      due = input.since + Millis(past == 0 ? 0 : past < 0 ? -past : interval.count() - past);
    }
    early = interval / 10;
  } else if (schedule.kind() == Timetable::Kind::kCron) {
    due = schedule.NextAfter(input.last ? std::max(*input.last, input.since) : input.since);
  }
  if (!due || input.windows.empty()) return due;
  const auto opening = FirstOpening(input.windows, std::max(*due, now));
  if (!opening) return std::nullopt;
  if (opening->begin <= *due && *due - opening->begin > early) return due;
  return opening->begin;
}

}  // namespace moraine::maintenance
