#include "moraine/maintenance/due_time.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::maintenance {
namespace {

/// A table that never ran is due at its next time, or at one that has just passed: a look at the
/// table a moment too late must not put it off.
constexpr Millis kGrace{3'600'000};

}  // namespace

std::optional<int64_t> NextDueOf(const ActionPolicy& policy, const DueQuestion& question) {
  if (!policy.runs()) return std::nullopt;
  const bool is_interval = policy.schedule.kind() == Timetable::Kind::kEvery;
  const int64_t at_ms = std::max(question.now_ms, question.not_before_ms);
  std::optional<WallTime> last;
  // A clock that was ahead then makes nobody wait.
  if (question.last_ms > 0) last = FromMillis(std::min(question.last_ms, question.now_ms));
  // Times of day that pass before there is anything to do are left out.
  if (!is_interval && at_ms > question.now_ms) last = FromMillis(at_ms - 1);
  const Millis grace = is_interval ? policy.schedule.interval() / 2 : kGrace;
  const WallTime now = FromMillis(at_ms);
  const WallTime since = std::max(FromMillis(question.made_ms), now - grace);
  const auto due = NextDue({policy.schedule, policy.windows, last, since, question.table_id}, now);
  if (!due) return std::nullopt;
  return std::max(at_ms, ToMillis(*due));
}

int64_t MadeAtMs(const iceberg::TableMetadata& metadata) {
  int64_t made_ms = metadata.last_updated_ms;
  if (!metadata.metadata_log.empty()) {
    made_ms = std::min(made_ms, metadata.metadata_log.front().timestamp_ms);
  }
  if (!metadata.snapshots.empty()) {
    made_ms = std::min(made_ms, metadata.snapshots.front()->timestamp_ms);
  }
  return made_ms;
}

Obstacle WaitsForWindow(const ActionPolicy& policy, int64_t now_ms) {
  Obstacle obstacle;
  if (policy.windows.empty()) return obstacle;
  const auto opening = FirstOpening(policy.windows, FromMillis(now_ms));
  if (!opening || opening->begin <= FromMillis(now_ms)) return obstacle;
  obstacle.reason =
      fmt::format("waits for its window, which opens at {}", FormatTime(opening->begin));
  obstacle.until_ms = ToMillis(opening->begin);
  return obstacle;
}

}  // namespace moraine::maintenance
