#pragma once
// The schema of an ORC file as columns, with what the attributes mean that Iceberg gives to its
// types (table spec, appendix A "ORC"), and stripes as Arrow arrays of those columns that are
// wanted. Internal to the reader of ORC files.

#include <cstdint>
#include <memory>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/data/orc_file_internal.h"

namespace arrow {
class MemoryPool;
class RecordBatch;
}  // namespace arrow

namespace moraine::iceberg {

/// The columns of a file with the ids it has; the index of a leaf is the number of its ORC type.
/// What has no place among Iceberg's types (unions) is a column of Arrow's type null. Errors:
/// Unsupported for more columns than any table has.
Result<std::vector<FileColumn>> ToFileColumns(const std::vector<OrcType>& types);

/// ORC has nanoseconds: gives them to the columns whose field has them, others get microseconds.
void SetTimeUnits(const std::vector<Field>& wanted, std::vector<FileColumn>* columns);

class OrcDecoder;

/// Used by one thread.
class OrcRows {
 public:
  /// columns: those of ToFileColumns; leaves: what is wanted of them (ColumnProjection). Borrows
  /// the file.
  OrcRows(OrcFile* file, const std::vector<FileColumn>& columns, const std::vector<int>& leaves,
          arrow::MemoryPool* pool);
  ~OrcRows();

  /// Begins a stripe; holds about memory_bytes of it as it is in the file. Errors: as io;
  /// Corruption; Unsupported for timestamps written in a time zone other than UTC.
  Status Open(const OrcStripe& stripe, int64_t memory_bytes);
  /// The next rows of the stripe, which has them, as a batch of the wanted columns in the file's
  /// order. Errors: as io; Corruption; Exhausted.
  Result<std::shared_ptr<arrow::RecordBatch>> Next(int64_t rows);
  /// Of the next rows of the stripe, which has them, how many take about max_bytes together; 1 at
  /// least. Sizes of rows can differ much, and what a batch takes is not known before.
  int64_t Fitting(int64_t rows, int64_t max_bytes);
  /// Bytes of a row once decoded, as far as statistics tell; 0: they don't.
  int64_t row_bytes() const { return row_bytes_; }

 private:
  OrcFile* file_;
  OrcStripeFooter footer_;
  std::unique_ptr<OrcDecoder> root_;
  int64_t row_bytes_ = 0;
};

}  // namespace moraine::iceberg
