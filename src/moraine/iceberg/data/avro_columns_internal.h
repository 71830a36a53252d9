#pragma once
// The schema of an Avro data file as columns (table spec, appendix A "Avro"), and its records as
// Arrow arrays of those columns that are wanted. Internal to the reader of Avro data files.

#include <cstdint>
#include <memory>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_cursor.h"
#include "moraine/iceberg/avro/avro_schema.h"
#include "moraine/iceberg/data/column_projection.h"

namespace arrow {
class MemoryPool;
class RecordBatch;
}  // namespace arrow

namespace moraine::iceberg {

/// The columns of a file with the ids it has. What has no place among Iceberg's types (unions of
/// several types, records that hold themselves) is a column of Arrow's type null. Errors:
/// Corruption for a root that is no record; Unsupported for more columns than any table has.
Result<std::vector<FileColumn>> ToFileColumns(const AvroSchema& schema);

/// Whether an array stands for a map whose keys need not be strings: of records of key and value.
bool IsMapOfRecords(const AvroSchema& schema, const AvroNode& array);

/// Used by one thread.
class AvroRows {
 public:
  /// columns: those of ToFileColumns; leaves: what is wanted of them (ColumnProjection). Borrows
  /// the schema.
  static AvroRows Make(const AvroSchema& schema, const std::vector<FileColumn>& columns,
                       const std::vector<int>& leaves, arrow::MemoryPool* pool);
  AvroRows(AvroRows&&) noexcept;
  ~AvroRows();

  /// Appends the record at the cursor. Errors: Exhausted; Corruption for a value that no value of
  /// its column can be. Broken bytes make the cursor fail.
  Status Append(AvroCursor* cursor);
  int64_t num_rows() const;
  /// About how much memory the rows take.
  int64_t memory_bytes() const;
  /// The rows as a batch of the wanted columns in the file's order; begins anew.
  Result<std::shared_ptr<arrow::RecordBatch>> Finish();

 private:
  struct State;
  explicit AvroRows(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace moraine::iceberg
