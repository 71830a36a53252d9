#pragma once
// When maintenance runs: a schedule per action ("every 6h", "cron 0 3 * * 1-5 Europe/Berlin",
// "off") and windows in which runs may begin ("22:00-06:00 Mon-Fri Europe/Berlin"). All of it is
// pure: times in, times out; who keeps the times is the schedule's rows.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"
#include "moraine/base/time_zone.h"

namespace moraine::maintenance {

/// Immutable.
class Timetable {
 public:
  enum class Kind { kOff, kEvery, kCron };

  Timetable() = default;  ///< off
  /// "off"; "every 90min", "every 1d" (10 s to 400 days); "cron MINUTE HOUR DAY MONTH WEEKDAY
  /// [ZONE]", with lists, ranges, steps and the names of days and months, Sunday is 0 or 7. zone:
  /// of one that names none. Errors: InvalidArgument that says what was expected.
  static Result<Timetable> Parse(std::string_view text, const TimeZonePtr& zone, TimeZones& zones);

  Kind kind() const { return kind_; }
  Millis interval() const { return interval_; }  ///< of kEvery
  const std::string& text() const { return text_; }
  /// The first moment after this one; of kCron. Times of day that the clocks leave out come as
  /// late as they would have been shown; those that they show twice count once, but for schedules
  /// of every hour. Nothing: within the next 8 years there is none.
  std::optional<WallTime> NextAfter(WallTime after) const;

 private:
  static Result<Timetable> ParseCron(std::string_view text, TimeZonePtr zone, TimeZones& zones);
  bool DayMatches(std::chrono::local_days day) const;

  Kind kind_ = Kind::kOff;
  std::string text_ = "off";
  Millis interval_{0};
  uint64_t minutes_ = 0;  ///< one bit each, here and below
  uint64_t hours_ = 0;
  uint64_t days_ = 0;
  uint64_t months_ = 0;
  uint64_t weekdays_ = 0;
  bool any_day_ = true;
  bool any_weekday_ = true;
  TimeZonePtr zone_;
};

/// Hours in which runs may begin, on the days on which it opens.
struct Window {
  int begin_minute = 0;     ///< of the day
  int end_minute = 1'440;   ///< not later than begin_minute: of the next day
  uint8_t weekdays = 0x7f;  ///< bit 0: Sunday
  TimeZonePtr zone;
};

/// "22:00-06:00 Mon-Fri Europe/Berlin; 00:00-24:00 Sat,Sun": days and zone may be left out (then
/// all, and that zone). Several are parted by ";" or ",". Errors: InvalidArgument.
Result<std::vector<Window>> ParseWindows(std::string_view text, const TimeZonePtr& zone,
                                         TimeZones& zones);

struct Opening {
  WallTime begin;
  WallTime end;
};
/// The window that is open then, else the next one to open; within the next weeks there is one.
std::optional<Opening> FirstOpening(std::span<const Window> windows, WallTime at);

struct DueInput {
  const Timetable& schedule;
  std::span<const Window> windows;  ///< none: at any time
  std::optional<WallTime> last;     ///< when the last run began
  WallTime since;                   ///< when the table was first seen, or its schedule was changed
  int64_t spread = 0;               ///< the table's number: those that are new begin apart
};
/// When the next run is to begin; a time that has passed: now, if a window is open, else at its
/// opening (ask again with now as least). nullopt: never.
/// A run of "every" may begin a tenth of its interval early, when the window opens then: so that a
/// daily run does not creep out of its window.
std::optional<WallTime> NextDue(const DueInput& input, WallTime now);

}  // namespace moraine::maintenance
