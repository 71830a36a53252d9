#include "moraine/catalog/rest/rest_retry.h"

#include <algorithm>
#include <array>

#include "moraine/base/text.h"

namespace moraine::catalog {
namespace {

constexpr Millis kLongestRetryAfter{3'600'000};
constexpr Millis kFirstPause{1'000};
constexpr int kDoublings = 6;

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<WallTime> ParseHttpDate(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto parts = Split(text, ' ');
  if (parts.size() != 6 || parts[5] != "GMT") return std::nullopt;
  auto time = Split(parts[4], ':');
  auto month = std::find(kMonths.begin(), kMonths.end(), parts[2]);
  if (time.size() != 3 || month == kMonths.end()) return std::nullopt;
  auto day = ParseInt64(parts[1]);
  auto year = ParseInt64(parts[3]);
  auto hour = ParseInt64(time[0]);
  auto minute = ParseInt64(time[1]);
  auto second = ParseInt64(time[2]);
  if (!day.ok() || !year.ok() || !hour.ok() || !minute.ok() || !second.ok()) return std::nullopt;
  if (*year < 1970 || *year > 9999 || *day < 1 || *day > 31) return std::nullopt;
  if (*hour < 0 || *hour > 23 || *minute < 0 || *minute > 59 || *second < 0 || *second > 60) {
    return std::nullopt;
  }
  std::chrono::year_month_day date(
      std::chrono::year(static_cast<int>(*year)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date).time_since_epoch()) + std::chrono::hours(*hour) +
         std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

}  // namespace

RestNext DecideNext(RestEffect effect, int status, bool has_retry_after) {
  switch (status) {
    case 401:
    case 419:
      return RestNext::kRenewToken;
    case 429:
      return RestNext::kAgain;
    case 503:
      if (has_retry_after) return RestNext::kAgain;
      [[fallthrough]];
    case 408:
    case 500:
    case 502:
    case 504:
      return effect == RestEffect::kChange ? RestNext::kGiveUp : RestNext::kAgain;
    default:
      return (status >= 200 && status < 300) || status == 304 ? RestNext::kDone : RestNext::kGiveUp;
  }
}

RestNext DecideNext(RestEffect effect, Code code) {
  if (code == Code::kUnavailable) return RestNext::kAgain;  // not sent, or safe to send again
  bool lost = code == Code::kCommitUnknown || code == Code::kDeadline;
  if (lost && effect != RestEffect::kChange) return RestNext::kAgain;
  return RestNext::kGiveUp;
}

bool MayHaveLanded(int status) {
  // 503 with a time to come again may be a gateway's, for a request that its server got. 501 says
  // that it is never done.
  return status == 408 || (status >= 500 && status != 501 && status != 505);
}

bool MayHaveLanded(Code code) {
  return code == Code::kCommitUnknown || code == Code::kDeadline || code == Code::kCancelled;
}

Millis RestPause(int again, Random& random) {
  Millis pause = kFirstPause * (1 << std::clamp(again - 1, 0, kDoublings));
  return pause +
         Millis(static_cast<int64_t>(random.Below(static_cast<uint64_t>(pause.count() / 10 + 1))));
}

std::optional<Millis> ParseRetryAfter(std::string_view value, WallTime now) {
  value = Trim(value);
  Millis wait{0};
  if (auto seconds = ParseInt64(value); seconds.ok()) {
    wait = Millis(std::clamp<int64_t>(*seconds, 0, 3'600) * 1'000);
  } else if (auto date = ParseHttpDate(value)) {
    wait = *date - now;
  } else {
    return std::nullopt;
  }
  return std::clamp(wait, Millis(0), kLongestRetryAfter);
}

}  // namespace moraine::catalog
