#pragma once
// Reads live rows of one snapshot, as a query would see them (deletes applied), and counts the
// distinct values of some columns. Used by the task of compute-statistics (sketch_task.h).

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/data/column_sketch.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/io/file_system.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

/// Which files of the snapshot.
struct ScannedFiles {
  std::optional<std::vector<int64_t>> since;  ///< added by these snapshots; nullopt: all
  int64_t part = 0;                           ///< of
  int64_t parts = 1;                          ///< by the hash of the path
};

/// Used by one thread.
class SketchScan {
 public:
  /// Borrows all but which. Errors: InvalidArgument for a name mapping that can't be read.
  static Result<SketchScan> Make(io::FileSystem& files, const OpenedSnapshot& opened,
                                 ScannedFiles which, int64_t memory_bytes, JobProgress* progress);

  /// Sketches of columns (by id), in their order; reads each file once. Errors: as PlanFiles and
  /// DataFileReader; Exhausted for deletes that the memory does not hold; Corruption for a file
  /// with other rows than its metadata says.
  Result<std::vector<iceberg::CompactSketch>> Run(Call& call, const std::vector<int32_t>& columns);

  int64_t files_read() const { return files_read_; }  ///< of the last Run
  int64_t rows_read() const { return rows_read_; }    ///< deleted ones among them

 private:
  /// Files whose deletes are loaded together: they share the equality deletes.
  struct Chunk {
    std::vector<iceberg::FileTask> tasks;
    std::vector<iceberg::DeleteEntryPtr> equality;
    int64_t delete_bytes = 0;
  };
  SketchScan(io::FileSystem& files, const OpenedSnapshot& opened, int64_t memory_bytes,
             JobProgress* progress)
      : files_(files), opened_(opened), memory_bytes_(memory_bytes), progress_(progress) {}
  bool IsMine(const iceberg::ManifestEntry& entry) const;
  Status Take(Call& call, iceberg::FileTask task, Chunk* chunk);
  Status ReadChunk(Call& call, Chunk* chunk);
  Status ReadFile(Call& call, const iceberg::FileTask& task, const iceberg::DeleteFilter& deletes);

  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  const int64_t memory_bytes_;
  JobProgress* progress_;
  std::optional<std::unordered_set<int64_t>> since_;
  uint64_t part_ = 0;
  uint64_t parts_ = 1;
  std::optional<iceberg::NameMapping> mapping_;
  std::vector<int32_t> columns_;
  std::vector<iceberg::ColumnSketch> sketches_;
  int64_t files_read_ = 0;
  int64_t rows_read_ = 0;
};

}  // namespace moraine::upkeep
