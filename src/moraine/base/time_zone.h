#pragma once
// Time zones by their IANA names, from the system's compiled zone files (TZif, RFC 8536). For what
// happens at a time of day: schedules, maintenance windows, tags per day, texts without a zone.
// (The standard library of our compiler has no zones yet, and tzset is not thread-safe.)

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"

namespace moraine {

/// Date and time of day as the clocks on the wall of a zone show them. Days of it:
/// std::chrono::floor<std::chrono::days>(local), then std::chrono::year_month_day or weekday.
using LocalTime = std::chrono::local_time<Millis>;

/// Immutable, thread-safe.
class TimeZone {
 public:
  static std::shared_ptr<const TimeZone> Utc();
  /// Reads a zone file. Errors: Corruption that names the zone.
  static Result<std::shared_ptr<const TimeZone>> Parse(std::string_view name,
                                                       std::string_view bytes);
  /// "UTC", "Z", "+02:00", "-0530", or an IANA name such as "Europe/Berlin", whose file it reads.
  /// Errors: InvalidArgument for a name that no zone has (also where the system has no zone files).
  static Result<std::shared_ptr<const TimeZone>> Load(std::string_view name);

  const std::string& name() const { return name_; }
  /// How far its clocks are ahead of UTC at this moment.
  std::chrono::seconds OffsetAt(WallTime time) const;
  LocalTime ToLocal(WallTime time) const;
  /// The first moment at which the clocks show this; where they jump over it, the moment at which
  /// they would have shown it (02:30 is then 03:30).
  WallTime FromLocal(LocalTime local) const;

 private:
  /// When the year's summer time begins or ends, as the zone file's last line says it.
  struct Rule {
    enum class Kind { kMonthWeekDay, kDayOfYear, kDayWithoutLeap } kind = Kind::kDayOfYear;
    int month = 1;
    int week = 1;
    int day = 0;
    int32_t time_s = 7'200;
  };
  struct Footer {
    int32_t standard_s = 0;
    bool has_summer = false;
    int32_t summer_s = 0;
    Rule begin;
    Rule end;
  };
  struct Change {
    int64_t at_s;
    int32_t offset_s;
  };
  class Reader;

  int32_t OffsetAtSecond(int64_t second) const;
  int32_t FooterOffset(int64_t second) const;
  static int64_t RuleSecond(const Rule& rule, int year);

  std::string name_;
  int32_t first_offset_s_ = 0;    ///< before the first change
  std::vector<Change> changes_;   ///< ascending
  std::optional<Footer> footer_;  ///< after the last change
};

using TimeZonePtr = std::shared_ptr<const TimeZone>;

/// Zones that were loaded, by name. Thread-safe.
class TimeZones {
 public:
  /// As TimeZone::Load, from memory the next time.
  Result<TimeZonePtr> Find(std::string_view name);

 private:
  std::mutex mutex_;
  std::map<std::string, TimeZonePtr, std::less<>> zones_;
};

}  // namespace moraine
