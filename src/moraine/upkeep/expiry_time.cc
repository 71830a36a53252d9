#include "moraine/upkeep/expiry_time.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/types/calendar.h"

namespace moraine::upkeep {
namespace {

using iceberg::TypeKind;
using iceberg::Value;
using Unit = iceberg::Transform::Kind;

/// The years 1 to 9999, in microseconds: whatever lies outside is no time.
constexpr int64_t kFirstUs = -62'135'596'800'000'000;
constexpr int64_t kLastUs = 253'402'300'800'000'000;

bool HasTimes(TypeKind kind) {
  switch (kind) {
    case TypeKind::kInt:
    case TypeKind::kLong:
    case TypeKind::kDate:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
    case TypeKind::kString:
      return true;
    default:
      return false;
  }
}

std::optional<int64_t> WholeNumber(const Value& value) {
  if (const auto* number = std::get_if<int32_t>(&value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  return std::nullopt;
}

std::optional<int64_t> Times(int64_t value, int64_t unit_us) {
  if (value > kLastUs / unit_us || value < kFirstUs / unit_us) return std::nullopt;
  return value * unit_us;
}

}  // namespace

Result<ExpiryTimes> ExpiryTimes::Make(const iceberg::TableMetadata& metadata,
                                      const ExpiryField& field) {
  if (field.name.empty()) return InvalidArgument("data-expire.field is not set");
  const iceberg::Field* column = metadata.CurrentSchema().FindField(field.name);
  if (column == nullptr) {
    return InvalidArgument(
        fmt::format("data-expire.field is '{}', which is no column", field.name.substr(0, 100)));
  }
  if (!HasTimes(column->type->kind())) {
    return InvalidArgument(fmt::format("data-expire.field is '{}', whose type {} has no times",
                                       field.name.substr(0, 100), column->type->ToString()));
  }
  ExpiryTimes times;
  times.metadata_ = &metadata;
  times.column_ = column->id;
  times.required_ = column->required && !metadata.CurrentSchema().ParentOf(column->id).has_value();
  times.type_ = column->type;
  times.seconds_ = field.seconds;
  MORAINE_ASSIGN(times.zone_, TimeZone::Load(field.zone));
  if (column->type->kind() == TypeKind::kString) {
    MORAINE_ASSIGN(times.pattern_, TimePattern::Parse(field.string_pattern));
  }
  return times;
}

bool ExpiryTimes::IsLocal() const {
  const TypeKind kind = type_->kind();
  return kind != TypeKind::kTimestampTz && kind != TypeKind::kTimestampTzNs;
}

/// The moment of a time that clocks show; what they show twice is the later one, to be safe.
std::optional<int64_t> ExpiryTimes::FromClock(int64_t local_us) const {
  if (local_us < kFirstUs || local_us > kLastUs) return std::nullopt;
  const int64_t ms = iceberg::FloorDiv(local_us, 1000);
  const LocalTime local{Millis(ms)};
  const WallTime first = zone_->FromLocal(local);
  const WallTime later = first + std::chrono::hours(1);
  const WallTime moment = zone_->ToLocal(later) == local ? later : first;
  return ToMillis(moment) * 1000 + (local_us - ms * 1000);
}

std::optional<int64_t> ExpiryTimes::EndOfValue(const Value& value) const {
  if (pattern_) {
    const auto* text = std::get_if<std::string>(&value);
    auto span = text == nullptr ? std::nullopt : pattern_->Read(*text);
    if (!span) return std::nullopt;
    return span->is_utc ? span->end_us : FromClock(span->end_us);
  }
  auto number = WholeNumber(value);
  if (!number) return std::nullopt;
  switch (type_->kind()) {
    case TypeKind::kDate:
      return EndOfUnit(Unit::kDay, *number);
    case TypeKind::kTimestamp:
      if (*number < kFirstUs || *number > kLastUs) return std::nullopt;
      return FromClock(*number + 1);
    case TypeKind::kTimestampNs:
      return FromClock(iceberg::FloorDiv(*number, 1000) + 1);
    case TypeKind::kTimestampTzNs:
      return iceberg::FloorDiv(*number, 1000) + 1;
    case TypeKind::kTimestampTz:
      if (*number > kLastUs) return std::nullopt;
      return *number + 1;
    default: {
      const int64_t unit_us = seconds_ ? 1'000'000 : 1000;
      auto begin = Times(*number, unit_us);
      if (!begin) return std::nullopt;
      return *begin + 1;
    }
  }
}

/// The end of a year, month, day or hour since 1970.
std::optional<int64_t> ExpiryTimes::EndOfUnit(Unit unit, int64_t value) const {
  if (value > 90'000'000 || value < -20'000'000) return std::nullopt;
  // Old writers rounded times before 1970 up.
  int64_t end = value + (value < 0 && unit != Unit::kDay ? 2 : 1);
  if (unit == Unit::kYear) end *= 12;
  std::optional<int64_t> us;
  if (unit == Unit::kHour) {
    us = Times(end, iceberg::kMicrosPerHour);
  } else if (unit == Unit::kDay) {
    us = Times(end, iceberg::kMicrosPerDay);
  } else {
    const int64_t year = 1970 + iceberg::FloorDiv(end, 12);
    if (year < 1 || year > 9999) return std::nullopt;
    const int month = static_cast<int>(iceberg::FloorMod(end, 12)) + 1;
    us = iceberg::DaysFromCivil({year, month, 1}) * iceberg::kMicrosPerDay;
  }
  if (!us) return std::nullopt;
  return IsLocal() ? FromClock(*us) : us;
}

std::optional<int64_t> ExpiryTimes::EndByMetrics(const iceberg::DataFile& file) const {
  const int64_t* nulls = iceberg::FindCount(file.null_value_counts, column_);
  if (nulls == nullptr ? !required_ : *nulls != 0) return std::nullopt;
  const std::string* upper = iceberg::FindBound(file.upper_bounds, column_);
  if (upper == nullptr) return std::nullopt;
  if (pattern_) {
    if (pattern_->sorts()) return FromClock(pattern_->EndOfTextsUpTo(*upper));
    // Bounds that were cut are never the same.
    const std::string* lower = iceberg::FindBound(file.lower_bounds, column_);
    if (lower == nullptr || *lower != *upper) return std::nullopt;
    return EndOfValue(Value(*upper));
  }
  auto value = iceberg::ValueFromBytes(*type_, *upper);
  return value.ok() ? EndOfValue(*value) : std::nullopt;
}

std::optional<int64_t> ExpiryTimes::EndOfLowest(const iceberg::DataFile& file) const {
  const std::string* lower = iceberg::FindBound(file.lower_bounds, column_);
  if (lower == nullptr || (pattern_ && !pattern_->sorts())) return std::nullopt;
  if (pattern_) return EndOfValue(Value(*lower));
  auto value = iceberg::ValueFromBytes(*type_, *lower);
  return value.ok() ? EndOfValue(*value) : std::nullopt;
}

std::optional<int64_t> ExpiryTimes::EndByPartition(const iceberg::DataFile& file) const {
  auto spec = metadata_->FindSpec(file.spec_id);
  if (!spec || spec->fields.size() != file.partition.size()) return std::nullopt;
  std::optional<int64_t> end;
  for (size_t i = 0; i < spec->fields.size(); ++i) {
    const auto& field = spec->fields[i];
    if (field.source_ids.size() != 1 || field.source_id() != column_) continue;
    const Value& value = file.partition[i];
    const Unit unit = field.transform.kind();
    std::optional<int64_t> its;
    if (unit == Unit::kIdentity) {
      its = EndOfValue(value);
    } else if (unit == Unit::kYear || unit == Unit::kMonth || unit == Unit::kDay ||
               unit == Unit::kHour) {
      if (auto number = WholeNumber(value)) its = EndOfUnit(unit, *number);
    }
    if (its) end = std::min(end.value_or(*its), *its);
  }
  return end;
}

std::optional<int64_t> ExpiryTimes::EndOf(const iceberg::DataFile& file) const {
  auto by_partition = EndByPartition(file);
  auto by_metrics = EndByMetrics(file);
  if (!by_partition || !by_metrics) return by_partition ? by_partition : by_metrics;
  return std::min(*by_partition, *by_metrics);
}

}  // namespace moraine::upkeep
