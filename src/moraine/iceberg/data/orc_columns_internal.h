#pragma once
// The schema of an ORC file as columns, and what the attributes that Iceberg gives to its types
// mean (table spec, appendix A "ORC"). Internal to the reader of ORC files.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/column_projection.h"

namespace arrow {
class Array;
class MemoryPool;
class Schema;
}  // namespace arrow

namespace moraine::iceberg {

/// The columns of a file with the ids it has. The leaves of a column have its place as their index:
/// columns are read whole.
std::vector<FileColumn> ToFileColumns(const arrow::Schema& orc);

/// Values as Arrow's adapter gives them, as the column's type: times from longs, uuids and fixed
/// from binary. Errors: Corruption for bytes of another length.
Result<std::shared_ptr<arrow::Array>> ToColumnType(const FileColumn& column,
                                                   const std::shared_ptr<arrow::Array>& values,
                                                   arrow::MemoryPool* pool);

/// Bytes of a row of the columns at these places, once decoded, by the statistics of the file's
/// tail (protobuf FileTail); nullopt if they do not tell.
std::optional<int64_t> DecodedRowBytes(std::string_view file_tail, const arrow::Schema& orc,
                                       const std::vector<int>& places);

}  // namespace moraine::iceberg
