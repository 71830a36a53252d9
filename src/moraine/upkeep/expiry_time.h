#pragma once
// When the rows of a data file are from, by the column that data-expire.field names: from the upper
// bound of its metrics, or from a partition value that is made of it. Used by data_expiry.
//
//   column                     what its values are
//   timestamptz, its ns form   moments
//   timestamp, its ns form     times of data-expire.time-zone (the reference system: of UTC)
//   date                       whole days of that zone: a day is over at its end
//   long, int                  milliseconds or seconds since 1970 (datetime-number-format)
//   string                     datetime-string-pattern, times of that zone if it has no offset
//
// Nothing is known of a file without metrics, with nulls in the column (rows that have no time do
// not get old), or with texts that do not sort as their times do, unless its partition tells.

#include <cstdint>
#include <optional>
#include <string>

#include "moraine/base/status.h"
#include "moraine/base/time_zone.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/upkeep/time_pattern.h"

namespace moraine::upkeep {

/// How a column is to be read.
struct ExpiryField {
  std::string name;
  std::string string_pattern = "yyyy-MM-dd";
  bool seconds = false;  ///< numbers are seconds, not milliseconds
  std::string zone = "UTC";
  bool operator==(const ExpiryField&) const = default;
};

/// Immutable; borrows the metadata.
class ExpiryTimes {
 public:
  /// Errors: InvalidArgument that says what is wrong: no such column, a type without times, a
  /// pattern or zone that is none.
  static Result<ExpiryTimes> Make(const iceberg::TableMetadata& metadata, const ExpiryField& field);

  /// All rows of the file are from before this (microseconds, UTC); nothing where that is not
  /// known. Needs the column's bounds and null counts.
  std::optional<int64_t> EndOf(const iceberg::DataFile& file) const;
  /// The same of one value; nothing for null and for what is no time.
  std::optional<int64_t> EndOfValue(const iceberg::Value& value) const;
  /// The same of the file's lowest value, by its lower bound.
  std::optional<int64_t> EndOfLowest(const iceberg::DataFile& file) const;
  int32_t column() const { return column_; }

 private:
  std::optional<int64_t> EndByMetrics(const iceberg::DataFile& file) const;
  std::optional<int64_t> EndByPartition(const iceberg::DataFile& file) const;
  std::optional<int64_t> EndOfUnit(iceberg::Transform::Kind unit, int64_t value) const;
  std::optional<int64_t> FromClock(int64_t local_us) const;
  bool IsLocal() const;

  const iceberg::TableMetadata* metadata_ = nullptr;
  int32_t column_ = 0;
  bool required_ = false;
  bool seconds_ = false;
  iceberg::TypePtr type_;
  TimeZonePtr zone_;
  std::optional<TimePattern> pattern_;
};

}  // namespace moraine::upkeep
