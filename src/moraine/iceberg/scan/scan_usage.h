#pragma once
// What a table is asked for, summed over the reports of scans that engines send (REST spec,
// "ScanReport"): which columns filters name, in which combinations, what was read and what was
// skipped. Of bounded size, however many reports there are. Kept per day by the catalog, read by
// upkeep's advice. Values in filters don't matter: engines send them hashed.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::iceberg {

/// Scans whose filter names one column. The first four count a scan in which the column's
/// predicate must hold for a row to be found, so that files can be left out by it.
struct ColumnUse {
  int64_t scans = 0;
  int64_t equality = 0;  ///< of them with "=" or "in"
  int64_t range = 0;     ///< <, >, or a function of time
  int64_t prefix = 0;
  int64_t other = 0;  ///< scans that name it where it rules out nothing: one side of "or", "!="
  /// Of the scans, by their own count.
  int64_t result_files = 0;
  int64_t skipped_files = 0;
  bool operator==(const ColumnUse&) const = default;
};

struct ScanUsage {
  int64_t scans = 0;
  int64_t filtered = 0;  ///< with a filter on some column
  int64_t result_files = 0;
  int64_t skipped_files = 0;
  int64_t result_bytes = 0;
  int64_t result_deletes = 0;  ///< delete files, once for each scan
  int64_t scanned_manifests = 0;
  int64_t skipped_manifests = 0;
  int64_t planning_ms = 0;
  int64_t planned = 0;   ///< scans that told how long planning took
  int64_t last_ms = 0;   ///< of the newest report
  int64_t left_out = 0;  ///< names that did not fit
  std::map<std::string, ColumnUse> columns;
  /// Scans by the columns that may rule files out, sorted, parted by ','.
  std::map<std::string, int64_t> combinations;
  std::map<std::string, int64_t> projected;  ///< scans that read the column

  void Add(const ScanUsage& other);
  bool operator==(const ScanUsage&) const = default;
};

/// Most names that a ScanUsage holds of each sort; to a new one the rarest gives way (Add).
inline constexpr size_t kMostUsedColumns = 64;
inline constexpr size_t kMostCombinations = 32;
inline constexpr size_t kMostProjected = 100;
/// Longer names are left out.
inline constexpr size_t kLongestUsedName = 255;

/// Of one report. Not a scan's, or of a form that is not known: what can be read of it.
ScanUsage UsageOfReport(const Json& report, int64_t reported_ms);

std::string ScanUsageToJson(const ScanUsage& usage);
/// Errors: InvalidArgument.
Result<ScanUsage> ScanUsageFromJson(std::string_view text);

}  // namespace moraine::iceberg
