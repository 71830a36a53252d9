#pragma once
// The columns of an output that can't be copied: decoded from the inputs and encoded anew, a row
// group at a time, as a small Parquet file in memory whose pages are then copied like any others.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/rewrite/memory_file.h"
#include "moraine/rewrite/task_run.h"
#include "moraine/splice/format.h"

namespace moraine::rewrite {

struct EncodedGroup {
  std::unique_ptr<MemoryFile> file;
  std::unique_ptr<io::RandomReader> reader;
  splice::FileMetadata metadata;
  iceberg::DataFile metrics;
};

/// Goes once over all alive rows of the task.
class EncodedColumns {
 public:
  /// files: through which inputs are opened. fields: of WrittenFields, not none.
  EncodedColumns(TaskRun* run, io::FileSystem& files, std::vector<iceberg::Field> fields);

  /// The next rows of all inputs. Errors: as RowSource and ParquetWriter; Corruption when there are
  /// fewer.
  Result<EncodedGroup> Next(Call& call, int64_t rows);

 private:
  TaskRun* run_;
  std::vector<iceberg::Field> fields_;
  RewriteProgress unwatched_;
  RowSource source_;
  std::shared_ptr<arrow::RecordBatch> left_;  // of the batch read last
};

}  // namespace moraine::rewrite
