#pragma once
// What would help one table, and why: from its files (table_survey.h), its metadata and what scans
// asked it for (iceberg/scan/scan_usage.h). Pure; nothing is ever done by it. Each rule has a file
// of its own (..._advice.cc) and says in the figures it went by why; its thresholds stand below and
// in docs/guide/advice.md.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/scan_usage.h"
#include "moraine/planning/config.h"
#include "moraine/upkeep/config.h"
#include "moraine/upkeep/table_survey.h"

namespace moraine::upkeep {

enum class AdviceKind {
  kLayout,  ///< the order of rows: sort, Z-order
  kPartitionSpec,
  kSmallFiles,
  kFileSize,
  kBloomFilter,
  kColumnMetrics,
  kStatistics,
  kDeletes,
  kFormatVersion,
  kManifests,
  kExpiry,
  kSortOrder,  ///< one that no scan gains by
};
/// "layout", "partition-spec", "small-files", ...
std::string_view AdviceKindName(AdviceKind kind);

struct Advice {
  AdviceKind kind = AdviceKind::kLayout;
  std::string subject;  ///< a column, columns, or a property
  std::string why;      ///< one sentence or two, with the figures
  std::string gain;     ///< what it is expected to bring
  /// 0 to 100: about what part of the work of its scans (or of the bytes it keeps) the table would
  /// be spared. What scans don't feel at once counts less.
  int score = 0;
  /// What would apply it, one after the other: commands, statements of SQL.
  std::vector<std::string> commands;
};

struct AdviceFacts {
  const iceberg::TableMetadata& metadata;
  planning::OptimizingConfig optimizing;
  MaintenanceConfig maintenance;
  bool is_registered = false;
  int64_t metadata_bytes = 0;  ///< of the metadata file
  TableSurvey survey;
  iceberg::ScanUsage scans;
  int64_t days = 7;  ///< that the scans were counted over
  int64_t now_ms = 0;
  std::string name;       ///< "db.t", as commands take it
  std::string warehouse;  ///< named in commands unless it is "default"
};

struct AdviceReport {
  std::vector<Advice> advice;      ///< the highest score first
  std::vector<std::string> notes;  ///< what could not be looked at; why nothing is advised
};
AdviceReport Advise(const AdviceFacts& facts);

/// Columns whose bounds are worth surveying: those that most scans filter on, first.
std::vector<std::string> ColumnsForSurvey(const iceberg::ScanUsage& scans);

// Thresholds.
inline constexpr int64_t kLeastScans = 5;      ///< fewer tell nothing
inline constexpr double kOftenFiltered = 0.1;  ///< part of the scans that filter on a column
inline constexpr int64_t kLeastFilesToArrange = 8;
/// Part of the table's bytes that a point filter must be spared for a layout to be advised.
inline constexpr double kLeastSparing = 0.25;
/// A second column joins a curve if so large a part of the scans on the first filters on it alone.
inline constexpr double kSecondColumn = 0.25;
inline constexpr size_t kMostCurveColumns = 4;
/// Bounds are alike where so many files share each of them, on average.
inline constexpr int64_t kAlikeBounds = 10;
inline constexpr int64_t kLeastScansForUnused = 50;
inline constexpr int64_t kLeastBytesToPartition = int64_t{64} << 30;
inline constexpr int64_t kLeastPartitionBytes = int64_t{512} << 20;  ///< of a partition advised
inline constexpr int64_t kTooSmallPartition = int64_t{32} << 20;     ///< on average
inline constexpr int64_t kManyPartitions = 100;
inline constexpr int64_t kTooLargePartition = int64_t{64} << 30;
inline constexpr double kMostlyFiltered = 0.5;
inline constexpr int64_t kLeastSmallFiles = 16;
inline constexpr double kManySmallFiles = 0.5;  ///< part of the files that merging would take away
inline constexpr int64_t kManyFiles = 20'000;   ///< of the target size
inline constexpr int64_t kLargerTarget = int64_t{512} << 20;
inline constexpr int64_t kBloomDistinct = 10'000;
inline constexpr double kBloomSpread = 0.5;  ///< part of the files that may hold a value
inline constexpr double kBloomEquality = 0.2;
inline constexpr int64_t kLeastRowsForStatistics = 100'000;
inline constexpr double kStaleStatistics = 0.5;  ///< growth of the rows since
inline constexpr double kUnboundedColumn = 0.5;
inline constexpr int64_t kWideTable = 100;             ///< leaf columns
inline constexpr int64_t kLargeManifestEntry = 4'096;  ///< bytes for each file
inline constexpr double kManyDeletes = 0.1;            ///< part of the rows
inline constexpr int64_t kOldEqualityMs = 24LL * 3'600'000;
inline constexpr int64_t kManyDeleteFiles = 100;
inline constexpr int64_t kManyManifests = 50;
inline constexpr int64_t kSmallManifest = int64_t{1} << 20;
inline constexpr int64_t kManySnapshots = 100;
inline constexpr double kHeldBytes = 0.25;  ///< of the live bytes
inline constexpr int64_t kLeastHeldBytes = int64_t{1} << 30;
inline constexpr int64_t kLargeMetadata = int64_t{8} << 20;
inline constexpr int64_t kOldRefMs = 90LL * 24 * 3'600'000;

}  // namespace moraine::upkeep
