#pragma once
// The worker task "compute-statistics": counts distinct values of columns of one snapshot, by
// sketches (Theta, as Spark and Trino have them), and writes them to a Puffin file. It reads a part
// of the files (sketch_scan.h), or none, and merges what it found with the sketches of other Puffin
// files: those of other parts, or of an older snapshot. The last task of a run writes the table's
// statistics file into its metadata folder. Made by maintenance (compute_statistics.cc), registered
// in run_task.cc.
//
// Memory: sketches of a quarter of it at a time (64 KiB each), so that of many columns some are
// counted in one pass over the files, the next ones in another.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/sketch_scan.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

inline constexpr char kComputeStatisticsKind[] = "compute-statistics";

/// A Puffin file with a sketch of each column.
struct SketchFile {
  std::string location;
  int64_t size_bytes = 0;
};

/// Body.
struct SketchTask {
  SnapshotPlace place;
  std::vector<int32_t> columns;
  ScannedFiles scanned;            ///< parts 0: nothing is read
  std::vector<SketchFile> merged;  ///< with what was read
  /// The first of merged is the statistics file of an older snapshot, not of this run: where it
  /// can't be used the result says so.
  bool has_base = false;
  /// A statistics file of the same snapshot, whose other blobs are copied, as far as they can be
  /// read; "": none.
  SketchFile kept;
  bool is_last = false;  ///< writes the table's statistics file, else one of the run's
};
std::string ToBody(const SketchTask& task);
/// But for the place. Errors: InvalidArgument.
Result<SketchTask> SketchTaskOf(std::string_view body);

/// Result.
struct SketchResult {
  iceberg::StatisticsFile file;  ///< written
  int64_t files = 0;             ///< read
  int64_t rows = 0;              ///< read, for each pass
  std::string unusable;          ///< why the base can't be used: then no file was written
  std::string lost;              ///< why blobs that were to be kept are not in the file
};
Result<SketchResult> SketchResultOf(const tasks::MaintenanceOutput& output);

/// Errors: InvalidArgument for a body or column that can't be followed, Corruption for a file of
/// sketches that lacks one; as OpenSnapshot, SketchScan and PuffinReader.
Result<tasks::MaintenanceOutput> RunComputeStatistics(Call& call, io::FileSystem& files,
                                                      const tasks::MaintenanceTask& task,
                                                      const JobOptions& options,
                                                      JobProgress* progress);

}  // namespace moraine::upkeep
