#pragma once
// Patterns of dates and times, as tag names and columns of text have them: the letters of Java's
// DateTimeFormatter that the reference system's users write. Used by auto_tags and data_expiry.
//
//   y u  year          H  hour 0-23     S  fraction of a second      Y  year of the ISO week
//   M    month         m  minute        x X Z  offset from UTC       w  ISO week
//   d    day of month  s  second        '...' text, '' a quote       other characters: themselves
//
// Weeks begin on Monday. Letters that are not here are refused, and so are [ ] { } #.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/base/time_zone.h"

namespace moraine::upkeep {

/// What a text of limited precision says: from begin on, and before end. Microseconds of the time
/// that clocks show, or of UTC where the text has an offset.
struct TimeSpan {
  int64_t begin_us = 0;
  int64_t end_us = 0;
  bool is_utc = false;
  bool operator==(const TimeSpan&) const = default;
};

/// Immutable, thread-safe.
class TimePattern {
 public:
  /// Errors: InvalidArgument that quotes the pattern and says what is wrong with it.
  static Result<TimePattern> Parse(std::string_view pattern);

  std::string Format(LocalTime local, std::chrono::seconds offset) const;

  /// Nothing for a text that the pattern does not describe.
  std::optional<TimeSpan> Read(std::string_view text) const;
  /// Whether texts of the pattern, compared by their bytes, are in the order of their times.
  bool sorts() const { return sorts_; }
  /// Of a pattern that sorts: all its texts that are not above the bound name times before this
  /// (microseconds, as clocks show it). The bound may be cut short, and its last character raised,
  /// as metrics have it.
  int64_t EndOfTextsUpTo(std::string_view bound) const;

 private:
  enum class Kind : uint8_t {
    kLiteral,
    kYear,
    kMonth,
    kDay,
    kHour,
    kMinute,
    kSecond,
    kFraction,
    kWeekYear,
    kWeek,
    kOffset,
  };
  struct Part {
    Kind kind = Kind::kLiteral;
    int width = 0;
    char letter = 0;
    std::string text = {};  ///< of a literal
  };
  struct Fields;
  static std::optional<Kind> KindOf(char letter);
  Status AddLetters(std::string_view pattern, char letter, int width);
  void DecideOrder();
  static std::optional<TimeSpan> SpanOf(const Fields& fields);

  std::vector<Part> parts_;
  bool sorts_ = false;
};

}  // namespace moraine::upkeep
