#pragma once
// What those who put Parquet files together from the pages of others need to know of tables: the
// schema that a file of a table has, which columns of an input are the same as those, and what the
// table's metadata says of the result. Used by rewrite.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

/// A physical column of the files that are written.
struct ShapeLeaf {
  size_t field = 0;       ///< index into the schema's top-level fields
  int32_t id = 0;         ///< of the primitive field
  bool is_float = false;  ///< has NaN counts
  bool is_decimal = false;
  bool has_bounds = true;  ///< there is an order that statistics follow
};

struct ParquetShape {
  std::string footer;  ///< file metadata of a file without rows, without length and magic
  std::vector<ShapeLeaf> leaves;
  /// Of the schema's top-level fields: those with settings that only encoding them honours
  /// (bloom filters, no dictionary, no statistics).
  std::vector<bool> must_encode;
  int32_t codec = 0;  ///< a CompressionCodec's number in the format
  int level = -1;     ///< of the codec; negative: its own
  bool version2 = false;
  int64_t page_bytes = 0;
  int64_t page_rows = 0;
  int64_t dictionary_bytes = 0;
  int64_t row_group_bytes = 0;
};

/// Errors: Unsupported, as ParquetWriter::Open.
Result<ParquetShape> MakeParquetShape(const WriteOptions& options);

/// For each of fields, the physical columns of the file that hold just what ParquetWriter would
/// write for it, in its order; empty: the column is not there, is of another type, or can't be told
/// from others. footer: file metadata, as in ParquetShape. Errors: Corruption, Unsupported.
Result<std::vector<std::vector<int>>> MatchColumns(const std::vector<Field>& fields,
                                                   std::string_view footer,
                                                   const NameMapping* mapping);

/// What the footer of a new file does not tell of a leaf.
struct LeafTotals {
  int64_t nulls = 0;
  int64_t nans = 0;
};
/// The data_file of a file that was put together: metrics as ParquetWriter would have given.
/// Errors: Corruption.
Result<DataFile> DescribeParquetFile(const WriteOptions& options, const std::string& location,
                                     int64_t file_size, std::string_view footer,
                                     const std::vector<LeafTotals>& totals);

}  // namespace moraine::iceberg
