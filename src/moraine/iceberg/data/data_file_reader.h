#pragma once
// Reads a data or delete file of any format of Iceberg as Arrow record batches of a wanted schema
// (table spec, "Column projection"). Streams: at any time it holds what it works on and one batch,
// never the file. Used by rewrite, by the delete readers and by tests; parquet_reader.h,
// orc_reader.h and avro_reader.h have the formats.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace arrow {
class MemoryPool;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace moraine::iceberg {

/// Leaves out row groups of Parquet whose statistics say that a string column has no value in
/// [lower, upper]. The other formats read them all: what is left out is none of the caller's
/// business.
struct RowGroupFilter {
  int32_t column_id = 0;
  std::string lower;
  std::string upper;
};

/// What becomes of a file none of whose columns has a field id, where no name mapping is given; and
/// of one where only some have, if a column that is wanted seems not to be there.
enum class WithoutIds : uint8_t {
  kRefuse,  ///< names and places change: a guess that a rewrite makes final
  kByName,  ///< for columns whose names never change (position deletes) and for looking at files
};

struct ReadOptions {
  /// What batches look like. Metadata columns (_file, _pos, _deleted, _row_id,
  /// _last_updated_sequence_number) may be among them.
  std::vector<Field> fields;
  std::optional<RowLineage> lineage;     ///< of the file; nullopt: lineage columns as stored
  ColumnConstants constants;             ///< identity partition values, for columns not in the file
  const NameMapping* mapping = nullptr;  ///< for files without ids
  WithoutIds without_ids = WithoutIds::kRefuse;  ///< for those without a mapping
  std::optional<RowGroupFilter> filter;
  Dictionaries dictionaries = Dictionaries::kDecode;
  int64_t batch_bytes = int64_t{8} << 20;  ///< aimed at; at most
  int64_t batch_rows = 64 * 1024;          ///< this many rows
  /// Row groups of Parquet whose wanted columns are larger than this are read page by page instead
  /// of at once; a block of Avro that unpacks to more is refused (but 16 MB may always be).
  int64_t whole_row_group_bytes = int64_t{64} << 20;
  arrow::MemoryPool* pool = nullptr;  ///< nullptr: Arrow's default
};

/// Used by one thread at a time.
class DataFileReader {
 public:
  /// Reads what the file says of itself and decides the projection. known_size is trusted. Errors:
  /// as io; Corruption for a file that is not of the format, or lacks a required column;
  /// Unsupported for a format of no rows, an encrypted file, a column of another type or a file
  /// without ids (see WithoutIds); all name the file.
  static Result<std::unique_ptr<DataFileReader>> Open(Call& call, io::FileSystem& files,
                                                      const std::string& location,
                                                      FileFormat format,
                                                      std::optional<int64_t> known_size,
                                                      ReadOptions options);
  virtual ~DataFileReader() = default;

  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  /// Rows of the file; nullopt where only reading it to its end tells (Avro).
  virtual std::optional<int64_t> known_rows() const = 0;
  /// The columns of the file, ids filled in.
  virtual const std::vector<FileColumn>& columns() const = 0;

  /// The next batch, or nullptr at the end. With Dictionaries::kKeep, string columns may come
  /// dictionary-encoded, and the batch's schema says so. Errors: Corruption, Exhausted (the pool),
  /// as io.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next(Call& call) = 0;
  /// The position in the file of the first row of the batch that Next returned last.
  virtual int64_t batch_position() const = 0;
};

}  // namespace moraine::iceberg
