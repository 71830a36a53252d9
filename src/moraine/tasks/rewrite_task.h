#pragma once
// What a worker is asked to do, as plain data: files in, deletes to apply, where and how to write.
// Made by planning, stored by optimizing as rows, run by rewrite, which needs nothing else but a
// file system. The JSON codec carries a version (decision "tasks"): this binary writes kTaskFormat
// and reads the one before, too (2: position maps).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/tasks/key_ranges.h"
#include "moraine/tasks/layout.h"
#include "moraine/tasks/position_map.h"

namespace moraine::tasks {

/// 2: position map, layout, dedup, target spec.
inline constexpr int kTaskFormat = 2;

/// A data file to read, with its data sequence number and the deletes that apply to it (indices
/// into RewriteTask::deletes).
struct InputFile {
  iceberg::DataFile file;
  int64_t sequence_number = 0;
  std::vector<int32_t> deletes;
};
struct DeleteInput {
  iceberg::DataFile file;
  int64_t sequence_number = 0;
};

/// One task of a process: all inputs belong to one spec and one partition.
struct RewriteTask {
  std::string kind = "rewrite";  ///< maintenance adds others later
  std::string process_id;
  int32_t task_id = 0;  ///< from 0 within its process
  int32_t attempt = 0;  ///< from 1, set when it is handed out
  std::string table;    ///< "warehouse.db.t", for people
  int format_version = 2;
  iceberg::SchemaPtr schema;       ///< current schema: what is written
  iceberg::PartitionSpecPtr spec;  ///< of the inputs; of the outputs, too, without target_spec
  iceberg::PartitionTuple partition;
  iceberg::StringMap properties;   ///< the table's write.*, schema.name-mapping.default, ...
  std::vector<InputFile> rewrite;  ///< read with deletes applied, written as new data files
  std::vector<InputFile>
      rewrite_positions;  ///< not rewritten: their deletes become one position delete file each
  std::vector<DeleteInput> deletes;
  int64_t target_size_bytes = 0;  ///< of an output file
  std::string data_location;      ///< folder for outputs, without the partition path
  std::string partition_path;     ///< "a=1/b=2", or empty
  Layout layout;                  ///< of the rows of `rewrite`
  Dedup dedup;
  /// Of the rows of `rewrite` only those of this range are written; the other tasks of its group
  /// write the rest of them.
  std::optional<TaskRange> range;
  /// The rows of `rewrite` go to the partitions of this spec; partition_path is empty then.
  /// nullptr: they stay in theirs.
  iceberg::PartitionSpecPtr target_spec;

  int64_t input_bytes() const;
  int64_t input_files() const {
    return static_cast<int64_t>(rewrite.size() + rewrite_positions.size());
  }
  /// "<data_location>/<partition_path>/<process>-<task>-<attempt>-": every file of the attempt
  /// starts so.
  std::string OutputPrefix() const;
  /// Of the data files that are written.
  const iceberg::PartitionSpec& output_spec() const { return target_spec ? *target_spec : *spec; }
};

struct RewriteOutput {
  std::vector<iceberg::DataFile> data_files;
  std::vector<iceberg::DataFile> delete_files;
  std::optional<PositionMap> positions;  ///< where the rows of RewriteTask::rewrite are now
  int64_t rows_read = 0;
  int64_t rows_deleted = 0;
  int64_t rows_deduplicated = 0;  ///< left out because another row has their key
  int64_t rows_elsewhere = 0;     ///< that other tasks of the group write, or count as deleted
  int64_t rows_written = 0;
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
  int64_t duration_ms = 0;
};

/// JSON of one data_file value, complete; partition values by the given types.
void WriteDataFile(const iceberg::DataFile& file,
                   const std::vector<iceberg::TypePtr>& partition_types, JsonWriter* out);
Result<iceberg::DataFile> DataFileFromJson(const JsonCursor& json,
                                           const std::vector<iceberg::TypePtr>& partition_types);

std::string RewriteTaskToJson(const RewriteTask& task);
/// Errors: InvalidArgument with the path; Unsupported for an unknown task_format or kind.
Result<RewriteTask> RewriteTaskFromJson(std::string_view text);
std::string RewriteOutputToJson(const RewriteOutput& output, const RewriteTask& task);
Result<RewriteOutput> RewriteOutputFromJson(std::string_view text, const RewriteTask& task);

/// What a position map of the output must fit.
MapShape MapShapeOf(const RewriteTask& task, const RewriteOutput& output);

/// Whether the output can be one of this task's attempt: every file lies under its prefix, in the
/// task's spec and partition, and holds no rows that were not there; a position map fits them, as
/// far as that can be told without reading files. Errors: InvalidArgument naming the file.
Status CheckOutput(const RewriteTask& task, const RewriteOutput& output);

/// JSON -> zstd -> base64, for a TEXT column; Exhausted over max_bytes.
Result<std::string> PackTask(const RewriteTask& task, int64_t max_bytes = int64_t{16} << 20);
Result<RewriteTask> UnpackTask(std::string_view packed);

}  // namespace moraine::tasks
