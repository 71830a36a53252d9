#pragma once
// Writes Arrow batches as one Parquet data or delete file with the table's properties
// (write.parquet.*, write.metadata.metrics.*) and returns its data_file value with metrics (table
// spec, "Data files", appendix A). Used by data_file_writer.h and by the delete writers.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/metrics_mode.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace arrow {
class MemoryPool;
class RecordBatch;
}  // namespace arrow

namespace moraine::iceberg {

struct WriteOptions {
  SchemaPtr schema;  ///< of the batches: ToArrowSchema(schema->fields())
  StringMap
      properties;  ///< the table's; unknown codecs and numbers that do not parse count as unset
  FileContent content = FileContent::kData;  ///< delete files take write.delete.parquet.* first
  std::vector<std::pair<std::string, std::string>> key_values;    ///< besides iceberg.schema
  std::optional<std::unordered_map<int32_t, MetricsMode>> modes;  ///< nullopt: by the properties
  std::vector<int32_t> sorted_ids;  ///< sources of an order-keeping sort; they get bounds
  std::optional<int32_t> sort_order_id;
  int64_t memory_bytes = int64_t{256} << 20;  ///< row groups and pages shrink to stay in it
  /// A row group ends early when the pool, which readers may share, holds more than this.
  int64_t pool_bytes = INT64_MAX;
  Executor* executor = nullptr;  ///< columns of a batch are encoded by the caller and helpers of it
  size_t helpers = 0;
  arrow::MemoryPool* pool = nullptr;  ///< nullptr: Arrow's default
};

/// Used by one thread at a time.
class ParquetWriter {
 public:
  /// Errors: as io, AlreadyExists; Unsupported for a schema that Parquet can't hold or a codec that
  /// is not built in.
  static Result<std::unique_ptr<ParquetWriter>> Open(Call& call, io::FileSystem& files,
                                                     const std::string& location,
                                                     const WriteOptions& options);
  /// Abandons a file that was not closed.
  virtual ~ParquetWriter() = default;

  /// Columns may be dictionary-encoded. Errors: Corruption for a null in a required column;
  /// Exhausted (the pool); as io.
  virtual Status Write(Call& call, const arrow::RecordBatch& batch) = 0;
  /// The size the file would have if it were closed now, about.
  virtual int64_t estimated_bytes() const = 0;
  virtual int64_t rows() const = 0;
  /// Makes the file durable. Partition and spec are the caller's to fill in. Call once.
  virtual Result<DataFile> Close(Call& call) = 0;
};

}  // namespace moraine::iceberg
