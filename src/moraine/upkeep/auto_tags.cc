#include "moraine/upkeep/auto_tags.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/time_pattern.h"

namespace moraine::upkeep {
namespace {

using std::chrono::days;
using std::chrono::floor;
using LocalDays = std::chrono::local_days;

constexpr int64_t kHourMs = 3'600'000;

/// The first day of the period that a day is in.
LocalDays FirstDay(TagPeriod period, LocalDays day) {
  if (period == TagPeriod::kWeekly) {
    return day - (std::chrono::weekday(day) - std::chrono::Monday);
  }
  if (period == TagPeriod::kMonthly) {
    const std::chrono::year_month_day date(day);
    return LocalDays(date.year() / date.month() / 1);
  }
  return day;
}

/// The first day of a period a few periods later or, with a negative count, earlier.
LocalDays Move(TagPeriod period, LocalDays first, int count) {
  if (period == TagPeriod::kDaily) return first + days(count);
  if (period == TagPeriod::kWeekly) return first + days(7 * count);
  const std::chrono::year_month_day date(first);
  return LocalDays(date + std::chrono::months(count));
}

int64_t DayBegin(const TimeZone& zone, LocalDays day) {
  return ToMillis(zone.FromLocal(LocalTime(day)));
}

/// Hours are counted, not named: the one that clocks show twice is two.
TagPeriodEnd LastHour(const TimeZone& zone, int64_t moment_ms) {
  const int64_t offset_ms =
      std::chrono::duration_cast<Millis>(zone.OffsetAt(FromMillis(moment_ms))).count();
  const int64_t local = moment_ms + offset_ms;
  const int64_t into = ((local % kHourMs) + kHourMs) % kHourMs;
  TagPeriodEnd end;
  end.end_ms = moment_ms - into;
  end.begin_ms = end.end_ms - kHourMs;
  end.next_ms = end.end_ms + kHourMs;
  return end;
}

Result<std::string> TagName(const MaintenanceConfig& config, const TimeZone& zone,
                            int64_t begin_ms) {
  MORAINE_ASSIGN(TimePattern pattern, TimePattern::Parse(TagFormat(config)));
  const WallTime begin = FromMillis(begin_ms);
  std::string name = pattern.Format(zone.ToLocal(begin), zone.OffsetAt(begin));
  const bool is_bad = name == iceberg::kMainBranch || name.size() > 200 || !IsValidUtf8(name) ||
                      std::any_of(name.begin(), name.end(), [](char c) {
                        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                      });
  if (is_bad) {
    return InvalidArgument(fmt::format(
        "tag.auto-create.tag-format makes a name that no tag can have: '{}'", name.substr(0, 60)));
  }
  return name;
}

/// The oldest snapshot that is left of main's history was the table's first.
bool IsHistoryComplete(const iceberg::TableMetadata& metadata) {
  const iceberg::Snapshot* at = metadata.CurrentSnapshot();
  for (size_t i = 0; at != nullptr && i <= metadata.snapshots.size(); ++i) {
    if (!at->parent_snapshot_id) return true;
    at = metadata.FindSnapshot(*at->parent_snapshot_id);
  }
  return false;
}

}  // namespace

std::string TagFormat(const MaintenanceConfig& config) {
  if (!config.tag_format.empty()) return config.tag_format;
  switch (config.tag_period) {
    case TagPeriod::kHourly:
      return "'tag-'yyyyMMddHH";
    case TagPeriod::kDaily:
      return "'tag-'yyyyMMdd";
    case TagPeriod::kWeekly:
      return "'tag-'YYYY'W'ww";
    case TagPeriod::kMonthly:
      return "'tag-'yyyyMM";
  }
  return "'tag-'yyyyMMdd";
}

TagPeriodEnd LastTagPeriod(const MaintenanceConfig& config, const TimeZone& zone, int64_t now_ms) {
  const int64_t offset_ms = config.tag_offset.count();
  const int64_t moment_ms = now_ms - offset_ms;
  TagPeriodEnd end;
  if (config.tag_period == TagPeriod::kHourly) {
    end = LastHour(zone, moment_ms);
  } else {
    const auto today = floor<days>(zone.ToLocal(FromMillis(moment_ms)));
    const LocalDays first = FirstDay(config.tag_period, today);
    end.end_ms = DayBegin(zone, first);
    end.begin_ms = DayBegin(zone, Move(config.tag_period, first, -1));
    end.next_ms = DayBegin(zone, Move(config.tag_period, first, 1));
  }
  end.due_ms = end.end_ms + offset_ms;
  end.next_ms += offset_ms;
  return end;
}

const iceberg::Snapshot* MainAt(const iceberg::TableMetadata& metadata, int64_t time_ms) {
  // The log knows what main was, also where older snapshots were published later.
  std::optional<int64_t> logged;
  for (const auto& entry : metadata.snapshot_log) {
    if (entry.timestamp_ms <= time_ms) logged = entry.snapshot_id;
  }
  // But what was rolled back since is not in its history any more.
  const iceberg::Snapshot* at = metadata.CurrentSnapshot();
  const iceberg::Snapshot* by_time = nullptr;
  for (size_t i = 0; at != nullptr && i <= metadata.snapshots.size(); ++i) {
    if (logged == at->snapshot_id) return at;
    if (by_time == nullptr && at->timestamp_ms <= time_ms) by_time = at;
    at = at->parent_snapshot_id ? metadata.FindSnapshot(*at->parent_snapshot_id) : nullptr;
  }
  return by_time;
}

Result<TagDecision> DecideTag(const iceberg::TableMetadata& metadata,
                              const MaintenanceConfig& config, const TimeZone& zone,
                              int64_t now_ms) {
  const TagPeriodEnd period = LastTagPeriod(config, zone, now_ms);
  TagDecision decision;
  decision.next_ms = period.next_ms;
  MORAINE_ASSIGN(decision.name, TagName(config, zone, period.begin_ms));
  const std::string_view kind = config.tag_makes_branch ? "branch" : "tag";
  if (metadata.refs.contains(decision.name)) {
    decision.reason = fmt::format("{} is there already", decision.name);
    return decision;
  }
  if (metadata.CurrentSnapshot() == nullptr) {
    decision.reason = "the table has no snapshot";
    return decision;
  }
  const int64_t delay_ms = now_ms - period.due_ms;
  if (config.tag_max_delay.count() > 0 && delay_ms > config.tag_max_delay.count()) {
    decision.reason = fmt::format("{} was due {} ago, which is more than max-delay allows",
                                  decision.name, FormatDuration(Millis(delay_ms)));
    return decision;
  }
  const iceberg::Snapshot* snapshot = MainAt(metadata, period.due_ms);
  if (snapshot == nullptr) {
    decision.reason = IsHistoryComplete(metadata)
                          ? fmt::format("the table had no snapshot when {} was due", decision.name)
                          : fmt::format("the snapshot that {} would have is gone", decision.name);
    return decision;
  }
  iceberg::SnapshotRef ref;
  ref.snapshot_id = snapshot->snapshot_id;
  ref.type = config.tag_makes_branch ? iceberg::SnapshotRef::Type::kBranch
                                     : iceberg::SnapshotRef::Type::kTag;
  // The age of a ref counts from its snapshot on, which may be much older than the period.
  if (config.tag_max_age.count() > 0) {
    ref.max_ref_age_ms =
        config.tag_max_age.count() + std::max<int64_t>(0, period.due_ms - snapshot->timestamp_ms);
  }
  decision.reason =
      fmt::format("{} {}: snapshot {} of {}", kind, decision.name, snapshot->snapshot_id,
                  FormatTime(FromMillis(snapshot->timestamp_ms)));
  decision.ref = std::move(ref);
  return decision;
}

iceberg::CommitRequest TagCommit(const iceberg::TableMetadata& metadata,
                                 const TagDecision& decision) {
  iceberg::CommitRequest request;
  request.requirements.push_back(iceberg::requirement::AssertTableUuid{metadata.table_uuid});
  request.requirements.push_back(
      iceberg::requirement::AssertRefSnapshotId{decision.name, std::nullopt});
  request.updates.push_back(iceberg::update::SetSnapshotRef{decision.name, *decision.ref});
  return request;
}

}  // namespace moraine::upkeep
