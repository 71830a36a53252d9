#pragma once
// Decoders of single Avro values, each filling an Arrow array. Made by AvroRows, one for each
// wanted column at any depth.

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include "moraine/iceberg/avro/avro_cursor.h"
#include "moraine/iceberg/avro/avro_program.h"
#include "moraine/iceberg/avro/avro_schema.h"

namespace moraine::iceberg {

/// Broken bytes make the cursor fail and give any value.
class AvroDecoder {
 public:
  virtual ~AvroDecoder() = default;
  virtual arrow::Status Read(AvroCursor* cursor) = 0;  ///< a value that is there
  virtual arrow::Status AppendNull() = 0;
  virtual arrow::Result<std::shared_ptr<arrow::Array>> Finish() = 0;
  /// Memory of a value beside that of what is in it: strings, elements.
  virtual int64_t fixed_bytes() const = 0;
};

/// A value that may be null.
struct AvroOptionalDecoder {
  AvroOptional type;
  std::unique_ptr<AvroDecoder> decoder;

  arrow::Status Read(AvroCursor* cursor) const {
    return ReadPresence(type, cursor) ? decoder->Read(cursor) : decoder->AppendNull();
  }
};

/// What becomes of a field of a record.
struct AvroFieldStep {
  int child = -1;  ///< -1: passed over, by the skipper's code
  size_t skip_begin = 0;
  size_t skip_end = 0;
};

/// Code that passes over bytes, and what elements of lists and maps take. Shared by the decoders of
/// a file.
struct AvroSharedState {
  AvroSkipper skipper;
  int64_t element_bytes = 0;
};

/// Of a column without children. type: as ToFileColumns gives it.
std::unique_ptr<AvroDecoder> MakeLeafDecoder(const AvroNode& node,
                                             const std::shared_ptr<arrow::DataType>& type,
                                             arrow::MemoryPool* pool);
/// Of what has no place in a table: nulls, over bytes that are passed over.
std::unique_ptr<AvroDecoder> MakeSkippedDecoder(const AvroSharedState* shared, size_t begin,
                                                size_t end);
std::unique_ptr<AvroDecoder> MakeRecordDecoder(const AvroSharedState* shared,
                                               std::vector<AvroFieldStep> steps,
                                               std::vector<AvroOptionalDecoder> children,
                                               arrow::FieldVector fields, arrow::MemoryPool* pool);
/// children: element; or key and value. least_bytes: of an item.
std::unique_ptr<AvroDecoder> MakeRepeatedDecoder(AvroSharedState* shared, size_t least_bytes,
                                                 std::vector<AvroOptionalDecoder> children,
                                                 std::shared_ptr<arrow::DataType> type,
                                                 arrow::MemoryPool* pool);

}  // namespace moraine::iceberg
